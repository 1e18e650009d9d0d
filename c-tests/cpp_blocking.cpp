// gort::blocking: what it answers, what it carries over, where it runs; gort::syscall_scope: blocks hold up nobody.
#include "cpp_check.hpp"

#include <functional>
#include <stdexcept>

#include <sys/syscall.h>

static long tid() { return syscall(SYS_gettid); }

// --- what it answers ---

struct immovable {
    int v = 7;
    immovable() = default;
    immovable(const immovable&) = delete;
    int plus(int n) { return v += n; }
};

static int doubles(int n) { return 2 * n; }

static void answers() {
    bool ran = false;
    const auto runs = [&] { ran = true; };
    static_assert(std::is_void_v<decltype(gort::blocking(runs))>);
    gort::blocking(runs);
    CHECK(ran);

    // Any callable, with arguments, which are not copied.
    CHECK_EQ(gort::blocking([] { return 42; }), 42);
    CHECK_EQ(gort::blocking(doubles, 21), 42);
    CHECK_EQ(gort::blocking(&doubles, 4), 8);
    immovable i;
    CHECK_EQ(gort::blocking(&immovable::plus, i, 3), 10);
    CHECK_EQ(gort::blocking(&immovable::plus, &i, 1), 11);
    CHECK_EQ(gort::blocking(&immovable::v, i), 11);
    CHECK_EQ(i.v, 11);
    CHECK_EQ(gort::blocking(std::function<int(int)>([](int n) { return n + 1; }), 1), 2);
    struct own_only {
        int operator()() && { return 5; }
    };
    CHECK_EQ(gort::blocking(own_only()), 5);
    auto counts = [n = 0]() mutable { return ++n; };
    CHECK_EQ(gort::blocking(counts), 1);
    CHECK_EQ(gort::blocking(counts), 2);

    // Move-only, in and out.
    auto p = gort::blocking([](std::unique_ptr<int> q) { ++*q; return q; }, std::make_unique<int>(1));
    CHECK_EQ(*p, 2);
    const only o = gort::blocking([q = only(3)]() mutable { return std::move(q); });
    CHECK_EQ(o.get(), 3);
    const long copies = item::copies;
    const item value = gort::blocking([] { return item(4); });
    CHECK_EQ(value.get(), 4);
    CHECK_EQ(item::copies, copies);

    // A reference comes as a value, one in std::ref as itself.
    int n = 1;
    auto a_value = gort::blocking([&]() -> int& { return n; });
    static_assert(std::is_same_v<decltype(a_value), int>);
    const auto by_const = [&]() -> const int& { return n; };
    static_assert(std::is_same_v<decltype(gort::blocking(by_const)), int>);
    a_value++;
    CHECK_EQ(n, 1);
    int& itself = gort::blocking([&] { return std::ref(n); });
    itself++;
    CHECK_EQ(n, 2);
    CHECK(gort::blocking([]() -> const char(&)[3] { return "ab"; }) == std::string("ab"));

    // An empty optional and a null pointer are answers as well.
    CHECK(!gort::blocking([] { return std::optional<int>(); }).has_value());
    CHECK(gort::blocking([] { return nullptr; }) == nullptr);
}

// --- what it carries over ---

static void exceptions() {
    const item local(1);
    bool caught = false;
    try {
        const item in_flight(2);
        gort::blocking([] {
            const item inside(3);
            throw item(42);
        });
        FAIL("went on");
    } catch (const item& i) {
        CHECK_EQ(i.get(), 42);
        caught = true;
        // In a handler: the call has handlers of its own, and this one's exception stays.
        CHECK_EQ(gort::blocking([] {
            try {
                throw 1;
            } catch (int n) {
                return n;
            }
        }), 1);
        CHECK_THROWS(RT_EINVAL, gort::blocking([] { return gort::chan<int>().close(); }));
        CHECK_EQ(i.get(), 42);
        // What is rethrown in it is the same exception.
        try {
            gort::blocking([] { throw; });
            FAIL("went on");
        } catch (const item& again) {
            CHECK(&again == &i);
        }
        CHECK_EQ(i.get(), 42);
        CHECK_EQ(std::uncaught_exceptions(), 0);
    }
    CHECK(caught);
    CHECK(std::current_exception() == nullptr);

    // Of any type, out of a nested call too, and out of what makes the answer.
    try {
        gort::blocking([] { gort::blocking([] { throw std::runtime_error("the reason"); }); });
        FAIL("went on");
    } catch (const std::exception& e) {
        CHECK(std::string(e.what()) == "the reason");
    }
    struct fragile {
        fragile() = default;
        fragile(const fragile&) { throw 3; }
    };
    const fragile f;
    try {
        gort::blocking([&]() -> const fragile& { return f; });
        FAIL("went on");
    } catch (int n) {
        CHECK_EQ(n, 3);
    }

    // From a destructor, while an exception is on its way.
    struct blocks_in_destructor {
        int uncaught = std::uncaught_exceptions();
        ~blocks_in_destructor() {
            CHECK_EQ(gort::blocking([] { std::this_thread::sleep_for(100us); return 1; }), 1);
            const gort::syscall_scope blocks;
            CHECK_EQ(std::uncaught_exceptions(), uncaught + 1);
        }
    };
    try {
        const blocks_in_destructor b;
        throw item(5);
    } catch (const item& i) {
        CHECK_EQ(i.get(), 5);
    }
}

