/*
 * RT_COOPERATIVE: nothing is taken that was not announced, and no slice ends. With one P no two goroutines' code ever
 * overlaps, however long it computes, sleeps in the kernel, or calls what need not wait; only an announced stretch lets
 * others in, and whoever comes back from one is alone again.
 */
#include "check.h"

enum { GOROUTINES = 6 };

/* As many as there are Ps may be between enter and leave. */
static int limit = 1;
static atomic_int inside;
/* A plain count, as programs have it that are written for one thread. */
static volatile long counter;
static atomic_int turns, done;
static atomic_bool stop;
static rt_waitgroup wg;

static void enter(void) { CHECK_OP(atomic_fetch_add(&inside, 1), <, limit); }
static void leave(void) { CHECK_OP(atomic_fetch_sub(&inside, 1), <=, limit); }

/* --- what one does there, for longer than a slice --- */

enum { LONG = 13 };

static void computes(void) {
    for (const int64_t until = now_ns() + LONG * MS; now_ns() < until;) {
    }
}

static void sleeps_in_kernel(void) { thread_sleep(LONG * MS); }

static atomic_int kids;

static void child(void *arg) {
    (void)arg;
    enter();
    leave();
    atomic_fetch_add(&kids, 1);
}

/* Readies others all the time, and never gives way. */
static void calls(void) {
    rt_mutex m;
    memset(&m, 0, sizeof m);
    rt_chan *c = rt_chan_make(sizeof(int), 2);
    rt_timer *t = rt_timer_new(3600 * SECOND);
    const int64_t until = now_ns() + LONG * MS;
    for (int i = 0; now_ns() < until; i++) {
        int v = i;
        CHECK_OK(rt_mutex_lock(&m));
        CHECK_EQ(rt_mutex_try_lock(&m), RT_EAGAIN);
        CHECK_OK(rt_mutex_unlock(&m));
        CHECK_EQ(rt_chan_try_recv(c, &v), RT_EAGAIN);
        CHECK_OK(rt_chan_send(c, &v));
        CHECK_OK(rt_chan_recv(c, &v));
        CHECK_EQ(v, i);
        CHECK(rt_timer_reset(t, 3600 * SECOND));
        CHECK_EQ(rt_goready(rt_self()), RT_EINVAL);
        CHECK_OP(rt_num_goroutine(), >, 0);
        if (i < 3) CHECK_OP(rt_waitgroup_go(&wg, child, NULL), >, 0);
    }
    rt_timer_free(t);
    rt_chan_unref(c);
}

static void section(void (*busy)(void)) {
    enter();
    const long before = counter;
    if (busy != NULL) busy();
    counter = before + 1;
    leave();
}

static void (*const busies[])(void) = {computes, sleeps_in_kernel, calls};

static void works(void *arg) {
    const int self = (int)(intptr_t)arg;
    for (int i = 0; i < 6; i++) {
        section(busies[(self + i) % 3]);
        switch (i % 3) {
        case 0: rt_gosched(); break;
        case 1: CHECK_OK(rt_sleep(100 * US)); break;
        default: break;
        }
    }
    atomic_fetch_add(&done, 1);
}

/* Its time comes while others are inside: it waits for its turn. */
static void sleeps(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        CHECK_OK(rt_sleep(MS));
        section(NULL);
        atomic_fetch_add(&turns, 1);
    }
}

static void exclusion(void) {
    counter = 0;
    atomic_store(&stop, false);
    atomic_store(&turns, 0);
    atomic_store(&done, 0);
    CHECK_OP(rt_waitgroup_go(&wg, sleeps, NULL), >, 0);
    for (intptr_t i = 0; i < GOROUTINES; i++) CHECK_OP(rt_waitgroup_go(&wg, works, (void *)i), >, 0);
    EVENTUALLY(atomic_load(&done) == GOROUTINES);
    atomic_store(&stop, true);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(counter, GOROUTINES * 6 + atomic_load(&turns));
    CHECK_OP(atomic_load(&kids), >, 0);
}

/* --- announced stretches --- */

static void takes_turns(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        section(NULL);
        atomic_fetch_add(&turns, 1);
        rt_gosched();
    }
}

/* In the kernel until somebody else has had a turn: nobody could, had this one kept the P. */
static void until_turn(void *arg) {
    const int before = *(const int *)arg;
    const int64_t until = now_ns() + 60 * SECOND;
    while (atomic_load(&turns) == before) {
        if (now_ns() > until) FAIL("an announced stretch let nobody in");
        thread_sleep(MS);
    }
}

static int64_t longest;

static void announces(void *arg) {
    const bool blocking = arg != NULL;
    for (int i = 0; i < 10; i++) {
        section(NULL);
        const int before = atomic_load(&turns);
        const int64_t start = now_ns();
        if (blocking) {
            CHECK_OK(rt_blocking(until_turn, (void *)&before));
        } else {
            rt_entersyscall();
            until_turn((void *)&before);
            rt_exitsyscall();
        }
        enter();
        const int64_t took = now_ns() - start;
        if (took > longest) longest = took;
        const int mine = atomic_load(&turns);
        const long count = counter;
        sleeps_in_kernel();
        /* Alone again, and nothing is taken. */
        CHECK_EQ(atomic_load(&turns), mine);
        counter = count + 1;
        leave();
        rt_gosched();
    }
    atomic_fetch_add(&done, 1);
}

