// Contexts, hooks, groups and goroutine-local values.
#include "cpp_check.hpp"

using gort::context;

static void backgrounds() {
    const context none, same = context::adopt(nullptr), also = context::adopt(rt_ctx_background());
    CHECK(none == same && same == also);
    CHECK(!none.is_over() && none.error().ok() && none.why().ok() && !none.deadline());
    CHECK(!none.done() && none.native_handle() == nullptr);
    CHECK_THROWS(RT_EINVAL, (none.cancel(), 0));
    CHECK_EQ(gort::select(gort::recv(none.done()), gort::after(1ms, [] {})), 1);
}

static void trees() {
    const context root = context().with_cancel(), left = root.with_cancel(), right = root.with_cancel();
    const context leaf = left.with_timeout(1h), copy = leaf;
    CHECK(copy == leaf && leaf != left && copy.done() == leaf.done());
    left.cancel(RT_EBUSY);
    CHECK(left.error().canceled() && left.is_over());
    CHECK_EQ(leaf.why().code(), RT_EBUSY);
    CHECK(leaf.error().canceled() && !leaf.error().timed_out());
    CHECK(!leaf.done().recv());
    CHECK(!root.is_over() && !right.is_over());
    root.cancel();
    CHECK(right.why().canceled());
    left.cancel(RT_EINVAL);
    CHECK_EQ(left.why().code(), RT_EBUSY);
    // The channel outlives its context.
    gort::chan<context::nothing> done;
    {
        const context gone = context().with_cancel();
        done = gone.done();
        gone.cancel();
    }
    gort::status why;
    CHECK(!done.try_recv(why) && why.closed());
}

static void deadlines() {
    const auto now = std::chrono::steady_clock::now();
    CHECK(context().with_timeout(0s).error().timed_out());
    CHECK(context().with_timeout(-1h).error().timed_out());
    CHECK(context().with_deadline(now).error().timed_out());
    CHECK(context().with_deadline(std::chrono::steady_clock::time_point::min()).error().timed_out());
    CHECK(!context().with_timeout(std::chrono::hours::max()).deadline());
    CHECK(!context().with_deadline(std::chrono::steady_clock::time_point::max()).deadline());
    const context far = context().with_deadline(now + 1h), near = far.with_timeout(1ms), below = near.with_timeout(2h);
    CHECK(far.deadline() == now + 1h);
    CHECK(near.deadline() == below.deadline() && *near.deadline() < *far.deadline());
    CHECK(!below.done().recv());
    CHECK(below.error().timed_out() && near.why().timed_out() && !far.is_over());
    CHECK(std::chrono::steady_clock::now() >= *near.deadline());
}

// Work until it is over, as Go programs do.
static void in_select() {
    const context ctx = context().with_cancel();
    gort::chan<int> jobs(0);
    std::atomic<int> done{0}, sum{0};
    gort::wait_group wg;
    for (int i = 0; i < 5; i++) {
        wg.go([ctx, jobs, &done, &sum] {
            bool going = true;
            while (going)
                gort::select(gort::recv(ctx.done(), [&](std::optional<context::nothing> none) { going = none.has_value(); }),
                             gort::recv(jobs, [&](std::optional<int> j) { sum += *j; }));
            CHECK_EQ(ctx.why().code(), -7);
            ++done;
        });
    }
    for (int i = 1; i <= 100; i++) jobs.send(i);
    CHECK_EQ(done, 0);
    ctx.cancel(-7);
    wg.wait();
    CHECK_EQ(done, 5);
    CHECK_EQ(sum, 5050);
}

static void hooks() {
    std::atomic<int> calls{0};
    {
        const context ctx = context().with_cancel();
        gort::context_hook first(ctx, [&, i = item(1)] { calls += static_cast<int>(i.get()); });
        gort::context_hook moved(std::move(first));
        gort::context_hook stopped(ctx, [&, i = only(100)] { calls += static_cast<int>(i.get()); });
        CHECK(first.native_handle() == nullptr && moved.native_handle() != nullptr);
        CHECK(stopped.stop());
        CHECK(!stopped.stop());
        ctx.cancel();
        EVENTUALLY(calls == 1);
        CHECK(!moved.stop());
    }
    {
        // The destructor waits for a call that has begun.
        bool ended = false;
        {
            const context over = context().with_timeout(0s);
            const gort::context_hook slow(over, [&] {
                ++calls;
                gort::sleep_for(2ms);
                ended = true;
            });
            EVENTUALLY(calls == 2);
        }
        CHECK(ended);
    }
    {
        // It may destroy its own hook, and leave by exit_goroutine.
        const context ctx = context().with_cancel();
        std::unique_ptr<gort::context_hook> own;
        own = std::make_unique<gort::context_hook>(ctx, [&] {
            own.reset();
            ++calls;
            gort::exit_goroutine();
        });
        ctx.cancel();
        EVENTUALLY(calls == 3);
    }
    {
        // Nor does rt_goexit keep the destructor waiting.
        const context over = context().with_timeout(0s);
        const gort::context_hook leaves(over, [&] {
            ++calls;
            rt_goexit();
        });
        EVENTUALLY(calls == 4);
    }
    {
        // Never over, never called.
        const gort::context_hook never(context(), [&] { ++calls; });
        const gort::context_hook also(context().with_cancel(), [&] { ++calls; });
    }
    CHECK_EQ(calls, 4);
}

