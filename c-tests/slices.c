/*
 * One P: goroutines that never wait, but call all the time, share it in slices; a pair that readies each other in turns
 * does not keep it from a third that was queued.
 */
#include "late.h"

enum { MOST = 20000 };

static rt_waitgroup wg;
static rt_chan *empty, *buffered;

/* --- what a goroutine can call without ever waiting --- */

static void tries(void *arg) {
    (void)arg;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) CHECK_EQ(rt_chan_try_recv(empty, NULL), RT_EAGAIN);
}

static void locks(void *arg) {
    (void)arg;
    rt_mutex m;
    memset(&m, 0, sizeof m);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        CHECK_OK(rt_mutex_lock(&m));
        CHECK_OK(rt_mutex_unlock(&m));
    }
}

static void sends_to_itself(void *arg) {
    (void)arg;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        CHECK_OK(rt_chan_send(buffered, NULL));
        CHECK_OK(rt_chan_recv(buffered, NULL));
    }
}

static void selects(void *arg) {
    (void)arg;
    rt_select_case k = {.chan = empty, .elem = NULL, .dir = RT_RECV, .result = 0};
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) CHECK_EQ(rt_select(&k, 1, RT_NOWAIT), RT_EAGAIN);
}

static void counts_down(void *arg) {
    (void)arg;
    rt_waitgroup w;
    memset(&w, 0, sizeof w);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        CHECK_OK(rt_waitgroup_add(&w, 1));
        CHECK_OK(rt_waitgroup_done(&w));
    }
}

static void resets(void *arg) {
    rt_timer *t = rt_timer_new(3600 * SECOND);
    CHECK(t != NULL);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) CHECK(rt_timer_reset(t, 3600 * SECOND));
    rt_timer_free(t);
    (void)arg;
}

static void asks(void *arg) {
    (void)arg;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        CHECK_OP(rt_num_goroutine(), >=, 1);
        CHECK_EQ(rt_maxprocs(0), 1);
        CHECK_EQ(rt_goready(rt_self()), RT_EINVAL);
    }
}

static void announces(void *arg) {
    (void)arg;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        rt_entersyscall();
        rt_exitsyscall();
    }
}

static const struct busy {
    const char *name;
    rt_fn fn;
} busies[] = {
    {"chan_try_recv", tries}, {"mutex_lock", locks}, {"chan_send", sends_to_itself}, {"select", selects},
    {"waitgroup_add", counts_down}, {"timer_reset", resets}, {"num_goroutine", asks}, {"entersyscall", announces},
};

/* --- a third counts its turns meanwhile --- */

static struct {
    long turns;
    int64_t longest; /* from one to the next */
} seen;

static void takes_turns(void *arg) {
    (void)arg;
    int64_t last = now_ns();
    while (!atomic_load(&stop)) {
        rt_gosched();
        const int64_t now = now_ns();
        if (now - last > seen.longest) seen.longest = now - last;
        last = now;
        seen.turns++;
    }
}

static bool shares(const struct busy *b) {
    atomic_store(&stop, false);
    seen.turns = 0;
    seen.longest = 0;
    CHECK_OP(rt_waitgroup_go(&wg, b->fn, NULL), >, 0);
    CHECK_OP(rt_waitgroup_go(&wg, takes_turns, NULL), >, 0);
    thread_sleep(300 * MS);
    atomic_store(&stop, true);
    CHECK_OK(rt_waitgroup_wait(&wg));
    printf("beside %s: %ld turns in 300 ms, at most %.2f ms between two\n", b->name, seen.turns,
           (double)seen.longest / 1e6);
    /* A slice is 10 ms: thirty turns, or many more where the other goes on without the P. */
    if (!timed()) return seen.turns > 0;
    return seen.turns >= 10 && seen.longest < 100 * MS;
}

/* --- a pair at ping-pong, and a third behind it --- */

static rt_chan *ping, *pong;
static _Atomic int64_t queued_at, started_at;
static atomic_long rallies;

static void starts(void *arg) {
    (void)arg;
    atomic_store(&started_at, now_ns());
}

