// gort for C++17: goroutines, channels, select, timers, locks, contexts and groups over the C ABI of gort.h. Header-only;
// link libgort.
//
//     gort::run([] {
//         auto lines = gort::make_chan<std::string>(16);
//         gort::go([lines] {
//             for (int i = 0; i < 3; i++) lines.send("line " + std::to_string(i));
//             lines.close();
//         });
//         for (auto& line : lines) std::puts(line.c_str());
//     });
//
// WHAT THROWS. What happens in a correct program is a result: a channel is closed, full or empty, time is over, a lock
// is taken. Such calls answer bool, std::optional or gort::status. What is a mistake or lacks resources throws
// gort::error: RT_EINVAL (an impossible argument), RT_EPERM (not here, or not in this state), RT_ENOMEM, RT_ECANCELED
// (the runtime is being stopped), RT_EDEADLK (run alone). A call that throws gort::error has done nothing, except where
// it says otherwise. Memory that this header itself allocates throws std::bad_alloc, the caller's own copies and moves
// throw what they throw. A lock guard whose unlock throws (RT_EPERM: it was not locked) ends the process.
// With -fno-exceptions every error ends the process with one line, and exit_goroutine runs no destructors; build all
// files of a program the same way. RTTI is not needed.
//
// WHO BLOCKS. Any thread may make any call. Where a call "blocks", it parks a goroutine, and blocks any other thread.
// After it a goroutine may go on on another thread: keep no reference to a thread_local across it. Catch blocks may be
// open and exceptions in flight across it.
//
// WHAT LEAVES A GOROUTINE. An exception that leaves the function of a goroutine (of a timer, a hook, a group, a
// goroutine's defer, as well) ends the process with one line. Only exit_goroutine's is caught, by the goroutine's first frame.
//
// TIME. Durations round up to nanoseconds; what overflows is forever. A timeout of zero or less is over already: what
// can go at once goes, the rest has timed out.
//
// C calls and these mix freely, on the same objects too: native_handle() is the C object.
#ifndef GORT_HPP
#define GORT_HPP

#if !defined(__cplusplus) || __cplusplus < 201703L
#error "gort.hpp needs C++17"
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include <gort.h>

#if defined(__cpp_exceptions)
#define GORT_HPP_EXCEPTIONS 1
#else
#define GORT_HPP_EXCEPTIONS 0
#endif

namespace gort {

// --- errors and results -------------------------------------------------------------------------------------------

namespace detail {

// Neither copied nor moved.
class pinned {
public:
    constexpr pinned() noexcept = default;
    pinned(const pinned&) = delete;
    pinned& operator=(const pinned&) = delete;
};

// One address for each type, also without RTTI.
template <class T>
inline constexpr char type{};

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

// The rule of the header's first page.
inline status result(int code, const char* call) {
    if (code != RT_OK && code != RT_EAGAIN && code != RT_ETIMEDOUT && code != RT_ECLOSED) fail(code, call);
    return status(code);
}

inline bool in_time(int code, const char* call) { return result(code, call).ok(); }

}  // namespace detail

// --- time ---------------------------------------------------------------------------------------------------------

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

// --- goroutines ---------------------------------------------------------------------------------------------------

namespace detail {

// What exit_goroutine throws. Visible, so that it is one type in all libraries of a process, also in those that hide
// their symbols.
class __attribute__((visibility("default"))) goroutine_exit {};

// Runs the function of a goroutine. Nothing happens in the handler: what blocks comes after it.
template <class F>
void run_to_exit(F&& f) {
#if GORT_HPP_EXCEPTIONS
    try {
        std::forward<F>(f)();
    } catch (const goroutine_exit&) {
    }
#else
    std::forward<F>(f)();
#endif
}

// A function with its arguments, on the heap, called once on another stack and freed there: as std::thread does it.
template <class... Parts>
class closure {
public:
    template <class... Init>
    explicit closure(std::in_place_t, Init&&... init) : parts_(std::forward<Init>(init)...) {}

