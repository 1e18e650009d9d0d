// Goroutine-local values.
//
// A value belongs to the goroutine that made it. So no lock is needed, and nobody but its goroutine can destroy it.
#ifndef GORT_LOCAL_HPP
#define GORT_LOCAL_HPP

#include <memory>
#include <utility>

#include <gort/base.hpp>

namespace gort {

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

#endif  // GORT_LOCAL_HPP
