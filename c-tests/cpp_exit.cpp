// The ways out of a goroutine: exit_goroutine unwinds, rt_goexit does not, defers of both kinds, and what an exception
// does that nobody catches.
#include "cpp_check.hpp"

// What happened, in order. One goroutine writes at a time.
static std::string order;

struct mark {
    char c;
    ~mark() { order += c; }
};

static void deep(int n) {
    const mark m{static_cast<char>('0' + n)};
    const item i(n);
    if (n < 3) deep(n + 1);
    // An exit is no std::exception, and goes on through a handler that rethrows. It may come from inside a handler.
    try {
        try {
            throw 1;
        } catch (int) {
            gort::exit_goroutine();
        }
    } catch (const std::exception&) {
        FAIL("caught as an exception");
    } catch (...) {
        order += 'c';
        throw;
    }
    FAIL("went on");
}

static void unwinds() {
    order.clear();
    gort::wait_group wg;
    wg.go([m = std::unique_ptr<mark>(new mark{'A'}), i = item(1)] {
        gort::defer_goroutine([] { order += 'x'; });
        const gort::defer at_the_end([] { order += 's'; });
        gort::defer_goroutine([j = item(2)] { order += 'y'; });
        deep(0);
    });
    wg.wait();
    // The frames from the innermost out, the closure, then the defers, last first.
    if (order != "c3210sAyx") FAIL("the order was %s", order.c_str());
    check_no_items();
}

static void in_run() {
    order.clear();
    gort::run([] {
        const mark m{'r'};
        gort::exit_goroutine();
    });
    CHECK(order == "r");
    // A defer that exits ends itself alone.
    gort::run([] {
        gort::defer_goroutine([] { order += '1'; });
        gort::defer_goroutine([] {
            const mark m{'2'};
            gort::exit_goroutine();
        });
    });
    CHECK(order == "r21");
    check_no_items();
}

static void in_once() {
    gort::once o;
    gort::wait_group wg;
    wg.go([&] {
        const item i(1);
        o.call([] { gort::exit_goroutine(); });
        FAIL("went on");
    });
    wg.wait();
    o.call([] { FAIL("an exit counts as done"); });
    check_no_items();
}

static void scope_defers() {
    order.clear();
    try {
        gort::defer a([] { order += 'a'; });
        gort::defer b([] { order += 'b'; });
        gort::defer c([] { order += 'c'; });
        c.cancel();
        throw 1;
    } catch (int) {
    }
    CHECK(order == "ba");
}

// rt_goexit: the defers and nothing else. What the frames own is left,
// and so is gort::go's closure; this one owns nothing.
static void c_exit() {
    order.clear();
    gort::wait_group wg;
    const auto body = [](void*) {
        gort::defer_goroutine([i = item(1)] { order += 'd'; });
        const mark m{'m'};
        rt_goexit();
    };
    CHECK(rt_waitgroup_go(wg.native_handle(), body, nullptr) > 0);
    wg.wait();
    CHECK(order == "d");
    check_no_items();
}

// An exception that leaves the function ends the process, and says so.
template <class F>
static void must_end(F f) {
    std::string said;
    const int s = in_child(f, &said);
    CHECK(WIFSIGNALED(s) || WEXITSTATUS(s) != 0);
    if (said.find("exception left") == std::string::npos) FAIL("it said: %s", said.c_str());
}

int main() {
    must_end([] { gort::run([] { throw 1; }); });
    must_end([] {
        gort::go([] { throw std::runtime_error("the reason"); });
        std::this_thread::sleep_for(10s);
        FAIL("went on");
    });
    must_end([] { gort::run([] { gort::defer_goroutine([] { throw 1; }); }); });
    must_end([] {
        const gort::timer t(1ms, [] { throw 1; });
        std::this_thread::sleep_for(10s);
        FAIL("went on");
    });

    CHECK_THROWS(RT_EPERM, (gort::exit_goroutine(), 0));
    CHECK_THROWS(RT_EPERM, gort::defer_goroutine([i = item(1)] { FAIL("ran"); }));
    check_no_items();

    everywhere(unwinds);
    in_run();
    everywhere(in_once);
    everywhere(scope_defers);
    everywhere(c_exit);
    std::puts("cpp_exit: ok");
}
