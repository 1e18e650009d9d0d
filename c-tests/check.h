/*
 * What every test shares; included first, as it asks for GNU extensions. A failed CHECK prints its place and the
 * values, and ends the process at once with _exit, so that it works on a goroutine, on a pthread, and in a forked child
 * alike.
 */
#ifndef GORT_CHECK_H
#define GORT_CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <gort.h>

#define MAYBE_UNUSED __attribute__((unused))

#define US INT64_C(1000)
#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)

/* CTest takes this exit code for "skipped". */
#define SKIP(...)                               \
    do {                                        \
        printf("skipped: " __VA_ARGS__);        \
        putchar('\n');                          \
        fflush(stdout);                         \
        exit(77);                               \
    } while (0)

#define FAIL(...)                                               \
    do {                                                        \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);         \
        fprintf(stderr, __VA_ARGS__);                           \
        fputc('\n', stderr);                                    \
        fflush(NULL);                                           \
        _exit(1);                                               \
    } while (0)

#define CHECK(cond)                             \
    do {                                        \
        if (!(cond)) FAIL("not so: %s", #cond); \
    } while (0)

/* Both sides are evaluated once and printed as signed numbers: errors are negative. */
#define CHECK_OP(a, op, b)                                                                             \
    do {                                                                                               \
        const intmax_t a_ = (intmax_t)(a), b_ = (intmax_t)(b);                                         \
        if (!(a_ op b_)) FAIL("%s is %" PRIdMAX ", want %s %s (%" PRIdMAX ")", #a, a_, #op, #b, b_);   \
    } while (0)

#define CHECK_EQ(a, b) CHECK_OP(a, ==, b)
#define CHECK_OK(call) CHECK_OP(call, ==, RT_OK)

/* Waits on a plain thread for what must become true; the bound only turns a hang into a line. */
#define EVENTUALLY(cond)                                                               \
    do {                                                                               \
        const int64_t until_ = now_ns() + 60 * SECOND;                                 \
        while (!(cond)) {                                                              \
            if (now_ns() > until_) FAIL("still not so after a minute: %s", #cond);     \
            thread_sleep(MS / 2);                                                      \
        }                                                                              \
    } while (0)

/* The same from a goroutine: gives way instead of blocking its thread. */
#define EVENTUALLY_YIELD(cond)                                                         \
    do {                                                                               \
        const int64_t until_ = now_ns() + 60 * SECOND;                                 \
        while (!(cond)) {                                                              \
            if (now_ns() > until_) FAIL("still not so after a minute: %s", #cond);     \
            rt_gosched();                                                              \
        }                                                                              \
    } while (0)

/* The test's own clock and sleep: the library's are what is tested. */
static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static inline void thread_sleep(int64_t ns) {
    struct timespec t = {ns / SECOND, ns % SECOND};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
}

/*
 * errno by functions that are never inlined: a compiler computes the address of errno once per function, and a
 * goroutine may be on another thread by its next use.
 */
static __attribute__((noinline)) MAYBE_UNUSED int get_errno(void) {
    __asm__ volatile("" ::: "memory");
    return errno;
}

static __attribute__((noinline)) MAYBE_UNUSED void set_errno(int e) {
    __asm__ volatile("" ::: "memory");
    errno = e;
}

static inline pthread_t thread_start(void *(*fn)(void *), void *arg) {
    pthread_t t;
    CHECK_EQ(pthread_create(&t, NULL, fn, arg), 0);
    return t;
}

struct thread_call {
    rt_fn fn;
    void *arg;
};

static inline void *thread_calls(void *arg) {
    const struct thread_call call = *(struct thread_call *)arg;
    free(arg);
    call.fn(call.arg);
    return NULL;
}

/* A thread that does what a goroutine might. */
static inline pthread_t thread_go(rt_fn fn, void *arg) {
    struct thread_call *call = (struct thread_call *)malloc(sizeof *call);
    CHECK(call != NULL);
    call->fn = fn;
    call->arg = arg;
    return thread_start(thread_calls, call);
}

static inline void thread_join(pthread_t t) { CHECK_EQ(pthread_join(t, NULL), 0); }

static inline int64_t go(rt_fn fn, void *arg) {
    const int64_t id = rt_go(fn, arg);
    CHECK_OP(id, >, 0);
    return id;
}

/* A whole number from the environment. */
static inline uint64_t env_u64(const char *name, uint64_t otherwise) {
    const char *s = getenv(name);
    return s != NULL && *s != '\0' ? strtoull(s, NULL, 0) : otherwise;
}

/* Under an emulator (qemu, valgrind) memory and descriptors are the emulator's, and everything takes longer. */
static inline bool emulated(void) { return env_u64("GORT_EMULATED", 0) != 0; }

/* So many rounds, or under an emulator a tenth. */
static inline int rounds_of(int n) { return emulated() ? n / 10 : n; }

static inline bool sanitized(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

/*
 * Runs fn in a forked child and answers its wait status. Only for a process that has not started the runtime: each
 * child then starts a runtime of its own, so that one program can test several starts.
 */
static inline int in_child(void (*fn)(void)) {
    fflush(NULL);
    const pid_t pid = fork();
    CHECK_OP(pid, >=, 0);
    if (pid == 0) {
        fn();
        fflush(NULL);
        _exit(0);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) CHECK_EQ(errno, EINTR);
    return status;
}

#define CHECK_CHILD(fn)                                                                                   \
    do {                                                                                                  \
        const int s_ = in_child(fn);                                                                      \
        if (!WIFEXITED(s_) || WEXITSTATUS(s_) != 0)                                                       \
            FAIL("child %s: %s %d", #fn, WIFSIGNALED(s_) ? "signal" : "exit code",                        \
                 WIFSIGNALED(s_) ? WTERMSIG(s_) : WEXITSTATUS(s_));                                       \
    } while (0)

/* A small generator of random numbers (splitmix64): one state a goroutine, so that no lock orders them. */
static inline uint64_t rnd(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t rnd_below(uint64_t *state, uint64_t n) { return rnd(state) % n; }

/* The seed of a stress program, printed so that a failure can be run again. */
static inline uint64_t stress_seed(void) {
    const uint64_t seed = env_u64("GORT_SEED", (uint64_t)time(NULL) * UINT64_C(1000003) + (uint64_t)getpid());
    printf("GORT_SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    return seed;
}

static inline int64_t stress_end(void) { return now_ns() + (int64_t)env_u64("GORT_SECONDS", 2) * SECOND; }

static inline pid_t own_tid(void) { return (pid_t)syscall(SYS_gettid); }

/* Whether a thread of this process sleeps: it does nothing until somebody wakes it, or its time comes. */
static inline bool is_asleep(pid_t tid) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    for (int i = 0; i < 3; i++) {
        const int fd = open(path, O_RDONLY | O_CLOEXEC);
        CHECK_OP(fd, >=, 0);
        const ssize_t n = read(fd, text, sizeof text - 1);
        close(fd);
        CHECK_OP(n, >, 0);
        text[n] = '\0';
        const char *name_end = strrchr(text, ')');
        if (name_end == NULL || name_end[2] != 'S') return false;
        thread_sleep(MS);
    }
    return true;
}

/* A lock that never enters the runtime, for tests of the runtime's own primitives. */
typedef struct {
    atomic_bool held;
} spin;

static inline void spin_lock(spin *s) {
    while (atomic_exchange_explicit(&s->held, true, memory_order_acquire)) sched_yield();
}

static inline void spin_unlock(spin *s) { atomic_store_explicit(&s->held, false, memory_order_release); }

/* The commonest unlockf: lets go of a spin lock and waits. */
static inline bool spin_commit(rt_g *g, void *lock) {
    (void)g;
    spin_unlock(lock);
    return true;
}

/* One P and no preemption: no two goroutines' code overlaps, so the order of things is fixed. */
static inline void init_one_p(void) {
    rt_config cfg;
    memset(&cfg, 0, sizeof cfg);
    cfg.struct_size = sizeof cfg;
    cfg.maxprocs = 1;
    cfg.flags = RT_COOPERATIVE;
    CHECK_OK(rt_init(&cfg));
    CHECK_EQ(rt_maxprocs(0), 1);
}

#endif
