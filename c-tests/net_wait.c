/*
 * Readiness: rt_fd_wait is level-triggered, any number may wait, deadlines and timeouts end waits, close and forget cancel
 * them, rt_poll is poll. On goroutines and threads.
 */
#include "net.h"

/* --- level: asked again and again --- */

static void level(void *arg) {
    (void)arg;
    for (int k = 0; k < PAIRS; k++) {
        int fds[2];
        if (!make_pair(k, fds)) continue;
        char c;
        CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ, RT_NOWAIT), RT_EAGAIN);
        CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ, -1), RT_ETIMEDOUT);
        const int64_t start = now_ns();
        CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ, 5 * MS), RT_ETIMEDOUT);
        CHECK_OP(now_ns() - start, >=, 5 * MS);
        CHECK_EQ(rt_fd_wait(fds[1], RT_POLL_WRITE, RT_FOREVER), RT_POLL_WRITE);
        CHECK_EQ(rt_write(fds[1], "ab", 2), 2);
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ, RT_FOREVER), RT_POLL_READ);
            CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ, RT_NOWAIT), RT_POLL_READ);
            CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ, -5), RT_POLL_READ);
        }
        if (k != PIPE) CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ | RT_POLL_WRITE, MS), RT_POLL_READ | RT_POLL_WRITE);
        CHECK_OP(rt_read(fds[0], &c, 1), ==, 1);
        if (is_stream(k)) {
            /* What is left is still there. */
            CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ, RT_FOREVER), RT_POLL_READ);
            CHECK_EQ(rt_read(fds[0], &c, 1), 1);
            CHECK_EQ(c, 'b');
        }
        CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ, RT_NOWAIT), RT_EAGAIN);
        CHECK_EQ(rt_fd_wait(fds[0], 0, MS), RT_EINVAL);
        CHECK_EQ(rt_fd_wait(fds[0], 4, MS), RT_EINVAL);
        CHECK_EQ(rt_fd_wait(fds[0], -1, MS), RT_EINVAL);
        CHECK_OK(rt_close(fds[1]));
        if (is_stream(k)) CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ, RT_FOREVER), RT_POLL_READ);
        CHECK_OK(rt_close(fds[0]));
    }
}

/* --- many wait: one event wakes them all --- */

enum { WAITERS = 20, MOST_THREADS = 3 };

struct many {
    int fd;
    atomic_int begun, woken, result, threads;
    _Atomic pid_t tids[MOST_THREADS];
};

static void waits(void *arg) {
    struct many *m = arg;
    if (rt_goid() == 0) atomic_store(&m->tids[atomic_fetch_add(&m->threads, 1)], own_tid());
    atomic_fetch_add(&m->begun, 1);
    const int r = rt_fd_wait(m->fd, RT_POLL_READ, RT_FOREVER);
    atomic_store(&m->result, r);
    atomic_fetch_add(&m->woken, 1);
}

static void reads_one(void *arg) {
    struct many *m = arg;
    char c;
    atomic_fetch_add(&m->begun, 1);
    CHECK_EQ(rt_read(m->fd, &c, 1), 1);
    atomic_fetch_add(&m->woken, 1);
}

/* How many goroutines wait for a descriptor, as a dump says. */
static int in_io_wait(void) {
    int count = 0;
    for (const char *at = dump_text(); (at = strstr(at, "[IO wait")) != NULL; at++) count++;
    return count;
}

static bool all_asleep(struct many *m, int n_threads) {
    for (int i = 0; i < n_threads; i++)
        if (atomic_load(&m->tids[i]) == 0 || !is_asleep(atomic_load(&m->tids[i]))) return false;
    return true;
}

/* All of them wait when it returns: one that came only after a close or a forget would be told of neither. */
static void start_waiters(struct many *m, rt_fn fn, pthread_t *threads, int n_threads) {
    atomic_store(&m->woken, 0);
    atomic_store(&m->begun, 0);
    atomic_store(&m->threads, 0);
    for (int i = 0; i < MOST_THREADS; i++) atomic_store(&m->tids[i], 0);
    for (int i = 0; i < WAITERS; i++) go(fn, m);
    for (int i = 0; i < n_threads; i++) threads[i] = thread_go(waits, m);
    /* A dump is dear under valgrind: as a rule one is enough then. */
    EVENTUALLY(atomic_load(&m->begun) == WAITERS + n_threads);
    thread_sleep(20 * MS);
    EVENTUALLY(in_io_wait() == WAITERS && all_asleep(m, n_threads));
    CHECK_EQ(waited_on(), 1);
    CHECK_EQ(atomic_load(&m->woken), 0);
}

