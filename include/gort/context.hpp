// Contexts, and functions that are called when they are over.
//
// A hook may be destroyed while its function runs, by somebody else or by the function itself. A call keeps the function
// alive, and the destructor waits for a call that has begun: until the defers of its goroutine, so that a function may leave by
// rt_goexit.
#ifndef GORT_CONTEXT_HPP
#define GORT_CONTEXT_HPP

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <gort/chan.hpp>
#include <gort/goroutine.hpp>
#include <gort/sync.hpp>

namespace gort {

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

}  // namespace gort

#endif  // GORT_CONTEXT_HPP
