/*
 * A whole program, in which any call may find that no memory, mapping or thread is to be had: each answers what it should,
 * what was promised runs, nothing is lost, stuck or left behind, and when there is enough again all is as it was.
 *
 * Run by itself nothing fails. With a library that was built for it (feature fault-injection) GORT_FAIL says what fails;
 * walk.c goes through all there is. The first round is under faults; the second, without, must succeed in every call.
 */
#include "more.h"

extern int gort_fail(const char *rules) __attribute__((weak));
extern uint64_t gort_failed(void) __attribute__((weak));
extern int64_t gort_live(void) __attribute__((weak));

/* Under faults; and at most one of them. */
static bool faulty, once;
static atomic_int refusals;
static const char *phase = "begin";
static atomic_ulong beats;
static atomic_bool over;
/* Functions that are to run, and those that have. */
static atomic_long promised, ran;

static uint64_t faults(void) { return gort_failed != NULL ? gort_failed() : 0; }

static void refused(const char *what, int line) {
    if (!faulty) FAIL("%s: line %d: no memory for %s, without a fault", phase, line, what);
    /* One fault, one refusal. */
    if (atomic_fetch_add(&refusals, 1) >= 1 && once) FAIL("%s: line %d: %s refused after the only fault", phase, line, what);
}

static bool answered(int r, int want, const char *what, int line) {
    atomic_fetch_add(&beats, 1);
    if (r == want) return true;
    if (r != RT_ENOMEM) FAIL("%s: line %d: %s answers %d", phase, line, what, r);
    refused(what, line);
    return false;
}

static void *made(void *p, const char *what, int line) {
    atomic_fetch_add(&beats, 1);
    if (p == NULL) refused(what, line);
    return p;
}

/* RT_OK (or `want`), or else RT_ENOMEM: then false. */
#define DONE(call) answered((call), RT_OK, #call, __LINE__)
#define ANSWERS(want, call) answered((call), (want), #call, __LINE__)
/* Not NULL, or else no memory. */
#define MADE(call) made((call), #call, __LINE__)

/* Lifts the faults where the program waits for what they hold up, and ends it where it waits in vain. */
static void *watch(void *arg) {
    (void)arg;
    const int64_t patience = (emulated() || sanitized() ? 300 : 30) * SECOND;
    unsigned long last = 0;
    int64_t since = now_ns();
    while (!atomic_load(&over)) {
        thread_sleep(2 * MS);
        const unsigned long beat = atomic_load(&beats);
        if (beat != last) {
            last = beat;
            since = now_ns();
        }
        if (now_ns() - since > 25 * MS && faults() > 0) gort_fail(NULL);
        if (now_ns() - since > patience) {
            fprintf(stderr, "%s: %ld promised, %ld ran, %" PRId64 " goroutines\n", phase, atomic_load(&promised),
                    atomic_load(&ran), rt_num_goroutine());
            rt_dump(2);
            FAIL("%s: stuck", phase);
        }
    }
    return NULL;
}

/* Waits; the watcher has the bound. */
#define AWAIT(cond) \
    while (!(cond)) thread_sleep(100 * US)

static void settle(void) {
    AWAIT(atomic_load(&ran) == atomic_load(&promised));
    AWAIT(rt_num_goroutine() == 0);
    CHECK_EQ(atomic_load(&ran), atomic_load(&promised));
}

/* The answer of a spawn; `promised` was raised before. */
static bool spawned(int64_t id, int line) {
    if (answered(id > 0 ? RT_OK : (int)id, RT_OK, "a spawn", line)) return true;
    atomic_fetch_sub(&promised, 1);
    return false;
}

#define SPAWN(call) (atomic_fetch_add(&promised, 1), spawned((call), __LINE__))
#define GO(fn, arg) SPAWN(rt_go(fn, arg))

