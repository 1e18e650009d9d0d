/* The C library's unwinder stops at a goroutine's first frame: no endless walk, no frame of nobody, at fresh and resumed. */

#include "check.h"

#include <execinfo.h>

enum { MOST = 200 };

static atomic_int done;

/* The depth of the stack as the unwinder sees it, below n extra frames. */
static __attribute__((noinline)) int depth_below(int n) {
    volatile int d;
    if (n > 0) {
        d = depth_below(n - 1);
    } else {
        void *frames[MOST];
        d = backtrace(frames, MOST);
        for (int i = 0; i < d; i++) CHECK_OP((uintptr_t)frames[i], >, 4096);
    }
    __asm__ volatile("" ::: "memory");
    return d;
}

static void walks(void *arg) {
    (void)arg;
    const int base = depth_below(0);
    /* depth_below, this function, and at most what starts a goroutine. */
    CHECK_OP(base, >=, 2);
    CHECK_OP(base, <=, 8);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(depth_below(i), base + i);
        if (i % 2 == 0) rt_gosched();
        else CHECK_OK(rt_sleep(10 * US));
    }
    atomic_fetch_add(&done, 1);
}

static bool walks_in_unlockf(rt_g *g, void *arg) {
    (void)g;
    void *frames[MOST];
    *(int *)arg = backtrace(frames, MOST);
    return false;
}

static void parks(void *arg) {
    (void)arg;
    int depth = 0;
    CHECK_OK(rt_gopark(walks_in_unlockf, &depth, "unwind"));
    CHECK_OP(depth, >=, 1);
    CHECK_OP(depth, <, MOST);
    atomic_fetch_add(&done, 1);
}

int main(void) {
    void *frames[4];
    /* The first call loads the unwinder, which needs more stack than later ones. */
    CHECK_OP(backtrace(frames, 4), >, 0);
    for (int i = 0; i < 50; i++) {
        go(walks, NULL);
        go(parks, NULL);
    }
    EVENTUALLY(atomic_load(&done) == 100);
    puts("unwind: ok");
    return 0;
}
