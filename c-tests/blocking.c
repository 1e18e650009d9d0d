/*
 * rt_blocking: the function runs on the thread's own large stack as the same goroutine, while the P serves others at once;
 * what blocks in it blocks the thread, and the goroutine comes back as it went.
 */
#include "late.h"

#include <fenv.h>

enum { MARK = 4242, TIMES = 15 };

static int procs;

/* --- who it is, where it runs, what it answers --- */

struct view {
    int64_t id;
    rt_g *self;
    pid_t tid;
    int depth, calls;
};

static void looks(void *arg) {
    struct view *v = arg;
    v->id = rt_goid();
    v->self = rt_self();
    v->tid = own_tid();
    v->calls++;
}

/* Inside another it just runs: on the same thread and stack. */
static void nests(void *arg) {
    struct view *v = arg;
    const pid_t mine = own_tid();
    v->calls++;
    if (v->depth-- > 0) {
        CHECK_OK(rt_blocking(nests, v));
        CHECK_EQ(own_tid(), mine);
        CHECK_EQ(rt_blocking(NULL, v), RT_EINVAL);
        CHECK_EQ(rt_goid(), v->id);
        CHECK(rt_self() == v->self);
    }
}

static void identity(void *arg) {
    (void)arg;
    CHECK_EQ(rt_blocking(NULL, NULL), RT_EINVAL);
    const int64_t id = rt_goid();
    const rt_g *self = rt_self();
    struct view v;
    memset(&v, 0, sizeof v);
    for (int i = 0; i < 50; i++) {
        CHECK_OK(rt_blocking(looks, &v));
        CHECK_EQ(v.calls, i + 1);
        CHECK_EQ(v.id, id);
        CHECK(v.self == self);
        CHECK_EQ(rt_goid(), id);
        CHECK(rt_self() == self);
        if (i % 8 == 0) rt_gosched();
    }
    v.depth = 10;
    v.calls = 0;
    CHECK_OK(rt_blocking(nests, &v));
    CHECK_EQ(v.calls, 11);
}

/* On a plain thread it is a call. */
static void on_plain(void *arg) {
    (void)arg;
    struct view v;
    memset(&v, 0, sizeof v);
    CHECK_EQ(rt_blocking(NULL, NULL), RT_EINVAL);
    CHECK_OK(rt_blocking(looks, &v));
    CHECK_EQ(v.calls, 1);
    CHECK_EQ(v.id, 0);
    CHECK_EQ(rt_goid(), 0);
    CHECK_EQ(v.tid, own_tid());
    CHECK(v.self == rt_self());
}

/* A goroutine that is locked to its thread stays there. */
static void locked(void *arg) {
    (void)arg;
    struct view v;
    memset(&v, 0, sizeof v);
    CHECK_OK(rt_lock_os_thread());
    const pid_t mine = own_tid();
    for (int i = 0; i < 20; i++) {
        CHECK_OK(rt_blocking(looks, &v));
        CHECK_EQ(v.tid, mine);
        CHECK_EQ(own_tid(), mine);
        rt_gosched();
        CHECK_EQ(own_tid(), mine);
    }
    CHECK_OK(rt_unlock_os_thread());
}

/* --- the stack: a MiB of it, where a goroutine's has a quarter --- */

enum { USABLE = 1 << 20, MARGIN = 8 * 1024 };

static __attribute__((noinline)) uintptr_t descends(uintptr_t top, unsigned depth) {
    unsigned char frame[1024];
    memset(frame, (int)(depth & 0xff), sizeof frame);
    __asm__ volatile("" ::"r"(frame) : "memory");
    const uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    const uintptr_t deepest = top - here < USABLE - MARGIN ? descends(top, depth + 1) : here;
    /* Still there: no frame was built over another. */
    CHECK_EQ(frame[0], depth & 0xff);
    CHECK_EQ(frame[sizeof frame - 1], depth & 0xff);
    return deepest;
}

static void uses_stack(void *arg) {
    const uintptr_t top = (uintptr_t)__builtin_frame_address(0);
    CHECK_OP(top - descends(top, 0), >=, USABLE - MARGIN);
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void needs_stack(void *arg) {
    for (int i = 0; i < 3; i++) CHECK_OK(rt_blocking(uses_stack, arg));
}

/* --- errno and rounding --- */

static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};

struct state {
    int mode, mark;
};

static void keeps_state(void *arg) {
    const struct state *s = arg;
    CHECK_EQ(fegetround(), s->mode);
    /* Its own errno, over calls that block the thread. */
    set_errno(s->mark + 1);
    CHECK_OK(rt_sleep(50 * US));
    CHECK_EQ(get_errno(), s->mark + 1);
    rt_gosched();
    CHECK_EQ(get_errno(), s->mark + 1);
    CHECK_EQ(fegetround(), s->mode);
}

