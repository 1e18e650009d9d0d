/*
 * The hooks of rt_go_opts: told in the right order and number, asked before every wait and where a goroutine would give way;
 * a refusal answers the call, changes nothing, and keeps the goroutine where it is even when its processor is wanted.
 */
#include "more.h"

#include <poll.h>
#include <sys/socket.h>

/* What a goroutine with hooks is given: they write down what happens, and answer what it wants. */
struct host {
    atomic_int asked, resumed, exited;
    atomic_int answer;
    /* The thread that on_resume was told on last. */
    atomic_int tid;
    int64_t id;
    char log[64];
    int len;
    bool logs;
};

static void note(struct host *h, char what) {
    if (h->logs) {
        CHECK_OP(h->len, <, (int)sizeof h->log - 1);
        h->log[h->len++] = what;
    }
}

static void is_own(const struct host *h) {
    if (h->id != 0) CHECK_EQ(rt_goid(), h->id);
    CHECK(rt_self() != NULL);
    CHECK_OP(rt_now(), >, 0);
}

static int on_park(void *arg) {
    struct host *h = arg;
    is_own(h);
    note(h, 'p');
    atomic_fetch_add(&h->asked, 1);
    set_errno(77);
    /* What would have to wait is refused in a hook; that is no reason to ask again. */
    rt_waitgroup none = {0};
    CHECK_OK(rt_waitgroup_wait(&none));
    return atomic_load(&h->answer);
}

static void on_resume(void *arg) {
    struct host *h = arg;
    is_own(h);
    note(h, 'r');
    atomic_fetch_add(&h->resumed, 1);
    atomic_store(&h->tid, (int)own_tid());
    CHECK_EQ(rt_sleep(1), RT_EPERM);
    rt_gosched();
    set_errno(78);
}

static void on_exit_hook(void *arg) {
    struct host *h = arg;
    is_own(h);
    note(h, 'x');
    atomic_fetch_add(&h->exited, 1);
}

static rt_go_opts with_hooks(struct host *h) {
    rt_go_opts o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.on_park = on_park;
    o.on_resume = on_resume;
    o.on_exit = on_exit_hook;
    o.hook_arg = h;
    return o;
}

/* Starts fn(arg) with the hooks of h, and waits for its end on the calling plain thread. */
static void run_with(rt_go_opts o, struct host *h, rt_fn fn) {
    CHECK_OP(rt_go_with(&o, fn, h), >, 0);
    EVENTUALLY(rt_num_goroutine() == 0);
}

static rt_key key;
/* Nobody's time is up: a goroutine is asked where it waits, and nowhere else. */
static bool exact;

static void key_ends(void *h) { note(h, 'k'); }
static void deferred(void *h) { note(h, 'd'); }
static void nothing(void *arg) { (void)arg; }

/* --- order ---------------------------------------------------------------------------------------------------------- */

static void returns(void *arg) {
    struct host *h = arg;
    h->id = rt_goid();
    note(h, 'f');
    CHECK_OK(rt_defer(deferred, h));
    CHECK_OK(rt_key_set(key, h));
    CHECK_OK(rt_sleep(MS));
    note(h, 'g');
}

static void exits(void *arg) {
    returns(arg);
    rt_goexit();
}

static void ends_in_hook(void *arg) {
    struct host *h = arg;
    on_exit_hook(h);
    /* It may do what a goroutine may. What it puts off still runs. */
    CHECK_OK(rt_sleep(MS));
    CHECK_OK(rt_defer(deferred, h));
    CHECK_OK(rt_key_set(key, h));
    rt_goexit();
}

static void no_resume(void *arg) {
    (void)arg;
    FAIL("a hook of another");
}

