/*
 * Cancellation, groups and goroutine-local storage, as a compile-and-link check, in C11 and in C++17 (see contract_core.c).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <gort.h>

#define HAS(ret, name, params)   \
    do {                         \
        ret(*f) params = name;   \
        if (f == NULL) return 1; \
    } while (0)

static int task(rt_ctx *ctx, void *arg) {
    (void)ctx;
    (void)arg;
    return RT_OK;
}

int main(void) {
    /* Contexts, reference counted; a child is cancelled with its parent. */
    HAS(rt_ctx *, rt_ctx_background, (void));
    HAS(rt_ctx *, rt_ctx_with_cancel, (rt_ctx * parent));
    HAS(rt_ctx *, rt_ctx_with_timeout, (rt_ctx * parent, int64_t timeout_ns));
    HAS(rt_ctx *, rt_ctx_with_deadline, (rt_ctx * parent, int64_t deadline_ns));
    HAS(rt_ctx *, rt_ctx_ref, (rt_ctx *));
    HAS(void, rt_ctx_unref, (rt_ctx *));
    HAS(int, rt_ctx_cancel, (rt_ctx *, int cause));
    HAS(int, rt_ctx_err, (const rt_ctx *));
    HAS(int, rt_ctx_cause, (const rt_ctx *));
    HAS(int64_t, rt_ctx_deadline, (const rt_ctx *));
    HAS(rt_chan *, rt_ctx_done, (rt_ctx *));
    HAS(int, rt_ctx_after_func, (rt_ctx *, rt_fn, void *arg, rt_ctx_hook **out));
    HAS(bool, rt_ctx_hook_stop, (rt_ctx_hook *));

    /* A group of goroutines that is waited for as one; the first error cancels the rest. */
    rt_group_fn fn = task;
    HAS(rt_group *, rt_group_new, (rt_ctx * parent));
    HAS(rt_ctx *, rt_group_ctx, (rt_group *));
    HAS(int64_t, rt_group_go, (rt_group *, rt_group_fn, void *arg));
    HAS(int, rt_group_set_limit, (rt_group *, size_t limit));
    HAS(int, rt_group_wait, (rt_group *));
    HAS(void, rt_group_free, (rt_group *));

    /* Goroutine-local storage; the destructor runs on the goroutine as it ends. */
    rt_key key = 0;
    HAS(int, rt_key_create, (rt_key *, void (*destructor)(void *)));
    HAS(int, rt_key_delete, (rt_key));
    HAS(void *, rt_key_get, (rt_key));
    HAS(int, rt_key_set, (rt_key, const void *));
    const uint32_t *const number = &key;

#ifdef __cplusplus
    /* Every call is noexcept. */
    static_assert(noexcept(rt_ctx_background()) && noexcept(rt_ctx_with_cancel(NULL)) && noexcept(rt_ctx_cancel(NULL, 0)) &&
                      noexcept(rt_ctx_after_func(NULL, NULL, NULL, NULL)) && noexcept(rt_ctx_hook_stop(NULL)) &&
                      noexcept(rt_group_new(NULL)) && noexcept(rt_group_go(NULL, fn, NULL)) &&
                      noexcept(rt_group_wait(NULL)) && noexcept(rt_group_free(NULL)) &&
                      noexcept(rt_key_create(NULL, NULL)) && noexcept(rt_key_get(0)) && noexcept(rt_key_set(0, NULL)),
                  "noexcept");
#endif

    (void)fn;
    (void)number;
    puts("contract_scope: ok");
    return 0;
}
