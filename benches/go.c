/*
 * What does a goroutine cost from its spawn to its end, and how much memory do a million of them take that nobody waits
 * for? The function is empty: this is all overhead.
 */
#include "bench.h"

static int64_t size;

static void nothing(void *arg)
{
    (void)arg;
}

static void bench(void *arg)
{
    (void)arg;
    int64_t start = rt_now();
    for (int64_t i = 0; i < size; i++)
        OK(rt_go(nothing, NULL));
    int64_t spawned = rt_now();
    while (rt_num_goroutine() > 1) /* one is ours */
        rt_gosched();
    bench_report("go", (double)(rt_now() - start) / (double)size, "ns");
    bench_report("go_spawn", (double)(spawned - start) / (double)size, "ns");
    bench_report("go_peak", (double)bench_memory_kib("VmHWM:") * 1024 / 1e6, "MB");
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 1000000);
    OK(rt_run(bench, NULL));
    return 0;
}
