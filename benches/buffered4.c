/*
 * What does an element cost on its way from four producers to four consumers, over one channel that holds 128? What
 * counts is the time from the first spawn until the last consumer has seen the end, divided by the elements.
 */
#include "bench.h"

enum { EACH_SIDE = 4 };

static int64_t size;
static rt_chan *chan;
static rt_waitgroup producers, consumers;
static _Atomic int64_t total;

static void producer(void *arg)
{
    (void)arg;
    for (int64_t i = 0; i < size; i++)
        OK(rt_chan_send(chan, &i));
}

static void consumer(void *arg)
{
    (void)arg;
    int64_t sum = 0, value;
    while (rt_chan_recv(chan, &value) == RT_OK)
        sum += value;
    total += sum;
}

static void bench(void *arg)
{
    (void)arg;
    chan = rt_chan_make(sizeof(int64_t), 128);
    int64_t start = rt_now();
    for (int i = 0; i < EACH_SIDE; i++) {
        OK(rt_waitgroup_go(&consumers, consumer, NULL));
        OK(rt_waitgroup_go(&producers, producer, NULL));
    }
    OK(rt_waitgroup_wait(&producers));
    OK(rt_chan_close(chan));
    OK(rt_waitgroup_wait(&consumers));
    bench_report("buffered4", (double)(rt_now() - start) / (double)(EACH_SIDE * size), "ns");
    if (total != EACH_SIDE * (size * (size - 1) / 2))
        abort();
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 4000000) / EACH_SIDE;
    OK(rt_run(bench, NULL));
    return 0;
}
