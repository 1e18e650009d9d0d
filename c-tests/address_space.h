/* A limit on the address space (RLIMIT_AS), so that memory runs out in this process alone. */
#ifndef GORT_ADDRESS_SPACE_H
#define GORT_ADDRESS_SPACE_H

#include "check.h"

/* What is mapped. */
static inline size_t address_space(void) {
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f != NULL);
    CHECK_EQ(fscanf(f, "%lu", &pages), 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* RLIM_INFINITY: as much as there may be. */
static inline void set_limit(rlim_t bytes) {
    struct rlimit lim;
    CHECK_EQ(getrlimit(RLIMIT_AS, &lim), 0);
    lim.rlim_cur = bytes < lim.rlim_max ? bytes : lim.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_AS, &lim), 0);
}

/* Leaves so much room above what is mapped now. */
static inline void leave_room(size_t bytes) { set_limit(address_space() + bytes); }

#endif
