/*
 * How late does a sleeper wake while as many goroutines as there are Ps compute 500 ms without any call? It sleeps 1 ms
 * in a loop.
 */
#include "burn.h"
#include "late.h"

static int64_t rounds;

static void hog(void *arg)
{
    (void)arg;
    burn(rounds);
}

static void bench(void *arg)
{
    (void)arg;
    rt_waitgroup all = {0};
    late_start();
    for (int i = rt_maxprocs(0); i > 0; i--)
        OK(rt_waitgroup_go(&all, hog, NULL));
    OK(rt_waitgroup_wait(&all));
    late_report("hogs_late", "hogs_late_max");
}

int main(int argc, char **argv)
{
    rounds = burn_rounds(bench_size(argc, argv, 500) * 1000000);
    OK(rt_run(bench, NULL));
    return 0;
}
