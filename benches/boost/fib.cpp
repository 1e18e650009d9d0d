/* What does a fiber cost that another forks and joins? See fib.c. */
#include "boost.hpp"

namespace {

__attribute__((noinline)) std::int64_t serial(std::int64_t n)
{
    return n < 2 ? n : serial(n - 1) + serial(n - 2);
}

std::int64_t forks(std::int64_t n, std::int64_t cut_off)
{
    if (n <= cut_off)
        return serial(n);
    std::int64_t one;
    auto forked = bench::go([&one, n, cut_off] { one = forks(n - 1, cut_off); });
    const auto two = forks(n - 2, cut_off);
    forked.join();
    return one + two;
}

std::int64_t count(std::int64_t n, std::int64_t cut_off)
{
    return n <= cut_off ? 0 : 1 + count(n - 1, cut_off) + count(n - 2, cut_off);
}

void measure(const char *name, std::int64_t n, std::int64_t cut_off)
{
    const auto start = bench::now();
    const auto result = forks(n, cut_off);
    bench::report_each(name, start, count(n, cut_off));
    std::int64_t a = 0, b = 1;
    for (std::int64_t i = 0; i < n; i++)
        a = std::exchange(b, a + b);
    bench::check(result == a);
}

} // namespace

int main(int argc, char **argv)
{
    const auto n = bench::arg(argc, argv, 1, 38);
    bench::run([n] {
        constexpr std::int64_t SERIAL = 100000;
        measure("fib10", n, 10);
        measure("fib2", n - 10, 2);
        std::int64_t sum = 0;
        const auto start = bench::now();
        for (std::int64_t i = 0; i < SERIAL; i++)
            sum += serial(9 + i % 2);
        bench::report_each("fib_serial", start, SERIAL);
        bench::check(sum == SERIAL / 2 * (34 + 55));
    });
}
