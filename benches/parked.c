/*
 * What do 1,000,000 goroutines cost that all wait on a channel: how long until all are there and wait, how much memory
 * does each hold, and how long until a close has woken all and all have ended? Memory is what is resident and the page
 * tables. Each stack has 64 KiB of address space.
 *
 * And how much of its greatest resident memory does the process still hold some seconds later? The second argument says
 * how many; with 0 this is not asked.
 */
#include "bench.h"

static int64_t size, rest_s;
static rt_chan *gate;
static rt_waitgroup arrived, ended;

static void parked(void *arg)
{
    (void)arg;
    OK(rt_waitgroup_done(&arrived));
    if (rt_chan_recv(gate, NULL) != RT_ECLOSED)
        abort();
    OK(rt_waitgroup_done(&ended));
}

static int64_t memory_kib(void)
{
    return bench_memory_kib("VmRSS:") + bench_memory_kib("VmPTE:");
}

static void bench(void *arg)
{
    (void)arg;
    gate = rt_chan_make(0, 0);
    OK(rt_waitgroup_add(&arrived, size));
    OK(rt_waitgroup_add(&ended, size));
    int64_t before_kib = memory_kib();

    int64_t start = rt_now();
    for (int64_t i = 0; i < size; i++)
        OK(rt_go(parked, NULL));
    OK(rt_waitgroup_wait(&arrived));
    bench_report("parked_create", (double)(rt_now() - start) / 1e9, "s");

    /* The last ones to arrive still have to park, and what the runtime does on the side may come to its end. */
    OK(rt_sleep(100000000));
    bench_report("parked_bytes", (double)(memory_kib() - before_kib) * 1024 / (double)size, "B");

    start = rt_now();
    OK(rt_chan_close(gate));
    OK(rt_waitgroup_wait(&ended));
    bench_report("parked_release", (double)(rt_now() - start) / 1e9, "s");

    if (rest_s > 0) {
        OK(rt_sleep(rest_s * 1000000000));
        bench_report("parked_left", 100 * (double)bench_memory_kib("VmRSS:") / (double)bench_memory_kib("VmHWM:"), "%");
    }
}

int main(int argc, char **argv)
{
    rt_config cfg = {.struct_size = sizeof cfg, .stack_size = 64 << 10};
    size = bench_size(argc, argv, 1000000);
    rest_s = bench_arg(argc, argv, 2, 3);
    OK(rt_init(&cfg));
    OK(rt_run(bench, NULL));
    return 0;
}
