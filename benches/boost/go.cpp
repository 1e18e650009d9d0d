/* What does a fiber cost from its spawn to its end, and how much memory do a million of them take? See go.c. */
#include "boost.hpp"

int main(int argc, char **argv)
{
    const auto size = bench::arg(argc, argv, 1, 1000000);
    bench::run([size] {
        bench::countdown left(size);
        const auto start = bench::now();
        for (std::int64_t i = 0; i < size; i++)
            bench::go([&left] { left.done(); }).detach();
        const auto spawned = bench::now();
        left.wait();
        bench::report_each("go", start, size);
        bench::report("go_spawn", static_cast<double>(spawned - start) / static_cast<double>(size), "ns");
        bench::report("go_peak", static_cast<double>(bench::memory_kib("VmHWM:")) * 1024 / 1e6, "MB");
    });
}
