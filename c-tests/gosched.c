/* rt_gosched: behind everything runnable on the P; nobody elsewhere starves: timers, other threads' goroutines. */
#include "check.h"

static char order[32];
static size_t at;
static atomic_int stop, ended;
static int64_t spins;

static void put(void *arg) { order[at++] = *(const char *)arg; }

static void put_twice(void *arg) {
    order[at++] = *(const char *)arg;
    rt_gosched();
    order[at++] = *(const char *)arg;
}

static void expect_order(const char *want) {
    order[at] = '\0';
    if (strcmp(order, want) != 0) FAIL("the order is %s, want %s", order, want);
    at = 0;
}

static void ordered(void *arg) {
    (void)arg;
    /* The last spawned is the P's next one, those it displaced are queued in their order, the yielder comes last. */
    go(put, "a");
    rt_gosched();
    expect_order("a");
    go(put, "a");
    go(put, "b");
    go(put, "c");
    CHECK_EQ(at, 0);
    rt_gosched();
    expect_order("cab");
    go(put_twice, "a");
    go(put_twice, "b");
    rt_gosched();
    /* One round later both have yielded behind this goroutine. */
    expect_order("ba");
    rt_gosched();
    expect_order("ba");
    rt_gosched();
    expect_order("");
}

static void yields(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        rt_gosched();
        spins++;
    }
    atomic_fetch_add(&ended, 1);
}

static void sleeper(void *arg) {
    CHECK_OK(rt_sleep(5 * MS));
    atomic_store((atomic_int *)arg, 1);
}

static void late(void *arg) { atomic_store((atomic_int *)arg, 1); }

int main(void) {
    init_one_p();
    /* On a plain thread it is sched_yield. */
    for (int i = 0; i < 100; i++) rt_gosched();
    CHECK_OK(rt_run(ordered, NULL));

    /* Two goroutines that only yield, on the one P: a sleeper wakes, and what other threads spawn runs. */
    atomic_int slept = 0;
    go(sleeper, &slept);
    go(yields, NULL);
    go(yields, NULL);
    EVENTUALLY(atomic_load(&slept) == 1);
    for (int i = 0; i < 50; i++) {
        atomic_int ran = 0;
        go(late, &ran);
        EVENTUALLY(atomic_load(&ran) == 1);
    }
    atomic_store(&stop, 1);
    EVENTUALLY(atomic_load(&ended) == 2);
    CHECK_OP(spins, >, 0);
    puts("gosched: ok");
    return 0;
}
