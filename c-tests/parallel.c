/*
 * As many goroutines as there are Ps, two at least, really run at once: each spins, without a call, until all of them
 * are there. With one P that is taken from the first, which goes on all the same.
 */
#include "check.h"

static atomic_int arrived, left;
static int crowd;

static void meets(void *arg) {
    (void)arg;
    for (int round = 1; round <= 100; round++) {
        atomic_fetch_add(&arrived, 1);
        /* No call into the library: only other threads let the others arrive. sched_yield is for fewer CPUs than Ps. */
        while (atomic_load(&arrived) < round * crowd) sched_yield();
    }
    atomic_fetch_add(&left, 1);
}

static void spawns(void *arg) {
    (void)arg;
    for (int i = 1; i < crowd; i++) go(meets, NULL);
    meets(NULL);
}

static void nothing(void *arg) { (void)arg; }

int main(void) {
    CHECK_OK(rt_run(nothing, NULL));
    const int procs = rt_maxprocs(0);
    crowd = procs < 2 ? 2 : procs;
    for (int i = 0; i < crowd; i++) go(meets, NULL);
    EVENTUALLY(atomic_load(&left) == crowd);
    for (int i = 0; i < 20; i++) {
        /* The spawner takes part: what it has queued must be taken from its P. */
        atomic_store(&arrived, 0);
        atomic_store(&left, 0);
        CHECK_OK(rt_run(spawns, NULL));
        EVENTUALLY(atomic_load(&left) == crowd);
        EVENTUALLY(rt_num_goroutine() == 0);
        /* Long enough for the threads to go to sleep, at times. */
        if (i % 4 == 0) thread_sleep(20 * MS);
    }
    puts("parallel: ok");
    return 0;
}
