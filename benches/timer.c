/*
 * What do a stop and a reset of one timer cost, while 10,000 others are pending? All times are random, 10 s to 100 s
 * ahead, so none comes. First all timers have a channel, then a function. (Go keeps the former in no heap while nobody
 * waits for them.)
 */
#include "bench.h"

enum { OTHERS = 10000 };

static int64_t size;
static uint64_t random_state = 1;

static int64_t random_ns(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return 10000000000 + (int64_t)((random_state >> 27) % 90000000000);
}

static void nothing(void *arg)
{
    (void)arg;
}

static rt_timer *make(bool with_chan)
{
    rt_timer *timer = with_chan ? rt_timer_new(random_ns()) : rt_after_func(random_ns(), nothing, NULL);
    if (timer == NULL)
        abort();
    return timer;
}

static void measure(const char *name, bool with_chan)
{
    static rt_timer *others[OTHERS];
    for (int i = 0; i < OTHERS; i++)
        others[i] = make(with_chan);
    rt_timer *timer = make(with_chan);
    int64_t stopped = 0;
    int64_t start = rt_now();
    for (int64_t i = 0; i < size; i++) {
        stopped += rt_timer_stop(timer);
        rt_timer_reset(timer, random_ns());
    }
    bench_report(name, (double)(rt_now() - start) / (double)size, "ns");
    if (stopped != size)
        abort();
    rt_timer_free(timer);
    for (int i = 0; i < OTHERS; i++)
        rt_timer_free(others[i]);
}

static void bench(void *arg)
{
    (void)arg;
    measure("timer_chan", true);
    measure("timer_func", false);
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 5000000);
    OK(rt_run(bench, NULL));
    return 0;
}
