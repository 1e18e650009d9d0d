// Calls that block outside.
//
// A goroutine that blocks in the kernel holds up nobody: within 2 ms its processor is taken and serves others (not with
// RT_COOPERATIVE). These spare the others that time.
#ifndef GORT_BLOCKING_HPP
#define GORT_BLOCKING_HPP

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <gort/goroutine.hpp>

namespace gort {

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

}  // namespace gort

#endif  // GORT_BLOCKING_HPP
