/*
 * rt_rwmutex: many readers or one writer, among goroutines and threads; who waits for whom and in which order;
 * refusals; and its memory after the last use.
 */
#include "more.h"

enum { MARK = 4242 };

static rt_rwmutex rw;
static atomic_int done, inside;
static atomic_bool stop;

static void unlocks(void *arg) { CHECK_OK(rt_rwmutex_unlock(arg)); }

static void runlocks(void *arg) { CHECK_OK(rt_rwmutex_runlock(arg)); }

static void answers(void *arg) {
    (void)arg;
    set_errno(MARK);
    CHECK_EQ(rt_rwmutex_lock(NULL), RT_EINVAL);
    CHECK_EQ(rt_rwmutex_try_lock(NULL), RT_EINVAL);
    CHECK_EQ(rt_rwmutex_unlock(NULL), RT_EINVAL);
    CHECK_EQ(rt_rwmutex_rlock(NULL), RT_EINVAL);
    CHECK_EQ(rt_rwmutex_try_rlock(NULL), RT_EINVAL);
    CHECK_EQ(rt_rwmutex_runlock(NULL), RT_EINVAL);

    rt_rwmutex m;
    memset(&m, 0, sizeof m);
    /* Free: nothing to undo. */
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(rt_rwmutex_unlock(&m), RT_EPERM);
        CHECK_EQ(rt_rwmutex_runlock(&m), RT_EPERM);
    }
    /* Held for writing: by nobody else in any way, and it is no reader that leaves. */
    CHECK_OK(rt_rwmutex_try_lock(&m));
    CHECK_EQ(rt_rwmutex_try_lock(&m), RT_EAGAIN);
    CHECK_EQ(rt_rwmutex_try_rlock(&m), RT_EAGAIN);
    CHECK_EQ(rt_rwmutex_runlock(&m), RT_EPERM);
    CHECK_EQ(rt_rwmutex_try_rlock(&m), RT_EAGAIN);
    CHECK_OK(rt_rwmutex_unlock(&m));
    CHECK_EQ(rt_rwmutex_unlock(&m), RT_EPERM);
    /* Held by three for reading: the refused unlock takes nothing away. */
    CHECK_OK(rt_rwmutex_rlock(&m));
    CHECK_OK(rt_rwmutex_try_rlock(&m));
    CHECK_OK(rt_rwmutex_rlock(&m));
    for (int left = 3; left > 0; left--) {
        CHECK_EQ(rt_rwmutex_try_lock(&m), RT_EAGAIN);
        CHECK_EQ(rt_rwmutex_unlock(&m), RT_EPERM);
        CHECK_OK(rt_rwmutex_runlock(&m));
    }
    CHECK_EQ(rt_rwmutex_runlock(&m), RT_EPERM);
    /* Others may undo it: a lock that waits for that goes on. */
    CHECK_OK(rt_rwmutex_lock(&m));
    go(unlocks, &m);
    CHECK_OK(rt_rwmutex_rlock(&m));
    go(runlocks, &m);
    CHECK_OK(rt_rwmutex_lock(&m));
    CHECK_EQ(get_errno(), MARK);
    on_thread(unlocks, &m);
    CHECK_OK(rt_rwmutex_rlock(&m));
    on_thread(runlocks, &m);
    CHECK_OK(rt_rwmutex_try_lock(&m));
    CHECK_OK(rt_rwmutex_unlock(&m));
}

/* Go's parallel readers: each keeps its lock until all have one. */
enum { PARALLEL = 12 };

static void reads_with_all(void *arg) {
    CHECK_OK(rt_rwmutex_rlock(&rw));
    atomic_fetch_add(&inside, 1);
    EVENTUALLY_YIELD(atomic_load(&inside) >= *(int *)arg);
    CHECK_OK(rt_rwmutex_runlock(&rw));
    atomic_fetch_add(&done, 1);
}

static void parallel_readers(void) {
    int all = PARALLEL;
    atomic_store(&done, 0);
    atomic_store(&inside, 0);
    pthread_t threads[PARALLEL / 3];
    for (int i = 0; i < PARALLEL; i++) {
        if (i % 3 == 2) threads[i / 3] = thread_go(reads_with_all, &all);
        else go(reads_with_all, &all);
    }
    EVENTUALLY(atomic_load(&done) == PARALLEL);
    for (int i = 0; i < PARALLEL / 3; i++) thread_join(threads[i]);
}

/* Go's hammer: how many are inside, a writer counting 10,000; and what writers write is always whole. */
static long first, second;

static void hammers(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    for (int i = 0; i < 3000; i++) {
        const bool try = i % 8 == 7;
        if (rnd_below(&state, 5) == 0) {
            if (!try) CHECK_OK(rt_rwmutex_lock(&rw));
            else if (rt_rwmutex_try_lock(&rw) != RT_OK) continue;
            CHECK_EQ(atomic_fetch_add(&inside, 10000), 0);
            first++;
            if (i % 16 == 0) rt_gosched();
            second++;
            CHECK_EQ(atomic_fetch_sub(&inside, 10000), 10000);
            CHECK_OK(rt_rwmutex_unlock(&rw));
        } else {
            if (!try) CHECK_OK(rt_rwmutex_rlock(&rw));
            else if (rt_rwmutex_try_rlock(&rw) != RT_OK) continue;
            CHECK_OP(atomic_fetch_add(&inside, 1), <, 10000);
            if (i % 16 == 0) rt_gosched();
            CHECK_EQ(first, second);
            CHECK_OP(atomic_fetch_sub(&inside, 1), <, 10000);
            CHECK_OK(rt_rwmutex_runlock(&rw));
        }
    }
    atomic_fetch_add(&done, 1);
}

