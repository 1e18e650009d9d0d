/*
 * Two Ps, and goroutines that do nothing but talk to each other: thieves leave them together. What one of them spawns, and
 * what computes among them, still starts in time, and no value is lost.
 */
#include "late.h"
#include "retake.h"

enum { SIDE = 4 };

static rt_chan *chan;
static rt_waitgroup senders, receivers, others;
static atomic_long sent, received;
static bool with_select;

static void starts_and_computes(void *arg) {
    const int64_t queued_at = *(int64_t *)arg;
    free(arg);
    const int64_t ns = now_ns() - queued_at;
    static atomic_flag busy = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&busy)) rt_gosched();
    if (late.n < LATE_MOST) late.ns[late.n++] = ns;
    atomic_flag_clear(&busy);
    computes(MS);
}

static void sends(void *arg) {
    int64_t next = now_ns();
    for (long i = 0; !atomic_load_explicit(&stop, memory_order_relaxed); i++) {
        CHECK_OK(rt_chan_send(chan, &i));
        atomic_fetch_add_explicit(&sent, i, memory_order_relaxed);
        if (arg == NULL || i % 100 != 0 || now_ns() < next) continue;
        int64_t *at = malloc(sizeof *at);
        CHECK(at != NULL);
        *at = now_ns();
        next = *at + 5 * MS;
        CHECK_OP(rt_waitgroup_go(&others, starts_and_computes, at), >, 0);
    }
}

static void receives(void *arg) {
    (void)arg;
    long value;
    rt_chan *nobody = rt_chan_make(0, 0);
    for (;;) {
        rt_select_case cases[] = {{.chan = nobody, .dir = RT_RECV}, {.chan = chan, .elem = &value, .dir = RT_RECV}};
        if (with_select) CHECK_EQ(rt_select(cases, 2, RT_FOREVER), 1);
        const int r = with_select ? cases[1].result : rt_chan_recv(chan, &value);
        if (r == RT_ECLOSED) break;
        CHECK_OK(r);
        atomic_fetch_add_explicit(&received, value, memory_order_relaxed);
    }
    rt_chan_unref(nobody);
}

static bool talk(const char *what, size_t cap, bool select) {
    chan = rt_chan_make(sizeof(long), cap);
    with_select = select;
    late.n = 0;
    atomic_store(&stop, false);
    for (intptr_t i = 0; i < SIDE; i++) {
        CHECK_OP(rt_waitgroup_go(&receivers, receives, NULL), >, 0);
        CHECK_OP(rt_waitgroup_go(&senders, sends, i == 0 ? &senders : NULL), >, 0);
    }
    thread_sleep(500 * MS);
    atomic_store(&stop, true);
    CHECK_OK(rt_waitgroup_wait(&senders));
    CHECK_OK(rt_chan_close(chan));
    CHECK_OK(rt_waitgroup_wait(&receivers));
    CHECK_OK(rt_waitgroup_wait(&others));
    CHECK_EQ(atomic_load(&sent), atomic_load(&received));
    rt_chan_unref(chan);
    return late_keeps(what, &late, 10 * MS, 20 * MS);
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    const rt_config cfg = {.struct_size = sizeof cfg, .maxprocs = 2};
    CHECK_OK(rt_init(&cfg));
    IN_THREE(talk("unbuffered", 0, false));
    IN_THREE(talk("unbuffered, by select", 0, true));
    IN_THREE(talk("of 128", 128, false));
    IN_THREE(talk("of 128, by select", 128, true));
    EVENTUALLY(rt_num_goroutine() == 0);
    puts("patience: ok");
    return 0;
}
