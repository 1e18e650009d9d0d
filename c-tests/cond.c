/*
 * rt_cond: signals and broadcasts wake whom they should, in order, and nobody else wakes; the mutex is held again after
 * every wait; refusals; and its memory once the last waiter has been woken.
 */
#include "more.h"

enum { MARK = 4242 };

static rt_mutex mu;
static rt_cond cond;
static atomic_int done;

/* The calling goroutine or thread has the mutex: nobody else gets it. */
static void check_held(rt_mutex *m) {
    CHECK_EQ(rt_mutex_try_lock(m), RT_EAGAIN);
}

static void signals_under(void *arg) {
    CHECK_OK(rt_mutex_lock(&mu));
    *(bool *)arg = true;
    CHECK_OK(rt_cond_signal(&cond));
    CHECK_OK(rt_mutex_unlock(&mu));
}

static void answers(void *arg) {
    (void)arg;
    rt_mutex m;
    rt_cond c;
    memset(&m, 0, sizeof m);
    memset(&c, 0, sizeof c);
    set_errno(MARK);
    CHECK_EQ(rt_cond_wait(NULL, &m), RT_EINVAL);
    CHECK_EQ(rt_cond_wait(&c, NULL), RT_EINVAL);
    CHECK_EQ(rt_cond_wait_timeout(NULL, &m, MS), RT_EINVAL);
    CHECK_EQ(rt_cond_wait_timeout(&c, NULL, MS), RT_EINVAL);
    CHECK_EQ(rt_cond_signal(NULL), RT_EINVAL);
    CHECK_EQ(rt_cond_broadcast(NULL), RT_EINVAL);

    /* The mutex is not locked: refused, and it stays so. */
    const int64_t any[] = {RT_FOREVER, RT_NOWAIT, -1, INT64_MIN + 1, 1, MS, INT64_MAX};
    CHECK_EQ(rt_cond_wait(&c, &m), RT_EPERM);
    for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) CHECK_EQ(rt_cond_wait_timeout(&c, &m, any[i]), RT_EPERM);
    CHECK_EQ(rt_mutex_unlock(&m), RT_EPERM);

    /* Nobody waits: no trouble, and nothing that a later wait would find. */
    CHECK_OK(rt_cond_signal(&c));
    CHECK_OK(rt_cond_broadcast(&c));
    CHECK_OK(rt_mutex_lock(&m));
    CHECK_OK(rt_cond_signal(&c));
    CHECK_OK(rt_cond_broadcast(&c));
    CHECK_EQ(rt_cond_wait_timeout(&c, &m, RT_NOWAIT), RT_EAGAIN);
    check_held(&m);
    CHECK_EQ(rt_cond_wait_timeout(&c, &m, -1), RT_ETIMEDOUT);
    check_held(&m);
    CHECK_EQ(rt_cond_wait_timeout(&c, &m, INT64_MIN + 1), RT_ETIMEDOUT);
    check_held(&m);
    const int64_t times[] = {1, US, MS, 20 * MS};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        const int64_t start = now_ns();
        CHECK_EQ(rt_cond_wait_timeout(&c, &m, times[i]), RT_ETIMEDOUT);
        CHECK_OP(now_ns() - start, >=, times[i]);
        check_held(&m);
    }
    CHECK_OK(rt_mutex_unlock(&m));
    CHECK_EQ(rt_mutex_unlock(&m), RT_EPERM);

    /* A wait that a signal ends. */
    for (int i = 0; i < 200; i++) {
        bool told = false;
        CHECK_OK(rt_mutex_lock(&mu));
        go(signals_under, &told);
        while (!told) CHECK_OK(i % 2 == 0 ? rt_cond_wait(&cond, &mu) : rt_cond_wait_timeout(&cond, &mu, 3600 * SECOND));
        check_held(&mu);
        CHECK_OK(rt_mutex_unlock(&mu));
    }
    CHECK_EQ(get_errno(), MARK);
}

/* Waiters that are counted under the mutex before they wait: when the count is seen there, they wait. */
static int waiting, awake;
static int woken[256];

static void waits_once(void *arg) {
    CHECK_OK(rt_mutex_lock(&mu));
    waiting++;
    CHECK_OK(rt_cond_wait(&cond, &mu));
    check_held(&mu);
    woken[awake++] = (int)(intptr_t)arg;
    CHECK_OK(rt_mutex_unlock(&mu));
    atomic_fetch_add(&done, 1);
}

static int read_locked(const int *n) {
    CHECK_OK(rt_mutex_lock(&mu));
    const int v = *n;
    CHECK_OK(rt_mutex_unlock(&mu));
    return v;
}

