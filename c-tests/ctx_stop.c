/* rt_stop cancels contexts that have a deadline to come, and those below them, and no others; contexts live on. */
#include "more.h"

#define HOUR (3600 * SECOND)

static void nothing(void *arg) { (void)arg; }

static atomic_int ran;

static void runs(void *arg) {
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

static void check_over(rt_ctx *c, int err) {
    CHECK_EQ(rt_ctx_err(c), err);
    CHECK_EQ(rt_ctx_cause(c), err);
    CHECK_EQ(rt_chan_recv(rt_ctx_done(c), NULL), RT_ECLOSED);
}

/* Where the deadlines are armed: on this thread, and on goroutines of any P. */
struct tree {
    rt_ctx *free_root, *timed_root, *timed_child, *child_of_timed, *nearer, *over, *dropped_parent;
    rt_ctx_hook *hook, *free_hook;
};

static void makes(void *arg) {
    struct tree *t = arg;
    t->free_root = rt_ctx_with_cancel(NULL);
    t->timed_root = rt_ctx_with_timeout(NULL, HOUR);
    t->child_of_timed = rt_ctx_with_cancel(t->timed_root);
    t->timed_child = rt_ctx_with_timeout(t->free_root, HOUR);
    t->nearer = rt_ctx_with_timeout(t->timed_root, HOUR / 2);
    t->over = rt_ctx_with_timeout(NULL, 0);
    t->dropped_parent = rt_ctx_with_timeout(NULL, HOUR);
    /* Entries that are dead when the end comes. */
    rt_ctx_unref(rt_ctx_with_timeout(t->dropped_parent, HOUR / 2));
    rt_ctx *cancelled = rt_ctx_with_timeout(t->free_root, HOUR);
    CHECK_OK(rt_ctx_cancel(cancelled, 0));
    rt_ctx_unref(cancelled);
    CHECK_OK(rt_ctx_after_func(t->child_of_timed, runs, NULL, &t->hook));
    CHECK_OK(rt_ctx_after_func(t->free_root, runs, NULL, &t->free_hook));
}

static void cancels_what_has_a_deadline(int round) {
    struct tree t;
    CHECK_OK(rt_run(nothing, NULL));
    atomic_store(&ran, 0);
    if (round % 2 == 0) makes(&t);
    else CHECK_OK(rt_run(makes, &t));
    CHECK_OK(rt_ctx_err(t.timed_root));
    CHECK_OK(rt_stop(60 * SECOND));
    check_over(t.timed_root, RT_ECANCELED);
    check_over(t.child_of_timed, RT_ECANCELED);
    check_over(t.timed_child, RT_ECANCELED);
    check_over(t.nearer, RT_ECANCELED);
    check_over(t.dropped_parent, RT_ECANCELED);
    check_over(t.over, RT_ETIMEDOUT);
    CHECK_OK(rt_ctx_err(t.free_root));
    CHECK_EQ(rt_chan_try_recv(rt_ctx_done(t.free_root), NULL), RT_EAGAIN);
    /* Its hook was not started, and never will be. */
    CHECK(rt_ctx_hook_stop(t.hook));
    CHECK_EQ(atomic_load(&ran), 0);
    if (round % 3 == 0) {
        /* The other contexts, and their hooks, work with the next runtime: this starts it. */
        CHECK_OK(rt_ctx_cancel(t.free_root, 0));
        EVENTUALLY(atomic_load(&ran) == 1);
        CHECK(!rt_ctx_hook_stop(t.free_hook));
        rt_ctx *again = rt_ctx_with_timeout(NULL, MS);
        CHECK_EQ(rt_chan_recv(rt_ctx_done(again), NULL), RT_ECLOSED);
        check_over(again, RT_ETIMEDOUT);
        rt_ctx_unref(again);
    } else {
        CHECK(rt_ctx_hook_stop(t.free_hook));
    }
    rt_ctx *const all[] = {t.free_root, t.timed_root,     t.timed_child, t.child_of_timed,
                           t.nearer,    t.dropped_parent, t.over};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) rt_ctx_unref(all[i]);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_OK(rt_stop(60 * SECOND));
    CHECK_EQ(atomic_load(&ran), round % 3 == 0 ? 1 : 0);
}

/* What does not end leaves them alone: time goes on, and so do they. */
static rt_chan *gate;

