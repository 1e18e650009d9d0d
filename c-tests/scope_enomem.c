/* No memory: contexts, groups and keys answer so, nothing counts what was refused, and all is well again later. */
#include "address_space.h"

static rt_chan *gate;
static atomic_long ran;

static int waits(rt_ctx *ctx, void *arg) {
    (void)ctx;
    (void)arg;
    CHECK_EQ(rt_chan_recv(gate, NULL), RT_ECLOSED);
    atomic_fetch_add(&ran, 1);
    return RT_OK;
}

static int succeeds(rt_ctx *ctx, void *arg) {
    (void)ctx;
    (void)arg;
    return RT_OK;
}

static void nothing(void *arg) { (void)arg; }

static const size_t MIB = (size_t)1 << 20;

/* Goroutines of a group until there is no stack left. */
static void groups(size_t most) {
    rt_group *g = rt_group_new(NULL), *unused = rt_group_new(NULL);
    CHECK(g != NULL && unused != NULL);
    if (most > 0) CHECK_OK(rt_group_set_limit(g, most));
    CHECK_OK(rt_run(nothing, NULL));
    leave_room(512 * MIB);
    int64_t r = 0;
    long spawned = 0;
    while ((r = rt_group_go(g, waits, NULL)) > 0) CHECK_OP(++spawned, <, 100000);
    CHECK_EQ(r, RT_ENOMEM);
    for (int i = 0; i < 10; i++) {
        r = rt_group_go(g, waits, NULL);
        if (r > 0) spawned++;
        else CHECK_EQ(r, RT_ENOMEM);
    }
    CHECK_EQ(rt_num_goroutine(), spawned);
    /* A group that could start nothing has started nothing. */
    if (rt_group_go(unused, succeeds, NULL) == RT_ENOMEM) CHECK_OK(rt_group_set_limit(unused, 1));
    CHECK_OK(rt_chan_close(gate));
    CHECK_OK(rt_group_wait(g));
    CHECK_OK(rt_group_wait(unused));
    CHECK_EQ(atomic_load(&ran), spawned);
    set_limit(RLIM_INFINITY);
    /* Every unit of the limit was given back. */
    for (int i = 0; i < 3000; i++) CHECK_OP(rt_group_go(g, succeeds, NULL), >, 0);
    CHECK_OK(rt_group_wait(g));
    rt_group_free(g);
    rt_group_free(unused);
    CHECK_OK(rt_stop(60 * SECOND));
}

static void groups_without_limit(void) { groups(0); }
static void groups_with_limit(void) { groups(200000); }

/* All of the heap, in pieces of which a context is the smallest. */
struct block {
    struct block *next;
};

static struct block *exhaust(void) {
    struct block *all = NULL;
    for (size_t size = MIB; size >= sizeof(struct block); size /= 2) {
        struct block *b;
        while ((b = malloc(size)) != NULL) {
            b->next = all;
            all = b;
        }
    }
    return all;
}

static atomic_int hook_ran, destructor_ran;

static void hooked(void *arg) {
    (void)arg;
    atomic_fetch_add(&hook_ran, 1);
}

static void destroyed(void *arg) {
    (void)arg;
    atomic_fetch_add(&destructor_ran, 1);
}

static void *body(void *arg) {
    (void)arg;
    rt_key key = 0, high[600];
    CHECK_OK(rt_key_create(&key, destroyed));
    for (int i = 0; i < 600; i++) CHECK_OK(rt_key_create(&high[i], NULL));
    rt_ctx *root = rt_ctx_with_cancel(NULL);
    rt_ctx_hook *hook = NULL, *const untouched = (rt_ctx_hook *)(uintptr_t)8;
    CHECK_OK(rt_ctx_after_func(root, hooked, NULL, &hook));
    CHECK_OK(rt_key_set(key, &key));
    CHECK_OK(rt_run(nothing, NULL));
    EVENTUALLY(rt_num_goroutine() == 0);

    leave_room(0);
    struct block *all = exhaust();
    rt_ctx_hook *none = untouched;
    int refused = 0;
    rt_ctx *c = rt_ctx_with_cancel(root), *timed = rt_ctx_with_timeout(NULL, 3600 * SECOND);
    rt_group *g = rt_group_new(root);
    refused += (c == NULL) + (timed == NULL) + (g == NULL);
    if (c == NULL && timed == NULL && g == NULL) {
        CHECK_EQ(rt_ctx_after_func(root, hooked, NULL, &none), RT_ENOMEM);
        CHECK(none == untouched);
    }
    const int r = rt_key_set(high[599], &key);
    CHECK(r == RT_OK || r == RT_ENOMEM);
    refused += r == RT_ENOMEM;
    CHECK(rt_key_get(key) == &key);
    CHECK(rt_key_get(high[599]) == (r == RT_OK ? &key : NULL));
    /* What needs none works as ever. */
    CHECK_OK(rt_ctx_cancel(root, -4));
    CHECK_EQ(rt_ctx_cause(root), -4);
    while (all != NULL) {
        struct block *next = all->next;
        free(all);
        all = next;
    }
    set_limit(RLIM_INFINITY);
    EVENTUALLY(atomic_load(&hook_ran) == 1);
    CHECK(!rt_ctx_hook_stop(hook));
    CHECK_OP(refused, >, 0);
    if (c != NULL) rt_ctx_unref(c);
    if (timed != NULL) rt_ctx_unref(timed);
    rt_group_free(g);
    rt_ctx_unref(root);
    CHECK_OK(rt_key_set(high[599], &key));
    return NULL;
}

/* On a thread: the allocator has a heap for it that ends soon. */
static void no_heap(void) {
    thread_join(thread_start(body, NULL));
    CHECK_EQ(atomic_load(&destructor_ran), 1);
    CHECK_OK(rt_stop(60 * SECOND));
}

int main(void) {
    if (sanitized()) SKIP("a sanitizer's shadow needs the address space");
    if (emulated()) SKIP("the emulator does not enforce RLIMIT_AS");
    gate = rt_chan_make(0, 0);
    CHECK_CHILD(groups_without_limit);
    CHECK_CHILD(groups_with_limit);
    CHECK_CHILD(no_heap);
    puts("scope_enomem: ok");
    return 0;
}