    static void entry(void* self) {
        const std::unique_ptr<closure> owned(static_cast<closure*>(self));
        run_to_exit([&] {
            std::apply([](auto&... part) { static_cast<void>(std::invoke(std::move(part)...)); }, owned->parts_);
        });
    }

private:
    std::tuple<Parts...> parts_;
};

// Calls body() by way of a C call that calls it before it returns. No exception may pass through the C call: it is
// carried around it.
template <class Call, class Body>
void call_through(const char* call, Call&& c_call, Body&& body) {
    struct carrier {
        Body& body;
        std::exception_ptr thrown;

        static void entry(void* self) {
            auto& me = *static_cast<carrier*>(self);
#if GORT_HPP_EXCEPTIONS
            try {
                me.body();
            } catch (...) {
                me.thrown = std::current_exception();
            }
#else
            me.body();
#endif
        }
    };
    carrier state{body, nullptr};
    check(c_call(&carrier::entry, &state), call);
    if (state.thrown != nullptr) std::rethrow_exception(state.thrown);
}

// Hands a body, which its entry will free, to a C call, which answers a negative error or has taken it over.
template <class Body, class Start, class... Init>
std::int64_t hand_over(const char* call, Start&& c_call, Init&&... init) {
    auto owned = std::make_unique<Body>(std::in_place, std::forward<Init>(init)...);
    const std::int64_t answer = c_call(&Body::entry, owned.get());
    if (answer < 0) fail(static_cast<int>(answer), call);
    static_cast<void>(owned.release());  // it may have run and be gone already
    return answer;
}

template <class Start, class... Parts>
std::int64_t start(const char* call, Start&& c_call, Parts&&... parts) {
    static_assert(std::is_invocable_v<std::decay_t<Parts>...>, "the function can't be called with these arguments");
    return hand_over<closure<std::decay_t<Parts>...>>(call, std::forward<Start>(c_call), std::forward<Parts>(parts)...);
}

}  // namespace detail

/// Options of a goroutine; what is left out is the default. Since 0.1.
struct opts {
    /// For dumps: copied, 63 bytes at most.
    const char* name = nullptr;
    /// Address space of its stack in bytes, rounded up to pages, at least 16 KiB; 0: the default.
    std::size_t stack_size = 0;
};

/// Starts a goroutine that calls f(args...). As with std::thread, f and args are copied or moved into it (std::ref for
/// a reference) and may be move-only. They are destroyed on it, before its defers run.
/// Returns its id: positive, rising for one spawner. Blocks nothing. Throws: RT_ENOMEM, RT_ECANCELED; f will not run
/// then. Since 0.1.
template <class F, class... Args, std::enable_if_t<!std::is_same_v<std::decay_t<F>, opts>, int> = 0>
std::int64_t go(F&& f, Args&&... args) {
    return detail::start("rt_go", rt_go, std::forward<F>(f), std::forward<Args>(args)...);
}

/// go with options. Throws: as go; RT_EINVAL: a stack below 16 KiB. Since 0.1.
template <class F, class... Args>
std::int64_t go(const opts& with, F&& f, Args&&... args) {
    rt_go_opts c_opts{};
    c_opts.struct_size = sizeof c_opts;
    c_opts.name = with.name;
    c_opts.stack_size = with.stack_size;
    const auto c_call = [&](rt_fn fn, void* arg) { return rt_go_with(&c_opts, fn, arg); };
    return detail::start("rt_go_with", c_call, std::forward<F>(f), std::forward<Args>(args)...);
}

/// Calls f(args...) on a goroutine and returns when that has ended; other goroutines go on. f and args as with go.
/// Blocks the thread. Throws: RT_EPERM on a goroutine, RT_ENOMEM, RT_ECANCELED; RT_EDEADLK when nothing can ever happen
/// again: the goroutine stays parked then, with what it has. Since 0.1.
template <class F, class... Args>
void run(F&& f, Args&&... args) {
    // A deadlock is found when the closure is the goroutine's already: it must not be freed for that error.
    int answer = RT_OK;
    const auto c_call = [&](rt_fn fn, void* arg) -> std::int64_t {
        answer = rt_run(fn, arg);
        return answer == RT_EDEADLK ? RT_OK : answer;
    };
    detail::start("rt_run", c_call, std::forward<F>(f), std::forward<Args>(args)...);
    detail::check(answer, "rt_run");
}

/// Lets others run: the goroutine goes behind everything that is runnable on its processor. On a plain thread it is
/// sched_yield. Since 0.1.
inline void yield() noexcept { rt_gosched(); }

/// The id of the calling goroutine, 0 on a plain thread. Blocks nothing. Since 0.1.
inline std::int64_t self_id() noexcept { return rt_goid(); }

/// Ends the calling goroutine and unwinds its stack: destructors run, up to the function that go, run, wait_group::go
/// or a timer has called, then its defers. It throws a private type that is no std::exception: `catch (...)` must
/// rethrow it, and where it leaves a noexcept function it ends the process. In a goroutine's defer it ends that defer
/// alone.
///
/// rt_goexit, in contrast, leaves the stack as it is and runs the defers only: no destructor runs, what the goroutine
/// owns leaks, what it has locked stays locked. It is for goroutines that C has started: they have no frame that
/// catches, so exit_goroutine on one ends the process.
/// Throws: RT_EPERM on a plain thread. With -fno-exceptions it is rt_goexit. Since 0.1.
[[noreturn]] inline void exit_goroutine() {
    if (rt_goid() == 0) detail::fail(RT_EPERM, "gort::exit_goroutine");
#if GORT_HPP_EXCEPTIONS
    throw detail::goroutine_exit();
#else
    rt_goexit();
    std::abort();
#endif
}

/// Scope guard: calls a function when the enclosing *block* is left, however that happens, the last guard first.
///
///     gort::defer close_it([&] { ::close(fd); });
///
/// An exception out of the function ends the process. For the end of the goroutine see defer_goroutine. Since 0.1.
template <class F>
class [[nodiscard]] defer : detail::pinned {
public:
    explicit defer(F f) : f_(std::move(f)) {}
    ~defer() {
        if (armed_) f_();
    }

