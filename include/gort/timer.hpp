// Timers, tickers, and a channel that receives the time.
//
// A function of a timer may run while its timer is destroyed, by somebody else or by itself. A call keeps the function alive,
// and the destructor waits for a call that has begun.
#ifndef GORT_TIMER_HPP
#define GORT_TIMER_HPP

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include <gort/chan.hpp>
#include <gort/goroutine.hpp>

namespace gort {

/// A channel that receives the time once, after d. Dropping it drops its timer. Blocks nothing. Throws: RT_ENOMEM.
/// Since 0.1.
template <class Rep, class Period>
[[nodiscard]] chan<time_point> after(const std::chrono::duration<Rep, Period>& d) {
    static_assert(sizeof(time_point) == sizeof(std::int64_t), "the library sends nanoseconds");
    auto c = chan<time_point>::adopt(rt_after(detail::to_ns(d)));
    if (!c) detail::fail(RT_ENOMEM, "rt_after");
    return c;
}

namespace detail {

// A function that a timer may call again and again. A call keeps it alive: it may destroy its own timer.
template <class F>
class timer_task : public std::enable_shared_from_this<timer_task<F>> {
public:
    template <class G>
    explicit timer_task(std::in_place_t, G&& f) : f_(std::forward<G>(f)) {}

    static void entry(void* self) {
        const auto alive = static_cast<timer_task*>(self)->shared_from_this();
        run_to_exit([&] { static_cast<void>(std::invoke(alive->f_)); });
    }

private:
    F f_;
};

// The task goes after the timer, and after a call that runs.
struct timer_free {
    std::shared_ptr<void> task;

    void operator()(rt_timer* t) const noexcept {
        rt_timer_stop_wait(t);
        rt_timer_free(t);
    }
};

class timer_base {
public:
    /// No value can be received any more, no call begins. True if, but for this, a value would still have been
    /// received, or the function called. Does not wait for a function that runs. Blocks nothing.
    bool stop() noexcept { return rt_timer_stop(t_.get()); }

    /// From now on, with a new time: as if made anew. True as for stop. Of a ticker it sets the period; zero or less
    /// changes nothing and is false. Blocks nothing.
    template <class Rep, class Period>
    bool reset(const std::chrono::duration<Rep, Period>& d) {
        return rt_timer_reset(t_.get(), to_ns(d));
    }

    /// Receives the time at which it fired. The nil channel for a timer with a function.
    const chan<time_point>& channel() const noexcept { return c_; }

    rt_timer* native_handle() const noexcept { return t_.get(); }

protected:
    timer_base(rt_timer* t, const char* call, std::shared_ptr<void> task = {}) : t_(t, timer_free{std::move(task)}) {
        if (t == nullptr) fail(RT_ENOMEM, call);
        c_ = chan<time_point>::adopt(rt_chan_ref(rt_timer_chan(t)));
    }

private:
    std::unique_ptr<rt_timer, timer_free> t_;
    chan<time_point> c_;
};

}  // namespace detail

/// Fires once, after d: sends the time to its channel, or calls a function. For stop, reset and channel see timer_base
/// above. Movable. The destructor stops it and waits for a call of its function that has begun, so that the function
/// may refer to what outlives the timer; called from that very function it does not wait. Throws: RT_ENOMEM. Since 0.1.
class timer : public detail::timer_base {
public:
    /// To be received from channel(): an unread value is dropped by stop and reset.
    template <class Rep, class Period>
    explicit timer(const std::chrono::duration<Rep, Period>& d)
        : timer_base(rt_timer_new(detail::to_ns(d)), "rt_timer_new") {}

    /// Calls f() on a goroutine of its own; f is copied or moved into the timer.
    template <class Rep, class Period, class F>
    timer(const std::chrono::duration<Rep, Period>& d, F&& f)
        : timer(detail::to_ns(d), make_task(std::forward<F>(f))) {}

private:
    template <class F>
    static auto make_task(F&& f) {
        return std::make_shared<detail::timer_task<std::decay_t<F>>>(std::in_place, std::forward<F>(f));
    }
    template <class Task>
    timer(std::int64_t ns, const std::shared_ptr<Task>& task)
        : timer_base(rt_after_func(ns, Task::entry, task.get()), "rt_after_func", task) {}
};

/// Sends the time to its channel once per period. Drops ticks for a slow receiver and does not drift. Movable; the
/// destructor stops it. A stop does not close the channel: `for (auto t : ticker.channel())` has no end. Since 0.1.
class ticker : public detail::timer_base {
public:
    /// Throws: RT_EINVAL: a period of zero or less; RT_ENOMEM.
    template <class Rep, class Period>
    explicit ticker(const std::chrono::duration<Rep, Period>& period)
        : timer_base(rt_ticker_new(positive(detail::to_ns(period))), "rt_ticker_new") {}

private:
    static std::int64_t positive(std::int64_t ns) {
        if (ns <= 0) detail::fail(RT_EINVAL, "rt_ticker_new");
        return ns;
    }
};

}  // namespace gort

#endif  // GORT_TIMER_HPP