static void lets_in(void *how) {
    atomic_store(&stop, false);
    atomic_store(&done, 0);
    atomic_store(&turns, 0);
    counter = 0;
    longest = 0;
    CHECK_OP(rt_waitgroup_go(&wg, takes_turns, NULL), >, 0);
    CHECK_OP(rt_waitgroup_go(&wg, announces, how), >, 0);
    EVENTUALLY(atomic_load(&done) == 1);
    atomic_store(&stop, true);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(counter, 2 * 10 + atomic_load(&turns));
    printf("%s: %.2f ms at most until it was back\n", how != NULL ? "rt_blocking" : "rt_entersyscall",
           (double)longest / 1e6);
}

/* Announcements of all lengths by all, between sections: whoever comes back waits for its turn. */
static void sleeps_a_little(void *arg) { thread_sleep((int64_t)(intptr_t)arg); }

static void comes_and_goes(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    for (int i = 0; i < rounds_of(200); i++) {
        section(rnd_below(&state, 100) == 0 ? computes : NULL);
        const int64_t ns = (int64_t)rnd_below(&state, rnd_below(&state, 8) == 0 ? 4 * MS : 100 * US);
        switch (rnd_below(&state, 4)) {
        case 0: CHECK_OK(rt_blocking(sleeps_a_little, (void *)(intptr_t)ns)); break;
        case 1: rt_gosched(); break;
        default:
            rt_entersyscall();
            if (rnd_below(&state, 4) != 0) thread_sleep(ns);
            /* The end of it may be told by any call that could wait. */
            if (rnd_below(&state, 4) == 0) rt_gosched();
            else rt_exitsyscall();
            break;
        }
    }
    atomic_fetch_add(&done, 1);
}

static void crowd(void) {
    counter = 0;
    atomic_store(&done, 0);
    for (intptr_t i = 1; i <= GOROUTINES; i++) CHECK_OP(rt_waitgroup_go(&wg, comes_and_goes, (void *)i), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(atomic_load(&done), GOROUTINES);
    CHECK_EQ(counter, (long)GOROUTINES * rounds_of(200));
}

/* Another call ends an announcement; an exit without one does nothing. */
static void ends_otherwise(void *arg) {
    (void)arg;
    rt_chan *c = rt_chan_make(0, 1);
    for (int i = 0; i < 6; i++) {
        rt_entersyscall();
        thread_sleep(i % 2 == 0 ? 0 : 4 * MS);
        switch (i / 2) {
        case 0: rt_gosched(); break;
        case 1: CHECK_OK(rt_sleep(10 * US)); break;
        default: CHECK_OK(rt_chan_send(c, NULL)); break;
        }
        section(sleeps_in_kernel);
        rt_exitsyscall();
        section(sleeps_in_kernel);
        rt_exitsyscall();
        section(computes);
        rt_gosched();
        if (i / 2 == 2) CHECK_OK(rt_chan_recv(c, NULL));
    }
    rt_chan_unref(c);
    atomic_fetch_add(&done, 1);
}

static void ended(void) {
    atomic_store(&stop, false);
    atomic_store(&done, 0);
    atomic_store(&turns, 0);
    CHECK_OP(rt_waitgroup_go(&wg, takes_turns, NULL), >, 0);
    CHECK_OP(rt_waitgroup_go(&wg, ends_otherwise, NULL), >, 0);
    EVENTUALLY(atomic_load(&done) == 1);
    atomic_store(&stop, true);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_OP(atomic_load(&turns), >, 0);
}

/* However many a goroutine spawns, its slice does not end, and its host is not asked whether it may be switched away. */
static int is_asked(void *arg) {
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static void returns(void *arg) { (void)arg; }

static void spawns_many_and_done(void *arg) {
    (void)arg;
    for (int i = 0; i < 6000; i++) CHECK_OP(rt_waitgroup_go(&wg, returns, NULL), >, 0);
    CHECK_OK(rt_waitgroup_done(&wg));
}

static void spawner_with_host(void) {
    static atomic_int asked;
    rt_go_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.on_park = is_asked;
    opts.hook_arg = &asked;
    CHECK_OK(rt_waitgroup_add(&wg, 1));
    CHECK_OP(rt_go_with(&opts, spawns_many_and_done, NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(atomic_load(&asked), 0);
}

/* With more Ps as many as they are, and never one more. */
static void more_ps(void) {
    CHECK_EQ(rt_maxprocs(2), 1);
    limit = 2;
    atomic_store(&stop, true);
    for (intptr_t i = 0; i < GOROUTINES; i++) CHECK_OP(rt_waitgroup_go(&wg, works, (void *)i), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    for (intptr_t i = 1; i <= GOROUTINES; i++) CHECK_OP(rt_waitgroup_go(&wg, comes_and_goes, (void *)i), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
}

int main(void) {
    /* What was measured is seen also of a test that hangs. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    init_one_p();
    exclusion();
    lets_in(NULL);
    lets_in(&limit);
    crowd();
    ended();
    spawner_with_host();
    more_ps();
    CHECK_EQ(atomic_load(&inside), 0);
    EVENTUALLY(rt_num_goroutine() == 0);
    puts("cooperative: ok");
    return 0;
}
