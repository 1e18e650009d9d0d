/* What tests of promised times share: how late something was each time, and what they make of it. */
#ifndef GORT_LATE_H
#define GORT_LATE_H

#include "more.h"

/* Times are judged only where the machine is real. */
static inline bool timed(void) { return !emulated() && !sanitized(); }

/* What a busy machine has spoiled is measured again; three times in a row are no accident. */
#define IN_THREE(call)                                                  \
    do {                                                                \
        int tries_ = 3;                                                 \
        while (!(call))                                                 \
            if (--tries_ == 0) FAIL("three times too late: %s", #call); \
    } while (0)

enum { LATE_MOST = 60000 };

struct late {
    int n;
    int64_t ns[LATE_MOST];
};

static inline int by_size(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/*
 * Prints what was measured, and answers whether it keeps the promise: the median below a bound, and 99 % below another
 * (where there are enough of them: of a few, the worst percent is the worst), none as late as 100 ms.
 */
static inline bool late_keeps(const char *what, struct late *l, int64_t median_below, int64_t most_below) {
    CHECK_OP(l->n, >, 0);
    qsort(l->ns, (size_t)l->n, sizeof l->ns[0], by_size);
    const int64_t median = l->ns[(l->n - 1) / 2], most = l->ns[(l->n - 1) * 99 / 100], max = l->ns[l->n - 1];
    printf("%s: %d times, late by %.2f ms (median), %.2f ms (99 %%), %.2f ms (max)\n", what, l->n, (double)median / 1e6,
           (double)most / 1e6, (double)max / 1e6);
    return !timed() || (median < median_below && (l->n < 100 || most < most_below) && max < 100 * MS);
}

/* Tells what runs without end to come to one. */
MAYBE_UNUSED static atomic_bool stop;
MAYBE_UNUSED static struct late late;

/* A goroutine that sleeps 1 ms in a loop. */
static inline void sleeps(void *arg) {
    struct late *l = arg;
    while (!atomic_load(&stop) && l->n < LATE_MOST) {
        const int64_t due = now_ns() + MS;
        CHECK_OK(rt_sleep(MS));
        l->ns[l->n++] = now_ns() - due;
    }
}

static inline uint64_t handoffs(void) {
    rt_stats s = {.struct_size = sizeof s};
    CHECK_OK(rt_stats_read(&s));
    return s.handoffs;
}

#endif
