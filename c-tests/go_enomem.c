/* No address space left: rt_go answers RT_ENOMEM, never crashes, and all is well again once memory is free. */
#include "check.h"

static rt_chan *gate;
static atomic_long ran;

static void waits(void *arg) {
    (void)arg;
    CHECK_EQ(rt_chan_recv(gate, NULL), RT_ECLOSED);
    atomic_fetch_add(&ran, 1);
}

static void nothing(void *arg) { (void)arg; }

static size_t address_space(void) {
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f != NULL);
    CHECK_EQ(fscanf(f, "%lu", &pages), 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Leaves so much room above what is mapped now; false where the limit is not enforced (emulators). */
static bool limit(size_t headroom) {
    const rlim_t bytes = address_space() + headroom;
    const struct rlimit lim = {bytes, bytes};
    CHECK_EQ(setrlimit(RLIMIT_AS, &lim), 0);
    void *p = mmap(NULL, 2 * headroom, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return true;
    CHECK_EQ(munmap(p, 2 * headroom), 0);
    return false;
}

static void exhaust(size_t stack_size, long most) {
    rt_go_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.stack_size = stack_size;
    int64_t r = 0;
    long spawned = 0;
    while ((r = rt_go_with(&opts, waits, NULL)) > 0) {
        spawned++;
        if (spawned > most) FAIL("%ld goroutines fit where there is room for %ld", spawned, most);
    }
    CHECK_EQ(r, RT_ENOMEM);
    /* And no other answer later, nor a count of what was refused. */
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (int i = 0; i < 100; i++) {
        r = rt_go_with(&opts, waits, NULL);
        if (r > 0) spawned++;
        else CHECK_EQ(r, RT_ENOMEM);
    }
    CHECK_OK(rt_waitgroup_wait_timeout(&wg, RT_NOWAIT));
    CHECK_EQ(rt_num_goroutine(), spawned);
    CHECK(rt_chan_make(1, (size_t)1 << 40) == NULL);

    CHECK_OK(rt_chan_close(gate));
    EVENTUALLY(atomic_load(&ran) == spawned);
    EVENTUALLY(rt_num_goroutine() == 0);
    /* What ended made room. */
    if (spawned > 0) EVENTUALLY(rt_go_with(&opts, nothing, NULL) > 0);
}

/* Every goroutine in waitgroup_go's hands: refused ones are not waited for. */
static void exhaust_waitgroup(long most) {
    static rt_waitgroup wg;
    int64_t r = 0;
    long spawned = 0;
    while ((r = rt_waitgroup_go(&wg, waits, NULL)) > 0) {
        spawned++;
        if (spawned > most) FAIL("%ld goroutines fit where there is room for %ld", spawned, most);
    }
    CHECK_EQ(r, RT_ENOMEM);
    CHECK_OK(rt_chan_close(gate));
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(atomic_load(&ran), spawned);
    CHECK_EQ(rt_waitgroup_done(&wg), RT_EINVAL);
}

static const size_t MIB = (size_t)1 << 20;
static const size_t STACK = (size_t)256 << 10;

/* The smallest stack that the default of this run can be. */
static long room_for(size_t headroom) { return (long)(headroom / STACK) + 64; }

static void limited_from_birth(size_t headroom) {
    unsetenv("RT_STACK_SIZE");
    if (!limit(headroom)) return;
    exhaust(0, room_for(headroom));
}

static void birth_256m(void) { limited_from_birth(256 * MIB); }
static void birth_1g(void) { limited_from_birth(1024 * MIB); }

static void birth_waitgroup(void) {
    unsetenv("RT_STACK_SIZE");
    if (!limit(512 * MIB)) return;
    exhaust_waitgroup(room_for(512 * MIB));
}

/* The runtime runs already; stacks of a size that nobody has used, so that none of them is in store. */
static void limited_later(void) {
    CHECK_OK(rt_run(nothing, NULL));
    EVENTUALLY(rt_num_goroutine() == 0);
    if (!limit(512 * MIB)) return;
    exhaust(16 * MIB, 512 / 16 + 4);
}

/* From inside a goroutine, too. */
static void on_goroutine(void *arg) {
    (void)arg;
    int64_t r = 0;
    long spawned = 0;
    rt_go_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.stack_size = 16 * MIB;
    while ((r = rt_go_with(&opts, waits, NULL)) > 0) CHECK_OP(++spawned, <=, 512 / 16 + 4);
    CHECK_EQ(r, RT_ENOMEM);
    CHECK_OK(rt_chan_close(gate));
    EVENTUALLY_YIELD(atomic_load(&ran) == spawned);
}

static void limited_inside(void) {
    CHECK_OK(rt_run(nothing, NULL));
    if (!limit(512 * MIB)) return;
    CHECK_OK(rt_run(on_goroutine, NULL));
}

int main(void) {
    if (sanitized()) SKIP("a sanitizer's shadow needs the address space");
    if (emulated()) SKIP("the emulator does not enforce RLIMIT_AS");
    gate = rt_chan_make(0, 0);
    CHECK_CHILD(birth_256m);
    CHECK_CHILD(birth_1g);
    CHECK_CHILD(birth_waitgroup);
    CHECK_CHILD(limited_later);
    CHECK_CHILD(limited_inside);
    puts("go_enomem: ok");
    return 0;
}
