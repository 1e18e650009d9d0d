/*
 * rt_once: one call among many callers, who wait until it has returned; functions that block, nest or exit; refusals;
 * and its memory once everybody has returned.
 */
#include "more.h"

enum { MARK = 4242 };

static atomic_int calls, done, after;
static rt_once once;

static void counts(void *arg) { atomic_fetch_add((atomic_int *)arg, 1); }

static void answers(void *arg) {
    (void)arg;
    atomic_int a = 0, b = 0;
    rt_once o;
    memset(&o, 0, sizeof o);
    set_errno(MARK);
    CHECK_EQ(rt_once_do(NULL, counts, &a), RT_EINVAL);
    CHECK_EQ(rt_once_do(NULL, NULL, NULL), RT_EINVAL);
    /* A refused call is no call. */
    CHECK_EQ(rt_once_do(&o, NULL, &a), RT_EINVAL);
    CHECK_OK(rt_once_do(&o, counts, &a));
    CHECK_EQ(atomic_load(&a), 1);
    CHECK_OK(rt_once_do(&o, counts, &a));
    CHECK_OK(rt_once_do(&o, counts, &b));
    CHECK_EQ(rt_once_do(&o, NULL, &a), RT_EINVAL);
    CHECK_EQ(atomic_load(&a), 1);
    CHECK_EQ(atomic_load(&b), 0);
    CHECK_EQ(get_errno(), MARK);
}

/* Everybody comes while the function is at work, and goes on when it has returned: what it wrote is there. */
static long written;
static rt_chan *gate;

static void waits_at_gate(void *arg) {
    atomic_fetch_add(&calls, 1);
    CHECK(arg == &written);
    CHECK_EQ(rt_chan_recv(gate, NULL), RT_ECLOSED);
    rt_gosched();
    CHECK_OK(rt_sleep(MS));
    written = 42;
}

static void comes(void *arg) {
    (void)arg;
    CHECK_OK(rt_once_do(&once, waits_at_gate, &written));
    CHECK_EQ(written, 42);
    atomic_fetch_add(&after, 1);
}

static void everybody_waits(bool thread_first) {
    enum { GOROUTINES = 40, THREADS = 4 };
    pthread_t t[THREADS];
    memset(&once, 0, sizeof once);
    atomic_store(&calls, 0);
    atomic_store(&after, 0);
    written = 0;
    gate = rt_chan_make(0, 0);
    CHECK(gate != NULL);
    if (thread_first) t[0] = thread_go(comes, NULL);
    else go(comes, NULL);
    EVENTUALLY(atomic_load(&calls) == 1);
    for (int i = thread_first; i < THREADS; i++) t[i] = thread_go(comes, NULL);
    for (int i = !thread_first; i < GOROUTINES; i++) go(comes, NULL);
    thread_sleep(10 * MS);
    CHECK_EQ(atomic_load(&after), 0);
    CHECK_OK(rt_chan_close(gate));
    comes(NULL);
    EVENTUALLY(atomic_load(&after) == GOROUTINES + THREADS + 1);
    CHECK_EQ(atomic_load(&calls), 1);
    for (int i = 0; i < THREADS; i++) thread_join(t[i]);
    rt_chan_unref(gate);
}

/* Many onces with a short function, and all race: each is called once, by whomever, and seen by all. */
enum { MANY = 2000 };

static struct {
    rt_once once;
    long value;
    atomic_int calls;
} many[MANY];

static void sets(void *arg) {
    const intptr_t i = (intptr_t)arg;
    atomic_fetch_add(&many[i].calls, 1);
    many[i].value = i + 1;
}

static void walks(void *arg) {
    (void)arg;
    for (intptr_t i = 0; i < MANY; i++) {
        CHECK_OK(rt_once_do(&many[i].once, sets, (void *)i));
        CHECK_EQ(many[i].value, i + 1);
        if (i % 64 == 0) rt_gosched();
    }
    atomic_fetch_add(&done, 1);
}

static void races(void) {
    pthread_t t[3];
    atomic_store(&done, 0);
    for (int i = 0; i < 3; i++) t[i] = thread_go(walks, NULL);
    for (int i = 0; i < 8; i++) go(walks, NULL);
    EVENTUALLY(atomic_load(&done) == 11);
    for (int i = 0; i < 3; i++) thread_join(t[i]);
    for (int i = 0; i < MANY; i++) CHECK_EQ(atomic_load(&many[i].calls), 1);
}

/* A once in the function of another. */
static rt_once outer_once, inner_once;