static void all_woken(void) {
    for (int k = 0; k < PAIRS; k++) {
        int fds[2];
        pthread_t t[MOST_THREADS];
        struct many m;
        if (!make_pair(k, fds)) continue;
        m.fd = fds[0];
        start_waiters(&m, waits, t, MOST_THREADS);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        EVENTUALLY(atomic_load(&m.woken) == WAITERS + MOST_THREADS);
        CHECK_EQ(atomic_load(&m.result), RT_POLL_READ);
        for (int i = 0; i < MOST_THREADS; i++) thread_join(t[i]);
        char c;
        CHECK_EQ(rt_read(fds[0], &c, 1), 1);
        /* Readers of one byte each, and as many bytes in one write: nobody is left behind. */
        if (is_stream(k)) {
            char bytes[WAITERS] = {0};
            start_waiters(&m, reads_one, NULL, 0);
            CHECK_EQ(write(fds[1], bytes, sizeof bytes), WAITERS);
            EVENTUALLY(atomic_load(&m.woken) == WAITERS);
        }
        close_pair(fds);
    }
    CHECK_EQ(waited_on(), 0);
}

/* --- close and forget --- */

static void canceled(void) {
    for (int k = 0; k < PAIRS; k++) {
        for (int forget = 0; forget < 2; forget++) {
            int fds[2];
            pthread_t t[2];
            struct many m;
            if (!make_pair(k, fds)) continue;
            m.fd = fds[0];
            start_waiters(&m, waits, t, 2);
            if (forget) {
                CHECK_OK(rt_fd_forget(fds[0]));
                CHECK(is_open(fds[0]));
            } else {
                CHECK_OK(rt_close(fds[0]));
                CHECK(!is_open(fds[0]));
            }
            EVENTUALLY(atomic_load(&m.woken) == WAITERS + 2);
            CHECK_EQ(atomic_load(&m.result), RT_ECANCELED);
            for (int i = 0; i < 2; i++) thread_join(t[i]);
            char c;
            if (forget) {
                /* Still good for use. */
                CHECK_EQ(write(fds[1], "y", 1), 1);
                CHECK_EQ(rt_read(fds[0], &c, 1), 1);
                CHECK_EQ(close(fds[0]), 0);
            } else {
                CHECK_EQ(rt_read(fds[0], &c, 1), -EBADF);
                CHECK_EQ(rt_close(fds[0]), -EBADF);
            }
            CHECK_EQ(close(fds[1]), 0);
        }
    }
}

/* --- deadlines --- */

static void reads_until(void *arg) {
    struct many *m = arg;
    char c;
    atomic_fetch_add(&m->begun, 1);
    atomic_store(&m->result, (int)rt_read(m->fd, &c, 1));
    atomic_fetch_add(&m->woken, 1);
}

