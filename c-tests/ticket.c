/* Tickets: each names one park and no other, before it, during it, and after it. */
#include "check.h"

static _Atomic uint64_t ticket;
static atomic_int step;

static bool publish_commit(rt_g *g, void *arg) {
    (void)g;
    atomic_store((atomic_int *)arg, 1);
    return true;
}

/* One park after another on one caller: every ticket new, the same until its park, void afterwards. */
static bool ready_own_ticket(rt_g *g, void *arg) {
    (void)g;
    /* The ticket lies on the goroutine's stack, which is not to be touched once it is readied. */
    const uint64_t mine = *(uint64_t *)arg;
    CHECK_OK(rt_goready_ticket(mine));
    CHECK_EQ(rt_goready_ticket(mine), RT_EINVAL);
    return true;
}

static bool refuse(rt_g *g, void *arg) {
    (void)g;
    (void)arg;
    return false;
}

static void alone(void *arg) {
    uint64_t last = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t t = rt_park_ticket();
        CHECK(t != 0);
        CHECK(t != last);
        CHECK(rt_park_ticket() == t);
        CHECK_EQ(rt_goready_ticket(t), RT_EINVAL);
        if (last != 0) CHECK_EQ(rt_goready_ticket(last), RT_EINVAL);
        rt_gosched();
        CHECK(rt_park_ticket() == t);
        switch (i % 3) {
        case 0: CHECK_OK(rt_gopark(ready_own_ticket, &t, "own ticket")); break;
        case 1: CHECK_OK(rt_gopark(refuse, NULL, "refuses")); break;
        default: CHECK_EQ(rt_gopark_timeout(NULL, NULL, "times out", 10 * US), RT_ETIMEDOUT); break;
        }
        CHECK_EQ(rt_goready_ticket(t), RT_EINVAL);
        CHECK(rt_park_ticket() != t);
        last = t;
    }
    *(uint64_t *)arg = last;
}

/* A ticket from another thread: good once it waits, for one waker only. */
static void holder(void *arg) {
    atomic_store(&ticket, rt_park_ticket());
    while (atomic_load(&step) == 0) rt_gosched();
    atomic_int *parked = arg;
    CHECK_OK(rt_gopark(publish_commit, parked, "ticket"));
    atomic_store(&step, 2);
    /* The old ticket must not end a later park. */
    CHECK_EQ(rt_gopark_timeout(NULL, NULL, "undisturbed", 30 * MS), RT_ETIMEDOUT);
    atomic_store(&step, 3);
}

static void across(bool on_thread) {
    static atomic_int parked;
    atomic_store(&ticket, 0);
    atomic_store(&step, 0);
    atomic_store(&parked, 0);
    pthread_t t = 0;
    if (on_thread) t = thread_go(holder, &parked);
    else go(holder, &parked);
    EVENTUALLY(atomic_load(&ticket) != 0);
    const uint64_t mine = atomic_load(&ticket);
    for (int i = 0; i < 50; i++) CHECK_EQ(rt_goready_ticket(mine), RT_EINVAL);
    atomic_store(&step, 1);
    EVENTUALLY(atomic_load(&parked) == 1);
    CHECK_OK(rt_goready_ticket(mine));
    CHECK_EQ(rt_goready_ticket(mine), RT_EINVAL);
    EVENTUALLY(atomic_load(&step) >= 2);
    while (atomic_load(&step) != 3) {
        CHECK_EQ(rt_goready_ticket(mine), RT_EINVAL);
        thread_sleep(MS / 4);
    }
    if (on_thread) thread_join(t);
}

/* A ticket does not end a sleep or a wait in a channel. */
static void sleeps(void *arg) {
    rt_chan *c = arg;
    atomic_store(&ticket, rt_park_ticket());
    const int64_t start = now_ns();
    CHECK_OK(rt_sleep(30 * MS));
    CHECK_OP(now_ns() - start, >=, 30 * MS);
    CHECK_EQ(rt_chan_recv(c, NULL), RT_ECLOSED);
    atomic_store(&step, 9);
}

int main(void) {
    uint64_t last[3];
    CHECK_OK(rt_run(alone, &last[0]));
    alone(&last[1]);
    thread_join(thread_go(alone, &last[2]));
    CHECK(last[0] != last[1] && last[1] != last[2] && last[0] != last[2]);
    /* Those of ended goroutines and threads are void, and so is what never was one. */
    for (int i = 0; i < 3; i++) CHECK_EQ(rt_goready_ticket(last[i]), RT_EINVAL);
    const uint64_t garbage[] = {0, 1, 2, UINT64_MAX, UINT64_MAX >> 1, UINT64_C(1) << 63, UINT64_C(0xdeadbeefdeadbeef)};
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++)
        CHECK_EQ(rt_goready_ticket(garbage[i]), RT_EINVAL);

    across(false);
    across(true);

    rt_chan *c = rt_chan_make(0, 0);
    atomic_store(&ticket, 0);
    go(sleeps, c);
    EVENTUALLY(atomic_load(&ticket) != 0);
    for (int i = 0; i < 60; i++) {
        CHECK_EQ(rt_goready_ticket(atomic_load(&ticket)), RT_EINVAL);
        thread_sleep(MS);
    }
    CHECK_OK(rt_chan_close(c));
    EVENTUALLY(atomic_load(&step) == 9);
    rt_chan_unref(c);
    puts("ticket: ok");
    return 0;
}
