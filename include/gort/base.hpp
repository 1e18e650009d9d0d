// What all headers of gort.hpp stand on: errors, and results that are none.
//
// Which is which the first page of gort.hpp says. A C call's answer goes through check, where RT_OK is the only result of a
// correct program, or through result, where closed, full, empty and late are results too.
#ifndef GORT_BASE_HPP
#define GORT_BASE_HPP

#if !defined(__cplusplus) || __cplusplus < 201703L
#error "gort.hpp needs C++17"
#endif

#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>

#include <gort.h>

#if defined(__cpp_exceptions)
#define GORT_HPP_EXCEPTIONS 1
#else
#define GORT_HPP_EXCEPTIONS 0
#endif

namespace gort {

namespace detail {

// Neither copied nor moved.
class pinned {
public:
    constexpr pinned() noexcept = default;
    pinned(const pinned&) = delete;
    pinned& operator=(const pinned&) = delete;
};

class gort_category final : public std::error_category {
public:
    const char* name() const noexcept override { return "gort"; }
    std::string message(int code) const override { return rt_strerror(code); }
    // So that e.code() == std::errc::not_enough_memory and the like hold.
    std::error_condition default_error_condition(int code) const noexcept override {
        return {-code, std::generic_category()};
    }
};

inline const gort_category the_category{};

}  // namespace detail

/// The category of gort's codes: zero and negative errno values, explained by rt_strerror. Since 0.1.
inline const std::error_category& category() noexcept { return detail::the_category; }

/// What calls throw. code() holds the C call's answer (RT_EPERM, ...) and compares with std::errc; what() names the
/// call and explains the code. Since 0.1.
class error : public std::system_error {
public:
    error(int code, const char* call) : std::system_error(code, category(), call) {}
};

/// How a call ended that may end in several ordinary ways. True in a condition if it did what was asked. Since 0.1.
class status {
public:
    constexpr status() noexcept = default;
    explicit constexpr status(int code) noexcept : code_(code) {}

    /// It did what was asked.
    constexpr bool ok() const noexcept { return code_ == RT_OK; }
    explicit constexpr operator bool() const noexcept { return ok(); }
    /// The channel is closed; for a receive: and drained.
    constexpr bool closed() const noexcept { return code_ == RT_ECLOSED; }
    /// Time was over first.
    constexpr bool timed_out() const noexcept { return code_ == RT_ETIMEDOUT; }
    /// A try form would have had to wait.
    constexpr bool would_block() const noexcept { return code_ == RT_EAGAIN; }
    /// It was cancelled.
    constexpr bool canceled() const noexcept { return code_ == RT_ECANCELED; }

    /// The C call's answer.
    constexpr int code() const noexcept { return code_; }
    /// One line that explains it, of static life.
    const char* message() const noexcept { return rt_strerror(code_); }

    friend constexpr bool operator==(status a, status b) noexcept { return a.code_ == b.code_; }
    friend constexpr bool operator!=(status a, status b) noexcept { return a.code_ != b.code_; }

private:
    int code_ = RT_OK;
};

namespace detail {

[[noreturn]] inline void fail(int code, const char* call) {
#if GORT_HPP_EXCEPTIONS
    throw error(code, call);
#else
    std::fprintf(stderr, "gort: %s: %s\n", call, rt_strerror(code));
    std::abort();
#endif
}

inline void check(int code, const char* call) {
    if (code != RT_OK) fail(code, call);
}

// The rule of the first page of gort.hpp.
inline status result(int code, const char* call) {
    if (code != RT_OK && code != RT_EAGAIN && code != RT_ETIMEDOUT && code != RT_ECLOSED) fail(code, call);
    return status(code);
}

inline bool in_time(int code, const char* call) { return result(code, call).ok(); }

}  // namespace detail

}  // namespace gort

#endif  // GORT_BASE_HPP
