/*
 * What does a tree of goroutines cost, per leaf? Each has ten children, down to 1,000,000 leaves, which send their
 * numbers up through unbuffered channels; each other sends the sum of its ten. The size is a power of ten.
 */
#include "bench.h"

enum { CHILDREN = 10 };

static int64_t size;

struct node {
    rt_chan *up;
    int64_t first, leaves;
};

/* The nodes of the children are on the stack of their parent, which waits for all their sums. */
static void run(void *arg)
{
    struct node *me = arg, children[CHILDREN];
    rt_chan *up = me->up;
    int64_t sum = me->first;
    if (me->leaves > 1) {
        rt_chan *sums = rt_chan_make(sizeof(int64_t), 0);
        int64_t leaves = me->leaves / CHILDREN;
        for (int i = 0; i < CHILDREN; i++) {
            /* Each child has a reference: its send may not have returned when the parent is through. */
            children[i] = (struct node){.up = rt_chan_ref(sums), .first = me->first + i * leaves, .leaves = leaves};
            OK(rt_go(run, &children[i]));
        }
        sum = 0;
        for (int i = 0; i < CHILDREN; i++) {
            int64_t value;
            OK(rt_chan_recv(sums, &value));
            sum += value;
        }
        rt_chan_unref(sums);
    }
    OK(rt_chan_send(up, &sum));
    rt_chan_unref(up);
}

static void bench(void *arg)
{
    (void)arg;
    int64_t sum;
    rt_chan *up = rt_chan_make(sizeof(int64_t), 0);
    int64_t start = rt_now();
    struct node root = {.up = rt_chan_ref(up), .first = 0, .leaves = size};
    OK(rt_go(run, &root));
    OK(rt_chan_recv(up, &sum));
    bench_report("skynet", (double)(rt_now() - start) / (double)size, "ns");
    rt_chan_unref(up);
    if (sum != size * (size - 1) / 2)
        abort();
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 1000000);
    OK(rt_run(bench, NULL));
    return 0;
}
