/*
 * gort: goroutines, channels and a scheduler for C and C++.
 *
 * Generated from src/capi; do not edit.
 *
 * Results are RT_OK or negative errno values; every call leaves errno as it found it. Any thread may make any
 * call: on a goroutine a blocking call parks the goroutine, on any other thread it blocks that thread. Times are
 * nanoseconds on CLOCK_MONOTONIC. Outputs are written only on success, except where a call says otherwise.
 */

#ifndef GORT_H
#define GORT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RT_VERSION_MAJOR 0
#define RT_VERSION_MINOR 1
#define RT_VERSION_PATCH 0

/* In C++ no call throws. */
#ifdef __cplusplus
#define RT_NOEXCEPT noexcept
#else
#define RT_NOEXCEPT
#endif

/**
 * Success.
 */
#define RT_OK 0

/**
 * Not now, and the caller did not want to wait.
 */
#define RT_EAGAIN -EAGAIN

/**
 * The channel is closed.
 */
#define RT_ECLOSED -EPIPE

/**
 * Time is over.
 */
#define RT_ETIMEDOUT -ETIMEDOUT

/**
 * The work was cancelled.
 */
#define RT_ECANCELED -ECANCELED

/**
 * A NULL or impossible argument.
 */
#define RT_EINVAL -EINVAL

/**
 * No memory is left.
 */
#define RT_ENOMEM -ENOMEM

/**
 * Too late for this call.
 */
#define RT_EBUSY -EBUSY

/**
 * Nothing can ever happen again.
 */
#define RT_EDEADLK -EDEADLK

/**
 * The call may not be made here, or not in this state.
 */
#define RT_EPERM -EPERM

/**
 * A timeout that never ends.
 */
#define RT_FOREVER INT64_MIN

/**
 * A timeout that never waits.
 */
#define RT_NOWAIT 0

/**
 * Configuration flag: never take a P from code outside the runtime, and never end its time slice.
 */
#define RT_COOPERATIVE 1

/**
 * A channel: opaque, reference counted.
 */
typedef struct rt_chan rt_chan;

/**
 * A goroutine, as others name it: opaque. Stays valid, if useless, after the goroutine has ended.
 */
typedef struct rt_g rt_g;

/**
 * What rt_init takes. Zero everything, set struct_size, then what is to differ from the default.
 */
typedef struct rt_config {
    /**
     * sizeof(rt_config)
     */
    size_t struct_size;
    /**
     * Address space of one goroutine stack, bytes; 0: RT_STACK_SIZE of the environment, else 256 KiB. At least 16 KiB.
     */
    size_t stack_size;
    /**
     * RT_COOPERATIVE, or 0.
     */
    uint64_t flags;
    /**
     * How many goroutines run at once; 0: RT_MAXPROCS, else the CPUs this process may use. At most 1024 are used.
     */
    uint32_t maxprocs;
    /**
     * Upper limit of the threads the runtime makes; 0: 10,000. At least 2.
     */
    uint32_t max_threads;
} rt_config;

/**
 * A function that takes one pointer: what a goroutine runs. It must not be left by an exception or longjmp.
 */
typedef void (*rt_fn)(void *arg);

/**
 * What rt_go_with takes. Zero everything, set struct_size, then what is to differ from the default.
 */
typedef struct rt_go_opts {
    /**
     * sizeof(rt_go_opts)
     */
    size_t struct_size;
    /**
     * A name for dumps, or NULL: copied, 63 bytes at most.
     */
    const char *name;
    /**
     * Address space of its stack, bytes, rounded up; 0: the default. At least 16 KiB.
     */
    size_t stack_size;
} rt_go_opts;

/**
 * Decides whether a park holds: see rt_gopark.
 */
typedef bool (*rt_unlock_fn)(struct rt_g *g, void *lock);

/**
 * A mutex. Zeroed is unlocked. Never copied or moved while in use; no destroy.
 */
typedef struct rt_mutex {
    uint64_t opaque[2];
} rt_mutex;

/**
 * A waitgroup: a count to wait for. Zeroed is a count of zero. Never copied or moved while in use; no destroy.
 */
typedef struct rt_waitgroup {
    uint64_t opaque[4];
} rt_waitgroup;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * * The version of the library that runs, "MAJOR.MINOR.PATCH".
 * *
 * * Returns a string of static life.
 * * Call from: anywhere, also a signal handler. Blocks: nothing. Since 0.1.
 */
