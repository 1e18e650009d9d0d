/*
 * rt_config.max_threads: the runtime makes no more threads, says so in one line when it wants to, loses nothing, and goes
 * on when threads come free. Each case is a process of its own, with its stderr caught.
 */
#include "more.h"

enum { LIMIT = 4, MOST = 64 };

static atomic_int started, done;
static atomic_bool stop;
static int pipes[MOST][2];
static int most_threads;

static void init(uint32_t max_threads) {
    const rt_config cfg = {.struct_size = sizeof cfg, .maxprocs = 2, .max_threads = max_threads};
    CHECK_OK(rt_init(&cfg));
    CHECK_EQ(rt_maxprocs(0), 2);
}

/* Without this one. */
static void look(int max_threads) {
    rt_stats s = {.struct_size = sizeof s};
    CHECK_OK(rt_stats_read(&s));
    CHECK_OP(s.threads, <=, max_threads);
    /* A sanitizer and an emulator have threads of their own. */
    if (sanitized() || emulated()) return;
    const int now = thread_count() - 1;
    if (now > most_threads) most_threads = now;
    CHECK_OP(now, <=, max_threads);
}

static void end(int n, int max_threads) {
    const int64_t until = now_ns() + 50 * SECOND;
    while (atomic_load(&done) < n) {
        look(max_threads);
        if (now_ns() > until) FAIL("only %d of %d have ended, %d started", atomic_load(&done), n, atomic_load(&started));
        thread_sleep(MS);
    }
    CHECK_EQ(atomic_load(&done), n);
    atomic_store(&stop, true);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_OK(rt_stop(RT_FOREVER));
}

static void open_pipes(int n) {
    for (int i = 0; i < n; i++) CHECK_EQ(pipe2(pipes[i], O_CLOEXEC), 0);
}

static void feed_pipes(int n) {
    for (int i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)i;
        CHECK_EQ(write(pipes[i][1], &c, 1), 1);
    }
}

static void reads(void *arg) {
    const int i = (int)(intptr_t)arg;
    unsigned char c = 0;
    atomic_fetch_add(&started, 1);
    CHECK_EQ(read(pipes[i][0], &c, 1), 1);
    CHECK_EQ(c, i);
    atomic_fetch_add(&done, 1);
}

static void reads_announced(void *arg) {
    rt_entersyscall();
    reads(arg);
    rt_exitsyscall();
}

static void reads_in_blocking(void *arg) { CHECK_OK(rt_blocking(reads, arg)); }

/* More readers than threads: all threads come to be stuck in them, until this one writes. */
static void stuck(rt_fn fn) {
    enum { N = 20 };
    init(LIMIT);
    open_pipes(N);
    for (intptr_t i = 0; i < N; i++) go(fn, (void *)i);
    EVENTUALLY(atomic_load(&started) >= 2);
    /* Time to find out that there are no more. */
    for (int i = 0; i < 300; i++) {
        look(LIMIT);
        thread_sleep(MS);
    }
    /* One of the threads is the monitor, and each of the others can be in one call. */
    CHECK_OP(atomic_load(&started), <, LIMIT);
    CHECK_EQ(atomic_load(&done), 0);
    /* A spawn works as always, and waits. */
    feed_pipes(N);
    end(N, LIMIT);
}

static void in_reads(void) { stuck(reads); }
static void in_announced_reads(void) { stuck(reads_announced); }
static void in_blocking_reads(void) { stuck(reads_in_blocking); }

/* Threads come free all the time; channels, timers and sleeps beside them. */
static rt_chan *items;
static atomic_long sent, received;

static void sends(void *arg) {
    (void)arg;
    for (int i = 1; i <= 5; i++) {
        thread_sleep(5 * MS);
        CHECK_OK(rt_chan_send(items, &i));
        atomic_fetch_add(&sent, i);
        CHECK_OK(rt_sleep(200 * US));
    }
    atomic_fetch_add(&done, 1);
}

static void receives(void *arg) {
    (void)arg;
    int v = 0;
    for (int i = 0; i < 5; i++) {
        CHECK_OK(rt_chan_recv(items, &v));
        atomic_fetch_add(&received, v);
        thread_sleep(MS);
    }
    atomic_fetch_add(&done, 1);
}

static void sleeps(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) CHECK_OK(rt_sleep(MS));
}

static void fires(void *arg) {
    (void)arg;
    atomic_fetch_add(&done, 1);
}

static void mixed(int max_threads) {
    enum { PAIRS = 15, TIMERS = 10 };
    init(max_threads);
    items = rt_chan_make(sizeof(int), 1);
    go(sleeps, NULL);
    rt_timer *timers[TIMERS];
    for (int i = 0; i < TIMERS; i++) timers[i] = rt_after_func((i + 1) * 5 * MS, fires, NULL);
    for (int i = 0; i < PAIRS; i++) {
        go(sends, NULL);
        go(receives, NULL);
    }
    end(2 * PAIRS + TIMERS, max_threads);
    CHECK_EQ(atomic_load(&sent), PAIRS * 15);
    CHECK_EQ(atomic_load(&received), PAIRS * 15);
    for (int i = 0; i < TIMERS; i++) rt_timer_free(timers[i]);
    rt_chan_unref(items);
}

static void mixed_at_limit(void) { mixed(LIMIT); }
/* The fewest there can be: the monitor and one more. */
static void mixed_at_least(void) { mixed(2); }

static void computes(void *arg) {
    (void)arg;
    for (const int64_t until = now_ns() + 30 * MS; now_ns() < until;) {
    }
    atomic_fetch_add(&done, 1);
}

static void hogs(void) {
    init(LIMIT);
    go(sleeps, NULL);
    for (int i = 0; i < 10; i++) go(computes, NULL);
    end(10, LIMIT);
}

/* Enough threads for all: nothing is said. */
static void enough(void) {
    enum { N = 8 };
    init(N + 8);
    open_pipes(N);
    for (intptr_t i = 0; i < N; i++) go(reads, (void *)i);
    EVENTUALLY(atomic_load(&started) == N);
    feed_pipes(N);
    end(N, N + 8);
}

static char text[64 * 1024];

/* Lines that say something about threads. */
static int run(const char *name, void (*fn)(void)) {
    const int status = capture(fn, text, sizeof text);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        FAIL("%s: %s %d:\n%s", name, WIFEXITED(status) ? "exit code" : "signal",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), text);
    int lines = 0, about = 0;
    for (char *at = text, *next; *at != '\0'; at = next) {
        char *const newline = strchr(at, '\n');
        next = newline != NULL ? newline + 1 : at + strlen(at);
        if (newline != NULL) *newline = '\0';
        lines++;
        about += strcasestr(at, "thread") != NULL;
        printf("%s says: %s\n", name, at);
    }
    if (!sanitized() && lines != about) FAIL("%s: %d lines on stderr, %d about threads", name, lines, about);
    return about;
}

#define LINES(fn) run(#fn, fn)

int main(void) {
    CHECK_EQ(LINES(in_reads), 1);
    CHECK_EQ(LINES(in_announced_reads), 1);
    CHECK_EQ(LINES(in_blocking_reads), 1);
    /* Whether these meet the limit is a matter of luck. */
    CHECK_OP(LINES(mixed_at_limit), <=, 1);
    CHECK_OP(LINES(mixed_at_least), <=, 1);
    CHECK_OP(LINES(hogs), <=, 1);
    CHECK_EQ(LINES(enough), 0);
    puts("max_threads: ok");
    return 0;
}
