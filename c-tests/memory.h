/* What the process holds of memory, as the kernel counts it; and goroutines that wait until a channel is closed. */
#ifndef GORT_MEMORY_H
#define GORT_MEMORY_H

#include "more.h"

/* A line of /proc/self/status, "VmRSS:" or the like, in bytes. */
static MAYBE_UNUSED int64_t status_bytes(const char *line) {
    char text[256];
    int64_t kib = -1;
    FILE *f = fopen("/proc/self/status", "r");
    CHECK(f != NULL);
    while (kib < 0 && fgets(text, sizeof text, f) != NULL)
        if (strncmp(text, line, strlen(line)) == 0) kib = strtoll(text + strlen(line), NULL, 10);
    fclose(f);
    CHECK_OP(kib, >=, 0);
    return kib * 1024;
}

static MAYBE_UNUSED rt_stats read_stats(void) {
    rt_stats s;
    memset(&s, 0, sizeof s);
    s.struct_size = sizeof s;
    CHECK_OK(rt_stats_read(&s));
    return s;
}

/* What the stacks alone hold, of memory and of address space. */
static MAYBE_UNUSED int64_t stacks_resident(void) { return (int64_t)read_stats().stack_bytes_resident; }

static MAYBE_UNUSED int64_t stacks_reserved(void) { return (int64_t)read_stats().stack_bytes_reserved; }

static MAYBE_UNUSED void start_with(size_t stack_size, uint64_t flags) {
    rt_config cfg;
    memset(&cfg, 0, sizeof cfg);
    cfg.struct_size = sizeof cfg;
    cfg.stack_size = stack_size;
    cfg.flags = flags;
    CHECK_OK(rt_init(&cfg));
}

static rt_chan *gate;
static atomic_long arrived, woken;

static MAYBE_UNUSED void waits_at_gate(void *arg) {
    (void)arg;
    atomic_fetch_add(&arrived, 1);
    CHECK_EQ(rt_chan_recv(gate, NULL), RT_ECLOSED);
    atomic_fetch_add(&woken, 1);
}

/* Spawns up to n of them, until one is refused for want of memory, and waits until all have come. Answers how many. */
static MAYBE_UNUSED long park_many(long n) {
    gate = rt_chan_make(0, 0);
    CHECK(gate != NULL);
    atomic_store(&arrived, 0);
    atomic_store(&woken, 0);
    long spawned = 0;
    int64_t r = 1;
    while (spawned < n && (r = rt_go(waits_at_gate, NULL)) > 0) spawned++;
    if (spawned < n) CHECK_EQ(r, RT_ENOMEM);
    EVENTUALLY(atomic_load(&arrived) == spawned);
    return spawned;
}

static MAYBE_UNUSED void release_all_of(long n) {
    CHECK_OK(rt_chan_close(gate));
    EVENTUALLY(atomic_load(&woken) == n);
    EVENTUALLY(rt_num_goroutine() == 0);
    rt_chan_unref(gate);
}

#endif