static void groups() {
    {
        gort::group g;
        CHECK(g.wait().ok());
        CHECK(g.ctx().is_over());
        CHECK(g.wait().ok());
    }
    std::atomic<int> sum{0};
    {
        gort::group g;
        g.set_limit(0);
        for (int i = 1; i <= 100; i++) g.go([&, n = item(i)](int by) { sum += by * static_cast<int>(n.get()); }, 2);
        CHECK_THROWS(RT_EBUSY, (g.set_limit(1), 0));
        CHECK(g.wait().ok());
        CHECK_EQ(sum, 10100);
    }
    {
        // The first error ends the context, and is the group's; every kind of answer.
        const context above = context().with_cancel();
        gort::group g(above);
        std::atomic<int> told{0};
        const auto works = [&](const context& c) {
            CHECK(c == g.ctx());
            CHECK(!c.done().recv());
            ++told;
            return c.why();
        };
        for (int i = 0; i < 10; i++) g.go(works);
        g.go([](const context&, only o) { return o.get() == 5 ? RT_EBUSY : RT_OK; }, only(5));
        const gort::status s = g.wait();
        CHECK_EQ(s.code(), RT_EBUSY);
        CHECK_EQ(told, 10);
        CHECK_EQ(g.ctx().why().code(), RT_EBUSY);
        CHECK(g.wait() == s && !above.is_over());
        g.go([] { gort::exit_goroutine(); });
        CHECK(g.wait() == s);
    }
    {
        // An exit is no error.
        gort::group g;
        g.go([i = item(3)](const context&) -> int {
            const item local(4);
            gort::exit_goroutine();
        });
        CHECK(g.wait().ok());
    }
    {
        // The limit holds.
        gort::group g;
        g.set_limit(2);
        std::atomic<int> inside{0};
        for (int i = 0; i < 50; i++) {
            g.go([&] {
                CHECK(++inside <= 2);
                gort::yield();
                --inside;
            });
        }
        g.go([&g] { CHECK_EQ(g.wait().code(), RT_EPERM); });
        CHECK(g.wait().ok());
    }
    // The destructor cancels and waits.
    std::atomic<int> ended{0};
    {
        gort::group g;
        for (int i = 0; i < 10; i++) {
            g.go([&](const context& c) {
                c.done().recv();
                ++ended;
            });
        }
    }
    CHECK_EQ(ended, 10);
}

static void locals() {
    gort::goroutine_local<item> mine;
    CHECK(!mine && mine.get() == nullptr);
    CHECK_EQ(mine.emplace(7).get(), 7);
    CHECK(mine && mine->get() == 7 && (*mine).get() == 7);
    mine.emplace(8);
    CHECK_EQ(mine->get(), 8);
    gort::wait_group wg;
    for (int i = 0; i < 50; i++) {
        wg.go([&, i] {
            CHECK(!mine);
            mine.emplace(i);
            gort::yield();
            gort::defer_goroutine([&, i] { CHECK_EQ(mine->get(), i); });
            if (i % 3 == 0) gort::exit_goroutine();
            if (i % 3 == 1) mine.reset();
            if (i % 3 == 1) mine.emplace(i);
        });
    }
    wg.wait();
    std::thread([&] {
        CHECK(!mine);
        mine.emplace(9);
        const std::unique_ptr<item> out = mine.release();
        CHECK(!mine && out->get() == 9);
        mine.emplace(10);
    }).join();
    CHECK_EQ(mine->get(), 8);
    // Each but this one is gone.
    CHECK_EQ(item::values, 1);
}

// An exception out of any of these ends the process with a line that says so.
template <class F>
static void ends_the_process(F f) {
    std::string said;
    const int status = in_child(f, &said);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    if (said.find("an exception left the function of goroutine") == std::string::npos) FAIL("it said %s", said.c_str());
}

static void escapes() {
    ends_the_process([] {
        gort::group g;
        g.go([] { throw 1; });
        static_cast<void>(g.wait());
    });
    ends_the_process([] {
        const context ctx = context().with_timeout(0s);
        const gort::context_hook hook(ctx, [] { throw 1; });
    });
    ends_the_process([] {
        rt_key key;
        CHECK_EQ(rt_key_create(&key, [](void*) { throw 1; }), RT_OK);
        gort::run([&] { CHECK_EQ(rt_key_set(key, &key), RT_OK); });
    });
}

int main() {
    // Valgrind and the sanitizers have their own idea of the end of a process.
    if (std::getenv("GORT_EMULATED") == nullptr) escapes();
    everywhere(backgrounds);
    everywhere(trees);
    everywhere(deadlines);
    everywhere(in_select);
    everywhere(hooks);
    everywhere(groups);
    everywhere(locals);
    check_no_items();
    std::puts("cpp_scope: ok");
}