static void deadlines(void *arg) {
    (void)arg;
    for (int k = 0; k < PAIRS; k++) {
        int fds[2];
        char c;
        if (!make_pair(k, fds)) continue;
        /* One to come, for a call to come. */
        int64_t at = rt_now() + 5 * MS;
        CHECK_OK(rt_fd_set_deadline(fds[0], RT_POLL_READ, at));
        CHECK_EQ(rt_read(fds[0], &c, 1), RT_ETIMEDOUT);
        CHECK_OP(rt_now(), >=, at);
        CHECK_EQ(rt_read(fds[0], &c, 1), RT_ETIMEDOUT);
        CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ, RT_FOREVER), RT_ETIMEDOUT);
        /* It is for one direction. */
        CHECK_EQ(rt_write(fds[1], "x", 1), 1);
        /* Cleared. */
        CHECK_OK(rt_fd_set_deadline(fds[0], RT_POLL_READ | RT_POLL_WRITE, 0));
        CHECK_EQ(rt_read(fds[0], &c, 1), 1);
        /* One that is over already. */
        CHECK_OK(rt_fd_set_deadline(fds[0], RT_POLL_READ, 1));
        CHECK_EQ(rt_read(fds[0], &c, 1), RT_ETIMEDOUT);
        CHECK_OK(rt_fd_set_deadline(fds[0], RT_POLL_READ, INT64_MIN));
        CHECK_EQ(rt_read(fds[0], &c, 1), RT_ETIMEDOUT);
        CHECK_EQ(rt_fd_set_deadline(fds[0], 0, 1), RT_EINVAL);
        CHECK_EQ(rt_fd_set_deadline(fds[0], 8, 1), RT_EINVAL);
        /* It dies with the descriptor, however that is closed: the number stands for another file. */
        CHECK_EQ(close(fds[0]), 0);
        CHECK_EQ(close(fds[1]), 0);
        const int old = fds[0];
        CHECK(make_pair(k, fds));
        if (fds[0] == old) {
            CHECK_EQ(rt_write(fds[1], "z", 1), 1);
            CHECK_EQ(rt_read(fds[0], &c, 1), 1);
            CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ, MS), RT_ETIMEDOUT);
            CHECK_EQ(rt_write(fds[1], "z", 1), 1);
            CHECK_EQ(rt_read(fds[0], &c, 1), 1);
        }
        CHECK_OK(rt_fd_set_deadline(fds[0], RT_POLL_READ, 1));
        CHECK_OK(rt_fd_forget(fds[0]));
        CHECK_EQ(rt_write(fds[1], "z", 1), 1);
        CHECK_EQ(rt_read(fds[0], &c, 1), 1);
        close_pair(fds);
    }
    /* A writer's. */
    int p[2];
    CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
    static char much[1 << 20];
    size_t done = 0;
    CHECK_OK(rt_fd_set_deadline(p[1], RT_POLL_WRITE, rt_now() + 5 * MS));
    CHECK_EQ(rt_write_all(p[1], much, sizeof much, &done), RT_ETIMEDOUT);
    CHECK_OP(done, >, 0);
    CHECK_OP(done, <, sizeof much);
    close_pair(p);
    /* Files have none. */
    char name[] = "/tmp/gort-net-XXXXXX";
    const int f = mkstemp(name);
    CHECK_OP(f, >=, 0);
    unlink(name);
    CHECK_EQ(rt_fd_set_deadline(f, RT_POLL_READ, rt_now()), -EOPNOTSUPP);
    CHECK_EQ(rt_fd_wait(f, RT_POLL_READ, RT_FOREVER), RT_POLL_READ);
    CHECK_OK(rt_close(f));
}

/* A deadline that is set, moved and cleared while others wait. */
static void moved_deadlines(void) {
    int fds[2];
    struct many m;
    CHECK(make_pair(UNIX_STREAM, fds));
    m.fd = fds[0];
    start_waiters(&m, reads_until, NULL, 0);
    CHECK_OK(rt_fd_set_deadline(fds[0], RT_POLL_READ, rt_now() + 3600 * SECOND));
    CHECK_OK(rt_fd_set_deadline(fds[0], RT_POLL_READ, rt_now() + 7200 * SECOND));
    thread_sleep(5 * MS);
    CHECK_EQ(atomic_load(&m.woken), 0);
    CHECK_OK(rt_fd_set_deadline(fds[0], RT_POLL_READ, rt_now() + 5 * MS));
    EVENTUALLY(atomic_load(&m.woken) == WAITERS);
    CHECK_EQ(atomic_load(&m.result), RT_ETIMEDOUT);
    CHECK_OK(rt_fd_set_deadline(fds[0], RT_POLL_READ, 0));
    start_waiters(&m, reads_until, NULL, 0);
    CHECK_OK(rt_fd_set_deadline(fds[0], RT_POLL_READ, rt_now() - 1));
    EVENTUALLY(atomic_load(&m.woken) == WAITERS);
    CHECK_EQ(atomic_load(&m.result), RT_ETIMEDOUT);
    close_pair(fds);
}

/* --- rt_poll --- */

