// Durations and points in time of every kind, sleeps, timers and tickers.
#include "cpp_check.hpp"

#include <cmath>
#include <limits>

using clk = std::chrono::steady_clock;
using gort::detail::timeout;
using gort::detail::to_ns;

static_assert(to_ns(1ns) == 1 && to_ns(1us) == 1000 && to_ns(2h) == 7'200'000'000'000);
static_assert(to_ns(std::chrono::duration<std::int64_t, std::pico>(1)) == 1, "rounds up");
static_assert(to_ns(std::chrono::duration<double>(0.5e-9)) == 1);
static_assert(to_ns(std::chrono::duration<float>(0.25f)) == 250'000'000);
static_assert(to_ns(std::chrono::hours::max()) == INT64_MAX && to_ns(std::chrono::nanoseconds::max()) == INT64_MAX);
static_assert(to_ns(std::chrono::duration<double>(1e300)) == INT64_MAX);
static_assert(to_ns(std::chrono::duration<unsigned char, std::ratio<86400>>(255)) == 255 * 86400 * 1'000'000'000LL);
static_assert(to_ns(std::chrono::hours::min()) < 0 && to_ns(-1ms) == -1'000'000);
static_assert(timeout(0s) == -1 && timeout(-1h) == -1, "never RT_NOWAIT");
static_assert(timeout(std::chrono::nanoseconds::min()) == -1, "never RT_FOREVER");
static_assert(timeout(std::chrono::hours::min()) == -1 && timeout(5ns) == 5);
static_assert(std::is_same_v<clk::duration, std::chrono::nanoseconds>);

template <class F>
static clk::duration took(F f) {
    const auto start = clk::now();
    f();
    return clk::now() - start;
}

static void odd_numbers() {
    CHECK_EQ(to_ns(std::chrono::duration<double>(std::numeric_limits<double>::infinity())), INT64_MAX);
    CHECK_EQ(to_ns(std::chrono::duration<double>(std::nan(""))), INT64_MAX);
    CHECK(to_ns(std::chrono::duration<double>(-std::numeric_limits<double>::infinity())) < 0);
    CHECK(gort::detail::deadline(std::chrono::hours::max()) == gort::time_point::max());
    const gort::time_point past = gort::detail::deadline(-1h);
    CHECK(past <= clk::now());
    CHECK_EQ(gort::detail::time_left(clk::time_point::min()), -1);
    CHECK(gort::detail::time_left(clk::time_point::max()) > 0);
    CHECK(gort::detail::time_left(std::chrono::time_point<clk, std::chrono::hours>::max()) > 0);
    // The two clocks are one.
    const auto a = clk::now();
    const std::int64_t b = rt_now();
    const auto c = clk::now();
    CHECK(a.time_since_epoch().count() <= b && b <= c.time_since_epoch().count());
}

static void sleeps() {
    CHECK(took([] { gort::sleep_for(3ms); }) >= 3ms);
    CHECK(took([] { gort::sleep_for(std::chrono::duration<double, std::milli>(2.5)); }) >= 2500us);
    gort::sleep_for(0s);
    gort::sleep_for(std::chrono::hours::min());
    const auto at = clk::now() + 3ms;
    gort::sleep_until(at);
    CHECK(clk::now() >= at);
    gort::sleep_until(at);
    gort::sleep_until(clk::time_point::min());
    gort::sleep_until(std::chrono::time_point_cast<std::chrono::seconds>(clk::now()));
}

static void timers() {
    const auto start = clk::now();
    gort::timer t(5ms);
    CHECK_EQ(t.channel().cap(), 0);
    const auto fired = *t.channel().recv();
    CHECK(fired >= start + 5ms && fired <= clk::now());
    CHECK(!t.stop());
    CHECK(!t.reset(1h));
    CHECK(t.stop());
    CHECK(!t.channel().try_recv());
    t.reset(1ms);
    gort::sleep_for(5ms);
    // Fired and not received counts as pending, and a stop takes it back.
    CHECK(t.stop());
    CHECK(!t.channel().try_recv());
    CHECK(!t.reset(-1s));
    CHECK(t.channel().recv().has_value());
    CHECK_THROWS(RT_EPERM, t.channel().send(clk::now()));
    CHECK_THROWS(RT_EPERM, t.channel().close());

    // The channel outlives its timer, and gets nothing more.
    const auto orphan = gort::timer(1ms).channel();
    gort::status why;
    CHECK(!orphan.recv_for(5ms, why) && why.timed_out());

    CHECK(gort::after(2ms).recv().has_value());
    CHECK(gort::after(-2ms).recv().has_value());
    static_cast<void>(gort::after(1h));
    gort::timer moved = std::move(t);
    CHECK(!moved.stop());
    moved = gort::timer(1ms);
    CHECK(moved.channel().recv().has_value());
}

static void functions() {
    {
        const gort::chan<int> ch(1);
        gort::timer t(1ms, [ch, i = item(1)] { ch.send(static_cast<int>(i.get())); });
        CHECK(!t.channel());
        CHECK_EQ(*ch.recv(), 1);
        t.reset(1ms);
        CHECK_EQ(*ch.recv(), 1);
        t.reset(1h);
        CHECK(t.stop());
    }
    check_no_items();
    {
        const gort::timer never(1h, [i = item(2)] { FAIL("fired"); });
    }
    check_no_items();

    // The destructor waits for a function that runs: it may refer to what lives longer than its timer.
    for (int i = 0; i < 50; i++) {
        std::atomic<bool> in{false}, out{false};
        {
            const gort::timer t(50us, [&] {
                in = true;
                gort::sleep_for(1ms);
                out = true;
            });
            gort::sleep_for(std::chrono::microseconds(i * 5));
        }
        CHECK_EQ(in, out);
    }

    // A function that destroys its own timer, and one that exits.
    {
        const gort::chan<int> done(2);
        auto own = std::make_shared<std::optional<gort::timer>>();
        const std::weak_ptr<std::optional<gort::timer>> watch = own;
        const gort::chan<int> armed(0);
        own->emplace(1us, [own, armed, done, i = item(3)]() mutable {
            armed.recv();
            own->reset();
            done.send(static_cast<int>(i.get()));
        });
        own.reset();
        armed.close();
        CHECK_EQ(*done.recv(), 3);
        EVENTUALLY(watch.expired());
        const gort::timer exits(1us, [done] {
            const gort::defer tell([&] { done.send(4); });
            gort::exit_goroutine();
        });
        CHECK_EQ(*done.recv(), 4);
    }
    check_no_items();
}

static void tickers() {
    CHECK_THROWS(RT_EINVAL, gort::ticker(0s));
    CHECK_THROWS(RT_EINVAL, gort::ticker(-1s));
    const auto start = clk::now();
    gort::ticker tick(2ms);
    int n = 0;
    for (const auto at : tick.channel()) {
        CHECK(at >= start);
        if (++n == 5) break;
    }
    CHECK(clk::now() - start >= 10ms);
    CHECK(!tick.reset(0s));
    tick.reset(1ms);
    CHECK(tick.channel().recv().has_value());
    tick.stop();
    gort::status why;
    CHECK(!tick.channel().recv_for(5ms, why) && why.timed_out());
}

int main() {
    odd_numbers();
    everywhere(sleeps);
    everywhere(timers);
    everywhere(functions);
    everywhere(tickers);
    std::puts("cpp_chrono: ok");
}