// Many at once: each gets its own answer or exception, wherever it goes on.
static void crowd() {
    constexpr int N = 30, TIMES = 20;
    std::atomic<int> good{0};
    gort::wait_group wg;
    for (int g = 0; g < N; g++) {
        wg.go([&, g] {
            for (int k = 0; k < TIMES; k++) {
                try {
                    const item answer = gort::blocking([&] {
                        if (k % 4 == 0) std::this_thread::sleep_for(50us);
                        if (k % 2 == 0) throw item(1000 * g + k);
                        return item(1000 * g + k);
                    });
                    CHECK_EQ(k % 2, 1);
                    CHECK_EQ(answer.get(), 1000 * g + k);
                } catch (const item& i) {
                    CHECK_EQ(k % 2, 0);
                    gort::yield();
                    CHECK_EQ(i.get(), 1000 * g + k);
                }
                ++good;
            }
        });
    }
    wg.wait();
    CHECK_EQ(good, N * TIMES);
}

// exit_goroutine in it ends the goroutine: the frames of both stacks are unwound, then the defers run.
static void exits() {
    std::string order;
    struct mark {
        std::string& to;
        char c;
        ~mark() { to += c; }
    };
    gort::wait_group wg;
    wg.go([&, i = item(1)] {
        gort::defer_goroutine([&] { order += 'd'; });
        const mark outer{order, 'o'};
        gort::blocking([&] {
            const mark inner{order, 'i'};
            gort::exit_goroutine();
        });
        FAIL("went on");
    });
    wg.wait();
    if (order != "iod") FAIL("the order was %s", order.c_str());
}

// --- where it runs ---

static void on_a_goroutine() {
    const auto id = gort::self_id();
    char here = 0;
    const long mine = gort::blocking([&] {
        CHECK_EQ(gort::self_id(), id);
        // More than a goroutine's stack has.
        volatile char room[1 << 20];
        for (std::size_t at = 0; at < sizeof room; at += 1024) room[at] = 1;
        CHECK(std::abs(&room[0] - &here) > static_cast<std::ptrdiff_t>(sizeof room));
        const long outer = tid();
        CHECK_EQ(gort::blocking(tid), outer);
        // What has to wait in it blocks the thread.
        gort::sleep_for(1ms);
        CHECK_EQ(tid(), outer);
        return outer;
    });
    CHECK(mine > 0);
    CHECK_EQ(gort::self_id(), id);
}

static void on_a_thread() {
    const long mine = tid();
    CHECK_EQ(gort::blocking([] { return gort::self_id(); }), 0);
    CHECK_EQ(gort::blocking(tid), mine);
}

// In the unlockf of a park it is refused, and the function does not run; a scope there does nothing.
static bool blocks_in_unlockf(rt_g*, void* ran) {
    try {
        const gort::syscall_scope scope;
        gort::blocking([&] { *static_cast<bool*>(ran) = true; });
        FAIL("went on");
    } catch (const gort::error& e) {
        CHECK_EQ(e.code().value(), RT_EPERM);
        CHECK(std::string(e.what()) == std::string("rt_blocking: ") + rt_strerror(RT_EPERM));
    }
    return false;
}

static void in_unlockf() {
    bool ran = false;
    CHECK_EQ(rt_gopark(blocks_in_unlockf, &ran, "test"), RT_OK);
    CHECK(!ran);
}

// --- nobody is held up ---

static_assert(!std::is_copy_constructible_v<gort::syscall_scope> && !std::is_copy_assignable_v<gort::syscall_scope>);
static_assert(!std::is_move_constructible_v<gort::syscall_scope> && !std::is_move_assignable_v<gort::syscall_scope>);
static_assert(std::is_nothrow_default_constructible_v<gort::syscall_scope>);
static_assert(std::is_nothrow_destructible_v<gort::syscall_scope>);

// More readers than there are processors, and who writes comes after them.
template <class Read>
static void readers(Read reads) {
    const int n = 2 * rt_maxprocs(0) + 2;
    std::vector<int> ends(2 * static_cast<std::size_t>(n));
    gort::wait_group wg;
    std::atomic<int> sum{0};
    for (int i = 0; i < n; i++) {
        int* const two = &ends[2 * static_cast<std::size_t>(i)];
        CHECK_EQ(pipe(two), 0);
        wg.go([&, two] { sum += reads(two[0]); });
    }
    for (int i = 0; i < n; i++) {
        wg.go([&, i, fd = ends[2 * static_cast<std::size_t>(i) + 1]] {
            const char c = static_cast<char>(i);
            CHECK_EQ(write(fd, &c, 1), 1);
        });
    }
    wg.wait();
    CHECK_EQ(sum, n * (n - 1) / 2);
    for (const int fd : ends) close(fd);
}

static char read_one(int fd) {
    char c = 0;
    CHECK_EQ(read(fd, &c, 1), 1);
    return c;
}

static void nobody_waits() {
    readers([](int fd) { return gort::blocking(read_one, fd); });
    readers([](int fd) {
        const gort::syscall_scope blocks;
        return read_one(fd);
    });
    // Left by an exception; a scope within a scope, and a call, which ends the announcement.
    readers([](int fd) {
        char c = 0;
        try {
            const gort::syscall_scope blocks;
            c = read_one(fd);
            throw item(c);
        } catch (const item& i) {
            CHECK_EQ(i.get(), c);
        }
        return c;
    });
    readers([](int fd) {
        const gort::syscall_scope outer;
        {
            const gort::syscall_scope inner;
        }
        gort::yield();
        return read_one(fd);
    });
}

int main() {
    everywhere(answers);
    check_no_items();
    everywhere(exceptions);
    everywhere(crowd);
    everywhere(exits);
    check_no_items();
    gort::run(on_a_goroutine);
    on_a_thread();
    gort::run(in_unlockf);
    everywhere(nobody_waits);
    check_no_items();
    std::puts("cpp_blocking: ok");
}
