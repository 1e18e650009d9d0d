/* The program that backtrace.sh looks at: three frames of its own on a goroutine, before and after a park. */
#include "check.h"

static atomic_int done;
static rt_chan *chan;

/* gdb breaks here: first on a goroutine that has never waited, then on one that was resumed. */
__attribute__((noinline)) void gort_bt_leaf(int when) {
    __asm__ volatile("" : : "r"(when) : "memory");
}

__attribute__((noinline)) void gort_bt_middle(int n) {
    gort_bt_leaf(0);
    CHECK_OK(rt_chan_send(chan, &n));
    int v = 0;
    CHECK_OK(rt_chan_recv(chan, &v));
    gort_bt_leaf(1);
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) void gort_bt_body(void *arg) {
    gort_bt_middle(*(int *)arg);
    atomic_store(&done, 1);
}

int main(void) {
    chan = rt_chan_make(sizeof(int), 0);
    int n = 7, v = 0;
    go(gort_bt_body, &n);
    CHECK_OK(rt_chan_recv(chan, &v));
    CHECK_EQ(v, 7);
    CHECK_OK(rt_chan_send(chan, &v));
    EVENTUALLY(atomic_load(&done) == 1);
    puts("backtrace: ok");
    return 0;
}
