/* What does a lock of a mutex cost that eight fibers want, for one increment each time? See mutex.c. */
#include "boost.hpp"

namespace {

constexpr int LOCKERS = 8;

struct alignas(64) {
    boost::fibers::mutex mutex;
    std::int64_t counter = 0;
    std::uint64_t random = 0;
} shared;

void measure(const char *name, std::int64_t size, int steps)
{
    std::vector<bench::fiber> all;
    shared.counter = 0;
    const auto start = bench::now();
    for (int i = 0; i < LOCKERS; i++)
        all.push_back(bench::go([=] {
            std::uint64_t random = 1;
            for (std::int64_t i = 0; i < size; i++) {
                shared.mutex.lock();
                shared.counter++;
                shared.mutex.unlock();
                for (int step = 0; step < steps; step++) {
                    random = random * 6364136223846793005u + 1442695040888963407u;
                    __asm__("" : "+r"(random)); /* as in mutex.c */
                }
            }
            shared.mutex.lock();
            shared.random += random;
            shared.mutex.unlock();
        }));
    for (auto &one : all)
        one.join();
    bench::report_each(name, start, LOCKERS * size);
    bench::check(shared.counter == LOCKERS * size);
}

} // namespace

int main(int argc, char **argv)
{
    const auto size = bench::arg(argc, argv, 1, 10000000) / LOCKERS;
    bench::run([size] {
        measure("mutex", size, 0);
        measure("mutex_work", size, 64);
    });
}