const char *rt_version(void) RT_NOEXCEPT;

/**
 * * One line that explains a result code.
 * *
 * * @param code  what a call answered: 0 or a negative errno value
 * * Returns a string of static life, in English; for an unknown code a general one, never NULL.
 * * Call from: anywhere, also a signal handler. Blocks: nothing. Since 0.1.
 */
const char *rt_strerror(int code) RT_NOEXCEPT;

/**
 * * Starts the runtime with a configuration of the caller's. Without it, the first call that needs the runtime starts
 * * it with defaults.
 * *
 * * @param cfg  the configuration; read during the call only
 * * Returns RT_OK.
 * * Errors: RT_EINVAL: cfg is NULL, struct_size is too small or what lies behind the known members is not zero, an unknown
 * * flag, a stack below 16 KiB, a bad value in the environment; RT_EBUSY: the runtime is up; RT_ENOMEM.
 * * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_init(const struct rt_config *cfg)
RT_NOEXCEPT;

/**
 * * Runs a function as a goroutine and waits until it ends. Other goroutines go on after that. Several threads may be
 * * in it at once.
 * *
 * * @param fn   the function
 * * @param arg  handed to it as it is
 * * Returns RT_OK when the goroutine has ended.
 * * Errors: RT_EINVAL: fn is NULL; RT_EPERM: called on a goroutine; RT_ENOMEM.
 * * Call from: any thread that is not a goroutine's. Blocks: the thread. Since 0.1.
 */
int rt_run(rt_fn fn, void *arg) RT_NOEXCEPT;

/**
 * * How many goroutines may run at once.
 * *
 * * @param n  below 1: only asks. In this version the number can't be changed once the runtime is up.
 * * Returns the number; before the runtime is up, the default that it would start with. RT_EPERM for n >= 1.
 * * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_maxprocs(int n) RT_NOEXCEPT;

/**
 * * How many goroutines there are: spawned and not yet ended, whatever they wait for.
 * *
 * * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int64_t rt_num_goroutine(void) RT_NOEXCEPT;

/**
 * * Starts a goroutine: it is queued as the next one to run on the caller's processor.
 * *
 * * @param fn   what it runs
 * * @param arg  handed to fn as it is
 * * Returns its id: positive, higher than that of any goroutine this caller started before, never used again.
 * * Errors: RT_EINVAL: fn is NULL; RT_ENOMEM: no memory is left; fn will not run then.
 * * Call from: any thread; not from the unlockf of a park. Blocks: nothing. Starts the runtime. Since 0.1.
 */
int64_t rt_go(rt_fn fn, void *arg) RT_NOEXCEPT;

/**
 * * rt_go with options.
 * *
 * * @param opts  the options; read during the call only
 * * @param fn    what it runs
 * * @param arg   handed to fn as it is
 * * Returns as rt_go.
 * * Errors: as rt_go; RT_EINVAL also: opts is NULL, struct_size is too small or what lies behind the known members is not
 * * zero, a stack below 16 KiB.
 * * Call from: as rt_go. Blocks: nothing. Since 0.1.
 */
int64_t rt_go_with(const struct rt_go_opts *opts,
                   rt_fn fn,
                   void *arg)
RT_NOEXCEPT;

/**
 * * The calling goroutine. On a plain thread what it answers stands for that thread, until the thread ends.
 * *
 * * Returns it, never NULL.
 * * Call from: any thread. Blocks: nothing. Since 0.1.
 */
struct rt_g *rt_self(void) RT_NOEXCEPT;

/**
 * * The id of the calling goroutine; 0 on a plain thread.
 * *
 * * Call from: anywhere, also a signal handler. Blocks: nothing. Since 0.1.
 */
int64_t rt_goid(void) RT_NOEXCEPT;

/**
 * * Gives way: the goroutine goes behind everything that is runnable on its processor. On a plain thread it is
 * * sched_yield. In the unlockf of a park it does nothing.
 * *
 * * Call from: any thread. Blocks: nothing. Since 0.1.
 */
void rt_gosched(void) RT_NOEXCEPT;

