/*
 * As on a kernel without MADV_GUARD_INSTALL: guards cost mappings, of which a process has 65,530. Stacks end, with RT_ENOMEM,
 * while the program has half of them for itself; with RT_UNGUARDED they go on without guards.
 */
#include "memory.h"

enum { MANY = 100000 };

static long max_maps(void) {
    long n = 65530;
    FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
    if (f != NULL) {
        CHECK_EQ(fscanf(f, "%ld", &n), 1);
        fclose(f);
    }
    return n;
}

/* The program's own mappings: every second page of a range is another one. */
static void maps_of_ones_own(long n) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *at = mmap(NULL, page * (size_t)n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    for (long i = 0; i < n; i += 2) CHECK_EQ(mprotect(at + page * (size_t)i, page, PROT_NONE), 0);
    CHECK_EQ(munmap(at, page * (size_t)n), 0);
}

/*
 * As many stacks as a quarter of the mappings, but for what caches keep for their own: what the stacks of a P's cache are
 * promised, what it has taken of promises, and the last slab, which may not have fitted.
 */
static long least_stacks(void) {
    enum { CACHED = 64, PROMISED = 2 * 64, SLAB = 128 };
    return max_maps() / 4 - (rt_maxprocs(0) + 1) * (CACHED + PROMISED) - SLAB;
}

static void refused(void) {
    start_with(0, 0);
    for (int round = 0; round < 2; round++) {
        const long n = park_many(MANY);
        printf("%ld stacks with guards\n", n);
        CHECK_OP(n, <, max_maps() / 2);
        CHECK_OP(n, >=, least_stacks());
        maps_of_ones_own(max_maps() / 4);
        const int64_t most = stacks_reserved();
        release_all_of(n);
        /* So that the second round has guards again only if those that went are no longer counted. */
        EVENTUALLY(stacks_reserved() < most / 4);
    }
}

static void allowed(void) {
    start_with(0, RT_UNGUARDED);
    for (int round = 0; round < 2; round++) {
        CHECK_EQ(park_many(MANY), MANY);
        maps_of_ones_own(max_maps() / 4);
        release_all_of(MANY);
        /* So that the second round maps them anew. */
        EVENTUALLY(stacks_resident() < (int64_t)64 << 20);
    }
}

static void deeper(long levels) {
    char here[512];
    memset(here, levels != 0, sizeof here);
    __asm__ volatile("" ::"r"(here) : "memory");
    if (levels > 0) deeper(levels - 1);
    __asm__ volatile("" ::"r"(here) : "memory");
}

static void overflows(void *arg) {
    (void)arg;
    deeper(1 << 20);
}

/* There are guards: an overflow ends the process, and the report, which comes of a fault in a guard alone, says so. */
static void guarded(void) {
    start_with(0, RT_UNGUARDED);
    rt_run(overflows, NULL);
}

int main(void) {
    if (emulated() || sanitized()) SKIP("mappings are not the program's alone here");
    if (max_maps() > MANY) SKIP("this system has so many mappings that there is no end to test");
    unsetenv("RT_STACK_SIZE");
    /* With hundreds of Ps their caches would have all the guards. */
    if (sysconf(_SC_NPROCESSORS_ONLN) > 32) CHECK_EQ(setenv("RT_MAXPROCS", "32", 1), 0);
    CHECK_EQ(setenv("RT_DEBUG", "noguardinstall", 1), 0);
    CHECK_CHILD(refused);
    CHECK_CHILD(allowed);
    char text[4096];
    const int status = capture(guarded, text, sizeof text);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGSEGV);
    if (strstr(text, "gort: stack overflow: goroutine 1 ") == NULL) FAIL("no overflow in:\n%s", text);
    puts("guard_fallback: ok");
    return 0;
}
