/*
 * One whose P was taken comes back as itself, whatever it calls first: of each call there is a crowd that loses its Ps, asleep in
 * the kernel, announced or not, or computing.
 */
#include "retake.h"

#include <fenv.h>

enum { MARK = 4000, PAIRS = 32 };

/* Two members of a crowd. */
struct pair {
    spin lock;
    rt_g *waiter;
    rt_mutex mu;
    rt_rwmutex rw;
};

static struct pair pairs[PAIRS];
static rt_chan *pairing, *empty;
static rt_mutex mu;
static long counter;
static rt_sema sema;
static rt_waitgroup crowd;
static atomic_long kids, deferred;

enum how { SLEEPING, COMPUTING, ANNOUNCED, HOWS };
static const char *const how_names[HOWS] = {"sleeping", "computing", "announced"};

struct member {
    int index;
    const struct kind *kind;
    enum how how;
    bool locked;
    rt_timer *timer;
    rt_waitgroup wg;
    uint64_t ticket;
};

/* What is done before the P is lost, and the first call after. */
struct kind {
    const char *name;
    void (*before)(struct member *m);
    void (*first)(struct member *m);
    bool one_loses; /* of a pair only the even one */
};

static bool odd(const struct member *m) { return m->index % 2 != 0; }
static struct pair *pair_of(const struct member *m) { return &pairs[m->index / 2]; }

static void sends(struct member *m) {
    if (odd(m)) CHECK_OK(rt_chan_recv(pairing, NULL));
    else CHECK_OK(rt_chan_send(pairing, NULL));
}

static void selects(struct member *m) {
    int32_t result = UNTOUCHED;
    CHECK_EQ(odd(m) ? select_recv(pairing, NULL, RT_FOREVER, &result) : select_send(pairing, NULL, RT_FOREVER, &result), 0);
    CHECK_OK(result);
}

static void tries(struct member *m) {
    (void)m;
    CHECK_EQ(rt_chan_try_recv(empty, NULL), RT_EAGAIN);
    CHECK_EQ(rt_chan_try_send(empty, NULL), RT_EAGAIN);
}

static void times_out(struct member *m) {
    (void)m;
    CHECK_EQ(rt_chan_recv_timeout(empty, NULL, 300 * US), RT_ETIMEDOUT);
}

static void closes(struct member *m) {
    (void)m;
    rt_chan *c = rt_chan_make(0, 1);
    CHECK_OK(rt_chan_send(c, NULL));
    CHECK_OK(rt_chan_close(c));
    CHECK_OK(rt_chan_recv(c, NULL));
    CHECK_EQ(rt_chan_recv(c, NULL), RT_ECLOSED);
    rt_chan_unref(c);
}

static void locks(struct member *m) {
    (void)m;
    CHECK_OK(rt_mutex_lock(&mu));
    counter++;
    CHECK_OK(rt_mutex_unlock(&mu));
}

/* Goes away with the lock that its partner wants. */
static void takes(struct member *m) { CHECK_OK(rt_mutex_lock(&pair_of(m)->mu)); }
static void unlocks(struct member *m) { CHECK_OK(rt_mutex_unlock(&pair_of(m)->mu)); }
static void rlocks(struct member *m) { CHECK_OK(rt_rwmutex_rlock(&pair_of(m)->rw)); }

static void runlocks(struct member *m) {
    CHECK_OK(rt_rwmutex_runlock(&pair_of(m)->rw));
    CHECK_OK(rt_rwmutex_lock(&pair_of(m)->rw));
    CHECK_OK(rt_rwmutex_unlock(&pair_of(m)->rw));
}

static void rt_sleeps(struct member *m) {
    (void)m;
    const int64_t start = now_ns();
    CHECK_OK(rt_sleep(300 * US));
    CHECK_OP(now_ns() - start, >=, 300 * US);
}

static void spawns(struct member *m) {
    (void)m;
    go(count, &kids);
}

static void yields(struct member *m) {
    (void)m;
    rt_gosched();
}

static void park(struct pair *p) {
    spin_lock(&p->lock);
    p->waiter = rt_self();
    CHECK_OK(rt_gopark(spin_commit, &p->lock, "retake"));
}

static void wake(struct pair *p) {
    for (;;) {
        spin_lock(&p->lock);
        const bool there = p->waiter != NULL;
        if (there) CHECK_OK(rt_goready(p->waiter));
        p->waiter = NULL;
        spin_unlock(&p->lock);
        if (there) return;
        CHECK_OK(rt_sleep(100 * US));
    }
}