    /// It is not called any more.
    void cancel() noexcept { armed_ = false; }

private:
    F f_;
    bool armed_ = true;
};
template <class F>
defer(F) -> defer<F>;

/// Calls f(args...) when the calling *goroutine* ends, whichever block this is in: the last one first, after the
/// goroutine's function has returned and its locals are gone, also after rt_goexit. f and args as with go.
/// Blocks nothing. Throws: RT_EPERM on a plain thread, RT_ENOMEM. Since 0.1.
template <class F, class... Args>
void defer_goroutine(F&& f, Args&&... args) {
    const auto c_call = [](rt_fn fn, void* arg) -> std::int64_t { return rt_defer(fn, arg); };
    detail::start("rt_defer", c_call, std::forward<F>(f), std::forward<Args>(args)...);
}

// --- calls that block outside -------------------------------------------------------------------------------------
//
// A goroutine that blocks in the kernel holds up nobody: within 2 ms its processor is taken and serves others (not with
// RT_COOPERATIVE). These spare the others that time.

/// Calls f(args...), which blocks or needs a deep stack, on the thread's own stack (8 MiB), while another thread at
/// once takes over the processor. It is still the goroutine that runs it, but what has to wait in it blocks the thread.
/// Nested, and on a plain thread, it is just a call.
///
///     const auto address = gort::blocking([&] { return look_up(host); });
///
/// f and args are not copied. Returns what f returns, as a value (std::ref for a reference), which may be move-only, or
/// nothing. An exception out of f, and exit_goroutine in it, reaches the caller; rt_goexit in it, and so exit_goroutine
/// with -fno-exceptions, ends the process. Blocks for as long as f takes. Throws: what f throws; RT_EPERM in the
/// unlockf of a park. Since 0.1.
template <class F, class... Args>
auto blocking(F&& f, Args&&... args) {
    static_assert(std::is_invocable_v<F, Args...>, "the function can't be called with these arguments");
    using result = std::decay_t<std::invoke_result_t<F, Args...>>;
    const auto body = [&]() -> decltype(auto) { return std::invoke(std::forward<F>(f), std::forward<Args>(args)...); };
    if constexpr (std::is_void_v<result>) {
        detail::call_through("rt_blocking", rt_blocking, body);
    } else {
        std::optional<result> answer;
        detail::call_through("rt_blocking", rt_blocking, [&] { answer.emplace(body()); });
        return *std::move(answer);
    }
}

/// Announces that the enclosing block is about to block, outside the calls of this library: the processor may be taken
/// at once. It costs next to nothing where that does not happen. The end of the block waits for a processor, if it was.
///
///     ssize_t n;
///     {
///         const gort::syscall_scope blocks;
///         n = ::read(fd, buf, sizeof buf);
///     }
///
/// Any call of the library in it, also another scope, ends the announcement. On a plain thread, and in the unlockf of a
/// park, it does nothing. The constructor blocks nothing, the destructor blocks. Since 0.1.
class [[nodiscard]] syscall_scope : detail::pinned {
public:
    syscall_scope() noexcept { rt_entersyscall(); }
    ~syscall_scope() { rt_exitsyscall(); }
};

// --- channels -----------------------------------------------------------------------------------------------------

namespace detail {

// Small trivial values travel in the C channel; all others lie on the heap, and the pointer to them travels.
template <class T>
inline constexpr bool by_value = std::is_trivially_copyable_v<T> && sizeof(T) <= 128;

// One value on its way into or out of a C channel. To send: pack, the C call with what it answered as the element, then
// sent or give_back. To receive: the C call with space() as the element, then take, if something came.
template <class T, bool = by_value<T>>
class parcel {
public:
    static constexpr std::size_t size = std::is_empty_v<T> ? 0 : sizeof(T);

    // The C channel copies, the caller's value stays as it is.
    void* pack(const T& v) { return const_cast<T*>(std::addressof(v)); }
    void sent() {}
    void give_back(const T&) {}

    void* space() { return raw_; }
    T take() { return std::move(*std::launder(reinterpret_cast<T*>(raw_))); }

    static void drain(rt_chan*) {}

private:
    alignas(T) unsigned char raw_[sizeof(T)];
};

template <class T>
class parcel<T, false> {
public:
    static constexpr std::size_t size = sizeof(T*);

    parcel() = default;
    parcel(const parcel&) = delete;
    parcel& operator=(const parcel&) = delete;
    ~parcel() { delete node_; }

    void* pack(T& v) {
        node_ = new T(std::move(v));
        return &node_;
    }
    void* pack(const T& v) {
        node_ = new T(v);
        return &node_;
    }
    // The node is the receiver's now, and may be gone.
    void sent() { node_ = nullptr; }
    void give_back(T& v) {
        if (node_ != nullptr) v = std::move(*node_);
        free_node();
    }
    void give_back(const T&) { free_node(); }

    void* space() { return &node_; }
    T take() {
        const std::unique_ptr<T> node(std::exchange(node_, nullptr));
        return std::move(*node);
    }

    // Frees what is still buffered; nobody else has the channel.
    static void drain(rt_chan* c) {
        for (T* node = nullptr; rt_chan_try_recv(c, &node) == RT_OK;) delete node;
    }

private:
    void free_node() { delete std::exchange(node_, nullptr); }

    T* node_ = nullptr;
};

template <class T>
struct chan_free {
    void operator()(rt_chan* c) const noexcept {
        parcel<T>::drain(c);
        rt_chan_unref(c);
    }
};

}  // namespace detail

/// A channel of T: a handle, as std::shared_ptr is one. Copies are the same channel; the last one that goes frees it,
/// with what is buffered. They are const for sending and receiving, so that lambdas can capture them by value.
/// A default constructed handle is the nil channel, as in Go: sends and receives wait forever, in a select it is never
/// ready. chan<T>(0) is the one without a buffer.
///
/// T is any movable type, and may have a chan<T> as a member. Trivially copyable ones up to 128 bytes travel in the C
/// channel itself (empty ones with element size 0), so that C code can be at the other end; others are moved to the
/// heap, and their pointer travels. Every value is destroyed exactly once. send(std::move(v)) has moved v only if it
/// answers ok; else v is what it was.
///
/// Any thread may use any handle; none may be assigned or destroyed while another thread uses that very handle.
/// Throws besides what is said: RT_EPERM for send and close on channels that the library feeds (timers). Since 0.1.
template <class T>
class chan {
public:
    using value_type = T;

    /// The nil channel.
    chan() noexcept = default;

    /// A channel that buffers cap values; 0: a send waits for its receiver. Throws: RT_ENOMEM.
    explicit chan(std::size_t cap) {
        static_assert(std::is_move_constructible_v<T> && std::is_move_assignable_v<T>, "the values must be movable");
        own(rt_chan_make(detail::parcel<T>::size, cap));
        if (!c_) detail::fail(RT_ENOMEM, "rt_chan_make");
    }