static void answers(void *arg) {
    (void)arg;
    while (rt_chan_recv(ping, NULL) == RT_OK) CHECK_OK(rt_chan_send(pong, NULL));
}

/* Spawned by a player: its next send puts the partner first, and the third into the queue. */
static void serves(void *arg) {
    const bool spawns = arg != NULL;
    for (long i = 0; !atomic_load(&stop); i++) {
        if (spawns && i == 100) {
            atomic_store(&queued_at, now_ns());
            CHECK_OP(rt_waitgroup_go(&wg, starts, NULL), >, 0);
        }
        CHECK_OK(rt_chan_send(ping, NULL));
        CHECK_OK(rt_chan_recv(pong, NULL));
        atomic_fetch_add_explicit(&rallies, 1, memory_order_relaxed);
    }
    CHECK_OK(rt_chan_close(ping));
}

static bool third(bool spawned_there) {
    enum { TIMES = 20 };
    int64_t ns[TIMES];
    for (int i = 0; i < TIMES; i++) {
        ping = rt_chan_make(0, 0);
        pong = rt_chan_make(0, 0);
        atomic_store(&stop, false);
        atomic_store(&started_at, 0);
        atomic_store(&rallies, 0);
        CHECK_OP(rt_waitgroup_go(&wg, answers, NULL), >, 0);
        CHECK_OP(rt_waitgroup_go(&wg, serves, spawned_there ? &wg : NULL), >, 0);
        EVENTUALLY(atomic_load(&rallies) > 100);
        if (!spawned_there) {
            atomic_store(&queued_at, now_ns());
            CHECK_OP(rt_waitgroup_go(&wg, starts, NULL), >, 0);
        }
        EVENTUALLY(atomic_load(&started_at) != 0);
        ns[i] = atomic_load(&started_at) - atomic_load(&queued_at);
        atomic_store(&stop, true);
        CHECK_OK(rt_waitgroup_wait(&wg));
        rt_chan_unref(ping);
        rt_chan_unref(pong);
    }
    qsort(ns, TIMES, sizeof ns[0], by_size);
    printf("a third beside ping-pong, %s: started after %.2f ms (median), %.2f ms (max)\n",
           spawned_there ? "spawned by a player" : "spawned by a thread", (double)ns[TIMES / 2] / 1e6,
           (double)ns[TIMES - 1] / 1e6);
    return !timed() || (ns[TIMES / 2] < 50 * MS && ns[TIMES - 1] < 150 * MS);
}

/* Two hogs and a pair: each hog's slice ends, and the pair gets on. */
static bool pair_beside_hogs(void) {
    ping = rt_chan_make(0, 0);
    pong = rt_chan_make(0, 0);
    atomic_store(&stop, false);
    atomic_store(&rallies, 0);
    CHECK_OP(rt_waitgroup_go(&wg, locks, NULL), >, 0);
    CHECK_OP(rt_waitgroup_go(&wg, sends_to_itself, NULL), >, 0);
    CHECK_OP(rt_waitgroup_go(&wg, answers, NULL), >, 0);
    CHECK_OP(rt_waitgroup_go(&wg, serves, NULL), >, 0);
    thread_sleep(300 * MS);
    atomic_store(&stop, true);
    CHECK_OK(rt_waitgroup_wait(&wg));
    printf("a pair beside two that call all the time: %ld rallies in 300 ms\n", atomic_load(&rallies));
    rt_chan_unref(ping);
    rt_chan_unref(pong);
    return atomic_load(&rallies) >= (timed() ? 10 : 1);
}

/* --- one that calls all the time, many that are ready, and deadlines all the time --- */

enum { READY = 2000 };
static atomic_int have_run;

static void ticks(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) CHECK_OK(rt_sleep(200 * US));
}

static void runs(void *arg) {
    (void)arg;
    atomic_fetch_add(&have_run, 1);
}

