/* What do 100,000 goroutines cost that sleep at the same time, each for a random 0 to 100 ms? See sleepers.h. */
#include "sleepers.h"

int main(int argc, char **argv)
{
    sleepers_run("sleep", bench_size(argc, argv, 100000), 100000000);
    return 0;
}
