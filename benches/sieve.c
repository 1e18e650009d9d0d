/*
 * How long do the first 2,000 primes take by the sieve of goroutines: each prime has one that lets pass what it does not
 * divide, over unbuffered channels? Nobody waits for the goroutines at the end: what counts is the time until the last
 * prime has come.
 */
#include "bench.h"

static int64_t size;

struct filter {
    rt_chan *from, *to;
    int64_t prime;
};

static void numbers(void *to)
{
    for (int64_t i = 2;; i++)
        OK(rt_chan_send(to, &i));
}

static void filter(void *arg)
{
    const struct filter me = *(struct filter *)arg;
    int64_t value;
    for (;;) {
        OK(rt_chan_recv(me.from, &value));
        if (value % me.prime != 0)
            OK(rt_chan_send(me.to, &value));
    }
}

static void bench(void *arg)
{
    (void)arg;
    int64_t prime = 0, sum = 0;
    struct filter *filters = calloc((size_t)size, sizeof *filters);
    rt_chan *from = rt_chan_make(sizeof(int64_t), 0);
    if (filters == NULL)
        abort();
    int64_t start = rt_now();
    OK(rt_go(numbers, from));
    for (int64_t i = 0; i < size; i++) {
        OK(rt_chan_recv(from, &prime));
        sum += prime;
        filters[i] = (struct filter){.from = from, .to = rt_chan_make(sizeof(int64_t), 0), .prime = prime};
        OK(rt_go(filter, &filters[i]));
        from = filters[i].to;
    }
    bench_report("sieve", (double)(rt_now() - start) / 1e6, "ms");
    if ((size == 2000 && (prime != 17389 || sum != 16274627)) || (size == 300 && prime != 1987))
        abort();
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 2000);
    OK(rt_run(bench, NULL));
    return 0;
}
