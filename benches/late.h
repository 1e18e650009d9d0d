/*
 * How late does a goroutine wake that sleeps 1 ms again and again, beside what a bench lets run? The time runs from
 * before the call, so a turn that the goroutine loses on its way into the sleep counts too.
 */
#ifndef LATE_H
#define LATE_H

#include <stdatomic.h>

#include "bench.h"

/* More than a bench has milliseconds. */
enum { LATE_MOST = 1 << 20, LATE_SLEEP_NS = 1000000 };

static int64_t late_ns[LATE_MOST];
static atomic_int late_count;
static atomic_bool late_over;
static rt_waitgroup late_sleeper;

static inline void late_sleep(void *arg)
{
    (void)arg;
    while (!late_over) {
        int64_t start = rt_now();
        OK(rt_sleep(LATE_SLEEP_NS));
        if (late_count == LATE_MOST)
            abort();
        late_ns[late_count] = rt_now() - start - LATE_SLEEP_NS;
        late_count++;
    }
}

/* Returns when the sleeper is at it: how long a new goroutine waits for its first turn is another question. */
static inline void late_start(void)
{
    OK(rt_waitgroup_go(&late_sleeper, late_sleep, NULL));
    while (late_count == 0)
        OK(rt_sleep(LATE_SLEEP_NS));
}

/* Prints the 99th percentile and the most. The sleep that is under way counts too: it may be the latest of all. */
static inline void late_report(const char *p99, const char *most)
{
    late_over = true;
    OK(rt_waitgroup_wait(&late_sleeper));
    bench_sort(late_ns, late_count);
    bench_report(p99, (double)late_ns[(int64_t)late_count * 99 / 100] / 1e6, "ms");
    bench_report(most, (double)late_ns[late_count - 1] / 1e6, "ms");
}

#endif
