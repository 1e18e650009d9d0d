/*
 * rt_sema: counting, waiting with and without time, first come first served, a release that hands over, refusals, and
 * its memory once the last acquire has returned.
 */
#include "more.h"

enum { MARK = 4242 };

static rt_sema sema;
static atomic_int done, inside, most;

static void releases(void *arg) { CHECK_OK(rt_sema_release(arg)); }

static void answers(void *arg) {
    (void)arg;
    set_errno(MARK);
    CHECK_EQ(rt_sema_init(NULL, 1), RT_EINVAL);
    CHECK_EQ(rt_sema_acquire(NULL), RT_EINVAL);
    CHECK_EQ(rt_sema_acquire_timeout(NULL, MS), RT_EINVAL);
    CHECK_EQ(rt_sema_try_acquire(NULL), RT_EINVAL);
    CHECK_EQ(rt_sema_release(NULL), RT_EINVAL);

    rt_sema s;
    memset(&s, 0, sizeof s);
    CHECK_EQ(rt_sema_try_acquire(&s), RT_EAGAIN);
    CHECK_EQ(rt_sema_acquire_timeout(&s, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_sema_acquire_timeout(&s, -1), RT_ETIMEDOUT);
    CHECK_EQ(rt_sema_acquire_timeout(&s, INT64_MIN + 1), RT_ETIMEDOUT);
    const int64_t times[] = {1, US, MS, 20 * MS};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        const int64_t start = now_ns();
        CHECK_EQ(rt_sema_acquire_timeout(&s, times[i]), RT_ETIMEDOUT);
        CHECK_OP(now_ns() - start, >=, times[i]);
    }
    /* Who gave up gets nothing later: one unit is one. What is there is taken whatever the timeout. */
    const int64_t any[] = {RT_FOREVER, RT_NOWAIT, -1, INT64_MIN + 1, 1, MS, INT64_MAX};
    for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) {
        CHECK_OK(rt_sema_release(&s));
        CHECK_OK(rt_sema_acquire_timeout(&s, any[i]));
        CHECK_EQ(rt_sema_try_acquire(&s), RT_EAGAIN);
    }
    /* Whoever gives need not have taken. */
    for (int i = 0; i < 5; i++) CHECK_OK(rt_sema_release(&s));
    CHECK_OK(rt_sema_acquire(&s));
    for (int i = 0; i < 4; i++) CHECK_OK(rt_sema_try_acquire(&s));
    CHECK_EQ(rt_sema_try_acquire(&s), RT_EAGAIN);
    /* Set, whatever was there before. */
    memset(&s, 0xa5, sizeof s);
    CHECK_OK(rt_sema_init(&s, 3));
    for (int i = 0; i < 3; i++) CHECK_OK(rt_sema_acquire(&s));
    CHECK_EQ(rt_sema_try_acquire(&s), RT_EAGAIN);
    CHECK_OK(rt_sema_init(&s, 0));
    CHECK_EQ(rt_sema_try_acquire(&s), RT_EAGAIN);
    /* As many as fit, and no more. */
    CHECK_OK(rt_sema_init(&s, UINT32_MAX));
    CHECK_EQ(rt_sema_release(&s), RT_EINVAL);
    CHECK_OK(rt_sema_acquire(&s));
    CHECK_OK(rt_sema_release(&s));
    CHECK_EQ(rt_sema_release(&s), RT_EINVAL);
    CHECK_OK(rt_sema_try_acquire(&s));
    CHECK_EQ(get_errno(), MARK);

    /* A wait that another ends. */
    CHECK_OK(rt_sema_init(&s, 0));
    for (int i = 0; i < 200; i++) {
        go(releases, &s);
        CHECK_OK(i % 2 == 0 ? rt_sema_acquire(&s) : rt_sema_acquire_timeout(&s, 3600 * SECOND));
    }
    for (int i = 0; i < 20; i++) {
        const pthread_t t = thread_go(releases, &s);
        CHECK_OK(rt_sema_acquire(&s));
        thread_join(t);
    }
    CHECK_EQ(rt_sema_try_acquire(&s), RT_EAGAIN);
}

/* Who was served, in order. */
static char order[64];
static atomic_int at;

static void acquires(void *arg) {
    CHECK_OK(rt_sema_acquire(&sema));
    order[atomic_fetch_add(&at, 1)] = (char)(intptr_t)arg;
}

static void gives_up(void *arg) {
    (void)arg;
    /* Long enough for all to be queued: a timer that fires in between may let another run first. */
    CHECK_EQ(rt_sema_acquire_timeout(&sema, 200 * MS), RT_ETIMEDOUT);
    atomic_fetch_add(&done, 1);
}

/* One P: the order in which goroutines come to wait is known. */
static void orders(void *arg) {
    (void)arg;
    for (intptr_t i = 0; i < 26; i++) {
        go(acquires, (void *)('a' + i));
        rt_gosched();
    }
    for (int i = 0; i < 26; i++) {
        CHECK_OK(rt_sema_release(&sema));
        /* The unit has its owner already. */
        CHECK_EQ(rt_sema_try_acquire(&sema), RT_EAGAIN);
        CHECK_EQ(atomic_load(&at), i);
        EVENTUALLY_YIELD(atomic_load(&at) == i + 1);
    }
    CHECK_EQ(memcmp(order, "abcdefghijklmnopqrstuvwxyz", 26), 0);

    /* Those who gave up in between take nothing, and the others keep their order. */
    atomic_store(&at, 0);
    for (intptr_t i = 0; i < 5; i++) {
        go(gives_up, NULL);
        go(acquires, (void *)('A' + i));
        rt_gosched();
    }
    EVENTUALLY_YIELD(atomic_load(&done) == 5);
    CHECK_EQ(atomic_load(&at), 0);
    for (int i = 0; i < 6; i++) {
        CHECK_OK(rt_sema_release(&sema));
        EVENTUALLY_YIELD(atomic_load(&at) == (i < 5 ? i + 1 : 5));
    }
    CHECK_EQ(memcmp(order, "ABCDE", 5), 0);
    CHECK_OK(rt_sema_try_acquire(&sema));
    CHECK_EQ(rt_sema_try_acquire(&sema), RT_EAGAIN);
}

