/*
 * The system makes no more threads (RLIMIT_NPROC): the runtime says so in one line, loses nothing, and goes on when it may
 * make some again, whether the limit is raised or other threads end. Each case is a process of its own, with its stderr
 * caught, and a user of its own where that can be had: the limit counts all threads of a user.
 */
#include "more.h"

enum { READERS = 12 };

static atomic_int started, done;
static int pipes[READERS][2];
static bool own_user;

/* Room for so many threads of this user; the limit can be raised again. */
static void limit(rlim_t threads) {
    struct rlimit lim;
    CHECK_EQ(getrlimit(RLIMIT_NPROC, &lim), 0);
    lim.rlim_cur = threads < lim.rlim_max ? threads : lim.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &lim), 0);
}

static void lift(void) { limit(RLIM_INFINITY); }

static void *nothing(void *arg) { return arg; }

static bool can_make_thread(void) {
    pthread_t t;
    if (pthread_create(&t, NULL, nothing, NULL) != 0) return false;
    thread_join(t);
    return true;
}

/* Becomes a user that nobody else is, since root is not limited. */
static void change_user(void) {
    if (geteuid() != 0) return;
    const uid_t uid = 1500000000u + (uid_t)getpid();
    own_user = setresuid(uid, uid, uid) == 0;
}

static void is_limited(void) {
    change_user();
    limit(1);
    if (can_make_thread()) _exit(77);
    lift();
    if (!can_make_thread()) _exit(78);
}

static void reads(void *arg) {
    const int i = (int)(intptr_t)arg;
    unsigned char c = 0;
    atomic_fetch_add(&started, 1);
    CHECK_EQ(read(pipes[i][0], &c, 1), 1);
    CHECK_EQ(c, i);
    atomic_fetch_add(&done, 1);
}

static void reads_in_blocking(void *arg) { CHECK_OK(rt_blocking(reads, arg)); }

static void init(void) {
    change_user();
    const rt_config cfg = {.struct_size = sizeof cfg, .maxprocs = 2};
    CHECK_OK(rt_init(&cfg));
    for (int i = 0; i < READERS; i++) CHECK_EQ(pipe2(pipes[i], O_CLOEXEC), 0);
}

static void feed(void) {
    for (int i = 0; i < READERS; i++) {
        const unsigned char c = (unsigned char)i;
        CHECK_EQ(write(pipes[i][1], &c, 1), 1);
    }
}

static void end(int n) {
    EVENTUALLY(atomic_load(&done) == n);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_EQ(atomic_load(&done), n);
    CHECK_OK(rt_stop(RT_FOREVER));
}

