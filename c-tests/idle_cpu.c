/*
 * An idle process uses no CPU: 1,000 goroutines sleep for twenty seconds, and for five of them nothing is used, and the
 * monitor does not wake.
 */
#include "more.h"

enum { SLEEPERS = 1000, PARKED = 100 };

static atomic_int asleep;
static rt_chan *chan;

static void sleeps(void *arg) {
    (void)arg;
    atomic_fetch_add(&asleep, 1);
    CHECK_OK(rt_sleep(20 * SECOND));
}

static void waits(void *arg) {
    (void)arg;
    atomic_fetch_add(&asleep, 1);
    rt_chan_recv(chan, NULL);
    FAIL("received what nobody sent");
}

static int64_t cpu_used(void) {
    struct rusage u;
    CHECK_EQ(getrusage(RUSAGE_SELF, &u), 0);
    return ((int64_t)u.ru_utime.tv_sec + u.ru_stime.tv_sec) * SECOND +
           ((int64_t)u.ru_utime.tv_usec + u.ru_stime.tv_usec) * US;
}

/* The text of a file below the folder of a thread. */
static void of_thread(const char *thread, const char *file, char *text, size_t size) {
    char path[300];
    snprintf(path, sizeof path, "/proc/self/task/%s/%s", thread, file);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);
    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0) close(fd);
}

/* How often the monitor has gone to sleep; -1 where that cannot be seen. */
static long sleeps_of_monitor(void) {
    static const char line[] = "\nvoluntary_ctxt_switches:";
    char text[4096];
    long n = -1;
    DIR *d = opendir("/proc/self/task");
    if (d == NULL) return -1;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        of_thread(e->d_name, "comm", text, sizeof text);
        if (strcmp(text, "gort-monitor\n") != 0) continue;
        of_thread(e->d_name, "status", text, sizeof text);
        const char *at = strstr(text, line);
        if (at != NULL) n = strtol(at + sizeof line - 1, NULL, 10);
    }
    closedir(d);
    return n;
}

int main(void) {
    chan = rt_chan_make(0, 0);
    for (int i = 0; i < SLEEPERS; i++) go(sleeps, NULL);
    /* Waits without a time must cost nothing either, on goroutines and on threads. */
    for (int i = 0; i < PARKED; i++) go(waits, NULL);
    CHECK_EQ(pthread_detach(thread_go(waits, NULL)), 0);
    EVENTUALLY(atomic_load(&asleep) == SLEEPERS + PARKED + 1);
    /* What spins before it goes to sleep may do so now, and what holds idle memory give it back. */
    thread_sleep(3 * SECOND);

    const long sleeps_before = sleeps_of_monitor();
    if (!emulated()) CHECK_OP(sleeps_before, >=, 0);
    const int64_t cpu = cpu_used(), start = now_ns();
    thread_sleep(5 * SECOND);
    const int64_t used = cpu_used() - cpu, wall = now_ns() - start;
    printf("%.3f ms of CPU in %.1f s\n", (double)used / 1e6, (double)wall / 1e9);
    CHECK_OP(used, <, wall / 100);
    const long sleeps_after = sleeps_of_monitor();
    printf("the monitor went to sleep %ld times\n", sleeps_after - sleeps_before);
    CHECK_OP(sleeps_after - sleeps_before, <=, 2);
    puts("idle_cpu: ok");
    return 0;
}
