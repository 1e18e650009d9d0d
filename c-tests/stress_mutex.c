/*
 * Random locks of random mutexes with every form of lock, by goroutines and threads: what a mutex guards is always whole,
 * money moved between accounts is conserved, and everybody gets to the end.
 */
#include "check.h"

enum { ACCOUNTS = 5, GOROUTINES = 40, THREADS = 4, START = 1000 };

struct account {
    rt_mutex mu;
    long money, check;
    int inside;
    atomic_long locks;
    char pad[64];
};

static struct account accounts[ACCOUNTS];
static atomic_bool stop;
static rt_waitgroup wg;

static bool lock(struct account *a, uint64_t *state) {
    int r;
    switch (rnd_below(state, 5)) {
    case 0: r = rt_mutex_try_lock(&a->mu); break;
    case 1: r = rt_mutex_lock_timeout(&a->mu, (int64_t)rnd_below(state, 40 * US)); break;
    case 2: r = rt_mutex_lock_timeout(&a->mu, RT_FOREVER); break;
    default: r = rt_mutex_lock(&a->mu); break;
    }
    if (r != RT_OK) {
        CHECK(r == RT_EAGAIN || r == RT_ETIMEDOUT);
        return false;
    }
    CHECK_EQ(a->inside++, 0);
    CHECK_EQ(a->money, a->check);
    atomic_fetch_add_explicit(&a->locks, 1, memory_order_relaxed);
    return true;
}

static void unlock(struct account *a) {
    CHECK_EQ(a->money, a->check);
    CHECK_EQ(a->inside--, 1);
    CHECK_OK(rt_mutex_unlock(&a->mu));
}

static void moves(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        /* Always in the order of addresses, so that no two wait for each other. */
        const uint64_t x = rnd_below(&state, ACCOUNTS), y = rnd_below(&state, ACCOUNTS);
        if (x == y) {
            rt_gosched();
            continue;
        }
        struct account *a = &accounts[x < y ? x : y], *b = &accounts[x < y ? y : x];
        if (!lock(a, &state)) continue;
        if (rnd_below(&state, 8) == 0) rt_gosched();
        if (lock(b, &state)) {
            const long sum = (long)rnd_below(&state, 50);
            a->money -= sum;
            b->money += sum;
            if (rnd_below(&state, 16) == 0) CHECK_OK(rt_sleep((int64_t)rnd_below(&state, 10 * US)));
            a->check -= sum;
            b->check += sum;
            unlock(b);
        }
        unlock(a);
    }
}

int main(void) {
    uint64_t state = stress_seed();
    const int64_t end = stress_end();
    for (int i = 0; i < ACCOUNTS; i++) accounts[i].money = accounts[i].check = START;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) threads[i] = thread_go(moves, (void *)(uintptr_t)rnd(&state));
    for (int i = 0; i < GOROUTINES; i++) CHECK_OP(rt_waitgroup_go(&wg, moves, (void *)(uintptr_t)rnd(&state)), >, 0);
    while (now_ns() < end) thread_sleep(10 * MS);
    atomic_store(&stop, true);
    CHECK_OK(rt_waitgroup_wait(&wg));
    for (int i = 0; i < THREADS; i++) thread_join(threads[i]);
    long money = 0, locks = 0;
    for (int i = 0; i < ACCOUNTS; i++) {
        CHECK_EQ(rt_mutex_unlock(&accounts[i].mu), RT_EPERM);
        CHECK_EQ(accounts[i].money, accounts[i].check);
        CHECK_EQ(accounts[i].inside, 0);
        CHECK_OP(atomic_load(&accounts[i].locks), >, 0);
        money += accounts[i].money;
        locks += atomic_load(&accounts[i].locks);
    }
    CHECK_EQ(money, (long)ACCOUNTS * START);
    printf("stress_mutex: ok, %ld locks\n", locks);
    return 0;
}
