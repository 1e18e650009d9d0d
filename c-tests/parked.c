/*
 * A million goroutines parked at once, each with a guarded stack of its own, woken, ended. Three seconds after the end less
 * than 1.5 % of the memory is left, page tables included. Where one in a hundred stays parked, what lies between those goes
 * all the same.
 */
#include "memory.h"

enum { RECORD = 192, WORDS = 16 };

static rt_chan *later;
static long how_many;
static int64_t most_each;

static int64_t memory(void) { return resident() + status_bytes("VmPTE:"); }

/*
 * All have ended. The promise is three seconds; another one for a machine that does other things. Looks again and again, as what
 * is gone does not come back.
 */
static void goes(const char *what, int64_t peak) {
    const int64_t until = now_ns() + 4 * SECOND, bound = peak * 3 / 200;
    int64_t left = memory();
    for (; left >= bound && now_ns() < until; left = memory()) thread_sleep(50 * MS);
    printf("%s: %.2f %% left\n", what, (double)left * 100 / (double)peak);
    CHECK_OP(left, <, bound);
}

static void once(const char *what) {
    const int64_t before = memory();
    int64_t start = now_ns();
    CHECK_EQ(park_many(how_many), how_many);
    const int64_t parked = now_ns() - start;
    const int64_t peak = memory();
    start = now_ns();
    release_all_of(how_many);
    const int64_t released = now_ns() - start;
    printf("%s: %ld parked in %.2f s, %" PRId64 " bytes each with page tables, released in %.2f s\n", what, how_many,
           (double)parked / 1e9, (peak - before) / how_many, (double)released / 1e9);
    CHECK_OP((peak - before) / how_many, <=, most_each);
    goes(what, peak);
}

/* One whose stack must be as it was when all around it has been given back. */
static void stays(void *arg) {
    volatile uint64_t here[WORDS];
    for (int i = 0; i < WORDS; i++) here[i] = (uintptr_t)arg + (uint64_t)i;
    atomic_fetch_add(&arrived, 1);
    CHECK_EQ(rt_chan_recv(later, NULL), RT_ECLOSED);
    for (int i = 0; i < WORDS; i++) CHECK(here[i] == (uintptr_t)arg + (uint64_t)i);
    atomic_fetch_add(&woken, 1);
}

static void some_stay(void) {
    long stay = 0;
    start_with(64 << 10, 0);
    gate = rt_chan_make(0, 0);
    later = rt_chan_make(0, 0);
    CHECK(gate != NULL && later != NULL);
    for (long i = 0; i < how_many; i++) {
        const bool is_one = i % 100 == 50;
        go(is_one ? stays : waits_at_gate, (void *)(intptr_t)i);
        stay += is_one;
    }
    EVENTUALLY(atomic_load(&arrived) == how_many);
    const int64_t peak = memory(), tables = status_bytes("VmPTE:");
    CHECK_OK(rt_chan_close(gate));
    EVENTUALLY(rt_num_goroutine() == stay);
    /* Each that stays has a page, and keeps records in memory and the tables of a slab, at worst all there are. */
    const int64_t bound = peak * 3 / 200 + stay * sysconf(_SC_PAGESIZE) + how_many * RECORD + tables;
    thread_sleep(4 * SECOND);
    const int64_t left = memory();
    printf("some stay: %.2f %% left\n", (double)left * 100 / (double)peak);
    CHECK_OP(left, <, bound);
    CHECK_OP(stacks_resident(), <, 2 * stay * sysconf(_SC_PAGESIZE));
    CHECK_OK(rt_chan_close(later));
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_EQ(atomic_load(&woken), how_many);
    goes("and go", peak);
    CHECK_OK(rt_stop(10 * SECOND));
}

static void with_64k(void) {
    most_each = 4700;
    start_with(64 << 10, 0);
    once("64 KiB");
    CHECK_OK(rt_stop(10 * SECOND));
}

/* Four times the page tables, which have a page for each 2 MiB. */
static void with_256k(void) {
    most_each = 5100;
    start_with(0, 0);
    once("256 KiB");
}

int main(void) {
    if (emulated() || sanitized()) SKIP("memory is not the program's alone here");
    if (access("/proc/self/status", R_OK) != 0) SKIP("no /proc");
    unsetenv("RT_STACK_SIZE");
    how_many = (long)env_u64("GORT_MILLION", 1000000);
    const int64_t wanted = how_many * 6000;
    if ((int64_t)sysconf(_SC_AVPHYS_PAGES) * sysconf(_SC_PAGESIZE) < wanted) SKIP("not enough memory is free");
    CHECK_CHILD(with_64k);
    CHECK_CHILD(with_256k);
    CHECK_CHILD(some_stay);
    puts("parked: ok");
    return 0;
}
