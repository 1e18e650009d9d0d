/* Every call leaves errno as it found it, whether it succeeds, fails or waits; and errno belongs to the goroutine. */
#include "check.h"

enum { MARK = 4242 };

#define KEEPS(expr)                                                                 \
    do {                                                                            \
        set_errno(MARK);                                                            \
        (void)(expr);                                                               \
        const int e_ = get_errno();                                                 \
        if (e_ != MARK) FAIL("errno is %d after %s, want %d", e_, #expr, MARK);     \
    } while (0)

static void nothing(void *arg) { (void)arg; }

static bool refuses(rt_g *g, void *arg) {
    (void)g;
    (void)arg;
    /* What unlockf does to errno is its own affair; the goroutine's stays. */
    set_errno(17);
    return false;
}

static bool ready_itself(rt_g *g, void *arg) {
    (void)arg;
    return rt_goready(g) == RT_OK;
}

static void every_call(void *arg) {
    (void)arg;
    int v = 1;
    rt_config cfg;
    memset(&cfg, 0, sizeof cfg);
    rt_go_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    rt_mutex mu;
    memset(&mu, 0, sizeof mu);

    KEEPS(rt_version());
    KEEPS(rt_strerror(RT_EINVAL));
    KEEPS(rt_strerror(RT_ENOMEM));
    KEEPS(rt_strerror(-4711));
    KEEPS(rt_strerror(4711));
    KEEPS(rt_init(&cfg));
    cfg.struct_size = sizeof cfg;
    KEEPS(rt_init(&cfg));
    KEEPS(rt_maxprocs(0));
    KEEPS(rt_num_goroutine());
    KEEPS(rt_run(NULL, NULL));
    KEEPS(rt_run(nothing, NULL));
    KEEPS(rt_go(nothing, NULL));
    KEEPS(rt_go(NULL, NULL));
    KEEPS(rt_go_with(&opts, nothing, NULL));
    opts.stack_size = SIZE_MAX;
    KEEPS(rt_go_with(&opts, nothing, NULL));
    opts.stack_size = 1;
    KEEPS(rt_go_with(&opts, nothing, NULL));
    /* A size that no other goroutine has had: fresh memory must be mapped for it. */
    opts.stack_size = 3 * 1024 * 1024;
    KEEPS(rt_go_with(&opts, nothing, NULL));
    KEEPS(rt_self());
    KEEPS(rt_goid());
    KEEPS(rt_gosched());
    KEEPS(rt_gopark(refuses, NULL, "errno"));
    KEEPS(rt_gopark(ready_itself, NULL, "errno"));
    KEEPS(rt_gopark_timeout(NULL, NULL, "errno", MS));
    KEEPS(rt_gopark_timeout(refuses, NULL, "errno", RT_NOWAIT));
    KEEPS(rt_goready(NULL));
    KEEPS(rt_goready(rt_self()));
    KEEPS(rt_park_ticket());
    KEEPS(rt_goready_ticket(0));
    KEEPS(rt_goready_ticket(rt_park_ticket()));
    KEEPS(rt_now());
    KEEPS(rt_sleep(0));
    KEEPS(rt_sleep(2 * MS));

    rt_chan *c = rt_chan_make(sizeof v, 1);
    KEEPS(rt_chan_unref(rt_chan_make(sizeof v, 100)));
    KEEPS(rt_chan_make(SIZE_MAX, 2));
    KEEPS(rt_chan_make(1, SIZE_MAX / 2));
    KEEPS(rt_chan_unref(rt_chan_ref(c)));
    KEEPS(rt_chan_unref(NULL));
    KEEPS(rt_chan_try_recv(c, &v));
    KEEPS(rt_chan_recv_timeout(c, &v, RT_NOWAIT));
    KEEPS(rt_chan_recv_timeout(c, &v, MS));
    KEEPS(rt_chan_send(c, &v));
    KEEPS(rt_chan_send(c, NULL));
    KEEPS(rt_chan_try_send(c, &v));
    KEEPS(rt_chan_send_timeout(c, &v, MS));
    KEEPS(rt_chan_recv(c, &v));
    KEEPS(rt_chan_send_timeout(NULL, &v, MS));
    KEEPS(rt_chan_len(c));
    KEEPS(rt_chan_cap(c));
    KEEPS(rt_chan_elem_size(c));
    KEEPS(rt_chan_close(c));
    KEEPS(rt_chan_close(c));
    KEEPS(rt_chan_recv(c, &v));
    KEEPS(rt_chan_send(c, &v));
    KEEPS(rt_chan_unref(c));

    KEEPS(rt_mutex_unlock(&mu));
    KEEPS(rt_mutex_lock(&mu));
    KEEPS(rt_mutex_try_lock(&mu));
    KEEPS(rt_mutex_lock_timeout(&mu, MS));
    KEEPS(rt_mutex_lock(NULL));
    KEEPS(rt_mutex_unlock(&mu));
    KEEPS(rt_waitgroup_add(&wg, 1));
    KEEPS(rt_waitgroup_wait_timeout(&wg, MS));
    KEEPS(rt_waitgroup_done(&wg));
    KEEPS(rt_waitgroup_done(&wg));
    KEEPS(rt_waitgroup_wait(&wg));
    KEEPS(rt_waitgroup_go(&wg, NULL, NULL));
    KEEPS(rt_waitgroup_go(&wg, nothing, NULL));
    KEEPS(rt_waitgroup_wait(&wg));
}

/* Many goroutines, each with an errno of its own, that wait and move between threads all the time. */
static atomic_int done;
static rt_mutex mu;

struct own {
    rt_chan *in, *out;
    int mark;
};

static void keeps_own(void *arg) {
    struct own *o = arg;
    int v = 0;
    set_errno(o->mark);
    for (int i = 0; i < 200; i++) {
        switch (i % 5) {
        case 0: rt_gosched(); break;
        case 1: CHECK_OK(rt_sleep(20 * US)); break;
        case 2:
            CHECK_OK(rt_chan_send(o->out, &v));
            break;
        case 3: CHECK_OK(rt_chan_recv(o->in, &v)); break;
        default:
            CHECK_OK(rt_mutex_lock(&mu));
            rt_gosched();
            CHECK_OK(rt_mutex_unlock(&mu));
            break;
        }
        CHECK_EQ(get_errno(), o->mark);
    }
    atomic_fetch_add(&done, 1);
}

int main(void) {
    /* The first call of all starts the runtime. */
    set_errno(MARK);
    const int64_t id = rt_go(nothing, NULL);
    CHECK_EQ(get_errno(), MARK);
    CHECK_OP(id, >, 0);

    every_call(NULL);
    CHECK_OK(rt_run(every_call, NULL));
    thread_join(thread_go(every_call, NULL));

    enum { N = 32 };
    static struct own owns[N];
    rt_chan *chans[N];
    pthread_t threads[N];
    for (int i = 0; i < N; i++) chans[i] = rt_chan_make(sizeof(int), 1);
    for (int i = 0; i < N; i++) {
        owns[i].in = chans[i];
        owns[i].out = chans[(i + 1) % N];
        owns[i].mark = 1000 + i;
        if (i % 8 == 7) threads[i] = thread_go(keeps_own, &owns[i]);
        else go(keeps_own, &owns[i]);
    }
    EVENTUALLY(atomic_load(&done) == N);
    for (int i = 7; i < N; i += 8) thread_join(threads[i]);
    for (int i = 0; i < N; i++) rt_chan_unref(chans[i]);
    puts("errno: ok");
    return 0;
}