/**
 * * Parks the calling goroutine until somebody readies it. On a plain thread it blocks the thread.
 * *
 * * The goroutine becomes waiting; then, with its registers saved and off its stack, unlockf(g, lock) runs, exactly once.
 * * If it answers false the goroutine goes on at once. From the moment unlockf lets go of the lock any thread may
 * * ready the goroutine, and it may run elsewhere before unlockf has returned. unlockf has at least 16 KiB of stack. It may
 * * unlock, ready, signal, close, use the try forms and rt_now; what would have to block answers RT_EPERM in it. It must
 * * not touch the goroutine's stack after it let go of the lock.
 * *
 * * @param unlockf  lets go of the lock and answers whether to stay parked. NULL: always stay; right only for a wait
 * *                 without end, or with a waker that tries again while it gets RT_EINVAL
 * * @param lock     handed to unlockf as it is
 * * @param reason   why it waits: a string of static life that dumps show, or NULL
 * * Returns RT_OK once readied, or when unlockf answered false.
 * * Errors: RT_EPERM: in the unlockf of another park.
 * * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_gopark(rt_unlock_fn unlockf,
              void *lock,
              const char *reason)
RT_NOEXCEPT;

/**
 * * rt_gopark with a timeout. Exactly one of time and ready wins. Time cannot win before unlockf has returned.
 * *
 * * @param unlockf     as rt_gopark; it runs also for a timeout of zero
 * * @param lock        handed to unlockf as it is
 * * @param reason      as rt_gopark
 * * @param timeout_ns  nanoseconds, or RT_FOREVER; zero or less is over at once
 * * Returns RT_OK once readied, or when unlockf answered false.
 * * Errors: RT_ETIMEDOUT: time won; RT_EPERM: in the unlockf of another park; RT_ENOMEM.
 * * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_gopark_timeout(rt_unlock_fn unlockf, void *lock, const char *reason, int64_t timeout_ns) RT_NOEXCEPT;

/**
 * * Makes a goroutine runnable that waits in rt_gopark, as the next one of the calling processor. A plain thread is woken.
 * *
 * * Call it under the lock that guards the waiter, or treat every return of rt_gopark as possibly early.
 * *
 * * @param g  what rt_self answered there
 * * Returns RT_OK.
 * * Errors: RT_EINVAL: g is NULL, or does not wait in rt_gopark (it runs, is runnable, has ended, waits in a
 * * channel or a sleep); nothing happens then.
 * * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_goready(struct rt_g *g)
RT_NOEXCEPT;

/**
 * * A ticket: names the caller's next park in rt_gopark or rt_gopark_timeout, and no other. The same until that park.
 * *
 * * Returns it: never 0, never used again.
 * * Call from: any thread. Blocks: nothing. Since 0.1.
 */
uint64_t rt_park_ticket(void) RT_NOEXCEPT;

/**
 * * rt_goready for one certain park: for wakers that may come late.
 * *
 * * @param ticket  what rt_park_ticket answered to the goroutine
 * * Returns RT_OK.
 * * Errors: RT_EINVAL: the park has not begun, or is over, or there is no such ticket; nothing happens then.
 * * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_goready_ticket(uint64_t ticket) RT_NOEXCEPT;

/**
 * * The time on CLOCK_MONOTONIC, nanoseconds.
 * *
 * * Call from: anywhere, also a signal handler. Blocks: nothing. Since 0.1.
 */
int64_t rt_now(void) RT_NOEXCEPT;

/**
 * * Sleeps, never less than asked for.
 * *
 * * @param ns  nanoseconds; zero or less is over at once, what would overflow is for ever
 * * Returns RT_OK.
 * * Errors: RT_EPERM: in the unlockf of a park; RT_ENOMEM.
 * * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_sleep(int64_t ns) RT_NOEXCEPT;

/**
 * * Makes a channel, with one reference that the caller owns.
 * *
 * * @param elem_size  bytes of an element; 0 is allowed
 * * @param cap        how many elements it buffers; 0: a send waits for its receiver
 * * Returns the channel; NULL if the size overflows or no memory is left.
 * * Call from: any thread. Blocks: nothing. Since 0.1.
 */
struct rt_chan *rt_chan_make(size_t elem_size, size_t cap) RT_NOEXCEPT;

/**
 * * Adds a reference.
 * *
 * * @param c  a channel, or NULL
 * * Returns c.
 * * Call from: any thread. Blocks: nothing. Since 0.1.
 */
