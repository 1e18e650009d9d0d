// gort::error and gort::status: what they say, and that exceptions are whole across calls that block.
#include <cstdlib>
#include "cpp_check.hpp"

#include <mutex>

static void codes() {
    try {
        gort::exit_goroutine();
    } catch (const std::system_error& e) {
        CHECK_EQ(e.code().value(), RT_EPERM);
        CHECK(e.code() == std::errc::operation_not_permitted);
        CHECK(e.code() != std::errc::invalid_argument);
        CHECK(e.code().category() == gort::category());
        CHECK(e.code().message() == rt_strerror(RT_EPERM));
        CHECK(std::string(e.what()) == std::string("gort::exit_goroutine: ") + rt_strerror(RT_EPERM));
    }
    CHECK(std::string(gort::category().name()) == "gort");

    constexpr gort::status ok, closed(RT_ECLOSED), late(RT_ETIMEDOUT), full(RT_EAGAIN);
    static_assert(ok && ok.ok() && !ok.closed() && !closed && closed.closed());
    static_assert(late.timed_out() && full.would_block() && late != full && late == gort::status(RT_ETIMEDOUT));
    CHECK(std::strcmp(closed.message(), rt_strerror(RT_ECLOSED)) == 0);
    CHECK_EQ(full.code(), RT_EAGAIN);
}

// On a goroutine, where exit_goroutine and run have other rules.
static void on_a_goroutine() {
    CHECK_THROWS(RT_EPERM, gort::run([] {}));
    CHECK_THROWS(RT_EINVAL, gort::go(gort::opts{nullptr, 100}, [] {}));
    CHECK_THROWS(RT_EINVAL, gort::chan<int>().close());
    CHECK_THROWS(RT_EPERM, gort::after(1h).close());
    CHECK_THROWS(RT_EINVAL, gort::ticker(-1ns));
}

// Nothing can happen any more: run says so, and what it started stays as it was.
static void deadlock() {
    item i(1);
    CHECK_THROWS(RT_EDEADLK, (gort::run([i = std::move(i)] {
        gort::chan<int>().recv();
        FAIL("went on %ld", i.get());
    }), 0));
    CHECK_EQ(item::values, 1);
}

// Many goroutines park inside their catch blocks and while they unwind, and each finds its own exception afterwards.
struct parks_in_destructor {
    int uncaught = std::uncaught_exceptions();
    ~parks_in_destructor() {
        gort::sleep_for(20us);
        CHECK_EQ(std::uncaught_exceptions(), uncaught + 1);
    }
};

static void exceptions_across_parks() {
    gort::wait_group wg;
    for (int g = 0; g < 50; g++) {
        wg.go([g] {
            for (int i = 0; i < 20; i++) {
                try {
                    const parks_in_destructor p;
                    throw item(g * 1000 + i);
                } catch (const item& e) {
                    gort::sleep_for(std::chrono::microseconds(10 * (g % 5)));
                    try {
                        gort::yield();
                        throw g;
                    } catch (int inner) {
                        gort::sleep_for(30us);
                        CHECK_EQ(inner, g);
                    }
                    CHECK_EQ(e.get(), g * 1000 + i);
                    try {
                        throw;
                    } catch (const item& again) {
                        CHECK_EQ(again.get(), g * 1000 + i);
                    }
                    CHECK_EQ(std::uncaught_exceptions(), 0);
                }
                CHECK(std::current_exception() == nullptr);
            }
        });
    }
    wg.wait();
}

int main() {
    std::string dump;
    /* An emulator has threads of its own: then nothing is said, since they might act. */
    if (std::getenv("GORT_EMULATED") == nullptr) {
        CHECK_EQ(in_child(deadlock, &dump), 0);
        CHECK(dump.find("deadlock") != std::string::npos);
    }
    codes();
    gort::run(on_a_goroutine);
    everywhere(exceptions_across_parks);
    check_no_items();
    std::puts("cpp_errors: ok");
}