static void wakes(void *arg) {
    CHECK_OK(rt_sleep(MS));
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* Threads that there are get stuck, and no more can be made until the limit is raised. */
static void refused_later(rt_fn reader) {
    init();
    int64_t id = 0;
    /* The first worker is there before the limit is. */
    EVENTUALLY((id = thread_count()) >= 3);
    limit(1);
    for (intptr_t i = 0; i < READERS; i++) go(reader, (void *)i);
    /* All the while spawns answer as always, and timers are kept. */
    static atomic_int woken;
    for (int i = 0; i < 10; i++) go(wakes, &woken);
    thread_sleep(200 * MS);
    CHECK_OP(atomic_load(&started), <, READERS);
    CHECK_OP(thread_count(), <=, id);
    lift();
    EVENTUALLY(atomic_load(&started) == READERS);
    EVENTUALLY(atomic_load(&woken) == 10);
    CHECK_EQ(atomic_load(&done), 0);
    feed();
    end(READERS);
}

static void in_reads(void) { refused_later(reads); }
static void in_blocking(void) { refused_later(reads_in_blocking); }

/* The same, but what was stuck ends, and the limit stays. */
static void limit_stays(void) {
    init();
    EVENTUALLY(thread_count() >= 3);
    limit(1);
    for (intptr_t i = 0; i < READERS; i++) go(reads, (void *)i);
    thread_sleep(100 * MS);
    feed();
    end(READERS);
}

/* Not one worker: what is spawned waits for it. */
static void no_worker(void) {
    change_user();
    if (!own_user) _exit(77);
    limit(2);
    const rt_config cfg = {.struct_size = sizeof cfg, .maxprocs = 2};
    CHECK_OK(rt_init(&cfg));
    static atomic_int woken;
    for (int i = 0; i < 10; i++) go(wakes, &woken);
    thread_sleep(100 * MS);
    CHECK_EQ(thread_count(), 2);
    CHECK_EQ(atomic_load(&woken), 0);
    CHECK_EQ(rt_num_goroutine(), 10);
    lift();
    EVENTUALLY(atomic_load(&woken) == 10);
    end(0);
}

static atomic_bool enough;

static void *stays(void *arg) {
    while (!atomic_load(&enough)) thread_sleep(MS);
    return arg;
}

/* The limit stays, but threads of the program's end. */
static void others_end(void) {
    change_user();
    if (!own_user) _exit(77);
    enum { OTHERS = 3 };
    pthread_t others[OTHERS];
    for (int i = 0; i < OTHERS; i++) others[i] = thread_start(stays, NULL);
    limit(OTHERS + 2);
    const rt_config cfg = {.struct_size = sizeof cfg, .maxprocs = 2};
    CHECK_OK(rt_init(&cfg));
    static atomic_int woken;
    for (int i = 0; i < 10; i++) go(wakes, &woken);
    thread_sleep(50 * MS);
    CHECK_EQ(atomic_load(&woken), 0);
    atomic_store(&enough, true);
    for (int i = 0; i < OTHERS; i++) thread_join(others[i]);
    EVENTUALLY(atomic_load(&woken) == 10);
    end(0);
}

/* Not even the monitor: that is an error, and nothing is left of it. */
static void nothing_at_all(void) {
    change_user();
    limit(1);
    const rt_config cfg = {.struct_size = sizeof cfg, .maxprocs = 2};
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(rt_init(&cfg), RT_ENOMEM);
        CHECK_EQ(rt_go(wakes, NULL), RT_ENOMEM);
        CHECK_EQ(rt_num_goroutine(), 0);
        CHECK(rt_timer_new(1) == NULL);
        CHECK_EQ(thread_count(), 1);
    }
    rt_stats s = {.struct_size = sizeof s};
    CHECK_OK(rt_stats_read(&s));
    CHECK_EQ(s.stack_bytes_reserved, 0);
    lift();
    CHECK_OK(rt_init(&cfg));
    static atomic_int woken;
    for (int i = 0; i < 10; i++) go(wakes, &woken);
    EVENTUALLY(atomic_load(&woken) == 10);
    end(0);
}

static void run(const char *name, void (*fn)(void), int least, int most) {
    static char text[64 * 1024];
    const int status = capture(fn, text, sizeof text);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        printf("%s: skipped, not without a user of its own\n", name);
        return;
    }
    if (status != 0) FAIL("%s: status %#x:\n%s", name, status, text);
    int lines = 0, about = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) lines++;
    for (const char *at = text; (at = strstr(at, "gort: no thread could be made (")) != NULL; at++) about++;
    if (lines != about || about < least || about > most)
        FAIL("%s: %d lines, %d about threads, want %d to %d:\n%s", name, lines, about, least, most, text);
}

#define LINES(fn, least, most) run(#fn, fn, least, most)

int main(void) {
    if (sanitized() || emulated()) SKIP("sanitizers and emulators have threads of their own");
    const int status = in_child(is_limited);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) SKIP("RLIMIT_NPROC does not bind here");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 78) SKIP("RLIMIT_NPROC cannot be raised again here");
    CHECK_EQ(status, 0);
    LINES(in_reads, 1, 1);
    LINES(in_blocking, 1, 1);
    /* Whether it wants a thread before what is stuck ends is a matter of luck. */
    LINES(limit_stays, 0, 1);
    LINES(no_worker, 1, 1);
    LINES(others_end, 1, 1);
    LINES(nothing_at_all, 0, 0);
    puts("nproc: ok");
    return 0;
}
