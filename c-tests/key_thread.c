/* Keys on plain threads: thread-local, with the destructors at the thread's end; the calls of the library work in them. */
#include "more.h"

static rt_key key;
static atomic_int calls;

static void counts(void *v) {
    CHECK(rt_key_get(key) == NULL);
    CHECK_EQ(rt_goid(), 0);
    atomic_fetch_add((atomic_int *)v, 1);
}

static void *sets(void *arg) {
    CHECK(rt_key_get(key) == NULL);
    CHECK_OK(rt_key_set(key, arg));
    CHECK(rt_key_get(key) == arg);
    return NULL;
}

static void *sets_and_exits(void *arg) {
    sets(arg);
    pthread_exit(NULL);
}

static void *only_looks(void *arg) {
    CHECK(rt_key_get(key) == NULL);
    return arg;
}

static void at_the_end(void) {
    CHECK_OK(rt_key_create(&key, counts));
    for (int i = 0; i < 20; i++) {
        thread_join(thread_start(i % 2 == 0 ? sets : sets_and_exits, &calls));
        CHECK_EQ(atomic_load(&calls), i + 1);
        thread_join(thread_start(only_looks, NULL));
        CHECK_EQ(atomic_load(&calls), i + 1);
    }
    atomic_store(&calls, 0);
    CHECK_OK(rt_key_delete(key));
}

/* At most four rounds. */
static void sets_again(void *v) {
    atomic_fetch_add(&calls, 1);
    CHECK_OK(rt_key_set(key, v));
}

static void rounds(void) {
    CHECK_OK(rt_key_create(&key, sets_again));
    thread_join(thread_start(sets, &calls));
    CHECK_EQ(atomic_exchange(&calls, 0), 4);
    CHECK_OK(rt_key_delete(key));
}

/* A destructor may wait, and there it blocks the thread. */
static rt_chan *chan;

static void answers(void *arg) {
    (void)arg;
    int v = 0;
    CHECK_OK(rt_chan_recv(chan, &v));
    v++;
    CHECK_OK(rt_sleep(MS));
    CHECK_OK(rt_chan_send(chan, &v));
}

static void asks(void *v) {
    go(answers, NULL);
    int n = 41;
    CHECK_OK(rt_chan_send(chan, &n));
    CHECK_OK(rt_chan_recv(chan, &n));
    CHECK_EQ(n, 42);
    CHECK_OK(rt_sleep(100 * US));
    CHECK_EQ(rt_defer(answers, NULL), RT_EPERM);
    atomic_fetch_add((atomic_int *)v, 1);
}

static void waits_in_destructor(void) {
    chan = rt_chan_make(sizeof(int), 0);
    CHECK_OK(rt_key_create(&key, asks));
    for (int i = 0; i < 5; i++) {
        thread_join(thread_start(sets, &calls));
        CHECK_EQ(atomic_load(&calls), i + 1);
    }
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_OK(rt_key_delete(key));
    rt_chan_unref(chan);
    atomic_store(&calls, 0);
}

/* Destructors of the program's own pthread keys may still use the library, also when that has been told of the end. */
static pthread_key_t theirs;

static void uses_library(void *v) {
    const int round = (int)(intptr_t)v;
    CHECK(rt_key_get(key) == NULL || round > 1);
    CHECK_OK(rt_key_set(key, &calls));
    CHECK_OK(rt_sleep(10 * US));
    if (round < 3) CHECK_EQ(pthread_setspecific(theirs, (void *)(intptr_t)(round + 1)), 0);
}

static void *uses_both(void *arg) {
    CHECK_OK(rt_key_set(key, arg));
    CHECK_EQ(pthread_setspecific(theirs, (void *)(intptr_t)1), 0);
    return NULL;
}

static void count_only(void *v) { atomic_fetch_add((atomic_int *)v, 1); }

static void beside_pthread_keys(void) {
    CHECK_OK(rt_key_create(&key, count_only));
    /* Made after the library's own, so called after it; and the thread's values are there again each time. */
    CHECK_EQ(pthread_key_create(&theirs, uses_library), 0);
    for (int i = 0; i < 10; i++) {
        atomic_store(&calls, 0);
        thread_join(thread_start(uses_both, &calls));
        CHECK_OP(atomic_load(&calls), >=, 3);
    }
    CHECK_EQ(pthread_key_delete(theirs), 0);
    CHECK_OK(rt_key_delete(key));
    atomic_store(&calls, 0);
}

/* Threads come and go, also without any runtime and while it stops; each value is taken once. */
static void *comes_and_goes(void *arg) {
    sets(arg);
    CHECK_OK(rt_sleep(10 * US));
    return NULL;
}

static void many(void) {
    enum { THREADS = 8 };
    CHECK_OK(rt_key_create(&key, counts));
    pthread_t t[THREADS];
    for (int i = 0; i < rounds_of(50); i++) {
        atomic_store(&calls, 0);
        for (int k = 0; k < THREADS; k++) t[k] = thread_start(k % 2 == 0 ? comes_and_goes : sets, &calls);
        for (int k = 0; k < THREADS; k++) thread_join(t[k]);
        CHECK_EQ(atomic_load(&calls), THREADS);
        if (i % 10 == 0) CHECK_OK(rt_stop(60 * SECOND));
    }
    CHECK_OK(rt_key_delete(key));
}

int main(void) {
    at_the_end();
    rounds();
    waits_in_destructor();
    beside_pthread_keys();
    many();
    puts("key_thread: ok");
    return 0;
}
