// Locks and the like, through the guards of the standard library, between goroutines and threads.
#include "cpp_check.hpp"

#include <shared_mutex>

static void mutexes() {
    gort::mutex a, b;
    {
        const std::lock_guard one(a);
        CHECK(!a.try_lock());
        CHECK(!a.try_lock_for(1ms));
        CHECK(!a.try_lock_for(-1ms));
        CHECK(!a.try_lock_until(std::chrono::steady_clock::now() + 1ms));
        std::unique_lock two(a, std::try_to_lock);
        CHECK(!two.owns_lock());
        std::unique_lock three(a, 1ms);
        CHECK(!three.owns_lock());
    }
    {
        const std::scoped_lock both(a, b);
        CHECK(!a.try_lock() && !b.try_lock());
    }
    std::unique_lock four(a, 1s);
    CHECK(four.owns_lock());
    four.unlock();
    CHECK_EQ(rt_mutex_try_lock(a.native_handle()), RT_OK);
    a.unlock();
    CHECK_THROWS(RT_EPERM, (a.unlock(), 0));

    // Goroutines and threads, two locks at a time, in both orders.
    long n = 0;
    gort::wait_group wg;
    const auto adds = [&](bool turn) {
        for (int i = 0; i < 2000; i++) {
            const std::scoped_lock both(turn ? a : b, turn ? b : a);
            n++;
        }
    };
    for (int i = 0; i < 8; i++) wg.go(adds, i % 2 == 0);
    std::thread thread(adds, true);
    wg.wait();
    thread.join();
    CHECK_EQ(n, 18000);
}

static void shared_mutexes() {
    gort::shared_mutex m;
    {
        const std::shared_lock one(m), two(m);
        CHECK(!m.try_lock());
        CHECK(m.try_lock_shared());
        m.unlock_shared();
    }
    {
        const std::unique_lock one(m);
        CHECK(!m.try_lock_shared());
        CHECK(!m.try_lock());
    }
    CHECK(m.try_lock());
    m.unlock();
    CHECK_THROWS(RT_EPERM, (m.unlock(), 0));
    CHECK_THROWS(RT_EPERM, (m.unlock_shared(), 0));

    long x = 0, y = 0;
    gort::wait_group wg;
    for (int i = 0; i < 10; i++) {
        wg.go([&, i] {
            for (int k = 0; k < 500; k++) {
                if (i < 3) {
                    const std::unique_lock w(m);
                    x++;
                    if (k % 50 == 0) gort::yield();
                    y++;
                } else {
                    const std::shared_lock r(m);
                    CHECK_EQ(x, y);
                    if (k % 50 == 0) gort::yield();
                    CHECK_EQ(x, y);
                }
            }
        });
    }
    wg.wait();
    CHECK_EQ(x, 1500);
}

static void condition_variables() {
    gort::mutex m;
    gort::condition_variable cv;
    std::unique_lock lock(m);
    CHECK(cv.wait_for(lock, 1ms) == std::cv_status::timeout);
    CHECK(cv.wait_for(lock, -1ms) == std::cv_status::timeout);
    CHECK(cv.wait_until(lock, std::chrono::steady_clock::now() + 1ms) == std::cv_status::timeout);
    CHECK(!cv.wait_for(lock, 1ms, [] { return false; }));
    CHECK(cv.wait_for(lock, -1ms, [] { return true; }));
    CHECK(lock.owns_lock());
    lock.unlock();
    CHECK_THROWS(RT_EPERM, (cv.wait(lock), 0));
    CHECK_THROWS(RT_EPERM, cv.wait_for(lock, 1ms));

    // A queue with two ends.
    std::vector<int> queue;
    gort::condition_variable not_empty, not_full;
    long sum = 0;
    gort::wait_group wg;
    for (int g = 0; g < 4; g++) {
        wg.go([&] {
            for (int i = 0; i < 500; i++) {
                std::unique_lock l(m);
                not_full.wait(l, [&] { return queue.size() < 3; });
                queue.push_back(i);
                not_empty.notify_one();
            }
        });
        wg.go([&, g] {
            for (int i = 0; i < 500; i++) {
                std::unique_lock l(m);
                if (g % 2 == 0) not_empty.wait(l, [&] { return !queue.empty(); });
                else CHECK(not_empty.wait_for(l, std::chrono::hours::max(), [&] { return !queue.empty(); }));
                sum += queue.back();
                queue.pop_back();
                not_full.notify_one();
            }
        });
    }
    wg.wait();
    CHECK_EQ(sum, 4 * 500 * 499 / 2);

    // All of them, and a thread.
    bool open = false;
    std::atomic<int> through{0};
    const auto waits = [&] {
        std::unique_lock l(m);
        cv.wait(l, [&] { return open; });
        ++through;
    };
    for (int i = 0; i < 10; i++) wg.go(waits);
    std::thread thread(waits);
    gort::sleep_for(2ms);
    {
        const std::lock_guard l(m);
        open = true;
    }
    cv.notify_all();
    wg.wait();
    thread.join();
    CHECK_EQ(through, 11);
}

static void wait_groups() {
    gort::wait_group wg;
    wg.wait();
    CHECK(wg.wait_for(0s));
    CHECK_THROWS(RT_EINVAL, (wg.done(), 0));
    CHECK_THROWS(RT_EINVAL, (wg.add(-1), 0));
    wg.add(2);
    CHECK(!wg.wait_for(1ms));
    CHECK(!wg.wait_for(-1ms));
    gort::go([&] { wg.done(); });
    gort::go([&] { wg.done(); });
    CHECK(wg.wait_for(1min));

    // The group goes as soon as wait has returned.
    for (int i = 0; i < 200; i++) {
        auto short_lived = std::make_unique<gort::wait_group>();
        for (int k = 0; k < 3; k++) short_lived->go([] { gort::yield(); });
        short_lived->wait();
    }
}

static void onces() {
    gort::once o;
    std::atomic<int> calls{0}, after{0};
    gort::wait_group wg;
    for (int i = 0; i < 20; i++) {
        wg.go([&] {
            o.call([&](int by) {
                gort::sleep_for(2ms);
                calls += by;
            }, 1);
            CHECK_EQ(calls, 1);
            ++after;
        });
    }
    wg.wait();
    CHECK_EQ(after, 20);

    // An exception counts as done, and reaches who made the call, with what it carries.
    gort::once throws;
    try {
        throws.call([] {
            gort::yield();
            throw item(42);
        });
        FAIL("did not throw");
    } catch (const item& i) {
        CHECK_EQ(i.get(), 42);
    }
    throws.call([] { FAIL("called again"); });
}

static void semaphores() {
    gort::semaphore s(2), none;
    CHECK(!none.try_acquire());
    CHECK(!none.try_acquire_for(1ms));
    s.acquire();
    CHECK(s.try_acquire());
    CHECK(!s.try_acquire());
    s.release(2);
    CHECK(s.try_acquire_for(1ms));
    s.release();

    std::atomic<int> inside{0};
    gort::wait_group wg;
    for (int i = 0; i < 20; i++) {
        wg.go([&] {
            for (int k = 0; k < 100; k++) {
                s.acquire();
                const gort::defer leave([&] { s.release(); });
                CHECK(++inside <= 2);
                if (k % 10 == 0) gort::yield();
                --inside;
            }
        });
    }
    wg.wait();
}

int main() {
    everywhere(mutexes);
    everywhere(shared_mutexes);
    everywhere(condition_variables);
    everywhere(wait_groups);
    everywhere(onces);
    everywhere(semaphores);
    check_no_items();
    std::puts("cpp_sync: ok");
}
