/*
 * gort: goroutines, channels and a scheduler for C and C++.
 *
 * Generated from src/capi; do not edit.
 *
 * Results are RT_OK or negative errno values; every call leaves errno as it found it. Any thread may make any
 * call: on a goroutine a blocking call parks the goroutine, on any other thread it blocks that thread. Times are
 * nanoseconds on CLOCK_MONOTONIC. Outputs are written only on success, except where a call says otherwise.
 * A wait that must block starts the runtime where it is down, and then may also answer RT_ENOMEM or RT_ECANCELED.
 *
 * The first call of a thread makes a record for it. Where there is no memory for that, what starts, makes, waits, tries
 * or asks answers RT_ENOMEM or NULL, and has done nothing; what gives back or wakes goes all the same; and rt_self, which
 * is never NULL, ends the process with one line.
 */

#ifndef GORT_H
#define GORT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#define RT_VERSION_MAJOR 0
#define RT_VERSION_MINOR 1
#define RT_VERSION_PATCH 0

/* In C++ no call throws. */
#ifdef __cplusplus
#define RT_NOEXCEPT noexcept
#else
#define RT_NOEXCEPT
#endif

/* From <sys/uio.h>, <poll.h> and <netdb.h>, which those need who use them. */
struct iovec;
struct pollfd;
struct addrinfo;

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
 * What the resolver says comes as this less the number of the EAI code: it is no errno value.
 */
#define RT_EAI_BASE -20000

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
 * Configuration flag: a stack that can have no guard goes without. Only where the kernel has no MADV_GUARD_INSTALL (before
 * Linux 6.13): there guards end at a quarter of vm.max_map_count, and without this flag so do stacks, with RT_ENOMEM.
 */
#define RT_UNGUARDED 2

/**
 * A case that sends.
 */
#define RT_SEND 1

/**
 * A case that receives.
 */
#define RT_RECV 2

/**
 * Reading: something to read, a connection to accept, the end, an error.
 */
#define RT_POLL_READ 1

/**
 * Writing: room to write, a connection made, an error.
 */
#define RT_POLL_WRITE 2

/**
 * A channel: opaque, reference counted.
 */
typedef struct rt_chan rt_chan;

/**
 * A context: opaque, reference counted. NULL, where a context is wanted, is the background.
 */
typedef struct rt_ctx rt_ctx;

/**
 * A function that waits for the end of a context: opaque, with one owner, who frees it by rt_ctx_hook_stop.
 */
typedef struct rt_ctx_hook rt_ctx_hook;

/**
 * A goroutine, as others name it: opaque. Stays valid, if useless, after the goroutine has ended.
 */
typedef struct rt_g rt_g;

/**
 * A group: opaque, with one owner, whose rt_group_free must not overlap another call on it.
 */
typedef struct rt_group rt_group;

/**
 * A home: a thread that goroutines share, opaque, with one owner, whose rt_home_free must not overlap another call on it.
 */
typedef struct rt_home rt_home;

/**
 * A timer: opaque, with one owner, whose rt_timer_free or rt_timer_detach must not overlap another call on it.
 */
typedef struct rt_timer rt_timer;

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
     * RT_COOPERATIVE, RT_UNGUARDED, both, or 0.
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
 * What rt_go_with takes. Zero everything, set struct_size, then what is to differ from the default. A struct that ends after
 * stack_size, as the first version did, is as good.
 *
 * The hooks are for hosts of other languages, which keep a "current state" of their own for each thread, or a lock with which
 * nobody may wait. All run on the goroutine's own stack, on the thread that it is on. on_park and on_resume have to be quick:
 * they may call rt_now, rt_goid, rt_self, and what of POSIX does not wait. No exception, longjmp or rt_goexit may leave them.
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
    /**
     * Asked whether the goroutine may be switched away, or NULL. 0 agrees, a negative code refuses (a code that is no
     * negative errno value counts as RT_EPERM). It is asked before a call waits: if it refuses, that call answers the code, and
     * nothing has happened, and rt_gosched does nothing. It is asked where the goroutine would give way because its time is up
     * or its processor was taken: if it refuses, the goroutine goes on, beside others if need be, with RT_COOPERATIVE too. After
     * it has agreed a switch need not follow. In rt_blocking it is asked before a call would block the thread.
     */
    int (*on_park)(void *hook_arg);
    /**
     * Told that the goroutine begins, or goes on after it may have been switched away, before anything else of it runs; or NULL.
     */
    rt_fn on_resume;
    /**
     * Told that the goroutine ends, or NULL: once, after its function, what it has put off and the destructors of its keys, also
     * after rt_goexit. It may do what a goroutine may, and take its time. No hook is called once it has returned.
     */
    rt_fn on_exit;
    /**
     * Handed to the three as it is.
     */
    void *hook_arg;
    /**
     * The thread that it runs on, with the others of the same home; NULL: any.
     */
    struct rt_home *home;
} rt_go_opts;

/**
 * Decides whether a park holds: see rt_gopark.
 */
typedef bool (*rt_unlock_fn)(struct rt_g *g, void *lock);

/**
 * One case of a select.
 */
typedef struct rt_select_case {
    /**
     * The channel; NULL is never ready.
     */
    struct rt_chan *chan;
    /**
     * What is sent, or where to receive to; as in rt_chan_send and rt_chan_recv.
     */
    void *elem;
    /**
     * RT_SEND or RT_RECV.
     */
    int32_t dir;
    /**
     * Out, for the case that went: RT_OK or RT_ECLOSED.
     */
    int32_t result;
} rt_select_case;

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

/**
 * A mutex that many may hold for reading, or one for writing. Zeroed is unlocked. Never copied or moved while in use; no
 * destroy.
 */
typedef struct rt_rwmutex {
    uint64_t opaque[6];
} rt_rwmutex;

/**
 * A condition: where to wait for a change of what a mutex guards. Zeroed is ready for use. Never copied or moved while in
 * use; no destroy.
 */
typedef struct rt_cond {
    uint64_t opaque[4];
} rt_cond;

/**
 * A function that is called once. Zeroed has not been called. Never copied or moved while in use; no destroy.
 */
typedef struct rt_once {
    uint64_t opaque[2];
} rt_once;

/**
 * A semaphore: a count of units. Zeroed is a count of zero. Never copied or moved while in use; no destroy.
 */
typedef struct rt_sema {
    uint64_t opaque[4];
} rt_sema;

/**
 * What a goroutine of a group runs: it gets the group's context and its own argument, and answers RT_OK or an error. It
 * must not be left by an exception or longjmp.
 */
typedef int (*rt_group_fn)(struct rt_ctx *ctx, void *arg);

/**
 * Names a value that each goroutine, and each plain thread, has for itself. 0 is no key.
 */
typedef uint32_t rt_key;

/**
 * What rt_stats_read answers. Set struct_size; the rest is written.
 */
typedef struct rt_stats {
    /**
     * sizeof(rt_stats)
     */
    size_t struct_size;
    /**
     * Goroutines there are.
     */
    uint64_t goroutines;
    /**
     * Goroutines there ever were.
     */
    uint64_t goroutines_total;
    /**
     * Threads the runtime has.
     */
    uint64_t threads;
    /**
     * How many goroutines may run at once.
     */
    uint64_t procs;
    /**
     * Switches to a goroutine.
     */
    uint64_t switches;
    /**
     * Times that work was taken from another P.
     */
    uint64_t steals;
    /**
     * Times that a P was handed to another thread while its goroutine ran on or kept its thread.
     */
    uint64_t handoffs;
    /**
     * Deadlines and timers that are pending, dead ones not yet swept included.
     */
    uint64_t timers;
    /**
     * Descriptors that are waited on.
     */
    uint64_t poll_fds;
    /**
     * Address space of all stacks, bytes.
     */
    uint64_t stack_bytes_reserved;
    /**
     * Memory that stacks hold, bytes; as the system counts it.
     */
    uint64_t stack_bytes_resident;
} rt_stats;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library that runs, "MAJOR.MINOR.PATCH".
 *
 * Returns a string of static life.
 * Call from: anywhere, also a signal handler. Blocks: nothing. Since 0.1.
 */
const char *rt_version(void) RT_NOEXCEPT;

/**
 * One line that explains a result code.
 *
 * @param code  what a call answered: 0 or a negative errno value
 * Returns a string of static life, in English; for an unknown code a general one, never NULL.
 * Call from: anywhere, also a signal handler. Blocks: nothing. Since 0.1.
 */
const char *rt_strerror(int code) RT_NOEXCEPT;

