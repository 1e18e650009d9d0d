/*
 * Parks and readies at random, on goroutines and threads: a ready under the lock that guards the waiter always goes, each
 * ends exactly one park, and no park ends without one.
 */
#include "check.h"

enum { PARKERS = 24, THREAD_PARKERS = 3, WAKERS = 4, THREAD_WAKERS = 2, ALL = PARKERS + THREAD_PARKERS };

struct site {
    spin lock;
    rt_g *waiter;
    long parks, refused, readied;
    bool refusing;
    uint64_t seed;
    atomic_bool done;
    char pad[64];
};

static struct site sites[ALL];
static atomic_bool stop;
static atomic_int wakers;

/* Publishes, and then changes its mind at times: a ready that came meanwhile is used up by the false answer. */
static bool commit(rt_g *g, void *arg) {
    struct site *s = arg;
    s->waiter = g;
    s->parks++;
    const bool refuse = rnd_below(&s->seed, 4) == 0;
    const bool dawdle = refuse && rnd_below(&s->seed, 2) == 0;
    s->refusing = refuse;
    if (refuse) s->refused++;
    spin_unlock(&s->lock);
    if (dawdle)
        for (int i = 0; i < 50; i++) sched_yield();
    return !refuse;
}

static void parks(void *arg) {
    struct site *s = arg;
    while (!atomic_load(&stop)) {
        spin_lock(&s->lock);
        const long refused = s->refused, readied = s->readied;
        CHECK_OK(rt_gopark(commit, s, "stress"));
        spin_lock(&s->lock);
        if (s->refused == refused) {
            /* It waited: then it was readied, once. */
            CHECK(s->waiter == NULL);
            CHECK_EQ(s->readied, readied + 1);
        } else {
            CHECK_OP(s->readied - readied, <=, 1);
            CHECK_EQ(s->readied - readied, s->waiter == NULL);
            s->waiter = NULL;
        }
        const bool pause = rnd_below(&s->seed, 16) == 0;
        spin_unlock(&s->lock);
        if (pause) rt_gosched();
    }
    atomic_store(&s->done, true);
}

static void wake(struct site *s) {
    spin_lock(&s->lock);
    if (s->waiter != NULL) {
        /*
         * From the moment unlockf lets go of the lock it can be readied, also before unlockf has returned. Only one
         * whose unlockf refuses may be on its way already.
         */
        const int r = rt_goready(s->waiter);
        if (!s->refusing) CHECK_OK(r);
        CHECK_EQ(rt_goready(s->waiter), RT_EINVAL);
        if (r == RT_OK) {
            s->waiter = NULL;
            s->readied++;
        } else {
            CHECK_EQ(r, RT_EINVAL);
        }
    }
    spin_unlock(&s->lock);
}

static void wakes(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    for (long i = 0; !atomic_load(&stop); i++) {
        wake(&sites[rnd_below(&state, ALL)]);
        if (i % 16 == 0) rt_gosched();
    }
    atomic_fetch_sub(&wakers, 1);
}

static bool all_done(void) {
    bool all = true;
    for (int i = 0; i < ALL; i++) {
        /* Who parked just before the stop still waits. */
        wake(&sites[i]);
        all = all && atomic_load(&sites[i].done);
    }
    return all;
}

static bool has_parked(struct site *s) {
    spin_lock(&s->lock);
    const bool has = s->parks > 0;
    spin_unlock(&s->lock);
    return has;
}

int main(void) {
    uint64_t state = stress_seed();
    pthread_t threads[THREAD_PARKERS + THREAD_WAKERS];
    for (int i = 0; i < ALL; i++) {
        sites[i].seed = rnd(&state);
        if (i < THREAD_PARKERS) threads[i] = thread_go(parks, &sites[i]);
        else go(parks, &sites[i]);
    }
    atomic_store(&wakers, WAKERS + THREAD_WAKERS);
    for (int i = 0; i < THREAD_WAKERS; i++)
        threads[THREAD_PARKERS + i] = thread_go(wakes, (void *)(uintptr_t)rnd(&state));
    for (int i = 0; i < WAKERS; i++) go(wakes, (void *)(uintptr_t)rnd(&state));
    /* The time counts from here: to start them all takes seconds under valgrind, where others want the processors too. */
    for (int i = 0; i < ALL; i++) EVENTUALLY(has_parked(&sites[i]));
    const int64_t end = stress_end();
    while (now_ns() < end) thread_sleep(10 * MS);
    atomic_store(&stop, true);
    EVENTUALLY(atomic_load(&wakers) == 0);
    EVENTUALLY(all_done());
    for (int i = 0; i < THREAD_PARKERS + THREAD_WAKERS; i++) thread_join(threads[i]);
    EVENTUALLY(rt_num_goroutine() == 0);
    long parked = 0;
    for (int i = 0; i < ALL; i++) {
        CHECK(sites[i].waiter == NULL);
        CHECK_OP(sites[i].parks, >, 0);
        /* Every park either refused or was readied, and a refused one may have been readied too. */
        CHECK_OP(sites[i].readied, >=, sites[i].parks - sites[i].refused);
        CHECK_OP(sites[i].readied, <=, sites[i].parks);
        parked += sites[i].parks;
    }
    printf("stress_park: ok, %ld parks\n", parked);
    return 0;
}
