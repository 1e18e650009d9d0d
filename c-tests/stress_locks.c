/*
 * Random use of read-write mutexes, conditions, semaphores and onces at once, by goroutines and threads, with times
 * that run out: nobody sees what is half written, every item arrives once, units and calls are conserved, all get to
 * the end.
 */
#include "check.h"

enum { GOROUTINES = 40, THREADS = 4, REGISTERS = 4, UNITS = 3, ONCES = 256 };

static atomic_bool stop;
static rt_waitgroup wg;

/* Registers under read-write mutexes: what readers see is whole, what writers add is all there. */
struct reg {
    rt_rwmutex rw;
    long a, b;
    atomic_int readers, writers;
    atomic_long added, reads;
    char pad[64];
};

static struct reg regs[REGISTERS];

static void use_register(uint64_t *state) {
    struct reg *r = &regs[rnd_below(state, REGISTERS)];
    const bool try = rnd_below(state, 4) == 0;
    if (rnd_below(state, 4) == 0) {
        if ((try ? rt_rwmutex_try_lock(&r->rw) : rt_rwmutex_lock(&r->rw)) != RT_OK) return;
        CHECK_EQ(atomic_fetch_add(&r->writers, 1), 0);
        CHECK_EQ(atomic_load(&r->readers), 0);
        const long n = (long)rnd_below(state, 100);
        r->a += n;
        if (rnd_below(state, 8) == 0) rt_gosched();
        if (rnd_below(state, 64) == 0) CHECK_OK(rt_sleep((int64_t)rnd_below(state, 10 * US)));
        r->b += n;
        atomic_fetch_add(&r->added, n);
        atomic_fetch_sub(&r->writers, 1);
        CHECK_OK(rt_rwmutex_unlock(&r->rw));
    } else {
        if ((try ? rt_rwmutex_try_rlock(&r->rw) : rt_rwmutex_rlock(&r->rw)) != RT_OK) return;
        atomic_fetch_add(&r->readers, 1);
        CHECK_EQ(atomic_load(&r->writers), 0);
        CHECK_EQ(r->a, r->b);
        if (rnd_below(state, 8) == 0) rt_gosched();
        CHECK_EQ(r->a, r->b);
        atomic_fetch_sub(&r->readers, 1);
        atomic_fetch_add(&r->reads, 1);
        CHECK_OK(rt_rwmutex_runlock(&r->rw));
    }
}

/* A small queue under a mutex with two conditions; items are numbers whose sum must come out. */
static struct {
    rt_mutex mu;
    rt_cond not_full, not_empty;
    uint64_t items[4];
    int used;
    uint64_t sum_in, sum_out;
    long n_in, n_out, timeouts;
} queue;

static int wait_for(rt_cond *c, uint64_t *state) {
    const int r = rt_cond_wait_timeout(c, &queue.mu, (int64_t)rnd_below(state, 50 * US));
    CHECK(r == RT_OK || r == RT_ETIMEDOUT || r == RT_EAGAIN);
    queue.timeouts += r == RT_ETIMEDOUT;
    return r;
}

/* In the mutex or behind it, to one or, now and then, to all. */
static void tell(rt_cond *c, uint64_t *state) {
    const bool all = rnd_below(state, 8) == 0, behind = rnd_below(state, 2) == 0;
    if (behind) CHECK_OK(rt_mutex_unlock(&queue.mu));
    CHECK_OK(all ? rt_cond_broadcast(c) : rt_cond_signal(c));
    if (!behind) CHECK_OK(rt_mutex_unlock(&queue.mu));
}

static void use_queue(uint64_t *state) {
    const bool in = rnd_below(state, 2) == 0;
    CHECK_OK(rt_mutex_lock(&queue.mu));
    while (queue.used == (in ? 4 : 0)) {
        if (wait_for(in ? &queue.not_full : &queue.not_empty, state) != RT_OK) {
            CHECK_OK(rt_mutex_unlock(&queue.mu));
            return;
        }
    }
    if (in) {
        const uint64_t item = rnd(state);
        queue.items[queue.used++] = item;
        queue.sum_in += item;
        queue.n_in++;
        tell(&queue.not_empty, state);
    } else {
        queue.sum_out += queue.items[--queue.used];
        queue.n_out++;
        tell(&queue.not_full, state);
    }
}

/* A pool of units. */
static struct {
    rt_sema sema;
    atomic_int inside;
    atomic_long acquired, timeouts;
} pool;

