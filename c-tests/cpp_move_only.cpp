// Move-only types everywhere: callables, arguments, channel values, select, defers, timers.
#include "cpp_check.hpp"

using ptr = std::unique_ptr<long>;

static void through_channels() {
    const gort::chan<ptr> ch(0);
    gort::go([ch, p = std::make_unique<long>(1)]() mutable {
        CHECK(ch.send(std::move(p)));
        CHECK(p == nullptr);
        ch.send(nullptr);
        ch.close();
    });
    CHECK_EQ(**ch.recv(), 1);
    CHECK(*ch.recv() == nullptr);
    CHECK(!ch.recv());

    // A value that goes through a chain of goroutines stays one value.
    gort::chan<only> first(0), in = first;
    for (int i = 0; i < 50; i++) {
        gort::chan<only> out(static_cast<std::size_t>(i % 3));
        gort::go([in, out] {
            for (auto& v : in) out.send(std::move(v));
            out.close();
        });
        in = out;
    }
    gort::go([first] {
        for (long i = 0; i < 20; i++) first.send(only(i));
        first.close();
    });
    long n = 0;
    for (auto& v : in) CHECK_EQ(v.get(), n++);
    CHECK_EQ(n, 20);
}

static void through_select() {
    const gort::chan<ptr> full(1), room(1);
    full.send(std::make_unique<long>(0));
    ptr a = std::make_unique<long>(1), b = std::make_unique<long>(2);
    bool sent = false;
    const auto went = gort::select(gort::send(full, std::move(a), [] { FAIL("full"); }),
                                   gort::send(room, std::move(b), [&] { sent = a != nullptr && b == nullptr; }));
    CHECK_EQ(went, 1);
    CHECK(sent);
    CHECK_EQ(*a, 1);
    gort::select(gort::recv(room, [](std::optional<ptr> v) { CHECK_EQ(*v.value(), 2); }));
    // The callable is move-only too.
    gort::select(gort::recv(full, [p = std::make_unique<int>(3)](auto v) { CHECK_EQ(*v.value() + *p, 3); }));
}

static void through_the_rest() {
    {
        gort::defer guard([p = std::make_unique<long>(1)] { CHECK_EQ(*p, 1); });
    }
    gort::chan<ptr> fired(1);
    gort::timer t(1ms, [fired, p = std::make_unique<long>(4)]() mutable { fired.send(std::move(p)); });
    CHECK_EQ(**fired.recv(), 4);
    gort::timer moved = std::move(t);
    t = std::move(moved);
    CHECK(!t.stop());

    gort::once o;
    long got = 0;
    o.call([&](ptr p) { got = *p; }, std::make_unique<long>(5));
    CHECK_EQ(got, 5);

    gort::wait_group wg;
    wg.go([](only a, ptr b) { CHECK_EQ(a.get() + *b, 13); }, only(6), std::make_unique<long>(7));
    wg.go([] {
        gort::defer_goroutine([](only a) { CHECK_EQ(a.get(), 8); }, only(8));
    });
    wg.wait();
}

int main() {
    everywhere(through_channels);
    everywhere(through_select);
    everywhere(through_the_rest);
    check_no_items();
    std::puts("cpp_move_only: ok");
}
