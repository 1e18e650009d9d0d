/*
 * How long does it take to yield to another fiber? Two fibers do nothing else. (With two threads each may have one for
 * itself, and then it yields to nobody.)
 */
#include "boost.hpp"

int main(int argc, char **argv)
{
    const auto size = bench::arg(argc, argv, 1, 2000000);
    bench::run([size] {
        auto yielder = [size] {
            for (std::int64_t i = 0; i < size; i++)
                boost::this_fiber::yield();
        };
        const auto start = bench::now();
        auto one = bench::go(yielder), other = bench::go(yielder);
        one.join();
        other.join();
        bench::report_each("switch", start, 2 * size);
    });
}