static void order(void) {
    CHECK_OK(rt_key_create(&key, key_ends));
    struct host h;
    memset(&h, 0, sizeof h);
    h.logs = true;
    run_with(with_hooks(&h), &h, returns);
    if (strcmp(h.log, "rfprgdkx") != 0) FAIL("order: %s", h.log);
    CHECK_EQ(h.exited, 1);
    memset(&h, 0, sizeof h);
    h.logs = true;
    run_with(with_hooks(&h), &h, exits);
    if (strcmp(h.log, "rfprgdkx") != 0) FAIL("order with rt_goexit: %s", h.log);
    /* on_exit that waits, puts off, and leaves by rt_goexit is told once. */
    memset(&h, 0, sizeof h);
    h.logs = true;
    rt_go_opts o = with_hooks(&h);
    o.on_exit = ends_in_hook;
    run_with(o, &h, nothing);
    if (strcmp(h.log, "rxprdk") != 0) FAIL("order of an on_exit that leaves: %s", h.log);
    CHECK_EQ(h.exited, 1);
    /* Each alone. */
    for (int which = 0; which < 4; which++) {
        memset(&h, 0, sizeof h);
        o = with_hooks(&h);
        if (which != 0) o.on_park = NULL;
        if (which != 1) o.on_resume = NULL;
        if (which != 2) o.on_exit = NULL;
        run_with(o, &h, returns);
        CHECK_EQ(h.asked, which == 0);
        CHECK_EQ(h.resumed, which == 1 ? 2 : 0);
        CHECK_EQ(h.exited, which == 2);
    }
}

/* --- refusals ------------------------------------------------------------------------------------------------------- */

static rt_chan *full, *empty;
static rt_mutex taken;
static rt_rwmutex rw_taken;
static rt_cond cond;
static rt_mutex of_cond;
static rt_waitgroup busy;
static rt_sema none;
static rt_once once;
static rt_group *group;
static atomic_bool go_on, once_runs;
static int pipes[2], listener, file;
static atomic_int others_ran;

static bool refuses_to_stay(rt_g *g, void *lock) {
    (void)g;
    (void)lock;
    FAIL("an unlockf of a park that was refused");
}

static void holds_once(void *arg) {
    (void)arg;
    atomic_store(&once_runs, true);
    while (!atomic_load(&go_on)) CHECK_OK(rt_sleep(MS / 4));
}

static void in_once(void *arg) {
    (void)arg;
    CHECK_OK(rt_once_do(&once, holds_once, NULL));
}

static int task(rt_ctx *ctx, void *arg) {
    (void)ctx;
    (void)arg;
    while (!atomic_load(&go_on)) CHECK_OK(rt_sleep(MS / 4));
    return 0;
}

static void counts(void *arg) {
    (void)arg;
    atomic_fetch_add(&others_ran, 1);
}