    /// The handle of a C channel, of which it takes over one reference; NULL gives the nil channel. For types that
    /// travel in the C channel. Throws: RT_EINVAL: another element size; the reference is still the caller's then.
    static chan adopt(rt_chan* c) {
        static_assert(detail::by_value<T>, "C code can't have made a channel of this type");
        if (c != nullptr && rt_chan_elem_size(c) != detail::parcel<T>::size) detail::fail(RT_EINVAL, "gort::adopt");
        chan adopted;
        adopted.own(c);
        return adopted;
    }

    /// Sends, waiting for room or a receiver. Answers ok or closed, also when it closes during the wait. Blocks.
    status send(T&& v) const { return push(v, "rt_chan_send", rt_chan_send); }
    status send(const T& v) const { return push(v, "rt_chan_send", rt_chan_send); }

    /// Sends if that needs no waiting. Answers ok, would_block or closed. Blocks nothing.
    [[nodiscard]] status try_send(T&& v) const { return push(v, "rt_chan_try_send", rt_chan_try_send); }
    [[nodiscard]] status try_send(const T& v) const { return push(v, "rt_chan_try_send", rt_chan_try_send); }

    /// Sends, waiting no longer than d. Answers ok, timed_out or closed. Blocks. Throws: RT_ENOMEM.
    template <class Rep, class Period>
    [[nodiscard]] status send_for(T&& v, const std::chrono::duration<Rep, Period>& d) const {
        return push(v, "rt_chan_send_timeout", timed(rt_chan_send_timeout, d));
    }
    template <class Rep, class Period>
    [[nodiscard]] status send_for(const T& v, const std::chrono::duration<Rep, Period>& d) const {
        return push(v, "rt_chan_send_timeout", timed(rt_chan_send_timeout, d));
    }

    /// Receives, waiting for a value. Nothing: closed and drained. Blocks.
    std::optional<T> recv() const {
        status why;
        return pull(why, "rt_chan_recv", rt_chan_recv);
    }

    /// Receives if that needs no waiting. Nothing: `why` says would_block or closed. Blocks nothing.
    [[nodiscard]] std::optional<T> try_recv(status& why) const {
        return pull(why, "rt_chan_try_recv", rt_chan_try_recv);
    }
    [[nodiscard]] std::optional<T> try_recv() const {
        status why;
        return try_recv(why);
    }

    /// Receives, waiting no longer than d. Nothing: `why` says timed_out or closed. Blocks. Throws: RT_ENOMEM.
    template <class Rep, class Period>
    [[nodiscard]] std::optional<T> recv_for(const std::chrono::duration<Rep, Period>& d, status& why) const {
        return pull(why, "rt_chan_recv_timeout", timed(rt_chan_recv_timeout, d));
    }
    template <class Rep, class Period>
    [[nodiscard]] std::optional<T> recv_for(const std::chrono::duration<Rep, Period>& d) const {
        status why;
        return recv_for(d, why);
    }

    /// Closes it and wakes everybody who waits; what is buffered can still be received. False: it was closed already.
    /// Blocks nothing. Throws: RT_EINVAL for the nil channel.
    bool close() const { return detail::result(rt_chan_close(c_.get()), "rt_chan_close").ok(); }

    /// How many values are buffered, and how many can be; 0 for the nil channel. Blocks nothing.
    std::size_t len() const noexcept { return rt_chan_len(c_.get()); }
    std::size_t cap() const noexcept { return rt_chan_cap(c_.get()); }

    /// Not the nil channel.
    explicit operator bool() const noexcept { return c_ != nullptr; }

    /// The C channel, NULL for the nil channel; the handle keeps its reference.
    rt_chan* native_handle() const noexcept { return c_.get(); }

    /// The same channel.
    friend bool operator==(const chan& a, const chan& b) noexcept { return a.c_ == b.c_; }
    friend bool operator!=(const chan& a, const chan& b) noexcept { return a.c_ != b.c_; }

    /// The end of a range over a channel: closed and drained.
    struct sentinel {};

    /// An input iterator; each step receives, and blocks.
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        using pointer = T*;
        using reference = T&;

        explicit iterator(chan c) : c_(std::move(c)), value_(c_.recv()) {}

        T& operator*() const { return *value_; }
        T* operator->() const { return std::addressof(*value_); }
        iterator& operator++() {
            value_.reset();  // not kept while it waits for the next one
            value_ = c_.recv();
            return *this;
        }
        void operator++(int) { ++*this; }

        friend bool operator==(const iterator& i, sentinel) { return !i.value_; }
        friend bool operator!=(const iterator& i, sentinel) { return i.value_.has_value(); }
        friend bool operator==(sentinel, const iterator& i) { return !i.value_; }
        friend bool operator!=(sentinel, const iterator& i) { return i.value_.has_value(); }

    private:
        chan c_;
        mutable std::optional<T> value_;
    };

    /// `for (auto& v : ch)` receives until the channel is closed and drained. begin() receives the first value. Blocks.
    iterator begin() const { return iterator(*this); }
    sentinel end() const noexcept { return {}; }

private:
    void own(rt_chan* c) {
        if (c != nullptr) c_.reset(c, detail::chan_free<T>());
    }

    template <class Call, class Rep, class Period>
    static auto timed(Call call, const std::chrono::duration<Rep, Period>& d) {
        return [call, ns = detail::timeout(d)](rt_chan* c, auto* elem) { return call(c, elem, ns); };
    }

    template <class V, class Call>
    status push(V& v, const char* name, Call call) const {
        detail::parcel<T> p;
        const int code = call(c_.get(), p.pack(v));
        if (code == RT_OK) p.sent();
        else p.give_back(v);
        return detail::result(code, name);
    }

    template <class Call>
    std::optional<T> pull(status& why, const char* name, Call call) const {
        detail::parcel<T> p;
        why = detail::result(call(c_.get(), p.space()), name);
        if (!why) return std::nullopt;
        return std::optional<T>(std::in_place, p.take());
    }

    std::shared_ptr<rt_chan> c_;
};