static void hammer(int goroutines, int threads) {
    pthread_t t[4];
    atomic_store(&done, 0);
    atomic_store(&inside, 0);
    for (int i = 0; i < goroutines; i++) go(hammers, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < threads; i++) t[i] = thread_go(hammers, (void *)(uintptr_t)(i + 100));
    EVENTUALLY(atomic_load(&done) == goroutines + threads);
    for (int i = 0; i < threads; i++) thread_join(t[i]);
    CHECK_EQ(first, second);
    CHECK_EQ(rt_rwmutex_unlock(&rw), RT_EPERM);
    CHECK_EQ(rt_rwmutex_runlock(&rw), RT_EPERM);
}

/* Who was inside, in the order they came in: a letter each. Written by writers, or on one P. */
static char order[64];
static atomic_int at;

static void enters_as(char who) { order[atomic_fetch_add(&at, 1)] = who; }

static void writes(void *arg) {
    CHECK_OK(rt_rwmutex_lock(&rw));
    enters_as((char)(intptr_t)arg);
    CHECK_OK(rt_rwmutex_unlock(&rw));
    atomic_fetch_add(&done, 1);
}

static void reads(void *arg) {
    CHECK_OK(rt_rwmutex_rlock(&rw));
    enters_as((char)(intptr_t)arg);
    CHECK_OK(rt_rwmutex_runlock(&rw));
    atomic_fetch_add(&done, 1);
}

/* A writer that waits holds back new readers, of every kind: it comes before them. */
static void held_back(bool threads) {
    pthread_t t[2] = {0, 0};
    atomic_store(&done, 0);
    atomic_store(&at, 0);
    CHECK_OK(rt_rwmutex_rlock(&rw));
    CHECK_OK(rt_rwmutex_rlock(&rw));
    if (threads) t[0] = thread_go(writes, (void *)(intptr_t)'w');
    else go(writes, (void *)(intptr_t)'w');
    int r;
    while ((r = rt_rwmutex_try_rlock(&rw)) == RT_OK) {
        CHECK_OK(rt_rwmutex_runlock(&rw));
        thread_sleep(MS / 10);
    }
    CHECK_EQ(r, RT_EAGAIN);
    if (threads) t[1] = thread_go(reads, (void *)(intptr_t)'r');
    else go(reads, (void *)(intptr_t)'r');
    thread_sleep(5 * MS);
    CHECK_EQ(atomic_load(&at), 0);
    CHECK_EQ(rt_rwmutex_try_lock(&rw), RT_EAGAIN);
    CHECK_EQ(rt_rwmutex_unlock(&rw), RT_EPERM);
    CHECK_OK(rt_rwmutex_runlock(&rw));
    thread_sleep(5 * MS);
    CHECK_EQ(atomic_load(&at), 0);
    CHECK_OK(rt_rwmutex_runlock(&rw));
    EVENTUALLY(atomic_load(&done) == 2);
    CHECK_EQ(memcmp(order, "wr", 2), 0);
    for (int i = 0; threads && i < 2; i++) thread_join(t[i]);
}

/* One P: the order in which goroutines come to wait is known. */
static void reads_with_all_as(void *arg) {
    CHECK_OK(rt_rwmutex_rlock(&rw));
    enters_as('r');
    /* The readers that waited are let in together. */
    while (atomic_load(&at) < 3) rt_gosched();
    (void)arg;
    CHECK_OK(rt_rwmutex_runlock(&rw));
    atomic_fetch_add(&done, 1);
}

static void orders(void *arg) {
    (void)arg;
    const char *const come = "1r2r3r4";
    CHECK_OK(rt_rwmutex_lock(&rw));
    for (const char *who = come; *who != '\0'; who++) {
        go(*who == 'r' ? reads_with_all_as : writes, (void *)(intptr_t)*who);
        rt_gosched();
    }
    CHECK_EQ(atomic_load(&at), 0);
    CHECK_OK(rt_rwmutex_unlock(&rw));
    /* It is theirs already, though none of them has run. */
    CHECK_EQ(rt_rwmutex_try_lock(&rw), RT_EAGAIN);
    CHECK_EQ(rt_rwmutex_try_rlock(&rw), RT_EAGAIN);
    while (atomic_load(&done) < 7) rt_gosched();
    CHECK_EQ(memcmp(order, "rrr1234", 7), 0);

    /* Behind readers: the writer first, then the readers that came after it, and the next writer. */
    atomic_store(&at, 0);
    atomic_store(&done, 0);
    CHECK_OK(rt_rwmutex_rlock(&rw));
    for (const char *who = "1ab2"; *who != '\0'; who++) {
        go(*who < 'a' ? writes : reads, (void *)(intptr_t)*who);
        rt_gosched();
    }
    CHECK_EQ(atomic_load(&at), 0);
    CHECK_OK(rt_rwmutex_runlock(&rw));
    CHECK_EQ(rt_rwmutex_try_rlock(&rw), RT_EAGAIN);
    while (atomic_load(&done) < 4) rt_gosched();
    CHECK(memcmp(order, "1ab2", 4) == 0 || memcmp(order, "1ba2", 4) == 0);
}

