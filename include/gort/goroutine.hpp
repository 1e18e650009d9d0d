// Goroutines: start them, end them, and what is done when they end.
//
// A function crosses the C calls as a pointer. closure is its home on the heap, until it has run; call_through lends one that
// lives on the caller's stack. No exception may leave into C: each entry lets exit_goroutine's end the goroutine, and
// call_through carries all others around.
#ifndef GORT_GOROUTINE_HPP
#define GORT_GOROUTINE_HPP

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include <gort/base.hpp>

namespace gort {

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

/// A thread that goroutines share: those started with it (opts::on) always run there, one at a time. The destructor frees it; while it
/// has goroutines that have not ended it stays instead, and is never freed. Since 0.1.
class home : detail::pinned {
public:
    /// Throws: RT_ENOMEM.
    home() : h_(rt_home_new()) {
        if (h_ == nullptr) detail::fail(RT_ENOMEM, "rt_home_new");
    }
    ~home() { rt_home_free(h_); }

    rt_home* native_handle() const noexcept { return h_; }

private:
    rt_home* h_;
};

/// Options of a goroutine; what is left out is the default. Since 0.1.
struct opts {
    /// For dumps: copied, 63 bytes at most.
    const char* name = nullptr;
    /// Address space of its stack in bytes, rounded up to pages, at least 16 KiB; 0: the default.
    std::size_t stack_size = 0;
    /// Where it runs; nullptr: anywhere. The home outlives it.
    const home* on = nullptr;
    /// The hooks of rt_go_opts, which see; no exception leaves them.
    int (*on_park)(void*) = nullptr;
    void (*on_resume)(void*) = nullptr;
    void (*on_exit)(void*) = nullptr;
    void* hook_arg = nullptr;
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
    c_opts.home = with.on == nullptr ? nullptr : with.on->native_handle();
    c_opts.on_park = with.on_park;
    c_opts.on_resume = with.on_resume;
    c_opts.on_exit = with.on_exit;
    c_opts.hook_arg = with.hook_arg;
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

}  // namespace gort

#endif  // GORT_GOROUTINE_HPP
