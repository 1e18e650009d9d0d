/* As many goroutines as there are Ps really run at once: each spins, without a call, until all of them are there. */
#include "check.h"

static atomic_int arrived, left;
static int procs;

static void meets(void *arg) {
    (void)arg;
    for (int round = 1; round <= 100; round++) {
        atomic_fetch_add(&arrived, 1);
        /* No call into the library: only another P can let the others arrive. sched_yield is for fewer CPUs than Ps. */
        while (atomic_load(&arrived) < round * procs) sched_yield();
    }
    atomic_fetch_add(&left, 1);
}

static void spawns(void *arg) {
    (void)arg;
    for (int i = 1; i < procs; i++) go(meets, NULL);
    meets(NULL);
}

static void nothing(void *arg) { (void)arg; }

int main(void) {
    CHECK_OK(rt_run(nothing, NULL));
    procs = rt_maxprocs(0);
    if (procs < 2) SKIP("one P");
    for (int i = 0; i < procs; i++) go(meets, NULL);
    EVENTUALLY(atomic_load(&left) == procs);
    for (int i = 0; i < 20; i++) {
        /* The spawner takes part: its P's queue must be stolen from. */
        atomic_store(&arrived, 0);
        atomic_store(&left, 0);
        CHECK_OK(rt_run(spawns, NULL));
        EVENTUALLY(atomic_load(&left) == procs);
        EVENTUALLY(rt_num_goroutine() == 0);
        /* Long enough for the threads to go to sleep, at times. */
        if (i % 4 == 0) thread_sleep(20 * MS);
    }
    puts("parallel: ok");
    return 0;
}