/// Go's make(chan T, cap). Throws: RT_ENOMEM. Since 0.1.
template <class T>
chan<T> make_chan(std::size_t cap = 0) {
    return chan<T>(cap);
}

/// A channel that receives the time once, after d. Dropping it drops its timer. Blocks nothing. Throws: RT_ENOMEM.
/// Since 0.1.
template <class Rep, class Period>
[[nodiscard]] chan<time_point> after(const std::chrono::duration<Rep, Period>& d) {
    static_assert(sizeof(time_point) == sizeof(std::int64_t), "the library sends nanoseconds");
    auto c = chan<time_point>::adopt(rt_after(detail::to_ns(d)));
    if (!c) detail::fail(RT_ENOMEM, "rt_after");
    return c;
}

// --- select -------------------------------------------------------------------------------------------------------

namespace detail {

// The cases of a select. Each fills its entry of the C call's table in prepare, and learns in settle which entry won
// (none, if the call failed). The winner alone runs its function in finish; by then the others have given back what
// they held.
class any_case : pinned {
protected:
    const rt_select_case* entry_ = nullptr;
};

// The table while it is filled. `values` has, for each entry, the parcel type and the value that it moves from.
struct case_table {
    using source = std::pair<const void*, const void*>;

    rt_select_case* const entries;
    rt_select_case* const end;  // one more entry, which stands for time
    source* const values;
    rt_select_case* next = entries;
    std::int64_t timeout = RT_FOREVER;

    rt_select_case* add(rt_chan* c, std::int32_t dir) {
        next->chan = c;
        next->dir = dir;
        return next++;
    }
    // Several cases may offer one value, to whoever takes it first: it is moved once, and all share its element.
    void* shared(const rt_select_case* entry, const source& from) {
        values[entry - entries] = from;
        const auto i = std::find(values, values + (entry - entries), from) - values;
        return entries[i].elem;
    }
};

template <class T, class F>
class recv_case : any_case {
    static constexpr bool takes_value = std::is_invocable_v<F&, std::optional<T>>;
    static_assert(takes_value || std::is_invocable_v<F&>, "the function takes std::optional<T>, or nothing");

public:
    static constexpr std::size_t channels = 1;

    recv_case(const chan<T>& c, F f) : c_(c), f_(std::move(f)) {}

    void prepare(case_table& table) {
        rt_select_case* const entry = table.add(c_.native_handle(), RT_RECV);
        entry->elem = parcel_.space();
        entry_ = entry;
    }
    bool settle(const rt_select_case* winner) {
        received_ = winner == entry_ && winner->result == RT_OK;
        return winner == entry_;
    }
    void finish() {
        std::optional<T> v;
        if (received_) v.emplace(parcel_.take());
        if constexpr (takes_value) static_cast<void>(std::invoke(f_, std::move(v)));
        else static_cast<void>(std::invoke(f_));
    }

private:
    const chan<T>& c_;
    F f_;
    parcel<T> parcel_;
    bool received_ = false;
};

// V is T, which is moved, or const T, which is copied.
template <class T, class V, class F>
class send_case : any_case {
    static constexpr bool takes_status = std::is_invocable_v<F&, status>;
    static_assert(takes_status || std::is_invocable_v<F&>, "the function takes a gort::status, or nothing");

public:
    static constexpr std::size_t channels = 1;

    send_case(const chan<T>& c, V& v, F f) : c_(c), v_(v), f_(std::move(f)) {}
    // There is something left to give back only if the prepare of another case has thrown.
    ~send_case() { parcel_.give_back(v_); }

    void prepare(case_table& table) {
        rt_select_case* const entry = table.add(c_.native_handle(), RT_SEND);
        if constexpr (!std::is_const_v<V>) entry->elem = table.shared(entry, {&type<T>, std::addressof(v_)});
        if (entry->elem == nullptr) entry->elem = parcel_.pack(v_);
        entry_ = entry;
    }
    bool settle(const rt_select_case* winner) {
        if (winner == entry_) how_ = status(winner->result);
        if (winner != nullptr && winner->elem == entry_->elem && winner->result == RT_OK) parcel_.sent();
        else parcel_.give_back(v_);
        return winner == entry_;
    }
    void finish() {
        if constexpr (takes_status) {
            static_cast<void>(std::invoke(f_, how_));
        } else {
            check(how_.code(), "rt_select");
            static_cast<void>(std::invoke(f_));
        }
    }

private:
    const chan<T>& c_;
    V& v_;
    F f_;
    parcel<T> parcel_;
    status how_;
};

// Stands for "no channel in time". The entry behind the last one is its own.
template <class F>
class time_case : any_case {
public:
    static constexpr std::size_t channels = 0;

    time_case(std::int64_t timeout_ns, F f) : timeout_(timeout_ns), f_(std::move(f)) {}

    void prepare(case_table& table) {
        table.timeout = timeout_;
        entry_ = table.end;
    }
    bool settle(const rt_select_case* winner) { return winner == entry_; }
    void finish() { static_cast<void>(std::invoke(f_)); }

private:
    std::int64_t timeout_;
    F f_;
};

struct do_nothing {
    void operator()() const noexcept {}
};

}  // namespace detail

/// A case of select: receives from c and calls f, which takes std::optional<T> (nothing: c is closed and drained) or no
/// argument. Without f the value is thrown away. All cases refer to their channel and value: write them as arguments of
/// select. Since 0.1.
template <class T, class F = detail::do_nothing>
auto recv(const chan<T>& c, F&& f = {}) {
    return detail::recv_case<T, std::decay_t<F>>(c, std::forward<F>(f));
}

