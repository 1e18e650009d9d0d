/*
 * The library as a guest: SIGPIPE never reaches the host, also where the host handles it; descriptors of the library are made
 * when they are needed, closed on exec and in a forked child; the parent goes on; a stop waits for who waits; a goroutine that
 * waits for a descriptor is no deadlock; who is idle uses no CPU and has no wake-ups.
 */
#include "net.h"

static atomic_int pipes_seen;

static void on_pipe(int sig) {
    (void)sig;
    atomic_fetch_add(&pipes_seen, 1);
}

static void breaks(void *arg) {
    (void)arg;
    for (int k = 0; k < PAIRS; k++) {
        int fds[2];
        if (k == UNIX_DGRAM || !make_pair(k, fds)) continue;
        CHECK_EQ(close(fds[0]), 0);
        struct iovec v[2] = {{(char[]){'a'}, 1}, {(char[]){'b'}, 1}};
        for (int i = 0; i < 20; i++) {
            const ssize_t r = i % 2 ? rt_write(fds[1], "x", 1) : rt_writev(fds[1], v, 2);
            CHECK(r > 0 || r == RT_ECLOSED || r == -ECONNRESET);
            if (k != PIPE) CHECK_OP(rt_send(fds[1], "x", 1, 0), <=, 1);
        }
        CHECK_OK(rt_close(fds[1]));
    }
}

static void sigpipe(void) {
    struct sigaction sa = {.sa_handler = on_pipe};
    CHECK_EQ(sigaction(SIGPIPE, &sa, NULL), 0);
    everywhere(breaks, NULL);
    CHECK_EQ(atomic_load(&pipes_seen), 0);
    /* One that is the host's own still comes, and one that is blocked and pending stays so. */
    CHECK_EQ(raise(SIGPIPE), 0);
    CHECK_EQ(atomic_load(&pipes_seen), 1);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, &old), 0);
    CHECK_EQ(raise(SIGPIPE), 0);
    breaks(NULL);
    sigset_t pending;
    CHECK_EQ(sigpending(&pending), 0);
    CHECK(sigismember(&pending, SIGPIPE));
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
    CHECK_EQ(atomic_load(&pipes_seen), 2);
}

/* The default action would end the process. */
static void sigpipe_default(void) {
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    everywhere(breaks, NULL);
}

/* --- what the library has open --- */

static int count_of(const char *what) {
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    CHECK(d != NULL);
    const struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        char path[300], target[300];
        snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
        const ssize_t len = readlink(path, target, sizeof target - 1);
        if (len < 0) continue;
        target[len] = '\0';
        if (strstr(target, what) == NULL) continue;
        n++;
        CHECK_EQ(fcntl(atoi(e->d_name), F_GETFD), FD_CLOEXEC);
    }
    closedir(d);
    return n;
}

static void nothing(void *arg) { (void)arg; }

struct waiting {
    int fd;
    atomic_int result;
};

static void waits(void *arg) {
    struct waiting *w = arg;
    char c;
    atomic_store(&w->result, 100 + (int)rt_read(w->fd, &c, 1));
}

static void descriptors_and_fork(void) {
    CHECK_OK(rt_run(nothing, NULL));
    int fds[2], n[2];
    CHECK(make_pair(PIPE, fds));
    CHECK_EQ(rt_write(fds[1], "x", 1), 1);
    char c;
    CHECK_EQ(rt_read(fds[0], &c, 1), 1);
    /* Nobody has waited. */
    CHECK_EQ(count_of("eventpoll"), 0);
    CHECK_EQ(count_of("eventfd"), 0);
    struct waiting w = {fds[0], 0};
    go(waits, &w);
    EVENTUALLY(waited_on() == 1);
    CHECK_EQ(count_of("eventpoll"), 1);
    CHECK_EQ(count_of("eventfd"), 1);
    for (int i = 0; i < 3; i++) {
        fflush(NULL);
        const pid_t pid = fork();
        CHECK_OP(pid, >=, 0);
        if (pid == 0) {
            alarm(60);
            CHECK_EQ(count_of("eventpoll"), 0);
            CHECK_EQ(count_of("eventfd"), 0);
            CHECK_EQ(waited_on(), 0);
            /* A poller of its own, also for what the parent waits for. */
            CHECK(make_pair(UNIX_STREAM, n));
            struct waiting own = {n[0], 0};
            go(waits, &own);
            EVENTUALLY(waited_on() == 1);
            CHECK_EQ(rt_write(n[1], "x", 1), 1);
            EVENTUALLY(atomic_load(&own.result) == 101);
            CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ, 2 * MS), RT_ETIMEDOUT);
            CHECK_OK(rt_close(fds[0]));
            CHECK_OK(rt_close(fds[1]));
            CHECK_OK(rt_stop(60 * SECOND));
            _exit(0);
        }
        int status = 0;
        while (waitpid(pid, &status, 0) < 0) CHECK_EQ(errno, EINTR);
        CHECK_EQ(status, 0);
        CHECK_EQ(atomic_load(&w.result), 0);
    }
    /* The parent's registration has outlived the child's closes. */
    CHECK_EQ(write(fds[1], "x", 1), 1);
    EVENTUALLY(atomic_load(&w.result) == 101);
    close_pair(fds);
}

