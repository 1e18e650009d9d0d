/* A locked goroutine keeps its thread over every park, alone; locks nest; one that ends locked ends its thread. */
#include "more.h"

#include <sys/syscall.h>

static __attribute__((noinline)) pid_t tid(void) {
    __asm__ volatile("" ::: "memory");
    return (pid_t)syscall(SYS_gettid);
}

static rt_chan *ball;
static rt_mutex mu;
static atomic_bool stop;
static atomic_int crowd;
static spin list_lock;

/* The threads that locked goroutines hold now: nobody else's code may run there. */
enum { MOST = 64 };
static pid_t held[MOST];

static bool is_held(pid_t t) {
    bool found = false;
    spin_lock(&list_lock);
    for (int i = 0; i < MOST; i++) found |= held[i] == t;
    spin_unlock(&list_lock);
    return found;
}

static void hold(pid_t t, bool on) {
    spin_lock(&list_lock);
    for (int i = 0; i < MOST; i++)
        if (held[i] == (on ? 0 : t)) {
            held[i] = on ? t : 0;
            spin_unlock(&list_lock);
            return;
        }
    FAIL("no place, or thread %d is not held", (int)t);
}

static bool refuses(rt_g *g, void *lock) {
    (void)g;
    (void)lock;
    return false;
}

static void every_park(pid_t mine) {
    rt_select_case k[2] = {recv_case(ball, NULL), send_case(ball, NULL)};
    for (int i = 0; i < rounds_of(30); i++) {
        rt_gosched();
        CHECK_EQ(tid(), mine);
        CHECK_OK(rt_sleep(10 * US));
        CHECK_EQ(tid(), mine);
        CHECK_OK(rt_chan_send(ball, NULL));
        CHECK_EQ(tid(), mine);
        CHECK_OK(rt_chan_recv(ball, NULL));
        CHECK_EQ(tid(), mine);
        CHECK_OP(rt_select(k, 2, RT_FOREVER), >=, 0);
        CHECK_EQ(tid(), mine);
        CHECK_EQ(rt_gopark_timeout(NULL, NULL, "locked", 10 * US), RT_ETIMEDOUT);
        CHECK_EQ(tid(), mine);
        CHECK_OK(rt_gopark(refuses, NULL, "locked"));
        CHECK_EQ(tid(), mine);
        CHECK_OK(rt_mutex_lock(&mu));
        rt_gosched();
        CHECK_EQ(tid(), mine);
        CHECK_OK(rt_mutex_unlock(&mu));
        CHECK_EQ(tid(), mine);
    }
}

static _Thread_local int mark;

static __attribute__((noinline)) void set_mark(int v) {
    __asm__ volatile("" ::: "memory");
    mark = v;
}

static __attribute__((noinline)) int get_mark(void) {
    __asm__ volatile("" ::: "memory");
    return mark;
}

static void locked(void *arg) {
    const bool ends_locked = arg != NULL;
    CHECK_OK(rt_lock_os_thread());
    const pid_t mine = tid();
    CHECK(!is_held(mine));
    hold(mine, true);
    /* What is thread-local is the goroutine's now. */
    set_mark((int)rt_goid());
    every_park(mine);
    CHECK_EQ(get_mark(), (int)rt_goid());
    /* Twice locked, once unlocked: still locked. */
    CHECK_OK(rt_lock_os_thread());
    CHECK_OK(rt_lock_os_thread());
    CHECK_OK(rt_unlock_os_thread());
    every_park(mine);
    CHECK_OK(rt_unlock_os_thread());
    every_park(mine);
    CHECK_EQ(get_mark(), (int)rt_goid());
    hold(mine, false);
    if (!ends_locked) CHECK_OK(rt_unlock_os_thread());
    rt_gosched();
}

