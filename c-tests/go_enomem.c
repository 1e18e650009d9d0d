/*
 * No address space left: rt_go answers RT_ENOMEM and rt_chan_make NULL, at any point; nothing crashes, and all is well again
 * once memory is free.
 */
#include "address_space.h"

static rt_chan *gate;
static atomic_long ran;

static void waits(void *arg) {
    (void)arg;
    CHECK_EQ(rt_chan_recv(gate, NULL), RT_ECLOSED);
    atomic_fetch_add(&ran, 1);
}

static void nothing(void *arg) { (void)arg; }

/* Leaves so much room above what is mapped now; false where the limit is not enforced (emulators). */
static bool limit(size_t headroom) {
    leave_room(headroom);
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

/* From no room at all to more than it takes, with the runtime down and up: whatever is refused, what was not goes on. */
static size_t room;
static bool is_up;

enum { CHANS = 64 };

static int make_chans(rt_chan **chans, size_t cap) {
    int n = 0;
    while (n < CHANS && (chans[n] = rt_chan_make(16, cap)) != NULL) n++;
    return n;
}

static void at_any_point(void) {
    unsetenv("RT_STACK_SIZE");
    static rt_chan *chans[CHANS];
    static rt_timer *timers[10];
    if (is_up) CHECK_OK(rt_run(nothing, NULL));
    /* Not limit(), which maps: that would be the end of some headrooms. */
    leave_room(room);
    rt_go_opts opts = {.struct_size = sizeof opts, .name = "named"};
    long spawned = 0;
    int fired = 0;
    for (int i = 0; i < 100; i++) {
        opts.stack_size = (size_t)(16 + i % 8 * 64) << 10;
        const int64_t r = i % 2 == 0 ? rt_go(waits, NULL) : rt_go_with(&opts, waits, NULL);
        if (r > 0) spawned++;
        else CHECK_EQ(r, RT_ENOMEM);
    }
    for (int i = 0; i < 10; i++) fired += (timers[i] = rt_timer_new(i * 100 * US)) != NULL;
    const size_t cap = 4096;
    const int made = make_chans(chans, cap);
    for (int i = 0; i < made; i++) {
        const int r = rt_chan_try_send(chans[i], "sixteen bytes...");
        /* The thread's first call, perhaps. */
        if (r != RT_ENOMEM) CHECK_OK(r);
        rt_chan_unref(chans[i]);
    }
    /* So much is free again, unless threads that were waited for have taken it. */
    for (int i = make_chans(chans, cap); i > 0; i--) rt_chan_unref(chans[i - 1]);
    CHECK_EQ(rt_num_goroutine(), spawned);
    set_limit(RLIM_INFINITY);
    for (int i = 0; i < 10; i++) {
        if (timers[i] == NULL) continue;
        CHECK_OK(rt_chan_recv(rt_timer_chan(timers[i]), NULL));
        fired--;
        rt_timer_free(timers[i]);
    }
    CHECK_EQ(fired, 0);
    CHECK_OK(rt_chan_close(gate));
    EVENTUALLY(atomic_load(&ran) == spawned);
    EVENTUALLY(rt_num_goroutine() == 0);
    for (int i = 0; i < 100; i++) CHECK_OP(rt_go_with(&opts, waits, NULL), >, 0);
    CHECK_EQ(make_chans(chans, cap), CHANS);
    CHECK_OK(rt_run(nothing, NULL));
    EVENTUALLY(atomic_load(&ran) == spawned + 100);
    CHECK_OK(rt_stop(RT_FOREVER));
}

static void walk(void) {
    /* Some of these children say that no thread could be made: they have a file for that. */
    FILE *said = tmpfile();
    CHECK(said != NULL);
    const int err = dup(2);
    for (int up = 0; up <= 1; up++) {
        is_up = up != 0;
        for (room = 0; room < 128 * MIB; room += room < MIB ? MIB / 4 : room < 16 * MIB ? MIB : 8 * MIB) {
            fflush(NULL);
            CHECK_EQ(dup2(fileno(said), 2), 2);
            const int status = in_child(at_any_point);
            CHECK_EQ(dup2(err, 2), 2);
            if (status != 0) {
                char text[4096] = "";
                CHECK_OP(pread(fileno(said), text, sizeof text - 1, 0), >=, 0);
                FAIL("with %zu KiB, %s: status %#x\n%s", room >> 10, is_up ? "up" : "down", status, text);
            }
        }
    }
    fclose(said);
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
    walk();
    puts("go_enomem: ok");
    return 0;
}
