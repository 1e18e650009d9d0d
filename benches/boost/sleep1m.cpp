/* What do 1,000,000 fibers cost that sleep at the same time, each for a random 0 to 1000 ms? See sleepers.hpp. */
#include "sleepers.hpp"

int main(int argc, char **argv)
{
    bench::sleepers("sleep1m", bench::arg(argc, argv, 1, 1000000), 1000000000);
}
