/*
 * Homes: the goroutines of one always run on the same thread, whatever they wait for, one at a time; nobody else runs there, and
 * others go on whatever the home does. A stop, a fork and rt_home_free leave it usable, or gone.
 */
#include "more.h"

#include <sys/socket.h>

static rt_go_opts at(rt_home *home) {
    rt_go_opts o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.home = home;
    return o;
}

static int64_t go_at(rt_home *home, rt_fn fn, void *arg) {
    const rt_go_opts o = at(home);
    const int64_t id = rt_go_with(&o, fn, arg);
    CHECK_OP(id, >, 0);
    return id;
}

static void settle(void) { EVENTUALLY(rt_num_goroutine() == 0); }

static rt_home *new_home(void) {
    rt_home *home = rt_home_new();
    CHECK(home != NULL);
    return home;
}

/* The thread of a home, as its goroutines see it; and that no two of them run at once. */
struct place {
    rt_home *home;
    atomic_int tid, inside;
    atomic_long visits;
};

static void here(struct place *p) {
    CHECK_EQ(atomic_fetch_add(&p->inside, 1), 0);
    int none = 0;
    const int own = (int)own_tid();
    if (!atomic_compare_exchange_strong(&p->tid, &none, own)) CHECK_EQ(none, own);
    atomic_fetch_add(&p->visits, 1);
    atomic_fetch_sub(&p->inside, 1);
}

static void nothing(void *arg) { (void)arg; }

/* --- one thread, over everything that waits ---------------------------------------------------------------------------- */

static rt_chan *to_home, *from_home, *never;
static rt_mutex mutex;
static rt_sema sema;
static int sockets[2];
static atomic_int signalled;
static spin park_lock;
static rt_g *parked;

static void child(void *arg) {
    here(arg);
    rt_gosched();
    here(arg);
}

static void slow(void *arg) {
    thread_sleep(2 * MS);
    here(arg);
}

static void waits_everywhere(void *arg) {
    struct place *p = arg;
    int64_t v = 0;
    char byte = 0;
    const int64_t id = rt_goid();
    for (int i = 0; i < 20; i++) {
        here(p);
        CHECK_OK(rt_chan_recv(to_home, &v));
        here(p);
        CHECK_OK(rt_chan_send(from_home, &v));
        here(p);
        CHECK_EQ(rt_chan_recv_timeout(never, &v, 100 * US), RT_ETIMEDOUT);
        here(p);
        rt_select_case cases[2] = {recv_case(never, &v), recv_case(to_home, &v)};
        CHECK_EQ(rt_select(cases, 2, RT_FOREVER), 1);
        here(p);
        CHECK_OK(rt_chan_send(from_home, &v));
        here(p);
        CHECK_OK(rt_mutex_lock(&mutex));
        here(p);
        CHECK_OK(rt_mutex_unlock(&mutex));
        CHECK_OK(rt_sema_acquire(&sema));
        here(p);
        CHECK_OK(rt_sleep(200 * US));
        here(p);
        spin_lock(&park_lock);
        parked = rt_self();
        CHECK_OK(rt_gopark(spin_commit, &park_lock, "home"));
        here(p);
        CHECK_EQ(rt_gopark_timeout(NULL, NULL, "home", 100 * US), RT_ETIMEDOUT);
        here(p);
        CHECK_EQ(rt_read(sockets[0], &byte, 1), 1);
        here(p);
        CHECK_OK(rt_blocking(slow, p));
        here(p);
        CHECK_OK(rt_lock_os_thread());
        rt_gosched();
        here(p);
        CHECK_OK(rt_unlock_os_thread());
        CHECK_EQ(rt_unlock_os_thread(), RT_EPERM);
        rt_entersyscall();
        thread_sleep(MS / 2);
        rt_exitsyscall();
        here(p);
        /* The children are of the home, and run on its thread. */
        go_at(p->home, child, p);
        rt_gosched();
        here(p);
        CHECK_EQ(rt_goid(), id);
    }
    /* Ending locked ends nobody else's thread. */
    CHECK_OK(rt_lock_os_thread());
    atomic_fetch_add(&signalled, 1);
    rt_goexit();
}

