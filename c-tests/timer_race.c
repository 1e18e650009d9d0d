/*
 * Stop and reset against the moment of firing: exactly one outcome each. 100,000 after-functions; 1,000 times 100 channel
 * timers between a receiver and a stopper; and a timer that is moved to an earlier time is never lost.
 */
#include "more.h"

/* A hundred thousand stops against firings: it ran, or it was stopped, never both and never neither. */
enum { BATCH = 1000, BATCHES = 100 };

static atomic_int ran[BATCH];
static atomic_long ran_all;

static void runs(void *arg) {
    atomic_fetch_add((atomic_int *)arg, 1);
    atomic_fetch_add(&ran_all, 1);
}

static long stopped_all;

static void functions(void *arg) {
    const bool free_only = arg != NULL;
    static rt_timer *timers[BATCH];
    static bool stopped[BATCH];
    uint64_t state = 5;
    for (int b = 0; b < (free_only ? 5 : BATCHES); b++) {
        for (int i = 0; i < BATCH; i++) {
            atomic_store(&ran[i], 0);
            timers[i] = rt_after_func((int64_t)rnd_below(&state, 50 * US), runs, &ran[i]);
            CHECK(timers[i] != NULL);
            /* The stops run some tens behind, so that they meet the firings. */
            const int k = i - 1 - (int)rnd_below(&state, 8) * 16;
            if (k >= 0 && timers[k] != NULL) {
                stopped[k] = rt_timer_stop(timers[k]);
                rt_timer_free(timers[k]);
                timers[k] = NULL;
            }
        }
        long want = 0;
        for (int i = 0; i < BATCH; i++) {
            if (timers[i] != NULL) {
                stopped[i] = i % 2 == 0 ? rt_timer_stop(timers[i]) : rt_timer_stop_wait(timers[i]);
                if (i % 2 == 1) CHECK_EQ(atomic_load(&ran[i]), !stopped[i]);
                rt_timer_free(timers[i]);
                timers[i] = NULL;
            }
            want += !stopped[i];
            stopped_all += stopped[i];
        }
        /* Those that were not stopped run, however late; and no other does. */
        EVENTUALLY_YIELD(atomic_load(&ran_all) >= want);
        atomic_fetch_sub(&ran_all, want);
        for (int i = 0; i < BATCH; i++)
            if (atomic_load(&ran[i]) != !stopped[i])
                FAIL("timer %d of batch %d: stopped %d, ran %d times", i, b, stopped[i], atomic_load(&ran[i]));
    }
    thread_sleep(MS);
    CHECK_EQ(atomic_load(&ran_all), 0);
}

/* As Go's: two timers a round; the one that was not received is stopped, and that is always in time. */
enum { RACERS = 1000, ROUNDS = 100 };

static rt_chan *start;

static void races(void *arg) {
    const bool resets = arg != NULL;
    CHECK_EQ(rt_chan_recv(start, NULL), RT_ECLOSED);
    for (int i = 0; i < ROUNDS; i++) {
        rt_timer *t[2] = {rt_timer_new(MS), rt_timer_new(MS)};
        rt_select_case k[2] = {recv_case(rt_timer_chan(t[0]), NULL), recv_case(rt_timer_chan(t[1]), NULL)};
        const int r = rt_select(k, 2, RT_FOREVER);
        CHECK(r == 0 || r == 1);
        /* It is pending, or its value is there: both are true, and then there is none. */
        CHECK(resets ? rt_timer_reset(t[!r], 3600 * SECOND) : rt_timer_stop(t[!r]));
        CHECK_EQ(rt_chan_try_recv(rt_timer_chan(t[!r]), NULL), RT_EAGAIN);
        CHECK(!rt_timer_stop(t[r]));
        rt_timer_free(t[0]);
        rt_timer_free(t[1]);
    }
}

static void racing_stops(bool resets) {
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    start = rt_chan_make(0, 0);
    const int racers = emulated() ? RACERS / 10 : RACERS;
    for (int i = 0; i < racers; i++) CHECK_OP(rt_waitgroup_go(&wg, races, resets ? &wg : NULL), >, 0);
    CHECK_OK(rt_chan_close(start));
    CHECK_OK(rt_waitgroup_wait(&wg));
    rt_chan_unref(start);
}

/* A receiver and a stopper: a stop that answers false means that the receiver has the value. */
enum { PAIRS = 20, MEETINGS = 1000 };

