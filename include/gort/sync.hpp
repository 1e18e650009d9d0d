// Locks and the like.
//
// None of them can be copied or moved. Goroutines and plain threads may share them, and unlock what another has locked.
// The guards of <mutex> and <shared_mutex> fit: std::unique_lock, std::scoped_lock, std::shared_lock.
#ifndef GORT_SYNC_HPP
#define GORT_SYNC_HPP

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>

#include <gort/goroutine.hpp>
#include <gort/time.hpp>

namespace gort {

/// A mutex: Lockable and TimedLockable. A waiter that has waited for 1 ms in vain gets it next. Since 0.1.
class mutex : detail::pinned {
public:
    /// Locks it, waiting for it. Blocks. Throws: RT_EPERM in the unlockf of a park.
    void lock() { detail::check(rt_mutex_lock(&m_), "rt_mutex_lock"); }
    /// Locks it if that needs no waiting. Blocks nothing.
    bool try_lock() { return detail::in_time(rt_mutex_try_lock(&m_), "rt_mutex_try_lock"); }
    /// Locks it, waiting no longer than d, or until a point in time. Blocks. Throws: as lock; RT_ENOMEM.
    template <class Rep, class Period>
    bool try_lock_for(const std::chrono::duration<Rep, Period>& d) {
        return lock_within(detail::timeout(d));
    }
    template <class Duration>
    bool try_lock_until(const std::chrono::time_point<std::chrono::steady_clock, Duration>& at) {
        return lock_within(detail::time_left(at));
    }
    /// Unlocks it. Blocks nothing. Throws: RT_EPERM: it is not locked.
    void unlock() { detail::check(rt_mutex_unlock(&m_), "rt_mutex_unlock"); }

    rt_mutex* native_handle() noexcept { return &m_; }

private:
    bool lock_within(std::int64_t ns) {
        return detail::in_time(rt_mutex_lock_timeout(&m_, ns), "rt_mutex_lock_timeout");
    }

    rt_mutex m_{};
};

/// A lock for many readers or one writer: SharedLockable, without timeouts. A waiting writer holds back new readers, so
/// a reader must not lock it twice. Since 0.1.
class shared_mutex : detail::pinned {
public:
    /// For writing. lock blocks; try_lock and unlock do not. Throws: RT_EPERM: unlock of what is not locked, lock in
    /// the unlockf of a park.
    void lock() { detail::check(rt_rwmutex_lock(&m_), "rt_rwmutex_lock"); }
    bool try_lock() { return detail::in_time(rt_rwmutex_try_lock(&m_), "rt_rwmutex_try_lock"); }
    void unlock() { detail::check(rt_rwmutex_unlock(&m_), "rt_rwmutex_unlock"); }

    /// For reading. Blocks and throws: as for writing.
    void lock_shared() { detail::check(rt_rwmutex_rlock(&m_), "rt_rwmutex_rlock"); }
    bool try_lock_shared() { return detail::in_time(rt_rwmutex_try_rlock(&m_), "rt_rwmutex_try_rlock"); }
    void unlock_shared() { detail::check(rt_rwmutex_runlock(&m_), "rt_rwmutex_runlock"); }

    rt_rwmutex* native_handle() noexcept { return &m_; }

private:
    rt_rwmutex m_{};
};

/// A condition variable for gort::mutex. No spurious wake-ups. Since 0.1.
///
/// The waits unlock, wait, and have locked again when they return, whatever the outcome; a timeout that is over already
/// leaves it locked. They block. They throw: RT_EPERM: the lock does not own its mutex, or in the unlockf of a park;
/// RT_ENOMEM.
class condition_variable : detail::pinned {
public:
    /// Wakes the one that has waited longest, or all. Blocks nothing.
    void notify_one() noexcept { rt_cond_signal(&c_); }
    void notify_all() noexcept { rt_cond_broadcast(&c_); }

    /// Waits until it is notified.
    void wait(std::unique_lock<mutex>& lock) { detail::check(rt_cond_wait(&c_, of(lock)), "rt_cond_wait"); }
    /// Waits until pred() is true, which is called with the mutex locked.
    template <class Pred>
    void wait(std::unique_lock<mutex>& lock, Pred pred) {
        while (!pred()) wait(lock);
    }

    /// Waits until it is notified, no longer than d, or until a point in time.
    template <class Rep, class Period>
    std::cv_status wait_for(std::unique_lock<mutex>& lock, const std::chrono::duration<Rep, Period>& d) {
        return wait_within(lock, detail::timeout(d));
    }
    template <class Duration>
    std::cv_status wait_until(std::unique_lock<mutex>& lock,
                              const std::chrono::time_point<std::chrono::steady_clock, Duration>& at) {
        return wait_within(lock, detail::time_left(at));
    }
    /// Waits until pred() is true, or time is over. Answers pred().
    template <class Rep, class Period, class Pred>
    bool wait_for(std::unique_lock<mutex>& lock, const std::chrono::duration<Rep, Period>& d, Pred pred) {
        return wait_until(lock, detail::deadline(d), std::move(pred));
    }
    template <class Duration, class Pred>
    bool wait_until(std::unique_lock<mutex>& lock,
                    const std::chrono::time_point<std::chrono::steady_clock, Duration>& at, Pred pred) {
        while (!pred())
            if (wait_until(lock, at) == std::cv_status::timeout) return pred();
        return true;
    }

