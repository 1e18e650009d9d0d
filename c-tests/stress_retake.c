/*
 * Ps are taken and come back at random: goroutines compute, block in the kernel in every way, park and wake each other,
 * arm timers, sleep, send, lock and spawn, while the number of Ps changes. Every wake-up arrives, every byte and item is
 * received once, every timer fires or is stopped, and nobody is left; a sleeper beside them says how long it had to wait.
 */
#include "check.h"

enum { ACTORS = 28, CHANS = 3, MUTEXES = 3, TIMERS = 4, MOST_PS = 4 };

struct actor {
    uint64_t seed;
    int pipe[2];
    /* Where it parks. */
    spin lock;
    rt_g *waiter;
    long parks, readied;
    rt_timer *timer;
    atomic_bool done;
};

struct guarded {
    rt_mutex mu;
    long counter;
    atomic_int inside;
};

static struct actor actors[ACTORS];
static struct guarded guarded[MUTEXES];
static rt_chan *chans[CHANS];
static atomic_bool stop, watched;
static atomic_long bytes_out, bytes_in, items_out, items_in, sum_out, sum_in;
static atomic_long armed, fired, stopped, spawned, ran, locks, blockings, hogged;
static int64_t longest;

static void compute(int64_t ns) {
    for (const int64_t until = now_ns() + ns; now_ns() < until;) {
    }
}

static void count(void *arg) { atomic_fetch_add((atomic_long *)arg, 1); }

/* --- parks --- */

static void wake(struct actor *a) {
    spin_lock(&a->lock);
    if (a->waiter != NULL) {
        CHECK_OK(rt_goready(a->waiter));
        a->waiter = NULL;
        a->readied++;
    }
    spin_unlock(&a->lock);
}

static void park(struct actor *a) {
    spin_lock(&a->lock);
    const long readied = a->readied;
    a->waiter = rt_self();
    a->parks++;
    CHECK_OK(rt_gopark(spin_commit, &a->lock, "stress"));
    spin_lock(&a->lock);
    /* By a ready, and by one. */
    CHECK(a->waiter == NULL);
    CHECK_EQ(a->readied, readied + 1);
    spin_unlock(&a->lock);
}

/* --- pipes: whoever reads has first started who writes --- */

static void writes(void *arg) {
    const struct actor *a = arg;
    const unsigned char c = 0x5a;
    CHECK_EQ(write(a->pipe[1], &c, 1), 1);
    atomic_fetch_add(&bytes_out, 1);
}

static void read_byte(void *arg) {
    const struct actor *a = arg;
    unsigned char c = 0;
    CHECK_EQ(read(a->pipe[0], &c, 1), 1);
    CHECK_EQ(c, 0x5a);
    atomic_fetch_add(&bytes_in, 1);
}

static void block(struct actor *a) {
    const int64_t ns = 100 * US + (int64_t)rnd_below(&a->seed, 4900 * US);
    const int errno_before = 1000 + (int)rnd_below(&a->seed, 1000);
    const uint64_t how = rnd_below(&a->seed, 3);
    const bool reads = rnd_below(&a->seed, 2) == 0;
    if (reads) go(writes, a);
    set_errno(errno_before);
    if (reads && how == 2) {
        CHECK_OK(rt_blocking(read_byte, a));
        atomic_fetch_add(&blockings, 1);
    } else {
        if (how == 1) rt_entersyscall();
        if (reads) read_byte(a);
        else thread_sleep(ns);
        if (how == 1) rt_exitsyscall();
    }
    CHECK_EQ(get_errno(), errno_before);
}

/* --- channels and locks --- */

