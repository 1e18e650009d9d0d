/* What does an element cost on its way from one producer to one consumer, over a channel that holds 128? */
#include "bench.h"

static int64_t size;
static rt_chan *chan;

static void producer(void *arg)
{
    (void)arg;
    for (int64_t i = 0; i < size; i++)
        OK(rt_chan_send(chan, &i));
    OK(rt_chan_close(chan));
}

static void bench(void *arg)
{
    (void)arg;
    int64_t sum = 0, value;
    chan = rt_chan_make(sizeof(int64_t), 128);
    int64_t start = rt_now();
    OK(rt_go(producer, NULL));
    while (rt_chan_recv(chan, &value) == RT_OK)
        sum += value;
    bench_report("buffered", (double)(rt_now() - start) / (double)size, "ns");
    if (sum != size * (size - 1) / 2)
        abort();
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 10000000);
    OK(rt_run(bench, NULL));
    return 0;
}
