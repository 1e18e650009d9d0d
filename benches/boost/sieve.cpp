/* How long do the first 2,000 primes take by the sieve of fibers? See sieve.c. */
#include "boost.hpp"

int main(int argc, char **argv)
{
    const auto size = bench::arg(argc, argv, 1, 2000);
    bench::run([size] {
        std::int64_t prime = 0, sum = 0;
        auto from = std::make_shared<bench::channel>();
        const auto start = bench::now();
        bench::go([from] {
            for (std::int64_t i = 2;; i++)
                from->push(i);
        }).detach();
        for (std::int64_t i = 0; i < size; i++) {
            prime = from->value_pop();
            sum += prime;
            auto to = std::make_shared<bench::channel>();
            bench::go([from, to, prime] {
                for (;;) {
                    const auto value = from->value_pop();
                    if (value % prime != 0)
                        to->push(value);
                }
            }).detach();
            from = to;
        }
        bench::report("sieve", static_cast<double>(bench::now() - start) / 1e6, "ms");
        bench::check(size != 2000 || (prime == 17389 && sum == 16274627));
        bench::check(size != 300 || prime == 1987);
    });
}
