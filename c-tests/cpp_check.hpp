// What the C++ tests share. A failed CHECK prints its place and ends the process at once, on a goroutine, on a thread
// and in a forked child alike.
#ifndef GORT_CPP_CHECK_HPP
#define GORT_CPP_CHECK_HPP

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gort.hpp>

using namespace std::chrono_literals;

#define FAIL(...)                                            \
    do {                                                     \
        std::fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
        std::fprintf(stderr, __VA_ARGS__);                   \
        std::fputc('\n', stderr);                            \
        _exit(1);                                            \
    } while (0)

#define CHECK(...)                                            \
    do {                                                      \
        if (!(__VA_ARGS__)) FAIL("not so: %s", #__VA_ARGS__); \
    } while (0)

// Both sides as whole numbers.
#define CHECK_EQ(a, b)                                                                  \
    do {                                                                                \
        const long long a_ = static_cast<long long>(a), b_ = static_cast<long long>(b); \
        if (a_ != b_) FAIL("%s is %lld, want %s (%lld)", #a, a_, #b, b_);               \
    } while (0)

// The expression throws gort::error with this code.
#define CHECK_THROWS(want, ...)                                                      \
    do {                                                                             \
        int got_ = 1;                                                                \
        try {                                                                        \
            static_cast<void>(__VA_ARGS__);                                          \
        } catch (const gort::error& e) {                                             \
            got_ = e.code().value();                                                 \
        }                                                                            \
        if (got_ != (want)) FAIL("%s: code %d, want %s", #__VA_ARGS__, got_, #want); \
    } while (0)

// What must become true, waited for without the library on a thread and with it on a goroutine; the bound only turns a
// hang into a line.
#define EVENTUALLY(...)                                                                        \
    do {                                                                                       \
        const auto until_ = std::chrono::steady_clock::now() + 60s;                            \
        while (!(__VA_ARGS__)) {                                                               \
            if (std::chrono::steady_clock::now() > until_) FAIL("never so: %s", #__VA_ARGS__); \
            if (rt_goid() != 0) rt_gosched();                                                  \
            else std::this_thread::sleep_for(500us);                                           \
        }                                                                                      \
    } while (0)

// A value that counts its own lives. Each owns heap memory, so that memory checkers see a lost or doubled one too.
// `values` counts those not moved from.
class item {
public:
    static inline std::atomic<long> alive{0}, values{0}, copies{0};

    item(long v) : v_(new long(v)) { born(); }
    item(item&& o) noexcept : v_(std::exchange(o.v_, nullptr)) { ++alive; }
    item(const item& o) : v_(new long(o.get())) {
        born();
        ++copies;
    }
    item& operator=(item&& o) noexcept {
        std::swap(v_, o.v_);
        o.drop();
        return *this;
    }
    item& operator=(const item& o) { return *this = item(o); }
    ~item() {
        drop();
        --alive;
    }

    long get() const {
        CHECK(v_ != nullptr);
        return *v_;
    }
    bool empty() const { return v_ == nullptr; }

private:
    void born() {
        ++alive;
        ++values;
    }
    void drop() {
        if (v_ != nullptr) --values;
        delete v_;
        v_ = nullptr;
    }
    long* v_;
};

// The same, movable only.
class only : public item {
public:
    using item::item;
    only(only&&) = default;
    only& operator=(only&&) = default;
};

inline void check_no_items() {
    EVENTUALLY(item::alive == 0);
    CHECK_EQ(item::values, 0);
}

// Runs f in a forked child, for a process that has not started the runtime. Answers its wait status, and what it
// printed to stderr. The child does not outlive 60 seconds.
template <class F>
int in_child(F f, std::string* said = nullptr) {
    std::fflush(nullptr);
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(60);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        f();
        std::fflush(nullptr);
        _exit(0);
    }
    close(ends[1]);
    std::string text;
    char part[256];
    for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;) text.append(part, static_cast<std::size_t>(n));
    close(ends[0]);
    int status = 0;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    if (said != nullptr) *said = text;
    else std::fputs(text.c_str(), stderr);
    return status;
}

// A test body on the main thread, then on a goroutine: every call works on both.
template <class F>
void everywhere(F f) {
    f();
    gort::run(f);
}

#endif
