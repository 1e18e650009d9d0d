/*
 * What do 100,000 goroutines cost that sleep at the same time, each for a random 0 to 100 ms? The wall time has 100 ms as
 * its floor; what is above it, and the CPU time, is the price.
 */
#include <time.h>

#include "bench.h"

static int64_t size;

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void sleeper(void *arg)
{
    OK(rt_sleep((int64_t)(intptr_t)arg));
}

static void bench(void *arg)
{
    (void)arg;
    rt_waitgroup all = {0};
    uint64_t random = 1;
    int64_t start = rt_now();
    for (int64_t i = 0; i < size; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        OK(rt_waitgroup_go(&all, sleeper, (void *)(intptr_t)((random >> 33) % 100000000)));
    }
    OK(rt_waitgroup_wait(&all));
    bench_report("sleep_wall", (double)(rt_now() - start) / 1e9, "s");
    bench_report("sleep_cpu", cpu_seconds(), "s");
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 100000);
    OK(rt_run(bench, NULL));
    return 0;
}