/**
 * Starts the runtime with a configuration of the caller's. Without it, the first call that needs the runtime starts
 * it with defaults.
 *
 * @param cfg  the configuration; read during the call only
 * Returns RT_OK.
 * Errors: RT_EINVAL: cfg is NULL, struct_size is too small or what lies behind the known members is not zero, an unknown
 * flag, a stack below 16 KiB, a bad value in the environment; RT_EBUSY: the runtime is up; RT_ENOMEM.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_init(const struct rt_config *cfg)
RT_NOEXCEPT;

/**
 * Runs a function as a goroutine and waits until it ends. Other goroutines go on after that. Several threads may be
 * in it at once.
 *
 * @param fn   the function
 * @param arg  handed to it as it is
 * Returns RT_OK when the goroutine has ended.
 * Errors: RT_EINVAL: fn is NULL; RT_EPERM: called on a goroutine; RT_ENOMEM; RT_ECANCELED: the runtime stops; RT_EDEADLK:
 * nothing can ever happen again (every goroutine is parked, no timer is pending, no other thread is there that could act); a
 * dump has been printed, and the goroutines stay as they are.
 * Call from: any thread that is not a goroutine's. Blocks: the thread. Since 0.1.
 */
int rt_run(rt_fn fn,
           void *arg)
RT_NOEXCEPT;

/**
 * How many goroutines may run at once; changes it, up or down, while they run.
 *
 * @param n  below 1: only asks; else the new number, at most 1024
 * Returns the former number; asked before the runtime is up, the default that it would start with.
 * Errors: RT_ENOMEM; RT_ECANCELED: the runtime stops; RT_EPERM: in an unlockf, if it is to change.
 * Call from: any thread. Blocks: nothing. Starts the runtime if it changes the number. Since 0.1.
 */
int rt_maxprocs(int n) RT_NOEXCEPT;

/**
 * Stops the runtime: refuses new goroutines (RT_ECANCELED), waits until all there are have ended and other threads have left
 * these calls, then stops the timers, cancels contexts that have a deadline to come, ends every thread the runtime made and
 * frees every stack. Channels, timers, contexts and the like survive; what next needs the runtime starts a fresh one.
 *
 * @param timeout_ns  how long to wait, nanoseconds; RT_FOREVER or RT_NOWAIT
 * Returns RT_OK, also when there is no runtime.
 * Errors: RT_ETIMEDOUT, and RT_EAGAIN for RT_NOWAIT: the runtime is whole and open again; RT_EPERM: called on a
 * goroutine or in an unlockf; RT_EBUSY: another thread is stopping it; RT_ENOMEM: nothing has happened.
 * Call from: any thread that is not a goroutine's. Blocks: the thread. Since 0.1.
 */
int rt_stop(int64_t timeout_ns)
RT_NOEXCEPT;

/**
 * How many goroutines there are: spawned and not yet ended, whatever they wait for.
 *
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int64_t rt_num_goroutine(void) RT_NOEXCEPT;

/**
 * A home: the goroutines that are started with it (rt_go_opts) always run on one and the same thread of the runtime, which runs
 * nothing else. One of them runs at a time; another goes on when it waits, ends or gives way. They are served in the order in
 * which they became ready. Other goroutines are not held up by them, whatever they do.
 *
 * The thread is one of those that max_threads limits: where that allows no other, goroutines without a home wait until there is one.
 * It is made when the first goroutine of the home is to run, and is the
 * home's until rt_home_free or rt_stop. After a stop, and in a forked child, the home is as new: its next goroutine gets another
 * thread.
 *
 * Returns the home, for the caller to free; NULL: no memory is left.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
struct rt_home *rt_home_new(void)
RT_NOEXCEPT;

/**
 * Frees a home, whose thread serves any goroutine again.
 *
 * @param home  the home, which the caller does not use again; or NULL: then nothing happens
 * Returns RT_OK.
 * Errors: RT_EBUSY: it has goroutines that have not ended; nothing happens then.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_home_free(struct rt_home *home) RT_NOEXCEPT;

/**
 * Starts a goroutine: it is queued as the next one to run on the caller's processor.
 *
 * @param fn   what it runs
 * @param arg  handed to fn as it is
 * Returns its id: positive, higher than that of any goroutine this caller started before, never used again.
 * Errors: RT_EINVAL: fn is NULL; RT_ENOMEM: no memory is left; fn will not run then.
 * Call from: any thread; not from the unlockf of a park. Blocks: nothing. Starts the runtime. Since 0.1.
 */
int64_t rt_go(rt_fn fn, void *arg) RT_NOEXCEPT;

/**
 * rt_go with options.
 *
 * @param opts  the options; read during the call only
 * @param fn    what it runs
 * @param arg   handed to fn as it is
 * Returns as rt_go.
 * Errors: as rt_go; RT_EINVAL also: opts is NULL, struct_size is too small or what lies behind the known members is not
 * zero, a stack below 16 KiB.
 * Call from: as rt_go. Blocks: nothing. Since 0.1.
 */
int64_t rt_go_with(const struct rt_go_opts *opts,
                   rt_fn fn,
                   void *arg)
RT_NOEXCEPT;

/**
 * The calling goroutine. On a plain thread what it answers stands for that thread, until the thread ends.
 *
 * Returns it, never NULL.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
struct rt_g *rt_self(void) RT_NOEXCEPT;

/**
 * The id of the calling goroutine; 0 on a plain thread.
 *
 * Call from: anywhere, also a signal handler. Blocks: nothing. Since 0.1.
 */
int64_t rt_goid(void) RT_NOEXCEPT;

/**
 * Gives way: the goroutine goes behind everything that is runnable on its processor. On a plain thread it is
 * sched_yield. In the unlockf of a park it does nothing. A goroutine with a home goes behind the others of that; those of others
 * have their turn within a fraction of a millisecond.
 *
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
void rt_gosched(void)
RT_NOEXCEPT;

/**
 * Puts a function off to the end of the calling goroutine. What was put off last runs first.
 *
 * @param fn   the function; it may do what a goroutine may
 * @param arg  handed to it as it is
 * Returns RT_OK.
 * Errors: RT_EINVAL: fn is NULL; RT_EPERM: not on a goroutine, or in an unlockf; RT_ENOMEM.
 * Call from: a goroutine. Blocks: nothing. Since 0.1.
 */
int rt_defer(rt_fn fn, void *arg) RT_NOEXCEPT;

/**
 * Ends the calling goroutine: what it has put off runs, then it is gone. C++ destructors do not run; gort.hpp has a
 * way that runs them. On a plain thread, or in an unlockf, it ends the process with one line.
 *
 * Call from: a goroutine. Does not return. Since 0.1.
 */
void rt_goexit(void) RT_NOEXCEPT;

/**
 * Locks the calling goroutine to its thread: it keeps the thread across every park, and nothing else runs there. Nests.
 * A goroutine that ends locked ends the thread. On a plain thread it does nothing. A goroutine with a home keeps its thread
 * in any case: there it only counts, and the others of the home go on.
 *
 * Returns RT_OK.
 * Errors: RT_EPERM: in an unlockf.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_lock_os_thread(void)
RT_NOEXCEPT;

/**
 * Takes one rt_lock_os_thread back. On a plain thread it does nothing.
 *
 * Returns RT_OK.
 * Errors: RT_EPERM: the goroutine is not locked, or in an unlockf.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_unlock_os_thread(void) RT_NOEXCEPT;

/**
 * Runs a function that blocks or needs a deep stack: on the thread's own stack (8 MiB), while another thread at once takes
 * over the processor. It is still the goroutine that runs, with its id, rt_self and floating-point modes. Calls in it
 * that have to wait block the thread. Nested, and on a plain thread, it just runs the function.
 *
 * @param fn   the function. It must not be left by an exception, longjmp or rt_goexit: these end the process
 * @param arg  handed to it as it is
 * Returns RT_OK when the function has returned.
 * Errors: RT_EINVAL: fn is NULL; RT_EPERM: in an unlockf.
 * Call from: any thread. Blocks: for as long as the function takes. Since 0.1.
 */
int rt_blocking(rt_fn fn,
                void *arg)
RT_NOEXCEPT;

/**
 * Announces that the caller is about to block for a while, outside these calls: its processor may be taken at the next
 * look, without the time it takes to notice. That it blocks is noticed without this too, within 2 ms, unless RT_COOPERATIVE
 * is set.
 *
 * Call it right before what blocks; any other call of this library ends the announcement. On a plain thread, and in an
 * unlockf, it does nothing.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
void rt_entersyscall(void)
RT_NOEXCEPT;

/**
 * The announcement of rt_entersyscall is over: waits for a processor, if the caller's was taken. Without an announcement it
 * does nothing.
 *
 * Call from: any thread. Blocks: the goroutine, while there is no processor for it. Since 0.1.
 */
