/* rt_mutex: exclusion among goroutines and threads, refusals, timeouts, starvation, and its memory after the last use. */
#include "check.h"

static rt_mutex mu;
static long counter;
static atomic_int done;
static atomic_bool inside;

enum { WORKERS = 16, ROUNDS = 2000 };

static void counts(void *arg) {
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 3 == 0) {
            int r;
            while ((r = rt_mutex_try_lock(&mu)) != RT_OK) {
                CHECK_EQ(r, RT_EAGAIN);
                rt_gosched();
            }
        } else if (i % 3 == 1) {
            int r;
            while ((r = rt_mutex_lock_timeout(&mu, 20 * US)) != RT_OK) CHECK_EQ(r, RT_ETIMEDOUT);
        } else {
            CHECK_OK(rt_mutex_lock(&mu));
        }
        CHECK(!atomic_exchange(&inside, true));
        counter++;
        if (i % 64 == 0) rt_gosched();
        CHECK(atomic_exchange(&inside, false));
        CHECK_OK(rt_mutex_unlock(&mu));
    }
    atomic_fetch_add(&done, 1);
}

static void unlocks(void *arg) {
    CHECK_OK(rt_mutex_unlock(arg));
    atomic_fetch_add(&done, 1);
}

static void answers(void *arg) {
    (void)arg;
    rt_mutex m;
    memset(&m, 0, sizeof m);
    CHECK_EQ(rt_mutex_unlock(&m), RT_EPERM);
    CHECK_EQ(rt_mutex_unlock(&m), RT_EPERM);
    CHECK_EQ(rt_mutex_lock(NULL), RT_EINVAL);
    CHECK_EQ(rt_mutex_try_lock(NULL), RT_EINVAL);
    CHECK_EQ(rt_mutex_lock_timeout(NULL, MS), RT_EINVAL);
    CHECK_EQ(rt_mutex_unlock(NULL), RT_EINVAL);

    const int64_t any[] = {RT_FOREVER, RT_NOWAIT, -1, INT64_MIN + 1, 1, MS, INT64_MAX};
    for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) {
        CHECK_OK(rt_mutex_lock_timeout(&m, any[i]));
        CHECK_EQ(rt_mutex_try_lock(&m), RT_EAGAIN);
        CHECK_OK(rt_mutex_unlock(&m));
    }
    CHECK_OK(rt_mutex_lock(&m));
    CHECK_EQ(rt_mutex_lock_timeout(&m, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_mutex_lock_timeout(&m, -1), RT_ETIMEDOUT);
    CHECK_EQ(rt_mutex_lock_timeout(&m, INT64_MIN + 1), RT_ETIMEDOUT);
    const int64_t times[] = {1, US, MS, 20 * MS};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        const int64_t start = now_ns();
        CHECK_EQ(rt_mutex_lock_timeout(&m, times[i]), RT_ETIMEDOUT);
        CHECK_OP(now_ns() - start, >=, times[i]);
    }
    /* Who gave up gets nothing later: unlocked is unlocked. */
    CHECK_OK(rt_mutex_unlock(&m));
    CHECK_OK(rt_mutex_try_lock(&m));
    /* Another may unlock. */
    const int before = atomic_load(&done);
    go(unlocks, &m);
    CHECK_OK(rt_mutex_lock(&m));
    CHECK_OK(rt_mutex_unlock(&m));
    CHECK_EQ(rt_mutex_unlock(&m), RT_EPERM);
    EVENTUALLY_YIELD(atomic_load(&done) == before + 1);
}

/* A hog that takes the lock again at once, and holds it: one that waits gets it nevertheless. */
static atomic_bool stop;

static void hogs(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        CHECK_OK(rt_mutex_lock(&mu));
        const int64_t until = now_ns() + 200 * US;
        while (now_ns() < until) {
        }
        CHECK_OK(rt_mutex_unlock(&mu));
    }
    atomic_fetch_add(&done, 1);
}

static void wants(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) {
        CHECK_OK(rt_mutex_lock(&mu));
        CHECK_OK(rt_mutex_unlock(&mu));
        CHECK_OK(rt_sleep(100 * US));
    }
    atomic_fetch_add(&done, 1);
}

/*
 * The memory of a mutex belongs to whoever locked it last: each round's mutex lies on a page that becomes inaccessible
 * as soon as the last locker has unlocked, so that a late touch by the other's unlock is a fault.
 */
struct object {
    rt_mutex mu;
    int users;
};

static void release(void *arg) {
    struct object *o = arg;
    CHECK_OK(rt_mutex_lock(&o->mu));
    const bool last = --o->users == 0;
    CHECK_OK(rt_mutex_unlock(&o->mu));
    if (last) {
        CHECK_EQ(mprotect(o, 4096, PROT_NONE), 0);
        atomic_fetch_add(&done, 1);
    }
}

int main(void) {
    answers(NULL);
    CHECK_OK(rt_run(answers, NULL));
    thread_join(thread_go(answers, NULL));

    atomic_store(&done, 0);
    for (int i = 0; i < WORKERS; i++) go(counts, NULL);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) threads[i] = thread_go(counts, NULL);
    counts(NULL);
    for (int i = 0; i < 3; i++) thread_join(threads[i]);
    EVENTUALLY(atomic_load(&done) == WORKERS + 4);
    CHECK_EQ(counter, (WORKERS + 4L) * ROUNDS);
    CHECK_EQ(rt_mutex_unlock(&mu), RT_EPERM);

    atomic_store(&done, 0);
    go(hogs, NULL);
    const pthread_t t = thread_go(wants, NULL);
    if (rt_maxprocs(0) > 1) go(wants, NULL);
    EVENTUALLY(atomic_load(&done) == (rt_maxprocs(0) > 1 ? 2 : 1));
    atomic_store(&stop, true);
    EVENTUALLY(atomic_load(&done) == (rt_maxprocs(0) > 1 ? 3 : 2));
    thread_join(t);

    enum { OBJECTS = 500, USERS = 4 };
    const long page = sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, (size_t)page * OBJECTS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    atomic_store(&done, 0);
    for (int i = 0; i < OBJECTS; i++) {
        struct object *o = (struct object *)(void *)(pages + (size_t)page * (size_t)i);
        o->users = USERS;
        for (int k = 0; k < USERS - 1; k++) go(release, o);
        if (i % 16 == 0) thread_join(thread_go(release, o));
        else release(o);
    }
    EVENTUALLY(atomic_load(&done) == OBJECTS);
    puts("mutex: ok");
    return 0;
}
