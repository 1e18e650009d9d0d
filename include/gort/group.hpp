// Groups of goroutines that share a context and are waited for as one.
//
// The context belongs to the group, which outlives its goroutines: they refer to it.
#ifndef GORT_GROUP_HPP
#define GORT_GROUP_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include <gort/context.hpp>
#include <gort/goroutine.hpp>

namespace gort {

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

}  // namespace gort

#endif  // GORT_GROUP_HPP
