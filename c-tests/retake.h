/*
 * What tests of goroutines that lose their P share: goroutines that are away in the kernel until they are called back, and one
 * that computes.
 */
#ifndef GORT_RETAKE_H
#define GORT_RETAKE_H

#include "late.h"

MAYBE_UNUSED static int procs;
MAYBE_UNUSED static atomic_int away, back;
MAYBE_UNUSED static atomic_bool come_back;

/* Tells nobody that it will block. The bound only turns a hang into a failure. */
static inline void stays_away(void) {
    atomic_fetch_add(&away, 1);
    for (const int64_t until = now_ns() + 60 * SECOND; now_ns() < until && !atomic_load(&come_back);)
        thread_sleep(40 * MS);
    atomic_fetch_add(&back, 1);
}

static inline void none_away(void) {
    atomic_store(&away, 0);
    atomic_store(&back, 0);
    atomic_store(&come_back, false);
}

static inline void computes(int64_t ns) {
    for (const int64_t until = now_ns() + ns; now_ns() < until;) {
    }
}

static inline void count(void *arg) { atomic_fetch_add((atomic_long *)arg, 1); }

#endif