/// A case of select: sends v to c and calls f. An rvalue is moved, an lvalue copied. If another case goes, v is what it
/// was when select returns or calls a function; several cases may offer one value. f takes a status (ok or closed) or
/// no argument; where it takes none, or there is no f, a closed channel makes select throw RT_ECLOSED. Since 0.1.
template <class T, class F = detail::do_nothing>
auto send(const chan<T>& c, typename chan<T>::value_type&& v, F&& f = {}) {
    return detail::send_case<T, T, std::decay_t<F>>(c, v, std::forward<F>(f));
}
template <class T, class F = detail::do_nothing>
auto send(const chan<T>& c, const typename chan<T>::value_type& v, F&& f = {}) {
    return detail::send_case<T, const T, std::decay_t<F>>(c, v, std::forward<F>(f));
}

/// A case of select: calls f() if no other can go at once. Go's default. Since 0.1.
template <class F>
auto otherwise(F&& f) {
    return detail::time_case<std::decay_t<F>>(RT_NOWAIT, std::forward<F>(f));
}

/// A case of select: calls f() if no other has gone within d. Needs no channel and no timer of its own. Since 0.1.
template <class Rep, class Period, class F>
auto after(const std::chrono::duration<Rep, Period>& d, F&& f) {
    return detail::time_case<std::decay_t<F>>(detail::timeout(d), std::forward<F>(f));
}

/// Waits until one of its cases can go, lets it go, calls its function, and returns its index among the arguments. Of
/// several that can go each is as likely. At most one is otherwise or after. Nil channels never can; without any case
/// it waits forever.
///
///     gort::select(gort::recv(jobs, [&](std::optional<job> j) { ... }),
///                  gort::send(results, std::move(r), [&] { ... }),
///                  gort::after(100ms, [&] { ... }));
///
/// Blocks, except with otherwise. Throws: what the function throws; RT_ECLOSED: see send; RT_EPERM: a send to a channel
/// that the library feeds, or it would block in the unlockf of a park; RT_ENOMEM. Since 0.1.
template <class... Cases>
std::size_t select(Cases&&... cases) {
    static_assert((!std::is_lvalue_reference_v<Cases> && ...), "write the cases as arguments of select");
    constexpr std::size_t channels = (std::size_t{0} + ... + Cases::channels);
    static_assert(sizeof...(cases) - channels <= 1, "at most one otherwise or after");

    std::array<rt_select_case, channels + 1> entries{};
    std::array<detail::case_table::source, channels + 1> values{};
    detail::case_table table{entries.data(), entries.data() + channels, values.data()};
    (cases.prepare(table), ...);

    const int answer = rt_select(table.entries, channels, table.timeout);
    const bool over = answer == RT_EAGAIN || answer == RT_ETIMEDOUT;
    const rt_select_case* const winner = answer >= 0 ? table.entries + answer : over ? table.end : nullptr;

    std::size_t won = 0, i = 0;
    [[maybe_unused]] const auto settle = [&](auto& a_case) {
        if (a_case.settle(winner)) won = i;
        i++;
    };
    (settle(cases), ...);
    if (winner == nullptr) detail::fail(answer, "rt_select");
    i = 0;
    [[maybe_unused]] const auto finish = [&](auto& a_case) {
        if (i++ == won) a_case.finish();
    };
    (finish(cases), ...);
    return won;
}

// --- locks and the like -------------------------------------------------------------------------------------------
//
// None of them can be copied or moved. Goroutines and plain threads may share them, and unlock what another has locked.
// The guards of <mutex> and <shared_mutex> fit: std::unique_lock, std::scoped_lock, std::shared_lock.

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

// --- timers -------------------------------------------------------------------------------------------------------

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

// --- contexts -----------------------------------------------------------------------------------------------------

/// A context tells all who take part in a piece of work that it is over: cancelled, or out of time. It is a handle, as
/// std::shared_ptr is one; copies are the same context. They are const for cancelling, so that lambdas can capture them
/// by value. A default constructed handle is the background, which never ends.
///
///     const auto ctx = gort::context().with_timeout(100ms);
///     gort::go([ctx, jobs] {
///         gort::select(gort::recv(ctx.done(), [&] { ... }), gort::recv(jobs, [&](std::optional<job> j) { ... }));
///     });
///     ctx.cancel();
///
/// What is below a context ends with it, and holds it. The last handle does not cancel. Since 0.1.
class context {
public:
    /// What done() would receive: there never is one.
    struct nothing {};

    /// The background.
    context() noexcept = default;

    /// The handle of a C context, of which it takes over one reference, also when this throws; NULL gives the background.
    /// Throws: std::bad_alloc.
    static context adopt(rt_ctx* c) {
        context adopted;
        if (c == nullptr || c == rt_ctx_background()) return adopted;
        std::unique_ptr<rt_ctx, unref> owned(c);
        auto channel = chan<nothing>::adopt(rt_chan_ref(rt_ctx_done(c)));
        adopted.s_ = std::make_shared<const state>(std::move(owned), std::move(channel));
        return adopted;
    }

    /// One below this: it ends with this one, or by cancel. Throws: RT_ENOMEM.
    context with_cancel() const { return made(rt_ctx_with_cancel(native_handle()), "rt_ctx_with_cancel"); }
    /// One that also ends after d, or at a point in time, if this one does not before. Throws: RT_ENOMEM, also while the
    /// runtime is being stopped.
    template <class Rep, class Period>
    context with_timeout(const std::chrono::duration<Rep, Period>& d) const {
        return made(rt_ctx_with_timeout(native_handle(), detail::timeout(d)), "rt_ctx_with_timeout");
    }
    template <class Duration>
    context with_deadline(const std::chrono::time_point<std::chrono::steady_clock, Duration>& at) const {
        // The least number stands for "none".
        const std::int64_t ns = std::max(detail::to_ns(at.time_since_epoch()), RT_FOREVER + 1);
        return made(rt_ctx_with_deadline(native_handle(), ns), "rt_ctx_with_deadline");
    }

