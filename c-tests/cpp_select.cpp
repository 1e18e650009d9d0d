// gort::select: which case goes, what its function gets, and where the values are that did not go.
#include "cpp_check.hpp"

static void ready_cases() {
    const gort::chan<int> a(1), b(1);
    a.send(5);
    int got = 0;
    CHECK_EQ(gort::select(gort::recv(b, [](std::optional<int>) { FAIL("empty"); }),
                          gort::recv(a, [&](std::optional<int> v) { got = *v; }),
                          gort::otherwise([] { FAIL("a is ready"); })),
             1);
    CHECK_EQ(got, 5);
    CHECK_EQ(gort::select(gort::recv(a), gort::recv(b), gort::otherwise([&] { got = 6; })), 2);
    CHECK_EQ(got, 6);
    CHECK_EQ(gort::select(gort::otherwise([] { FAIL("there is room"); }), gort::send(a, 7)), 1);
    CHECK_EQ(*a.recv(), 7);
    // No function, functions without an argument, functions that answer something.
    a.send(1);
    b.send(2);
    bool called = false;
    CHECK_EQ(gort::select(gort::recv(a)), 0);
    gort::select(gort::recv(b, [&] { return called = true; }));
    CHECK(called);
    gort::select(gort::send(a, 8, [&](gort::status s) { called = !s; }));
    CHECK(!called);
    // A long case takes an int, a string case a literal.
    const gort::chan<long> l(1);
    const gort::chan<std::string> s(1);
    gort::select(gort::send(l, 1));
    gort::select(gort::send(s, "converted"));
    CHECK(*s.recv() == "converted");
    CHECK_EQ(*l.recv(), 1);
}

static void time_cases() {
    const gort::chan<item> ch, nil = {};
    int which = 0;
    const auto start = std::chrono::steady_clock::now();
    CHECK_EQ(gort::select(gort::recv(ch), gort::recv(nil), gort::after(10ms, [&] { which = 1; })), 2);
    CHECK(std::chrono::steady_clock::now() - start >= 10ms);
    CHECK_EQ(which, 1);
    CHECK_EQ(gort::select(gort::otherwise([] {})), 0);
    CHECK_EQ(gort::select(gort::after(1ms, [&] { which = 2; })), 0);
    CHECK_EQ(which, 2);
    for (const auto d : {0ms, -5ms}) CHECK_EQ(gort::select(gort::recv(ch), gort::after(d, [] {})), 1);
    // A channel of time as a case of its own.
    const auto fires = [&](auto t) { which = t.has_value() ? 3 : 4; };
    CHECK_EQ(gort::select(gort::recv(ch), gort::recv(gort::after(1ms), fires)), 1);
    CHECK_EQ(which, 3);
}

static void waits_for_a_case() {
    const gort::chan<item> in(0), out(0);
    gort::go([in, out] {
        for (int i = 0; i < 100; i++) {
            if (i % 2 == 0) in.send(item(i));
            else CHECK_EQ(out.recv()->get(), i);
        }
        in.close();
    });
    long i = 0;
    for (bool open = true; open;) {
        item mine(i);
        const auto takes = [&](std::optional<item> v) {
            open = v.has_value();
            if (v) CHECK_EQ(v->get(), i);
        };
        const auto went = gort::select(gort::recv(in, takes),
                                       gort::send(out, std::move(mine), [&] { CHECK(mine.empty()); }),
                                       gort::after(1min, [] {}));
        if (went == 0) CHECK_EQ(mine.get(), i);
        CHECK(went < 2);
        i++;
    }
    CHECK_EQ(i, 101);
}

static void closed_channels() {
    const gort::chan<item> ch(1);
    const gort::chan<int> numbers(1);
    ch.close();
    numbers.close();
    bool nothing = false;
    gort::select(gort::recv(ch, [&](std::optional<item> v) { nothing = !v; }));
    CHECK(nothing);
    item kept(1);
    gort::status how;
    gort::select(gort::send(ch, std::move(kept), [&](gort::status s) { how = s; }));
    CHECK(how.closed());
    CHECK_EQ(kept.get(), 1);
    CHECK_THROWS(RT_ECLOSED, gort::select(gort::send(ch, std::move(kept), [] { FAIL("sent"); })));
    CHECK_THROWS(RT_ECLOSED, gort::select(gort::send(ch, kept)));
    CHECK_THROWS(RT_ECLOSED, gort::select(gort::send(numbers, 1)));
    CHECK_EQ(kept.get(), 1);
}