static void serves(void *arg) {
    (void)arg;
    int64_t v;
    for (int i = 0; i < 20; i++) {
        v = i;
        CHECK_OK(rt_mutex_lock(&mutex));
        CHECK_OK(rt_chan_send(to_home, &v));
        v = -1;
        CHECK_OK(rt_chan_recv(from_home, &v));
        CHECK_EQ(v, i);
        CHECK_OK(rt_sleep(200 * US));
        CHECK_OK(rt_chan_send(to_home, &v));
        CHECK_OK(rt_chan_recv(from_home, &v));
        CHECK_OK(rt_mutex_unlock(&mutex));
        CHECK_OK(rt_sema_release(&sema));
        for (bool woken = false; !woken;) {
            spin_lock(&park_lock);
            if (parked != NULL) {
                CHECK_OK(rt_goready(parked));
                parked = NULL;
                woken = true;
            }
            spin_unlock(&park_lock);
            if (!woken) rt_gosched();
        }
        CHECK_OK(rt_sleep(100 * US));
        CHECK_EQ(rt_write(sockets[1], "x", 1), 1);
    }
}

static void one_thread(void) {
    struct place p;
    memset(&p, 0, sizeof p);
    p.home = new_home();
    to_home = rt_chan_make(sizeof(int64_t), 0);
    from_home = rt_chan_make(sizeof(int64_t), 0);
    never = rt_chan_make(sizeof(int64_t), 0);
    CHECK(to_home != NULL && from_home != NULL && never != NULL);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
    go_at(p.home, waits_everywhere, &p);
    CHECK_EQ(rt_home_free(p.home), RT_EBUSY);
    go(serves, NULL);
    EVENTUALLY(atomic_load(&signalled) == 1);
    settle();
    CHECK_OP(p.visits, >, 20 * 14);
    CHECK(p.tid != (int)own_tid());
    CHECK_OK(rt_home_free(p.home));
    close(sockets[0]);
    close(sockets[1]);
    rt_chan_unref(to_home);
    rt_chan_unref(from_home);
    rt_chan_unref(never);
}

/* --- order, many, two homes --------------------------------------------------------------------------------------------- */

static char order[16];
static int placed;

static void writes_down(void *arg) {
    CHECK_OP(placed, <, (int)sizeof order - 1);
    order[placed++] = *(const char *)arg;
    rt_gosched();
    order[placed++] = *(const char *)arg;
}

struct three {
    rt_home *home;
};

static void starts_three(void *arg) {
    const struct three *t = arg;
    go_at(t->home, writes_down, "a");
    go_at(t->home, writes_down, "b");
    go_at(t->home, writes_down, "c");
    CHECK_EQ(placed, 0);
}

static void in_order(void) {
    struct three t = {new_home()};
    go_at(t.home, starts_three, &t);
    settle();
    order[placed] = '\0';
    if (strcmp(order, "abcabc") != 0) FAIL("order: %s", order);
    CHECK_OK(rt_home_free(t.home));
}

static rt_chan *gate;
static atomic_long gone;

static void at_gate(void *arg) {
    struct place *p = arg;
    int64_t v;
    here(p);
    CHECK_EQ(rt_chan_recv(gate, &v), RT_ECLOSED);
    here(p);
    atomic_fetch_add(&gone, 1);
}

static void counts(void *arg) { atomic_fetch_add((atomic_long *)arg, 1); }

static void many(void) {
    const int n = emulated() || sanitized() ? 2000 : 100000;
    struct place p[2];
    memset(p, 0, sizeof p);
    gate = rt_chan_make(sizeof(int64_t), 0);
    CHECK(gate != NULL);
    for (int h = 0; h < 2; h++) p[h].home = new_home();
    for (int i = 0; i < n; i++) go_at(p[i % 2].home, at_gate, &p[i % 2]);
    EVENTUALLY(atomic_load(&p[0].visits) + atomic_load(&p[1].visits) == n);
    CHECK(p[0].tid != p[1].tid);
    CHECK_EQ(rt_home_free(p[0].home), RT_EBUSY);
    /* All park; nobody of the home is in others' way. */
    static atomic_long passed;
    for (int i = 0; i < 100; i++) go(counts, &passed);
    EVENTUALLY(atomic_load(&passed) == 100);
    CHECK_OK(rt_chan_close(gate));
    settle();
    CHECK_EQ(atomic_load(&gone), n);
    for (int h = 0; h < 2; h++) {
        CHECK_EQ(p[h].visits, n);
        CHECK_OK(rt_home_free(p[h].home));
    }
    rt_chan_unref(gate);
}

/* --- others beside a home ------------------------------------------------------------------------------------------------- */

static atomic_bool stop;
static atomic_long beats;

static void yields(void *arg) {
    struct place *p = arg;
    while (!atomic_load(&stop)) {
        here(p);
        rt_gosched();
    }
}

static void sends(void *arg) {
    (void)arg;
    int64_t v = 1;
    while (!atomic_load(&stop)) CHECK_OK(rt_chan_send(gate, &v));
}