void rt_exitsyscall(void)
RT_NOEXCEPT;

/**
 * Parks the calling goroutine until somebody readies it. On a plain thread it blocks the thread.
 *
 * The goroutine becomes waiting; then, with its registers saved and off its stack, unlockf(g, lock) runs, exactly once.
 * If it answers false the goroutine goes on at once. From the moment unlockf lets go of the lock any thread may
 * ready the goroutine, and it may run elsewhere before unlockf has returned. unlockf has at least 16 KiB of stack. It may
 * unlock, ready, signal, close, use the try forms and rt_now; what would have to block answers RT_EPERM in it. It must
 * not touch the goroutine's stack after it let go of the lock.
 *
 * @param unlockf  lets go of the lock and answers whether to stay parked. NULL: always stay; right only for a wait
 *                 without end, or with a waker that tries again while it gets RT_EINVAL
 * @param lock     handed to unlockf as it is
 * @param reason   why it waits: a string of static life that dumps show, or NULL
 * Returns RT_OK once readied, or when unlockf answered false.
 * Errors: RT_EPERM: in the unlockf of another park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_gopark(rt_unlock_fn unlockf,
              void *lock,
              const char *reason)
RT_NOEXCEPT;

/**
 * rt_gopark with a timeout. Exactly one of time and ready wins. Time cannot win before unlockf has returned.
 *
 * @param unlockf     as rt_gopark; it runs also for a timeout of zero
 * @param lock        handed to unlockf as it is
 * @param reason      as rt_gopark
 * @param timeout_ns  nanoseconds, or RT_FOREVER; zero or less is over at once
 * Returns RT_OK once readied, or when unlockf answered false.
 * Errors: RT_ETIMEDOUT: time won; RT_EPERM: in the unlockf of another park; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_gopark_timeout(rt_unlock_fn unlockf, void *lock, const char *reason, int64_t timeout_ns) RT_NOEXCEPT;

/**
 * Makes a goroutine runnable that waits in rt_gopark, as the next one of the calling processor. A plain thread is woken.
 *
 * Call it under the lock that guards the waiter, or treat every return of rt_gopark as possibly early.
 *
 * @param g  what rt_self answered there
 * Returns RT_OK.
 * Errors: RT_EINVAL: g is NULL, or does not wait in rt_gopark (it runs, is runnable, has ended, waits in a
 * channel or a sleep); nothing happens then.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_goready(struct rt_g *g)
RT_NOEXCEPT;

/**
 * A ticket: names the caller's next park in rt_gopark or rt_gopark_timeout, and no other. The same until that park.
 *
 * Returns it: never 0, never used again. In the unlockf of a park there is no next park to name: 0. So it is where no memory
 * is left for the thread's record.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
uint64_t rt_park_ticket(void)
RT_NOEXCEPT;

/**
 * rt_goready for one certain park: for wakers that may come late.
 *
 * @param ticket  what rt_park_ticket answered to the goroutine
 * Returns RT_OK.
 * Errors: RT_EINVAL: the park has not begun, or is over, or there is no such ticket; nothing happens then.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_goready_ticket(uint64_t ticket) RT_NOEXCEPT;

/**
 * The time on CLOCK_MONOTONIC, nanoseconds.
 *
 * Call from: anywhere, also a signal handler. Blocks: nothing. Since 0.1.
 */
int64_t rt_now(void) RT_NOEXCEPT;

/**
 * Sleeps, never less than asked for.
 *
 * @param ns  nanoseconds; zero or less is over at once, what would overflow is for ever
 * Returns RT_OK.
 * Errors: RT_EPERM: in the unlockf of a park; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_sleep(int64_t ns) RT_NOEXCEPT;

/**
 * A timer whose channel gets the time once.
 *
 * The channel's elements are int64_t: the time on CLOCK_MONOTONIC, nanoseconds, at which it fired. Its len and cap are 0.
 * Once rt_timer_stop or rt_timer_reset has returned, no value from before can be received.
 *
 * @param ns  nanoseconds from now; zero or less is over at once, what would overflow never comes
 * Returns the timer; NULL: no memory is left.
 * Call from: any thread. Blocks: nothing. Starts the runtime. Since 0.1.
 */
struct rt_timer *rt_timer_new(int64_t ns)
RT_NOEXCEPT;

/**
 * A timer whose channel gets the time once every period. A slow receiver misses ticks; they do not drift.
 *
 * @param period_ns  nanoseconds, above zero
 * Returns the timer; NULL: the period is not above zero, or no memory is left.
 * Call from: any thread. Blocks: nothing. Starts the runtime. Since 0.1.
 */
struct rt_timer *rt_ticker_new(int64_t period_ns) RT_NOEXCEPT;

/**
 * A timer that runs a function in a goroutine of its own.
 *
 * @param ns   nanoseconds from now, as rt_timer_new
 * @param fn   the function
 * @param arg  handed to it as it is
 * Returns the timer; NULL: fn is NULL, or no memory is left.
 * Call from: any thread. Blocks: nothing. Starts the runtime. Since 0.1.
 */
struct rt_timer *rt_after_func(int64_t ns, rt_fn fn, void *arg) RT_NOEXCEPT;

/**
 * The channel of a timer. It belongs to the timer: add a reference to keep it longer.
 *
 * @param t  the timer
 * Returns the channel; NULL for an after-function and for NULL.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
struct rt_chan *rt_timer_chan(struct rt_timer *t) RT_NOEXCEPT;

/**
 * Stops a timer. It does not wait for a function that runs.
 *
 * @param t  the timer
 * Returns true if, but for this call, a value would still have been received, or the function started; so a value that has
 * fired and was not received counts. False also for NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
bool rt_timer_stop(struct rt_timer *t)
RT_NOEXCEPT;

/**
 * Lets a timer fire at another time, whether it has fired, was stopped, or neither. A ticker also takes the time for its
 * period.
 *
 * @param t   the timer
 * @param ns  nanoseconds from now, as rt_timer_new; for a ticker above zero, else nothing changes and it answers false
 * Returns as rt_timer_stop. A timer of a runtime that is down, and cannot be started, stays stopped, which it says in one line
 * if it is for want of memory; else this needs none.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
bool rt_timer_reset(struct rt_timer *t,
                    int64_t ns)
RT_NOEXCEPT;

/**
 * rt_timer_stop that also waits until the timer's function, if it runs, has ended.
 *
 * @param t  the timer
 * Returns as rt_timer_stop. Called from the timer's function it does nothing and answers false; so it does if it would have to
 * wait in the unlockf of a park, or without memory for the thread's record, or where the
 * caller's on_park refuses.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
bool rt_timer_stop_wait(struct rt_timer *t)
RT_NOEXCEPT;

/**
 * Gives a timer up without stopping it: an after-function still runs, and the timer then frees itself. A timer with a channel
 * is freed.
 *
 * @param t  the timer, which the caller does not use again; or NULL: then nothing happens
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
void rt_timer_detach(struct rt_timer *t)
RT_NOEXCEPT;

/**
 * Stops a timer and frees it. Its channel goes with its last reference. May be called from the timer's function.
 *
 * @param t  the timer, which the caller does not use again; or NULL: then nothing happens
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
void rt_timer_free(struct rt_timer *t) RT_NOEXCEPT;

/**
 * A channel that gets the time once, as that of rt_timer_new, without a timer to look after: unref'ing the channel drops it.
 *
 * @param ns  nanoseconds from now, as rt_timer_new
 * Returns the channel, with one reference that the caller owns; NULL: no memory is left.
 * Call from: any thread. Blocks: nothing. Starts the runtime. Since 0.1.
 */
struct rt_chan *rt_after(int64_t ns)
RT_NOEXCEPT;