static void polls(void *arg) {
    (void)arg;
    int a[2], b[2];
    CHECK(make_pair(PIPE, a));
    CHECK(make_pair(UNIX_STREAM, b));
    struct pollfd p[5] = {{.fd = a[0], .events = POLLIN}, {.fd = -1, .events = POLLIN, .revents = 77},
                          {.fd = b[0], .events = POLLIN}, {.fd = b[0], .events = POLLIN | POLLPRI},
                          {.fd = a[1], .events = 0}};
    CHECK_EQ(rt_poll(p, 5, RT_NOWAIT), 0);
    CHECK_EQ(rt_poll(p, 5, -3), 0);
    const int64_t start = now_ns();
    CHECK_EQ(rt_poll(p, 5, 5 * MS), 0);
    CHECK_OP(now_ns() - start, >=, 5 * MS);
    CHECK_EQ(rt_poll(NULL, 0, MS), 0);
    CHECK_EQ(rt_poll(NULL, 1, MS), RT_EINVAL);
    CHECK_EQ(write(b[1], "x", 1), 1);
    CHECK_EQ(rt_poll(p, 5, RT_FOREVER), 2);
    CHECK_EQ(p[0].revents, 0);
    CHECK_EQ(p[1].revents, 0);
    CHECK_EQ(p[2].revents, POLLIN);
    CHECK_EQ(p[3].revents, POLLIN);
    p[1].fd = 999;
    CHECK_EQ(rt_poll(p, 2, RT_FOREVER), 1);
    CHECK_EQ(p[1].revents, POLLNVAL);
    CHECK_EQ(close(a[0]), 0);
    p[4].revents = 0;
    CHECK_EQ(rt_poll(p + 4, 1, RT_FOREVER), 1);
    CHECK_EQ(p[4].revents, POLLERR);
    CHECK_EQ(close(a[1]), 0);
    close_pair(b);
}

struct polled {
    int fds[2];
    atomic_int result;
};

static void polls_both(void *arg) {
    struct polled *s = arg;
    struct pollfd p[2] = {{.fd = s->fds[0], .events = POLLIN}, {.fd = s->fds[1], .events = POLLIN}};
    atomic_store(&s->result, 100 + rt_poll(p, 2, RT_FOREVER));
}

/* One who polls many is woken by any of them, and by the close of one. */
static void polls_wait(void) {
    for (int i = 0; i < 6; i++) {
        int a[2], b[2];
        CHECK(make_pair(UNIX_STREAM, a));
        CHECK(make_pair(TCP4, b));
        struct polled s = {.fds = {a[0], b[0]}, .result = 0};
        go(polls_both, &s);
        EVENTUALLY(waited_on() == 2);
        thread_sleep(2 * MS);
        CHECK_EQ(atomic_load(&s.result), 0);
        if (i < 3) {
            CHECK_EQ(write(i == 0 ? a[1] : b[1], "x", 1), 1);
            EVENTUALLY(atomic_load(&s.result) == 101);
        } else {
            CHECK_OK(rt_close(i == 3 ? a[0] : b[0]));
            EVENTUALLY(atomic_load(&s.result) == 100 + RT_ECANCELED);
        }
        EVENTUALLY(waited_on() == 0);
        if (i != 3) CHECK_OK(rt_close(a[0]));
        if (i < 4) CHECK_OK(rt_close(b[0]));
        CHECK_OK(rt_close(a[1]));
        CHECK_OK(rt_close(b[1]));
    }
}

static bool in_unlockf(rt_g *g, void *arg) {
    (void)g;
    int *fds = arg;
    char c;
    /* What needs no waiting goes. */
    CHECK_EQ(rt_write(fds[1], "x", 1), 1);
    CHECK_EQ(rt_read(fds[0], &c, 1), 1);
    CHECK_EQ(rt_read(fds[0], &c, 1), RT_EPERM);
    CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ, RT_FOREVER), RT_EPERM);
    CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_open("/dev/null", O_RDONLY, 0), RT_EPERM);
    CHECK_EQ(rt_tcp_listen("127.0.0.1:0", 1), RT_EPERM);
    return false;
}

static void parks(void *arg) { CHECK_OK(rt_gopark(in_unlockf, arg, "test")); }

int main(void) {
    everywhere(level, NULL);
    all_woken();
    canceled();
    everywhere(deadlines, NULL);
    moved_deadlines();
    everywhere(polls, NULL);
    polls_wait();
    int fds[2];
    CHECK(make_pair(UNIX_STREAM, fds));
    everywhere(parks, fds);
    close_pair(fds);
    CHECK_EQ(waited_on(), 0);
    puts("net_wait: ok");
    return 0;
}