static void use_pool(uint64_t *state) {
    int r;
    switch (rnd_below(state, 4)) {
    case 0: r = rt_sema_try_acquire(&pool.sema); break;
    case 1:
    case 2: r = rt_sema_acquire_timeout(&pool.sema, (int64_t)rnd_below(state, 40 * US)); break;
    default: r = rt_sema_acquire(&pool.sema); break;
    }
    if (r != RT_OK) {
        CHECK(r == RT_EAGAIN || r == RT_ETIMEDOUT);
        if (r == RT_ETIMEDOUT) atomic_fetch_add(&pool.timeouts, 1);
        return;
    }
    CHECK_OP(atomic_fetch_add(&pool.inside, 1), <, UNITS);
    atomic_fetch_add(&pool.acquired, 1);
    if (rnd_below(state, 4) == 0) rt_gosched();
    if (rnd_below(state, 32) == 0) CHECK_OK(rt_sleep((int64_t)rnd_below(state, 20 * US)));
    atomic_fetch_sub(&pool.inside, 1);
    CHECK_OK(rt_sema_release(&pool.sema));
}

/* Onces, called at random; a new set when all are done. */
static struct set {
    struct {
        rt_once once;
        long value;
        atomic_int calls;
    } of[ONCES];
    atomic_int n_called;
} set;

static rt_rwmutex set_rw;
static atomic_long n_sets;

static void calls(void *arg) {
    struct set *s = &set;
    const intptr_t i = (intptr_t)arg;
    if (i % 4 == 0) rt_gosched();
    if (i % 16 == 0) CHECK_OK(rt_sleep(US));
    s->of[i].value = i + 1;
    atomic_fetch_add(&s->of[i].calls, 1);
    atomic_fetch_add(&s->n_called, 1);
}

static void use_once(uint64_t *state) {
    /* The set is renewed by a writer, when nobody is at it. */
    struct set *s = &set;
    CHECK_OK(rt_rwmutex_rlock(&set_rw));
    for (int k = 0; k < 4; k++) {
        const intptr_t i = (intptr_t)rnd_below(state, ONCES);
        CHECK_OK(rt_once_do(&s->of[i].once, calls, (void *)i));
        CHECK_EQ(s->of[i].value, i + 1);
        CHECK_EQ(atomic_load(&s->of[i].calls), 1);
    }
    const bool all = atomic_load(&s->n_called) == ONCES;
    CHECK_OK(rt_rwmutex_runlock(&set_rw));
    if (!all || rt_rwmutex_try_lock(&set_rw) != RT_OK) return;
    /* Another may have been faster: then this set is fresh. */
    if (atomic_load(&s->n_called) == ONCES) {
        for (int i = 0; i < ONCES; i++) CHECK_EQ(atomic_load(&s->of[i].calls), 1);
        memset(s, 0, sizeof *s);
        atomic_fetch_add(&n_sets, 1);
    }
    CHECK_OK(rt_rwmutex_unlock(&set_rw));
}

static void works(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        switch (rnd_below(&state, 4)) {
        case 0: use_register(&state); break;
        case 1: use_queue(&state); break;
        case 2: use_pool(&state); break;
        default: use_once(&state); break;
        }
    }
}

int main(void) {
    uint64_t state = stress_seed();
    const int64_t end = stress_end();
    CHECK_OK(rt_sema_init(&pool.sema, UNITS));
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) threads[i] = thread_go(works, (void *)(uintptr_t)rnd(&state));
    for (int i = 0; i < GOROUTINES; i++) CHECK_OP(rt_waitgroup_go(&wg, works, (void *)(uintptr_t)rnd(&state)), >, 0);
    while (now_ns() < end) thread_sleep(10 * MS);
    atomic_store(&stop, true);
    CHECK_OK(rt_waitgroup_wait(&wg));
    for (int i = 0; i < THREADS; i++) thread_join(threads[i]);

    long reads = 0;
    for (int i = 0; i < REGISTERS; i++) {
        CHECK_EQ(rt_rwmutex_unlock(&regs[i].rw), RT_EPERM);
        CHECK_EQ(rt_rwmutex_runlock(&regs[i].rw), RT_EPERM);
        CHECK_EQ(regs[i].a, regs[i].b);
        CHECK_EQ(regs[i].a, atomic_load(&regs[i].added));
        reads += atomic_load(&regs[i].reads);
    }
    CHECK_EQ(rt_mutex_unlock(&queue.mu), RT_EPERM);
    CHECK_EQ(queue.n_in - queue.n_out, queue.used);
    while (queue.used > 0) queue.sum_out += queue.items[--queue.used];
    CHECK(queue.sum_in == queue.sum_out);
    for (int i = 0; i < UNITS; i++) CHECK_OK(rt_sema_try_acquire(&pool.sema));
    CHECK_EQ(rt_sema_try_acquire(&pool.sema), RT_EAGAIN);
    CHECK_OP(reads, >, 0);
    CHECK_OP(queue.n_in, >, 0);
    CHECK_OP(atomic_load(&pool.acquired), >, 0);
    printf("stress_locks: ok, %ld reads, %ld items, %ld waits timed out, %ld units, %ld too late, %ld sets of onces\n",
           reads, queue.n_in, queue.timeouts, atomic_load(&pool.acquired), atomic_load(&pool.timeouts),
           atomic_load(&n_sets));
    return 0;
}
