/* First in, first out; waiters are served in the order they came; every item exactly once among many. */
#include "check.h"

/* One P, so that the order in which goroutines come to wait is known. */
#define WAITERS 20
static int served[WAITERS];
static int at;
static rt_chan *chan;

static void receiver(void *arg) {
    int v = -1;
    CHECK_OK(rt_chan_recv(chan, &v));
    /* The nth waiter gets the nth item, whenever it runs. */
    CHECK_EQ(v, (int)(intptr_t)arg);
    at++;
}

static void sender(void *arg) {
    const int v = (int)(intptr_t)arg;
    CHECK_OK(rt_chan_send(chan, &v));
    served[at++] = v;
}

static void waiters(void *arg) {
    (void)arg;
    chan = rt_chan_make(sizeof(int), 0);
    for (intptr_t i = 0; i < WAITERS; i++) {
        go(receiver, (void *)i);
        rt_gosched();
    }
    for (int i = 0; i < WAITERS; i++) CHECK_OK(rt_chan_try_send(chan, &i));
    int v = 0;
    CHECK_EQ(rt_chan_try_send(chan, &v), RT_EAGAIN);
    while (at < WAITERS) rt_gosched();
    rt_chan_unref(chan);

    /* Senders that wait: behind the buffer, in their order. */
    at = 0;
    chan = rt_chan_make(sizeof(int), 3);
    for (intptr_t i = 0; i < WAITERS; i++) {
        go(sender, (void *)i);
        rt_gosched();
    }
    CHECK_EQ(at, 3);
    CHECK_EQ(rt_chan_len(chan), 3);
    for (int i = 0; i < WAITERS; i++) {
        CHECK_OK(rt_chan_try_recv(chan, &v));
        CHECK_EQ(v, i);
    }
    CHECK_EQ(rt_chan_try_recv(chan, &v), RT_EAGAIN);
    while (at < WAITERS) rt_gosched();
    rt_chan_unref(chan);
}

static void one_p(void) {
    init_one_p();
    CHECK_OK(rt_run(waiters, NULL));
}

/* Go's 4 x 1000: producers of known items, a multiset that must come out exact, each producer's in its order. */
enum { PRODUCERS = 4, ITEMS = 1000, CONSUMERS = 4 };
static atomic_int seen[PRODUCERS][ITEMS];
static atomic_int received, ended;

static void produces(void *arg) {
    const int me = (int)(intptr_t)arg;
    for (int i = 0; i < ITEMS; i++) {
        const int item = me * ITEMS + i;
        CHECK_OK(rt_chan_send(chan, &item));
    }
    atomic_fetch_add(&ended, 1);
}

static void consumes(void *arg) {
    (void)arg;
    int last[PRODUCERS];
    for (int i = 0; i < PRODUCERS; i++) last[i] = -1;
    int item, r;
    while ((r = rt_chan_recv(chan, &item)) == RT_OK) {
        const int from = item / ITEMS, n = item % ITEMS;
        CHECK_OP(n, >, last[from]);
        last[from] = n;
        CHECK_EQ(atomic_fetch_add(&seen[from][n], 1), 0);
        atomic_fetch_add(&received, 1);
    }
    CHECK_EQ(r, RT_ECLOSED);
    atomic_fetch_add(&ended, 1);
}

int main(void) {
    CHECK_CHILD(one_p);
    const size_t caps[] = {0, 1, 10, PRODUCERS * ITEMS};
    for (size_t k = 0; k < sizeof caps / sizeof caps[0]; k++) {
        memset(seen, 0, sizeof seen);
        atomic_store(&received, 0);
        atomic_store(&ended, 0);
        chan = rt_chan_make(sizeof(int), caps[k]);
        for (intptr_t i = 0; i < PRODUCERS; i++) go(produces, (void *)i);
        for (int i = 0; i < CONSUMERS; i++) go(consumes, NULL);
        const pthread_t t = thread_go(consumes, NULL);
        EVENTUALLY(atomic_load(&received) == PRODUCERS * ITEMS);
        CHECK_OK(rt_chan_close(chan));
        EVENTUALLY(atomic_load(&ended) == PRODUCERS + CONSUMERS + 1);
        thread_join(t);
        rt_chan_unref(chan);
    }
    puts("chan_fifo: ok");
    return 0;
}
