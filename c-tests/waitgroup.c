/* rt_waitgroup: counting, waiting by all kinds of threads, reuse, refusals, and its memory once wait has returned. */
#include "check.h"

static atomic_int ran, woken;

static void count(void *arg) {
    (void)arg;
    rt_gosched();
    atomic_fetch_add(&ran, 1);
}

static void done_later(void *arg) {
    rt_gosched();
    atomic_fetch_add(&ran, 1);
    CHECK_OK(rt_waitgroup_done(arg));
}

static void waits(void *arg) {
    CHECK_OK(rt_waitgroup_wait(arg));
    atomic_fetch_add(&woken, 1);
}

static void waits_long(void *arg) {
    CHECK_OK(rt_waitgroup_wait_timeout(arg, 3600 * SECOND));
    atomic_fetch_add(&woken, 1);
}

static void answers(void *arg) {
    (void)arg;
    CHECK_EQ(rt_waitgroup_add(NULL, 1), RT_EINVAL);
    CHECK_EQ(rt_waitgroup_done(NULL), RT_EINVAL);
    CHECK_EQ(rt_waitgroup_wait(NULL), RT_EINVAL);
    CHECK_EQ(rt_waitgroup_wait_timeout(NULL, MS), RT_EINVAL);
    CHECK_EQ(rt_waitgroup_go(NULL, count, NULL), RT_EINVAL);

    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    /* Zero is not waited for, whatever the timeout. */
    const int64_t any[] = {RT_FOREVER, RT_NOWAIT, -1, INT64_MIN + 1, 1, MS, INT64_MAX};
    CHECK_OK(rt_waitgroup_wait(&wg));
    for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) CHECK_OK(rt_waitgroup_wait_timeout(&wg, any[i]));

    /* Below zero is refused and changes nothing. */
    CHECK_EQ(rt_waitgroup_done(&wg), RT_EINVAL);
    CHECK_EQ(rt_waitgroup_add(&wg, -1), RT_EINVAL);
    CHECK_EQ(rt_waitgroup_add(&wg, INT64_MIN), RT_EINVAL);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_OK(rt_waitgroup_add(&wg, 3));
    CHECK_EQ(rt_waitgroup_add(&wg, -4), RT_EINVAL);
    CHECK_OK(rt_waitgroup_add(&wg, 0));
    CHECK_OK(rt_waitgroup_add(&wg, -2));
    CHECK_EQ(rt_waitgroup_wait_timeout(&wg, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_waitgroup_wait_timeout(&wg, -1), RT_ETIMEDOUT);
    CHECK_EQ(rt_waitgroup_wait_timeout(&wg, INT64_MIN + 1), RT_ETIMEDOUT);
    const int64_t times[] = {1, US, MS, 20 * MS};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        const int64_t start = now_ns();
        CHECK_EQ(rt_waitgroup_wait_timeout(&wg, times[i]), RT_ETIMEDOUT);
        CHECK_OP(now_ns() - start, >=, times[i]);
    }
    CHECK_OK(rt_waitgroup_done(&wg));
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(rt_waitgroup_done(&wg), RT_EINVAL);

    /* A spawn that is refused counts nothing. */
    CHECK_EQ(rt_waitgroup_go(&wg, NULL, NULL), RT_EINVAL);
    CHECK_OK(rt_waitgroup_wait_timeout(&wg, RT_NOWAIT));
    CHECK_EQ(rt_waitgroup_done(&wg), RT_EINVAL);

    /* Used again and again. */
    for (int round = 0; round < 50; round++) {
        atomic_store(&ran, 0);
        int64_t last = 0;
        for (int i = 0; i < 20; i++) {
            const int64_t id = rt_waitgroup_go(&wg, count, NULL);
            CHECK_OP(id, >, last);
            last = id;
        }
        CHECK_OK(rt_waitgroup_add(&wg, 20));
        for (int i = 0; i < 20; i++) go(done_later, &wg);
        CHECK_OK(round % 2 == 0 ? rt_waitgroup_wait(&wg) : rt_waitgroup_wait_timeout(&wg, RT_FOREVER));
        CHECK_EQ(atomic_load(&ran), 40);
    }
}

/* What a goroutine wrote before its done is there after the wait, without atomics. */
static long plain_sum[64];

static void writes(void *arg) {
    const intptr_t i = (intptr_t)arg;
    for (int k = 0; k < 100; k++) plain_sum[i] += i;
}

/* The group lies on a page that goes away as soon as wait has returned: no done may touch it later. */
static void vanishes(void *arg) {
    (void)arg;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < 500; i++) {
        rt_waitgroup *wg = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(wg != MAP_FAILED);
        if (i % 2 == 0) {
            for (int k = 0; k < 3; k++) CHECK_OP(rt_waitgroup_go(wg, count, NULL), >, 0);
        } else {
            CHECK_OK(rt_waitgroup_add(wg, 3));
            for (int k = 0; k < 3; k++) go(done_later, wg);
        }
        CHECK_OK(rt_waitgroup_wait(wg));
        CHECK_EQ(munmap(wg, page), 0);
    }
}

int main(void) {
    answers(NULL);
    CHECK_OK(rt_run(answers, NULL));
    thread_join(thread_go(answers, NULL));

    /* Many waiters, all woken by the last done and not before. */
    static rt_waitgroup wg;
    CHECK_OK(rt_waitgroup_add(&wg, 2));
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) threads[i] = thread_go(waits, &wg);
    for (int i = 0; i < 50; i++) go(i % 2 == 0 ? waits : waits_long, &wg);
    thread_sleep(20 * MS);
    CHECK_OK(rt_waitgroup_done(&wg));
    thread_sleep(20 * MS);
    CHECK_EQ(atomic_load(&woken), 0);
    CHECK_OK(rt_waitgroup_done(&wg));
    EVENTUALLY(atomic_load(&woken) == 54);
    for (int i = 0; i < 4; i++) thread_join(threads[i]);

    for (intptr_t i = 0; i < 64; i++) CHECK_OP(rt_waitgroup_go(&wg, writes, (void *)i), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    for (int i = 0; i < 64; i++) CHECK_EQ(plain_sum[i], 100L * i);

    vanishes(NULL);
    CHECK_OK(rt_run(vanishes, NULL));
    thread_join(thread_go(vanishes, NULL));
    puts("waitgroup: ok");
    return 0;
}
