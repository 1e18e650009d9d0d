/*
 * How late do 1,000 goroutines wake that each sleep 1 ms, 1,000 times? Lateness runs from before the call, as that of
 * sleepers.h; none may wake early. Beside it the CPU time of all, per sleep.
 */
#include <time.h>

#include "bench.h"

enum { SLEEPERS = 1000, SLEEP_NS = 1000000 };

static int64_t size;

static void sleeper(void *arg)
{
    int64_t *late = arg;
    for (int64_t i = 0; i < size; i++) {
        int64_t start = rt_now();
        OK(rt_sleep(SLEEP_NS));
        late[i] = rt_now() - start - SLEEP_NS;
    }
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void bench(void *arg)
{
    (void)arg;
    const int64_t count = SLEEPERS * size;
    rt_waitgroup all = {0};
    int64_t *late = malloc((size_t)count * sizeof *late);
    if (late == NULL)
        abort();
    memset(late, 1, (size_t)count * sizeof *late); /* the memory is there before the clock runs */
    double before = cpu_ns();
    for (int i = 0; i < SLEEPERS; i++)
        OK(rt_waitgroup_go(&all, sleeper, &late[i * size]));
    OK(rt_waitgroup_wait(&all));
    double used = cpu_ns() - before;
    bench_sort(late, count);
    if (late[0] < 0)
        abort();
    bench_report("lateness_p50", (double)late[count / 2] / 1e3, "us");
    bench_report("lateness_p99", (double)late[count * 99 / 100] / 1e3, "us");
    bench_report("lateness_max", (double)late[count - 1] / 1e3, "us");
    bench_report("lateness_cpu", used / (double)count, "ns");
    free(late);
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 1000);
    OK(rt_run(bench, NULL));
    return 0;
}
