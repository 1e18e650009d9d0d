/* How late do 1,000 fibers wake that each sleep 1 ms, 1,000 times? See lateness.c. */
#include "boost.hpp"

int main(int argc, char **argv)
{
    constexpr std::int64_t SLEEPERS = 1000, SLEEP_NS = 1000000;
    const auto size = bench::arg(argc, argv, 1, 1000);
    bench::run([=] {
        std::vector<std::int64_t> late(static_cast<std::size_t>(SLEEPERS * size), 1);
        std::vector<bench::fiber> all;
        const auto before = bench::cpu_ns();
        for (std::int64_t i = 0; i < SLEEPERS; i++)
            all.push_back(bench::go([=, &late] {
                for (std::int64_t j = 0; j < size; j++) {
                    const auto start = bench::now();
                    boost::this_fiber::sleep_for(std::chrono::nanoseconds(SLEEP_NS));
                    late[static_cast<std::size_t>(i * size + j)] = bench::now() - start - SLEEP_NS;
                }
            }));
        for (auto &one : all)
            one.join();
        const auto used = bench::cpu_ns() - before;
        std::sort(late.begin(), late.end());
        bench::check(late.front() >= 0);
        bench::report("lateness_p50", static_cast<double>(late[late.size() / 2]) / 1e3, "us");
        bench::report("lateness_p99", static_cast<double>(late[late.size() * 99 / 100]) / 1e3, "us");
        bench::report("lateness_max", static_cast<double>(late.back()) / 1e3, "us");
        bench::report("lateness_cpu", used / static_cast<double>(late.size()), "ns");
    });
}
