/*
 * Bursts of goroutines on stacks of several sizes, shallow and deep, some of them with names, with pauses in which idle memory is given back at every
 * round of the monitor (RT_DEBUG=sweep), while others are parked for long, tickets and late wakers are about, and dumps are
 * written to a slow reader. Nobody's stack changes under it, every goroutine runs once, and no late waker wakes a stranger.
 */
#include "memory.h"

enum { KEEPERS = 64, SIZES = 4, LATE = 4096, LARGE = 256 << 10, LEVELS = 190 };

static const size_t sizes[SIZES] = {0, 16 << 10, 64 << 10, 1 << 20};
static atomic_bool stop;
static atomic_long spawned, ran, refused, parks, late_wakes;
static _Atomic uint64_t tickets[LATE];

static uint64_t mix(uint64_t a) { return rnd(&a); }

/* Fills its part of the stack, lets others run, and looks whether all is as it was. */
static __attribute__((noinline)) void deep(uint64_t seed, long levels) {
    volatile uint64_t here[64];
    for (int i = 0; i < 64; i++) here[i] = mix(seed + (uint64_t)i);
    if (levels > 0) deep(mix(seed), levels - 1);
    else if (seed % 3 == 0) CHECK_OK(rt_sleep((int64_t)(seed % (3 * MS))));
    else rt_gosched();
    for (int i = 0; i < 64; i++) CHECK(here[i] == mix(seed + (uint64_t)i));
}

/* The lowest bit of the argument: the stack is a large one, of which 100 KiB and more are for use. */
static void user(void *arg) {
    const uint64_t seed = mix((uint64_t)(uintptr_t)arg);
    const bool is_large = ((uintptr_t)arg & 1) != 0;
    deep(seed, (long)(seed % 16 != 0 ? seed % 4 : is_large ? LEVELS : 12));
    if (seed % 5 == 0) {
        /* A wake-up that comes late, maybe when the record is another's. */
        const uint64_t ticket = rt_park_ticket();
        CHECK_EQ(rt_gopark_timeout(NULL, NULL, "late", (int64_t)(seed % (200 * US))), RT_ETIMEDOUT);
        atomic_store(&tickets[seed % LATE], ticket);
        atomic_fetch_add(&parks, 1);
    }
    atomic_fetch_add(&ran, 1);
}

/* Parks whose only wake-up is time: a waker with an old ticket must not end one early. */
static void keeper(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&stop)) {
        const uint64_t seed = state;
        volatile uint64_t here[256];
        for (int i = 0; i < 256; i++) here[i] = mix(seed + (uint64_t)i);
        CHECK_EQ(rt_gopark_timeout(NULL, NULL, "keeper", (int64_t)rnd_below(&state, 50 * MS) + 1), RT_ETIMEDOUT);
        for (int i = 0; i < 256; i++) CHECK(here[i] == mix(seed + (uint64_t)i));
    }
    atomic_fetch_add(&ran, 1);
}

static void *wakes_late(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&stop)) {
        const uint64_t ticket = atomic_load(&tickets[rnd_below(&state, LATE)]);
        if (ticket == 0) continue;
        CHECK_EQ(rt_goready_ticket(ticket), RT_EINVAL);
        atomic_fetch_add(&late_wakes, 1);
    }
    return NULL;
}

static void *dumps(void *arg) {
    const int fd = (int)(intptr_t)arg;
    while (!atomic_load(&stop)) CHECK_OK(rt_dump(fd));
    close(fd);
    return NULL;
}

static void *reads_slowly(void *arg) {
    static char text[1 << 16];
    ssize_t n = 0;
    while ((n = read((int)(intptr_t)arg, text, sizeof text)) > 0) thread_sleep(2 * MS);
    CHECK_EQ(n, 0);
    return NULL;
}

int main(void) {
    const uint64_t seed = stress_seed();
    uint64_t state = seed;
    if (getenv("RT_DEBUG") == NULL) CHECK_EQ(setenv("RT_DEBUG", "sweep", 1), 0);
    for (int i = 0; i < KEEPERS; i++) go(keeper, (void *)(uintptr_t)rnd(&state));
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    const pthread_t threads[] = {
        thread_start(wakes_late, (void *)(uintptr_t)rnd(&state)),
        thread_start(dumps, (void *)(intptr_t)ends[1]),
        thread_start(reads_slowly, (void *)(intptr_t)ends[0]),
    };
    for (const int64_t until = stress_end(); now_ns() < until;) {
        rt_go_opts opts;
        memset(&opts, 0, sizeof opts);
        opts.struct_size = sizeof opts;
        opts.stack_size = sizes[rnd_below(&state, SIZES)];
        const uintptr_t is_large = opts.stack_size == 0 || opts.stack_size >= LARGE;
        for (long n = (long)rnd_below(&state, emulated() ? 50 : 3000); n > 0; n--) {
            char name[48];
            const uintptr_t arg = ((uintptr_t)rnd(&state) & ~(uintptr_t)1) | is_large;
            snprintf(name, sizeof name, "user of %#" PRIxPTR, arg);
            opts.name = rnd_below(&state, 4) == 0 ? name : NULL;
            if (rt_go_with(&opts, user, (void *)arg) > 0) atomic_fetch_add(&spawned, 1);
            else atomic_fetch_add(&refused, 1);
        }
        if (rnd_below(&state, 2) == 0) EVENTUALLY(atomic_load(&ran) == atomic_load(&spawned));
        thread_sleep((int64_t)rnd_below(&state, 30 * MS));
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) thread_join(threads[i]);
    close(ends[0]);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_EQ(atomic_load(&ran), atomic_load(&spawned) + KEEPERS);
    CHECK_EQ(atomic_load(&refused), 0);
    printf("%ld goroutines, %ld parks with tickets, %ld late wake-ups\n", atomic_load(&spawned), atomic_load(&parks),
           atomic_load(&late_wakes));
    puts("stress_stacks: ok");
    return 0;
}
