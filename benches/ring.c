/*
 * How long does a value take from one goroutine to the next, around a ring of 1,000 that unbuffered channels join? One
 * value is under way, so one goroutine runs and all others wait. What counts is the time per step.
 */
#include "bench.h"

enum { MEMBERS = 1000 };

static int64_t rounds;
static rt_chan *chans[MEMBERS];

/* Passes on one more than came, until its channel is closed, and then closes the next. The last one is `bench`. */
static void member(void *arg)
{
    rt_chan **from = arg;
    int64_t value;
    while (rt_chan_recv(from[0], &value) == RT_OK) {
        value++;
        OK(rt_chan_send(from[1], &value));
    }
    OK(rt_chan_close(from[1]));
}

static void bench(void *arg)
{
    (void)arg;
    int64_t value = 0;
    for (int i = 0; i < MEMBERS; i++)
        chans[i] = rt_chan_make(sizeof(int64_t), 0);
    for (int i = 0; i < MEMBERS - 1; i++)
        OK(rt_go(member, &chans[i]));
    int64_t start = rt_now();
    for (int64_t i = 0; i < rounds; i++) {
        value++;
        OK(rt_chan_send(chans[0], &value));
        OK(rt_chan_recv(chans[MEMBERS - 1], &value));
    }
    bench_report("ring", (double)(rt_now() - start) / (double)(rounds * MEMBERS), "ns");
    OK(rt_chan_close(chans[0]));
    if (value != rounds * MEMBERS || rt_chan_recv(chans[MEMBERS - 1], &value) != RT_ECLOSED)
        abort();
}

int main(int argc, char **argv)
{
    rounds = bench_size(argc, argv, 2000000) / MEMBERS;
    OK(rt_run(bench, NULL));
    return 0;
}