/* All the others: on any thread but the held ones. */
static void roams(void *arg) {
    (void)arg;
    atomic_fetch_add(&crowd, 1);
    while (!atomic_load(&stop)) {
        if (is_held(tid())) FAIL("another goroutine runs on a locked thread");
        const int r = rt_chan_try_recv(ball, NULL);
        if (r == RT_OK) CHECK_OK(rt_chan_send(ball, NULL));
        else if (rt_chan_try_send(ball, NULL) == RT_OK) CHECK_OK(rt_chan_recv(ball, NULL));
        if (rt_mutex_try_lock(&mu) == RT_OK) CHECK_OK(rt_mutex_unlock(&mu));
        CHECK_OK(rt_sleep(20 * US));
    }
    atomic_fetch_sub(&crowd, 1);
}

/* A goroutine that a locked one starts is not locked. */
static void child(void *arg) {
    atomic_store((_Atomic pid_t *)arg, tid());
}

static void spawns(void *arg) {
    CHECK_OK(rt_lock_os_thread());
    const pid_t mine = tid();
    for (int i = 0; i < rounds_of(50); i++) {
        _Atomic pid_t where = 0;
        go(child, &where);
        while (atomic_load(&where) == 0) rt_gosched();
        CHECK(atomic_load(&where) != mine);
    }
    CHECK_OK(rt_unlock_os_thread());
    *(bool *)arg = true;
}

/* Ends locked: its thread ends too. */
static _Atomic pid_t last;

static void ends_locked(void *arg) {
    CHECK_OK(rt_lock_os_thread());
    if (arg != NULL) CHECK_OK(rt_lock_os_thread());
    CHECK_OK(rt_sleep(10 * US));
    atomic_store(&last, tid());
    if (arg != NULL) rt_goexit();
}

static bool exists(pid_t t) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d", (int)t);
    return access(path, F_OK) == 0;
}

/* Unlocked without a lock: whatever it answers, it changes nothing. */
static void unlocks_too_often(void *arg) {
    (void)arg;
    for (int i = 0; i < 3; i++) {
        const int r = rt_unlock_os_thread();
        CHECK(r == RT_OK || r == RT_EPERM);
    }
    CHECK_OK(rt_lock_os_thread());
    const pid_t mine = tid();
    for (int i = 0; i < 20; i++) {
        CHECK_OK(rt_sleep(10 * US));
        CHECK_EQ(tid(), mine);
    }
    CHECK_OK(rt_unlock_os_thread());
}

static void plain(void *arg) {
    (void)arg;
    const pid_t mine = tid();
    CHECK_OK(rt_unlock_os_thread());
    CHECK_OK(rt_lock_os_thread());
    CHECK_OK(rt_lock_os_thread());
    CHECK_OK(rt_sleep(US));
    CHECK_EQ(tid(), mine);
    CHECK_OK(rt_unlock_os_thread());
    CHECK_OK(rt_unlock_os_thread());
    CHECK_OK(rt_unlock_os_thread());
}

int main(void) {
    ball = rt_chan_make(0, 2);
    rt_waitgroup wg, others;
    memset(&wg, 0, sizeof wg);
    memset(&others, 0, sizeof others);
    for (int i = 0; i < 20; i++) CHECK_OP(rt_waitgroup_go(&others, roams, NULL), >, 0);
    EVENTUALLY(atomic_load(&crowd) == 20);
    for (int i = 0; i < 12; i++) CHECK_OP(rt_waitgroup_go(&wg, locked, i % 3 == 0 ? &wg : NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    atomic_store(&stop, true);
    /* Whoever waits in ball for a partner: one is here. */
    while (rt_waitgroup_wait_timeout(&others, MS) != RT_OK)
        if (rt_chan_try_recv(ball, NULL) != RT_OK) CHECK_OK(rt_chan_try_send(ball, NULL));

    bool done = false;
    CHECK_OK(rt_run(spawns, &done));
    CHECK(done);
    for (int i = 0; i < 20; i++) {
        CHECK_OK(rt_run(ends_locked, i % 2 == 0 ? NULL : &done));
        const pid_t t = atomic_load(&last);
        CHECK(t != getpid());
        if (!emulated()) EVENTUALLY(!exists(t));
    }
    CHECK_OK(rt_run(unlocks_too_often, NULL));
    plain(NULL);
    on_thread(plain, NULL);
    rt_chan_unref(ball);
    puts("lock_os_thread: ok");
    return 0;
}
