/*
 * How long does it take to yield to another goroutine? Two goroutines do nothing else. (With two Ps each may have one for
 * itself, and then it yields to nobody.)
 */
#include "bench.h"

static int64_t size;

static void yielder(void *arg)
{
    (void)arg;
    for (int64_t i = 0; i < size; i++)
        rt_gosched();
}

static void bench(void *arg)
{
    (void)arg;
    rt_waitgroup both = {0};
    int64_t start = rt_now();
    for (int i = 0; i < 2; i++)
        OK(rt_waitgroup_go(&both, yielder, NULL));
    OK(rt_waitgroup_wait(&both));
    bench_report("switch", (double)(rt_now() - start) / (2.0 * (double)size), "ns");
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 2000000);
    OK(rt_run(bench, NULL));
    return 0;
}
