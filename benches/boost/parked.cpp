/*
 * What do 1,000,000 fibers cost that all wait on a channel: how long until all are there and wait, how much memory does
 * each hold, and how long until a close has woken all and all have ended? See parked.c.
 */
#include "boost.hpp"

namespace {

std::int64_t both_kib()
{
    return bench::memory_kib("VmRSS:") + bench::memory_kib("VmPTE:");
}

} // namespace

int main(int argc, char **argv)
{
    const auto size = bench::arg(argc, argv, 1, 1000000), rest = bench::arg(argc, argv, 2, 3);
    bench::run([=] {
        bench::channel gate;
        bench::countdown arrived(size), ended(size);
        const auto before_kib = both_kib();

        auto start = bench::now();
        for (std::int64_t i = 0; i < size; i++)
            bench::go([&] {
                std::int64_t value;
                arrived.done();
                bench::check(gate.pop(value) == bench::channel_op_status::closed);
                ended.done();
            }).detach();
        arrived.wait();
        bench::report("parked_create", static_cast<double>(bench::now() - start) / 1e9, "s");

        boost::this_fiber::sleep_for(std::chrono::milliseconds(100));
        bench::report("parked_bytes", static_cast<double>(both_kib() - before_kib) * 1024 / static_cast<double>(size), "B");

        start = bench::now();
        gate.close();
        ended.wait();
        bench::report("parked_release", static_cast<double>(bench::now() - start) / 1e9, "s");

        if (rest > 0) {
            boost::this_fiber::sleep_for(std::chrono::seconds(rest));
            const auto left = static_cast<double>(bench::memory_kib("VmRSS:"));
            bench::report("parked_left", 100 * left / static_cast<double>(bench::memory_kib("VmHWM:")), "%");
        }
    });
}
