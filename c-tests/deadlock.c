/*
 * rt_run answers RT_EDEADLK and prints the goroutines where nothing can ever happen again; it gives no false alarm; and who
 * is parked then can still be readied. Each case is a process of its own, with its stderr caught.
 */
#include "more.h"

static const char line[] = "all goroutines are asleep - deadlock!";

static rt_chan *chan;
static rt_mutex mu;
static rt_waitgroup wg;
static rt_cond cond;
static rt_sema sema;
static atomic_int woken;

static void on_recv(void *arg) {
    (void)arg;
    rt_chan_recv(chan, NULL);
    atomic_fetch_add(&woken, 1);
}

static void on_send(void *arg) {
    (void)arg;
    CHECK_OK(rt_chan_send(chan, NULL));
}

static void on_null(void *arg) {
    (void)arg;
    rt_chan_recv(NULL, NULL);
}

static void on_select(void *arg) {
    (void)arg;
    rt_select_case k[2] = {recv_case(chan, NULL), recv_case(NULL, NULL)};
    rt_select(k, 2, RT_FOREVER);
}

static void on_no_cases(void *arg) {
    (void)arg;
    rt_select(NULL, 0, RT_FOREVER);
}

static void on_mutex(void *arg) {
    (void)arg;
    CHECK_OK(rt_mutex_lock(&mu));
    CHECK_OK(rt_mutex_lock(&mu));
}

static void on_waitgroup(void *arg) {
    (void)arg;
    CHECK_OK(rt_waitgroup_add(&wg, 1));
    CHECK_OK(rt_waitgroup_wait(&wg));
}

static void on_cond(void *arg) {
    (void)arg;
    CHECK_OK(rt_mutex_lock(&mu));
    CHECK_OK(rt_cond_wait(&cond, &mu));
}

static void on_sema(void *arg) {
    (void)arg;
    CHECK_OK(rt_sema_acquire(&sema));
}

static bool stays(rt_g *g, void *arg) {
    (void)g;
    (void)arg;
    return true;
}

static rt_g *_Atomic parked;

static void on_park(void *arg) {
    (void)arg;
    atomic_store(&parked, rt_self());
    CHECK_OK(rt_gopark(stays, NULL, "waiting for godot"));
    atomic_fetch_add(&woken, 1);
}

/* All who wait, each in its way, some with names; and a timer that was stopped counts for nothing. */
static void named(rt_fn fn, const char *name) {
    rt_go_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.name = name;
    CHECK_OP(rt_go_with(&opts, fn, NULL), >, 0);
}

static void in_a_crowd(void *arg) {
    rt_timer *t = rt_timer_new(3600 * SECOND);
    CHECK(rt_timer_stop(t));
    rt_timer_free(t);
    named(on_recv, "vladimir");
    named(on_park, "estragon");
    for (int i = 0; i < 20; i++) named(i % 2 == 0 ? on_select : on_null, NULL);
    on_recv(arg);
}

static rt_fn body;

static void deadlocks(void) {
    chan = rt_chan_make(0, 0);
    CHECK_EQ(rt_run(body, NULL), RT_EDEADLK);
}

/* What is parked can be readied: by a send, by a ready; and the runtime is as good as new. */
static void nothing(void *arg) { (void)arg; }

static void readied_afterwards(void) {
    chan = rt_chan_make(0, 0);
    CHECK_EQ(rt_run(on_recv, NULL), RT_EDEADLK);
    CHECK_EQ(rt_num_goroutine(), 1);
    CHECK_EQ(atomic_load(&woken), 0);
    CHECK_OK(rt_chan_send(chan, NULL));
    EVENTUALLY(atomic_load(&woken) == 1);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_OK(rt_run(nothing, NULL));
    CHECK_EQ(rt_run(on_park, NULL), RT_EDEADLK);
    CHECK_OK(rt_goready(atomic_load(&parked)));
    EVENTUALLY(atomic_load(&woken) == 2);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_OK(rt_sleep(MS));
    /* A second run beside what the first one has left. */
    CHECK_EQ(rt_run(on_recv, NULL), RT_EDEADLK);
    CHECK_OK(rt_run(nothing, NULL));
    CHECK_EQ(rt_num_goroutine(), 1);
}

/* The other threads wait in calls too: nobody is left. */
static atomic_int thread_waits;

