/*
 * dlclose does not unload: what was running goes on, a timer that was armed before fires after it, and the next dlopen
 * finds the same runtime.
 *
 * usage: dlclose LIBRARY. Linked without the library, so check.h does not serve.
 */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <gort.h>

#define CHECK(cond)                                                            \
    do {                                                                       \
        if (!(cond)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
            exit(1);                                                           \
        }                                                                      \
    } while (0)

static int64_t (*spawn)(rt_fn, void *);
static int (*nap)(int64_t);
static rt_chan *(*chan_make)(size_t, size_t);
static int (*chan_send)(rt_chan *, const void *);
static void (*chan_unref)(rt_chan *);
static int (*chan_recv)(rt_chan *, void *);
static int (*chan_try_recv)(rt_chan *, void *);
static rt_timer *(*after_func)(int64_t, rt_fn, void *);
static void (*timer_free)(rt_timer *);
static int64_t (*num_goroutine)(void);
static int (*stop_rt)(int64_t);

static void *symbol(void *lib, const char *name) {
    void *p = dlsym(lib, name);
    if (p == NULL) {
        fprintf(stderr, "dlsym: %s\n", dlerror());
        exit(1);
    }
    return p;
}

/* POSIX lets an object pointer hold a function's address; C needs the detour. */
#define RESOLVE(lib, var, name) (*(void **)(void *)&(var) = symbol(lib, name))

static atomic_bool stop;
static atomic_long rounds;
static atomic_int fired;

static void works(void *arg) {
    while (!atomic_load(&stop)) {
        CHECK(nap(100000) == RT_OK);
        CHECK(chan_send(arg, NULL) == RT_OK);
        atomic_fetch_add(&rounds, 1);
    }
}

static void fires(void *arg) {
    (void)arg;
    atomic_fetch_add(&fired, 1);
}

/* A plain thread in a call, which it leaves through the library's code. */
static void *receives(void *arg) {
    for (int i = 0; i < 400; i++) CHECK(chan_recv(arg, NULL) == RT_OK);
    return NULL;
}

static void wait_ms(long ms) {
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    void *lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (lib == NULL) {
        fprintf(stderr, "dlopen: %s\n", dlerror());
        return 1;
    }
    RESOLVE(lib, spawn, "rt_go");
    RESOLVE(lib, nap, "rt_sleep");
    RESOLVE(lib, chan_make, "rt_chan_make");
    RESOLVE(lib, chan_send, "rt_chan_send");
    RESOLVE(lib, chan_recv, "rt_chan_recv");
    RESOLVE(lib, chan_try_recv, "rt_chan_try_recv");
    RESOLVE(lib, chan_unref, "rt_chan_unref");
    RESOLVE(lib, after_func, "rt_after_func");
    RESOLVE(lib, timer_free, "rt_timer_free");
    RESOLVE(lib, num_goroutine, "rt_num_goroutine");
    RESOLVE(lib, stop_rt, "rt_stop");

    rt_chan *c = chan_make(0, 0);
    CHECK(c != NULL);
    for (int i = 0; i < 4; i++) CHECK(spawn(works, c) > 0);
    pthread_t t;
    CHECK(pthread_create(&t, NULL, receives, c) == 0);
    rt_timer *timer = after_func(20000000, fires, NULL);
    CHECK(timer != NULL);
    CHECK(dlclose(lib) == 0);

    /* No call of this thread holds the library now; its own threads and ours are in it. */
    wait_ms(50);
    CHECK(pthread_join(t, NULL) == 0);
    for (int i = 0; i < 60000 && atomic_load(&fired) == 0; i++) wait_ms(1);
    CHECK(atomic_load(&fired) == 1);
    CHECK(atomic_load(&rounds) >= 396);

    /* The same library at the same place, with what it holds. */
    void *again = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    CHECK(again != NULL);
    CHECK(symbol(again, "rt_go") == *(void **)(void *)&spawn);
    CHECK(num_goroutine() == 4);
    atomic_store(&stop, true);
    /* Each is in a send, before its last one, or past it. */
    for (int i = 0; i < 60000 && num_goroutine() != 0; i++)
        if (chan_try_recv(c, NULL) != RT_OK) wait_ms(1);
    CHECK(num_goroutine() == 0);
    timer_free(timer);
    chan_unref(c);
    /* Stopped and closed as often as opened, it is still there, and starts again. */
    CHECK(stop_rt(RT_FOREVER) == RT_OK);
    CHECK(dlclose(again) == 0);
    CHECK(nap(1000000) == RT_OK);
    CHECK(stop_rt(RT_FOREVER) == RT_OK);
    puts("dlclose: ok");
    return 0;
}
