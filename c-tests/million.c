/* 1,000,000 rt_go of an empty function in a row, with nothing that waits for any: no failure, below 700 MB. */
#include "check.h"

static atomic_long ran;

static void empty(void *arg) { (void)arg; }

static void counts(void *arg) {
    (void)arg;
    atomic_fetch_add_explicit(&ran, 1, memory_order_relaxed);
}

static long how_many;

static void spawn(rt_fn fn, const char *where) {
    const int64_t start = now_ns();
    int64_t last = 0;
    for (long i = 0; i < how_many; i++) {
        const int64_t id = rt_go(fn, NULL);
        if (id <= last) FAIL("spawn %ld answers %" PRId64 ", the one before %" PRId64, i, id, last);
        last = id;
    }
    printf("%s: %ld spawned in %.3f s\n", where, how_many, (double)(now_ns() - start) / 1e9);
}

static void on_goroutine(void *arg) {
    spawn(arg == NULL ? empty : counts, "a goroutine");
}

static void check_peak(const char *when) {
    struct rusage u;
    CHECK_EQ(getrusage(RUSAGE_SELF, &u), 0);
    printf("%s: peak %.1f MB\n", when, (double)u.ru_maxrss * 1024 / 1e6);
    if (emulated() || sanitized()) return;
    CHECK_OP((int64_t)u.ru_maxrss * 1024, <, INT64_C(700) * 1000 * 1000);
}

int main(void) {
    how_many = (long)env_u64("GORT_MILLION", 1000000);
    spawn(empty, "main");
    EVENTUALLY(rt_num_goroutine() == 0);
    check_peak("from main");
    CHECK_OK(rt_run(on_goroutine, NULL));
    EVENTUALLY(rt_num_goroutine() == 0);
    check_peak("from a goroutine");

    /* Each of them runs. */
    spawn(counts, "main");
    CHECK_OK(rt_run(on_goroutine, &ran));
    EVENTUALLY(atomic_load(&ran) == 2 * how_many);
    EVENTUALLY(rt_num_goroutine() == 0);
    check_peak("counted");
    puts("million: ok");
    return 0;
}