static void state(void *arg) {
    const int i = (int)(intptr_t)arg;
    struct state s = {modes[i % 4], MARK + 2 * i};
    CHECK_EQ(fegetround(), FE_TONEAREST);
    CHECK_EQ(fesetround(s.mode), 0);
    for (int k = 0; k < 20; k++) {
        set_errno(s.mark);
        CHECK_OK(rt_blocking(keeps_state, &s));
        CHECK_EQ(get_errno(), s.mark);
        CHECK_EQ(fegetround(), s.mode);
        CHECK_EQ(rt_blocking(NULL, NULL), RT_EINVAL);
        CHECK_EQ(get_errno(), s.mark);
        rt_gosched();
    }
    /* Ends with it: the next goroutine does not find it. */
}

static void many_states(void) {
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (intptr_t i = 0; i < 32; i++) CHECK_OP(rt_waitgroup_go(&wg, state, (void *)i), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
}

/* --- in parallel: as many as there are, and others run meanwhile --- */

static void sleeps_50ms(void *arg) {
    (void)arg;
    thread_sleep(50 * MS);
}

static void blocks_50ms(void *arg) { CHECK_OK(rt_blocking(sleeps_50ms, arg)); }

static bool together(void) {
    const int n = procs < 8 ? 32 : 8 * procs;
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    const int64_t start = now_ns();
    for (int i = 0; i < n; i++) CHECK_OP(rt_waitgroup_go(&wg, blocks_50ms, NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    const int64_t took = now_ns() - start;
    CHECK_OP(took, >=, 50 * MS);
    printf("%d block for 50 ms: %.1f ms\n", n, (double)took / 1e6);
    return !timed() || took < 200 * MS;
}

/* The P goes at once: who was queued behind runs before anybody could look for it. */
static _Atomic int64_t blocked_at, ran_at;

static void runs(void *arg) {
    (void)arg;
    atomic_store(&ran_at, now_ns());
}

static void until_ran(void *arg) {
    (void)arg;
    atomic_store(&blocked_at, now_ns());
    const int64_t until = now_ns() + 60 * SECOND;
    while (atomic_load(&ran_at) == 0) {
        if (now_ns() > until) FAIL("nobody has got the P");
        thread_sleep(20 * MS);
    }
}

static void hands_over(void *arg) {
    int64_t *ns = arg;
    for (int i = 0; i < TIMES; i++) {
        atomic_store(&ran_at, 0);
        atomic_store(&blocked_at, 0);
        go(runs, NULL);
        CHECK_OK(rt_blocking(until_ran, NULL));
        const int64_t late = atomic_load(&ran_at) - atomic_load(&blocked_at);
        ns[i] = late > 0 ? late : 0;
    }
}

static bool at_once(void) {
    int64_t ns[TIMES];
    CHECK_OK(rt_run(hands_over, ns));
    qsort(ns, TIMES, sizeof ns[0], by_size);
    printf("another ran after %.3f ms (median), %.3f ms (max)\n", (double)ns[TIMES / 2] / 1e6,
           (double)ns[TIMES - 1] / 1e6);
    return !timed() || (ns[TIMES / 2] < 5 * MS && ns[TIMES - 1] < 100 * MS);
}

/* --- calls inside: they block the thread, and everything wakes it that would wake a goroutine --- */

static rt_chan *there, *back;
static rt_mutex mu;
static long counter;
static spin lock;
static rt_g *parked;
static atomic_int children, stacks;

static void counts(void *arg) {
    (void)arg;
    atomic_fetch_add(&children, 1);
}

static void echoes(void *arg) {
    (void)arg;
    int v;
    while (rt_chan_recv(there, &v) == RT_OK) {
        v++;
        CHECK_OK(rt_chan_send(back, &v));
    }
}

static void blocking_echoes(void *arg) { CHECK_OK(rt_blocking(echoes, arg)); }

static void readies(void *arg) {
    (void)arg;
    for (bool found = false; !found;) {
        CHECK_OK(rt_sleep(100 * US));
        spin_lock(&lock);
        found = parked != NULL;
        if (found) CHECK_OK(rt_goready(parked));
        parked = NULL;
        spin_unlock(&lock);
    }
}

static void unlocks_later(void *arg) {
    CHECK_OK(rt_sleep(2 * MS));
    CHECK_OK(rt_mutex_unlock(arg));
}

static void done_later(void *arg) {
    CHECK_OK(rt_sleep(MS));
    CHECK_OK(rt_waitgroup_done(arg));
}

static void calls(void *arg) {
    struct view *v = arg;
    looks(v);
    for (int i = 0; i < 50; i++) {
        int x = i;
        CHECK_OK(rt_chan_send(there, &x));
        CHECK_OK(rt_chan_recv(back, &x));
        CHECK_EQ(x, i + 1);
        int32_t result = UNTOUCHED;
        CHECK_EQ(select_send(there, &x, RT_FOREVER, &result), 0);
        CHECK_OK(result);
        CHECK_EQ(select_recv(back, &x, RT_FOREVER, &result), 0);
        CHECK_EQ(x, i + 2);
        CHECK_EQ(own_tid(), v->tid);
        CHECK(rt_self() == v->self);
    }
    const int64_t start = now_ns();
    CHECK_OK(rt_sleep(3 * MS));
    CHECK_OP(now_ns() - start, >=, 3 * MS);
    CHECK_EQ(own_tid(), v->tid);
    CHECK_EQ(rt_chan_recv_timeout(back, NULL, MS), RT_ETIMEDOUT);
    rt_gosched();
    CHECK_EQ(own_tid(), v->tid);

    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (int i = 0; i < 10; i++) CHECK_OP(rt_waitgroup_go(&wg, counts, NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(own_tid(), v->tid);
    CHECK_OK(rt_waitgroup_add(&wg, 1));
    go(done_later, &wg);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(own_tid(), v->tid);

    rt_mutex m;
    memset(&m, 0, sizeof m);
    CHECK_OK(rt_mutex_lock(&m));
    go(unlocks_later, &m);
    CHECK_OK(rt_mutex_lock(&m));
    CHECK_OK(rt_mutex_unlock(&m));
    CHECK_EQ(own_tid(), v->tid);

    /* Under the goroutine's own name. */
    go(readies, NULL);
    spin_lock(&lock);
    parked = rt_self();
    CHECK_OK(rt_gopark(spin_commit, &lock, "blocking"));
    CHECK_EQ(rt_gopark_timeout(NULL, NULL, "blocking", MS), RT_ETIMEDOUT);
    CHECK_EQ(own_tid(), v->tid);

    rt_chan *c = rt_after(MS);
    CHECK_OK(rt_chan_recv(c, NULL));
    rt_chan_unref(c);

    /* It is a goroutine still, where it was one. */
    if (v->id != 0) {
        CHECK_EQ(rt_run(counts, NULL), RT_EPERM);
        CHECK_EQ(rt_stop(RT_NOWAIT), RT_EPERM);
    }
    rt_entersyscall();
    thread_sleep(MS);
    rt_exitsyscall();
    CHECK_EQ(own_tid(), v->tid);
    CHECK_EQ(rt_goid(), v->id);
}

static void calls_in_it(void *arg) {
    const rt_fn echo = arg != NULL ? blocking_echoes : echoes;
    struct view v;
    memset(&v, 0, sizeof v);
    there = rt_chan_make(sizeof(int), 0);
    back = rt_chan_make(sizeof(int), 0);
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    CHECK_OP(rt_waitgroup_go(&wg, echo, NULL), >, 0);
    CHECK_OK(rt_blocking(calls, &v));
    CHECK_EQ(v.id, rt_goid());
    CHECK(v.self == rt_self());
    CHECK_OK(rt_chan_close(there));
    CHECK_OK(rt_waitgroup_wait(&wg));
    rt_chan_unref(there);
    rt_chan_unref(back);
}

/* --- many, in and out all the time --- */

enum { CROWD = 32, ROUNDS = 60 };

static rt_chan *items;
static atomic_long sent, received, locks, spawned;

static void works(void *arg) {
    uint64_t *state = arg;
    long v = (long)rnd_below(state, 1000);
    switch (rnd_below(state, 5)) {
    case 0: thread_sleep((int64_t)rnd_below(state, 300 * US)); break;
    case 1:
        if (rt_chan_send_timeout(items, &v, 100 * US) == RT_OK) atomic_fetch_add(&sent, v);
        break;
    case 2:
        if (rt_chan_recv_timeout(items, &v, 100 * US) == RT_OK) atomic_fetch_add(&received, v);
        break;
    case 3:
        CHECK_OK(rt_mutex_lock(&mu));
        counter++;
        if (v % 8 == 0) thread_sleep(100 * US);
        CHECK_OK(rt_mutex_unlock(&mu));
        atomic_fetch_add(&locks, 1);
        break;
    default:
        go(counts, NULL);
        atomic_fetch_add(&spawned, 1);
        break;
    }
}

static atomic_long counted;

static void comes_and_goes(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg, before;
    for (int i = 0; i < rounds_of(ROUNDS); i++) {
        before = state;
        CHECK_OK(rt_blocking(works, &state));
        CHECK(state != before);
        atomic_fetch_add(&counted, 1);
        if (rnd_below(&state, 4) == 0) rt_gosched();
    }
}

static void crowd(void) {
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    items = rt_chan_make(sizeof(long), 4);
    atomic_store(&children, 0);
    for (uintptr_t i = 1; i <= CROWD; i++) CHECK_OP(rt_waitgroup_go(&wg, comes_and_goes, (void *)i), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(atomic_load(&counted), (long)CROWD * rounds_of(ROUNDS));
    long v = 0;
    while (rt_chan_try_recv(items, &v) == RT_OK) atomic_fetch_add(&received, v);
    CHECK_EQ(atomic_load(&sent), atomic_load(&received));
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_EQ(counter, atomic_load(&locks));
    CHECK_EQ(atomic_load(&children), atomic_load(&spawned));
    rt_chan_unref(items);
}

/* --- who is in it may still act: no deadlock is reported, and stop waits --- */

static void sends_later(void *arg) {
    (void)arg;
    thread_sleep(30 * MS);
    CHECK_OK(rt_chan_send(items, NULL));
}

static void sends_from_blocking(void *arg) { CHECK_OK(rt_blocking(sends_later, arg)); }

static void receives(void *arg) {
    go(sends_from_blocking, arg);
    CHECK_OK(rt_chan_recv(items, NULL));
}

static void no_alarm(void) {
    items = rt_chan_make(0, 0);
    for (int i = 0; i < 3; i++) CHECK_OK(rt_run(receives, NULL));
    rt_chan_unref(items);
}

static atomic_bool come_back;
static atomic_int away;

static void stays_away(void *arg) {
    (void)arg;
    atomic_fetch_add(&away, 1);
    const int64_t until = now_ns() + 60 * SECOND;
    while (!atomic_load(&come_back) && now_ns() < until) thread_sleep(MS);
}

static void goes_away(void *arg) {
    CHECK_OK(rt_blocking(stays_away, arg));
    atomic_fetch_sub(&away, 1);
}

static void stops(void) {
    const int n = 2 * procs + 1;
    for (int i = 0; i < n; i++) go(goes_away, NULL);
    EVENTUALLY(atomic_load(&away) == n);
    CHECK_EQ(rt_stop(20 * MS), RT_ETIMEDOUT);
    CHECK_OK(rt_run(identity, NULL));
    atomic_store(&come_back, true);
    CHECK_OK(rt_stop(60 * SECOND));
    CHECK_EQ(atomic_load(&away), 0);
    CHECK_OK(rt_run(identity, NULL));
}

/* --- it cannot be left by rt_goexit --- */

static void exits(void *arg) {
    (void)arg;
    rt_goexit();
}

static void exits_inside(void *arg) { CHECK_OK(rt_blocking(exits, arg)); }

static void goexit_child(void) {
    rt_run(exits_inside, NULL);
    /* Not reached, as there is no way to go on. */
    _exit(0);
}

static void goexit_nested(void *arg) { CHECK_OK(rt_blocking(exits_inside, arg)); }

static void goexit_nested_child(void) {
    rt_run(goexit_nested, NULL);
    _exit(0);
}

static void ends_process(const char *name, void (*fn)(void)) {
    static char text[64 * 1024];
    const int status = capture(fn, text, sizeof text);
    if (WIFSIGNALED(status) ? WTERMSIG(status) == SIGALRM : WEXITSTATUS(status) == 0)
        FAIL("%s: the process went on: status %x, stderr:\n%s", name, (unsigned)status, text);
    /* And says why. */
    if (strchr(text, '\n') == NULL) FAIL("%s: no line on stderr", name);
}

int main(void) {
    /* What was measured is seen also of a test that hangs. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    /* The library's abort is not the sanitizer's affair. */
    if (!sanitized()) {
        ends_process("goexit", goexit_child);
        ends_process("goexit, nested", goexit_nested_child);
    }
    /* Before the runtime is up it is a call as well. */
    on_plain(NULL);
    CHECK_OK(rt_run(identity, NULL));
    procs = rt_maxprocs(0);
    /* While this thread and the runtime's are the only ones. */
    no_alarm();
    on_plain(NULL);
    on_thread(on_plain, NULL);
    for (int i = 0; i < 5; i++) CHECK_OK(rt_run(locked, NULL));
    everywhere(needs_stack, &stacks);
    CHECK_EQ(atomic_load(&stacks), 9);
    many_states();
    IN_THREE(together());
    IN_THREE(at_once());
    everywhere(calls_in_it, NULL);
    everywhere(calls_in_it, &mu);
    crowd();
    stops();
    puts("blocking: ok");
    return 0;
}
