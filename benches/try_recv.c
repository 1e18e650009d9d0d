/* What does it cost to ask a channel that is empty, and holds 1, for a value, by a call that never waits? */
#include "bench.h"

static int64_t size;

static void bench(void *arg)
{
    (void)arg;
    int64_t found = 0, value;
    rt_chan *chan = rt_chan_make(sizeof(int64_t), 1);
    int64_t start = rt_now();
    for (int64_t i = 0; i < size; i++)
        found += rt_chan_try_recv(chan, &value) == RT_OK;
    bench_report("try_recv", (double)(rt_now() - start) / (double)size, "ns");
    rt_chan_unref(chan);
    if (found != 0)
        abort();
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 100000000);
    OK(rt_run(bench, NULL));
    return 0;
}