    rt_cond* native_handle() noexcept { return &c_; }

private:
    static rt_mutex* of(std::unique_lock<mutex>& lock) {
        if (!lock.owns_lock()) detail::fail(RT_EPERM, "gort::condition_variable");
        return lock.mutex()->native_handle();
    }
    std::cv_status wait_within(std::unique_lock<mutex>& lock, std::int64_t ns) {
        const int code = rt_cond_wait_timeout(&c_, of(lock), ns);
        return detail::in_time(code, "rt_cond_wait_timeout") ? std::cv_status::no_timeout : std::cv_status::timeout;
    }

    rt_cond c_{};
};

/// A count to wait for. May be used again, or destroyed, once wait has returned. Since 0.1.
class wait_group : detail::pinned {
public:
    /// Changes the count. Blocks nothing. Throws: RT_EINVAL: it would fall below zero or overflow.
    void add(std::int64_t n = 1) { detail::check(rt_waitgroup_add(&wg_, n), "rt_waitgroup_add"); }
    void done() { detail::check(rt_waitgroup_done(&wg_), "rt_waitgroup_done"); }

    /// Waits until it is zero. Blocks. Throws: RT_EPERM in the unlockf of a park.
    void wait() { detail::check(rt_waitgroup_wait(&wg_), "rt_waitgroup_wait"); }
    /// Waits until it is zero, no longer than d: false when time was over first. Blocks. Throws: as wait; RT_ENOMEM.
    template <class Rep, class Period>
    [[nodiscard]] bool wait_for(const std::chrono::duration<Rep, Period>& d) {
        return detail::in_time(rt_waitgroup_wait_timeout(&wg_, detail::timeout(d)), "rt_waitgroup_wait_timeout");
    }

    /// gort::go, counted from here until the goroutine has ended, f and args are destroyed and its defers have run.
    /// Throws: as gort::go, RT_EINVAL: the count would overflow; it is unchanged then.
    template <class F, class... Args>
    std::int64_t go(F&& f, Args&&... args) {
        const auto c_call = [this](rt_fn fn, void* arg) { return rt_waitgroup_go(&wg_, fn, arg); };
        return detail::start("rt_waitgroup_go", c_call, std::forward<F>(f), std::forward<Args>(args)...);
    }

    rt_waitgroup* native_handle() noexcept { return &wg_; }

private:
    rt_waitgroup wg_{};
};

/// Calls a function once, whoever comes first. Since 0.1.
class once : detail::pinned {
public:
    /// Calls f(args...) if no call came before, else waits until the first has returned. An exception out of f, and
    /// exit_goroutine in it, reaches this caller and counts as done. Blocks. Throws: what f throws.
    template <class F, class... Args>
    void call(F&& f, Args&&... args) {
        detail::call_through(
            "rt_once_do", [this](rt_fn fn, void* arg) { return rt_once_do(&o_, fn, arg); },
            [&] { std::invoke(std::forward<F>(f), std::forward<Args>(args)...); });
    }

    rt_once* native_handle() noexcept { return &o_; }

private:
    rt_once o_{};
};

/// A counting semaphore: first come, first served. It may be destroyed by its last acquirer. Since 0.1.
class semaphore : detail::pinned {
public:
    explicit semaphore(std::uint32_t count = 0) { detail::check(rt_sema_init(&s_, count), "rt_sema_init"); }

    /// Takes one, waiting for it. Blocks. Throws: RT_EPERM in the unlockf of a park.
    void acquire() { detail::check(rt_sema_acquire(&s_), "rt_sema_acquire"); }
    /// Takes one if that needs no waiting. Blocks nothing.
    [[nodiscard]] bool try_acquire() { return detail::in_time(rt_sema_try_acquire(&s_), "rt_sema_try_acquire"); }
    /// Takes one, waiting no longer than d. Blocks. Throws: as acquire; RT_ENOMEM.
    template <class Rep, class Period>
    [[nodiscard]] bool try_acquire_for(const std::chrono::duration<Rep, Period>& d) {
        return detail::in_time(rt_sema_acquire_timeout(&s_, detail::timeout(d)), "rt_sema_acquire_timeout");
    }
    /// Gives n: to those that have waited longest, the rest to the count. Blocks nothing. Throws: RT_EINVAL: the count
    /// would overflow; those before are given then.
    void release(std::uint32_t n = 1) {
        for (; n > 0; n--) detail::check(rt_sema_release(&s_), "rt_sema_release");
    }

    rt_sema* native_handle() noexcept { return &s_; }

private:
    rt_sema s_{};
};

}  // namespace gort

#endif  // GORT_SYNC_HPP
