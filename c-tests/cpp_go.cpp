// gort::go, run and wait_group::go: what travels into a goroutine, how often it lives, and what a refused spawn leaves.
#include "cpp_check.hpp"

static std::atomic<int> ran{0};

static void plain_function(int a, const std::string& b) {
    CHECK_EQ(a, 7);
    CHECK(b == "seven");
    ++ran;
}

struct counter {
    int n = 0;
    void add(int by) { n += by; }
};

// Callable once, as an rvalue only.
struct one_shot {
    std::unique_ptr<int> n;
    void operator()() && {
        CHECK_EQ(*n, 5);
        ++ran;
    }
};

static void what_travels() {
    ran = 0;
    gort::wait_group wg;
    wg.go([] { ++ran; });
    wg.go(plain_function, 7, "seven");
    wg.go(&plain_function, 7, std::string("seven"));
    wg.go([] { return 3; });  // an answer is thrown away

    counter c, copied_from;
    wg.go(&counter::add, &c, 4);
    wg.go(&counter::add, copied_from, 4);
    int by_ref = 0, by_copy = 0;
    wg.go([](int& a, int b) { a = 1, b = 1; }, std::ref(by_ref), by_copy);

    wg.go(one_shot{std::make_unique<int>(5)});
    wg.go([p = std::make_unique<int>(6)]() mutable {
        p.reset();
        ++ran;
    });
    wg.go([](std::unique_ptr<int> p) { CHECK_EQ(*p, 8); }, std::make_unique<int>(8));
    const char text[] = "an array decays";
    wg.go([](const char* s) { CHECK(std::strcmp(s, "an array decays") == 0); }, text);
    wg.wait();
    CHECK_EQ(ran, 5);
    CHECK_EQ(c.n, 4);
    CHECK_EQ(copied_from.n, 0);
    CHECK_EQ(by_ref, 1);
    CHECK_EQ(by_copy, 0);
}

// One copy for an lvalue, none for an rvalue, and nothing left when the group is done.
static void lives() {
    {
        gort::wait_group wg;
        const item kept(1);
        item::copies = 0;
        wg.go([](const item& i) { CHECK_EQ(i.get(), 1); }, kept);
        wg.go([](item i) { CHECK_EQ(i.get(), 2); }, item(2));
        wg.go([i = item(3)] { CHECK_EQ(i.get(), 3); });
        wg.go([](only i) { CHECK_EQ(i.get(), 4); }, only(4));
        wg.wait();
        CHECK_EQ(item::copies, 1);
        CHECK_EQ(item::alive, 1);
    }
    for (int i = 0; i < 1000; i++) gort::go([i = item(i)] { i.get(); });
    check_no_items();
}

// A refused spawn runs nothing, frees the closure, and does not count.
static void refused() {
    ran = 0;
    gort::opts small;
    small.stack_size = 1;
    item kept(1);
    CHECK_THROWS(RT_EINVAL, gort::go(small, [i = item(2)] { ++ran; }));
    CHECK_THROWS(RT_EINVAL, gort::go(small, [](const item&) { ++ran; }, kept));
    CHECK_EQ(item::alive, 1);

    // A copy that throws, throws here.
    struct fragile {
        fragile() = default;
        fragile(const fragile&) { throw 42; }
        void operator()() const { ++ran; }
    };
    const fragile f;
    try {
        gort::go(f);
        FAIL("copied");
    } catch (int n) {
        CHECK_EQ(n, 42);
    }
    CHECK_EQ(ran, 0);
}

static void options() {
    gort::opts with;
    with.name = "a worker";
    with.stack_size = 64 * 1024;
    gort::chan<std::int64_t> ids(2);
    const std::int64_t a = gort::go(with, [ids] { ids.send(gort::self_id()); });
    const std::int64_t b = gort::go(gort::opts{"another", 0}, [](auto c) { c.send(gort::self_id()); }, ids);
    CHECK(a > 0);
    CHECK(b > a);
    const std::int64_t sum = *ids.recv() + *ids.recv();
    CHECK_EQ(sum, a + b);
#if __cplusplus >= 202002L
    gort::go({.name = "designated"}, [ids] { ids.send(3); });
    CHECK_EQ(*ids.recv(), 3);
#endif
}

// A home and hooks: one thread for all, told of each switch back, and of the end; a refusal is an error like any other.
static void hosted() {
    struct host {
        std::atomic<int> resumed{0}, exited{0}, refuses{0};
        std::atomic<pid_t> tid{0};
        void check_tid() {
            pid_t none = 0;
            if (!tid.compare_exchange_strong(none, gettid())) CHECK_EQ(none, gettid());
        }
    } h;
    {
        const gort::home where;
        gort::opts with;
        with.on = &where;
        with.hook_arg = &h;
        with.on_park = [](void* arg) { return static_cast<host*>(arg)->refuses ? RT_EBUSY : RT_OK; };
        with.on_resume = [](void* arg) {
            static_cast<host*>(arg)->check_tid();
            static_cast<host*>(arg)->resumed++;
        };
        with.on_exit = [](void* arg) { static_cast<host*>(arg)->exited++; };
        for (int i = 0; i < 10; i++)
            gort::go(with, [&h] {
                h.check_tid();
                gort::sleep_for(std::chrono::microseconds(100));
                h.check_tid();
                h.refuses = 1;
                CHECK_EQ(rt_sleep(1), RT_EBUSY);
                h.refuses = 0;
            });
        while (rt_num_goroutine() > 0) std::this_thread::sleep_for(1ms);
        CHECK_EQ(h.exited, 10);
        // Each begins and sleeps; where a deadline is due, or a slice is over, one may give way besides.
        CHECK(h.resumed >= 20);
    }
}

int main() {
    CHECK_EQ(gort::self_id(), 0);
    gort::yield();

    bool done = false;
    gort::run([&] {
        CHECK(gort::self_id() > 0);
        CHECK_THROWS(RT_EPERM, gort::run([] { FAIL("ran"); }));
        for (int i = 0; i < 10; i++) gort::yield();
        done = true;
    });
    CHECK(done);
    gort::run([](only i, std::unique_ptr<int> p) { CHECK_EQ(i.get() + *p, 3); }, only(1), std::make_unique<int>(2));
    check_no_items();

    everywhere(what_travels);
    everywhere(lives);
    everywhere(refused);
    everywhere(options);
    hosted();
    check_no_items();
    std::puts("cpp_go: ok");
}