static void counts(void *arg) {
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

/* --- making goroutines ------------------------------------------------------------------------------------------- */

static void spawns(void) {
    static rt_waitgroup wg;
    for (int i = 0; i < 20; i++) GO(counts, NULL);
    for (int i = 0; i < 8; i++) {
        rt_go_opts opts;
        memset(&opts, 0, sizeof opts);
        opts.struct_size = sizeof opts;
        /* Not UTF-8. */
        opts.name = i % 2 == 0 ? "worker" : "w\xff\xfe";
        opts.stack_size = (size_t)16 << (10 + i);
        SPAWN(rt_go_with(&opts, counts, NULL));
    }
    bool any = false;
    for (int i = 0; i < 10; i++) any |= SPAWN(rt_waitgroup_go(&wg, counts, NULL));
    DONE(rt_waitgroup_wait(&wg));
    if (any) CHECK_EQ(rt_waitgroup_done(&wg), RT_EINVAL);
    settle();
}

static int agrees(void *arg) {
    (void)arg;
    return RT_OK;
}

static void waits_a_little(void *arg) {
    if (DONE(rt_sleep(50 * US))) rt_gosched();
    counts(arg);
}

/* Goroutines with hooks, and with a home that has to find a thread. */
static void homes(void) {
    rt_home *home[2] = {MADE(rt_home_new()), MADE(rt_home_new())};
    for (int i = 0; i < 24; i++) {
        rt_go_opts opts;
        memset(&opts, 0, sizeof opts);
        opts.struct_size = sizeof opts;
        opts.home = home[i % 2];
        if (i % 3 != 0) opts.on_park = agrees;
        if (i % 3 == 1) {
            atomic_fetch_add(&promised, 1);
            opts.on_exit = counts;
        }
        if (!SPAWN(rt_go_with(&opts, waits_a_little, NULL)) && i % 3 == 1) atomic_fetch_sub(&promised, 1);
    }
    settle();
    for (int i = 0; i < 2; i++) CHECK_OK(rt_home_free(home[i]));
}

static void exits(void *arg) {
    if (DONE(rt_defer(counts, NULL))) rt_goexit();
    counts(arg);
}

static void main_goroutine(void *arg) {
    for (int i = 0; i < 5; i++) {
        if (DONE(rt_defer(counts, NULL))) atomic_fetch_add(&promised, 1);
        GO(counts, NULL);
        GO(exits, NULL);
        rt_gosched();
    }
    CHECK(rt_self() != NULL);
    counts(arg);
}

static void runs(void) {
    for (int i = 0; i < 3; i++) SPAWN(rt_run(main_goroutine, NULL) == RT_OK ? 1 : RT_ENOMEM);
    settle();
}

/* --- channels ----------------------------------------------------------------------------------------------------- */

static struct {
    rt_chan *c;
    atomic_int producers;
    atomic_long sent, received;
} flow;

static void produces(void *arg) {
    for (int i = 1; i <= 6; i++) {
        if (i % 3 != 0) CHECK_OK(rt_chan_send(flow.c, &i));
        else if (!DONE(rt_chan_send_timeout(flow.c, &i, 60 * SECOND))) continue;
        atomic_fetch_add(&flow.sent, i);
    }
    atomic_fetch_sub(&flow.producers, 1);
    counts(arg);
}

static void consumes(void *arg) {
    int v = 0, r = 0;
    while ((r = rt_chan_recv(flow.c, &v)) == RT_OK) atomic_fetch_add(&flow.received, v);
    CHECK_EQ(r, RT_ECLOSED);
    counts(arg);
}

static void flows(size_t cap) {
    memset(&flow, 0, sizeof flow);
    flow.c = MADE(rt_chan_make(sizeof(int), cap));
    if (flow.c == NULL) return;
    for (int i = 0; i < 4; i++) {
        atomic_fetch_add(&flow.producers, 1);
        if (!GO(produces, NULL)) atomic_fetch_sub(&flow.producers, 1);
        GO(consumes, NULL);
    }
    /* There may be no other consumer. */
    int v = 0;
    while (atomic_load(&flow.producers) > 0) {
        if (rt_chan_try_recv(flow.c, &v) == RT_OK) atomic_fetch_add(&flow.received, v);
        else thread_sleep(20 * US);
    }
    while (rt_chan_try_recv(flow.c, &v) == RT_OK) atomic_fetch_add(&flow.received, v);
    CHECK_OK(rt_chan_close(flow.c));
    settle();
    CHECK_EQ(atomic_load(&flow.sent), atomic_load(&flow.received));
    rt_chan_unref(flow.c);
}

static void channels(void) {
    /* Whoever is refused here has no record yet: then there is nothing to try. */
    if (!DONE(rt_sleep(1))) return;
    flows(0);
    flows(3);
}

enum { CASES = 12 };

/* More cases than fit on the stack. */
static void selects_of(rt_chan **chans, int ready) {
    rt_select_case k[CASES];
    int v = 0;
    for (int i = 0; i < CASES; i++) k[i] = recv_case(chans[i], &v);
    if (ANSWERS(ready, rt_select(k, CASES, RT_FOREVER))) {
        CHECK_EQ(k[ready].result, RT_OK);
        CHECK_EQ(v, ready);
    } else {
        CHECK_OK(rt_chan_try_recv(chans[ready], &v));
    }
    ANSWERS(RT_ETIMEDOUT, rt_select(k, CASES, 100 * US));
    ANSWERS(RT_ETIMEDOUT, rt_select(k, 2, 100 * US));
}

static void selects(void *arg) {
    rt_chan *chans[CASES] = {NULL};
    for (int i = 0; i < CASES; i++) chans[i] = MADE(rt_chan_make(sizeof(int), 1));
    const int ready = 7;
    if (chans[ready] != NULL && DONE(rt_chan_send_timeout(chans[ready], &ready, RT_NOWAIT))) selects_of(chans, ready);
    for (int i = 0; i < CASES; i++) rt_chan_unref(chans[i]);
    counts(arg);
}

static void selecting(void) {
    if (!DONE(rt_sleep(1))) return;
    for (int i = 0; i < 3; i++) GO(selects, NULL);
    atomic_fetch_add(&promised, 1);
    selects(NULL);
    settle();
}

/* --- time ---------------------------------------------------------------------------------------------------------- */

/* A timer that there is fires, whatever there was no memory for. */
static void fires(rt_timer *t) {
    int64_t at = 0;
    CHECK_OK(rt_chan_recv(rt_timer_chan(t), &at));
    CHECK_OP(at, <=, now_ns());
    atomic_fetch_add(&beats, 1);
}

static void channel_timers(void) {
    rt_timer *t = MADE(rt_timer_new(300 * US));
    if (t != NULL) {
        fires(t);
        rt_timer_reset(t, 3600 * SECOND);
        rt_timer_reset(t, 100 * US);
        fires(t);
        CHECK(!rt_timer_reset(t, 3600 * SECOND));
        CHECK(rt_timer_stop(t));
        rt_timer_reset(t, 100 * US);
        fires(t);
        rt_timer_free(t);
    }
    t = MADE(rt_ticker_new(200 * US));
    if (t != NULL) {
        for (int i = 0; i < 3; i++) fires(t);
        rt_timer_reset(t, 100 * US);
        for (int i = 0; i < 3; i++) fires(t);
        rt_timer_free(t);
    }
    rt_chan *after = MADE(rt_after(100 * US));
    if (after != NULL) {
        CHECK_OK(rt_chan_recv(after, NULL));
        rt_chan_unref(after);
    }
}

/* More than the first block of a heap holds; those that come last are the earliest. */
static void function_timers(void) {
    enum { N = 24 };
    rt_timer *timers[N];
    for (int i = 0; i < N; i++) {
        atomic_fetch_add(&promised, 1);
        timers[i] = MADE(rt_after_func((N - i) * 100 * US, counts, NULL));
        if (timers[i] == NULL) atomic_fetch_sub(&promised, 1);
    }
    settle();
    for (int i = 0; i < N; i++) {
        if (timers[i] == NULL) continue;
        CHECK(!rt_timer_stop(timers[i]));
        CHECK(!rt_timer_reset(timers[i], 3600 * SECOND));
        atomic_fetch_add(&promised, 1);
        CHECK(rt_timer_reset(timers[i], i * 20 * US));
    }
    settle();
    for (int i = 0; i < N; i++) {
        CHECK(!rt_timer_stop_wait(timers[i]));
        if (i % 2 == 0) rt_timer_free(timers[i]);
        else rt_timer_detach(timers[i]);
    }
}

static void timers_on_goroutine(void *arg) {
    channel_timers();
    counts(arg);
}

static void timers(void) {
    channel_timers();
    function_timers();
    GO(timers_on_goroutine, NULL);
    settle();
}

static bool keeps_parked(rt_g *g, void *arg) {
    (void)g;
    return arg == NULL;
}

/* Every wait that has an end. */
static void waits(void *arg) {
    rt_mutex mu;
    rt_cond cond;
    rt_sema sema;
    rt_waitgroup wg;
    memset(&mu, 0, sizeof mu);
    memset(&cond, 0, sizeof cond);
    memset(&sema, 0, sizeof sema);
    memset(&wg, 0, sizeof wg);
    CHECK_OK(rt_mutex_lock(&mu));
    CHECK_OK(rt_waitgroup_add(&wg, 1));
    DONE(rt_sleep(100 * US));
    ANSWERS(RT_ETIMEDOUT, rt_chan_recv_timeout(NULL, NULL, 50 * US));
    ANSWERS(RT_ETIMEDOUT, rt_mutex_lock_timeout(&mu, 50 * US));
    ANSWERS(RT_ETIMEDOUT, rt_cond_wait_timeout(&cond, &mu, 50 * US));
    CHECK_EQ(rt_mutex_try_lock(&mu), RT_EAGAIN);
    ANSWERS(RT_ETIMEDOUT, rt_sema_acquire_timeout(&sema, 50 * US));
    ANSWERS(RT_ETIMEDOUT, rt_waitgroup_wait_timeout(&wg, 50 * US));
    ANSWERS(RT_ETIMEDOUT, rt_gopark_timeout(keeps_parked, NULL, "nothing", 50 * US));
    DONE(rt_gopark_timeout(keeps_parked, &mu, "nothing", SECOND));
    counts(arg);
}

static void waiting(void) {
    for (int i = 0; i < 20; i++) GO(waits, NULL);
    settle();
}

/* --- threads ------------------------------------------------------------------------------------------------------- */

static void naps(void *arg) {
    (void)arg;
    thread_sleep(MS);
}

static void blocks(void *arg) {
    CHECK_OK(rt_blocking(naps, NULL));
    /* Announced, and not. */
    rt_entersyscall();
    naps(NULL);
    rt_exitsyscall();
    thread_sleep(4 * MS);
    counts(arg);
}

static void ends_locked(void *arg) {
    CHECK_OK(rt_lock_os_thread());
    DONE(rt_sleep(100 * US));
    counts(arg);
}

static void threads(void) {
    for (int i = 0; i < 4; i++) {
        GO(blocks, NULL);
        GO(ends_locked, NULL);
    }
    settle();
}

static void sleeps(void *arg) {
    for (int i = 1; i <= 3; i++) DONE(rt_sleep(i * 300 * US));
    counts(arg);
}

/* Down and up again while deadlines are pending on what goes. */
static void procs(void) {
    static const int steps[] = {6, 1, 4, 2};
    const int before = rt_maxprocs(0);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        const int r = rt_maxprocs(steps[i]);
        ANSWERS(1, r > 0 ? 1 : r);
        for (int k = 0; k < 15; k++) GO(sleeps, NULL);
        thread_sleep(400 * US);
    }
    settle();
    const int r = rt_maxprocs(before);
    ANSWERS(1, r > 0 ? 1 : r);
}