    /// Ends it and what is below; why() answers the cause from then on. If it is over nothing changes. Blocks nothing.
    /// Throws: RT_EINVAL for the background; RT_EPERM in the unlockf of a park; RT_ENOMEM, RT_ECANCELED: it is over, but
    /// hooks were not called, for want of a runtime.
    void cancel(int cause = 0) const { detail::check(rt_ctx_cancel(native_handle(), cause), "rt_ctx_cancel"); }

    /// Whether it is over: ok if not, else canceled or timed_out.
    status error() const noexcept { return status(rt_ctx_err(native_handle())); }
    bool is_over() const noexcept { return !error().ok(); }
    /// Why it is over: the cause that was given to cancel, else as error.
    status why() const noexcept { return status(rt_ctx_cause(native_handle())); }
    /// When it ends by itself, if it has a deadline.
    std::optional<time_point> deadline() const noexcept {
        const std::int64_t at = rt_ctx_deadline(native_handle());
        if (at == RT_FOREVER) return std::nullopt;
        return time_point(std::chrono::nanoseconds(at));
    }

    /// Closed when it is over, for a receive that waits for that, also in a select. The nil channel for the background.
    /// Lives as long as this handle, or a copy of it.
    const chan<nothing>& done() const noexcept { return s_ ? s_->done : never; }

    /// The C context; the handle keeps its reference. NULL for the background.
    rt_ctx* native_handle() const noexcept { return s_ ? s_->ctx.get() : nullptr; }

    /// The same context.
    friend bool operator==(const context& a, const context& b) noexcept { return a.native_handle() == b.native_handle(); }
    friend bool operator!=(const context& a, const context& b) noexcept { return !(a == b); }

private:
    struct unref {
        void operator()(rt_ctx* c) const noexcept { rt_ctx_unref(c); }
    };
    struct state {
        state(std::unique_ptr<rt_ctx, unref> c, chan<nothing> d) : ctx(std::move(c)), done(std::move(d)) {}

        const std::unique_ptr<rt_ctx, unref> ctx;
        const chan<nothing> done;
    };
    static const chan<nothing> never;

    static context made(rt_ctx* c, const char* call) {
        if (c == nullptr) detail::fail(RT_ENOMEM, call);
        return adopt(c);
    }

    std::shared_ptr<const state> s_;
};

inline const chan<context::nothing> context::never{};

namespace detail {

// Whether the function of a hook has ended, and on which goroutine it is called.
struct hook_end {
    wait_group running;
    std::atomic<std::int64_t> on{-1};

    hook_end() { running.add(); }
    void wait() noexcept {
        if (on != self_id()) rt_waitgroup_wait(running.native_handle());
    }
};

// The function of a hook. A call keeps it alive: it may destroy its own hook. The call is over with the goroutine's
// defers, so also where it leaves by rt_goexit, which runs no destructors.
template <class F>
class hook_task : public hook_end, public std::enable_shared_from_this<hook_task<F>> {
public:
    template <class G>
    explicit hook_task(std::in_place_t, G&& f) : f_(std::forward<G>(f)) {}

    static void entry(void* self) {
        auto& me = *static_cast<hook_task*>(self);
        me.alive_ = me.shared_from_this();
        me.on = self_id();
        const bool at_the_end = rt_defer(ended, self) == RT_OK;
        run_to_exit([&] { static_cast<void>(std::invoke(me.f_)); });
        if (!at_the_end) ended(self);
    }

private:
    static void ended(void* self) {
        const auto me = std::move(static_cast<hook_task*>(self)->alive_);
        rt_waitgroup_done(me->running.native_handle());
    }

    F f_;
    std::shared_ptr<hook_task> alive_;
};

}  // namespace detail

/// Calls a function, on a goroutine of its own, once a context is over; at once if it is so already.
///
///     const gort::context_hook close_it(ctx, [&] { ::shutdown(fd, SHUT_RDWR); });
///
/// The destructor stops it and waits for a call that has begun, so that the function may refer to what outlives the
/// hook; called from that very function it does not wait. It holds its context until then. Movable. Since 0.1.
class [[nodiscard]] context_hook {
public:
    /// f is copied or moved into the hook. Throws: RT_ENOMEM; RT_ECANCELED: it is over, and the runtime is being stopped;
    /// RT_EPERM in the unlockf of a park.
    template <class F>
    context_hook(const context& c, F&& f) {
        using task = detail::hook_task<std::decay_t<F>>;
        auto t = std::make_shared<task>(std::in_place, std::forward<F>(f));
        detail::check(rt_ctx_after_func(c.native_handle(), task::entry, t.get(), &h_), "rt_ctx_after_func");
        task_ = std::move(t);
    }
    context_hook(context_hook&& o) noexcept : task_(std::move(o.task_)), h_(std::exchange(o.h_, nullptr)) {}
    context_hook& operator=(context_hook&&) = delete;
    ~context_hook() {
        if (h_ != nullptr) stop();
        if (task_ != nullptr) task_->wait();
    }

    /// The function is not called any more. True if it never was; false if it was called, or for a second stop. Does not
    /// wait. Blocks nothing.
    bool stop() noexcept {
        const bool never = rt_ctx_hook_stop(std::exchange(h_, nullptr));
        if (never) task_.reset();
        return never;
    }

    rt_ctx_hook* native_handle() const noexcept { return h_; }

private:
    std::shared_ptr<detail::hook_end> task_;
    rt_ctx_hook* h_ = nullptr;
};

// --- groups -------------------------------------------------------------------------------------------------------

