// Channels of any movable type.
//
// A C channel copies bytes. Small trivial values travel as they are; all others move to the heap, and the pointer travels:
// whoever has the pointer owns the value. What a send could not hand over goes back to where it came from.
#ifndef GORT_CHAN_HPP
#define GORT_CHAN_HPP

#include <chrono>
#include <cstddef>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include <gort/base.hpp>
#include <gort/time.hpp>

namespace gort {

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

}  // namespace gort

#endif  // GORT_CHAN_HPP
