/* Channel timers: one value, never early, the time it fired; len and cap 0; any thread, any duration, in a select too. */
#include "more.h"

static void one_shot(void *arg) {
    (void)arg;
    const int64_t durations[] = {1, US, 100 * US, MS, 5 * MS, 30 * MS};
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++)
        for (int kind = 0; kind < 4; kind++) {
            const int64_t start = rt_now();
            /* By turns a timer and an after. */
            rt_timer *t = kind % 2 == 0 ? rt_timer_new(durations[i]) : NULL;
            rt_chan *c = t != NULL ? rt_timer_chan(t) : rt_after(durations[i]);
            CHECK(c != NULL);
            CHECK_EQ(rt_chan_len(c), 0);
            CHECK_EQ(rt_chan_cap(c), 0);
            CHECK_EQ(rt_chan_elem_size(c), sizeof(int64_t));
            int64_t v = -1;
            int32_t result;
            if (kind < 2) {
                CHECK_OK(rt_chan_recv(c, &v));
            } else {
                CHECK_EQ(select_recv(c, &v, RT_FOREVER, &result), 0);
                CHECK_OK(result);
            }
            const int64_t now = rt_now();
            CHECK_OP(now - start, >=, durations[i]);
            CHECK_OP(v, >=, start + durations[i]);
            CHECK_OP(v, <=, now);
            /* One value, no more. */
            CHECK_EQ(rt_chan_try_recv(c, &v), RT_EAGAIN);
            CHECK_EQ(rt_chan_recv_timeout(c, &v, MS), RT_ETIMEDOUT);
            CHECK_EQ(select_recv(c, &v, RT_NOWAIT, &result), RT_EAGAIN);
            if (t != NULL) rt_timer_free(t);
            else rt_chan_unref(c);
        }
}

/* What nobody waits for when it fires can be received later; len and cap stay 0. */
static void received_late(void *arg) {
    (void)arg;
    const int64_t start = rt_now();
    rt_timer *t = rt_timer_new(MS);
    rt_chan *c = rt_timer_chan(t);
    CHECK(rt_timer_chan(t) == c);
    CHECK_OK(rt_sleep(20 * MS));
    CHECK_EQ(rt_chan_len(c), 0);
    CHECK_EQ(rt_chan_cap(c), 0);
    int64_t v = 0;
    CHECK_OK(rt_chan_recv(c, &v));
    CHECK_OP(v, >=, start + MS);
    CHECK_EQ(rt_chan_len(c), 0);
    rt_timer_free(t);
}

/* Zero and less are over at once: the least that there is, is no RT_FOREVER here. */
static void over_at_once(void *arg) {
    (void)arg;
    const int64_t durations[] = {0, -1, -SECOND, INT64_MIN + 1, INT64_MIN};
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        const int64_t start = rt_now();
        rt_timer *t = rt_timer_new(durations[i]);
        int64_t v = 0, w = 0;
        CHECK_OK(rt_chan_recv_timeout(rt_timer_chan(t), &v, 60 * SECOND));
        CHECK_OP(v, >=, start);
        CHECK_OP(v, <=, rt_now());
        rt_timer_free(t);
        rt_chan *c = rt_after(durations[i]);
        CHECK_OK(rt_chan_recv_timeout(c, &w, 60 * SECOND));
        CHECK_OP(w, >=, start);
        rt_chan_unref(c);
    }
}

/* Many at once, made in no order: each in its time, also with several thousand in the heaps. */
enum { MANY = 3000 };

static rt_timer *timers[MANY];
static int64_t due[MANY];

static void many(void *arg) {
    (void)arg;
    uint64_t state = 7;
    for (int i = 0; i < MANY; i++) {
        const int64_t ns = (int64_t)rnd_below(&state, 50 * MS);
        due[i] = rt_now() + ns;
        timers[i] = rt_timer_new(ns);
        CHECK(timers[i] != NULL);
    }
    for (int i = MANY - 1; i >= 0; i--) {
        int64_t v = 0;
        CHECK_OK(rt_chan_recv_timeout(rt_timer_chan(timers[i]), &v, 60 * SECOND));
        CHECK_OP(v, >=, due[i]);
        CHECK_OP(rt_now(), >=, due[i]);
        rt_timer_free(timers[i]);
    }
}

/* A select over timers and a channel: the earliest ends it, never one that is an hour away. */
static void in_select(void *arg) {
    (void)arg;
    rt_chan *never = rt_chan_make(0, 0), *hour = rt_after(3600 * SECOND);
    for (int i = 0; i < 20; i++) {
        rt_chan *soon = rt_after((i % 3) * MS);
        rt_select_case k[3] = {recv_case(never, NULL), recv_case(hour, NULL), recv_case(soon, NULL)};
        CHECK_EQ(rt_select(k, 3, RT_FOREVER), 2);
        CHECK_OK(k[2].result);
        rt_chan_unref(soon);
    }
    rt_chan_unref(hour);
    rt_chan_unref(never);
}

/* Freed in every state: armed, with a waiter's reference, fired and not received, received. */
static void frees(void *arg) {
    (void)arg;
    rt_timer_free(NULL);
    for (int i = 0; i < 100; i++) {
        rt_timer_free(rt_timer_new(3600 * SECOND));
        rt_chan_unref(rt_after(3600 * SECOND));
        rt_timer_free(rt_timer_new(i % 7 * US));
        rt_chan_unref(rt_after(i % 7 * US));
    }
    /* A free stops it: who still holds the channel receives nothing, also what had fired. */
    for (int i = 0; i < 3; i++) {
        rt_timer *t = rt_timer_new(i == 0 ? 3600 * SECOND : MS);
        rt_chan *c = rt_chan_ref(rt_timer_chan(t));
        if (i == 1) CHECK_OK(rt_sleep(5 * MS));
        rt_timer_free(t);
        CHECK_EQ(rt_chan_recv_timeout(c, NULL, 5 * MS), RT_ETIMEDOUT);
        rt_chan_unref(c);
    }
    rt_timer *t = rt_timer_new(3600 * SECOND);
    rt_timer_detach(t);
}

/* Nothing need be started first. */
static void first_of_all(void) {
    rt_timer *t = rt_timer_new(MS);
    CHECK(t != NULL);
    CHECK_OK(rt_chan_recv(rt_timer_chan(t), NULL));
    rt_timer_free(t);
}

static void first_of_all_after(void) {
    rt_chan *c = rt_after(MS);
    CHECK_OK(rt_chan_recv(c, NULL));
    rt_chan_unref(c);
}

int main(void) {
    CHECK_CHILD(first_of_all);
    CHECK_CHILD(first_of_all_after);
    everywhere(one_shot, NULL);
    everywhere(received_late, NULL);
    everywhere(over_at_once, NULL);
    everywhere(many, NULL);
    everywhere(in_select, NULL);
    everywhere(frees, NULL);
    puts("timer_basic: ok");
    return 0;
}
