/* What do 100,000 fibers cost that sleep at the same time, each for a random 0 to 100 ms? See sleepers.hpp. */
#include "sleepers.hpp"

int main(int argc, char **argv)
{
    bench::sleepers("sleep", bench::arg(argc, argv, 1, 100000), 100000000);
}