static void receives(void *arg) {
    (void)arg;
    int64_t v;
    while (!atomic_load(&stop)) {
        const int r = rt_chan_recv_timeout(gate, &v, 10 * MS);
        CHECK(r == RT_OK || r == RT_ETIMEDOUT);
    }
    /* Who is still at a send. */
    while (rt_chan_recv_timeout(gate, &v, 50 * MS) == RT_OK) {
    }
}

static void hogs(void *arg) {
    struct place *p = arg;
    while (!atomic_load(&stop)) {
        here(p);
        for (const int64_t until = now_ns() + 50 * MS; now_ns() < until && !atomic_load(&stop);) {
        }
        rt_gosched();
    }
}

static void blocks(void *arg) {
    struct place *p = arg;
    while (!atomic_load(&stop)) {
        here(p);
        thread_sleep(20 * MS);
        rt_gosched();
    }
}

static void beats_on(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        atomic_fetch_add(&beats, 1);
        CHECK_OK(rt_sleep(MS));
    }
}

static void beats_busily(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        atomic_fetch_add(&beats, 1);
        rt_gosched();
    }
}

/* While the home is busy in this way the others go on: sleepers, those that only yield, and those that are new. */
static void beside(rt_fn one, rt_fn other, rt_fn ordinary) {
    struct place p;
    memset(&p, 0, sizeof p);
    p.home = new_home();
    atomic_store(&stop, false);
    atomic_store(&beats, 0);
    gate = rt_chan_make(sizeof(int64_t), 0);
    CHECK(gate != NULL);
    go_at(p.home, one, &p);
    go_at(p.home, other, &p);
    for (int i = 0; i < 4; i++) go(ordinary, NULL);
    static atomic_long passed;
    atomic_store(&passed, 0);
    EVENTUALLY(atomic_load(&beats) > 100);
    for (int i = 0; i < 20; i++) {
        go(counts, &passed);
        EVENTUALLY(atomic_load(&passed) == i + 1);
    }
    /* And so does the home. */
    const long before = atomic_load(&p.visits);
    if (one != sends) EVENTUALLY(atomic_load(&p.visits) > before + 2);
    atomic_store(&stop, true);
    settle();
    CHECK_OK(rt_home_free(p.home));
    rt_chan_unref(gate);
}

/* A goroutine of a home, and one of none, in turn. */
static void ping(void *arg) {
    struct place *p = arg;
    for (int64_t i = 0, v; i < rounds_of(2000); i++) {
        if (p != NULL) here(p);
        CHECK_OK(rt_chan_send(to_home, &i));
        CHECK_OK(rt_chan_recv(from_home, &v));
        CHECK_EQ(v, i);
    }
    CHECK_OK(rt_chan_close(to_home));
}

static void pong(void *arg) {
    struct place *p = arg;
    int64_t v;
    while (rt_chan_recv(to_home, &v) == RT_OK) {
        if (p != NULL) here(p);
        CHECK_OK(rt_chan_send(from_home, &v));
    }
}

static void in_turn(void) {
    for (int form = 0; form < 4; form++) {
        struct place p[2];
        memset(p, 0, sizeof p);
        p[0].home = new_home();
        p[1].home = new_home();
        to_home = rt_chan_make(sizeof(int64_t), 0);
        from_home = rt_chan_make(sizeof(int64_t), 0);
        CHECK(to_home != NULL && from_home != NULL);
        if (form & 1) go_at(p[0].home, ping, &p[0]);
        if (form & 2) go_at(p[1].home, pong, &p[1]);
        if (!(form & 1)) go(ping, NULL);
        if (!(form & 2)) go(pong, NULL);
        settle();
        for (int h = 0; h < 2; h++) CHECK_OK(rt_home_free(p[h].home));
        rt_chan_unref(to_home);
        rt_chan_unref(from_home);
    }
}

/* --- threads of the program, stop, fork, free ------------------------------------------------------------------------------ */

static void *wakes(void *arg) {
    (void)arg;
    for (int64_t i = 0; i < 300; i++) CHECK_OK(rt_chan_send(gate, &i));
    return NULL;
}

static void receives_all(void *arg) {
    struct place *p = arg;
    for (int64_t i = 0, v; i < 600; i++) {
        CHECK_OK(rt_chan_recv(gate, &v));
        here(p);
    }
}

static void from_threads(void) {
    struct place p;
    memset(&p, 0, sizeof p);
    p.home = new_home();
    gate = rt_chan_make(sizeof(int64_t), 0);
    CHECK(gate != NULL);
    go_at(p.home, receives_all, &p);
    const pthread_t a = thread_start(wakes, NULL), b = thread_start(wakes, NULL);
    thread_join(a);
    thread_join(b);
    settle();
    CHECK_EQ(p.visits, 600);
    CHECK_OK(rt_home_free(p.home));
    rt_chan_unref(gate);
}

