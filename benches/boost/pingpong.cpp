/* How long does a value take to another fiber and back, over two unbuffered channels? */
#include "boost.hpp"

int main(int argc, char **argv)
{
    const auto size = bench::arg(argc, argv, 1, 1000000);
    bench::run([size] {
        bench::channel ping, pong;
        auto echo = bench::go([&] {
            std::int64_t value;
            while (ping.pop(value) == bench::channel_op_status::success)
                pong.push(value);
        });
        std::int64_t sum = 0;
        const auto start = bench::now();
        for (std::int64_t i = 0; i < size; i++) {
            ping.push(i);
            sum += pong.value_pop();
        }
        bench::report_each("pingpong", start, size);
        ping.close();
        echo.join();
        bench::check(sum == size * (size - 1) / 2);
    });
}
