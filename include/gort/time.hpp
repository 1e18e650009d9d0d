// Durations and points in time, and sleep.
//
// The C calls take nanoseconds, and two numbers that mean something else: RT_FOREVER and RT_NOWAIT. Neither may come out of a
// computation, so all times pass through here: what overflows is forever, what is over already is -1.
#ifndef GORT_TIME_HPP
#define GORT_TIME_HPP

#include <chrono>
#include <cstdint>
#include <ratio>
#include <type_traits>

#include <gort/base.hpp>

namespace gort {

/// The clock is CLOCK_MONOTONIC, as rt_now's. Since 0.1.
using time_point = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

namespace detail {

template <class Rep, class Period>
constexpr std::int64_t to_ns(const std::chrono::duration<Rep, Period>& d) {
    using ns = std::chrono::duration<std::int64_t, std::nano>;
    if constexpr (std::is_same_v<std::chrono::duration<Rep, Period>, ns>) {
        return d.count();
    } else {
        constexpr std::chrono::duration<double> most(9.2e9);  // 2^63 ns are a little more
        if (!(d < most)) return INT64_MAX;                     // also NaN
        if (d < -most) return INT64_MIN + 1;
        return std::chrono::ceil<ns>(d).count();
    }
}

// RT_FOREVER and RT_NOWAIT are numbers too: neither may come out of a computation.
template <class Rep, class Period>
constexpr std::int64_t timeout(const std::chrono::duration<Rep, Period>& d) {
    const std::int64_t ns = to_ns(d);
    return ns > 0 ? ns : -1;
}

template <class Duration>
std::int64_t time_left(const std::chrono::time_point<std::chrono::steady_clock, Duration>& at) {
    const std::int64_t end = to_ns(at.time_since_epoch()), now = rt_now();
    return end > now ? end - now : -1;
}

template <class Rep, class Period>
time_point deadline(const std::chrono::duration<Rep, Period>& d) {
    const std::int64_t ns = to_ns(d), now = rt_now();
    const std::int64_t end = ns <= 0 ? now : ns > INT64_MAX - now ? INT64_MAX : now + ns;
    return time_point(std::chrono::nanoseconds(end));
}

}  // namespace detail

/// Sleeps, never less than asked for; zero or less is over at once. Blocks. Throws: RT_EPERM in the unlockf of a park,
/// RT_ENOMEM. Since 0.1.
template <class Rep, class Period>
void sleep_for(const std::chrono::duration<Rep, Period>& d) {
    detail::check(rt_sleep(detail::to_ns(d)), "rt_sleep");
}

/// Sleeps until a point in time. Blocks. Throws: as sleep_for. Since 0.1.
template <class Duration>
void sleep_until(const std::chrono::time_point<std::chrono::steady_clock, Duration>& at) {
    detail::check(rt_sleep(detail::time_left(at)), "rt_sleep");
}

}  // namespace gort

#endif  // GORT_TIME_HPP