static void one_p(void) {
    init_one_p();
    CHECK_OK(rt_run(orders, NULL));
}

/* Threads, each known to sleep before the next comes; and goroutines between them. */
static _Atomic pid_t sleeper;

static void *announces_and_acquires(void *arg) {
    atomic_store(&sleeper, own_tid());
    acquires(arg);
    return NULL;
}

static void threads_in_order(void) {
    enum { N = 6 };
    pthread_t t[N];
    atomic_store(&at, 0);
    for (intptr_t i = 0; i < N; i++) {
        atomic_store(&sleeper, 0);
        t[i] = thread_start(announces_and_acquires, (void *)('A' + i));
        EVENTUALLY(atomic_load(&sleeper) != 0 && is_asleep(atomic_load(&sleeper)));
    }
    for (int i = 0; i < N; i++) {
        CHECK_OK(rt_sema_release(&sema));
        CHECK_EQ(rt_sema_try_acquire(&sema), RT_EAGAIN);
        EVENTUALLY(atomic_load(&at) == i + 1);
        CHECK_EQ(order[i], 'A' + i);
    }
    for (int i = 0; i < N; i++) thread_join(t[i]);
}

/* A pool: never more inside than there are units, and all of them used. */
enum { UNITS = 3, ROUNDS = 2000 };

static void uses_pool(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    for (int i = 0; i < ROUNDS; i++) {
        int r;
        switch (rnd_below(&state, 4)) {
        case 0: r = rt_sema_try_acquire(&sema); break;
        case 1: r = rt_sema_acquire_timeout(&sema, (int64_t)rnd_below(&state, 30 * US)); break;
        default: r = rt_sema_acquire(&sema); break;
        }
        if (r != RT_OK) {
            CHECK(r == RT_EAGAIN || r == RT_ETIMEDOUT);
            continue;
        }
        const int n = atomic_fetch_add(&inside, 1) + 1;
        CHECK_OP(n, <=, UNITS);
        int seen = atomic_load(&most);
        while (n > seen && !atomic_compare_exchange_weak(&most, &seen, n)) {
        }
        if (i % 8 == 0) rt_gosched();
        atomic_fetch_sub(&inside, 1);
        CHECK_OK(rt_sema_release(&sema));
    }
    atomic_fetch_add(&done, 1);
}

static void pool(void) {
    enum { GOROUTINES = 16, THREADS = 3 };
    pthread_t t[THREADS];
    atomic_store(&done, 0);
    CHECK_OK(rt_sema_init(&sema, UNITS));
    for (int i = 0; i < GOROUTINES; i++) go(uses_pool, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < THREADS; i++) t[i] = thread_go(uses_pool, (void *)(uintptr_t)(i + 100));
    EVENTUALLY(atomic_load(&done) == GOROUTINES + THREADS);
    for (int i = 0; i < THREADS; i++) thread_join(t[i]);
    CHECK_EQ(atomic_load(&most), UNITS);
    for (int i = 0; i < UNITS; i++) CHECK_OK(rt_sema_try_acquire(&sema));
    CHECK_EQ(rt_sema_try_acquire(&sema), RT_EAGAIN);
}

/* Releases against the end of time: a unit is acquired or still there, never both, never neither. */
static int races, too_late;

static void sleeps_and_releases(void *arg) {
    CHECK_OK(rt_sleep(5 * US));
    CHECK_OK(rt_sema_release(arg));
}

static void races_time(void *arg) {
    (void)arg;
    rt_sema s;
    memset(&s, 0, sizeof s);
    enum { N = 3000 };
    int64_t time = 20 * US;
    for (int i = 0; i < N; i++) {
        go(sleeps_and_releases, &s);
        /* The time creeps towards the moment of the release, wherever that is on this machine. */
        if (rt_sema_acquire_timeout(&s, time) == RT_OK) {
            time -= time / 16;
        } else {
            too_late++;
            time += time / 16 + 16;
            CHECK_OK(rt_sema_acquire(&s));
        }
        CHECK_EQ(rt_sema_try_acquire(&s), RT_EAGAIN);
    }
    races += N;
}

/* The page of a semaphore goes as soon as its last acquire has returned; the release may still be inside. */
static void vanishes(void *arg) {
    (void)arg;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < 1000; i++) {
        rt_sema *s = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(s != MAP_FAILED);
        pthread_t t = 0;
        for (int k = 0; k < 3; k++) go(releases, s);
        if (i % 16 == 0) t = thread_go(releases, s);
        for (int k = i % 16 == 0 ? 4 : 3; k > 0; k--) CHECK_OK(rt_sema_acquire(s));
        CHECK_EQ(munmap(s, page), 0);
        if (i % 16 == 0) thread_join(t);
    }
}

int main(void) {
    CHECK_CHILD(one_p);
    everywhere(answers, NULL);
    threads_in_order();
    pool();
    everywhere(races_time, &sema);
    everywhere(vanishes, NULL);
    printf("sema: ok, %d of %d releases too late\n", too_late, races);
    return 0;
}