/**
 * Makes a channel, with one reference that the caller owns.
 *
 * @param elem_size  bytes of an element; 0 is allowed
 * @param cap        how many elements it buffers; 0: a send waits for its receiver
 * Returns the channel; NULL if the size overflows or no memory is left.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
struct rt_chan *rt_chan_make(size_t elem_size, size_t cap) RT_NOEXCEPT;

/**
 * Adds a reference.
 *
 * @param c  a channel, or NULL
 * Returns c.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
struct rt_chan *rt_chan_ref(struct rt_chan *c) RT_NOEXCEPT;

/**
 * Drops a reference. The last one frees the channel, with what it buffers, once nobody waits on it.
 *
 * @param c  a channel of which the caller owns a reference, or NULL: then nothing happens
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
void rt_chan_unref(struct rt_chan *c) RT_NOEXCEPT;

/**
 * Sends a copy of an element, waiting for room or a receiver.
 *
 * @param c     the channel; NULL blocks for ever
 * @param elem  in: elem_size bytes; NULL only where elem_size is 0
 * Returns RT_OK.
 * Errors: RT_ECLOSED: closed, also while it waited; RT_EINVAL: elem is NULL; RT_EPERM: only the library feeds
 * it, or it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_chan_send(struct rt_chan *c, const void *elem) RT_NOEXCEPT;

/**
 * Receives an element, waiting for one.
 *
 * @param c     the channel; NULL blocks for ever
 * @param elem  out: elem_size bytes; NULL throws the element away
 * Returns RT_OK.
 * Errors: RT_ECLOSED: closed and drained, elem is zeroed; RT_EPERM: it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_chan_recv(struct rt_chan *c, void *elem) RT_NOEXCEPT;

/**
 * Sends if that needs no waiting.
 *
 * @param c     the channel
 * @param elem  in: elem_size bytes; NULL only where elem_size is 0
 * Returns RT_OK.
 * Errors: RT_EAGAIN: full and no receiver waits, or c is NULL; RT_ECLOSED; RT_EINVAL: elem is NULL;
 * RT_EPERM: only the library feeds it; RT_ENOMEM.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_chan_try_send(struct rt_chan *c, const void *elem) RT_NOEXCEPT;

/**
 * Receives if that needs no waiting.
 *
 * @param c     the channel
 * @param elem  out: elem_size bytes; NULL throws the element away
 * Returns RT_OK.
 * Errors: RT_EAGAIN: empty and no sender waits, or c is NULL; RT_ECLOSED: closed and drained, elem is zeroed;
 * RT_ENOMEM.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_chan_try_recv(struct rt_chan *c, void *elem) RT_NOEXCEPT;

/**
 * Sends, waiting no longer than a time.
 *
 * @param c           the channel; NULL waits for the time
 * @param elem        in: elem_size bytes; NULL only where elem_size is 0
 * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already
 * Returns RT_OK; what can go at once goes, whatever the timeout.
 * Errors: RT_ETIMEDOUT; RT_EAGAIN: for RT_NOWAIT; RT_ECLOSED: closed, also while it waited; RT_EINVAL: elem is NULL;
 * RT_EPERM: only the library feeds it, or it would block in the unlockf of a park; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_chan_send_timeout(struct rt_chan *c, const void *elem, int64_t timeout_ns) RT_NOEXCEPT;

/**
 * Receives, waiting no longer than a time.
 *
 * @param c           the channel; NULL waits for the time
 * @param elem        out: elem_size bytes; NULL throws the element away; untouched on a timeout
 * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already
 * Returns RT_OK; what can go at once goes, whatever the timeout.
 * Errors: RT_ETIMEDOUT; RT_EAGAIN: for RT_NOWAIT; RT_ECLOSED: closed and drained, elem is zeroed; RT_EPERM: it would block
 * in the unlockf of a park; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_chan_recv_timeout(struct rt_chan *c,
                         void *elem,
                         int64_t timeout_ns)
RT_NOEXCEPT;

/**
 * Closes a channel and wakes everybody who waits on it. Buffered elements can still be received.
 *
 * @param c  the channel
 * Returns RT_OK.
 * Errors: RT_ECLOSED: closed already; RT_EINVAL: c is NULL; RT_EPERM: only the library feeds it.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_chan_close(struct rt_chan *c) RT_NOEXCEPT;

/**
 * How many elements are buffered, at some moment of the call; 0 for NULL.
 *
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
size_t rt_chan_len(const struct rt_chan *c) RT_NOEXCEPT;

/**
 * How many elements it can buffer; 0 for NULL.
 *
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
size_t rt_chan_cap(const struct rt_chan *c) RT_NOEXCEPT;

/**
 * Bytes of an element; 0 for NULL.
 *
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
size_t rt_chan_elem_size(const struct rt_chan *c) RT_NOEXCEPT;

/**
 * Performs one of several sends and receives: one that can go at once, each of those as likely as the others; else it
 * waits for the first that can. A case on a closed channel can go: its result is RT_ECLOSED.
 *
 * @param cases       the cases; of the one that goes `result` is written, the others stay untouched
 * @param ncases      how many; at most 65,536. None: only time ends the wait
 * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT (Go's default case); below zero it is over already
 * Returns the index of the case that went.
 * Errors: RT_EAGAIN: for RT_NOWAIT; RT_ETIMEDOUT; RT_EINVAL: cases is NULL, too many, a `dir` that is neither, a
 * send without elem; RT_EPERM: a send to a channel that the library feeds, or it would block in the unlockf of a park;
 * RT_ENOMEM (never with up to 8 cases, but for a timeout). One misused case refuses the whole call.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_select(struct rt_select_case *cases,
              size_t ncases,
              int64_t timeout_ns)
RT_NOEXCEPT;

/**
 * Locks a mutex, waiting for it. A waiter that has waited for 1 ms in vain gets it next.
 *
 * @param m  the mutex
 * Returns RT_OK.
 * Errors: RT_EINVAL: m is NULL; RT_EPERM: it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_mutex_lock(struct rt_mutex *m) RT_NOEXCEPT;

/**
 * Locks a mutex, waiting no longer than a time.
 *
 * @param m           the mutex
 * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already
 * Returns RT_OK.
 * Errors: RT_ETIMEDOUT; RT_EAGAIN: for RT_NOWAIT; RT_EINVAL: m is NULL; RT_EPERM: it would block in the unlockf of a park;
 * RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_mutex_lock_timeout(struct rt_mutex *m,
                          int64_t timeout_ns)
RT_NOEXCEPT;

/**
 * Locks a mutex if that needs no waiting.
 *
 * @param m  the mutex
 * Returns RT_OK.
 * Errors: RT_EAGAIN: it is locked; RT_EINVAL: m is NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_mutex_try_lock(struct rt_mutex *m) RT_NOEXCEPT;

/**
 * Unlocks a mutex. Any goroutine or thread may do so, not only the one that locked it.
 *
 * @param m  the mutex
 * Returns RT_OK.
 * Errors: RT_EPERM: it is not locked; RT_EINVAL: m is NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_mutex_unlock(struct rt_mutex *m) RT_NOEXCEPT;

/**
 * Changes the count of a waitgroup. At zero everybody who waits goes on.
 *
 * @param wg     the waitgroup
 * @param delta  added to the count
 * Returns RT_OK.
 * Errors: RT_EINVAL: wg is NULL, or the count would fall below zero or overflow; nothing changes then.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_waitgroup_add(struct rt_waitgroup *wg, int64_t delta) RT_NOEXCEPT;

/**
 * Lowers the count of a waitgroup by one: rt_waitgroup_add(wg, -1).
 *
 * @param wg  the waitgroup
 * Returns RT_OK.
 * Errors: as rt_waitgroup_add.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_waitgroup_done(struct rt_waitgroup *wg) RT_NOEXCEPT;

/**
 * Waits until the count is zero. The waitgroup may be used again, or freed, when it returns.
 *
 * @param wg  the waitgroup
 * Returns RT_OK.
 * Errors: RT_EINVAL: wg is NULL; RT_EPERM: it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_waitgroup_wait(struct rt_waitgroup *wg) RT_NOEXCEPT;

/**
 * Waits until the count is zero, no longer than a time.
 *
 * @param wg          the waitgroup
 * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already
 * Returns RT_OK.
 * Errors: RT_ETIMEDOUT; RT_EAGAIN: for RT_NOWAIT; RT_EINVAL: wg is NULL; RT_EPERM: it would block in the unlockf of a
 * park; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_waitgroup_wait_timeout(struct rt_waitgroup *wg, int64_t timeout_ns) RT_NOEXCEPT;

/**
 * Starts a goroutine that the waitgroup counts from here until it has ended.
 *
 * @param wg   the waitgroup
 * @param fn   what the goroutine runs
 * @param arg  handed to fn as it is
 * Returns the id of the goroutine, as rt_go.
 * Errors: as rt_go; RT_EINVAL also: wg is NULL, or its count would overflow. The count is unchanged then.
 * Call from: as rt_go. Blocks: nothing. Since 0.1.
 */