static void one_p(void) {
    init_one_p();
    CHECK_OK(rt_run(orders, NULL));
}

/* The same order among threads, each known to sleep before the next one comes. */
static _Atomic pid_t sleeper;

static void *announces_and_writes(void *arg) {
    atomic_store(&sleeper, own_tid());
    writes(arg);
    return NULL;
}

static void threads_in_order(void) {
    enum { N = 6 };
    pthread_t t[N];
    atomic_store(&done, 0);
    atomic_store(&at, 0);
    CHECK_OK(rt_rwmutex_lock(&rw));
    for (intptr_t i = 0; i < N; i++) {
        atomic_store(&sleeper, 0);
        t[i] = thread_start(announces_and_writes, (void *)('A' + i));
        EVENTUALLY(atomic_load(&sleeper) != 0 && is_asleep(atomic_load(&sleeper)));
    }
    CHECK_OK(rt_rwmutex_unlock(&rw));
    for (int i = 0; i < N; i++) thread_join(t[i]);
    CHECK_EQ(memcmp(order, "ABCDEF", N), 0);
}

/* Neither side starves the other, however busy it is. */
static void stays_inside(void *arg) {
    const bool writing = arg != NULL;
    while (!atomic_load(&stop)) {
        CHECK_OK(writing ? rt_rwmutex_lock(&rw) : rt_rwmutex_rlock(&rw));
        for (int i = 0; i < 3; i++) rt_gosched();
        CHECK_OK(writing ? rt_rwmutex_unlock(&rw) : rt_rwmutex_runlock(&rw));
    }
    atomic_fetch_add(&done, 1);
}

static void nobody_starves(bool writing) {
    void *const arg = writing ? &rw : NULL;
    atomic_store(&done, 0);
    atomic_store(&stop, false);
    for (int i = 0; i < 3; i++) go(stays_inside, arg);
    const pthread_t t = thread_go(stays_inside, arg);
    for (int i = 0; i < 100; i++) {
        CHECK_OK(writing ? rt_rwmutex_rlock(&rw) : rt_rwmutex_lock(&rw));
        CHECK_OK(writing ? rt_rwmutex_runlock(&rw) : rt_rwmutex_unlock(&rw));
    }
    atomic_store(&stop, true);
    EVENTUALLY(atomic_load(&done) == 4);
    thread_join(t);
}

/* The memory belongs to whoever locked it last: the page goes as soon as that one has unlocked. */
static size_t page;

struct object {
    rt_rwmutex rw;
    atomic_int users;
};

static void last_frees(void *arg) {
    struct object *o = arg;
    static atomic_uint turn;
    bool last;
    if (atomic_fetch_add(&turn, 1) % 2 == 0) {
        CHECK_OK(rt_rwmutex_lock(&o->rw));
        last = atomic_fetch_sub(&o->users, 1) == 1;
        CHECK_OK(rt_rwmutex_unlock(&o->rw));
    } else {
        CHECK_OK(rt_rwmutex_rlock(&o->rw));
        CHECK_OK(rt_rwmutex_runlock(&o->rw));
        CHECK_OK(rt_rwmutex_lock(&o->rw));
        last = atomic_fetch_sub(&o->users, 1) == 1;
        CHECK_OK(rt_rwmutex_unlock(&o->rw));
    }
    if (last) {
        CHECK_EQ(mprotect(o, page, PROT_NONE), 0);
        atomic_fetch_add(&done, 1);
    }
}

static void vanishes(void) {
    enum { OBJECTS = 500, USERS = 4 };
    page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, page * OBJECTS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    atomic_store(&done, 0);
    for (size_t i = 0; i < OBJECTS; i++) {
        struct object *o = (struct object *)(void *)(pages + page * i);
        atomic_store(&o->users, USERS);
        for (int k = 0; k < USERS - 1; k++) go(last_frees, o);
        if (i % 16 == 0) on_thread(last_frees, o);
        else last_frees(o);
    }
    EVENTUALLY(atomic_load(&done) == OBJECTS);
    CHECK_EQ(munmap(pages, page * OBJECTS), 0);
}

int main(void) {
    CHECK_CHILD(one_p);
    everywhere(answers, NULL);
    parallel_readers();
    hammer(1, 1);
    hammer(0, 4);
    hammer(10, 0);
    hammer(10, 3);
    for (int i = 0; i < 3; i++) {
        held_back(false);
        held_back(true);
    }
    threads_in_order();
    nobody_starves(false);
    nobody_starves(true);
    vanishes();
    puts("rwmutex: ok");
    return 0;
}
