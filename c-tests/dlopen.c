/*
 * The library loaded late, by dlopen, as a language binding does it: its thread-local word works, goroutines run, and
 * dlclose does not unload what threads may still be in.
 *
 * usage: dlopen LIBRARY. Linked without the library, so check.h does not serve.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <gort.h>

#define CHECK(cond)                                                       \
    do {                                                                  \
        if (!(cond)) {                                                    \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
            exit(1);                                                      \
        }                                                                 \
    } while (0)

static int (*run)(rt_fn, void *);
static int64_t (*goid)(void);
static rt_chan *(*chan_make)(size_t, size_t);
static int (*chan_send)(rt_chan *, const void *);
static void (*chan_unref)(rt_chan *);
static int (*chan_recv)(rt_chan *, void *);
static int64_t (*spawn)(rt_fn, void *);

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

static void sends(void *arg) {
    const int64_t id = goid();
    CHECK(chan_send(arg, &id) == RT_OK);
}

static void exchanges(void *arg) {
    rt_chan *c = chan_make(sizeof(int64_t), 0);
    CHECK(c != NULL);
    int64_t sum = 0, want = 0;
    for (int i = 0; i < 100; i++) want += spawn(sends, c);
    for (int i = 0; i < 100; i++) {
        int64_t id = 0;
        CHECK(chan_recv(c, &id) == RT_OK);
        sum += id;
    }
    CHECK(sum == want);
    chan_unref(c);
    *(int *)arg += 1;
}

static void *on_thread(void *arg) {
    CHECK(run(exchanges, arg) == RT_OK);
    return NULL;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    void *lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (lib == NULL) {
        fprintf(stderr, "dlopen: %s\n", dlerror());
        return 1;
    }
    RESOLVE(lib, run, "rt_run");
    RESOLVE(lib, goid, "rt_goid");
    RESOLVE(lib, chan_make, "rt_chan_make");
    RESOLVE(lib, chan_send, "rt_chan_send");
    RESOLVE(lib, chan_recv, "rt_chan_recv");
    RESOLVE(lib, chan_unref, "rt_chan_unref");
    RESOLVE(lib, spawn, "rt_go");
    int done = 0;
    CHECK(goid() == 0);
    CHECK(run(exchanges, &done) == RT_OK);
    pthread_t t;
    CHECK(pthread_create(&t, NULL, on_thread, &done) == 0);
    CHECK(pthread_join(t, NULL) == 0);
    CHECK(done == 2);

    CHECK(dlclose(lib) == 0);
    void *again = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    CHECK(again != NULL);
    /* Still the same runtime, at the same place. */
    CHECK(symbol(again, "rt_run") == *(void **)(void *)&run);
    CHECK(run(exchanges, &done) == RT_OK);
    CHECK(done == 3);
    puts("dlopen: ok");
    return 0;
}