static void *blocked_thread(void *arg) {
    (void)arg;
    atomic_fetch_add(&thread_waits, 1);
    rt_chan_recv(chan, NULL);
    return NULL;
}

static void with_blocked_threads(void) {
    chan = rt_chan_make(0, 0);
    for (int i = 0; i < 2; i++) CHECK_EQ(pthread_detach(thread_start(blocked_thread, NULL)), 0);
    EVENTUALLY(atomic_load(&thread_waits) == 2);
    CHECK_EQ(rt_run(on_recv, NULL), RT_EDEADLK);
}

/* Several runs: the first to give up ends the others, which may or may not have given up too. */
static atomic_int gave_up;

static void runs_until_closed(void) {
    const int r = rt_run(on_recv, NULL);
    if (r == RT_OK) return;
    CHECK_EQ(r, RT_EDEADLK);
    atomic_fetch_add(&gave_up, 1);
    const int closed = rt_chan_close(chan);
    CHECK(closed == RT_OK || closed == RT_ECLOSED);
}

static void *runs_thread(void *arg) {
    runs_until_closed();
    return arg;
}

static void several_runs(void) {
    chan = rt_chan_make(0, 0);
    pthread_t t[2];
    for (int i = 0; i < 2; i++) t[i] = thread_start(runs_thread, NULL);
    runs_until_closed();
    for (int i = 0; i < 2; i++) thread_join(t[i]);
    CHECK_OP(atomic_load(&gave_up), >=, 1);
    EVENTUALLY(rt_num_goroutine() == 0);
}

/* No false alarms. Each of these ends well, late. */
#define LATE (300 * MS)

static void closes(void *arg) {
    (void)arg;
    CHECK_OK(rt_chan_close(chan));
}

static void waits_for_close(void *arg) {
    (void)arg;
    CHECK_EQ(rt_chan_recv(chan, NULL), RT_ECLOSED);
}

static void pending_function(void) {
    chan = rt_chan_make(0, 0);
    rt_timer *t = rt_after_func(LATE, closes, NULL);
    CHECK_OK(rt_run(waits_for_close, NULL));
    rt_timer_free(t);
}

static void receives_timer(void *arg) {
    rt_timer *t = rt_timer_new(LATE);
    CHECK_OK(rt_chan_recv(rt_timer_chan(t), NULL));
    rt_timer_free(t);
    rt_select_case k[2] = {recv_case(rt_after(LATE), NULL), recv_case(NULL, arg)};
    CHECK_EQ(rt_select(k, 2, RT_FOREVER), 0);
    t = rt_ticker_new(LATE / 2);
    for (int i = 0; i < 2; i++) CHECK_OK(rt_chan_recv(rt_timer_chan(t), NULL));
    rt_timer_free(t);
}

static void pending_channel(void) { CHECK_OK(rt_run(receives_timer, NULL)); }

static void sleeps_then_closes(void *arg) {
    CHECK_OK(rt_sleep(LATE));
    closes(arg);
}

static void sleeper(void) {
    chan = rt_chan_make(0, 0);
    go(sleeps_then_closes, NULL);
    CHECK_OK(rt_run(waits_for_close, NULL));
}

static void times_out(void *arg) {
    (void)arg;
    CHECK_EQ(rt_chan_recv_timeout(chan, NULL, LATE), RT_ETIMEDOUT);
    CHECK_EQ(rt_chan_recv_timeout(NULL, NULL, LATE), RT_ETIMEDOUT);
    CHECK_EQ(rt_gopark_timeout(NULL, NULL, "timed", LATE), RT_ETIMEDOUT);
    CHECK_OK(rt_mutex_lock(&mu));
    CHECK_EQ(rt_mutex_lock_timeout(&mu, LATE), RT_ETIMEDOUT);
    CHECK_EQ(rt_select(NULL, 0, LATE), RT_ETIMEDOUT);
}

static void timeouts(void) {
    chan = rt_chan_make(0, 0);
    CHECK_OK(rt_run(times_out, NULL));
}

/* A plain thread that is in no call might do something, and does. */
static void *acts_late(void *arg) {
    thread_sleep(LATE);
    closes(arg);
    return NULL;
}

static void live_thread(void) {
    chan = rt_chan_make(0, 0);
    const pthread_t t = thread_start(acts_late, NULL);
    CHECK_OK(rt_run(waits_for_close, NULL));
    thread_join(t);
}