struct pair {
    rt_timer *timer;
    rt_chan *quit, *result;
};

static void receives(void *arg) {
    struct pair *p = arg;
    for (int i = 0; i < MEETINGS; i++) {
        rt_select_case k[2] = {recv_case(rt_timer_chan(p->timer), NULL), recv_case(p->quit, NULL)};
        const int r = rt_select(k, 2, RT_FOREVER);
        CHECK(r == 0 || r == 1);
        CHECK_OK(k[r].result);
        CHECK_OK(rt_chan_send(p->result, &r));
        /* Next round. */
        CHECK_OK(rt_chan_recv(p->quit, NULL));
    }
}

static void stops(void *arg) {
    struct pair p = {rt_timer_new(3600 * SECOND), rt_chan_make(0, 0), rt_chan_make(sizeof(int), 1)};
    uint64_t state = (uint64_t)(uintptr_t)arg;
    CHECK(rt_timer_stop(p.timer));
    go(receives, &p);
    for (int i = 0; i < MEETINGS; i++) {
        CHECK(!rt_timer_reset(p.timer, (int64_t)rnd_below(&state, 30 * US)));
        const int64_t until = rt_now() + (int64_t)rnd_below(&state, 40 * US);
        if (i % 2 == 0) rt_gosched();
        if (i % 8 == 0) CHECK_OK(rt_sleep(10 * US));
        while (rt_now() < until) {
        }
        int which = -1;
        if (rt_timer_stop(p.timer)) {
            CHECK_OK(rt_chan_send(p.quit, NULL));
            CHECK_OK(rt_chan_recv(p.result, &which));
            CHECK_EQ(which, 1);
        } else {
            /* No time: a value that is nowhere would hang here. */
            CHECK_OK(rt_chan_recv_timeout(p.result, &which, 60 * SECOND));
            CHECK_EQ(which, 0);
        }
        CHECK_EQ(rt_chan_try_recv(rt_timer_chan(p.timer), NULL), RT_EAGAIN);
        CHECK_OK(rt_chan_send(p.quit, NULL));
    }
    rt_timer_free(p.timer);
    rt_chan_unref(p.quit);
    rt_chan_unref(p.result);
}

/* Moved from an hour to the past, ten times over, with nobody waiting and with somebody who already does. */
static void moved(void *arg) {
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        rt_timer *t = rt_timer_new(3600 * SECOND);
        for (int k = 0; k < 10; k++) {
            /* Pending, or fired and not received: stopped in time either way. */
            CHECK(rt_timer_stop(t));
            CHECK(!rt_timer_reset(t, -SECOND));
        }
        if (rt_chan_recv_timeout(rt_timer_chan(t), NULL, 60 * SECOND) != RT_OK) FAIL("timer %d is lost", i);
        rt_timer_free(t);
    }
}

static void waits(void *arg) {
    if (rt_chan_recv_timeout(rt_timer_chan(arg), NULL, 60 * SECOND) != RT_OK) FAIL("a timer moved earlier is lost");
}

static void moved_below_a_waiter(void *arg) {
    (void)arg;
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (int i = 0; i < 500; i++) {
        rt_timer *t = rt_timer_new(3600 * SECOND);
        CHECK_OP(rt_waitgroup_go(&wg, waits, t), >, 0);
        if (i % 3 == 1) rt_gosched();
        if (i % 3 == 2) CHECK_OK(rt_sleep(50 * US));
        /* Sooner in steps. */
        CHECK(rt_timer_reset(t, 1800 * SECOND));
        CHECK(rt_timer_reset(t, i % 2 * 100 * US));
        CHECK_OK(rt_waitgroup_wait(&wg));
        rt_timer_free(t);
    }
}

int main(void) {
    CHECK_OK(rt_run(functions, NULL));
    printf("%ld of %d stopped in time\n", stopped_all, BATCH * BATCHES);
    on_thread(functions, &stopped_all);
    racing_stops(false);
    racing_stops(true);
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (uintptr_t i = 1; i <= PAIRS; i++) CHECK_OP(rt_waitgroup_go(&wg, stops, (void *)i), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    everywhere(moved, NULL);
    everywhere(moved_below_a_waiter, NULL);
    EVENTUALLY(rt_num_goroutine() == 0);
    puts("timer_race: ok");
    return 0;
}
