/* Plain threads take part in every call: whatever would wake a goroutine wakes a thread that waits in the same call. */
#include "check.h"

enum { THREADS = 8, ROUNDS = 100 };

/* A ring of channels through goroutines and threads by turns, the main thread at its ends. */
struct link {
    rt_chan *in, *out;
};

static void passes_on(void *arg) {
    struct link *l = arg;
    uint64_t v;
    while (rt_chan_recv(l->in, &v) == RT_OK) {
        v++;
        CHECK_OK(rt_chan_send(l->out, &v));
    }
    CHECK_OK(rt_chan_close(l->out));
}

static void ring(void) {
    rt_chan *chans[2 * THREADS + 1];
    struct link links[2 * THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i <= 2 * THREADS; i++) chans[i] = rt_chan_make(sizeof(uint64_t), i % 3 == 0 ? 1 : 0);
    for (int i = 0; i < 2 * THREADS; i++) {
        links[i].in = chans[i];
        links[i].out = chans[i + 1];
        if (i % 2 == 0) go(passes_on, &links[i]);
        else threads[i / 2] = thread_go(passes_on, &links[i]);
    }
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t v = i * 1000, got = 0;
        CHECK_OK(rt_chan_send(chans[0], &v));
        CHECK_OK(rt_chan_recv(chans[2 * THREADS], &got));
        CHECK_EQ(got, i * 1000 + 2 * THREADS);
    }
    CHECK_OK(rt_chan_close(chans[0]));
    CHECK_EQ(rt_chan_recv(chans[2 * THREADS], NULL), RT_ECLOSED);
    for (int i = 0; i < THREADS; i++) thread_join(threads[i]);
    EVENTUALLY(rt_num_goroutine() == 0);
    for (int i = 0; i <= 2 * THREADS; i++) rt_chan_unref(chans[i]);
}

/* Threads only: no goroutine exists, the calls between threads work all the same. */
static rt_chan *ping, *pong;

static void *answers_pings(void *arg) {
    int v;
    while (rt_chan_recv(ping, &v) == RT_OK) CHECK_OK(rt_chan_send(pong, &v));
    return arg;
}

static void threads_only(void) {
    ping = rt_chan_make(sizeof(int), 0);
    pong = rt_chan_make(sizeof(int), 0);
    const pthread_t t = thread_start(answers_pings, NULL);
    for (int i = 0; i < rounds_of(1000); i++) {
        int got = -1;
        CHECK_OK(rt_chan_send(ping, &i));
        CHECK_OK(rt_chan_recv(pong, &got));
        CHECK_EQ(got, i);
    }
    CHECK_OK(rt_chan_close(ping));
    thread_join(t);
    rt_chan_unref(ping);
    rt_chan_unref(pong);
}

/* Two threads that park and ready each other, as two goroutines would. */
struct turn {
    spin lock;
    rt_g *waiter[2];
    int whose;
    atomic_long turns;
};

static struct turn turn;

static void take_turns(int me, int n) {
    for (int i = 0; i < n; i++) {
        spin_lock(&turn.lock);
        while (turn.whose != me) {
            turn.waiter[me] = rt_self();
            CHECK_OK(rt_gopark(spin_commit, &turn.lock, "the other's turn"));
            spin_lock(&turn.lock);
        }
        turn.whose = !me;
        atomic_fetch_add(&turn.turns, 1);
        rt_g *other = turn.waiter[!me];
        turn.waiter[!me] = NULL;
        if (other != NULL) CHECK_OK(rt_goready(other));
        spin_unlock(&turn.lock);
    }
}

static void *second_thread(void *arg) {
    take_turns(1, *(int *)arg);
    return NULL;
}

static void second_goroutine(void *arg) { take_turns(1, *(int *)arg); }

static void turns(void) {
    int n = rounds_of(2000);
    const pthread_t t = thread_start(second_thread, &n);
    take_turns(0, n);
    thread_join(t);
    CHECK_EQ(atomic_load(&turn.turns), 2 * n);
    go(second_goroutine, &n);
    take_turns(0, n);
    EVENTUALLY(atomic_load(&turn.turns) == 4 * n);
    EVENTUALLY(rt_num_goroutine() == 0);
}

/* Threads that come and go: what the library keeps per thread goes with the thread. */
static void *short_life(void *arg) {
    int v = 1;
    CHECK(rt_self() != NULL);
    CHECK_OK(rt_sleep(1));
    CHECK_OK(rt_chan_send(arg, &v));
    CHECK_EQ(rt_gopark_timeout(NULL, NULL, "short", US), RT_ETIMEDOUT);
    return NULL;
}

static void receives_all(void *arg) {
    int v;
    for (int i = 0; i < 8 * rounds_of(250); i++) CHECK_OK(rt_chan_recv(arg, &v));
}

static void come_and_go(void) {
    rt_chan *c = rt_chan_make(sizeof(int), 0);
    go(receives_all, c);
    for (int i = 0; i < rounds_of(250); i++) {
        pthread_t threads[8];
        for (int k = 0; k < 8; k++) threads[k] = thread_start(short_life, c);
        for (int k = 0; k < 8; k++) thread_join(threads[k]);
    }
    EVENTUALLY(rt_num_goroutine() == 0);
    rt_chan_unref(c);
}

/* A small stack is enough for a thread that makes these calls. */
static void *on_small_stack(void *arg) {
    CHECK_OK(rt_chan_send(arg, &(int){7}));
    return NULL;
}

static void small_stacks(void) {
    rt_chan *c = rt_chan_make(sizeof(int), 0);
    pthread_attr_t attr;
    CHECK_EQ(pthread_attr_init(&attr), 0);
    /* aarch64 allows no less than 128 KiB. */
    const long least = sysconf(_SC_THREAD_STACK_MIN);
    CHECK_EQ(pthread_attr_setstacksize(&attr, least > 64 * 1024 ? (size_t)least : 64 * 1024), 0);
    pthread_t t;
    CHECK_EQ(pthread_create(&t, &attr, on_small_stack, c), 0);
    int v = 0;
    CHECK_OK(rt_chan_recv(c, &v));
    CHECK_EQ(v, 7);
    thread_join(t);
    rt_chan_unref(c);
}

int main(void) {
    threads_only();
    ring();
    turns();
    come_and_go();
    if (!sanitized()) small_stacks();
    puts("plain_threads: ok");
    return 0;
}
