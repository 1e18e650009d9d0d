/*
 * What every bench on Boost.Fiber needs. The bench is a fiber of the first thread; with two threads both share the work by
 * stealing (boost::fibers::algo::work_stealing), with one it is the round robin that is the library's default.
 *
 * A stack is 64 KiB from malloc. Boost's default of 128 KiB would be a mapping of its own for each, of which the system
 * allows 65,530.
 *
 * Boost.Fiber has no select, no timers, no sockets of its own, and interrupts no fiber: such benches are not here.
 */
#ifndef BENCH_BOOST_HPP
#define BENCH_BOOST_HPP

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/fiber/all.hpp>
#include <boost/fiber/algo/work_stealing.hpp>

namespace bench {

using boost::fibers::fiber;
using channel = boost::fibers::unbuffered_channel<std::int64_t>;
using buffered = boost::fibers::buffered_channel<std::int64_t>;
using boost::fibers::channel_op_status;

inline std::int64_t arg(int argc, char **argv, int number, std::int64_t usual)
{
    return argc > number ? std::strtoll(argv[number], nullptr, 10) : usual;
}

inline std::int64_t now()
{
    return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

inline double cpu_ns()
{
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

inline void report(const char *name, double value, const char *unit)
{
    std::printf("%s %.6f %s\n", name, value, unit);
}

inline void report_each(const char *name, std::int64_t start, std::int64_t count)
{
    report(name, static_cast<double>(now() - start) / static_cast<double>(count), "ns");
}

inline void check(bool right)
{
    if (!right)
        std::abort();
}

template <typename F> fiber go(F &&f)
{
    return fiber(boost::fibers::launch::post, std::allocator_arg, boost::fibers::fixedsize_stack(64 << 10),
                 std::forward<F>(f));
}

/* What /proc has under a name such as "VmRSS:". */
inline std::int64_t memory_kib(const char *name)
{
    char line[256];
    std::int64_t kib = -1;
    std::FILE *status = std::fopen("/proc/self/status", "r");
    while (status != nullptr && std::fgets(line, sizeof line, status) != nullptr)
        if (std::strncmp(line, name, std::strlen(name)) == 0)
            kib = std::strtoll(line + std::strlen(name), nullptr, 10);
    if (status != nullptr)
        std::fclose(status);
    check(kib >= 0);
    return kib;
}

/* Counts down, and lets one fiber wait for 0. */
class countdown {
public:
    explicit countdown(std::int64_t count) : left_(count) {}

    void done()
    {
        if (left_.fetch_sub(1) == 1) {
            std::lock_guard<boost::fibers::mutex> lock(mutex_);
            zero_.notify_all();
        }
    }

    void wait()
    {
        std::unique_lock<boost::fibers::mutex> lock(mutex_);
        zero_.wait(lock, [this] { return left_ == 0; });
    }

private:
    std::atomic<std::int64_t> left_;
    boost::fibers::mutex mutex_;
    boost::fibers::condition_variable zero_;
};

/* Runs a bench on as many threads as RT_MAXPROCS says, and ends the program. */
template <typename F> [[noreturn]] void run(F &&f)
{
    const char *text = std::getenv("RT_MAXPROCS");
    const auto procs = static_cast<std::uint32_t>(text != nullptr ? std::atoi(text) : 1);
    boost::fibers::mutex mutex;
    boost::fibers::condition_variable over;
    std::vector<std::thread> threads;
    for (std::uint32_t i = 1; i < procs; i++)
        threads.emplace_back([&] {
            boost::fibers::use_scheduling_algorithm<boost::fibers::algo::work_stealing>(procs, true);
            std::unique_lock<boost::fibers::mutex> lock(mutex);
            over.wait(lock, [] { return false; });
        });
    if (procs > 1)
        boost::fibers::use_scheduling_algorithm<boost::fibers::algo::work_stealing>(procs, true);
    go(f).join();
    std::fflush(stdout);
    std::_Exit(0); /* fibers may be left, as in the other languages */
}

} // namespace bench

#endif
