/*
 * How much do calls that block in the kernel, and of which the runtime is not told, hold up the rest? Eight goroutines
 * block 100 ms, five times each; another sleeps 1 ms in a loop. The wall time has 500 ms as its floor.
 */
#include <time.h>

#include "late.h"

enum { BLOCKERS = 8 };

static int64_t size;

static void blocker(void *arg)
{
    (void)arg;
    for (int64_t i = 0; i < size; i++) {
        struct timespec left = {.tv_nsec = 100000000};
        while (nanosleep(&left, &left) != 0)
            if (errno != EINTR)
                abort();
    }
}

static void bench(void *arg)
{
    (void)arg;
    rt_waitgroup all = {0};
    late_start();
    int64_t start = rt_now();
    for (int i = 0; i < BLOCKERS; i++)
        OK(rt_waitgroup_go(&all, blocker, NULL));
    OK(rt_waitgroup_wait(&all));
    bench_report("blockers_wall", (double)(rt_now() - start) / 1e6, "ms");
    late_report("blockers_late", "blockers_late_max");
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 5);
    OK(rt_run(bench, NULL));
    return 0;
}
