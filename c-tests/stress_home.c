/*
 * Goroutines of homes and of none at random: over channels, selects, locks, timers, parks and sleeps, computing and blocking, with
 * hooks that refuse every so often, while the number of Ps changes. A home keeps to its thread and runs one at a time, every item
 * is received once, every wake-up arrives, every goroutine runs and ends, and all of it again after a stop of the runtime.
 */
#include "more.h"

enum { HOMES = 3, ACTORS = 30, CHANS = 4, CODE = RT_EBUSY };

struct place {
    rt_home *home;
    atomic_int tid, inside;
};

struct actor {
    uint64_t seed;
    struct place *place;
    /* Where it parks. */
    spin lock;
    rt_g *waiter;
    /* What its hooks know: how often in 16 they refuse. */
    atomic_uint refuses;
    atomic_ulong dice;
    atomic_int exited;
};

static struct place places[HOMES];
static struct actor actors[ACTORS];
static rt_chan *chans[CHANS];
static rt_mutex mutex;
static long guarded;
static atomic_long locked, out, in, items_out, items_in, spawned, ran, refused, parks, readied;
static atomic_int busy;
static atomic_bool stop, over;

static void here(struct place *p) {
    if (p == NULL) return;
    CHECK_EQ(atomic_fetch_add(&p->inside, 1), 0);
    int none = 0;
    const int own = (int)own_tid();
    if (!atomic_compare_exchange_strong(&p->tid, &none, own)) CHECK_EQ(none, own);
    atomic_fetch_sub(&p->inside, 1);
}

static int on_park(void *arg) {
    struct actor *a = arg;
    uint64_t dice = atomic_fetch_add(&a->dice, 977);
    if (rnd_below(&dice, 16) >= atomic_load(&a->refuses)) return 0;
    atomic_fetch_add(&refused, 1);
    return CODE;
}

static void on_resume(void *arg) {
    struct actor *a = arg;
    if (a->place != NULL && atomic_load(&a->place->tid) != 0) CHECK_EQ(atomic_load(&a->place->tid), (int)own_tid());
}

static void on_exit_hook(void *arg) {
    struct actor *a = arg;
    atomic_fetch_add(&a->exited, 1);
}

static void go_as(struct place *p, struct actor *hooks, rt_fn fn, void *arg) {
    rt_go_opts o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    if (p != NULL) o.home = p->home;
    if (hooks != NULL) {
        o.on_park = on_park;
        o.on_resume = on_resume;
        o.on_exit = on_exit_hook;
        o.hook_arg = hooks;
    }
    atomic_fetch_add(&spawned, 1);
    CHECK_OP(rt_go_with(&o, fn, arg), >, 0);
}

static void counts(void *arg) {
    here(arg);
    atomic_fetch_add(&ran, 1);
}

static void child(void *arg) {
    here(arg);
    rt_gosched();
    counts(arg);
}