namespace detail {

// What a goroutine of a group calls: f(context, args...) or f(args...), which answers a code, a status, or nothing.
template <class F, class... Args>
class group_task {
public:
    template <class... Init>
    group_task(std::in_place_t, const context& ctx, Init&&... init) : ctx_(ctx), parts_(std::forward<Init>(init)...) {}

    static int entry(rt_ctx*, void* self) {
        const std::unique_ptr<group_task> owned(static_cast<group_task*>(self));
        int code = RT_OK;
        run_to_exit([&] {
            std::apply([&](auto& f, auto&... args) { code = owned->call(std::move(f), std::move(args)...); },
                       owned->parts_);
        });
        return code;
    }

private:
    int call(F&& f, Args&&... args) {
        if constexpr (std::is_invocable_v<F, const context&, Args...>)
            return code_of([&]() -> decltype(auto) { return std::invoke(std::move(f), ctx_, std::move(args)...); });
        else
            return code_of([&]() -> decltype(auto) { return std::invoke(std::move(f), std::move(args)...); });
    }
    template <class Call>
    static int code_of(Call&& c) {
        using result = std::decay_t<decltype(c())>;
        if constexpr (std::is_void_v<result>) {
            c();
            return RT_OK;
        } else if constexpr (std::is_same_v<result, status>) {
            return c().code();
        } else {
            static_assert(std::is_same_v<result, int>, "the function answers an int, a gort::status, or nothing");
            return c();
        }
    }

    const context& ctx_;  // the group's, which outlives its goroutines
    std::tuple<F, Args...> parts_;
};

}  // namespace detail

/// Goroutines that are waited for as one. The first result that is not ok is the group's, and ends the context that they
/// share.
///
///     gort::group g(ctx);
///     for (auto& url : urls) g.go([&](const gort::context& c) { return fetch(c, url); });
///     if (auto s = g.wait(); !s) std::puts(s.message());
///
/// The destructor cancels what still runs and waits for it. Since 0.1.
class group : detail::pinned {
public:
    /// Below a context. Throws: RT_ENOMEM.
    explicit group(const context& parent = {}) : g_(rt_group_new(parent.native_handle())) {
        if (g_ == nullptr) detail::fail(RT_ENOMEM, "rt_group_new");
        ctx_ = context::adopt(rt_ctx_ref(rt_group_ctx(g_.get())));
    }

    /// The context of the group: over with its parent, with the first error, or when wait returns.
    const context& ctx() const noexcept { return ctx_; }

    /// At most n goroutines at once; 0: any number. Throws: RT_EBUSY once one was started.
    void set_limit(std::size_t n) { detail::check(rt_group_set_limit(g_.get(), n), "rt_group_set_limit"); }

    /// Starts a goroutine that calls f(ctx(), args...), or f(args...) where it takes no context. f answers a code (RT_OK
    /// or an error), a gort::status, or nothing; an exit_goroutine in it is ok. f and args as with gort::go. It counts
    /// until its defers have run. Blocks at the limit. Throws: as gort::go; nothing was started then.
    template <class F, class... Args>
    std::int64_t go(F&& f, Args&&... args) {
        using task = detail::group_task<std::decay_t<F>, std::decay_t<Args>...>;
        const auto c_call = [this](rt_group_fn fn, void* arg) { return rt_group_go(g_.get(), fn, arg); };
        return detail::hand_over<task>("rt_group_go", c_call, ctx_, std::forward<F>(f), std::forward<Args>(args)...);
    }

    /// Waits until all have ended, and ends the context. Answers the first result that was not ok. May be called again.
    /// In one of its goroutines, and in the unlockf of a park, it answers RT_EPERM at once. Blocks.
    status wait() { return status(rt_group_wait(g_.get())); }

    rt_group* native_handle() const noexcept { return g_.get(); }

private:
    struct free {
        void operator()(rt_group* g) const noexcept { rt_group_free(g); }
    };

    context ctx_;
    std::unique_ptr<rt_group, free> g_;
};

// --- goroutine-local values ---------------------------------------------------------------------------------------

/// A T for each goroutine, and for each plain thread: none until it has made one. It is destroyed when the goroutine
/// ends, after its defers, or when the thread does. As a rule static: when it goes, the calling goroutine's own T is
/// destroyed, and those that others still have are leaked. Since 0.1.
///
///     static gort::goroutine_local<request> current;
///     current.emplace(id);
///     log(current->name);
template <class T>
class goroutine_local : detail::pinned {
public:
    /// Throws: RT_ENOMEM.
    goroutine_local() { detail::check(rt_key_create(&key_, destroy), "rt_key_create"); }
    ~goroutine_local() {
        reset();
        rt_key_delete(key_);
    }

    /// The caller's own; null if it has none.
    T* get() const noexcept { return static_cast<T*>(rt_key_get(key_)); }
    explicit operator bool() const noexcept { return get() != nullptr; }
    T& operator*() const noexcept { return *get(); }
    T* operator->() const noexcept { return get(); }

    /// Makes the caller's T from args, and destroys the former one. Throws: RT_ENOMEM; what T's constructor throws.
    template <class... Args>
    T& emplace(Args&&... args) {
        auto made = std::make_unique<T>(std::forward<Args>(args)...);
        T* const former = get();
        detail::check(rt_key_set(key_, made.get()), "rt_key_set");
        delete former;
        return *made.release();
    }

    /// The caller has none any more.
    void reset() noexcept { release().reset(); }
    /// Takes the caller's T out.
    std::unique_ptr<T> release() noexcept {
        std::unique_ptr<T> taken(get());
        if (taken != nullptr) rt_key_set(key_, nullptr);
        return taken;
    }

    rt_key native_handle() const noexcept { return key_; }

private:
    static void destroy(void* value) { delete static_cast<T*>(value); }

    rt_key key_ = 0;
};

}  // namespace gort

#endif  // GORT_HPP