static void pass_items(struct actor *a) {
    rt_chan *c = chans[rnd_below(&a->seed, CHANS)];
    const int64_t timeout = rnd_below(&a->seed, 4) == 0 ? RT_NOWAIT : (int64_t)rnd_below(&a->seed, 2 * MS);
    long v = (long)rnd_below(&a->seed, 100000);
    int r;
    if (rnd_below(&a->seed, 2) == 0) {
        r = rt_chan_send_timeout(c, &v, timeout);
        if (r == RT_OK) {
            atomic_fetch_add(&items_out, 1);
            atomic_fetch_add(&sum_out, v);
        }
    } else {
        r = rt_chan_recv_timeout(c, &v, timeout);
        if (r == RT_OK) {
            atomic_fetch_add(&items_in, 1);
            atomic_fetch_add(&sum_in, v);
        }
    }
    CHECK(r == RT_OK || r == RT_ETIMEDOUT || r == RT_EAGAIN);
}

static void lock(struct actor *a) {
    struct guarded *g = &guarded[rnd_below(&a->seed, MUTEXES)];
    const uint64_t how = rnd_below(&a->seed, 16);
    CHECK_OK(rt_mutex_lock(&g->mu));
    CHECK_EQ(atomic_fetch_add(&g->inside, 1), 0);
    const long before = g->counter;
    /* Away with it, at times. */
    if (how == 0) compute(12 * MS);
    if (how == 1) thread_sleep(3 * MS);
    if (how == 2) CHECK_OK(rt_sleep(100 * US));
    g->counter = before + 1;
    CHECK_EQ(atomic_fetch_sub(&g->inside, 1), 1);
    CHECK_OK(rt_mutex_unlock(&g->mu));
    atomic_fetch_add(&locks, 1);
}

static void use_timer(struct actor *a) {
    /* Each arming ends in one way: the function runs, or a stop says that it won't. */
    const int64_t ns = (int64_t)rnd_below(&a->seed, 3 * MS);
    if (rnd_below(&a->seed, 3) == 0) {
        rt_timer *t = rt_after_func(ns, count, &fired);
        CHECK(t != NULL);
        rt_timer_detach(t);
    } else if (rt_timer_reset(a->timer, ns)) {
        atomic_fetch_add(&stopped, 1);
    }
    atomic_fetch_add(&armed, 1);
    if (rnd_below(&a->seed, 4) == 0 && rt_timer_stop(a->timer)) atomic_fetch_add(&stopped, 1);
}

static void sleep_some(struct actor *a) {
    const int64_t ns = (int64_t)rnd_below(&a->seed, 2 * MS), start = now_ns();
    CHECK_OK(rt_sleep(ns));
    CHECK_OP(now_ns() - start, >=, ns);
}

static void acts(void *arg) {
    struct actor *a = arg;
    const int64_t id = rt_goid();
    const rt_g *self = rt_self();
    while (!atomic_load(&stop)) {
        switch (rnd_below(&a->seed, 16)) {
        case 0:
            compute(MS + (int64_t)rnd_below(&a->seed, 29 * MS));
            atomic_fetch_add(&hogged, 1);
            break;
        case 1:
        case 2:
        case 3:
        case 4: block(a); break;
        case 5: park(a); break;
        case 6:
        case 7:
        case 8: wake(&actors[rnd_below(&a->seed, ACTORS)]); break;
        case 9: use_timer(a); break;
        case 10: sleep_some(a); break;
        case 11:
        case 12: pass_items(a); break;
        case 13: lock(a); break;
        case 14:
            atomic_fetch_add(&spawned, 1);
            go(count, &ran);
            break;
        default: rt_gosched(); break;
        }
        CHECK_EQ(rt_goid(), id);
        CHECK(rt_self() == self);
    }
    atomic_store(&a->done, true);
}

/* Some keep to their thread for a while, ask again and again, and let go. */
static void acts_locked(void *arg) {
    CHECK_OK(rt_lock_os_thread());
    const pid_t mine = own_tid();
    acts(arg);
    CHECK_EQ(own_tid(), mine);
    CHECK_OK(rt_unlock_os_thread());
}

static void changes_ps(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&stop)) {
        const int n = rt_maxprocs(1 + (int)rnd_below(&state, MOST_PS));
        CHECK_OP(n, >=, 1);
        CHECK_OK(rt_sleep((int64_t)rnd_below(&state, 20 * MS)));
    }
}

