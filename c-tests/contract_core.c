/*
 * The core of the C ABI as far as it exists, as a compile-and-link check, in C11 and in C++17. Every function is assigned
 * to a pointer of the exact type that callers rely on, so a drift in the generated header is a compile error and a missing
 * export is a link error.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <gort.h>

#define HAS(ret, name, params)   \
    do {                         \
        ret(*f) params = name;   \
        if (f == NULL) return 1; \
    } while (0)

#ifdef __cplusplus
#define STATIC_ASSERT(what) static_assert(what, #what)
#define SIZE_IS(type, bytes) static_assert(sizeof(type) == (bytes) && alignof(type) == 8, #type)
#else
#define STATIC_ASSERT(what) _Static_assert(what, #what)
#define SIZE_IS(type, bytes) _Static_assert(sizeof(type) == (bytes) && _Alignof(type) == 8, #type)
#endif

/* Objects that live in the caller's memory have these sizes in every build: one member, uint64_t opaque[N]. */
SIZE_IS(rt_mutex, 16);
SIZE_IS(rt_rwmutex, 48);
SIZE_IS(rt_cond, 32);
SIZE_IS(rt_waitgroup, 32);
SIZE_IS(rt_once, 16);
SIZE_IS(rt_sema, 32);
STATIC_ASSERT(sizeof(((rt_mutex *)NULL)->opaque) == 16);
STATIC_ASSERT(sizeof(((rt_rwmutex *)NULL)->opaque) == 48);
STATIC_ASSERT(sizeof(((rt_cond *)NULL)->opaque) == 32);
STATIC_ASSERT(sizeof(((rt_waitgroup *)NULL)->opaque) == 32);
STATIC_ASSERT(sizeof(((rt_once *)NULL)->opaque) == 16);
STATIC_ASSERT(sizeof(((rt_sema *)NULL)->opaque) == 32);

/* struct_size is the first member of what may grow, and the members have the types that callers store. */
STATIC_ASSERT(offsetof(rt_config, struct_size) == 0);
STATIC_ASSERT(sizeof(((rt_config *)NULL)->struct_size) == sizeof(size_t));
STATIC_ASSERT(sizeof(((rt_config *)NULL)->stack_size) == sizeof(size_t));
STATIC_ASSERT(sizeof(((rt_config *)NULL)->flags) == 8);
STATIC_ASSERT(sizeof(((rt_config *)NULL)->maxprocs) == 4);
STATIC_ASSERT(sizeof(((rt_config *)NULL)->max_threads) == 4);
STATIC_ASSERT(offsetof(rt_go_opts, struct_size) == 0);
STATIC_ASSERT(sizeof(((rt_go_opts *)NULL)->struct_size) == sizeof(size_t));
STATIC_ASSERT(sizeof(((rt_go_opts *)NULL)->name) == sizeof(char *));
STATIC_ASSERT(sizeof(((rt_go_opts *)NULL)->stack_size) == sizeof(size_t));

/* The constants are constants, and the codes can be told apart in a switch. */
static const char *name_of(int code) {
    switch (code) {
    case RT_OK: return "ok";
    case RT_EAGAIN: return "again";
    case RT_ECLOSED: return "closed";
    case RT_ETIMEDOUT: return "timed out";
    case RT_ECANCELED: return "canceled";
    case RT_EINVAL: return "invalid";
    case RT_ENOMEM: return "no memory";
    case RT_EBUSY: return "busy";
    case RT_EDEADLK: return "deadlock";
    case RT_EPERM: return "not permitted";
    default: return NULL;
    }
}

#if RT_VERSION_MAJOR < 0 || RT_VERSION_MINOR < 0 || RT_VERSION_PATCH < 0
#error "the version is for the preprocessor, too"
#endif

static void body(void *arg) { (void)arg; }

static bool unlock(rt_g *g, void *lock) {
    (void)g;
    (void)lock;
    return true;
}

