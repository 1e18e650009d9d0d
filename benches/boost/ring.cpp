/* How long does a value take from one fiber to the next, around a ring of 1,000 that unbuffered channels join? */
#include "boost.hpp"

int main(int argc, char **argv)
{
    constexpr int MEMBERS = 1000;
    const auto rounds = bench::arg(argc, argv, 1, 2000000) / MEMBERS;
    bench::run([rounds] {
        std::vector<bench::channel> chans(MEMBERS);
        std::vector<bench::fiber> members;
        for (int i = 0; i < MEMBERS - 1; i++)
            members.push_back(bench::go([&chans, i] {
                std::int64_t value;
                while (chans[i].pop(value) == bench::channel_op_status::success)
                    chans[i + 1].push(value + 1);
                chans[i + 1].close();
            }));
        std::int64_t value = 0;
        const auto start = bench::now();
        for (std::int64_t i = 0; i < rounds; i++) {
            chans.front().push(value + 1);
            value = chans.back().value_pop();
        }
        bench::report_each("ring", start, rounds * MEMBERS);
        chans.front().close();
        for (auto &member : members)
            member.join();
        bench::check(value == rounds * MEMBERS);
    });
}