int64_t rt_waitgroup_go(struct rt_waitgroup *wg, rt_fn fn, void *arg) RT_NOEXCEPT;

/**
 * Locks a read-write mutex for writing, waiting until nobody else holds it. While it waits no new reader gets in; writers
 * get it in the order they came.
 *
 * @param rw  the read-write mutex
 * Returns RT_OK.
 * Errors: RT_EINVAL: rw is NULL; RT_EPERM: it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_rwmutex_lock(struct rt_rwmutex *rw)
RT_NOEXCEPT;

/**
 * Locks a read-write mutex for writing if that needs no waiting.
 *
 * @param rw  the read-write mutex
 * Returns RT_OK.
 * Errors: RT_EAGAIN: somebody holds it; RT_EINVAL: rw is NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_rwmutex_try_lock(struct rt_rwmutex *rw) RT_NOEXCEPT;

/**
 * Unlocks what was locked for writing. Everybody who waits to read gets in, or else the next writer. Any goroutine or
 * thread may do so, not only the one that locked it.
 *
 * @param rw  the read-write mutex
 * Returns RT_OK.
 * Errors: RT_EPERM: it is not locked for writing; RT_EINVAL: rw is NULL. Nothing changes then.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_rwmutex_unlock(struct rt_rwmutex *rw) RT_NOEXCEPT;

/**
 * Locks a read-write mutex for reading, waiting until no writer holds it or waits for it. Who holds it for reading must
 * not do so again: a writer that came between would wait for the first, and the second for the writer.
 *
 * @param rw  the read-write mutex
 * Returns RT_OK.
 * Errors: RT_EINVAL: rw is NULL; RT_EPERM: it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_rwmutex_rlock(struct rt_rwmutex *rw)
RT_NOEXCEPT;

/**
 * Locks a read-write mutex for reading if that needs no waiting.
 *
 * @param rw  the read-write mutex
 * Returns RT_OK.
 * Errors: RT_EAGAIN: a writer holds it or waits for it; RT_EINVAL: rw is NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_rwmutex_try_rlock(struct rt_rwmutex *rw) RT_NOEXCEPT;

/**
 * Undoes one lock for reading. When the last reader has left, the next writer gets in. Any goroutine or thread may do
 * so, not only one that locked it.
 *
 * @param rw  the read-write mutex
 * Returns RT_OK.
 * Errors: RT_EPERM: it is not locked for reading; RT_EINVAL: rw is NULL. Nothing changes then.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_rwmutex_runlock(struct rt_rwmutex *rw) RT_NOEXCEPT;

/**
 * Unlocks a mutex, waits for a signal or a broadcast, and locks the mutex again. The caller waits from the moment when
 * the mutex is free, and nothing else wakes it. What it waits for may have changed again before it has the mutex, so look
 * at it in a loop.
 *
 * @param c  the condition
 * @param m  the mutex that guards what the caller waits for, locked; locked again when this returns
 * Returns RT_OK.
 * Errors: RT_EPERM: m is not locked, or in the unlockf of a park; RT_EINVAL: c or m is NULL. The mutex is as it was then.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_cond_wait(struct rt_cond *c,
                 struct rt_mutex *m)
RT_NOEXCEPT;

/**
 * rt_cond_wait, waiting for the signal no longer than a time. The mutex is locked again also when time is over; that may
 * take longer.
 *
 * @param c           the condition
 * @param m           as rt_cond_wait
 * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already. One that is over does not wait,
 *                    so the mutex stays locked
 * Returns RT_OK: it was woken by a signal or a broadcast.
 * Errors: RT_ETIMEDOUT: no signal was spent on the caller; RT_EAGAIN: for RT_NOWAIT; RT_ENOMEM; else as rt_cond_wait. The
 * mutex is locked whenever it was.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_cond_wait_timeout(struct rt_cond *c,
                         struct rt_mutex *m,
                         int64_t timeout_ns)
RT_NOEXCEPT;

/**
 * Wakes the one that has waited longest on a condition, if any waits. The caller may hold the mutex, and need not.
 *
 * @param c  the condition
 * Returns RT_OK.
 * Errors: RT_EINVAL: c is NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_cond_signal(struct rt_cond *c) RT_NOEXCEPT;

/**
 * Wakes everybody who waits on a condition. The caller may hold the mutex, and need not.
 *
 * @param c  the condition
 * Returns RT_OK.
 * Errors: RT_EINVAL: c is NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_cond_broadcast(struct rt_cond *c) RT_NOEXCEPT;

/**
 * Calls a function if none was called through this once before. Whoever comes meanwhile waits until it has returned; a
 * goroutine that exits inside of it has returned. In the function a call for the same once waits for itself, for ever.
 *
 * @param o    the once
 * @param fn   the function; it may block
 * @param arg  handed to fn as it is
 * Returns RT_OK: the first function has returned.
 * Errors: RT_EINVAL: o or fn is NULL; RT_EPERM: in the unlockf of a park, and the function has not returned yet.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_once_do(struct rt_once *o,
               rt_fn fn,
               void *arg)
RT_NOEXCEPT;

/**
 * Sets the count of a semaphore, whatever its memory holds. A zeroed semaphore has a count of zero without it.
 *
 * @param s      the semaphore, which nobody uses yet
 * @param count  units that can be acquired at once
 * Returns RT_OK.
 * Errors: RT_EINVAL: s is NULL.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_sema_init(struct rt_sema *s, uint32_t count) RT_NOEXCEPT;

/**
 * Takes a unit, waiting for one. First come, first served.
 *
 * @param s  the semaphore; its memory may go when this returns, if nobody else will use it
 * Returns RT_OK.
 * Errors: RT_EINVAL: s is NULL; RT_EPERM: it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_sema_acquire(struct rt_sema *s) RT_NOEXCEPT;

/**
 * Takes a unit, waiting no longer than a time.
 *
 * @param s           the semaphore
 * @param timeout_ns  nanoseconds, RT_FOREVER, or RT_NOWAIT; below zero it is over already
 * Returns RT_OK.
 * Errors: RT_ETIMEDOUT; RT_EAGAIN: for RT_NOWAIT; RT_EINVAL: s is NULL; RT_EPERM: it would block in the unlockf of a park;
 * RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_sema_acquire_timeout(struct rt_sema *s,
                            int64_t timeout_ns)
RT_NOEXCEPT;

/**
 * Takes a unit if that needs no waiting.
 *
 * @param s  the semaphore
 * Returns RT_OK.
 * Errors: RT_EAGAIN: there is none; RT_EINVAL: s is NULL.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_sema_try_acquire(struct rt_sema *s) RT_NOEXCEPT;

/**
 * Gives a unit: to the one that has waited longest, or else to the count. Whoever gives need not have taken.
 *
 * @param s  the semaphore
 * Returns RT_OK.
 * Errors: RT_EINVAL: s is NULL, or the count would rise above UINT32_MAX; nothing changes then.
 * Call from: any thread, also in an unlockf. Blocks: nothing. Since 0.1.
 */
int rt_sema_release(struct rt_sema *s) RT_NOEXCEPT;

/**
 * The background: the context that never ends. It is immortal: references to it count nothing.
 *
 * Returns it, never NULL. NULL means the same wherever a context is wanted.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
struct rt_ctx *rt_ctx_background(void) RT_NOEXCEPT;

/**
 * A context that ends with its parent, or by rt_ctx_cancel.
 *
 * The last rt_ctx_unref does not cancel: a context that nobody holds any more just leaves its parent.
 *
 * @param parent  the context above it, which it holds; NULL: the background
 * Returns the context, with one reference that the caller owns; it is cancelled already if its parent is. NULL: no memory
 * is left.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
struct rt_ctx *rt_ctx_with_cancel(struct rt_ctx *parent)
RT_NOEXCEPT;

/**
 * rt_ctx_with_cancel that also ends after a time, with RT_ETIMEDOUT.
 *
 * @param parent      as rt_ctx_with_cancel
 * @param timeout_ns  nanoseconds from now; RT_FOREVER, and what would overflow: no deadline of its own; zero or less is over
 *                    already
 * Returns as rt_ctx_with_deadline.
 * Call from: any thread. Blocks: nothing. Starts the runtime if there is a deadline to wait for. Since 0.1.
 */
struct rt_ctx *rt_ctx_with_timeout(struct rt_ctx *parent,
                                   int64_t timeout_ns)
RT_NOEXCEPT;

