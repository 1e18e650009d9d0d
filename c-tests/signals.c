/* Signals: the calls that handlers may make, the mask of runtime threads, and waits that a signal interrupts. */
#include "check.h"

#include <sys/time.h>

static atomic_long handled;
static atomic_bool stop;
static atomic_int running;

static void handler(int sig) {
    (void)sig;
    static _Atomic int64_t last;
    const int64_t now = rt_now();
    /* Handlers may run on several threads at once: only that time is there at all can be told. */
    if (now <= 0 || rt_goid() < 0 || rt_strerror(RT_EINVAL) == NULL || rt_version() == NULL) abort();
    atomic_store(&last, now);
    atomic_fetch_add(&handled, 1);
}

static void swaps(void *arg) {
    uint64_t v = 0;
    const int64_t id = rt_goid();
    while (!atomic_load(&stop)) {
        CHECK_OK(rt_chan_send(arg, &v));
        CHECK_OK(rt_chan_recv(arg, &v));
        CHECK_EQ(rt_goid(), id);
        CHECK_OK(rt_sleep(50 * US));
    }
    atomic_fetch_sub(&running, 1);
}

/* A plain thread's waits do not end, and sleeps are not shortened, by a signal without SA_RESTART. */
static void *interrupted(void *arg) {
    const int64_t start = now_ns();
    CHECK_OK(rt_sleep(150 * MS));
    CHECK_OP(now_ns() - start, >=, 150 * MS);
    int v = 0;
    CHECK_OK(rt_chan_recv(arg, &v));
    CHECK_EQ(v, 31);
    const int64_t from = now_ns();
    CHECK_EQ(rt_chan_recv_timeout(arg, &v, 100 * MS), RT_ETIMEDOUT);
    CHECK_OP(now_ns() - from, >=, 100 * MS);
    CHECK_EQ(rt_gopark_timeout(NULL, NULL, "signals", 50 * MS), RT_ETIMEDOUT);
    atomic_store(&running, 0);
    return NULL;
}

static void reads_mask(void *arg) {
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, arg), 0);
}

int main(void) {
    /* The starter's mask is the runtime threads' mask. */
    sigset_t set, seen;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_OK(rt_run(reads_mask, &seen));
    CHECK_EQ(sigismember(&seen, SIGUSR2), 1);
    CHECK_EQ(sigismember(&seen, SIGUSR1), 0);
    CHECK_EQ(sigismember(&seen, SIGALRM), 0);

    struct sigaction act;
    memset(&act, 0, sizeof act);
    act.sa_handler = handler;
    CHECK_EQ(sigaction(SIGALRM, &act, NULL), 0);
    CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);

    /* A process-wide timer, whose signal may fall on any thread, also on a goroutine's stack. */
    rt_chan *c = rt_chan_make(sizeof(uint64_t), 40);
    atomic_store(&running, 20);
    for (int i = 0; i < 20; i++) go(swaps, c);
    const struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    CHECK_EQ(setitimer(ITIMER_REAL, &often, NULL), 0);
    const int64_t until = now_ns() + 500 * MS;
    while (now_ns() < until) CHECK_OK(rt_sleep(MS));
    CHECK_EQ(setitimer(ITIMER_REAL, &never, NULL), 0);
    atomic_store(&stop, true);
    EVENTUALLY(atomic_load(&running) == 0);
    CHECK_OP(atomic_load(&handled), >, 10);
    rt_chan_unref(c);

    c = rt_chan_make(sizeof(int), 0);
    atomic_store(&running, 1);
    const pthread_t t = thread_start(interrupted, c);
    const int v = 31;
    bool sent = false;
    for (int i = 0; atomic_load(&running) == 1; i++) {
        CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
        thread_sleep(MS);
        if (!sent && i > 200) sent = rt_chan_try_send(c, &v) == RT_OK;
    }
    CHECK(sent);
    thread_join(t);
    rt_chan_unref(c);
    puts("signals: ok");
    return 0;
}
