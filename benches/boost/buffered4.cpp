/* What does an element cost on its way from four producers to four consumers, over one channel that holds 127? */
#include "boost.hpp"

int main(int argc, char **argv)
{
    constexpr int EACH_SIDE = 4;
    const auto size = bench::arg(argc, argv, 1, 4000000) / EACH_SIDE;
    bench::run([size] {
        bench::buffered channel(128);
        std::atomic<std::int64_t> total{0};
        std::vector<bench::fiber> producers, consumers;
        const auto start = bench::now();
        for (int i = 0; i < EACH_SIDE; i++) {
            consumers.push_back(bench::go([&] {
                std::int64_t sum = 0, value;
                while (channel.pop(value) == bench::channel_op_status::success)
                    sum += value;
                total += sum;
            }));
            producers.push_back(bench::go([&] {
                for (std::int64_t i = 0; i < size; i++)
                    channel.push(i);
            }));
        }
        for (auto &producer : producers)
            producer.join();
        channel.close();
        for (auto &consumer : consumers)
            consumer.join();
        bench::report_each("buffered4", start, EACH_SIDE * size);
        bench::check(total == EACH_SIDE * (size * (size - 1) / 2));
    });
}