/* That it stops for each of them does not make a new slice of the rest of its own: one look lets a few of the others go. */
static bool slice_with_looks(void) {
    atomic_store(&stop, false);
    atomic_store(&have_run, 0);
    CHECK_OP(rt_waitgroup_go(&wg, ticks, NULL), >, 0);
    CHECK_OP(rt_waitgroup_go(&wg, sends_to_itself, NULL), >, 0);
    thread_sleep(20 * MS);
    const int64_t from = now_ns();
    for (int i = 0; i < READY; i++) CHECK_OP(rt_waitgroup_go(&wg, runs, NULL), >, 0);
    EVENTUALLY(atomic_load(&have_run) == READY);
    const int64_t took = now_ns() - from;
    atomic_store(&stop, true);
    CHECK_OK(rt_waitgroup_wait(&wg));
    printf("%d that are ready beside one that calls and one that sleeps: all have run after %.1f ms\n", READY, (double)took / 1e6);
    return !timed() || took < 300 * MS;
}

/* --- who makes many goroutines ready --- */

enum { MANY = 200000, WAITING = 8000 };
static atomic_long spawned, backlog;

static void begins(void *arg) {
    const long behind = atomic_load(&spawned) - (long)(intptr_t)arg;
    if (behind > atomic_load(&backlog)) atomic_store(&backlog, behind);
}

static void spawns(void *arg) {
    (void)arg;
    for (long i = 1; i <= MANY; i++) {
        atomic_store(&spawned, i);
        CHECK_OP(rt_waitgroup_go(&wg, begins, (void *)(intptr_t)i), >, 0);
    }
}

/* Who spawns them is stopped long before its slice is over: after 4,096, and what it takes to find them. */
static void spawner(void) {
    atomic_store(&backlog, 0);
    CHECK_OP(rt_waitgroup_go(&wg, spawns, NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    printf("%d spawned by one: at most %ld waited to begin\n", MANY, atomic_load(&backlog));
    CHECK_OP(atomic_load(&backlog), <, 16000);
}

static atomic_int waiting;

static void waits(void *arg) {
    (void)arg;
    atomic_fetch_add(&waiting, 1);
    CHECK_EQ(rt_chan_recv(ping, NULL), RT_ECLOSED);
    atomic_fetch_add(&have_run, 1);
}

static void closes(void *arg) {
    CHECK_OK(rt_chan_close(ping));
    CHECK_EQ(rt_chan_try_recv(empty, NULL), RT_EAGAIN);
    CHECK_OK(rt_chan_send(buffered, NULL));
    CHECK_OK(rt_chan_recv(buffered, NULL));
    *(int *)arg = atomic_load(&have_run);
}

/* Not so who wakes as many: that is one call, and what it does after it is not to wait for all of them. */
static bool closer(void) {
    int ran = 0;
    ping = rt_chan_make(0, 0);
    atomic_store(&waiting, 0);
    atomic_store(&have_run, 0);
    for (int i = 0; i < WAITING; i++) CHECK_OP(rt_waitgroup_go(&wg, waits, NULL), >, 0);
    EVENTUALLY(atomic_load(&waiting) == WAITING);
    thread_sleep(5 * MS);
    CHECK_OP(rt_waitgroup_go(&wg, closes, &ran), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    rt_chan_unref(ping);
    printf("%d woken by a close: %d had run when it went on\n", WAITING, ran);
    return !timed() || ran < WAITING / 2;
}

int main(void) {
    /* What was measured is seen also of a test that hangs. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    const rt_config cfg = {.struct_size = sizeof cfg, .maxprocs = 1};
    CHECK_OK(rt_init(&cfg));
    CHECK_EQ(rt_maxprocs(0), 1);
    empty = rt_chan_make(0, 0);
    buffered = rt_chan_make(0, 1);
    for (size_t i = 0; i < sizeof busies / sizeof busies[0]; i++) IN_THREE(shares(&busies[i]));
    IN_THREE(third(true));
    IN_THREE(third(false));
    IN_THREE(pair_beside_hogs());
    IN_THREE(slice_with_looks());
    spawner();
    IN_THREE(closer());
    EVENTUALLY(rt_num_goroutine() == 0);
    rt_chan_unref(empty);
    rt_chan_unref(buffered);
    puts("slices: ok");
    return 0;
}