/**
 * rt_ctx_with_cancel that also ends at a point in time, with RT_ETIMEDOUT. If that of its parent comes before, that is its
 * deadline.
 *
 * rt_stop cancels contexts that have a deadline to come, with RT_ECANCELED. In a forked child such a deadline does not come.
 *
 * @param parent       as rt_ctx_with_cancel
 * @param deadline_ns  nanoseconds as rt_now has them; RT_FOREVER and INT64_MAX: no deadline of its own; what is past is over
 *                     already
 * Returns the context, with one reference that the caller owns. NULL: no memory is left, or the runtime is being stopped and
 * the caller is no goroutine.
 * Call from: any thread. Blocks: nothing. Starts the runtime if there is a deadline to wait for. Since 0.1.
 */
struct rt_ctx *rt_ctx_with_deadline(struct rt_ctx *parent,
                                    int64_t deadline_ns)
RT_NOEXCEPT;

/**
 * Adds a reference.
 *
 * @param ctx  a context; for the background nothing happens
 * Returns ctx.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
struct rt_ctx *rt_ctx_ref(struct rt_ctx *ctx) RT_NOEXCEPT;

/**
 * Drops a reference. Children and hooks hold their context, too. When nobody does, it leaves its parent, its deadline is
 * dropped, and its channel goes with the last reference to that; nobody is told.
 *
 * @param ctx  a context of which the caller owns a reference; for the background nothing happens
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
void rt_ctx_unref(struct rt_ctx *ctx)
RT_NOEXCEPT;

/**
 * Ends a context and all that are below it, unless it is over: their channels are closed and their hooks start.
 *
 * @param ctx    the context
 * @param cause  what rt_ctx_cause answers from then on, of those below as well; 0: RT_ECANCELED
 * Returns RT_OK, also for a context that is over: nothing changes then.
 * Errors: RT_EINVAL: ctx is the background; RT_EPERM: in the unlockf of a park. RT_ENOMEM, RT_ECANCELED: it has ended, but
 * functions of its hooks do not start: there is no memory for the runtime, or it is being stopped, and the caller is no
 * goroutine.
 * Call from: any thread. Blocks: nothing. Starts the runtime if there are hooks. Since 0.1.
 */
int rt_ctx_cancel(struct rt_ctx *ctx,
                  int cause)
RT_NOEXCEPT;

/**
 * Whether a context is over.
 *
 * @param ctx  the context
 * Returns RT_OK while it is not; RT_ETIMEDOUT if a deadline has ended it, its own or that of one above it; else
 * RT_ECANCELED. It never changes once it is not RT_OK, which it is before rt_ctx_done is seen closed.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_ctx_err(const struct rt_ctx *ctx) RT_NOEXCEPT;

/**
 * Why a context is over.
 *
 * @param ctx  the context
 * Returns the cause that was given to rt_ctx_cancel, also where it came from above; without one as rt_ctx_err.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_ctx_cause(const struct rt_ctx *ctx) RT_NOEXCEPT;

/**
 * When a context ends by itself: its own deadline, or one above it that comes before.
 *
 * @param ctx  the context
 * Returns nanoseconds as rt_now has them; RT_FOREVER: there is no deadline.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int64_t rt_ctx_deadline(const struct rt_ctx *ctx) RT_NOEXCEPT;

/**
 * The channel that is closed when a context ends: a receive from it waits for the end, also as a case of a select. It has
 * elements of size 0, of which there never is one.
 *
 * @param ctx  the context
 * Returns the channel, which belongs to the context: add a reference to keep it longer. NULL for the background, which never
 * ends, as a receive from NULL never does.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
struct rt_chan *rt_ctx_done(struct rt_ctx *ctx)
RT_NOEXCEPT;

/**
 * Lets a function run, in a goroutine of its own, once a context is over; at once if it is so already. Without memory for
 * the goroutine it is tried again until there is some. rt_stop does not wait for the end of contexts.
 *
 * @param ctx  the context, which the hook holds until it is stopped
 * @param fn   the function
 * @param arg  handed to it as it is
 * @param out  out: the hook, which the caller owns and frees by rt_ctx_hook_stop, whether the function runs or not. It is
 *             there before the function starts
 * Returns RT_OK.
 * Errors: RT_EINVAL: fn or out is NULL; RT_ENOMEM; RT_ECANCELED: the context is over, and the runtime is being stopped;
 * RT_EPERM: in the unlockf of a park.
 * Call from: any thread. Blocks: nothing. Starts the runtime if the context is over. Since 0.1.
 */
int rt_ctx_after_func(struct rt_ctx *ctx,
                      rt_fn fn,
                      void *arg,
                      struct rt_ctx_hook **out)
RT_NOEXCEPT;

/**
 * Takes a hook off its context and frees it. It does not wait for the function if that runs, and may be called from it.
 *
 * @param hook  the hook, which the caller does not use again; or NULL: then nothing happens
 * Returns true if the function will never start; false if it was started, and for NULL.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
bool rt_ctx_hook_stop(struct rt_ctx_hook *hook)
RT_NOEXCEPT;

/**
 * A group without goroutines, with a context of its own.
 *
 * @param parent  the context above that of the group; NULL: the background
 * Returns the group, for the caller to free; NULL: no memory is left.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
struct rt_group *rt_group_new(struct rt_ctx *parent) RT_NOEXCEPT;

/**
 * The context of a group. It ends with its parent, with the first error, or when rt_group_wait returns; rt_ctx_cancel
 * ends it as well. Of the first error it has the cause.
 *
 * @param g  the group
 * Returns the context, which belongs to the group: add a reference to keep it longer. NULL for NULL.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
struct rt_ctx *rt_group_ctx(struct rt_group *g) RT_NOEXCEPT;

/**
 * Starts a goroutine of a group. At the limit it waits until another one has ended; also when the context is over: whether to
 * start work then is up to the caller.
 *
 * The first result that is not RT_OK is the group's, and cancels its context with that for a cause. A goroutine that leaves
 * by rt_goexit has no result. It counts until what it has put off, and the destructors of its keys, have run.
 *
 * @param g    the group
 * @param fn   what the goroutine runs
 * @param arg  handed to fn as it is
 * Returns the id of the goroutine, as rt_go.
 * Errors: as rt_go; RT_EINVAL also: g is NULL. fn will not run then, and counts nowhere.
 * Call from: any thread, also from goroutines of the group; not from the unlockf of a park. Blocks: at the limit, the
 * goroutine or the plain thread. Starts the runtime. Since 0.1.
 */
int64_t rt_group_go(struct rt_group *g,
                    rt_group_fn fn,
                    void *arg)
RT_NOEXCEPT;