static rt_mutex shared;
static long guarded;

static void *calls_in(void *arg) {
    (void)arg;
    /* What this thread calls first may be refused, and is not for ever. */
    int r = 0;
    while ((r = rt_sleep(1)) != RT_OK) {
        CHECK_EQ(r, RT_ENOMEM);
        CHECK(faulty);
        atomic_fetch_add(&refusals, 1);
        thread_sleep(100 * US);
    }
    for (int i = 0; i < 4; i++) {
        GO(counts, NULL);
        SPAWN(rt_run(counts, NULL) == RT_OK ? 1 : RT_ENOMEM);
        CHECK_OK(rt_mutex_lock(&shared));
        guarded++;
        CHECK_OK(rt_sleep(20 * US));
        CHECK_OK(rt_mutex_unlock(&shared));
    }
    return NULL;
}

static void plain_threads(void) {
    enum { N = 3 };
    pthread_t ids[N];
    guarded = 0;
    for (int i = 0; i < N; i++) ids[i] = thread_start(calls_in, NULL);
    for (int i = 0; i < N; i++) thread_join(ids[i]);
    CHECK_EQ(guarded, 4 * N);
    settle();
}

/* --- looking in, and the end --------------------------------------------------------------------------------------- */

static void looks(void) {
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    CHECK_OP(null, >=, 0);
    for (int i = 0; i < 10; i++) GO(sleeps, NULL);
    rt_stats s = {.struct_size = sizeof s};
    DONE(rt_stats_read(&s));
    DONE(rt_dump(null));
    const int fds = fd_count(), r = rt_dump_on_signal(SIGUSR2);
    if (r == -EAGAIN || r == RT_ENOMEM) {
        CHECK(faulty);
        AWAIT(fd_count() <= fds);
        atomic_fetch_add(&refusals, 1);
    } else {
        CHECK_OK(r);
    }
    settle();
    close(null);
}