static void watches(void *arg) {
    (void)arg;
    const int64_t start = now_ns();
    while (!atomic_load(&stop)) {
        const int64_t due = now_ns() + MS;
        CHECK_OK(rt_sleep(MS));
        const int64_t late = now_ns() - due;
        if (late > longest) longest = late;
        if (late > 50 * MS) printf("after %.1f s late by %.1f ms\n", (double)(due - start) / 1e9, (double)late / 1e6);
    }
    atomic_store(&watched, true);
}

static bool all_done(void) {
    bool all = true;
    for (int i = 0; i < ACTORS; i++) {
        /* Who parked just before the stop still waits. */
        wake(&actors[i]);
        all = all && atomic_load(&actors[i].done);
    }
    return all;
}

int main(void) {
    uint64_t state = stress_seed();
    const int64_t end = stress_end();
    const int procs = rt_maxprocs(0);
    for (int i = 0; i < CHANS; i++) chans[i] = rt_chan_make(sizeof(long), (size_t)i);
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &actors[i];
        a->seed = rnd(&state);
        CHECK_EQ(pipe2(a->pipe, O_CLOEXEC), 0);
        a->timer = rt_after_func(3600 * SECOND, count, &fired);
        CHECK(a->timer != NULL);
        atomic_fetch_add(&armed, 1);
    }
    go(watches, NULL);
    go(changes_ps, (void *)(uintptr_t)rnd(&state));
    for (int i = 0; i < ACTORS; i++) go(i % 8 == 7 ? acts_locked : acts, &actors[i]);
    /* All may be parked at once: this thread wakes one now and then. */
    while (now_ns() < end) {
        wake(&actors[rnd_below(&state, ACTORS)]);
        thread_sleep(2 * MS);
    }
    atomic_store(&stop, true);
    EVENTUALLY(all_done());
    EVENTUALLY(atomic_load(&watched));
    EVENTUALLY(rt_num_goroutine() == 0);

    long parks = 0, counters = 0, v = 0;
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &actors[i];
        CHECK(a->waiter == NULL);
        CHECK_EQ(a->readied, a->parks);
        parks += a->parks;
        if (rt_timer_stop_wait(a->timer)) atomic_fetch_add(&stopped, 1);
        rt_timer_free(a->timer);
        close(a->pipe[0]);
        close(a->pipe[1]);
    }
    for (int i = 0; i < CHANS; i++) {
        while (rt_chan_try_recv(chans[i], &v) == RT_OK) {
            atomic_fetch_add(&items_in, 1);
            atomic_fetch_add(&sum_in, v);
        }
        rt_chan_unref(chans[i]);
    }
    for (int i = 0; i < MUTEXES; i++) counters += guarded[i].counter;
    CHECK_EQ(counters, atomic_load(&locks));
    CHECK_EQ(atomic_load(&bytes_in), atomic_load(&bytes_out));
    CHECK_EQ(atomic_load(&items_in), atomic_load(&items_out));
    CHECK_EQ(atomic_load(&sum_in), atomic_load(&sum_out));
    CHECK_EQ(atomic_load(&ran), atomic_load(&spawned));
    /* What was detached fires by itself. */
    EVENTUALLY(atomic_load(&fired) + atomic_load(&stopped) == atomic_load(&armed));
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_OP(rt_maxprocs(procs), >=, 1);

    rt_stats s = {.struct_size = sizeof s};
    CHECK_OK(rt_stats_read(&s));
    CHECK_OP(s.handoffs, >, 0);
    printf("%ld parks, %ld hogs, %ld bytes, %ld items, %ld timers, %ld calls of rt_blocking, %" PRIu64 " handoffs\n",
           parks, atomic_load(&hogged), atomic_load(&bytes_in), atomic_load(&items_in), atomic_load(&armed),
           atomic_load(&blockings), s.handoffs);
    printf("the longest stall of a sleeper: %.1f ms%s\n", (double)longest / 1e6, longest > 100 * MS ? ", above 100" : "");
    if (!emulated() && !sanitized()) CHECK_OP(longest, <, 500 * MS);
    puts("stress_retake: ok");
    return 0;
}
