/* rt_stop: waits for what there is, refuses what is new, opens again when time is over, leaves nothing, and objects live on. */
#include "more.h"

static rt_chan *gate;
static atomic_int started, ended;

static void waits(void *arg) {
    (void)arg;
    atomic_fetch_add(&started, 1);
    CHECK_EQ(rt_chan_recv(gate, NULL), RT_ECLOSED);
    atomic_fetch_add(&ended, 1);
}

static void nothing(void *arg) { (void)arg; }

static void open_gate(void) {
    gate = rt_chan_make(0, 0);
    atomic_store(&started, 0);
    atomic_store(&ended, 0);
}

static void close_gate(int n) {
    CHECK_OK(rt_chan_close(gate));
    EVENTUALLY(atomic_load(&ended) == n);
}

/* Time runs out: everything is as before. */
static void times_out(void) {
    for (int thread = 0; thread < 2; thread++) {
        open_gate();
        go(nothing, NULL);
        pthread_t t = 0;
        if (thread) t = thread_go(waits, NULL);
        else go(waits, NULL);
        EVENTUALLY(atomic_load(&started) == 1);
        thread_sleep(5 * MS);
        CHECK_EQ(rt_stop(RT_NOWAIT), RT_EAGAIN);
        CHECK_EQ(rt_stop(-1), RT_ETIMEDOUT);
        const int64_t from = now_ns();
        CHECK_EQ(rt_stop(10 * MS), RT_ETIMEDOUT);
        CHECK_OP(now_ns() - from, >=, 10 * MS);
        /* Open again, and whole: sleeps, timers, goroutines. */
        CHECK_EQ(atomic_load(&ended), 0);
        CHECK_OK(rt_run(nothing, NULL));
        CHECK_OK(rt_sleep(MS));
        rt_chan *c = rt_after(MS);
        CHECK_OK(rt_chan_recv(c, NULL));
        rt_chan_unref(c);
        const rt_config cfg = {.struct_size = sizeof cfg};
        CHECK_EQ(rt_init(&cfg), RT_EBUSY);
        close_gate(1);
        if (thread) thread_join(t);
        rt_chan_unref(gate);
        CHECK_OK(rt_stop(RT_FOREVER));
    }
}

/* While it waits nothing new begins. */
static atomic_int stop_result;

static void *stops(void *arg) {
    atomic_store(&stop_result, rt_stop(*(const int64_t *)arg));
    return NULL;
}

static void refuses(int64_t timeout) {
    open_gate();
    go(waits, NULL);
    EVENTUALLY(atomic_load(&started) == 1);
    atomic_store(&stop_result, 1);
    const pthread_t t = thread_start(stops, &timeout);
    int64_t r;
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    EVENTUALLY((r = rt_go(nothing, NULL)) < 0);
    CHECK_EQ(r, RT_ECANCELED);
    for (int i = 0; i < 100; i++) CHECK_EQ(rt_go(nothing, NULL), RT_ECANCELED);
    /* A refusal counts nothing. */
    CHECK_EQ(rt_waitgroup_go(&wg, nothing, NULL), RT_ECANCELED);
    CHECK_OK(rt_waitgroup_wait_timeout(&wg, RT_NOWAIT));
    CHECK_EQ(rt_run(nothing, NULL), RT_ECANCELED);
    CHECK_EQ(atomic_load(&stop_result), 1);
    close_gate(1);
    thread_join(t);
    CHECK_OK(atomic_load(&stop_result));
    /* It is over, and what needs a scheduler gets a fresh one. */
    CHECK_OK(rt_run(nothing, NULL));
    rt_chan_unref(gate);
    CHECK_OK(rt_stop(RT_FOREVER));
}

static void stops_here(void *arg) {
    *(int *)arg = rt_stop(RT_FOREVER);
}

static void on_goroutine(void) {
    int r = 1;
    CHECK_OK(rt_run(stops_here, &r));
    CHECK_EQ(r, RT_EPERM);
    CHECK_OK(rt_run(nothing, NULL));
}

/* Objects survive: their contents, their state, and that they work in the next runtime. */
static void counts(void *arg) { atomic_fetch_add((atomic_int *)arg, 1); }