static void waits(void *arg) {
    (void)arg;
    CHECK_EQ(rt_chan_recv(gate, NULL), RT_ECLOSED);
}

static void times_out(void) {
    gate = rt_chan_make(0, 0);
    go(waits, NULL);
    rt_ctx *far = rt_ctx_with_timeout(NULL, HOUR), *soon = rt_ctx_with_timeout(NULL, 20 * MS);
    CHECK_EQ(rt_stop(40 * MS), RT_ETIMEDOUT);
    CHECK_OK(rt_ctx_err(far));
    CHECK_EQ(rt_chan_recv(rt_ctx_done(soon), NULL), RT_ECLOSED);
    check_over(soon, RT_ETIMEDOUT);
    CHECK_OK(rt_chan_close(gate));
    CHECK_OK(rt_stop(60 * SECOND));
    check_over(far, RT_ECANCELED);
    rt_ctx_unref(far);
    rt_ctx_unref(soon);
    rt_chan_unref(gate);
}

/*
 * While the runtime is being stopped a goroutine of it goes on as before: it makes deadlines, and what it cancels starts its
 * hooks. A thread cancels, too, and is told that the hook does not start.
 */
static rt_ctx *shared;
static rt_ctx_hook *left_out;
static atomic_bool hung;

static void works_on(void *arg) {
    (void)arg;
    EVENTUALLY_YIELD(rt_go(nothing, NULL) == RT_ECANCELED);
    rt_ctx *c = rt_ctx_with_timeout(NULL, MS);
    CHECK(c != NULL);
    CHECK_EQ(rt_chan_recv(rt_ctx_done(c), NULL), RT_ECLOSED);
    CHECK_EQ(rt_ctx_err(c), RT_ETIMEDOUT);
    rt_ctx_unref(c);
    c = rt_ctx_with_cancel(NULL);
    rt_ctx_hook *hook = NULL;
    CHECK_OK(rt_ctx_after_func(c, runs, NULL, &hook));
    CHECK_OK(rt_ctx_cancel(c, 0));
    EVENTUALLY_YIELD(atomic_load(&ran) == 1);
    CHECK(!rt_ctx_hook_stop(hook));
    CHECK_OK(rt_ctx_after_func(c, runs, NULL, &hook));
    EVENTUALLY_YIELD(atomic_load(&ran) == 2);
    CHECK(!rt_ctx_hook_stop(hook));
    rt_ctx_unref(c);
    atomic_store(&hung, true);
    CHECK_EQ(rt_chan_recv(rt_ctx_done(shared), NULL), RT_ECLOSED);
}

static void *cancels_from_outside(void *arg) {
    (void)arg;
    EVENTUALLY(atomic_load(&hung));
    CHECK(rt_ctx_with_timeout(NULL, HOUR) == NULL);
    rt_ctx *over = rt_ctx_with_timeout(NULL, 0);
    rt_ctx_hook *hook = NULL;
    CHECK_EQ(rt_ctx_after_func(over, runs, NULL, &hook), RT_ECANCELED);
    CHECK(hook == NULL);
    rt_ctx_unref(over);
    /* From here on the stop may come to its end. */
    CHECK_EQ(rt_ctx_cancel(shared, -3), RT_ECANCELED);
    CHECK_EQ(rt_ctx_err(shared), RT_ECANCELED);
    CHECK_EQ(rt_ctx_cause(shared), -3);
    CHECK_OK(rt_ctx_cancel(shared, -3));
    CHECK(rt_ctx_hook_stop(left_out));
    return NULL;
}

static void while_stopping(void) {
    atomic_store(&ran, 0);
    atomic_store(&hung, false);
    shared = rt_ctx_with_cancel(NULL);
    CHECK_OK(rt_ctx_after_func(shared, runs, NULL, &left_out));
    go(works_on, NULL);
    const pthread_t t = thread_start(cancels_from_outside, NULL);
    CHECK_OK(rt_stop(60 * SECOND));
    thread_join(t);
    CHECK_EQ(atomic_load(&ran), 2);
    rt_ctx_unref(shared);
}

int main(void) {
    for (int i = 0; i < rounds_of(60); i++) cancels_what_has_a_deadline(i);
    times_out();
    while_stopping();
    puts("ctx_stop: ok");
    return 0;
}