/* The call asks once, answers the code, and the goroutine is not switched away. */
#define REFUSED(call)                                     \
    do {                                                  \
        const int asked_ = h->asked, resumed_ = h->resumed; \
        atomic_store(&h->answer, RT_EDEADLK);             \
        set_errno(5);                                     \
        const intmax_t answer_ = (intmax_t)(call);        \
        CHECK_EQ(get_errno(), 5);                         \
        atomic_store(&h->answer, 0);                      \
        if (answer_ != RT_EDEADLK) FAIL("%s answers %" PRIdMAX, #call, answer_); \
        CHECK_OP(h->asked, >, asked_);                    \
        CHECK_EQ(h->resumed, resumed_);                   \
    } while (0)

static void waits_in_vain(void *arg) {
    struct host *h = arg;
    int v = 1;
    char byte;
    CHECK_OK(rt_chan_send(full, &v));
    CHECK_OK(rt_mutex_lock(&taken));
    CHECK_OK(rt_rwmutex_lock(&rw_taken));
    CHECK_OK(rt_mutex_lock(&of_cond));
    CHECK_OK(rt_waitgroup_add(&busy, 1));

    REFUSED(rt_chan_send(full, &v));
    REFUSED(rt_chan_recv(empty, &v));
    REFUSED(rt_chan_send(NULL, &v));
    REFUSED(rt_chan_send_timeout(full, &v, SECOND));
    REFUSED(rt_chan_recv_timeout(empty, &v, SECOND));
    rt_select_case cases[2] = {send_case(full, &v), recv_case(empty, &v)};
    REFUSED(rt_select(cases, 2, RT_FOREVER));
    REFUSED(rt_select(cases, 2, SECOND));
    REFUSED(rt_select(NULL, 0, RT_FOREVER));
    REFUSED(rt_mutex_lock(&taken));
    REFUSED(rt_mutex_lock_timeout(&taken, SECOND));
    REFUSED(rt_rwmutex_lock(&rw_taken));
    REFUSED(rt_rwmutex_rlock(&rw_taken));
    REFUSED(rt_cond_wait(&cond, &of_cond));
    CHECK_EQ(rt_mutex_try_lock(&of_cond), RT_EAGAIN);
    REFUSED(rt_cond_wait_timeout(&cond, &of_cond, SECOND));
    REFUSED(rt_waitgroup_wait(&busy));
    REFUSED(rt_waitgroup_wait_timeout(&busy, SECOND));
    REFUSED(rt_sema_acquire(&none));
    REFUSED(rt_sema_acquire_timeout(&none, SECOND));
    REFUSED(rt_once_do(&once, nothing, NULL));
    REFUSED(rt_sleep(SECOND));
    REFUSED(rt_gopark(refuses_to_stay, NULL, "refused"));
    REFUSED(rt_gopark(NULL, NULL, "refused"));
    REFUSED(rt_gopark_timeout(refuses_to_stay, NULL, "refused", SECOND));
    REFUSED(rt_read(pipes[0], &byte, 1));
    REFUSED(rt_read_full(pipes[0], &byte, 1, NULL));
    REFUSED(rt_fd_wait(pipes[0], RT_POLL_READ, RT_FOREVER));
    struct pollfd fds = {.fd = pipes[0], .events = POLLIN};
    REFUSED(rt_poll(&fds, 1, SECOND));
    REFUSED(rt_accept(listener, NULL, NULL));
    /* That may go on a thread of its own, and then nobody asks. */
    atomic_store(&h->answer, RT_EDEADLK);
    const int synced = rt_fsync(file);
    CHECK(synced == RT_OK || synced == RT_EDEADLK);
    atomic_store(&h->answer, 0);
    CHECK_OK(rt_fsync(file));
    REFUSED(rt_group_wait(group));
    REFUSED(rt_group_go(group, task, NULL));

    /* Nothing has happened: all is as it was. */
    CHECK_EQ(rt_chan_len(full), 1);
    CHECK_EQ(rt_chan_len(empty), 0);
    CHECK_OK(rt_chan_try_recv(full, &v));
    CHECK_EQ(rt_chan_try_recv(full, &v), RT_EAGAIN);
    CHECK_EQ(rt_chan_try_send(empty, &v), RT_EAGAIN);
    CHECK_OK(rt_mutex_unlock(&taken));
    CHECK_OK(rt_mutex_try_lock(&taken));
    CHECK_OK(rt_mutex_unlock(&taken));
    CHECK_OK(rt_rwmutex_unlock(&rw_taken));
    CHECK_OK(rt_rwmutex_try_lock(&rw_taken));
    CHECK_OK(rt_rwmutex_unlock(&rw_taken));
    CHECK_OK(rt_mutex_unlock(&of_cond));
    CHECK_OK(rt_waitgroup_done(&busy));
    CHECK_OK(rt_sema_release(&none));
    CHECK_OK(rt_sema_acquire(&none));
    CHECK_EQ(rt_sema_try_acquire(&none), RT_EAGAIN);
    CHECK_EQ(write(pipes[1], "x", 1), 1);
    CHECK_EQ(rt_read(pipes[0], &byte, 1), 1);

    /* What can go at once goes at once, unasked; and so does what never waits. */
    atomic_store(&h->answer, RT_EDEADLK);
    const int asked = h->asked;
    CHECK_OK(rt_chan_send(full, &v));
    CHECK_OK(rt_chan_recv(full, &v));
    CHECK_EQ(rt_chan_recv_timeout(empty, &v, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_chan_recv_timeout(empty, &v, -1), RT_ETIMEDOUT);
    CHECK_OK(rt_sleep(0));
    CHECK_OK(rt_mutex_lock(&taken));
    CHECK_OK(rt_mutex_unlock(&taken));
    if (exact) CHECK_EQ(h->asked, asked);

    /* Codes that are none. */
    atomic_store(&h->answer, 1);
    CHECK_EQ(rt_sleep(SECOND), RT_EPERM);
    atomic_store(&h->answer, -4096);
    CHECK_EQ(rt_sleep(SECOND), RT_EPERM);
    atomic_store(&h->answer, INT_MIN);
    CHECK_EQ(rt_sleep(SECOND), RT_EPERM);
    atomic_store(&h->answer, -4095);
    CHECK_EQ(rt_sleep(SECOND), -4095);
    /* Codes that mean something inside. */
    const int codes[] = {RT_EAGAIN, RT_ETIMEDOUT, RT_ECLOSED, RT_EBUSY, RT_ECANCELED, RT_EINVAL, RT_ENOMEM, RT_EPERM, -EINTR, -EBADF};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        atomic_store(&h->answer, codes[i]);
        CHECK_EQ(rt_chan_recv(empty, &v), codes[i]);
        CHECK_EQ(rt_sema_acquire_timeout(&none, SECOND), codes[i]);
        CHECK_EQ(rt_select(cases + 1, 1, SECOND), codes[i]);
        CHECK_EQ(rt_gopark(NULL, NULL, "refused"), codes[i]);
    }
    atomic_store(&h->answer, 0);
    atomic_store(&go_on, true);
    CHECK_OK(rt_group_wait(group));
    rt_group_free(group);
    CHECK_OK(rt_once_do(&once, nothing, NULL));
    CHECK_OK(rt_sleep(MS));
    CHECK_OP(h->resumed, >, 1);
}

static void refusals(void) {
    struct host h;
    memset(&h, 0, sizeof h);
    memset(&once, 0, sizeof once);
    atomic_store(&once_runs, false);
    atomic_store(&go_on, false);
    full = rt_chan_make(sizeof(int), 1);
    empty = rt_chan_make(sizeof(int), 0);
    CHECK(full != NULL && empty != NULL);
    CHECK_EQ(pipe2(pipes, O_NONBLOCK | O_CLOEXEC), 0);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OP(listener, >=, 0);
    CHECK_EQ(listen(listener, 1), 0);
    char name[] = "/tmp/gort-hooks-XXXXXX";
    file = mkostemp(name, O_CLOEXEC);
    CHECK_OP(file, >=, 0);
    CHECK_EQ(unlink(name), 0);
    CHECK_EQ(write(file, "x", 1), 1);
    group = rt_group_new(NULL);
    CHECK(group != NULL);
    CHECK_OK(rt_group_set_limit(group, 1));
    CHECK_OP(rt_group_go(group, task, NULL), >, 0);
    go(in_once, NULL);
    EVENTUALLY(atomic_load(&once_runs));
    run_with(with_hooks(&h), &h, waits_in_vain);
    CHECK_EQ(h.exited, 1);
    rt_chan_unref(full);
    rt_chan_unref(empty);
    close(pipes[0]);
    close(pipes[1]);
    close(listener);
    close(file);
}

/* --- a condition's second wait -------------------------------------------------------------------------------------- */

static atomic_bool waits_on_cond;

/* Agrees when the wait begins, and refuses all that comes after it: the mutex is taken again all the same. */
static int agrees_once(void *arg) {
    struct host *h = arg;
    return atomic_fetch_add(&h->asked, 1) == 0 ? 0 : RT_EDEADLK;
}

static void cond_waits(void *arg) {
    (void)arg;
    CHECK_OK(rt_mutex_lock(&of_cond));
    atomic_store(&waits_on_cond, true);
    CHECK_OK(rt_cond_wait(&cond, &of_cond));
    CHECK_EQ(rt_mutex_try_lock(&of_cond), RT_EAGAIN);
    CHECK_OK(rt_mutex_unlock(&of_cond));
}

static void second_wait(void) {
    struct host h;
    memset(&h, 0, sizeof h);
    rt_go_opts o = with_hooks(&h);
    o.on_park = agrees_once;
    CHECK_OP(rt_go_with(&o, cond_waits, &h), >, 0);
    EVENTUALLY(atomic_load(&waits_on_cond));
    CHECK_OK(rt_mutex_lock(&of_cond));
    CHECK_OK(rt_cond_signal(&cond));
    /* It is awake now and finds the mutex taken. */
    thread_sleep(20 * MS);
    CHECK_OK(rt_mutex_unlock(&of_cond));
    EVENTUALLY(rt_num_goroutine() == 0);
}

/* --- giving way ----------------------------------------------------------------------------------------------------- */

static atomic_bool others_stop;
static atomic_long others;

static void other(void *arg) {
    (void)arg;
    while (!atomic_load(&others_stop)) {
        atomic_fetch_add(&others, 1);
        for (const int64_t until = now_ns() + 100 * US; now_ns() < until;) {
        }
        rt_gosched();
    }
}

static void sleeper(void *arg) {
    (void)arg;
    while (!atomic_load(&others_stop)) CHECK_OK(rt_sleep(MS));
}

static void block(void *arg) { thread_sleep(*(int64_t *)arg); }

/* Computes until it is wanted gone, then makes calls: refusing it stays on its thread, and is told of no switch. */
static void stays(void *arg) {
    struct host *h = arg;
    int v = 0;
    rt_chan *c = rt_chan_make(sizeof v, 1);
    CHECK(c != NULL);
    CHECK_OK(rt_sleep(MS));
    for (int round = 0; round < 5; round++) {
        atomic_store(&h->answer, RT_EBUSY);
        const int resumed = h->resumed;
        const pid_t tid = own_tid();
        CHECK_EQ(tid, h->tid);
        const long before = atomic_load(&others);
        for (const int64_t until = now_ns() + 30 * MS; now_ns() < until;) {
        }
        for (int i = 0; i < 200; i++) {
            CHECK_OK(rt_chan_try_send(c, &i));
            CHECK_OK(rt_chan_try_recv(c, &v));
            CHECK_EQ(v, i);
            rt_gosched();
            CHECK_EQ(rt_sleep(MS), RT_EBUSY);
            CHECK_EQ(rt_chan_recv_timeout(c, &v, SECOND), RT_EBUSY);
            CHECK_EQ(rt_gopark_timeout(NULL, NULL, "refused", MS), RT_EBUSY);
            go(counts, NULL);
            CHECK_EQ(own_tid(), tid);
        }
        rt_timer *t = rt_after_func(MS, counts, NULL);
        CHECK(t != NULL);
        rt_timer_detach(t);
        /* In calls that block it may lose its processor as well. */
        int64_t ns = 5 * MS;
        CHECK_OK(rt_blocking(block, &ns));
        CHECK_EQ(own_tid(), tid);
        rt_entersyscall();
        thread_sleep(5 * MS);
        rt_exitsyscall();
        CHECK_EQ(own_tid(), tid);
        thread_sleep(10 * MS);
        CHECK_OK(rt_chan_try_send(c, &v));
        CHECK_OK(rt_chan_try_recv(c, &v));
        CHECK_EQ(own_tid(), tid);
        /* Others run meanwhile, whether there is one processor or more. */
        const int64_t bound = now_ns() + 60 * SECOND;
        while (atomic_load(&others) == before) {
            if (now_ns() > bound) FAIL("others are held up");
            CHECK_OK(rt_chan_try_send(c, &v));
            CHECK_OK(rt_chan_try_recv(c, &v));
        }
        CHECK_EQ(own_tid(), tid);
        CHECK_EQ(h->resumed, resumed);
        /* A hook that changes its mind inside one call: without a processor, it may wait with a deadline. */
        atomic_store(&h->answer, 0);
        CHECK_EQ(rt_chan_recv_timeout(c, &v, MS), RT_ETIMEDOUT);
        CHECK_OP(h->resumed, >, resumed);
        rt_gosched();
    }
    rt_chan_unref(c);
    /* It ends without a processor as well. */
    atomic_store(&h->answer, RT_EBUSY);
    for (const int64_t until = now_ns() + 30 * MS; now_ns() < until;) {
    }
}

static void involuntary(void) {
    enum { OTHERS = 6 };
    struct host hosts[2];
    memset(hosts, 0, sizeof hosts);
    for (int i = 0; i < OTHERS; i++) go(other, NULL);
    go(sleeper, NULL);
    for (int i = 0; i < 2; i++) {
        rt_go_opts o = with_hooks(&hosts[i]);
        CHECK_OP(rt_go_with(&o, stays, &hosts[i]), >, 0);
    }
    for (int i = 0; i < 2; i++) EVENTUALLY(atomic_load(&hosts[i].exited) == 1);
    atomic_store(&others_stop, true);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_EQ(atomic_load(&others_ran), 2 * 5 * 201);
}

/* --- a hook that answers anything ----------------------------------------------------------------------------------- */

static int answers_at_random(void *arg) {
    struct host *h = arg;
    static atomic_ulong state;
    uint64_t s = atomic_fetch_add(&state, 12345);
    atomic_fetch_add(&h->asked, 1);
    return rnd_below(&s, 2) != 0 ? 0 : RT_ECANCELED;
}

static rt_mutex shared;
static long guarded;

/* Mutual exclusion, and no lost wake-up, with waits of which half are refused. */
static void contends(void *arg) {
    struct host *h = arg;
    rt_chan *c = rt_chan_make(sizeof(int64_t), 0);
    CHECK(c != NULL);
    for (int i = 0; i < rounds_of(400); i++) {
        int r;
        while ((r = rt_mutex_lock(&shared)) != RT_OK) CHECK_EQ(r, RT_ECANCELED);
        const long was = guarded;
        if (i % 8 == 0) rt_gosched();
        guarded = was + 1;
        CHECK_OK(rt_mutex_unlock(&shared));
        int64_t v;
        r = rt_chan_recv_timeout(c, &v, 20 * US);
        CHECK(r == RT_ETIMEDOUT || r == RT_ECANCELED);
        for (const int64_t until = now_ns() + 30 * US; now_ns() < until;) {
        }
    }
    rt_chan_unref(c);
    (void)h;
}

static void at_random(void) {
    enum { MANY = 24 };
    static struct host hosts[MANY];
    for (int i = 0; i < MANY; i++) {
        memset(&hosts[i], 0, sizeof hosts[i]);
        rt_go_opts o = with_hooks(&hosts[i]);
        if (i % 4 != 0) o.on_park = answers_at_random;
        CHECK_OP(rt_go_with(&o, contends, &hosts[i]), >, 0);
    }
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_EQ(guarded, (long)MANY * rounds_of(400));
    for (int i = 0; i < MANY; i++) CHECK_EQ(hosts[i].exited, 1);
}

/* --- errno, versions ------------------------------------------------------------------------------------------------ */

static void keeps_errno(void *arg) {
    (void)arg;
    for (int i = 0; i < 200; i++) {
        set_errno(1000 + i);
        CHECK_OK(rt_sleep(10 * US));
        CHECK_EQ(get_errno(), 1000 + i);
        rt_gosched();
        CHECK_EQ(get_errno(), 1000 + i);
    }
}

static void versions(void) {
    /* As the first version had it: what lies behind is not read. */
    struct {
        size_t struct_size;
        const char *name;
        size_t stack_size;
        rt_fn not_ours[4];
    } first = {.name = "first", .not_ours = {no_resume, no_resume, no_resume, no_resume}};
    first.struct_size = offsetof(rt_go_opts, on_park);
    CHECK_EQ(first.struct_size, 3 * sizeof(void *));
    CHECK_OP(rt_go_with((const rt_go_opts *)(const void *)&first, nothing, NULL), >, 0);
    struct host h;
    memset(&h, 0, sizeof h);
    rt_go_opts o = with_hooks(&h);
    o.on_park = NULL;
    /* In the middle of a member. */
    for (size_t size = offsetof(rt_go_opts, on_park) + 1; size < sizeof o; size++) {
        if (size % sizeof(void *) == 0) continue;
        o.struct_size = size;
        CHECK_EQ(rt_go_with(&o, nothing, NULL), RT_EINVAL);
    }
    o.struct_size = offsetof(rt_go_opts, on_park) - sizeof(void *);
    CHECK_EQ(rt_go_with(&o, nothing, NULL), RT_EINVAL);
    /* Up to on_resume and no further. */
    o.struct_size = offsetof(rt_go_opts, on_exit);
    o.on_resume = NULL;
    CHECK_OP(rt_go_with(&o, nothing, NULL), >, 0);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_EQ(h.exited, 0);
    struct {
        rt_go_opts known;
        uint64_t unknown;
    } next = {.known = with_hooks(&h)};
    next.known.struct_size = sizeof next;
    CHECK_OP(rt_go_with(&next.known, nothing, NULL), >, 0);
    next.unknown = 1;
    CHECK_EQ(rt_go_with(&next.known, nothing, NULL), RT_EINVAL);
    CHECK_EQ(rt_go_with(&next.known, NULL, NULL), RT_EINVAL);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_EQ(h.exited, 1);
}

int main(void) {
    init_one_p();
    exact = true;
    order();
    refusals();
    CHECK_OK(rt_stop(10 * SECOND));
    exact = false;
    versions();
    refusals();
    second_wait();
    if (!emulated()) involuntary();
    at_random();
    struct host h;
    memset(&h, 0, sizeof h);
    run_with(with_hooks(&h), &h, keeps_errno);
    CHECK_OP(h.resumed, >, 200);
    CHECK_OK(rt_stop(10 * SECOND));
    return 0;
}
