/* Computing for a certain CPU time without any call: a loop, and how often it goes round in that time. */
#ifndef BURN_H
#define BURN_H

#include <time.h>

#include "bench.h"

/* Each round needs the one before, so neither a compiler nor a neighbour on the same core changes much about it. */
static inline void burn(int64_t rounds)
{
    uint64_t x = 1;
    for (int64_t i = 0; i < rounds; i++)
        x = x * 6364136223846793005u + 1442695040888963407u;
    if (x == 0) /* never, but the compiler does not know */
        abort();
}

static inline int64_t burn_thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* How many rounds take ns of CPU time on this thread. The fastest of ten tries: other programs disturb the others. */
static inline int64_t burn_rounds(int64_t ns)
{
    enum { TRY = 5000000 };
    int64_t best = INT64_MAX;
    for (int i = 0; i < 10; i++) {
        int64_t start = burn_thread_ns();
        burn(TRY);
        int64_t took = burn_thread_ns() - start;
        best = took < best ? took : best;
    }
    return (int64_t)((double)TRY * (double)ns / (double)best);
}

#endif
