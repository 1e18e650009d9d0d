/*
 * What does a lock of a mutex cost that eight goroutines want, for one increment each time? First they do nothing else,
 * then each does some 100 ns of work of its own between two locks, which count too. (With one P the mutex is hardly
 * ever locked when somebody comes.)
 */
#include "bench.h"

enum { LOCKERS = 8, WORK = 64 };

static int64_t size;
static struct {
    _Alignas(64) rt_mutex mutex;
    int64_t counter;
    uint64_t random;
} shared;

static void locker(void *work)
{
    int steps = (int)(intptr_t)work;
    uint64_t random = 1;
    for (int64_t i = 0; i < size; i++) {
        OK(rt_mutex_lock(&shared.mutex));
        shared.counter++;
        OK(rt_mutex_unlock(&shared.mutex));
        for (int step = 0; step < steps; step++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            __asm__("" : "+r"(random)); /* a compiler that saw through the steps would make one of several */
        }
    }
    OK(rt_mutex_lock(&shared.mutex));
    shared.random += random;
    OK(rt_mutex_unlock(&shared.mutex));
}

static void measure(const char *name, int work)
{
    rt_waitgroup all = {0};
    shared.counter = 0;
    int64_t start = rt_now();
    for (int i = 0; i < LOCKERS; i++)
        OK(rt_waitgroup_go(&all, locker, (void *)(intptr_t)work));
    OK(rt_waitgroup_wait(&all));
    bench_report(name, (double)(rt_now() - start) / (double)(LOCKERS * size), "ns");
    if (shared.counter != LOCKERS * size)
        abort();
}

static void bench(void *arg)
{
    (void)arg;
    measure("mutex", 0);
    measure("mutex_work", WORK);
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 10000000) / LOCKERS;
    OK(rt_run(bench, NULL));
    return 0;
}