static void objects(void) {
    static rt_mutex mu;
    static rt_waitgroup wg;
    static rt_sema sema;
    static rt_once once;
    atomic_int runs = 0, once_runs = 0;
    rt_chan *c = rt_chan_make(sizeof(int), 4), *closed = rt_chan_make(sizeof(int), 0);
    CHECK_OK(rt_run(nothing, NULL));
    for (int i = 1; i <= 3; i++) CHECK_OK(rt_chan_send(c, &i));
    CHECK_OK(rt_chan_close(closed));
    CHECK_OK(rt_mutex_lock(&mu));
    CHECK_OK(rt_waitgroup_add(&wg, 2));
    CHECK_OK(rt_sema_init(&sema, 2));
    CHECK_OK(rt_once_do(&once, counts, &once_runs));
    rt_timer *t = rt_timer_new(3600 * SECOND), *tick = rt_ticker_new(3600 * SECOND);
    rt_timer *f = rt_after_func(100 * MS, counts, &runs), *far = rt_after_func(3600 * SECOND, counts, &runs);
    /* Pending timers are stopped, not waited for. */
    CHECK_OK(rt_stop(RT_FOREVER));
    CHECK_OP(atomic_load(&runs), <=, 1);
    const int before = atomic_load(&runs);

    CHECK_EQ(rt_chan_len(c), 3);
    int v = 0;
    for (int i = 1; i <= 3; i++) {
        CHECK_OK(rt_chan_recv(c, &v));
        CHECK_EQ(v, i);
    }
    CHECK_EQ(rt_chan_recv(closed, &v), RT_ECLOSED);
    CHECK_EQ(rt_mutex_try_lock(&mu), RT_EAGAIN);
    CHECK_OK(rt_mutex_unlock(&mu));
    CHECK_EQ(rt_waitgroup_wait_timeout(&wg, RT_NOWAIT), RT_EAGAIN);
    CHECK_OK(rt_waitgroup_add(&wg, -2));
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_OK(rt_sema_try_acquire(&sema));
    CHECK_OK(rt_sema_try_acquire(&sema));
    CHECK_EQ(rt_sema_try_acquire(&sema), RT_EAGAIN);
    CHECK_OK(rt_once_do(&once, counts, &once_runs));
    CHECK_EQ(atomic_load(&once_runs), 1);

    /* The stopped timers stay so, and can be armed again. */
    CHECK(!rt_timer_stop(t));
    CHECK(!rt_timer_stop(far));
    CHECK(!rt_timer_reset(tick, 3600 * SECOND));
    CHECK(rt_timer_stop(tick));
    CHECK_EQ(rt_chan_recv_timeout(rt_timer_chan(t), NULL, MS), RT_ETIMEDOUT);
    thread_sleep(150 * MS);
    CHECK_EQ(atomic_load(&runs), before);
    CHECK(!rt_timer_reset(t, MS));
    CHECK_OK(rt_chan_recv(rt_timer_chan(t), NULL));
    CHECK(!rt_timer_reset(far, MS));
    EVENTUALLY(atomic_load(&runs) == before + 1);
    CHECK(!rt_timer_stop_wait(far));
    rt_timer_free(t);
    rt_timer_free(tick);
    rt_timer_free(f);
    rt_timer_free(far);
    rt_chan_unref(c);
    rt_chan_unref(closed);
    CHECK_OK(rt_stop(RT_FOREVER));
}

/* What the next runtime is like can be chosen anew, and ids go on. */
static void notes_id(void *arg) { *(int64_t *)arg = rt_goid(); }

static void chosen_anew(void) {
    int64_t last = 0, id = 0;
    for (uint32_t procs = 1; procs <= 4; procs++) {
        rt_config cfg = {.struct_size = sizeof cfg};
        cfg.maxprocs = procs;
        CHECK_OK(rt_init(&cfg));
        CHECK_EQ(rt_maxprocs(0), procs);
        CHECK_OK(rt_run(notes_id, &id));
        CHECK_OP(id, >, last);
        last = id;
        CHECK_OK(rt_stop(RT_FOREVER));
    }
}

/* A thousand times, with everything in use: nothing grows, and no thread is left. */
static rt_mutex mu;

static void uses(void *arg) {
    CHECK_OK(rt_sleep(10 * US));
    CHECK_OK(rt_mutex_lock(&mu));
    rt_gosched();
    CHECK_OK(rt_mutex_unlock(&mu));
    CHECK_OK(rt_chan_send(arg, NULL));
}

static void spawns(void *arg) {
    for (int i = 0; i < 8; i++) go(uses, arg);
    for (int i = 0; i < 8; i++) {
        rt_chan *late = rt_after(3600 * SECOND);
        rt_select_case k[2] = {recv_case(late, NULL), recv_case(arg, NULL)};
        CHECK_EQ(rt_select(k, 2, RT_FOREVER), 1);
        rt_chan_unref(late);
    }
}

static void *calls_as_thread(void *arg) {
    CHECK_OK(rt_sleep(10 * US));
    CHECK_OK(rt_run(nothing, arg));
    return NULL;
}

static void again(int i) {
    rt_chan *c = rt_chan_make(0, 0);
    rt_timer *t = rt_timer_new(3600 * SECOND);
    CHECK_OK(rt_run(spawns, c));
    if (i % 10 == 0) thread_join(thread_start(calls_as_thread, NULL));
    CHECK_OK(rt_stop(i % 2 == 0 ? RT_FOREVER : 60 * SECOND));
    CHECK_EQ(rt_num_goroutine(), 0);
    rt_timer_free(t);
    rt_chan_unref(c);
}

static void grows_not(void) {
    enum { WARM = 100, ROUNDS = 1000 };
    for (int i = 0; i < WARM; i++) again(i);
    if (!emulated() && !sanitized()) EVENTUALLY(thread_count() == 1);
    const int64_t memory = resident();
    const int fds = fd_count(), threads = thread_count();
    for (int i = 0; i < ROUNDS; i++) again(i);
    EVENTUALLY(thread_count() <= threads);
    CHECK_EQ(fd_count(), fds);
    /* A kilobyte lost in each round would show. */
    if (!emulated() && !sanitized()) CHECK_OP(resident() - memory, <, ROUNDS * 1024);
}

int main(void) {
    /* Nothing to stop. */
    CHECK_OK(rt_stop(RT_NOWAIT));
    CHECK_OK(rt_stop(RT_FOREVER));
    times_out();
    refuses(RT_FOREVER);
    refuses(3600 * SECOND);
    on_goroutine();
    CHECK_OK(rt_stop(RT_FOREVER));
    /* Nothing that runs: no time is needed. */
    CHECK_OK(rt_run(nothing, NULL));
    EVENTUALLY(rt_stop(RT_NOWAIT) == RT_OK);
    objects();
    chosen_anew();
    grows_not();
    puts("stop: ok");
    return 0;
}