/* Signal by signal, with and without the mutex: each wakes one, and it is the one that has waited longest. */
static void in_order(void) {
    enum { N = 60 };
    pthread_t t[N];
    waiting = awake = 0;
    atomic_store(&done, 0);
    for (int i = 0; i < N; i++) {
        if (i % 5 == 0) t[i] = thread_go(waits_once, (void *)(intptr_t)i);
        else go(waits_once, (void *)(intptr_t)i);
        EVENTUALLY(read_locked(&waiting) == i + 1);
    }
    for (int i = 0; i < N; i++) {
        const bool under = i % 2 == 0;
        if (i % 10 == 0) thread_sleep(MS);
        CHECK_EQ(read_locked(&awake), i);
        if (under) CHECK_OK(rt_mutex_lock(&mu));
        CHECK_OK(rt_cond_signal(&cond));
        if (under) {
            CHECK_EQ(awake, i);
            CHECK_OK(rt_mutex_unlock(&mu));
        }
        EVENTUALLY(read_locked(&awake) == i + 1);
        CHECK_EQ(woken[i], i);
    }
    for (int i = 0; i < N; i += 5) thread_join(t[i]);
    EVENTUALLY(atomic_load(&done) == N);
}

/* A broadcast wakes all who wait, and none who come later. */
static void broadcasts(void) {
    enum { N = 40 };
    pthread_t t[N];
    for (int round = 0; round < 20; round++) {
        waiting = awake = 0;
        atomic_store(&done, 0);
        for (int i = 0; i < N; i++) {
            if (i % 10 == 0) t[i] = thread_go(waits_once, NULL);
            else go(waits_once, NULL);
        }
        EVENTUALLY(read_locked(&waiting) == N);
        CHECK_EQ(read_locked(&awake), 0);
        CHECK_OK(rt_cond_broadcast(&cond));
        go(waits_once, NULL);
        EVENTUALLY(atomic_load(&done) == N);
        EVENTUALLY(read_locked(&waiting) == N + 1);
        CHECK_EQ(read_locked(&awake), N);
        CHECK_OK(rt_cond_broadcast(&cond));
        EVENTUALLY(atomic_load(&done) == N + 1);
        for (int i = 0; i < N; i += 10) thread_join(t[i]);
    }
}

/* Go's generations: each comer but the first finds one that waits, and it is the former comer that wakes. */
static rt_chan *running, *woke;

static void generation(void *arg) {
    const int i = (int)(intptr_t)arg;
    CHECK_OK(rt_mutex_lock(&mu));
    CHECK_OK(rt_chan_send(running, &i));
    CHECK_OK(rt_cond_wait(&cond, &mu));
    CHECK_OK(rt_chan_send(woke, &i));
    CHECK_OK(rt_mutex_unlock(&mu));
}

static void generations(void *arg) {
    (void)arg;
    const int n = 100;
    int got = -1;
    running = rt_chan_make(sizeof(int), (size_t)n);
    woke = rt_chan_make(sizeof(int), (size_t)n);
    for (int i = 0; i < n; i++) {
        go(generation, (void *)(intptr_t)i);
        if (i > 0) {
            CHECK_OK(rt_chan_recv(woke, &got));
            CHECK_EQ(got, i - 1);
        }
        CHECK_OK(rt_chan_recv(running, &got));
        CHECK_OK(rt_mutex_lock(&mu));
        CHECK_OK(rt_cond_signal(&cond));
        CHECK_OK(rt_mutex_unlock(&mu));
    }
    CHECK_OK(rt_chan_recv(woke, &got));
    CHECK_EQ(got, n - 1);
    rt_chan_unref(running);
    rt_chan_unref(woke);
}

/*
 * Signals against the end of time: one signal for a hurried waiter and a patient one behind it. If the hurried one says
 * that its time was over, the patient one has been woken, else it still waits for a signal of its own.
 */
static atomic_int hurried_answer;
static int races, too_late;

static void hurried(void *arg) {
    (void)arg;
    CHECK_OK(rt_mutex_lock(&mu));
    waiting++;
    const int r = rt_cond_wait_timeout(&cond, &mu, 20 * US);
    check_held(&mu);
    CHECK_OK(rt_mutex_unlock(&mu));
    atomic_store(&hurried_answer, r == RT_OK ? 1 : -1);
    CHECK(r == RT_OK || r == RT_ETIMEDOUT);
}

static void races_time(void *arg) {
    const bool threads = arg != NULL;
    const int rounds = rounds_of(threads ? 300 : 3000);
    int64_t delay = 20 * US;
    for (int i = 0; i < rounds; i++) {
        pthread_t t = 0;
        waiting = awake = 0;
        atomic_store(&done, 0);
        atomic_store(&hurried_answer, 0);
        if (threads) t = thread_go(hurried, NULL);
        else go(hurried, NULL);
        EVENTUALLY_YIELD(read_locked(&waiting) == 1);
        go(waits_once, NULL);
        EVENTUALLY_YIELD(read_locked(&waiting) == 2);
        for (const int64_t until = now_ns() + delay; now_ns() < until;) {
        }
        rt_gosched();
        CHECK_OK(rt_cond_signal(&cond));
        EVENTUALLY_YIELD(atomic_load(&hurried_answer) != 0);
        /* The signal creeps towards the moment when the time is over, wherever that is on this machine. */
        if (atomic_load(&hurried_answer) == 1) {
            CHECK_EQ(read_locked(&awake), 0);
            CHECK_OK(rt_cond_signal(&cond));
            delay += delay / 16 + 16;
        } else {
            too_late++;
            delay -= delay / 16;
        }
        EVENTUALLY_YIELD(atomic_load(&done) == 1);
        if (threads) thread_join(t);
    }
    races += rounds;
}