static bool stop(void) {
    CHECK_EQ(rt_num_goroutine(), 0);
    if (!DONE(rt_stop(RT_FOREVER))) return false;
    rt_stats s = {.struct_size = sizeof s};
    if (DONE(rt_stats_read(&s))) {
        CHECK_EQ(s.goroutines, 0);
        CHECK_EQ(s.timers, 0);
        CHECK_EQ(s.stack_bytes_reserved, 0);
    }
    /* A thread that writes dumps may have yet to begin. */
    if (gort_live != NULL) AWAIT(gort_live() == 0);
    return true;
}

static void stops(void) { stop(); }

static void starts(void) {
    rt_config cfg;
    memset(&cfg, 0, sizeof cfg);
    cfg.struct_size = sizeof cfg;
    if (!DONE(rt_init(&cfg)) && once) CHECK_OK(rt_init(&cfg));
}

static void restarts(void) {
    if (!stop()) return;
    starts();
    spawns();
}

/* A fork of this thread alone: the child has a runtime of its own, and counts faults anew. */
static void forks(void) {
    fflush(NULL);
    const pid_t pid = fork();
    CHECK_OP(pid, >=, 0);
    if (pid == 0) {
        alarm(30);
        if (faulty && !once) gort_fail(NULL);
        for (int i = 0; i < 3; i++) {
            const int r = rt_run(counts, NULL);
            if (r != RT_OK && (!faulty || r != RT_ENOMEM)) _exit(1);
            if (rt_stop(RT_FOREVER) != RT_OK) _exit(2);
        }
        _exit(0);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) CHECK_EQ(errno, EINTR);
    if (status != 0) FAIL("forked child: %#x", status);
}