/* A plain thread in a call that time will end. */
static void *sleeps_in_call(void *arg) {
    CHECK_OK(rt_sleep(LATE));
    CHECK_EQ(rt_chan_recv_timeout(NULL, NULL, LATE), RT_ETIMEDOUT);
    closes(arg);
    return NULL;
}

static void thread_in_timed_call(void) {
    chan = rt_chan_make(0, 0);
    const pthread_t t = thread_start(sleeps_in_call, NULL);
    CHECK_OK(rt_run(waits_for_close, NULL));
    thread_join(t);
}

/* A goroutine that is in the kernel, or computes. */
static void blocks_then_closes(void *arg) {
    thread_sleep(LATE);
    for (const int64_t until = now_ns() + LATE; now_ns() < until;) {
    }
    closes(arg);
}

static void blocked_in_kernel(void) {
    chan = rt_chan_make(0, 0);
    go(blocks_then_closes, NULL);
    CHECK_OK(rt_run(waits_for_close, NULL));
}

/* Nobody is in rt_run: nothing is said, whoever waits. */
static void no_run(void) {
    chan = rt_chan_make(0, 0);
    for (int i = 0; i < 5; i++) go(on_recv, NULL);
    thread_sleep(LATE);
}

/* And in a hurry: many short runs of goroutines that only just find each other. */
static void passes(void *arg) {
    rt_chan *c = arg;
    CHECK_OK(rt_chan_send(c, NULL));
}

static void meets(void *arg) {
    rt_chan *c = rt_chan_make(0, 0);
    for (int i = 0; i < 10; i++) {
        go(passes, c);
        CHECK_OK(rt_chan_recv(c, NULL));
        CHECK_OK(rt_sleep(US));
    }
    rt_chan_unref(c);
    (void)arg;
}

static void *meets_thread(void *arg) {
    for (int i = 0; i < 300; i++) CHECK_OK(rt_run(meets, arg));
    return NULL;
}

static void hurry(void) {
    pthread_t t[2];
    for (int i = 0; i < 2; i++) t[i] = thread_start(meets_thread, NULL);
    for (int i = 0; i < 300; i++) CHECK_OK(rt_run(meets, NULL));
    for (int i = 0; i < 2; i++) thread_join(t[i]);
}

static char text[256 * 1024];

static int occurrences(const char *what) {
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what)) n++;
    return n;
}

static void expect(const char *name, void (*fn)(void), bool report) {
    const int status = capture(fn, text, sizeof text);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        FAIL("%s: %s %d:\n%s", name, WIFEXITED(status) ? "exit code" : "signal",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), text);
    if ((occurrences(line) > 0) != report) FAIL("%s: %s report:\n%s", name, report ? "no" : "a", text);
}

#define REPORTS(fn) expect(#fn, fn, true)
#define SILENT(fn) expect(#fn, fn, false)

int main(void) {
    SILENT(pending_function);
    SILENT(pending_channel);
    SILENT(sleeper);
    SILENT(timeouts);
    SILENT(live_thread);
    SILENT(thread_in_timed_call);
    SILENT(blocked_in_kernel);
    SILENT(no_run);
    SILENT(hurry);
    /* Where others start threads of their own in every process, silence is all that can be asked for. */
    if (!sanitized() && !emulated()) {
        const rt_fn bodies[] = {on_recv,      on_send, on_null, on_select, on_no_cases, on_mutex,
                                on_waitgroup, on_cond, on_sema, on_park,   in_a_crowd};
        for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
            body = bodies[i];
            REPORTS(deadlocks);
            if (occurrences(line) != 1) FAIL("reported %d times:\n%s", occurrences(line), text);
            if (body == on_park && strstr(text, "waiting for godot") == NULL) FAIL("no reason in:\n%s", text);
        }
        /* The last of them: its dump follows the line. */
        const char *dump = strstr(text, line);
        if (strstr(dump, "vladimir") == NULL || strstr(dump, "estragon") == NULL ||
            strstr(dump, "waiting for godot") == NULL)
            FAIL("the dump is not whole:\n%s", text);
        REPORTS(readied_afterwards);
        REPORTS(with_blocked_threads);
        REPORTS(several_runs);
    }
    puts("deadlock: ok");
    return 0;
}
