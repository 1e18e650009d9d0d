/*
 * What does a value cost that a select receives, from four channels with a sender each? Over unbuffered channels the
 * senders wait for the select, or it for them; over channels that hold 128 it mostly finds a value there.
 */
#include "bench.h"

enum { SENDERS = 4 };

static int64_t size;

static void sender(void *chan)
{
    for (int64_t i = 0; i < size; i++)
        OK(rt_chan_send(chan, &i));
}

static void measure(const char *name, size_t cap)
{
    int64_t sum = 0, values[SENDERS];
    rt_select_case cases[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        cases[i] = (rt_select_case){.chan = rt_chan_make(sizeof(int64_t), cap), .elem = &values[i], .dir = RT_RECV};
    int64_t start = rt_now();
    for (int i = 0; i < SENDERS; i++)
        OK(rt_go(sender, cases[i].chan));
    for (int64_t i = 0; i < SENDERS * size; i++)
        sum += values[OK(rt_select(cases, SENDERS, RT_FOREVER))];
    bench_report(name, (double)(rt_now() - start) / (double)(SENDERS * size), "ns");
    if (sum != SENDERS * (size * (size - 1) / 2))
        abort();
}

static void bench(void *arg)
{
    (void)arg;
    measure("select_unbuffered", 0);
    measure("select_buffered", 128);
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 2000000) / SENDERS;
    OK(rt_run(bench, NULL));
    return 0;
}
