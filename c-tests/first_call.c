/*
 * The first call of a thread, where there is no memory for the thread's record: what may answer so does, and has done
 * nothing; what gives back or wakes, or needs no record, goes; and rt_self ends the process with one line. Each in a process
 * of its own, with a library that was built for faults.
 */
#include "more.h"

extern int gort_fail(const char *rules);

/* Made while there was memory; nobody here has called what makes a record. */
static rt_chan *chan;
static rt_mutex mu;
static rt_cond cond;
static rt_sema sema;
static rt_waitgroup wg;
static rt_once once;
static int calls;

static void counts(void *arg) {
    (void)arg;
    calls++;
}

static bool stays(rt_g *g, void *lock) {
    (void)g, (void)lock;
    calls++;
    return true;
}

/* What answers, and what. */
static void refused(void) {
    rt_config cfg = {.struct_size = sizeof cfg};
    rt_go_opts opts = {.struct_size = sizeof opts, .name = "named"};
    rt_stats stats = {.struct_size = sizeof stats};
    rt_select_case k = recv_case(chan, NULL);
    CHECK_EQ(rt_init(&cfg), RT_ENOMEM);
    CHECK_EQ(rt_run(counts, NULL), RT_ENOMEM);
    CHECK_EQ(rt_go(counts, NULL), RT_ENOMEM);
    CHECK_EQ(rt_go_with(&opts, counts, NULL), RT_ENOMEM);
    CHECK_EQ(rt_waitgroup_go(&wg, counts, NULL), RT_ENOMEM);
    CHECK_EQ(rt_maxprocs(3), RT_ENOMEM);
    CHECK_EQ(rt_sleep(1), RT_ENOMEM);
    CHECK_EQ(rt_gopark(stays, NULL, NULL), RT_ENOMEM);
    CHECK_EQ(rt_gopark_timeout(stays, NULL, NULL, 1), RT_ENOMEM);
    CHECK_EQ(rt_chan_send(chan, NULL), RT_ENOMEM);
    CHECK_EQ(rt_chan_recv(chan, NULL), RT_ENOMEM);
    CHECK_EQ(rt_chan_recv_timeout(chan, NULL, 1), RT_ENOMEM);
    CHECK_EQ(rt_chan_recv(NULL, NULL), RT_ENOMEM);
    CHECK_EQ(rt_select(&k, 1, RT_FOREVER), RT_ENOMEM);
    CHECK_EQ(k.result, UNTOUCHED);
    CHECK_OK(rt_mutex_lock(&mu));
    CHECK_EQ(rt_mutex_lock(&mu), RT_ENOMEM);
    CHECK_EQ(rt_cond_wait(&cond, &mu), RT_ENOMEM);
    CHECK_OK(rt_mutex_unlock(&mu));
    CHECK_EQ(rt_sema_acquire(&sema), RT_ENOMEM);
    CHECK_EQ(rt_once_do(&once, counts, NULL), RT_ENOMEM);
    CHECK_EQ(rt_stop(RT_FOREVER), RT_ENOMEM);
    CHECK_EQ(rt_stats_read(&stats), RT_ENOMEM);
    CHECK_EQ(rt_dump(2), RT_ENOMEM);
    CHECK_EQ(rt_dump_on_signal(SIGUSR1), RT_ENOMEM);
    CHECK(rt_timer_new(1) == NULL);
    CHECK(rt_ticker_new(1) == NULL);
    CHECK(rt_after(1) == NULL);
    CHECK(rt_after_func(1, counts, NULL) == NULL);
    CHECK_EQ(calls, 0);
    /* None of it has left anything behind. */
    CHECK_OK(gort_fail(NULL));
    CHECK_EQ(rt_num_goroutine(), 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(rt_sema_try_acquire(&sema), RT_EAGAIN);
    CHECK_EQ(rt_chan_try_recv(chan, NULL), RT_EAGAIN);
    CHECK_OK(rt_once_do(&once, counts, NULL));
    CHECK_OK(rt_run(counts, NULL));
    CHECK_EQ(calls, 2);
    rt_chan_unref(chan);
    CHECK_OK(rt_stop(RT_FOREVER));
}

/* What needs no record, since it has to do with none. */
static void unknown(void) {
    CHECK_EQ(rt_num_goroutine(), 0);
    CHECK_EQ(rt_goid(), 0);
    CHECK_OP(rt_maxprocs(0), >, 0);
    CHECK_OP(rt_now(), >, 0);
    rt_gosched();
    CHECK_OK(rt_lock_os_thread());
    CHECK_OK(rt_unlock_os_thread());
    rt_entersyscall();
    rt_exitsyscall();
    CHECK_OK(rt_blocking(counts, NULL));
    CHECK_EQ(calls, 1);
    CHECK_OK(rt_mutex_lock(&mu));
    CHECK_EQ(rt_mutex_try_lock(&mu), RT_EAGAIN);
    CHECK_OK(rt_mutex_unlock(&mu));
    CHECK_EQ(rt_chan_try_recv(chan, NULL), RT_EAGAIN);
    CHECK_EQ(rt_chan_try_send(chan, NULL), RT_EAGAIN);
    CHECK_EQ(rt_chan_recv(NULL, NULL), RT_ENOMEM);
}

static void (*body)(void);
static const char *rules;

/* --- what gives back or wakes -------------------------------------------------------------------------------------- */

/* Goroutines and threads that wait, each for one thing; made by a thread that has a record. */
static rt_rwmutex written, read_by;
static rt_chan *closed;
static rt_timer *timers[2];
static rt_g *parked;
static uint64_t ticket;
static atomic_int waiting, ended;
static atomic_bool ready, over;

static bool commits(rt_g *g, void *at) {
    (void)g;
    if (at != NULL) *(rt_g **)at = g;
    atomic_fetch_add(&waiting, 1);
    return true;
}

static void parks(void *arg) {
    (void)arg;
    CHECK_OK(rt_gopark(commits, &parked, "for first_call"));
}

static void parks_with_ticket(void *arg) {
    (void)arg;
    ticket = rt_park_ticket();
    CHECK_OK(rt_gopark(commits, NULL, "for first_call"));
}

static void recvs(void *arg) {
    (void)arg;
    CHECK_EQ(rt_chan_recv(closed, NULL), RT_ECLOSED);
}

static void locks(void *arg) {
    (void)arg;
    CHECK_OK(rt_mutex_lock(&mu));
    CHECK_OK(rt_mutex_unlock(&mu));
}

static void rlocks(void *arg) {
    (void)arg;
    CHECK_OK(rt_rwmutex_rlock(&written));
}

static void wlocks(void *arg) {
    (void)arg;
    CHECK_OK(rt_rwmutex_lock(&read_by));
}

static void acquires(void *arg) {
    (void)arg;
    CHECK_OK(rt_sema_acquire(&sema));
}

static void waits_for_cond(void *arg) {
    static rt_mutex own[4];
    static atomic_int next;
    rt_mutex *const m = &own[atomic_fetch_add(&next, 1)];
    (void)arg;
    CHECK_OK(rt_mutex_lock(m));
    CHECK_OK(rt_cond_wait(&cond, m));
}

static void waits_for_group(void *arg) {
    (void)arg;
    CHECK_OK(rt_waitgroup_wait(&wg));
}

static void ticks(void *arg) {
    CHECK_OK(rt_chan_recv(rt_timer_chan(timers[(intptr_t)arg]), NULL));
}

static const struct {
    rt_fn fn;
    intptr_t arg;
} waiters[] = {{parks, 0},    {parks_with_ticket, 0}, {recvs, 0},          {locks, 0},           {rlocks, 0}, {wlocks, 0},
               {acquires, 0}, {waits_for_cond, 0},    {waits_for_cond, 1}, {waits_for_group, 0}, {ticks, 0},  {ticks, 1}};
enum { WAITERS = sizeof waiters / sizeof waiters[0] };

static void one_waiter(void *arg) {
    const intptr_t i = (intptr_t)arg;
    waiters[i].fn((void *)waiters[i].arg);
    atomic_fetch_add(&ended, 1);
}

static void *makes_waiters(void *arg) {
    for (int i = 0; i < 2; i++) timers[i] = rt_timer_new(3600 * SECOND);
    closed = rt_chan_make(0, 0);
    CHECK_OK(rt_mutex_lock(&mu));
    CHECK_OK(rt_rwmutex_lock(&written));
    CHECK_OK(rt_rwmutex_rlock(&read_by));
    CHECK_OK(rt_waitgroup_add(&wg, 1));
    for (intptr_t i = 0; i < WAITERS; i++) go(one_waiter, (void *)i);
    /* The two that park say so; the others are given the time. */
    EVENTUALLY(atomic_load(&waiting) == 2);
    thread_sleep(20 * MS);
    atomic_store(&ready, true);
    /* Its record is not to be had as long as it is there. */
    while (!atomic_load(&over)) thread_sleep(MS);
    return arg;
}

static void wakes(void) {
    CHECK_OK(gort_fail(NULL));
    const pthread_t maker = thread_start(makes_waiters, NULL);
    EVENTUALLY(atomic_load(&ready));
    CHECK_OK(gort_fail(rules));
    rt_chan *const again = rt_chan_ref(chan);
    rt_chan_unref(again);
    CHECK_OK(rt_goready(parked));
    CHECK_OK(rt_goready_ticket(ticket));
    CHECK_OK(rt_chan_close(closed));
    CHECK_OK(rt_mutex_unlock(&mu));
    CHECK_OK(rt_rwmutex_unlock(&written));
    CHECK_OK(rt_rwmutex_runlock(&read_by));
    CHECK_OK(rt_sema_release(&sema));
    rt_cond_signal(&cond);
    rt_cond_broadcast(&cond);
    CHECK_OK(rt_waitgroup_done(&wg));
    for (int i = 0; i < 2; i++) CHECK(rt_timer_reset(timers[i], (i + 1) * MS));
    EVENTUALLY(atomic_load(&ended) == WAITERS);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK(!rt_timer_stop(timers[0]));
    CHECK(!rt_timer_stop_wait(timers[1]));
    rt_timer_free(timers[0]);
    rt_timer_detach(timers[1]);
    rt_chan_unref(closed);
    rt_chan_unref(chan);
    /* Half of the record is mapped with many others. */
    if (strcmp(rules, "alloc:1+") == 0) {
        CHECK_EQ(rt_park_ticket(), 0);
        CHECK_EQ(rt_stop(RT_FOREVER), RT_ENOMEM);
    }
    atomic_store(&over, true);
    thread_join(maker);
    CHECK_OK(gort_fail(NULL));
    CHECK_OK(rt_stop(RT_FOREVER));
}

static void asks_self(void) { rt_self(); }

/* A runtime that was stopped, and cannot be started again for a timer that is reset. */
static void *makes_timer(void *arg) {
    timers[0] = rt_timer_new(3600 * SECOND);
    CHECK_OK(rt_stop(RT_FOREVER));
    return arg;
}

static void resets(void) {
    CHECK_OK(gort_fail(NULL));
    thread_join(thread_start(makes_timer, NULL));
    CHECK_OK(gort_fail(rules));
    CHECK(!rt_timer_reset(timers[0], MS));
    CHECK(!rt_timer_stop(timers[0]));
    CHECK_OK(gort_fail(NULL));
    CHECK(!rt_timer_reset(timers[0], MS));
    CHECK_OK(rt_chan_recv(rt_timer_chan(timers[0]), NULL));
    rt_timer_free(timers[0]);
}

static void in_want(void) {
    chan = rt_chan_make(0, 0);
    CHECK(chan != NULL);
    CHECK_OK(gort_fail(rules));
    body();
}

static const char FATAL[] = "gort: fatal: no memory for a thread's record\n";
static const char DELAYED[] = "gort: no thread could be made (Cannot allocate memory); trying again\n";
static const char STOPPED[] = "gort: no memory to start the runtime: a timer that was reset stays stopped\n";

/* It says this, if anything; and dies if that is fatal. */
static void expect(void (*fn)(void), const char *line, bool always) {
    static char text[4096];
    static const char *const kinds[] = {"alloc:1+", "map:1+"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        body = fn;
        rules = kinds[i];
        const int status = capture(in_want, text, sizeof text);
        const bool ended = line == FATAL ? WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT : status == 0;
        if (!ended || (strcmp(text, line) != 0 && (always || *text != '\0')))
            FAIL("%s: status %#x, says\n%swhere it should say\n%s", rules, status, text, line);
    }
}

int main(void) {
    expect(refused, "", true);
    expect(unknown, "", true);
    expect(wakes, DELAYED, false);
    expect(resets, STOPPED, true);
    expect(asks_self, FATAL, true);
    puts("first_call: ok");
    return 0;
}