/**
 * Limits how many goroutines of a group may be at once.
 *
 * @param g      the group
 * @param limit  how many; 0: any number, as it is without this call
 * Returns RT_OK.
 * Errors: RT_EBUSY: the group has, or had, a goroutine; RT_EINVAL: g is NULL.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_group_set_limit(struct rt_group *g, size_t limit) RT_NOEXCEPT;

/**
 * Waits until no goroutine of a group is left, and ends its context. May be called again, from several threads, and after
 * further goroutines were started, whose context is over then.
 *
 * @param g  the group
 * Returns the first result that was not RT_OK, whatever it is; RT_OK if there was none.
 * Errors: RT_EINVAL: g is NULL; RT_EPERM: called by a goroutine of the group, or it would block in the unlockf of a park.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_group_wait(struct rt_group *g)
RT_NOEXCEPT;

/**
 * Ends the context of a group, waits until no goroutine of it is left, and frees it.
 *
 * @param g  the group, which the caller does not use again; or NULL: then nothing happens
 * Called by a goroutine of the group, which it would wait for, or in the unlockf of a park, it does nothing.
 * Where the caller's on_park (rt_go_opts) refuses the wait, the context ends, and the group stays: it is to be freed again.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
void rt_group_free(struct rt_group *g)
RT_NOEXCEPT;

/**
 * Makes a key, under which every goroutine and every plain thread, present and future, has NULL.
 *
 * The destructor is called for each value that is not NULL when its goroutine ends, on it, after what it has put off by
 * rt_defer; on a plain thread when the thread ends. The value is NULL by then. If destructors set values, they are called
 * again, in at most four rounds. It may do what a goroutine may; it must not be left by an exception or longjmp.
 *
 * @param key         out: the key
 * @param destructor  called with the value; NULL: none
 * Returns RT_OK.
 * Errors: RT_EINVAL: key is NULL; RT_ENOMEM: no memory is left, or there are 65,535 keys.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_key_create(rt_key *key,
                  rt_fn destructor)
RT_NOEXCEPT;

/**
 * Deletes a key. What is kept under it is forgotten, without its destructor.
 *
 * @param key  the key
 * Returns RT_OK.
 * Errors: RT_EINVAL: there is no such key.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_key_delete(rt_key key) RT_NOEXCEPT;

/**
 * What the calling goroutine, or plain thread, has under a key.
 *
 * @param key  the key
 * Returns the value; NULL: it has set none, there is no such key, or in the unlockf of a park.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
void *rt_key_get(rt_key key) RT_NOEXCEPT;

/**
 * Sets what the calling goroutine, or plain thread, has under a key. No destructor is called for what it had. In rt_blocking
 * it is the goroutine's.
 *
 * A goroutine that has set a value uses 16 bytes for each key up to the highest that it has set.
 *
 * @param key    the key
 * @param value  the value, or NULL
 * Returns RT_OK.
 * Errors: RT_EINVAL: there is no such key; RT_ENOMEM: the value is as before; RT_EPERM: in the unlockf of a park.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_key_set(rt_key key,
               const void *value)
RT_NOEXCEPT;

/**
 * read(2): bytes from any descriptor. Where there are none yet, waits for them; the descriptor's flags stay as they are,
 * blocking or not.
 *
 * @param fd   the descriptor
 * @param buf  where they go
 * @param len  room there, bytes
 * Returns how many there were, at least one; 0 at the end, or if len is 0.
 * Errors: what read answers, such as -EBADF or -ECONNRESET; RT_ETIMEDOUT: its deadline is over; RT_ECANCELED: it was closed or
 * forgotten meanwhile; RT_EINVAL: buf is NULL and len is not 0; RT_EPERM: it would block in an unlockf; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
ssize_t rt_read(int fd,
                void *buf,
                size_t len)
RT_NOEXCEPT;

/**
 * write(2): bytes to any descriptor. Where there is no room yet, waits for it; on a blocking descriptor until all are written,
 * on a non-blocking one until some are. There is never a SIGPIPE.
 *
 * @param fd   the descriptor
 * @param buf  the bytes
 * @param len  how many
 * Returns how many were written; fewer than len also if something failed after those.
 * Errors: what write answers, such as -EBADF or -EPIPE (RT_ECLOSED); and as rt_read.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
ssize_t rt_write(int fd,
                 const void *buf,
                 size_t len)
RT_NOEXCEPT;

/**
 * readv(2): rt_read into several buffers, which are filled one after the other.
 *
 * @param fd      the descriptor
 * @param iov     the buffers
 * @param iovcnt  how many, from 0 to 1,024
 * Returns as rt_read.
 * Errors: as rt_read; RT_EINVAL: also a count that is out of range.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
ssize_t rt_readv(int fd, const struct iovec *iov, int iovcnt) RT_NOEXCEPT;

/**
 * writev(2): rt_write from several buffers, one after the other.
 *
 * @param fd      the descriptor
 * @param iov     the buffers
 * @param iovcnt  how many, from 0 to 1,024
 * Returns as rt_write.
 * Errors: as rt_write; RT_EINVAL: also a count that is out of range.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
ssize_t rt_writev(int fd, const struct iovec *iov, int iovcnt) RT_NOEXCEPT;

/**
 * Writes all bytes, waiting as often as need be.
 *
 * @param fd    the descriptor
 * @param buf   the bytes
 * @param len   how many
 * @param done  out, also with an error: how many were written; or NULL
 * Returns RT_OK.
 * Errors: as rt_write.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_write_all(int fd, const void *buf, size_t len, size_t *done) RT_NOEXCEPT;

/**
 * Reads until the buffer is full, waiting as often as need be.
 *
 * @param fd    the descriptor
 * @param buf   where the bytes go
 * @param len   how many
 * @param done  out, also with an error: how many were read; or NULL
 * Returns RT_OK.
 * Errors: RT_ECLOSED: the end came first; and as rt_read.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_read_full(int fd, void *buf, size_t len, size_t *done) RT_NOEXCEPT;

/**
 * Waits until a descriptor is ready. It asks the system, so what was ready before counts; an error or a hang-up is readiness.
 * Any number of goroutines and threads may wait for one descriptor; readiness wakes them all.
 *
 * @param fd          the descriptor
 * @param events      RT_POLL_READ, RT_POLL_WRITE, or both
 * @param timeout_ns  how long to wait, nanoseconds; RT_FOREVER or RT_NOWAIT
 * Returns those of the events that are ready, above 0.
 * Errors: RT_ETIMEDOUT, also for its deadline; RT_EAGAIN: not ready, with RT_NOWAIT; RT_ECANCELED: it was closed or forgotten
 * meanwhile; -EBADF; RT_EINVAL: other events, or none; RT_EPERM: it would block in an unlockf; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_fd_wait(int fd,
               int events,
               int64_t timeout_ns)
RT_NOEXCEPT;

/**
 * Sets the time at which calls that read, or write, end with RT_ETIMEDOUT: those that wait, and those to come. It holds until
 * it is set anew or the descriptor is closed. rt_poll has none.
 *
 * @param fd           the descriptor
 * @param events       for RT_POLL_READ (also accept), RT_POLL_WRITE (also connect), or both
 * @param deadline_ns  a time as rt_now tells it, nanoseconds; 0: none; one that is over ends calls at once
 * Returns RT_OK.
 * Errors: -EOPNOTSUPP: a regular file; -EBADF; RT_EINVAL: other events, or none; RT_ENOMEM.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_fd_set_deadline(int fd,
                       int events,
                       int64_t deadline_ns)
RT_NOEXCEPT;

/**
 * Makes the library forget a descriptor, which stays open: who waits for it gets RT_ECANCELED, and it has no deadlines any
 * more. For handing it to code that will close it.
 *
 * @param fd  the descriptor
 * Returns RT_OK.
 * Errors: -EBADF: it is not open.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_fd_forget(int fd)
RT_NOEXCEPT;

/**
 * close(2): who waits for the descriptor gets RT_ECANCELED, and calls from here on -EBADF. The number is free when it returns,
 * or, if a call blocks inside the system with it (a blocking connect, a terminal), when that has come out.
 *
 * @param fd  the descriptor
 * Returns RT_OK.
 * Errors: -EBADF: it is not open, or is being closed; what close answers, such as -EIO: it is closed then, too.
 * Call from: any thread. Blocks: as close does. Since 0.1.
 */
int rt_close(int fd)
RT_NOEXCEPT;

