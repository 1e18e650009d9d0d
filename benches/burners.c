/*
 * What do 1,000 goroutines cost that each compute 20 ms of CPU time without any call, beside one that sleeps 1 ms in a
 * loop: the wall time, how late the sleeper wakes, and how many threads there are at most? For comparison, two plain
 * threads do the same work.
 */
#include <dirent.h>
#include <pthread.h>
#include <unistd.h>

#include "burn.h"
#include "late.h"

static int64_t size, rounds;
static atomic_bool over;

static void *plain(void *arg)
{
    burn(size * rounds / 2);
    return arg;
}

static int64_t threads_now(void)
{
    int64_t count = 0;
    struct dirent *entry;
    DIR *tasks = opendir("/proc/self/task");
    while (tasks != NULL && (entry = readdir(tasks)) != NULL)
        count += entry->d_name[0] != '.';
    if (tasks != NULL)
        closedir(tasks);
    return count;
}

/* A plain thread, which needs no P. It does not count itself. */
static void *watcher(void *arg)
{
    int64_t *most = arg;
    while (!over) {
        int64_t now = threads_now() - 1;
        *most = now > *most ? now : *most;
        usleep(1000);
    }
    return NULL;
}

static void start_thread(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    if (pthread_create(thread, NULL, fn, arg) != 0)
        abort();
}

static void burner(void *arg)
{
    (void)arg;
    burn(rounds);
}

static void bench(void *arg)
{
    (void)arg;
    rt_waitgroup all = {0};
    late_start();
    int64_t start = rt_now();
    for (int64_t i = 0; i < size; i++)
        OK(rt_waitgroup_go(&all, burner, NULL));
    OK(rt_waitgroup_wait(&all));
    bench_report("burners_wall", (double)(rt_now() - start) / 1e6, "ms");
    late_report("burners_late", "burners_late_max");
}

int main(int argc, char **argv)
{
    pthread_t threads[2], watch;
    int64_t most = 0;
    size = bench_size(argc, argv, 1000);
    rounds = burn_rounds(20000000);

    start_thread(&watch, watcher, &most);
    OK(rt_run(bench, NULL));
    over = true;
    pthread_join(watch, NULL);
    bench_report("burners_threads", (double)most, "threads");

    int64_t start = rt_now();
    for (int i = 0; i < 2; i++)
        start_thread(&threads[i], plain, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    bench_report("burners_plain", (double)(rt_now() - start) / 1e6, "ms");
    return 0;
}
