/* Defers run last first, when the function returns or calls rt_goexit, from wherever; goexit in a defer runs the rest. */
#include "more.h"

static char order[64];
static atomic_size_t at;

static void put(void *arg) { order[atomic_fetch_add(&at, 1)] = *(const char *)arg; }

static void expect(const char *want) {
    order[atomic_load(&at)] = '\0';
    if (strcmp(order, want) != 0) FAIL("the order is %s, want %s", order, want);
    atomic_store(&at, 0);
}

static void in_order(void *arg) {
    (void)arg;
    CHECK_OK(rt_defer(put, "a"));
    CHECK_OK(rt_defer(put, "b"));
    CHECK_OK(rt_defer(put, "c"));
    put("x");
}

/* A defer that defers: what it adds comes next. */
static void nests(void *arg) {
    put(arg);
    CHECK_OK(rt_defer(put, "2"));
    CHECK_OK(rt_defer(put, "1"));
    put("n");
}

static void nested(void *arg) {
    (void)arg;
    CHECK_OK(rt_defer(put, "z"));
    CHECK_OK(rt_defer(nests, "y"));
    CHECK_OK(rt_defer(put, "x"));
}

/* Exits from below. */
static volatile int depth;

static __attribute__((noinline)) void deep(int n) {
    volatile char room[256];
    room[0] = (char)n;
    depth = n;
    if (depth == 0) rt_goexit();
    if (depth > 0) deep(n - 1);
    /* Also keeps the call above from being the last one. */
    if (room[0] == (char)n) FAIL("rt_goexit came back");
}

static void exits(void *arg) {
    CHECK_OK(rt_defer(put, "a"));
    CHECK_OK(rt_defer(put, "b"));
    put("x");
    if (arg == NULL) rt_goexit();
    deep(20);
    put("!");
}

static void exits_at_once(void *arg) {
    (void)arg;
    rt_goexit();
}

static void exits_in_defer(void *arg) {
    put(arg);
    CHECK_OK(rt_defer(put, "d"));
    deep(3);
}

static void goexit_in_defer(void *arg) {
    CHECK_OK(rt_defer(put, "a"));
    CHECK_OK(rt_defer(exits_in_defer, "b"));
    CHECK_OK(rt_defer(exits_in_defer, "c"));
    CHECK_OK(rt_defer(put, "e"));
    if (arg != NULL) rt_goexit();
}

/* Defers may wait, keep the goroutine's id, and run before the goroutine has ended. */
struct slow {
    int64_t id;
    rt_mutex mu;
    rt_chan *chan;
    bool done;
};

static void slow_defer(void *arg) {
    struct slow *s = arg;
    CHECK_EQ(rt_goid(), s->id);
    CHECK_OK(rt_sleep(MS));
    rt_gosched();
    int v = 0;
    CHECK_OK(rt_chan_recv(s->chan, &v));
    CHECK_EQ(v, 5);
    CHECK_OK(rt_mutex_unlock(&s->mu));
    s->done = true;
}

static void slow_body(void *arg) {
    struct slow *s = arg;
    s->id = rt_goid();
    CHECK_OK(rt_mutex_lock(&s->mu));
    CHECK_OK(rt_defer(slow_defer, s));
    rt_goexit();
}

static void sends_five(void *arg) {
    const int five = 5;
    CHECK_OK(rt_chan_send(arg, &five));
}

static void slow_ones(void) {
    for (int i = 0; i < 20; i++) {
        struct slow s = {.chan = rt_chan_make(sizeof(int), 0)};
        if (i % 2 == 0) {
            rt_waitgroup wg;
            memset(&wg, 0, sizeof wg);
            CHECK_OP(rt_waitgroup_go(&wg, slow_body, &s), >, 0);
            CHECK_EQ(rt_waitgroup_wait_timeout(&wg, 100 * US), RT_ETIMEDOUT);
            go(sends_five, s.chan);
            CHECK_OK(rt_waitgroup_wait(&wg));
        } else {
            go(sends_five, s.chan);
            CHECK_OK(rt_run(slow_body, &s));
        }
        CHECK(s.done);
        CHECK_OK(rt_mutex_try_lock(&s.mu));
        EVENTUALLY(rt_num_goroutine() == 0);
        rt_chan_unref(s.chan);
    }
}