static void outer(void *arg) {
    CHECK_OK(rt_once_do(&inner_once, counts, arg));
    CHECK_EQ(atomic_load((atomic_int *)arg), 1);
    CHECK_OK(rt_once_do(&inner_once, counts, arg));
}

static void nests(void *arg) {
    (void)arg;
    atomic_int n = 0;
    memset(&outer_once, 0, sizeof outer_once);
    memset(&inner_once, 0, sizeof inner_once);
    CHECK_OK(rt_once_do(&outer_once, outer, &n));
    CHECK_EQ(atomic_load(&n), 1);
}

/* A goroutine that exits inside has called it: those who wait go on, nobody calls it again. */
static void adds_ten(void *arg) { atomic_fetch_add((atomic_int *)arg, 10); }

static void exits_inside(void *arg) {
    atomic_fetch_add(&calls, 1);
    CHECK_OK(rt_defer(adds_ten, &calls));
    CHECK_EQ(rt_chan_recv(gate, NULL), RT_ECLOSED);
    if (arg != NULL) CHECK_OK(rt_once_do(arg, exits_inside, NULL));
    rt_goexit();
}

static void calls_it(void *arg) {
    CHECK_OK(rt_once_do(&once, exits_inside, arg));
    /* Its defers came first, as they would if it had returned. */
    CHECK_OP(atomic_load(&calls), >=, 11);
    atomic_fetch_add(&after, 1);
}

static void exits(bool nested) {
    pthread_t t;
    memset(&once, 0, sizeof once);
    memset(&inner_once, 0, sizeof inner_once);
    atomic_store(&calls, 0);
    atomic_store(&after, 0);
    gate = rt_chan_make(0, 0);
    go(calls_it, nested ? &inner_once : NULL);
    EVENTUALLY(atomic_load(&calls) == 1);
    for (int i = 0; i < 10; i++) go(calls_it, NULL);
    t = thread_go(calls_it, NULL);
    thread_sleep(5 * MS);
    CHECK_EQ(atomic_load(&after), 0);
    CHECK_OK(rt_chan_close(gate));
    EVENTUALLY(atomic_load(&after) == 11);
    CHECK_EQ(atomic_load(&calls), nested ? 22 : 11);
    thread_join(t);
    calls_it(NULL);
    if (nested) CHECK_OK(rt_once_do(&inner_once, exits_inside, NULL));
    CHECK_EQ(atomic_load(&calls), nested ? 22 : 11);
    EVENTUALLY(rt_num_goroutine() == 0);
    rt_chan_unref(gate);
}

/* In an unlockf nothing may block, so no function is called there; one that has returned is no trouble. */
static bool in_unlockf(rt_g *g, void *arg) {
    (void)g;
    rt_once fresh;
    memset(&fresh, 0, sizeof fresh);
    CHECK_EQ(rt_once_do(&fresh, counts, arg), RT_EPERM);
    CHECK_EQ(atomic_load((atomic_int *)arg), 0);
    CHECK_OK(rt_once_do(&once, counts, arg));
    CHECK_EQ(atomic_load((atomic_int *)arg), 0);
    return false;
}

static void unlockf(void *arg) {
    (void)arg;
    atomic_int n = 0;
    CHECK_OK(rt_gopark(in_unlockf, &n, "unlockf"));
}

/* The page goes when everybody has returned: the call may be somebody else's, and still on its way out. */
struct object {
    rt_once once;
    atomic_int users, calls;
};

static size_t page;

static void user(void *arg) {
    struct object *o = arg;
    CHECK_OK(rt_once_do(&o->once, counts, &o->calls));
    CHECK_EQ(atomic_load(&o->calls), 1);
    if (atomic_fetch_sub(&o->users, 1) == 1) {
        CHECK_EQ(munmap(o, page), 0);
        atomic_fetch_add(&done, 1);
    }
}

static void vanishes(void) {
    enum { OBJECTS = 1000, USERS = 4 };
    page = (size_t)sysconf(_SC_PAGESIZE);
    atomic_store(&done, 0);
    for (int i = 0; i < OBJECTS; i++) {
        struct object *o = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(o != MAP_FAILED);
        atomic_store(&o->users, USERS);
        for (int k = 0; k < USERS - 1; k++) go(user, o);
        if (i % 16 == 0) on_thread(user, o);
        else user(o);
    }
    EVENTUALLY(atomic_load(&done) == OBJECTS);
}

int main(void) {
    everywhere(answers, NULL);
    everybody_waits(false);
    everybody_waits(true);
    races();
    everywhere(nests, NULL);
    exits(false);
    exits(true);
    everywhere(unlockf, NULL);
    vanishes();
    puts("once: ok");
    return 0;
}