/**
 * poll(2): waits until one of several descriptors has one of its events. Only the unit of the timeout differs.
 *
 * @param fds         in: descriptors (negative ones are left out) and events; out: revents
 * @param nfds        how many
 * @param timeout_ns  how long to wait, nanoseconds; RT_FOREVER or RT_NOWAIT
 * Returns how many have events; 0 when time is over.
 * Errors: RT_ECANCELED: one of them was closed or forgotten meanwhile; RT_EINVAL: fds is NULL and nfds is not 0, or more
 * than the process may have open; RT_EPERM: it would block in an unlockf; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_poll(struct pollfd *fds,
            size_t nfds,
            int64_t timeout_ns)
RT_NOEXCEPT;

/**
 * recv(2): a message, or bytes of a stream, from a socket.
 *
 * @param fd     the socket
 * @param buf    where they go
 * @param len    room there, bytes
 * @param flags  those of recv; with MSG_DONTWAIT it never waits and answers RT_EAGAIN
 * Returns how many bytes; 0 at the end of a stream.
 * Errors: what recv answers, such as -ENOTSOCK; and as rt_read.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
ssize_t rt_recv(int fd, void *buf, size_t len, int flags) RT_NOEXCEPT;

/**
 * send(2): a message, or bytes of a stream, to a connected socket. As rt_write on how much of a stream. There is never a
 * SIGPIPE.
 *
 * @param fd     the socket
 * @param buf    the bytes
 * @param len    how many
 * @param flags  those of send; with MSG_DONTWAIT it never waits and answers RT_EAGAIN
 * Returns how many bytes.
 * Errors: what send answers, such as -ENOTCONN; and as rt_write.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
ssize_t rt_send(int fd,
                const void *buf,
                size_t len,
                int flags)
RT_NOEXCEPT;

/**
 * recvfrom(2): as rt_recv, and from whom.
 *
 * @param fd       the socket
 * @param buf      where the bytes go
 * @param len      room there, bytes
 * @param flags    as rt_recv
 * @param addr     out: the sender's address; or NULL
 * @param addrlen  in: room at addr, bytes; out: the address's size; NULL if addr is
 * Returns as rt_recv.
 * Errors: as rt_recv.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
ssize_t rt_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr, socklen_t *addrlen) RT_NOEXCEPT;

/**
 * sendto(2): as rt_send, to an address.
 *
 * @param fd       the socket
 * @param buf      the bytes
 * @param len      how many
 * @param flags    as rt_send
 * @param addr     the address; or NULL
 * @param addrlen  its size, bytes
 * Returns as rt_send.
 * Errors: as rt_send.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
ssize_t rt_sendto(int fd,
                  const void *buf,
                  size_t len,
                  int flags,
                  const struct sockaddr *addr,
                  socklen_t addrlen)
RT_NOEXCEPT;

/**
 * recvmsg(2): a message in several buffers, with its control data.
 *
 * @param fd     the socket
 * @param msg    in and out, as recvmsg has it
 * @param flags  as rt_recv
 * Returns as rt_recv.
 * Errors: as rt_recv; RT_EINVAL: msg is NULL.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
ssize_t rt_recvmsg(int fd, struct msghdr *msg, int flags) RT_NOEXCEPT;

/**
 * sendmsg(2): a message from several buffers, with control data. As rt_write on how much of a stream.
 *
 * @param fd     the socket
 * @param msg    the message
 * @param flags  as rt_send
 * Returns as rt_send.
 * Errors: as rt_send; RT_EINVAL: msg is NULL.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
ssize_t rt_sendmsg(int fd, const struct msghdr *msg, int flags) RT_NOEXCEPT;

/**
 * accept(2): the next connection of a listening socket, as a non-blocking descriptor that is closed on exec.
 *
 * @param fd       the listening socket
 * @param addr     out: the peer's address; or NULL
 * @param addrlen  in: room at addr, bytes; out: the address's size; NULL if addr is
 * Returns the new descriptor.
 * Errors: what accept answers, such as -EMFILE: who comes then waits in the queue, and is there for a later call; and as
 * rt_read.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_accept(int fd,
              struct sockaddr *addr,
              socklen_t *addrlen)
RT_NOEXCEPT;

/**
 * accept4(2): as rt_accept, with the caller's flags alone.
 *
 * @param fd       the listening socket
 * @param addr     as rt_accept
 * @param addrlen  as rt_accept
 * @param flags    SOCK_NONBLOCK, SOCK_CLOEXEC, both, or 0
 * Returns the new descriptor.
 * Errors: as rt_accept.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_accept4(int fd, struct sockaddr *addr, socklen_t *addrlen, int flags) RT_NOEXCEPT;

/**
 * connect(2): connects a socket, and waits until it is.
 *
 * @param fd       the socket
 * @param addr     where to
 * @param addrlen  the address's size, bytes
 * Returns RT_OK.
 * Errors: what connect answers, such as -ECONNREFUSED; RT_EINVAL: addr is NULL; and as rt_write. On a blocking socket a
 * deadline and rt_close end it only where the system has io_uring.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_connect(int fd,
               const struct sockaddr *addr,
               socklen_t addrlen)
RT_NOEXCEPT;

/**
 * Listens for TCP connections.
 *
 * @param address  "host:port", "[IPv6 address]:port", or ":port" for all addresses of this machine, IPv6 and IPv4; port 0: any
 *                 that is free
 * @param backlog  how many connections may wait to be accepted; below 1: as many as the system allows
 * Returns a non-blocking descriptor that is closed on exec, for rt_accept.
 * Errors: RT_EINVAL: address is NULL, or has no port; RT_EAI_BASE less an EAI code: the name; what socket, bind and listen
 * answer, such as -EADDRINUSE; RT_EPERM: in an unlockf; RT_ENOMEM.
 * Call from: any thread. Blocks: the goroutine, or the plain thread, while a name is looked up. Since 0.1.
 */
int rt_tcp_listen(const char *address,
                  int backlog)
RT_NOEXCEPT;

/**
 * Connects by TCP. Of a name's addresses the first that answers is taken; each gets its part of the time.
 *
 * @param address     "host:port" or "[IPv6 address]:port"; without a host this machine
 * @param timeout_ns  how long to wait, nanoseconds; RT_FOREVER or RT_NOWAIT. A name's lookup counts, but is not cut short
 * Returns a non-blocking descriptor that is closed on exec.
 * Errors: as rt_tcp_listen; what connect answers, such as -ECONNREFUSED; RT_ETIMEDOUT; RT_EAGAIN: it would have to wait, with
 * RT_NOWAIT.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_tcp_dial(const char *address,
                int64_t timeout_ns)
RT_NOEXCEPT;

/**
 * getaddrinfo(3), on a thread of its own: other goroutines go on.
 *
 * @param node     the name; or NULL
 * @param service  the service or port; or NULL
 * @param hints    as getaddrinfo has them; or NULL
 * @param res      out: the list, to be freed by freeaddrinfo
 * Returns RT_OK.
 * Errors: RT_EAI_BASE less an EAI code (rt_strerror knows it); what the system answers instead of EAI_SYSTEM; RT_ENOMEM;
 * RT_EINVAL: res is NULL; RT_EPERM: in an unlockf.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_getaddrinfo(const char *node,
                   const char *service,
                   const struct addrinfo *hints,
                   struct addrinfo **res)
RT_NOEXCEPT;

/**
 * open(2), with the caller's flags alone.
 *
 * @param path   the file
 * @param flags  those of open
 * @param mode   permissions of a file that it makes
 * Returns the descriptor.
 * Errors: what open answers, such as -ENOENT; RT_EINVAL: path is NULL; RT_EPERM: in an unlockf.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_open(const char *path, int flags, unsigned int mode) RT_NOEXCEPT;

/**
 * pread(2): bytes of a file, from an offset on.
 *
 * @param fd      the file
 * @param buf     where they go
 * @param len     room there, bytes
 * @param offset  from the file's beginning, bytes
 * Returns how many there were; fewer than len at the end of the file.
 * Errors: what pread answers, such as -ESPIPE; RT_EINVAL: buf is NULL and len is not 0, a negative offset; RT_EPERM: it would
 * block in an unlockf; RT_ECANCELED: it was closed or forgotten while it waited for the system.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
ssize_t rt_pread(int fd,
                 void *buf,
                 size_t len,
                 int64_t offset)
RT_NOEXCEPT;

/**
 * pwrite(2): bytes to a file, from an offset on.
 *
 * @param fd      the file
 * @param buf     the bytes
 * @param len     how many
 * @param offset  from the file's beginning, bytes
 * Returns how many were written.
 * Errors: what pwrite answers, such as -ENOSPC; and as rt_pread.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
ssize_t rt_pwrite(int fd, const void *buf, size_t len, int64_t offset) RT_NOEXCEPT;

/**
 * fsync(2): waits until what was written to a file is on its device.
 *
 * @param fd  the file
 * Returns RT_OK.
 * Errors: what fsync answers, such as -EIO; RT_EPERM: in an unlockf; RT_ECANCELED: it was closed or forgotten while it waited for
 * the system.
 * Call from: any thread. Blocks: the goroutine, or the plain thread. Since 0.1.
 */
int rt_fsync(int fd)
RT_NOEXCEPT;

/**
 * Reads the counts of the runtime. Each is exact in itself; together they are of no one moment.
 *
 * @param stats  in: struct_size; out: the counts, up to the smaller of the caller's size and the library's
 * Returns RT_OK.
 * Errors: RT_EINVAL: stats is NULL, struct_size is smaller than in version 0.1, or what lies behind the known members is
 * not zero; RT_ENOMEM.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_stats_read(struct rt_stats *stats)
RT_NOEXCEPT;

/**
 * Writes every goroutine to a descriptor: id, name, state, what it waits for and how long, where it was started, and, if it is
 * parked, its stack with the names there are. Nothing stops meanwhile: what runs may show what it no longer is.
 *
 * @param fd  a descriptor to write to
 * Returns RT_OK.
 * Errors: what write answers, such as -EBADF; RT_ENOMEM.
 * Call from: any thread. Blocks: the caller, as write does. Since 0.1.
 */
int rt_dump(int fd)
RT_NOEXCEPT;

/**
 * Writes a dump to standard error whenever a signal comes. The signal's handler is replaced; a thread of its own writes the
 * dump.
 *
 * @param signo  a signal, such as SIGQUIT or SIGUSR1
 * Returns RT_OK.
 * Errors: RT_EINVAL: no such signal, or one that can't be handled; else what pipe or the making of a thread answers.
 * Call from: any thread. Blocks: nothing. Since 0.1.
 */
int rt_dump_on_signal(int signo)
RT_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* GORT_H */