struct rt_chan *rt_chan_ref(struct rt_chan *c) RT_NOEXCEPT;

/**
 * * Drops a reference. The last one frees the channel, with what it buffers, once nobody waits on it.
 * *
 * * @param c  a channel of which the caller owns a reference, or NULL: then nothing happens
 * * Call from: any thread. Blocks: nothing. Since 0.1.
 */
void rt_chan_unref(struct rt_chan *c) RT_NOEXCEPT;

/**
 * * Sends a copy of an element, waiting for room or a receiver.
 * *
 * * @param c     the channel; NULL blocks for ever
 * * @param elem  in: elem_size bytes; NULL only where elem_size is 0
 * * Returns RT_OK.
 * * Errors: RT_ECLOSED: closed, also while it waited; RT_EINVAL: elem is NULL; RT_EPERM: it would block in the unlockf
 * * of a park.
 * * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_chan_send(struct rt_chan *c, const void *elem) RT_NOEXCEPT;

/**
 * * Receives an element, waiting for one.
 * *
 * * @param c     the channel; NULL blocks for ever
 * * @param elem  out: elem_size bytes; NULL throws the element away
 * * Returns RT_OK.
 * * Errors: RT_ECLOSED: closed and drained, elem is zeroed; RT_EPERM: it would block in the unlockf of a park.
 * * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_chan_recv(struct rt_chan *c, void *elem) RT_NOEXCEPT;

/**
 * * Sends if that needs no waiting.
 * *
 * * @param c     the channel
 * * @param elem  in: elem_size bytes; NULL only where elem_size is 0
 * * Returns RT_OK.
 * * Errors: RT_EAGAIN: full and no receiver waits, or c is NULL; RT_ECLOSED; RT_EINVAL: elem is NULL.
 * * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_chan_try_send(struct rt_chan *c, const void *elem) RT_NOEXCEPT;

/**
 * * Receives if that needs no waiting.
 * *
 * * @param c     the channel
 * * @param elem  out: elem_size bytes; NULL throws the element away
 * * Returns RT_OK.
 * * Errors: RT_EAGAIN: empty and no sender waits, or c is NULL; RT_ECLOSED: closed and drained, elem is zeroed.
 * * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_chan_try_recv(struct rt_chan *c, void *elem) RT_NOEXCEPT;

/**
 * * Sends, waiting no longer than a time.
 * *
 * * @param c           the channel; NULL waits for the time
 * * @param elem        in: elem_size bytes; NULL only where elem_size is 0
 * * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already
 * * Returns RT_OK; what can go at once goes, whatever the timeout.
 * * Errors: RT_ETIMEDOUT; RT_EAGAIN: for RT_NOWAIT; RT_ECLOSED: closed, also while it waited; RT_EINVAL: elem is NULL;
 * * RT_EPERM: it would block in the unlockf of a park; RT_ENOMEM.
 * * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_chan_send_timeout(struct rt_chan *c, const void *elem, int64_t timeout_ns) RT_NOEXCEPT;

/**
 * * Receives, waiting no longer than a time.
 * *
 * * @param c           the channel; NULL waits for the time
 * * @param elem        out: elem_size bytes; NULL throws the element away; untouched on a timeout
 * * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already
 * * Returns RT_OK; what can go at once goes, whatever the timeout.
 * * Errors: RT_ETIMEDOUT; RT_EAGAIN: for RT_NOWAIT; RT_ECLOSED: closed and drained, elem is zeroed; RT_EPERM: it would block
 * * in the unlockf of a park; RT_ENOMEM.
 * * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_chan_recv_timeout(struct rt_chan *c,
                         void *elem,
                         int64_t timeout_ns)
RT_NOEXCEPT;

/**
 * * Closes a channel and wakes everybody who waits on it. Buffered elements can still be received.
 * *
 * * @param c  the channel
 * * Returns RT_OK.
 * * Errors: RT_ECLOSED: closed already; RT_EINVAL: c is NULL.
 * * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_chan_close(struct rt_chan *c) RT_NOEXCEPT;

/**
 * * How many elements are buffered, at some moment of the call; 0 for NULL.
 * *
 * * Call from: any thread. Blocks: nothing. Since 0.1.
 */
size_t rt_chan_len(const struct rt_chan *c) RT_NOEXCEPT;

