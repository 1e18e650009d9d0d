/* A readied goroutine is the calling P's next one, on one P where the order can be seen. */
#include "check.h"

static char order[16];
static size_t at;
static rt_g *waiting[2];

static bool note(rt_g *g, void *slot) {
    *(rt_g **)slot = g;
    return true;
}

static void parker(void *arg) {
    const intptr_t i = (intptr_t)arg;
    CHECK_OK(rt_gopark(note, &waiting[i], "its turn"));
    order[at++] = (char)('a' + i);
}

static void other(void *arg) {
    (void)arg;
    order[at++] = 'x';
}

static void body(void *arg) {
    (void)arg;
    go(parker, (void *)0);
    go(parker, (void *)1);
    rt_gosched();
    CHECK(waiting[0] != NULL && waiting[1] != NULL);
    go(other, NULL);
    CHECK_OK(rt_goready(waiting[0]));
    CHECK_OK(rt_goready(waiting[1]));
    /* It runs at the next switch, not before. */
    CHECK_EQ(at, 0);
    /* Runnable is not waiting. */
    CHECK_EQ(rt_goready(waiting[0]), RT_EINVAL);
    CHECK_EQ(rt_goready(waiting[1]), RT_EINVAL);
    rt_gosched();
    order[at] = '\0';
    if (strcmp(order, "bxa") != 0) FAIL("the order is %s, want bxa", order);
}

int main(void) {
    init_one_p();
    CHECK_OK(rt_run(body, NULL));
    puts("park_order: ok");
    return 0;
}