static void fires(void *arg) {
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

static void compute(int64_t ns) {
    for (const int64_t until = now_ns() + ns; now_ns() < until;) {
    }
}

static void sleeps(void *arg) { thread_sleep(*(const int64_t *)arg); }

static void sent(int64_t v) {
    atomic_fetch_add(&out, v);
    atomic_fetch_add(&items_out, 1);
}

static void received(int64_t v) {
    atomic_fetch_add(&in, v);
    atomic_fetch_add(&items_in, 1);
}

/* RT_OK, RT_ETIMEDOUT, or what the hook says. */
static bool went(int r) {
    if (r != RT_OK && r != RT_ETIMEDOUT && r != CODE) FAIL("a call answers %d", r);
    return r == RT_OK;
}

static void wake(struct actor *a) {
    spin_lock(&a->lock);
    if (a->waiter != NULL) {
        CHECK_OK(rt_goready(a->waiter));
        a->waiter = NULL;
        atomic_fetch_add(&readied, 1);
    }
    spin_unlock(&a->lock);
}

static void park(struct actor *a) {
    spin_lock(&a->lock);
    a->waiter = rt_self();
    const int r = rt_gopark(spin_commit, &a->lock, "stress");
    if (r == RT_OK) {
        atomic_fetch_add(&parks, 1);
        return;
    }
    CHECK_EQ(r, CODE);
    a->waiter = NULL;
    spin_unlock(&a->lock);
}

static void step(struct actor *a) {
    uint64_t *s = &a->seed;
    rt_chan *c = chans[rnd_below(s, CHANS)];
    int64_t v = (int64_t)rnd_below(s, 1000), timeout = (int64_t)rnd_below(s, 300) * US + 1;
    switch (rnd_below(s, 15)) {
    case 0:
    case 1:
        if (went(rt_chan_send_timeout(c, &v, timeout))) sent(v);
        return;
    case 2:
    case 3:
        if (went(rt_chan_recv_timeout(c, &v, timeout))) received(v);
        return;
    case 4: {
        int64_t got;
        rt_select_case cases[2] = {send_case(c, &v), recv_case(chans[rnd_below(s, CHANS)], &got)};
        const int which = rt_select(cases, 2, timeout);
        if (which == 0) sent(v);
        if (which == 1) received(got);
        if (which < 0) went(which);
        return;
    }
    case 5:
        if (went(rt_mutex_lock_timeout(&mutex, timeout))) {
            const long was = guarded;
            if (v % 4 == 0) rt_gosched();
            guarded = was + 1;
            CHECK_OK(rt_mutex_unlock(&mutex));
            atomic_fetch_add(&locked, 1);
        }
        return;
    case 6:
        went(rt_sleep(timeout));
        return;
    case 7:
    case 8:
        rt_gosched();
        return;
    case 9: {
        struct place *p = rnd_below(s, 2) != 0 ? &places[rnd_below(s, HOMES)] : NULL;
        go_as(p, NULL, rnd_below(s, 2) != 0 ? child : counts, p);
        return;
    }
    case 10: {
        rt_timer *t = rt_after_func(timeout, fires, NULL);
        CHECK(t != NULL);
        atomic_fetch_add(&spawned, 1);
        rt_timer_detach(t);
        return;
    }
    case 11:
        park(a);
        return;
    case 12:
        for (int i = 0; i < 4; i++) wake(&actors[rnd_below(s, ACTORS)]);
        return;
    case 13:
        /* Rarely, or there would be time for nothing else. */
        if (rnd_below(s, 8) == 0) compute((int64_t)rnd_below(s, 25) * MS);
        return;
    default:
        if (rnd_below(s, 8) == 0) {
            int64_t ns = (int64_t)rnd_below(s, 6) * MS;
            switch (rnd_below(s, 3)) {
            case 0: thread_sleep(ns); break;
            case 1: CHECK_OK(rt_blocking(sleeps, &ns)); break;
            default:
                rt_entersyscall();
                thread_sleep(ns);
                rt_exitsyscall();
            }
        }
        if (rnd_below(s, 4) == 0) atomic_store(&a->refuses, (unsigned)rnd_below(s, 4) * (unsigned)rnd_below(s, 6));
    }
}

static void acts(void *arg) {
    struct actor *a = arg;
    while (!atomic_load(&stop)) {
        here(a->place);
        step(a);
        here(a->place);
    }
    atomic_store(&a->refuses, 0);
    atomic_fetch_sub(&busy, 1);
    atomic_fetch_add(&ran, 1);
}

/* Says what stands still, and ends. */
static void *watches(void *arg) {
    (void)arg;
    long last = -1;
    int64_t since = now_ns();
    while (!atomic_load(&over)) {
        thread_sleep(20 * MS);
        const long now = atomic_load(&ran) + atomic_load(&items_in) + atomic_load(&parks) + atomic_load(&refused);
        if (now != last) since = now_ns();
        last = now;
        if (now_ns() - since > 60 * SECOND) {
            rt_dump(2);
            FAIL("stuck: %ld of %ld ran", atomic_load(&ran), atomic_load(&spawned));
        }
    }
    return NULL;
}

static void round_of(uint64_t *seed, int64_t end) {
    atomic_store(&stop, false);
    const int procs = rt_maxprocs(0);
    for (int h = 0; h < HOMES; h++) atomic_store(&places[h].tid, 0);
    atomic_store(&busy, ACTORS);
    for (int i = 0; i < ACTORS; i++) {
        struct actor *a = &actors[i];
        a->seed = rnd(seed);
        a->place = i % 4 == 3 ? NULL : &places[i % HOMES];
        a->waiter = NULL;
        atomic_store(&a->dice, rnd(seed));
        atomic_store(&a->refuses, i % 3 == 0 ? 4 : 0);
        atomic_store(&a->exited, 0);
        go_as(a->place, i % 3 != 2 ? a : NULL, acts, a);
    }
    while (now_ns() < end) {
        thread_sleep(5 * MS);
        if (rnd_below(seed, 8) == 0) CHECK_OP(rt_maxprocs(1 + (int)rnd_below(seed, 4)), >, 0);
        wake(&actors[rnd_below(seed, ACTORS)]);
    }
    atomic_store(&stop, true);
    while (atomic_load(&busy) > 0) {
        for (int i = 0; i < ACTORS; i++) wake(&actors[i]);
        thread_sleep(100 * US);
    }
    int64_t v;
    CHECK_OP(rt_maxprocs(procs), >, 0);
    while (rt_num_goroutine() > 0 || atomic_load(&ran) != atomic_load(&spawned)) thread_sleep(100 * US);
    for (int c = 0; c < CHANS; c++)
        while (rt_chan_try_recv(chans[c], &v) == RT_OK) received(v);
    CHECK_EQ(atomic_load(&in), atomic_load(&out));
    CHECK_EQ(atomic_load(&items_in), atomic_load(&items_out));
    CHECK_EQ(atomic_load(&parks), atomic_load(&readied));
    CHECK_EQ(guarded, atomic_load(&locked));
    for (int i = 0; i < ACTORS; i++) CHECK_EQ(actors[i].exited, i % 3 != 2);
}

int main(void) {
    uint64_t seed = stress_seed();
    const int64_t begin = now_ns(), end = stress_end();
    for (int h = 0; h < HOMES; h++) CHECK((places[h].home = rt_home_new()) != NULL);
    for (int c = 0; c < CHANS; c++) CHECK((chans[c] = rt_chan_make(sizeof(int64_t), c % 2 == 0 ? 0 : 4)) != NULL);
    const pthread_t watcher = thread_start(watches, NULL);
    for (int i = 1; i <= 3; i++) {
        round_of(&seed, begin + (end - begin) * i / 3);
        CHECK_OK(rt_stop(10 * SECOND));
    }
    atomic_store(&over, true);
    thread_join(watcher);
    for (int h = 0; h < HOMES; h++) CHECK_OK(rt_home_free(places[h].home));
    for (int c = 0; c < CHANS; c++) rt_chan_unref(chans[c]);
    printf("%ld goroutines, %ld items, %ld parks, %ld refusals\n", ran, items_in, parks, refused);
    CHECK_OP(refused, >, 0);
    CHECK_OP(items_in, >, 0);
    return 0;
}
