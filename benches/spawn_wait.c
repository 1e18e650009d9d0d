/* How long until a goroutine that was just spawned has run, and the one who waits for it goes on? */
#include "bench.h"

static int64_t size;

static void nothing(void *arg)
{
    (void)arg;
}

static void bench(void *arg)
{
    (void)arg;
    rt_waitgroup one = {0};
    int64_t start = rt_now();
    for (int64_t i = 0; i < size; i++) {
        OK(rt_waitgroup_go(&one, nothing, NULL));
        OK(rt_waitgroup_wait(&one));
    }
    bench_report("spawn_wait", (double)(rt_now() - start) / (double)size, "ns");
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 1000000);
    OK(rt_run(bench, NULL));
    return 0;
}
