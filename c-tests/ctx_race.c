/*
 * One race at a time, again and again: cancel against cancel, against time, against the making of children, against the last
 * reference, and a hook's stop against its start. Each has exactly one outcome, and everybody sees that.
 */
#include "more.h"

enum { SIDES = 3 };

static rt_ctx *ctx;
static rt_ctx_hook *hook;
static atomic_int at_start, runs_of_hook;
static int64_t deadline;
static rt_ctx *made[SIDES];
static bool stopped;

/* All sides begin at once, as well as a machine can. */
static void together(void) {
    atomic_fetch_add(&at_start, 1);
    for (int i = 0; atomic_load(&at_start) < SIDES; i++)
        if (i > 200) rt_gosched();
}

static void counts(void *arg) {
    (void)arg;
    atomic_fetch_add(&runs_of_hook, 1);
}

static void cancels(void *arg) {
    together();
    CHECK_OK(rt_ctx_cancel(ctx, -1 - (int)(intptr_t)arg));
    const int cause = rt_ctx_cause(ctx);
    CHECK(cause != RT_OK && rt_ctx_err(ctx) != RT_OK);
    CHECK_EQ(rt_chan_try_recv(rt_ctx_done(ctx), NULL), RT_ECLOSED);
    rt_gosched();
    CHECK_EQ(rt_ctx_cause(ctx), cause);
    rt_ctx_unref(ctx);
}

static void cancels_in_time(void *arg) {
    together();
    while (rt_now() < deadline - 2 * US * (int64_t)(intptr_t)arg) {
    }
    CHECK_OK(rt_ctx_cancel(ctx, -1));
    const int err = rt_ctx_err(ctx), cause = rt_ctx_cause(ctx);
    CHECK((err == RT_ETIMEDOUT && cause == RT_ETIMEDOUT) || (err == RT_ECANCELED && cause == -1));
    rt_ctx_unref(ctx);
}

static void unrefs_in_time(void *arg) {
    (void)arg;
    together();
    while (rt_now() < deadline) {
    }
    rt_ctx_unref(ctx);
}

static void makes(void *arg) {
    const intptr_t i = (intptr_t)arg;
    together();
    rt_ctx *child = i == 1 ? rt_ctx_with_cancel(ctx) : rt_ctx_with_timeout(ctx, 3600 * SECOND);
    CHECK(child != NULL);
    made[i] = child;
    rt_ctx_unref(ctx);
}

static void stops_hook(void *arg) {
    (void)arg;
    together();
    stopped = rt_ctx_hook_stop(hook);
    rt_ctx_unref(ctx);
}

static void spawn_all(rt_fn first, rt_fn second, rt_fn third) {
    const rt_fn all[SIDES] = {first, second, third};
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    atomic_store(&at_start, 0);
    for (intptr_t i = 0; i < SIDES; i++) {
        rt_ctx_ref(ctx);
        CHECK_OP(rt_waitgroup_go(&wg, all[i], (void *)i), >, 0);
    }
    CHECK_OK(rt_waitgroup_wait(&wg));
}

static void check_over(rt_ctx *c) {
    CHECK(rt_ctx_err(c) != RT_OK);
    CHECK_EQ(rt_chan_try_recv(rt_ctx_done(c), NULL), RT_ECLOSED);
}

static void cancel_against_cancel(void) {
    rt_ctx *root = rt_ctx_with_cancel(NULL);
    ctx = rt_ctx_with_cancel(root);
    spawn_all(cancels, cancels, cancels);
    CHECK_OP(rt_ctx_cause(ctx), >=, -SIDES);
    rt_ctx_unref(ctx);
    CHECK_OK(rt_ctx_err(root));
    rt_ctx_unref(root);
}

static void cancel_against_time(void) {
    deadline = rt_now() + 100 * US;
    ctx = rt_ctx_with_deadline(NULL, deadline);
    spawn_all(cancels_in_time, cancels_in_time, cancels_in_time);
    check_over(ctx);
    rt_ctx_unref(ctx);
}

static void cancel_against_children(void) {
    ctx = rt_ctx_with_cancel(NULL);
    spawn_all(cancels, makes, makes);
    for (int i = 1; i < SIDES; i++) {
        check_over(made[i]);
        CHECK_EQ(rt_ctx_cause(made[i]), -1);
        rt_ctx_unref(made[i]);
    }
    rt_ctx_unref(ctx);
}

/* The last references go while time comes, of the whole tree. */
static void unref_against_time(void) {
    deadline = rt_now() + 100 * US;
    rt_ctx *root = rt_ctx_with_deadline(NULL, deadline + 5 * US);
    rt_chan *done = rt_chan_ref(rt_ctx_done(root));
    ctx = rt_ctx_with_deadline(root, deadline);
    rt_ctx_unref(root);
    rt_ctx *c = ctx;
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (int i = 0; i < SIDES; i++) rt_ctx_ref(c);
    rt_ctx_unref(c);
    atomic_store(&at_start, 0);
    for (int i = 0; i < SIDES; i++) CHECK_OP(rt_waitgroup_go(&wg, unrefs_in_time, NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    const int r = rt_chan_try_recv(done, NULL);
    CHECK(r == RT_ECLOSED || r == RT_EAGAIN);
    rt_chan_unref(done);
}

static void hook_against_cancel(void) {
    ctx = rt_ctx_with_cancel(NULL);
    atomic_store(&runs_of_hook, 0);
    CHECK_OK(rt_ctx_after_func(ctx, counts, NULL, &hook));
    spawn_all(stops_hook, cancels, cancels);
    if (stopped) {
        rt_gosched();
        CHECK_EQ(atomic_load(&runs_of_hook), 0);
    } else {
        EVENTUALLY_YIELD(atomic_load(&runs_of_hook) == 1);
    }
    rt_ctx_unref(ctx);
}

static void races(void *arg) {
    (void)arg;
    const int64_t end = stress_end();
    do {
        cancel_against_cancel();
        cancel_against_time();
        cancel_against_children();
        unref_against_time();
        hook_against_cancel();
    } while (now_ns() < end);
}

int main(void) {
    CHECK_OK(rt_run(races, NULL));
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_OK(rt_stop(60 * SECOND));
    puts("ctx_race: ok");
    return 0;
}
