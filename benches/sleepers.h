/*
 * What do many goroutines cost that sleep at the same time, each once and for a random time, and how late do they wake?
 * The wall time has the longest sleep as its floor; what is above it, and the CPU time, is the price. Lateness runs
 * from before the call, so a turn that a goroutine loses on its way into the sleep counts too. None may wake early.
 */
#ifndef SLEEPERS_H
#define SLEEPERS_H

#include <time.h>

#include "bench.h"

static struct {
    const char *name;
    int64_t count, longest_ns;
    int64_t *ns; /* of each: for how long, and when it has slept, how late it woke */
} sleepers;

static inline void sleepers_sleep(void *arg)
{
    int64_t *ns = arg;
    int64_t start = rt_now();
    OK(rt_sleep(*ns));
    *ns = rt_now() - start - *ns;
}

static inline double sleepers_cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void sleepers_report(const char *what, double value, const char *unit)
{
    char name[64];
    snprintf(name, sizeof name, "%s_%s", sleepers.name, what);
    bench_report(name, value, unit);
}

static inline void sleepers_bench(void *arg)
{
    (void)arg;
    rt_waitgroup all = {0};
    uint64_t random = 1;
    int64_t start = rt_now();
    for (int64_t i = 0; i < sleepers.count; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        sleepers.ns[i] = (int64_t)((random >> 27) % (uint64_t)sleepers.longest_ns);
        OK(rt_waitgroup_go(&all, sleepers_sleep, &sleepers.ns[i]));
    }
    OK(rt_waitgroup_wait(&all));
    sleepers_report("wall", (double)(rt_now() - start) / 1e9, "s");
    sleepers_report("cpu", sleepers_cpu_seconds(), "s");

    bench_sort(sleepers.ns, sleepers.count);
    if (sleepers.ns[0] < 0) {
        fprintf(stderr, "%s: one woke %lld ns early\n", sleepers.name, (long long)-sleepers.ns[0]);
        exit(1);
    }
    sleepers_report("late_p50", (double)sleepers.ns[sleepers.count / 2] / 1e3, "us");
    sleepers_report("late_p99", (double)sleepers.ns[sleepers.count * 99 / 100] / 1e3, "us");
}

/* Runs it; NAME_wall and so on is what it reports. */
static inline void sleepers_run(const char *name, int64_t count, int64_t longest_ns)
{
    sleepers.name = name;
    sleepers.count = count;
    sleepers.longest_ns = longest_ns;
    sleepers.ns = calloc((size_t)count, sizeof *sleepers.ns);
    if (sleepers.ns == NULL)
        abort();
    OK(rt_run(sleepers_bench, NULL));
    free(sleepers.ns);
}

#endif
