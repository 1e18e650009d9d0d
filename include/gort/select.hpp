// select over cases that are written as its arguments.
//
// Each case fills its entry in the table of the C call (prepare), learns who won (settle), and the winner alone calls its
// function (finish), when all others have given back what they held. So a function that throws, or does not return, leaves
// every value where it belongs.
#ifndef GORT_SELECT_HPP
#define GORT_SELECT_HPP

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <gort/chan.hpp>

namespace gort {

namespace detail {

// One address for each type, also without RTTI.
template <class T>
inline constexpr char type{};

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

}  // namespace gort

#endif  // GORT_SELECT_HPP
