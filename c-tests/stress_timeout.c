/*
 * Random times against random readies. A park with a time ends by exactly one of the two, and the waker's answer agrees
 * with the sleeper's; a late ticket never ends a later wait; timed sends and receives lose and double nothing.
 */
#include "check.h"

enum { PARKERS = 16, THREAD_PARKERS = 2, ALL = PARKERS + THREAD_PARKERS, WAKERS = 3 };

/* The ticket of the current park, and a count of the readies that answered RT_OK, kept per parker. */
struct site {
    _Atomic uint64_t ticket;
    atomic_long ok_by_waker;
    long ok_seen, timeouts;
    uint64_t seed;
    atomic_bool done;
    char pad[64];
};

static struct site sites[ALL];
static atomic_bool stop;
static atomic_int others;

static bool commit(rt_g *g, void *arg) {
    (void)g;
    (void)arg;
    return true;
}

static void parks(void *arg) {
    struct site *s = arg;
    while (!atomic_load(&stop)) {
        const uint64_t ticket = rt_park_ticket();
        atomic_store(&s->ticket, ticket);
        const int64_t ns = rnd_below(&s->seed, 8) == 0 ? 0 : (int64_t)rnd_below(&s->seed, 60 * US);
        const int64_t start = now_ns();
        const int r = rt_gopark_timeout(rnd_below(&s->seed, 2) == 0 ? commit : NULL, NULL, "stress", ns);
        if (r == RT_OK) {
            s->ok_seen++;
        } else {
            CHECK_EQ(r, RT_ETIMEDOUT);
            CHECK_OP(now_ns() - start, >=, ns);
            s->timeouts++;
        }
        /* The ticket stays published: it is void now, and must not shorten this sleep. */
        if (rnd_below(&s->seed, 4) == 0) {
            const int64_t nap = (int64_t)rnd_below(&s->seed, 30 * US), from = now_ns();
            CHECK_OK(rt_sleep(nap));
            CHECK_OP(now_ns() - from, >=, nap);
        }
    }
    atomic_store(&s->done, true);
}

static void wakes(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    for (long i = 0; !atomic_load(&stop); i++) {
        struct site *s = &sites[rnd_below(&state, ALL)];
        const uint64_t ticket = atomic_load(&s->ticket);
        for (uint64_t k = rnd_below(&state, 200); k > 0; k--) __asm__ volatile("" ::: "memory");
        const int r = rt_goready_ticket(ticket);
        if (r == RT_OK) atomic_fetch_add(&s->ok_by_waker, 1);
        else CHECK_EQ(r, RT_EINVAL);
        if (i % 8 == 0) rt_gosched();
    }
    atomic_fetch_sub(&others, 1);
}

/* Beside it: items over a channel whose ends give up all the time. */
static rt_chan *chan;
static atomic_long sent_sum, received_sum, sent_count, received_count;
static atomic_int chan_workers, chan_senders;

static void sends(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    long sum = 0, count = 0;
    while (!atomic_load(&stop)) {
        const uint64_t item = rnd_below(&state, 1 << 20);
        const int r = rt_chan_send_timeout(chan, &item, (int64_t)rnd_below(&state, 30 * US));
        if (r == RT_OK) {
            sum += (long)item;
            count++;
        } else {
            CHECK(r == RT_ETIMEDOUT || r == RT_EAGAIN);
            if (rnd_below(&state, 4) == 0) rt_gosched();
        }
    }
    atomic_fetch_add(&sent_sum, sum);
    atomic_fetch_add(&sent_count, count);
    atomic_fetch_sub(&chan_senders, 1);
}

static void receives(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    long sum = 0, count = 0;
    for (;;) {
        uint64_t item = 0;
        const int r = rt_chan_recv_timeout(chan, &item, (int64_t)rnd_below(&state, 30 * US));
        if (r == RT_ECLOSED) break;
        if (r == RT_OK) {
            sum += (long)item;
            count++;
        } else {
            CHECK(r == RT_ETIMEDOUT || r == RT_EAGAIN);
            if (rnd_below(&state, 4) == 0) rt_gosched();
        }
    }
    atomic_fetch_add(&received_sum, sum);
    atomic_fetch_add(&received_count, count);
    atomic_fetch_sub(&chan_workers, 1);
}

static bool all_done(void) {
    for (int i = 0; i < ALL; i++)
        if (!atomic_load(&sites[i].done)) return false;
    return true;
}

int main(void) {
    uint64_t state = stress_seed();
    const int64_t end = stress_end();
    chan = rt_chan_make(sizeof(uint64_t), rnd_below(&state, 3));
    CHECK(chan != NULL);
    pthread_t threads[THREAD_PARKERS + 1];
    for (int i = 0; i < ALL; i++) {
        sites[i].seed = rnd(&state);
        if (i < THREAD_PARKERS) threads[i] = thread_go(parks, &sites[i]);
        else go(parks, &sites[i]);
    }
    atomic_store(&others, WAKERS);
    for (int i = 0; i < WAKERS - 1; i++) go(wakes, (void *)(uintptr_t)rnd(&state));
    threads[THREAD_PARKERS] = thread_go(wakes, (void *)(uintptr_t)rnd(&state));
    atomic_store(&chan_senders, 4);
    atomic_store(&chan_workers, 4);
    for (int i = 0; i < 4; i++) {
        go(sends, (void *)(uintptr_t)rnd(&state));
        go(receives, (void *)(uintptr_t)rnd(&state));
    }
    while (now_ns() < end) thread_sleep(10 * MS);
    atomic_store(&stop, true);
    EVENTUALLY(atomic_load(&others) == 0 && all_done());
    EVENTUALLY(atomic_load(&chan_senders) == 0);
    CHECK_OK(rt_chan_close(chan));
    EVENTUALLY(atomic_load(&chan_workers) == 0);
    for (int i = 0; i <= THREAD_PARKERS; i++) thread_join(threads[i]);
    EVENTUALLY(rt_num_goroutine() == 0);

    long ok = 0, timeouts = 0;
    for (int i = 0; i < ALL; i++) {
        CHECK_EQ(sites[i].ok_seen, atomic_load(&sites[i].ok_by_waker));
        ok += sites[i].ok_seen;
        timeouts += sites[i].timeouts;
    }
    CHECK_EQ(atomic_load(&sent_count), atomic_load(&received_count));
    CHECK_EQ(atomic_load(&sent_sum), atomic_load(&received_sum));
    rt_chan_unref(chan);
    printf("stress_timeout: ok, %ld readied, %ld timed out, %ld items\n", ok, timeouts, atomic_load(&sent_count));
    return 0;
}
