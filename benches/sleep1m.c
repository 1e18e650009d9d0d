/* What do 1,000,000 goroutines cost that sleep at the same time, each for a random 0 to 1000 ms? See sleepers.h. */
#include "sleepers.h"

int main(int argc, char **argv)
{
    sleepers_run("sleep1m", bench_size(argc, argv, 1000000), 1000000000);
    return 0;
}