/* Many defers, many goroutines. */
static atomic_long defers_run;

static void counts(void *arg) {
    /* Last first: each finds the number that it was deferred with. */
    long *left = arg;
    --*left;
    atomic_fetch_add(&defers_run, 1);
}

static void checks_empty(void *arg) {
    CHECK_EQ(*(long *)arg, 0);
    free(arg);
}

static void many_defers(void *arg) {
    long *n = calloc(1, sizeof *n);
    CHECK(n != NULL);
    CHECK_OK(rt_defer(checks_empty, n));
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(rt_defer(counts, n));
        ++*n;
        if (i % 100 == 0) rt_gosched();
    }
    if (arg != NULL) rt_goexit();
}

/* A once whose function exits counts as done. */
static rt_once once;
static atomic_int once_calls, after_once;

static void once_exits(void *arg) {
    (void)arg;
    atomic_fetch_add(&once_calls, 1);
    CHECK_OK(rt_sleep(MS));
    rt_goexit();
}

static void does_once(void *arg) {
    (void)arg;
    CHECK_OK(rt_once_do(&once, once_exits, NULL));
    atomic_fetch_add(&after_once, 1);
}

static void defers_null(void *arg) {
    (void)arg;
    CHECK_EQ(rt_defer(NULL, NULL), RT_EINVAL);
}

static void on_plain_thread(void *arg) {
    (void)arg;
    CHECK_EQ(rt_defer(put, "p"), RT_EPERM);
    CHECK_EQ(atomic_load(&at), 0);
}

static void thread_exits(void) {
    rt_goexit();
}

static void thread_exits_later(void) {
    CHECK_OK(rt_sleep(MS));
    rt_goexit();
}

int main(void) {
    static char text[4096];
    if (!sanitized()) {
        /* On a plain thread it ends the process, and not as if all were well. */
        int status = capture(thread_exits, text, sizeof text);
        CHECK(WIFSIGNALED(status) ? WTERMSIG(status) != SIGALRM : WEXITSTATUS(status) != 0);
        status = capture(thread_exits_later, text, sizeof text);
        CHECK(WIFSIGNALED(status) ? WTERMSIG(status) != SIGALRM : WEXITSTATUS(status) != 0);
    }
    CHECK_OK(rt_run(in_order, NULL));
    expect("xcba");
    CHECK_OK(rt_run(nested, NULL));
    expect("xyn12z");
    CHECK_OK(rt_run(exits, NULL));
    expect("xba");
    CHECK_OK(rt_run(exits, text));
    expect("xba");
    CHECK_OK(rt_run(exits_at_once, NULL));
    expect("");
    CHECK_OK(rt_run(goexit_in_defer, NULL));
    expect("ecdbda");
    CHECK_OK(rt_run(goexit_in_defer, text));
    expect("ecdbda");
    slow_ones();

    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (int i = 0; i < 100; i++) {
        CHECK_OP(rt_waitgroup_go(&wg, many_defers, i % 2 == 0 ? NULL : text), >, 0);
        CHECK_OP(rt_waitgroup_go(&wg, exits_at_once, NULL), >, 0);
    }
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(atomic_load(&defers_run), 100 * 1000);

    for (int i = 0; i < 8; i++) CHECK_OP(rt_waitgroup_go(&wg, does_once, NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(atomic_load(&once_calls), 1);
    /* The one that exited inside did not come back; all others did. */
    CHECK_EQ(atomic_load(&after_once), 7);
    CHECK_OK(rt_once_do(&once, once_exits, NULL));

    CHECK_OK(rt_run(defers_null, NULL));
    on_plain_thread(NULL);
    on_thread(on_plain_thread, NULL);
    EVENTUALLY(rt_num_goroutine() == 0);
    puts("defer_goexit: ok");
    return 0;
}
