/* What does a tree of fibers cost, per leaf? See skynet.c. */
#include "boost.hpp"

namespace {

constexpr int CHILDREN = 10;

void node(const std::shared_ptr<bench::channel> &up, std::int64_t first, std::int64_t leaves)
{
    std::int64_t sum = first;
    if (leaves > 1) {
        auto sums = std::make_shared<bench::channel>();
        leaves /= CHILDREN;
        for (int i = 0; i < CHILDREN; i++)
            bench::go([=] { node(sums, first + i * leaves, leaves); }).detach();
        sum = 0;
        for (int i = 0; i < CHILDREN; i++)
            sum += sums->value_pop();
    }
    up->push(sum);
}

} // namespace

int main(int argc, char **argv)
{
    const auto size = bench::arg(argc, argv, 1, 1000000);
    bench::run([size] {
        auto up = std::make_shared<bench::channel>();
        const auto start = bench::now();
        bench::go([=] { node(up, 0, size); }).detach();
        const auto sum = up->value_pop();
        bench::report_each("skynet", start, size);
        bench::check(sum == size * (size - 1) / 2);
    });
}