/* A queue between producers and consumers, with one condition for each side. */
enum { ROOM = 4, ITEMS = 20000, PRODUCERS = 4, CONSUMERS = 5 };
static int box[ROOM], used, produced, consumed;
static rt_cond not_full, not_empty;
static char seen[ITEMS];

static void produces(void *arg) {
    (void)arg;
    CHECK_OK(rt_mutex_lock(&mu));
    while (produced < rounds_of(ITEMS)) {
        if (used == ROOM) {
            CHECK_OK(rt_cond_wait(&not_full, &mu));
            continue;
        }
        box[used++] = produced++;
        CHECK_OK(rt_cond_signal(&not_empty));
    }
    CHECK_OK(rt_mutex_unlock(&mu));
    /* Others may wait for room that they no longer need. */
    CHECK_OK(rt_cond_broadcast(&not_full));
    atomic_fetch_add(&done, 1);
}

static void consumes(void *arg) {
    (void)arg;
    CHECK_OK(rt_mutex_lock(&mu));
    while (consumed < rounds_of(ITEMS)) {
        if (used == 0) {
            CHECK_OK(rt_cond_wait(&not_empty, &mu));
            continue;
        }
        CHECK_EQ(seen[box[--used]]++, 0);
        consumed++;
        CHECK_OK(rt_mutex_unlock(&mu));
        CHECK_OK(rt_cond_signal(&not_full));
        CHECK_OK(rt_mutex_lock(&mu));
    }
    CHECK_OK(rt_cond_broadcast(&not_empty));
    CHECK_OK(rt_mutex_unlock(&mu));
    atomic_fetch_add(&done, 1);
}

static void queue(void) {
    atomic_store(&done, 0);
    for (int i = 0; i < PRODUCERS - 1; i++) go(produces, NULL);
    for (int i = 0; i < CONSUMERS - 1; i++) go(consumes, NULL);
    const pthread_t c = thread_go(consumes, NULL), p = thread_go(produces, NULL);
    EVENTUALLY(atomic_load(&done) == PRODUCERS + CONSUMERS);
    thread_join(c);
    thread_join(p);
    for (int i = 0; i < rounds_of(ITEMS); i++) CHECK_EQ(seen[i], 1);
}

/*
 * The page goes as soon as the last waiter has been woken and has unlocked. The signal is sent without the mutex and
 * may still be inside: it must not touch the condition any more.
 */
struct object {
    rt_mutex mu;
    rt_cond cond;
    int waiting, left;
};

static size_t page;

static void woken_frees(void *arg) {
    struct object *o = arg;
    CHECK_OK(rt_mutex_lock(&o->mu));
    o->waiting++;
    CHECK_OK(rt_cond_wait(&o->cond, &o->mu));
    const bool last = --o->left == 0;
    CHECK_OK(rt_mutex_unlock(&o->mu));
    if (last) CHECK_EQ(munmap(o, page), 0);
    atomic_fetch_add(&done, 1);
}

static void vanishes(void *arg) {
    (void)arg;
    page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < 600; i++) {
        const int n = i % 3 == 0 ? 3 : 1;
        pthread_t t = 0;
        struct object *o = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(o != MAP_FAILED);
        o->left = n;
        atomic_store(&done, 0);
        for (int k = i % 16 == 0; k < n; k++) go(woken_frees, o);
        if (i % 16 == 0) t = thread_go(woken_frees, o);
        for (int came = 0; came < n;) {
            rt_gosched();
            CHECK_OK(rt_mutex_lock(&o->mu));
            came = o->waiting;
            CHECK_OK(rt_mutex_unlock(&o->mu));
        }
        CHECK_OK(n == 1 ? rt_cond_signal(&o->cond) : rt_cond_broadcast(&o->cond));
        EVENTUALLY_YIELD(atomic_load(&done) == n);
        if (i % 16 == 0) thread_join(t);
    }
}

int main(void) {
    everywhere(answers, NULL);
    in_order();
    broadcasts();
    everywhere(generations, NULL);
    everywhere(races_time, NULL);
    races_time(&cond);
    queue();
    everywhere(vanishes, NULL);
    printf("cond: ok, %d of %d signals too late for the first\n", too_late, races);
    return 0;
}
