/* How long does a value take to another goroutine and back, over two unbuffered channels? */
#include "bench.h"

static int64_t size;
static rt_chan *ping, *pong;

static void echo(void *arg)
{
    (void)arg;
    int64_t value;
    while (rt_chan_recv(ping, &value) == RT_OK)
        OK(rt_chan_send(pong, &value));
}

static void bench(void *arg)
{
    (void)arg;
    int64_t sum = 0;
    ping = rt_chan_make(sizeof(int64_t), 0);
    pong = rt_chan_make(sizeof(int64_t), 0);
    OK(rt_go(echo, NULL));
    int64_t start = rt_now();
    for (int64_t i = 0; i < size; i++) {
        int64_t back;
        OK(rt_chan_send(ping, &i));
        OK(rt_chan_recv(pong, &back));
        sum += back;
    }
    bench_report("pingpong", (double)(rt_now() - start) / (double)size, "ns");
    OK(rt_chan_close(ping));
    if (sum != size * (size - 1) / 2)
        abort();
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 1000000);
    OK(rt_run(bench, NULL));
    return 0;
}
