/* How long until a fiber that was just spawned has run, and the one who waits for it goes on? */
#include "boost.hpp"

int main(int argc, char **argv)
{
    const auto size = bench::arg(argc, argv, 1, 1000000);
    bench::run([size] {
        const auto start = bench::now();
        for (std::int64_t i = 0; i < size; i++)
            bench::go([] {}).join();
        bench::report_each("spawn_wait", start, size);
    });
}