static const struct {
    const char *name;
    void (*fn)(void);
} phases[] = {
    {"starts", starts},       {"spawns", spawns}, {"runs", runs},       {"channels", channels},
    {"selecting", selecting}, {"timers", timers}, {"waiting", waiting}, {"threads", threads},
    {"procs", procs},         {"plain", plain_threads}, {"looks", looks}, {"restarts", restarts},
    {"homes", homes},         {"forks", forks},   {"stops", stops},
};

static void whole_program(void) {
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        phase = phases[i].name;
        /* Neither survives a fork of a process with threads. */
        if (phases[i].fn == forks && (sanitized() || emulated())) continue;
        phases[i].fn();
    }
}

int main(void) {
    const char *rules = getenv("GORT_FAIL");
    faulty = rules != NULL && *rules != '\0';
    if (faulty && gort_fail == NULL) FAIL("this library was not built for faults");
    once = faulty && strpbrk(rules, "+*") == NULL;
    const pthread_t watcher = thread_start(watch, NULL);
    whole_program();
    const uint64_t hit = faults();
    faulty = false;
    if (gort_fail != NULL) CHECK_OK(gort_fail(NULL));
    whole_program();
    atomic_store(&over, true);
    thread_join(watcher);
    printf("exhaustion: ok, %" PRIu64 " faults, %d refusals\n", hit, atomic_load(&refusals));
    return 0;
}
