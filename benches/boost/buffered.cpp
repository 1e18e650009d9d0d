/*
 * What does an element cost on its way from one producer to one consumer, over a channel that holds 127? (Boost's hold one
 * less than their size, which is a power of two.)
 */
#include "boost.hpp"

int main(int argc, char **argv)
{
    const auto size = bench::arg(argc, argv, 1, 10000000);
    bench::run([size] {
        bench::buffered channel(128);
        std::int64_t sum = 0, value;
        const auto start = bench::now();
        auto producer = bench::go([&] {
            for (std::int64_t i = 0; i < size; i++)
                channel.push(i);
            channel.close();
        });
        while (channel.pop(value) == bench::channel_op_status::success)
            sum += value;
        bench::report_each("buffered", start, size);
        producer.join();
        bench::check(sum == size * (size - 1) / 2);
    });
}