// The others have their values back already when the winner's function runs, and after it has thrown.
static void giving_back() {
    const gort::chan<item> full(1), other(1);
    full.send(item(0));
    item a(1), b(2), c(3);
    try {
        gort::select(gort::send(full, std::move(a)), gort::send(full, b), gort::send(other, std::move(c), [&] {
            CHECK_EQ(a.get(), 1);
            CHECK_EQ(b.get(), 2);
            CHECK(c.empty());
            throw 5;
        }));
        FAIL("did not throw");
    } catch (int n) {
        CHECK_EQ(n, 5);
    }
    CHECK_EQ(a.get(), 1);
    CHECK_EQ(b.get(), 2);
    CHECK_EQ(other.recv()->get(), 3);

    // A case whose copy throws: what the cases before it had taken is back.
    struct fragile {
        fragile() = default;
        fragile(const fragile&) { throw 6; }
        fragile(fragile&&) = default;
        fragile& operator=(fragile&&) = default;
        std::string text;
    };
    const gort::chan<fragile> fragiles(1);
    const fragile f;
    try {
        gort::select(gort::send(other, std::move(a)), gort::send(fragiles, f));
        FAIL("did not throw");
    } catch (int n) {
        CHECK_EQ(n, 6);
    }
    CHECK_EQ(a.get(), 1);
    CHECK_EQ(other.len(), 0);

    // A refused call.
    const auto fed = gort::after(1h);
    CHECK_THROWS(RT_EPERM, gort::select(gort::send(other, std::move(a)), gort::send(fed, gort::time_point())));
    CHECK_EQ(a.get(), 1);
    CHECK_EQ(other.len(), 0);
}

// The same channels to send and to receive, one value offered to both: goroutines that do all of it lose no item.
static void conserves() {
    const gort::chan<only> left(0), right(2);
    constexpr long each = 400;
    std::atomic<long> got{0}, sum{0};
    const auto take = [&](std::optional<only> v) {
        sum += v->get();
        ++got;
    };
    gort::wait_group senders, rest;
    for (long g = 0; g < 6; g++) {
        senders.go([&, g] {
            for (long i = 0; i < each; i++) {
                only v(g * each + i);
                for (bool sent = false; !sent;) {
                    gort::select(gort::recv(left, take), gort::send(left, std::move(v), [&] { sent = true; }),
                                 gort::recv(right, take), gort::send(right, std::move(v), [&] { sent = true; }),
                                 gort::after(100us, [] {}));
                }
            }
        });
    }
    // Takes what is left when all have sent, and keeps the last sender company.
    std::atomic<bool> over{false};
    rest.go([&] {
        while (!over || got < 6 * each) {
            gort::select(gort::recv(left, take), gort::recv(right, take), gort::after(1ms, [] {}));
        }
    });
    senders.wait();
    over = true;
    rest.wait();
    CHECK_EQ(got, 6 * each);
    CHECK_EQ(sum, 6 * each * (6 * each - 1) / 2);
}

static void fair() {
    const gort::chan<int> a(1), b(1);
    int first = 0;
    for (int i = 0; i < 2000; i++) {
        if (a.len() == 0) a.send(1);
        if (b.len() == 0) b.send(1);
        first += gort::select(gort::recv(a), gort::recv(b)) == 0;
    }
    CHECK(first > 700 && first < 1300);
}

int main() {
    everywhere(ready_cases);
    everywhere(time_cases);
    everywhere(waits_for_a_case);
    everywhere(closed_channels);
    everywhere(giving_back);
    check_no_items();
    everywhere(conserves);
    everywhere(fair);
    check_no_items();
    std::puts("cpp_select: ok");
}
