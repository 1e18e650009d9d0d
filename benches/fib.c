/*
 * What does a goroutine cost that another forks and joins? The 38th Fibonacci number: each call has a goroutine of its
 * own compute the number before, computes the one before that itself, and waits. From a cut-off on it is a plain
 * recursion: at 10 this is work of some 100 ns, at 2 next to none (and then it is the 28th number). What counts is the
 * time per goroutine. `fib_serial` is the plain recursion from the cut-off 10 alone, per call: the languages differ
 * there.
 */
#include "bench.h"

static int64_t cut_off;

struct part {
    int64_t n, result;
};

__attribute__((noinline)) static int64_t serial(int64_t n)
{
    return n < 2 ? n : serial(n - 1) + serial(n - 2);
}

static void forks(void *arg)
{
    struct part *me = arg;
    if (me->n <= cut_off) {
        me->result = serial(me->n);
        return;
    }
    rt_waitgroup joined = {0};
    struct part one = {.n = me->n - 1}, two = {.n = me->n - 2};
    OK(rt_waitgroup_go(&joined, forks, &one));
    forks(&two);
    OK(rt_waitgroup_wait(&joined));
    me->result = one.result + two.result;
}

/* How many goroutines it takes. */
static int64_t count(int64_t n)
{
    return n <= cut_off ? 0 : 1 + count(n - 1) + count(n - 2);
}

static void measure(const char *name, int64_t n, int64_t cut)
{
    cut_off = cut;
    struct part all = {.n = n};
    int64_t start = rt_now();
    forks(&all);
    bench_report(name, (double)(rt_now() - start) / (double)count(n), "ns");
    int64_t a = 0, b = 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t next = a + b;
        a = b;
        b = next;
    }
    if (all.result != a)
        abort();
}

static void bench(void *arg)
{
    enum { SERIAL = 100000 };
    int64_t n = *(int64_t *)arg, sum = 0;
    measure("fib10", n, 10);
    measure("fib2", n - 10, 2);
    int64_t start = rt_now();
    for (int i = 0; i < SERIAL; i++)
        sum += serial(9 + i % 2);
    bench_report("fib_serial", (double)(rt_now() - start) / SERIAL, "ns");
    if (sum != SERIAL / 2 * (34 + 55))
        abort();
}

int main(int argc, char **argv)
{
    int64_t n = bench_size(argc, argv, 38);
    OK(rt_run(bench, &n));
    return 0;
}
