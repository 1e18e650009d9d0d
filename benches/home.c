/*
 * What do goroutines of one home cost, which share a thread? To yield to one another (home_switch, as switch.c), and to send a
 * value there and back (home_pingpong, as pingpong.c).
 */
#include "bench.h"

static int64_t size;
static rt_home *home;
static rt_chan *ping, *pong;
static rt_waitgroup both;

static void done(void *arg)
{
    (void)arg;
    OK(rt_waitgroup_done(&both));
}

static void yielder(void *arg)
{
    (void)arg;
    OK(rt_defer(done, NULL));
    for (int64_t i = 0; i < size; i++)
        rt_gosched();
}

static void echo(void *arg)
{
    (void)arg;
    int64_t value;
    OK(rt_defer(done, NULL));
    while (rt_chan_recv(ping, &value) == RT_OK)
        OK(rt_chan_send(pong, &value));
}

static void asks(void *arg)
{
    (void)arg;
    int64_t sum = 0;
    OK(rt_defer(done, NULL));
    for (int64_t i = 0; i < size; i++) {
        int64_t back;
        OK(rt_chan_send(ping, &i));
        OK(rt_chan_recv(pong, &back));
        sum += back;
    }
    OK(rt_chan_close(ping));
    if (sum != size * (size - 1) / 2)
        abort();
}

static void two(const char *name, double each, rt_fn one, rt_fn other)
{
    rt_go_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.home = home;
    OK(rt_waitgroup_add(&both, 2));
    int64_t start = rt_now();
    OK(rt_go_with(&opts, one, NULL));
    OK(rt_go_with(&opts, other, NULL));
    OK(rt_waitgroup_wait(&both));
    bench_report(name, (double)(rt_now() - start) / (each * (double)size), "ns");
}

static void bench(void *arg)
{
    (void)arg;
    two("home_switch", 2, yielder, yielder);
    two("home_pingpong", 1, echo, asks);
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 1000000);
    home = rt_home_new();
    ping = rt_chan_make(sizeof(int64_t), 0);
    pong = rt_chan_make(sizeof(int64_t), 0);
    if (home == NULL || ping == NULL || pong == NULL)
        abort();
    OK(rt_run(bench, NULL));
    return 0;
}