static void readies(struct member *m) {
    if (odd(m)) park(pair_of(m));
    else wake(pair_of(m));
}

static void parks(struct member *m) {
    if (odd(m)) wake(pair_of(m));
    else park(pair_of(m));
}

static void parks_in_time(struct member *m) {
    (void)m;
    CHECK_EQ(rt_gopark_timeout(NULL, NULL, "retake", 300 * US), RT_ETIMEDOUT);
}

/* A ticket names the next park, also when the P went in between. */
static void asks_for_ticket(struct member *m) { m->ticket = rt_park_ticket(); }

static void uses_ticket(struct member *m) {
    CHECK_EQ(rt_park_ticket(), m->ticket);
    CHECK_EQ(rt_goready_ticket(m->ticket), RT_EINVAL);
}

static void adds(struct member *m) { CHECK_OK(rt_waitgroup_add(&m->wg, 1)); }

static void is_done(struct member *m) {
    CHECK_OK(rt_waitgroup_done(&m->wg));
    CHECK_OK(rt_waitgroup_wait(&m->wg));
}

static void releases(struct member *m) {
    (void)m;
    CHECK_OK(rt_sema_release(&sema));
    CHECK_OK(rt_sema_acquire(&sema));
}

static void arms(struct member *m) {
    m->timer = rt_after_func(3600 * SECOND, count, &kids);
    CHECK(m->timer != NULL);
}

static void stops_timer(struct member *m) {
    CHECK(rt_timer_stop(m->timer));
    rt_timer_free(m->timer);
}

static void resets_timer(struct member *m) {
    CHECK(rt_timer_reset(m->timer, 1800 * SECOND));
    CHECK(rt_timer_stop_wait(m->timer));
    rt_timer_free(m->timer);
}

static void waits_for_timer(struct member *m) {
    (void)m;
    rt_chan *c = rt_after(300 * US);
    CHECK_OK(rt_chan_recv(c, NULL));
    rt_chan_unref(c);
}

static void asks(struct member *m) {
    (void)m;
    CHECK_OP(rt_num_goroutine(), >=, 1);
    CHECK_EQ(rt_maxprocs(0), procs);
    (void)handoffs();
}

static void leaves_only(struct member *m) {
    (void)m;
    CHECK_OP(rt_now(), <=, now_ns());
    CHECK_OP(rt_goid(), >, 0);
    CHECK(rt_self() != NULL);
    CHECK_EQ(rt_chan_cap(empty), 0);
}

static void locks_thread(struct member *m) {
    (void)m;
    CHECK_OK(rt_lock_os_thread());
    const pid_t mine = own_tid();
    rt_gosched();
    CHECK_EQ(own_tid(), mine);
    CHECK_OK(rt_unlock_os_thread());
}

static void defers(struct member *m) {
    (void)m;
    CHECK_OK(rt_defer(count, &deferred));
}

static void calls_blocking(struct member *m) {
    (void)m;
    CHECK_OK(rt_blocking(count, &kids));
}

static void announces(struct member *m) {
    (void)m;
    rt_entersyscall();
    thread_sleep(300 * US);
    rt_exitsyscall();
}

static void exits_syscall(struct member *m) {
    (void)m;
    rt_exitsyscall();
}

static const struct kind kinds[] = {
    {"send and recv", NULL, sends, false},
    {"send, waited for", NULL, sends, true},
    {"select", NULL, selects, false},
    {"select, waited for", NULL, selects, true},
    {"try_send and try_recv", NULL, tries, false},
    {"recv_timeout", NULL, times_out, false},
    {"chan_make and close", NULL, closes, false},
    {"mutex_lock", NULL, locks, false},
    {"mutex_unlock", takes, unlocks, false},
    {"rwmutex_runlock", rlocks, runlocks, false},
    {"sleep", NULL, rt_sleeps, false},
    {"go", NULL, spawns, false},
    {"gosched", NULL, yields, false},
    {"goready", NULL, readies, true},
    {"gopark", NULL, parks, true},
    {"gopark_timeout", NULL, parks_in_time, false},
    {"park_ticket", asks_for_ticket, uses_ticket, false},
    {"waitgroup_done", adds, is_done, false},
    {"sema_release", NULL, releases, false},
    {"timer_stop", arms, stops_timer, false},
    {"timer_reset", arms, resets_timer, false},
    {"after", NULL, waits_for_timer, false},
    {"num_goroutine", NULL, asks, false},
    {"leaf calls", NULL, leaves_only, false},
    {"lock_os_thread", NULL, locks_thread, false},
    {"defer", NULL, defers, false},
    {"blocking", NULL, calls_blocking, false},
    {"entersyscall", NULL, announces, false},
    {"exitsyscall", NULL, exits_syscall, false},
    {"goexit", NULL, NULL, false},
    {"return", NULL, NULL, false},
};