/* --- stop --- */

static void stops(void) {
    for (int i = 0; i < 20; i++) {
        int fds[2];
        CHECK(make_pair(i % PAIRS == UNIX_DGRAM ? PIPE : i % PAIRS, fds));
        struct waiting w = {fds[0], 0}, t = {fds[0], 0};
        go(waits, &w);
        EVENTUALLY(waited_on() == 1);
        CHECK_EQ(rt_stop(2 * MS), RT_ETIMEDOUT);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        EVENTUALLY(atomic_load(&w.result) == 101);
        const pthread_t thread = thread_go(waits, &t);
        EVENTUALLY(waited_on() == 1);
        CHECK_EQ(rt_stop(2 * MS), RT_ETIMEDOUT);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        thread_join(thread);
        CHECK_OK(rt_stop(60 * SECOND));
        /* And a fresh start, with the same descriptors. */
        struct waiting again = {fds[0], 0};
        const pthread_t other = thread_go(waits, &again);
        EVENTUALLY(waited_on() == 1);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        thread_join(other);
        CHECK_EQ(atomic_load(&again.result), 101);
        close_pair(fds);
    }
    CHECK_OK(rt_stop(60 * SECOND));
}

/* --- no deadlock: news may come from outside --- */

static void reads_one(void *arg) {
    int *fds = arg;
    char c;
    CHECK_EQ(rt_read(fds[0], &c, 1), 1);
}

static void no_deadlock(void) {
    int fds[2];
    CHECK(make_pair(PIPE, fds));
    fflush(NULL);
    const pid_t pid = fork();
    CHECK_OP(pid, >=, 0);
    if (pid == 0) {
        thread_sleep(300 * MS);
        _exit(write(fds[1], "x", 1) == 1 ? 0 : 1);
    }
    CHECK_OK(rt_run(reads_one, fds));
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) CHECK_EQ(errno, EINTR);
    CHECK_EQ(status, 0);
    close_pair(fds);
}

/* --- idle --- */

static long switches_of(const char *tid) {
    char path[320], line[200];
    snprintf(path, sizeof path, "/proc/self/task/%s/status", tid);
    FILE *f = fopen(path, "r");
    long n = 0, v;
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "voluntary_ctxt_switches: %ld", &v) == 1) n = v;
    if (f != NULL) fclose(f);
    return n;
}

/* Times that threads other than this one went to sleep. */
static long all_switches(void) {
    long n = 0;
    DIR *d = opendir("/proc/self/task");
    CHECK(d != NULL);
    const struct dirent *e;
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.' && atoi(e->d_name) != own_tid()) n += switches_of(e->d_name);
    closedir(d);
    return n;
}

static void idle(void) {
    enum { N = 50 };
    int fds[N][2];
    struct waiting w[N];
    for (int i = 0; i < N; i++) {
        CHECK(make_pair(UNIX_STREAM, fds[i]));
        w[i].fd = fds[i][0];
        atomic_store(&w[i].result, 0);
        go(waits, &w[i]);
    }
    EVENTUALLY(waited_on() == N);
    /* A wait's own look after 10 ms, and the walks of the monitor that give idle memory back, which take up to two seconds. */
    thread_sleep(2200 * MS);
    const long before = all_switches();
    thread_sleep(SECOND);
    CHECK_EQ(all_switches() - before, 0);
    for (int i = 0; i < N; i++) CHECK_EQ(write(fds[i][1], "x", 1), 1);
    for (int i = 0; i < N; i++) {
        EVENTUALLY(atomic_load(&w[i].result) == 101);
        close_pair(fds[i]);
    }
}

int main(void) {
    CHECK_CHILD(sigpipe);
    CHECK_CHILD(sigpipe_default);
    CHECK_CHILD(stops);
    CHECK_CHILD(no_deadlock);
    if (!emulated() && !sanitized()) {
        CHECK_CHILD(descriptors_and_fork);
        CHECK_CHILD(idle);
    }
    puts("net_host: ok");
    return 0;
}