static void sleeps_and_counts(void *arg) {
    struct place *p = arg;
    here(p);
    CHECK_OK(rt_sleep(MS));
    here(p);
}

/* The home outlives the runtime. */
static void stop_and_start(void) {
    struct place p;
    memset(&p, 0, sizeof p);
    p.home = new_home();
    for (int round = 0; round < 20; round++) {
        atomic_store(&p.tid, 0);
        for (int i = 0; i < 10; i++) go_at(p.home, sleeps_and_counts, &p);
        CHECK_OK(rt_stop(10 * SECOND));
        CHECK_EQ(p.visits, 20 * (round + 1));
    }
    CHECK_OK(rt_home_free(p.home));
    /* One that never had a thread, and one that is freed at once. */
    for (int round = 0; round < 300; round++) {
        rt_home *home = new_home();
        if (round % 3 != 0) {
            atomic_long ran = 0;
            go_at(home, counts, &ran);
            if (round % 3 == 1) settle();
            EVENTUALLY(rt_home_free(home) == RT_OK);
            CHECK_EQ(ran, 1);
        } else {
            CHECK_OK(rt_home_free(home));
        }
        if (round % 50 == 0) CHECK_OK(rt_stop(10 * SECOND));
    }
    CHECK_OK(rt_home_free(NULL));
    CHECK_OK(rt_stop(10 * SECOND));
}

static struct place forked;
static rt_home *fresh;

static void in_the_child(void) {
    /* The parent's goroutines are not here. */
    for (int i = 0; i < 10; i++) go_at(forked.home, sleeps_and_counts, &forked);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_OK(rt_home_free(forked.home));
    go_at(fresh, nothing, NULL);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_OK(rt_home_free(fresh));
    CHECK_OK(rt_stop(10 * SECOND));
}

static void forks(void) {
    memset(&forked, 0, sizeof forked);
    forked.home = new_home();
    fresh = new_home();
    atomic_store(&stop, false);
    struct place busy;
    memset(&busy, 0, sizeof busy);
    busy.home = forked.home;
    for (int i = 0; i < 4; i++) go_at(forked.home, yields, &busy);
    EVENTUALLY(atomic_load(&busy.visits) > 100);
    for (int i = 0; i < 10; i++) CHECK_CHILD(in_the_child);
    const long before = atomic_load(&busy.visits);
    EVENTUALLY(atomic_load(&busy.visits) > before + 100);
    atomic_store(&stop, true);
    settle();
    CHECK_OK(rt_home_free(forked.home));
    CHECK_OK(rt_home_free(fresh));
}

/* --- deadlock, dump --------------------------------------------------------------------------------------------------------- */

static void waits_for_ever(void *arg) {
    (void)arg;
    int64_t v;
    rt_chan_recv(gate, &v);
}

static void starts_a_waiter(void *arg) {
    go_at(arg, waits_for_ever, NULL);
    waits_for_ever(NULL);
}

static void deadlock(void) {
    rt_home *home = new_home();
    gate = rt_chan_make(sizeof(int64_t), 0);
    CHECK(gate != NULL);
    const int dump = memfd_create("dump", MFD_CLOEXEC), err = dup(2);
    CHECK_OP(dump, >=, 0);
    CHECK_EQ(dup2(dump, 2), 2);
    const int r = rt_run(starts_a_waiter, home);
    CHECK_EQ(dup2(err, 2), 2);
    CHECK_EQ(r, RT_EDEADLK);
    char text[8192];
    const ssize_t n = pread(dump, text, sizeof text - 1, 0);
    CHECK_OP(n, >, 0);
    text[n] = '\0';
    if (strstr(text, ", home]:") == NULL) FAIL("the dump knows of no home:\n%s", text);
    close(dump);
    close(err);
    CHECK_OK(rt_chan_close(gate));
    settle();
    rt_chan_unref(gate);
    CHECK_OK(rt_home_free(home));
}

int main(void) {
    one_thread();
    in_order();
    in_turn();
    from_threads();
    if (!emulated()) {
        beside(yields, yields, beats_on);
        beside(yields, yields, beats_busily);
        beside(sends, receives, beats_on);
        beside(sends, receives, beats_busily);
        beside(hogs, yields, beats_on);
        beside(hogs, hogs, beats_busily);
        beside(blocks, yields, beats_on);
        beside(blocks, hogs, beats_busily);
    }
    many();
    if (!emulated() && !sanitized()) deadlock();
    stop_and_start();
    if (!emulated()) forks();
    CHECK_OK(rt_stop(10 * SECOND));
    return 0;
}