static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};

/* Computing costs what others want. */
static int rounds_of_loss(enum how how) { return how == COMPUTING ? 1 : 2; }

static void lose_p(const struct member *m) {
    switch (m->how) {
    case SLEEPING: thread_sleep(3 * MS); break;
    case COMPUTING: computes(13 * MS); break;
    default:
        rt_entersyscall();
        thread_sleep(3 * MS);
        /* Whatever comes next ends the announcement. */
        break;
    }
}

static void comes_back(void *arg) {
    struct member *m = arg;
    const struct kind *k = m->kind;
    const int64_t id = rt_goid();
    const rt_g *self = rt_self();
    const int mode = modes[m->index % 4];
    CHECK_EQ(fesetround(mode), 0);
    if (m->locked) CHECK_OK(rt_lock_os_thread());
    const pid_t mine = own_tid();
    for (int i = 0; i < rounds_of_loss(m->how); i++) {
        if (k->before != NULL) k->before(m);
        set_errno(MARK + m->index);
        if (!k->one_loses || !odd(m)) lose_p(m);
        /* Still itself before it calls anything. */
        CHECK_EQ(get_errno(), MARK + m->index);
        CHECK_EQ(fegetround(), mode);
        if (k->first == NULL) {
            if (strcmp(k->name, "goexit") == 0) rt_goexit();
            return;
        }
        k->first(m);
        CHECK_EQ(get_errno(), MARK + m->index);
        CHECK_EQ(fegetround(), mode);
        CHECK(rt_self() == self);
        CHECK_EQ(rt_goid(), id);
        if (m->locked) CHECK_EQ(own_tid(), mine);
        /* And after a wait as any other. */
        rt_gosched();
        CHECK_EQ(get_errno(), MARK + m->index);
        CHECK_EQ(fegetround(), mode);
        if (m->locked) CHECK_EQ(own_tid(), mine);
    }
    if (m->locked) CHECK_OK(rt_unlock_os_thread());
}

/* More than there are Ps, so that each P is wanted. */
static void first_calls(enum how how, bool locked) {
    static struct member members[2 * PAIRS];
    const uint64_t before = handoffs();
    const int64_t start = now_ns();
    const int n = procs < PAIRS - 2 ? 2 * procs + 2 : 2 * PAIRS;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        atomic_store(&kids, 0);
        atomic_store(&deferred, 0);
        counter = 0;
        memset(members, 0, sizeof members);
        for (int i = 0; i < n; i++) {
            members[i].index = i;
            members[i].kind = &kinds[k];
            members[i].how = how;
            members[i].locked = locked;
            CHECK_OP(rt_waitgroup_go(&crowd, comes_back, &members[i]), >, 0);
        }
        if (rt_waitgroup_wait_timeout(&crowd, 60 * SECOND) != RT_OK)
            FAIL("stuck: %s, %s%s", kinds[k].name, how_names[how], locked ? ", locked" : "");
        EVENTUALLY(rt_num_goroutine() == 0);
        const long all = rounds_of_loss(how) * n;
        CHECK_EQ(atomic_load(&kids), kinds[k].first == spawns || kinds[k].first == calls_blocking ? all : 0);
        CHECK_EQ(atomic_load(&deferred), kinds[k].first == defers ? all : 0);
        CHECK_EQ(counter, kinds[k].first == locks ? all : 0);
    }
    if (handoffs() == before) FAIL("no P was taken from anybody: %s", how_names[how]);
    printf("first calls, %s%s: %.0f ms\n", how_names[how], locked ? ", locked" : "", (double)(now_ns() - start) / 1e6);
}

int main(void) {
    /* What was measured is seen also of a test that hangs. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    pairing = rt_chan_make(0, 0);
    empty = rt_chan_make(0, 0);
    CHECK_OK(rt_run(count, &kids));
    procs = rt_maxprocs(0);

    first_calls(SLEEPING, false);
    first_calls(COMPUTING, false);
    first_calls(ANNOUNCED, false);
    first_calls(SLEEPING, true);
    first_calls(ANNOUNCED, true);
    rt_chan_unref(pairing);
    rt_chan_unref(empty);
    puts("retake_first_call: ok");
    return 0;
}
