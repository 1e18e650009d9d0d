/*
 * What does it cost to enter the runtime and to leave it? rt_park_ticket does little else; rt_goid looks at the same
 * record of the thread without entering. The difference is the cost, but for the few loads that a ticket takes. Beside
 * them calls on channels: one that finds nothing, and so does not enter, and a send and a receive, which both enter.
 *
 * Each figure is that of the fastest of many short rounds, which nothing has disturbed. In a round all take turns, so
 * that they see the same clock rate.
 */
#include "bench.h"

enum { CALLS = 20000 };

static int64_t size;

/* Lets `call` run CALLS times, and keeps the time in `best` if there is none better. */
#define TIME(best, call)                                                                                               \
    do {                                                                                                               \
        int64_t start = rt_now();                                                                                      \
        for (int i = 0; i < CALLS; i++)                                                                                \
            call;                                                                                                      \
        int64_t took = rt_now() - start;                                                                               \
        best = took < best ? took : best;                                                                              \
    } while (0)

static void report(const char *name, int64_t ns)
{
    bench_report(name, (double)ns / CALLS, "ns");
}

static void send_and_recv(rt_chan *chan)
{
    int64_t value = 1;
    OK(rt_chan_try_send(chan, &value));
    OK(rt_chan_try_recv(chan, &value));
}

static void bench(void *arg)
{
    (void)arg;
    int64_t ticket = INT64_MAX, goid = INT64_MAX, empty = INT64_MAX, both = INT64_MAX;
    rt_chan *chan = rt_chan_make(sizeof(int64_t), 1);
    for (int64_t round = 0; round < size; round++) {
        TIME(ticket, rt_park_ticket());
        TIME(goid, rt_goid());
        TIME(empty, rt_chan_try_recv(chan, NULL));
        TIME(both, send_and_recv(chan));
    }
    rt_chan_unref(chan);
    report("entry_cost", ticket - goid);
    report("entry_ticket", ticket);
    report("entry_goid", goid);
    report("entry_recv_empty", empty);
    report("entry_send_recv", both);
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 2000);
    OK(rt_run(bench, NULL));
    return 0;
}
