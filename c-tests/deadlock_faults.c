/*
 * A deadlock is found and told of whatever fails: rt_run answers RT_EDEADLK, or RT_ENOMEM where it was refused. For walk.c;
 * without GORT_FAIL nothing fails.
 */
#include "check.h"

#include <sys/time.h>

extern int gort_fail(const char *rules) __attribute__((weak));
extern uint64_t gort_failed(void) __attribute__((weak));

static rt_chan *never;

static void waits_for_ever(void *arg) {
    (void)arg;
    CHECK_EQ(rt_chan_recv(never, NULL), RT_ECLOSED);
}

/* What cannot go on without a thread goes on when there is one again. A thread that does so would be one that could act. */
static void lift(int signo) {
    (void)signo;
    if (gort_failed != NULL && gort_failed() > 0) gort_fail(NULL);
}

/* The goroutine is told of, on stderr, which is a file meanwhile. */
static void told(int times) {
    static char text[64 * 1024];
    const ssize_t n = pread(2, text, sizeof text - 1, 0);
    CHECK_OP(n, >=, 0);
    text[n] = '\0';
    int headers = 0, waits = 0;
    for (const char *at = text; (at = strstr(at, "all goroutines are asleep - deadlock!")) != NULL; at++) headers++;
    for (const char *at = text; (at = strstr(at, "[chan receive")) != NULL; at++) waits++;
    if (headers != times || waits < times) {
        printf("%d of %d deadlocks told, %d goroutines:\n%s\n", headers, times, waits, text);
        exit(1);
    }
}

int main(void) {
    FILE *out = tmpfile();
    CHECK(out != NULL);
    CHECK_EQ(dup2(fileno(out), 2), 2);
    const struct sigaction act = {.sa_handler = lift, .sa_flags = SA_RESTART};
    CHECK_EQ(sigaction(SIGALRM, &act, NULL), 0);
    const struct itimerval every = {{0, 100 * 1000}, {0, 100 * 1000}};
    CHECK_EQ(setitimer(ITIMER_REAL, &every, NULL), 0);

    int found = 0;
    never = rt_chan_make(0, 0);
    if (never != NULL) {
        const int r = rt_run(waits_for_ever, NULL);
        if (r != RT_ENOMEM) CHECK_EQ(r, RT_EDEADLK);
        found += r == RT_EDEADLK;
    }
    told(found);
    const uint64_t faults = gort_failed != NULL ? gort_failed() : 0;
    CHECK(faults > 0 || found == 1);
    if (gort_fail != NULL) CHECK_OK(gort_fail(NULL));
    if (never == NULL) never = rt_chan_make(0, 0);
    CHECK_EQ(rt_run(waits_for_ever, NULL), RT_EDEADLK);
    told(found + 1);
    CHECK_OK(rt_chan_close(never));
    while (rt_num_goroutine() > 0) thread_sleep(MS);
    CHECK_OK(rt_stop(RT_FOREVER));
    rt_chan_unref(never);
    printf("deadlock_faults: ok, %" PRIu64 " faults\n", faults);
    return 0;
}
