/* Contexts, groups and keys in a forked child: what was nobody's at the fork is usable, keys keep what the thread had. */
#include "more.h"

#define HOUR (3600 * SECOND)

static atomic_int ran, destroyed;
static atomic_bool stop;
static rt_ctx *root, *child_ctx, *timed, *over;
static rt_ctx_hook *hook;
static rt_group *group;
static rt_key key;

static void counts(void *arg) { atomic_fetch_add((atomic_int *)arg, 1); }

static int task(rt_ctx *ctx, void *arg) {
    if (arg != NULL) return -5;
    CHECK_EQ(rt_chan_recv(rt_ctx_done(ctx), NULL), RT_ECLOSED);
    return RT_OK;
}

/* Something of the parent's that goes on meanwhile, and takes the locks there are. */
static void churns(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        rt_key k = 0;
        CHECK_OK(rt_key_create(&k, NULL));
        CHECK_OK(rt_key_set(k, &k));
        rt_ctx *c = rt_ctx_with_timeout(NULL, HOUR);
        rt_gosched();
        rt_ctx_unref(c);
        CHECK_OK(rt_key_delete(k));
    }
}

static void in_child_process(void) {
    CHECK_OK(rt_ctx_err(root));
    CHECK_EQ(rt_ctx_err(over), RT_ETIMEDOUT);
    CHECK_EQ(rt_chan_recv(rt_ctx_done(over), NULL), RT_ECLOSED);
    /* The deadline is the parent's; the context is not. */
    CHECK_OK(rt_ctx_err(timed));
    CHECK_EQ(rt_ctx_cancel(timed, -6), RT_OK);
    CHECK_EQ(rt_ctx_cause(timed), -6);
    rt_ctx_unref(timed);
    /* Values of the thread that forked, keys old and new. */
    CHECK(rt_key_get(key) == &key);
    rt_key next = 0;
    CHECK_OK(rt_key_create(&next, NULL));
    CHECK_OK(rt_key_set(next, &next));
    CHECK_OK(rt_key_set(key, NULL));
    CHECK_OK(rt_key_delete(next));
    /* A hook starts, in a runtime of the child's own; so do deadlines. */
    CHECK_OK(rt_ctx_cancel(root, 0));
    CHECK_EQ(rt_ctx_err(child_ctx), RT_ECANCELED);
    EVENTUALLY(atomic_load(&ran) == 1);
    CHECK(!rt_ctx_hook_stop(hook));
    rt_ctx *soon = rt_ctx_with_timeout(NULL, MS);
    CHECK_EQ(rt_chan_recv(rt_ctx_done(soon), NULL), RT_ECLOSED);
    rt_ctx_unref(soon);
    /* A group that nobody was in. */
    CHECK_OP(rt_group_go(group, task, NULL), >, 0);
    CHECK_OP(rt_group_go(group, task, group), >, 0);
    CHECK_EQ(rt_group_wait(group), -5);
    rt_group_free(group);
    rt_ctx_unref(child_ctx);
    rt_ctx_unref(root);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_OK(rt_stop(60 * SECOND));
}

static void *forks(void *arg) {
    (void)arg;
    root = rt_ctx_with_cancel(NULL);
    child_ctx = rt_ctx_with_cancel(root);
    timed = rt_ctx_with_timeout(root, HOUR);
    over = rt_ctx_with_timeout(NULL, 0);
    group = rt_group_new(NULL);
    CHECK_OK(rt_ctx_after_func(child_ctx, counts, &ran, &hook));
    CHECK_OK(rt_key_set(key, &key));
    fflush(NULL);
    const pid_t pid = fork();
    CHECK_OP(pid, >=, 0);
    if (pid == 0) {
        alarm(60);
        in_child_process();
        _exit(0);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) CHECK_EQ(errno, EINTR);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        FAIL("the child ended by %s %d", WIFEXITED(status) ? "exit code" : "signal",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    /* The parent's are as they were. */
    CHECK_OK(rt_ctx_err(root));
    CHECK(rt_key_get(key) == &key);
    CHECK(rt_ctx_hook_stop(hook));
    rt_ctx_unref(timed);
    rt_ctx_unref(over);
    rt_ctx_unref(child_ctx);
    rt_ctx_unref(root);
    rt_group_free(group);
    CHECK_OK(rt_key_set(key, &destroyed));
    return NULL;
}

int main(void) {
    if (sanitized()) SKIP("the allocator of AddressSanitizer does not survive the fork of a program with threads");
    if (emulated()) SKIP("the emulator itself does not survive the fork of a program with threads");
    CHECK_OK(rt_key_create(&key, counts));
    /* Before there is any runtime, and while one is busy. */
    thread_join(thread_start(forks, NULL));
    CHECK_EQ(atomic_load(&destroyed), 1);
    for (int i = 0; i < 4; i++) go(churns, NULL);
    for (int i = 0; i < 30; i++) {
        thread_join(thread_start(forks, NULL));
        CHECK_EQ(atomic_load(&destroyed), i + 2);
    }
    atomic_store(&stop, true);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_OK(rt_stop(60 * SECOND));
    puts("scope_fork: ok");
    return 0;
}
