/* What does it cost to ask a channel that is empty, and holds 1, for a value, by a call that never waits? */
#include "boost.hpp"

int main(int argc, char **argv)
{
    const auto size = bench::arg(argc, argv, 1, 100000000);
    bench::run([size] {
        bench::buffered channel(2);
        std::int64_t found = 0, value;
        const auto start = bench::now();
        for (std::int64_t i = 0; i < size; i++)
            found += channel.try_pop(value) == bench::channel_op_status::success;
        bench::report_each("try_recv", start, size);
        bench::check(found == 0);
    });
}
