// gort::chan: values in the channel and on the heap, every way to send and receive, and that each value lives once.
#include "cpp_check.hpp"

#include <array>
#if __cplusplus >= 202002L
#include <ranges>
static_assert(std::ranges::input_range<gort::chan<int>>);
static_assert(std::ranges::input_range<const gort::chan<only>&>);
#endif

struct small {
    short a;
    char b[5];
};
struct no_default {
    explicit no_default(int v) : n(v) {}
    int n;
};
using big = std::array<long, 100>;
struct empty {};
// Go's way to ask for an answer: a request brings the channel for it.
struct request {
    long n;
    gort::chan<request> answers;
};

static_assert(gort::detail::by_value<small> && gort::detail::by_value<no_default> && gort::detail::by_value<int*>);
static_assert(!gort::detail::by_value<big> && !gort::detail::by_value<std::string> && !gort::detail::by_value<item>);
static_assert(std::is_nothrow_move_constructible_v<gort::chan<item>> && std::is_copy_constructible_v<gort::chan<only>>);

static void kinds_of_values() {
    const auto small_ch = gort::make_chan<small>(1);
    CHECK_EQ(rt_chan_elem_size(small_ch.native_handle()), sizeof(small));
    CHECK(small_ch.send(small{-3, {1, 2, 3, 4, 5}}));
    const small s = *small_ch.recv();
    CHECK(s.a == -3 && s.b[4] == 5);

    const gort::chan<no_default> nd(1);
    CHECK(nd.send(no_default(4)));
    CHECK_EQ(nd.recv()->n, 4);

    const gort::chan<empty> signal(2);
    CHECK_EQ(rt_chan_elem_size(signal.native_handle()), 0);
    CHECK(signal.send({}));
    CHECK(signal.send(empty()));
    CHECK_EQ(signal.len(), 2);
    CHECK(signal.recv().has_value());

    const gort::chan<big> bigs(1);
    big b{};
    b[99] = 9;
    CHECK(bigs.send(b));
    CHECK_EQ((*bigs.recv())[99], 9);

    const gort::chan<std::string> strings(4);
    const std::string kept = "kept";
    std::string moved = "a string too long to be stored in place, surely";
    CHECK(strings.send(kept));
    CHECK(strings.send(std::move(moved)));
    CHECK(strings.send("converted"));
    CHECK(moved.empty());
    CHECK(*strings.recv() == kept);
    CHECK(strings.recv()->size() == 47);
    CHECK(*strings.recv() == "converted");

    const gort::chan<std::optional<int>> optionals(2);
    optionals.send(std::nullopt);
    optionals.send(1);
    CHECK(!optionals.recv()->has_value());
    CHECK(optionals.recv()->has_value());

    const gort::chan<request> requests(0);
    gort::go([requests] {
        for (auto& r : requests) r.answers.send({r.n + 1, {}});
    });
    for (long i = 0; i < 3; i++) {
        const gort::chan<request> answers(1);
        requests.send({i, answers});
        CHECK_EQ(answers.recv()->n, i + 1);
    }
    requests.close();

    const gort::chan<gort::chan<item>> nested(1);
    const gort::chan<item> inner(1);
    nested.send(inner);
    nested.recv()->send(item(3));
    CHECK_EQ(inner.recv()->get(), 3);
}

static void handles() {
    gort::chan<int> a(3), b = a, nil;
    CHECK(a == b && a != nil && nil == gort::chan<int>());
    CHECK(a && !nil);
    CHECK_EQ(a.cap(), 3);
    CHECK_EQ(gort::chan<int>(0).cap(), 0);
    a.send(1);
    CHECK_EQ(b.len(), 1);
    gort::chan<int> c = std::move(a);
    CHECK(!a && c == b);
    c = nil;
    CHECK_EQ(*b.recv(), 1);

    // The nil channel.
    gort::status why;
    CHECK_EQ(nil.len() + nil.cap(), 0);
    CHECK(nil.try_send(1).would_block());
    CHECK(!nil.try_recv(why) && why.would_block());
    CHECK(nil.send_for(1, 1ms).timed_out());
    CHECK(!nil.recv_for(1ms, why) && why.timed_out());
    CHECK_THROWS(RT_EINVAL, nil.close());

    // A C channel.
    rt_chan* raw = rt_chan_make(sizeof(long), 1);
    CHECK_THROWS(RT_EINVAL, gort::chan<char>::adopt(raw));
    const auto adopted = gort::chan<long>::adopt(raw);
    const long eleven = 11;
    CHECK_EQ(rt_chan_send(adopted.native_handle(), &eleven), RT_OK);
    CHECK_EQ(*adopted.recv(), 11);
    CHECK(!gort::chan<long>::adopt(nullptr));
}

static void closing() {
    const gort::chan<item> ch(2);
    gort::status why;
    CHECK(!ch.try_recv(why) && why.would_block());
    CHECK(!ch.recv_for(1ms, why) && why.timed_out());
    CHECK(!ch.recv_for(0s, why) && why.timed_out());
    ch.send(item(1));
    CHECK(ch.close());
    CHECK(!ch.close());
    item kept(2);
    CHECK(ch.send(kept).closed());
    CHECK(ch.send(std::move(kept)).closed());
    CHECK(ch.try_send(std::move(kept)).closed());
    CHECK(ch.send_for(std::move(kept), 1h).closed());
    CHECK_EQ(kept.get(), 2);
    CHECK_EQ(ch.try_recv(why)->get(), 1);
    CHECK(why.ok());
    CHECK(!ch.recv());
    CHECK(!ch.try_recv(why) && why.closed());
    CHECK(!ch.recv_for(1h, why) && why.closed());
}