int main(void) {
    if (RT_OK != 0 || RT_EAGAIN != -EAGAIN || RT_ECLOSED != -EPIPE || RT_ETIMEDOUT != -ETIMEDOUT ||
        RT_ECANCELED != -ECANCELED || RT_EINVAL != -EINVAL || RT_ENOMEM != -ENOMEM || RT_EBUSY != -EBUSY ||
        RT_EDEADLK != -EDEADLK || RT_EPERM != -EPERM)
        return 1;
    if (name_of(RT_EPERM) == NULL || name_of(1) != NULL) return 1;
    HAS(const char *, rt_strerror, (int code));
    HAS(const char *, rt_version, (void));
    int version = RT_VERSION_MAJOR * 10000 + RT_VERSION_MINOR * 100 + RT_VERSION_PATCH;

    /* Lifecycle. */
    rt_config cfg = {0, 0, 0, 0, 0};
    cfg.struct_size = sizeof cfg;
    cfg.stack_size = 256 * 1024;
    cfg.flags = RT_COOPERATIVE;
    cfg.maxprocs = 2;
    cfg.max_threads = 10000;
    HAS(int, rt_init, (const rt_config *));
    HAS(int, rt_run, (rt_fn, void *));
    HAS(int, rt_maxprocs, (int n));
    HAS(int64_t, rt_num_goroutine, (void));

    /* Goroutines. */
    rt_fn fn = body;
    rt_go_opts opts;
    opts.struct_size = sizeof opts;
    opts.name = "worker";
    opts.stack_size = 64 * 1024;
    HAS(int64_t, rt_go, (rt_fn, void *));
    HAS(int64_t, rt_go_with, (const rt_go_opts *, rt_fn, void *));
    HAS(rt_g *, rt_self, (void));
    HAS(int64_t, rt_goid, (void));
    HAS(void, rt_gosched, (void));

    /* Park and ready. */
    rt_unlock_fn unlockf = unlock;
    HAS(int, rt_gopark, (rt_unlock_fn, void *lock, const char *reason));
    HAS(int, rt_gopark_timeout, (rt_unlock_fn, void *lock, const char *reason, int64_t timeout_ns));
    HAS(int, rt_goready, (rt_g *));
    HAS(uint64_t, rt_park_ticket, (void));
    HAS(int, rt_goready_ticket, (uint64_t ticket));

    /* Time. */
    HAS(int64_t, rt_now, (void));
    HAS(int, rt_sleep, (int64_t ns));
    if (RT_FOREVER != INT64_MIN || RT_NOWAIT != 0) return 1;

    /* Channels. */
    HAS(rt_chan *, rt_chan_make, (size_t elem_size, size_t cap));
    HAS(rt_chan *, rt_chan_ref, (rt_chan *));
    HAS(void, rt_chan_unref, (rt_chan *));
    HAS(int, rt_chan_send, (rt_chan *, const void *elem));
    HAS(int, rt_chan_recv, (rt_chan *, void *elem));
    HAS(int, rt_chan_try_send, (rt_chan *, const void *elem));
    HAS(int, rt_chan_try_recv, (rt_chan *, void *elem));
    HAS(int, rt_chan_send_timeout, (rt_chan *, const void *elem, int64_t timeout_ns));
    HAS(int, rt_chan_recv_timeout, (rt_chan *, void *elem, int64_t timeout_ns));
    HAS(int, rt_chan_close, (rt_chan *));
    HAS(size_t, rt_chan_len, (const rt_chan *));
    HAS(size_t, rt_chan_cap, (const rt_chan *));
    HAS(size_t, rt_chan_elem_size, (const rt_chan *));

    /* Synchronisation. */
    HAS(int, rt_mutex_lock, (rt_mutex *));
    HAS(int, rt_mutex_lock_timeout, (rt_mutex *, int64_t timeout_ns));
    HAS(int, rt_mutex_try_lock, (rt_mutex *));
    HAS(int, rt_mutex_unlock, (rt_mutex *));
    HAS(int, rt_rwmutex_lock, (rt_rwmutex *));
    HAS(int, rt_rwmutex_try_lock, (rt_rwmutex *));
    HAS(int, rt_rwmutex_unlock, (rt_rwmutex *));
    HAS(int, rt_rwmutex_rlock, (rt_rwmutex *));
    HAS(int, rt_rwmutex_try_rlock, (rt_rwmutex *));
    HAS(int, rt_rwmutex_runlock, (rt_rwmutex *));
    HAS(int, rt_cond_wait, (rt_cond *, rt_mutex *));
    HAS(int, rt_cond_wait_timeout, (rt_cond *, rt_mutex *, int64_t timeout_ns));
    HAS(int, rt_cond_signal, (rt_cond *));
    HAS(int, rt_cond_broadcast, (rt_cond *));
    HAS(int, rt_waitgroup_add, (rt_waitgroup *, int64_t delta));
    HAS(int, rt_waitgroup_done, (rt_waitgroup *));
    HAS(int, rt_waitgroup_wait, (rt_waitgroup *));
    HAS(int, rt_waitgroup_wait_timeout, (rt_waitgroup *, int64_t timeout_ns));
    HAS(int64_t, rt_waitgroup_go, (rt_waitgroup *, rt_fn, void *));
    HAS(int, rt_once_do, (rt_once *, rt_fn, void *));
    HAS(int, rt_sema_init, (rt_sema *, uint32_t count));
    HAS(int, rt_sema_acquire, (rt_sema *));
    HAS(int, rt_sema_acquire_timeout, (rt_sema *, int64_t timeout_ns));
    HAS(int, rt_sema_try_acquire, (rt_sema *));
    HAS(int, rt_sema_release, (rt_sema *));

#ifdef __cplusplus
    /* Every call is noexcept. */
    static_assert(noexcept(rt_go(fn, NULL)) && noexcept(rt_chan_send(NULL, NULL)) && noexcept(rt_now()) &&
                      noexcept(rt_gosched()) && noexcept(rt_mutex_lock(NULL)) && noexcept(rt_waitgroup_wait(NULL)) &&
                      noexcept(rt_rwmutex_lock(NULL)) && noexcept(rt_cond_wait(NULL, NULL)) &&
                      noexcept(rt_once_do(NULL, fn, NULL)) && noexcept(rt_sema_acquire(NULL)) &&
                      noexcept(rt_gopark(unlockf, NULL, "")) && noexcept(rt_init(&cfg)) && noexcept(rt_version()),
                  "noexcept");
#endif

    (void)fn;
    (void)unlockf;
    (void)cfg;
    (void)opts;
    (void)version;
    puts("contract_core: ok");
    return 0;
}