/**
 * * How many elements it can buffer; 0 for NULL.
 * *
 * * Call from: any thread. Blocks: nothing. Since 0.1.
 */
size_t rt_chan_cap(const struct rt_chan *c) RT_NOEXCEPT;

/**
 * * Bytes of an element; 0 for NULL.
 * *
 * * Call from: any thread. Blocks: nothing. Since 0.1.
 */
size_t rt_chan_elem_size(const struct rt_chan *c) RT_NOEXCEPT;

/**
 * * Locks a mutex, waiting for it. A waiter that has waited for 1 ms in vain gets it next.
 * *
 * * @param m  the mutex
 * * Returns RT_OK.
 * * Errors: RT_EINVAL: m is NULL; RT_EPERM: it would block in the unlockf of a park.
 * * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_mutex_lock(struct rt_mutex *m) RT_NOEXCEPT;

/**
 * * Locks a mutex, waiting no longer than a time.
 * *
 * * @param m           the mutex
 * * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already
 * * Returns RT_OK.
 * * Errors: RT_ETIMEDOUT; RT_EAGAIN: for RT_NOWAIT; RT_EINVAL: m is NULL; RT_EPERM: it would block in the unlockf of a park;
 * * RT_ENOMEM.
 * * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_mutex_lock_timeout(struct rt_mutex *m,
                          int64_t timeout_ns)
RT_NOEXCEPT;

/**
 * * Locks a mutex if that needs no waiting.
 * *
 * * @param m  the mutex
 * * Returns RT_OK.
 * * Errors: RT_EAGAIN: it is locked; RT_EINVAL: m is NULL.
 * * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_mutex_try_lock(struct rt_mutex *m) RT_NOEXCEPT;

/**
 * * Unlocks a mutex. Any goroutine or thread may do so, not only the one that locked it.
 * *
 * * @param m  the mutex
 * * Returns RT_OK.
 * * Errors: RT_EPERM: it is not locked; RT_EINVAL: m is NULL.
 * * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_mutex_unlock(struct rt_mutex *m) RT_NOEXCEPT;

/**
 * * Changes the count of a waitgroup. At zero everybody who waits goes on.
 * *
 * * @param wg     the waitgroup
 * * @param delta  added to the count
 * * Returns RT_OK.
 * * Errors: RT_EINVAL: wg is NULL, or the count would fall below zero or overflow; nothing changes then.
 * * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_waitgroup_add(struct rt_waitgroup *wg, int64_t delta) RT_NOEXCEPT;

/**
 * * Lowers the count of a waitgroup by one: rt_waitgroup_add(wg, -1).
 * *
 * * @param wg  the waitgroup
 * * Returns RT_OK.
 * * Errors: as rt_waitgroup_add.
 * * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_waitgroup_done(struct rt_waitgroup *wg) RT_NOEXCEPT;

/**
 * * Waits until the count is zero. The waitgroup may be used again, or freed, when it returns.
 * *
 * * @param wg  the waitgroup
 * * Returns RT_OK.
 * * Errors: RT_EINVAL: wg is NULL; RT_EPERM: it would block in the unlockf of a park.
 * * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_waitgroup_wait(struct rt_waitgroup *wg) RT_NOEXCEPT;

/**
 * * Waits until the count is zero, no longer than a time.
 * *
 * * @param wg          the waitgroup
 * * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already
 * * Returns RT_OK.
 * * Errors: RT_ETIMEDOUT; RT_EAGAIN: for RT_NOWAIT; RT_EINVAL: wg is NULL; RT_EPERM: it would block in the unlockf of a
 * * park; RT_ENOMEM.
 * * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_waitgroup_wait_timeout(struct rt_waitgroup *wg, int64_t timeout_ns) RT_NOEXCEPT;

/**
 * * Starts a goroutine that the waitgroup counts from here until it has ended.
 * *
 * * @param wg   the waitgroup
 * * @param fn   what the goroutine runs
 * * @param arg  handed to fn as it is
 * * Returns the id of the goroutine, as rt_go.
 * * Errors: as rt_go; RT_EINVAL also: wg is NULL, or its count would overflow. The count is unchanged then.
 * * Call from: as rt_go. Blocks: nothing. Since 0.1.
 */
int64_t rt_waitgroup_go(struct rt_waitgroup *wg, rt_fn fn, void *arg) RT_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* GORT_H */
