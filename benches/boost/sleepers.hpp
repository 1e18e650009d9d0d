/* What do many fibers cost that sleep at the same time, and how late do they wake? See sleepers.h. */
#ifndef BENCH_SLEEPERS_HPP
#define BENCH_SLEEPERS_HPP

#include "boost.hpp"

namespace bench {

[[noreturn]] inline void sleepers(const std::string &name, std::int64_t count, std::int64_t longest_ns)
{
    run([&] {
        std::vector<std::int64_t> ns(static_cast<std::size_t>(count));
        countdown left(count);
        std::uint64_t random = 1;
        const auto start = now();
        for (auto &mine : ns) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            mine = static_cast<std::int64_t>((random >> 27) % static_cast<std::uint64_t>(longest_ns));
            go([&mine, &left] {
                const auto begun = now();
                boost::this_fiber::sleep_for(std::chrono::nanoseconds(mine));
                mine = now() - begun - mine;
                left.done();
            }).detach();
        }
        left.wait();
        report((name + "_wall").c_str(), static_cast<double>(now() - start) / 1e9, "s");
        report((name + "_cpu").c_str(), cpu_ns() / 1e9, "s");
        std::sort(ns.begin(), ns.end());
        check(ns.front() >= 0);
        report((name + "_late_p50").c_str(), static_cast<double>(ns[ns.size() / 2]) / 1e3, "us");
        report((name + "_late_p99").c_str(), static_cast<double>(ns[ns.size() * 99 / 100]) / 1e3, "us");
    });
}

} // namespace bench

#endif
