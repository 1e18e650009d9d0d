/*
 * Many goroutines that each compute for longer than a slice: few threads, little lost time, a sleeper in time beside them;
 * also when all become ready at once, and when those that compute wait for one that has not started yet.
 *
 * GORT_BURNERS says how many; 1,000 is the figure of interest and takes ten seconds of two processors.
 */
#include "late.h"

#include <math.h>

enum { BURN = 20 };

static int procs;
static rt_waitgroup wg;

static int burners(int n) { return timed() ? (int)env_u64("GORT_BURNERS", (uint64_t)n) : n / 8; }

/* So much of the processor, by the clock of the thread: others on the machine do not shorten the work. */
static int64_t cpu_ns(void) {
    struct timespec t;
    CHECK_EQ(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static void burns(void *arg) {
    (void)arg;
    /* One thread for all of it, as nothing here enters the runtime. */
    for (const int64_t until = cpu_ns() + BURN * MS; cpu_ns() < until;)
        for (int i = 0; i < 50000; i++) __asm__ volatile("" ::: "memory");
}

/* What so many plain threads as there are Ps need for n of them. */
static atomic_int left;

static void *burns_thread(void *arg) {
    while (atomic_fetch_sub(&left, 1) > 0) burns(arg);
    return NULL;
}

static int64_t plain(int n) {
    enum { THREADS = 64 };
    pthread_t t[THREADS];
    const int threads = procs < THREADS ? procs : THREADS;
    atomic_store(&left, n);
    const int64_t start = now_ns();
    for (int i = 0; i < threads; i++) t[i] = thread_start(burns_thread, NULL);
    for (int i = 0; i < threads; i++) thread_join(t[i]);
    return now_ns() - start;
}

/* How much longer plain threads need than alone on the machine: others have the processors. */
static double slowness(void) {
    const int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), at_once = procs < cpus ? procs : cpus;
    return (double)plain(4 * at_once) / (double)(4 * BURN * MS);
}

/* Threads of the process while others work: looked at by this one, which is one of them. */
static int most_threads;

static void watch(atomic_int *done, int n) {
    const int64_t until = now_ns() + 120 * SECOND;
    while (atomic_load(done) < n) {
        const int now = thread_count();
        if (now > most_threads) most_threads = now;
        if (now_ns() > until) FAIL("only %d of %d have ended after two minutes", atomic_load(done), n);
        thread_sleep(MS);
    }
}

/*
 * The promise is 16 with as many Ps as this machine has processors; each P more may have two threads more. It is for a machine
 * that does nothing else. Where others have the processors, burners come back later, and the valve of the scheduler lets more go
 * meanwhile: one in 10 ms for each 2 x processors that burn (VALVE and crowd in src/sched). With B burners and L others on c
 * processors one comes back in BURN * (B + L) / (c * B) ms. Both are the same for B = 2 + sqrt(4 + 4 * L); plain threads are
 * (c + L) / c times as slow then.
 */
static double slower;

static void check_threads(void) {
    const double others = fmax(slower - 1, 0) * (double)sysconf(_SC_NPROCESSORS_ONLN);
    const int more = (int)(sqrt(4 + 4 * others) - 2);
    printf("  %d threads at most, on a machine %.1f times as slow\n", most_threads, slower);
    if (timed()) CHECK_OP(most_threads, <=, 16 + (procs > 2 ? 2 * (procs - 2) : 0) + more);
    most_threads = 0;
}

static atomic_int done;

static void burns_and_counts(void *arg) {
    burns(arg);
    atomic_fetch_add(&done, 1);
}

static void watched_begin(void) {
    slower = slowness();
    atomic_store(&done, 0);
    atomic_store(&stop, false);
    late.n = 0;
    CHECK_OP(rt_waitgroup_go(&wg, sleeps, &late), >, 0);
}

static int64_t ended;

static bool watched_end(int n) {
    watch(&done, n);
    ended = now_ns();
    atomic_store(&stop, true);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(atomic_load(&done), n);
    slower = fmax(slower, slowness());
    check_threads();
    /* There are more that burn than Ps: the promise of 20 ms is for the usual case here. */
    return late_keeps("  a sleeper beside them", &late, 20 * MS, 50 * MS);
}

static bool many(void) {
    const int n = burners(150), part = (n + 2) / 3;
    const int64_t before = plain(part);
    watched_begin();
    const int64_t start = now_ns();
    for (int i = 0; i < n; i++) CHECK_OP(rt_waitgroup_go(&wg, burns_and_counts, NULL), >, 0);
    const bool good = watched_end(n);
    const int64_t took = ended - start;
    /* Before and after, as the machine may have become busier or less so. */
    const int64_t both = before + plain(part);
    const double ratio = (double)took / ((double)both * n / (2 * part));
    printf("%d burners: %.0f ms, %.2f of what plain threads need\n", n, (double)took / 1e6, ratio);
    return good && (!timed() || ratio < 1.3);
}

/* --- all made ready by one close --- */

static rt_chan *gate;
static atomic_int waiting;

static void waits_and_burns(void *arg) {
    atomic_fetch_add(&waiting, 1);
    CHECK_EQ(rt_chan_recv(gate, NULL), RT_ECLOSED);
    burns_and_counts(arg);
}

static bool woken(void) {
    const int n = burners(100);
    gate = rt_chan_make(0, 0);
    atomic_store(&waiting, 0);
    for (int i = 0; i < n; i++) CHECK_OP(rt_waitgroup_go(&wg, waits_and_burns, NULL), >, 0);
    EVENTUALLY(atomic_load(&waiting) == n);
    watched_begin();
    const int64_t start = now_ns();
    CHECK_OK(rt_chan_close(gate));
    const bool good = watched_end(n);
    printf("%d burners woken by one close: %.0f ms\n", n, (double)(ended - start) / 1e6);
    rt_chan_unref(gate);
    return good;
}

/* --- burners that wait for one that has yet to run --- */

static atomic_bool flag;

static void spins(void *arg) {
    (void)arg;
    atomic_fetch_add(&waiting, 1);
    while (!atomic_load_explicit(&flag, memory_order_relaxed)) {
    }
    atomic_fetch_add(&done, 1);
}

static void sets(void *arg) {
    (void)arg;
    atomic_store(&flag, true);
    atomic_fetch_add(&done, 1);
}

static void receives_and_sets(void *arg) {
    CHECK_OK(rt_chan_recv(gate, NULL));
    sets(arg);
}

static void sleeps_and_sets(void *arg) {
    CHECK_OK(rt_sleep(30 * MS));
    sets(arg);
}

static void spawns_and_sets(void *arg) {
    (void)arg;
    CHECK_OP(rt_waitgroup_go(&wg, sets, NULL), >, 0);
}

static void spinners(const char *what, rt_fn setter, bool first) {
    enum { SPINNERS = 10 };
    gate = rt_chan_make(0, 1);
    atomic_store(&flag, false);
    atomic_store(&done, 0);
    atomic_store(&waiting, 0);
    const int64_t start = now_ns();
    if (first) {
        CHECK_OP(rt_waitgroup_go(&wg, setter, NULL), >, 0);
        thread_sleep(5 * MS);
    }
    for (int i = 0; i < SPINNERS; i++) CHECK_OP(rt_waitgroup_go(&wg, spins, NULL), >, 0);
    if (!first) CHECK_OP(rt_waitgroup_go(&wg, setter, NULL), >, 0);
    EVENTUALLY(atomic_load(&waiting) >= procs || atomic_load(&waiting) == SPINNERS);
    CHECK_OK(rt_chan_send(gate, NULL));
    CHECK_OK(rt_waitgroup_wait(&wg));
    const int64_t took = now_ns() - start;
    CHECK_EQ(atomic_load(&done), SPINNERS + 1);
    printf("%d spinners and a setter that %s: %.0f ms\n", SPINNERS, what, (double)took / 1e6);
    if (timed()) CHECK_OP(took, <, 10 * SECOND);
    rt_chan_unref(gate);
}

static void nothing(void *arg) { (void)arg; }

int main(void) {
    /* What was measured is seen also of a test that hangs. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    CHECK_OK(rt_run(nothing, NULL));
    procs = rt_maxprocs(0);
    IN_THREE(many());
    IN_THREE(woken());
    spinners("is spawned last", sets, false);
    spinners("is spawned by the last", spawns_and_sets, false);
    spinners("is sent to", receives_and_sets, true);
    spinners("sleeps", sleeps_and_sets, true);
    EVENTUALLY(rt_num_goroutine() == 0);
    puts("burners: ok");
    return 0;
}