// What could not be sent is where it was.
static void given_back() {
    const gort::chan<item> ch(1);
    item a(1), b(2);
    CHECK(ch.try_send(std::move(a)));
    CHECK(a.empty());
    const auto start = std::chrono::steady_clock::now();
    CHECK(ch.try_send(std::move(b)).would_block());
    CHECK(ch.send_for(std::move(b), 5ms).timed_out());
    CHECK(std::chrono::steady_clock::now() - start >= 5ms);
    CHECK(ch.send_for(std::move(b), -1s).timed_out());
    CHECK(ch.send_for(b, 1us).timed_out());
    CHECK_EQ(b.get(), 2);
    CHECK_EQ(item::values, 2);

    // Senders that wait when it is closed.
    gort::wait_group wg;
    for (int i = 0; i < 20; i++) {
        wg.go([ch, v = item(100 + i), i]() mutable {
            const gort::status s = i % 2 == 0 ? ch.send(std::move(v)) : ch.send_for(std::move(v), 1h);
            CHECK(s.closed());
            CHECK_EQ(v.get(), 100 + i);
        });
    }
    gort::sleep_for(5ms);
    ch.close();
    wg.wait();
    CHECK_EQ(ch.recv()->get(), 1);
}

// A channel that goes with values in it, one that nobody ever received from, and one inside another.
static void buffered_at_the_end() {
    {
        const gort::chan<only> ch(10);
        for (int i = 0; i < 7; i++) ch.send(only(i));
        ch.recv();
        auto copy = ch;
        copy.close();
        CHECK_EQ(item::values, 6);
        const gort::chan<gort::chan<only>> outer(1);
        outer.send(ch);
    }
    check_no_items();
}

static void range_for() {
    const gort::chan<only> ring(2);
    gort::go([ring] {
        for (int i = 0; i < 100; i++) CHECK(ring.send(only(i)));
        ring.close();
    });
    long n = 0;
    for (auto& v : ring) {
        CHECK_EQ(v.get(), n++);
        const only mine = std::move(v);
        CHECK_EQ(mine.get(), n - 1);
    }
    CHECK_EQ(n, 100);
    for (const auto& v : ring) FAIL("%ld from a drained channel", v.get());
    long sum = 0;
    const auto numbers = [] {
        gort::chan<int> c(3);
        for (int i : {1, 2, 3}) c.send(i);
        c.close();
        return c;
    };
    for (int v : numbers()) sum += v;
    CHECK_EQ(sum, 6);
}

// Many goroutines and threads: everything that was sent arrives once, whatever timed out in between.
template <class T>
static void conserves(std::size_t cap) {
    const gort::chan<T> ch(cap);
    std::atomic<long> sum{0}, count{0};
    gort::wait_group senders, receivers;
    constexpr long each = 500;
    const auto sends = [&](long from) {
        for (long i = from; i < from + each; i++) {
            T v(i);
            switch (i % 3) {
            case 0: CHECK(ch.send(std::move(v))); break;
            case 1:
                while (!ch.try_send(std::move(v))) gort::yield();
                break;
            default:
                while (!ch.send_for(std::move(v), 20us)) {
                }
            }
        }
    };
    const auto receives = [&] {
        for (auto& v : ch) {
            if constexpr (std::is_same_v<T, long>) sum += v;
            else sum += v.get();
            ++count;
        }
    };
    for (long i = 0; i < 8; i++) senders.go(sends, i * each);
    for (int i = 0; i < 6; i++) receivers.go(receives);
    std::vector<std::thread> threads;
    for (long i = 8; i < 10; i++) threads.emplace_back([&sends, i] { sends(i * each); });
    receivers.add(2);
    for (int i = 0; i < 2; i++) {
        threads.emplace_back([&] {
            receives();
            receivers.done();
        });
    }
    senders.wait();
    threads[0].join();
    threads[1].join();
    ch.close();
    receivers.wait();
    threads[2].join();
    threads[3].join();
    CHECK_EQ(count, 10 * each);
    CHECK_EQ(sum, 10 * each * (10 * each - 1) / 2);
}

// A move that throws leaves the channel as it was.
static void throwing_moves() {
    struct fragile {
        bool throws = false;
        item i{1};
        fragile() = default;
        fragile(fragile&& o) : throws(o.throws), i(std::move(o.i)) {
            if (throws) throw 1;
        }
        fragile& operator=(fragile&&) = default;
    };
    const gort::chan<fragile> ch(2);
    fragile f;
    f.throws = true;
    try {
        ch.send(std::move(f));
        FAIL("sent");
    } catch (int) {
    }
    CHECK_EQ(ch.len(), 0);
}

int main() {
    CHECK_THROWS(RT_ENOMEM, gort::chan<long>(SIZE_MAX));
    everywhere(kinds_of_values);
    everywhere(handles);
    everywhere(closing);
    everywhere(given_back);
    check_no_items();
    everywhere(buffered_at_the_end);
    everywhere(range_for);
    everywhere(throwing_moves);
    for (std::size_t cap : {0, 1, 16}) {
        conserves<long>(cap);
        conserves<item>(cap);
        gort::run([cap] { conserves<only>(cap); });
    }
    check_no_items();
    std::puts("cpp_chan: ok");
}
