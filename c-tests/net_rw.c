/*
 * Reading and writing pipes and sockets of every kind, blocking and non-blocking, on goroutines and on threads: what is
 * written arrives, who has to wait parks, and no flag of a descriptor that the library did not make changes.
 */
#include "net.h"

struct end {
    int fd, peer;
    enum pair kind;
    int rounds;
};

static void echoes(void *arg) {
    const struct end *e = arg;
    char buf[100];
    for (int i = 0; i < e->rounds; i++) {
        memset(buf, 0, sizeof buf);
        const ssize_t n = rt_read(e->fd, buf, sizeof buf);
        CHECK_EQ(n, 10);
        char want[11];
        snprintf(want, sizeof want, "%010d", i);
        CHECK(memcmp(buf, want, 10) == 0);
        set_errno(4711);
        /* Back through the same pair where that goes both ways. */
        if (e->kind != PIPE) CHECK_EQ(rt_write(e->fd, buf, (size_t)n), n);
        CHECK_EQ(get_errno(), 4711);
    }
}

static void asks(void *arg) {
    const struct end *e = arg;
    char buf[100];
    for (int i = 0; i < e->rounds; i++) {
        char text[11];
        snprintf(text, sizeof text, "%010d", i);
        if (e->kind == PIPE) {
            CHECK_EQ(rt_write(e->fd, text, 10), 10);
            /* One message at a time, as the reader wants them. */
            while (poll(&(struct pollfd){.fd = e->peer, .events = POLLIN}, 1, 0) == 1) rt_gosched();
            continue;
        }
        CHECK_EQ(rt_write(e->fd, text, 10), 10);
        CHECK_EQ(rt_read(e->fd, buf, sizeof buf), 10);
        CHECK(memcmp(buf, text, 10) == 0);
    }
}

static void ping_pong(enum pair k, bool nonblock, bool thread) {
    int fds[2];
    if (!make_pair(k, fds)) {
        printf("no %s here\n", pair_name(k));
        return;
    }
    if (nonblock) {
        set_nonblock(fds[0], true);
        set_nonblock(fds[1], true);
    }
    const int f0 = flags_of(fds[0]), f1 = flags_of(fds[1]);
    struct end a = {fds[0], fds[1], k, rounds_of(200)}, b = {fds[1], fds[0], k, rounds_of(200)};
    if (thread) {
        const pthread_t t = thread_go(echoes, &a);
        asks(&b);
        thread_join(t);
    } else {
        rt_waitgroup wg;
        memset(&wg, 0, sizeof wg);
        CHECK_OP(rt_waitgroup_go(&wg, echoes, &a), >, 0);
        CHECK_OP(rt_waitgroup_go(&wg, asks, &b), >, 0);
        CHECK_OK(rt_waitgroup_wait(&wg));
    }
    CHECK_EQ(flags_of(fds[0]), f0);
    CHECK_EQ(flags_of(fds[1]), f1);
    close_pair(fds);
    CHECK(!is_open(fds[0]) && !is_open(fds[1]));
}

/* --- much more than there is room for: a slow reader, and all of it in order --- */

enum { MUCH = 3 << 20 };

static void reads_slowly(void *arg) {
    const struct end *e = arg;
    uint64_t at = 0;
    char *buf = malloc(50000);
    CHECK(buf != NULL);
    for (;;) {
        const ssize_t n = rt_read(e->fd, buf, 50000);
        CHECK_OP(n, >=, 0);
        if (n == 0) break;
        for (ssize_t i = 0; i < n; i++, at++) CHECK_EQ((unsigned char)buf[i], (unsigned char)(at * 7 + (at >> 12)));
        if (at % 3 == 0) CHECK_OK(rt_sleep(100 * US));
    }
    free(buf);
    CHECK_EQ(at, MUCH);
}

static void writes_much(void *arg) {
    const struct end *e = arg;
    unsigned char *data = malloc(MUCH);
    CHECK(data != NULL);
    for (uint64_t i = 0; i < MUCH; i++) data[i] = (unsigned char)(i * 7 + (i >> 12));
    size_t done = 0;
    if ((flags_of(e->fd) & O_NONBLOCK) == 0) {
        /* As POSIX has it: all, in one call. */
        CHECK_EQ(rt_write(e->fd, data, MUCH / 2), MUCH / 2);
        CHECK_OK(rt_write_all(e->fd, data + MUCH / 2, MUCH - MUCH / 2, NULL));
    } else {
        const ssize_t n = rt_write(e->fd, data, MUCH);
        CHECK_OP(n, >, 0);
        CHECK_OP(n, <=, MUCH);
        CHECK_OK(rt_write_all(e->fd, data + n, MUCH - (size_t)n, &done));
        CHECK_EQ(done, MUCH - (size_t)n);
    }
    free(data);
    CHECK_OK(rt_close(e->fd));
}

static void much(enum pair k, bool nonblock) {
    int fds[2];
    if (!make_pair(k, fds)) return;
    if (nonblock) {
        set_nonblock(fds[0], true);
        set_nonblock(fds[1], true);
    }
    struct end a = {fds[0], fds[1], k, 0}, b = {fds[1], fds[0], k, 0};
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    CHECK_OP(rt_waitgroup_go(&wg, reads_slowly, &a), >, 0);
    CHECK_OP(rt_waitgroup_go(&wg, writes_much, &b), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_OK(rt_close(fds[0]));
}

/* --- vectors, read_full, the end --- */

static void vectors(void *arg) {
    (void)arg;
    for (int k = 0; k < PAIRS; k++) {
        int fds[2];
        if (!make_pair(k, fds)) continue;
        char a[3], b[4], c[20];
        const struct iovec out[3] = {{(char[]){'a', 'b', 'c'}, 3}, {NULL, 0}, {(char[]){'d', 'e', 'f', 'g', 'h'}, 5}};
        struct iovec in[3] = {{a, sizeof a}, {b, sizeof b}, {c, sizeof c}};
        CHECK_EQ(rt_writev(fds[1], out, 3), 8);
        CHECK_EQ(rt_readv(fds[0], in, 3), 8);
        CHECK(memcmp(a, "abc", 3) == 0 && memcmp(b, "defg", 4) == 0 && c[0] == 'h');
        CHECK_EQ(rt_readv(fds[0], in, -1), RT_EINVAL);
        CHECK_EQ(rt_readv(fds[0], in, 1025), RT_EINVAL);
        CHECK_EQ(rt_readv(fds[0], NULL, 1), RT_EINVAL);
        CHECK_EQ(rt_writev(fds[1], NULL, 1), RT_EINVAL);
        CHECK_EQ(rt_writev(fds[1], out, INT_MIN), RT_EINVAL);
        CHECK_EQ(rt_readv(fds[0], NULL, 0), 0);
        CHECK_EQ(rt_read(fds[0], NULL, 1), RT_EINVAL);
        CHECK_EQ(rt_write(fds[1], NULL, 1), RT_EINVAL);
        CHECK_EQ(rt_read(fds[0], NULL, 0), 0);
        if (is_stream(k)) {
            size_t done = 77;
            CHECK_EQ(rt_write(fds[1], "0123456789", 10), 10);
            CHECK_OK(rt_read_full(fds[0], c, 4, &done));
            CHECK_EQ(done, 4);
            CHECK(memcmp(c, "0123", 4) == 0);
            CHECK_OK(rt_close(fds[1]));
            /* The end comes first. */
            CHECK_EQ(rt_read_full(fds[0], c, 20, &done), RT_ECLOSED);
            CHECK_EQ(done, 6);
            CHECK(memcmp(c, "456789", 6) == 0);
            CHECK_EQ(rt_read(fds[0], c, 20), 0);
            CHECK_EQ(rt_read_full(fds[0], c, 0, &done), RT_OK);
            CHECK_EQ(done, 0);
            CHECK_EQ(rt_read_full(fds[0], NULL, 1, NULL), RT_EINVAL);
            CHECK_OK(rt_close(fds[0]));
        } else {
            close_pair(fds);
        }
    }
}

/* --- nobody reads: an error, never a signal --- */

static void broken(void *arg) {
    (void)arg;
    for (int k = 0; k < PAIRS; k++) {
        int fds[2];
        if (!make_pair(k, fds)) continue;
        CHECK_EQ(close(fds[0]), 0);
        size_t done = 5;
        int r = 0;
        for (int i = 0; i < 100 && r >= 0; i++) {
            r = (int)rt_write(fds[1], "x", 1);
            if (r >= 0) CHECK_OK(rt_sleep(MS));
        }
        CHECK(r == RT_ECLOSED || r == -ECONNREFUSED || r == -ECONNRESET || r == -ENOTCONN);
        if (is_stream(k)) {
            const struct iovec v[2] = {{(char[]){'x'}, 1}, {(char[]){'y'}, 1}};
            CHECK_EQ(rt_writev(fds[1], v, 2), RT_ECLOSED);
            CHECK_EQ(rt_write_all(fds[1], "xyz", 3, &done), RT_ECLOSED);
            CHECK_EQ(done, 0);
        }
        CHECK_OK(rt_close(fds[1]));
    }
}

/* --- what is no descriptor --- */

static void none(void *arg) {
    (void)arg;
    char c = 'x';
    struct iovec v = {&c, 1};
    const int bad[] = {-1, INT_MIN, INT_MAX, 5000000, 987654, 999};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const int fd = bad[i];
        CHECK_EQ(rt_read(fd, &c, 1), -EBADF);
        CHECK_EQ(rt_write(fd, &c, 1), -EBADF);
        CHECK_EQ(rt_readv(fd, &v, 1), -EBADF);
        CHECK_EQ(rt_writev(fd, &v, 1), -EBADF);
        CHECK_EQ(rt_recv(fd, &c, 1, 0), -EBADF);
        CHECK_EQ(rt_send(fd, &c, 1, 0), -EBADF);
        CHECK_EQ(rt_accept(fd, NULL, NULL), -EBADF);
        CHECK_EQ(rt_close(fd), -EBADF);
        CHECK_EQ(rt_fd_wait(fd, RT_POLL_READ, MS), -EBADF);
        CHECK_EQ(rt_fd_set_deadline(fd, RT_POLL_READ, 0), -EBADF);
        CHECK_EQ(rt_fd_forget(fd), -EBADF);
        CHECK_EQ(rt_pread(fd, &c, 1, 0), -EBADF);
        CHECK_EQ(rt_pwrite(fd, &c, 1, 0), -EBADF);
        CHECK_EQ(rt_fsync(fd), -EBADF);
        CHECK_EQ(rt_read(fd, &c, 0), -EBADF);
    }
    /* Open, and yet not for this. */
    int p[2];
    CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
    CHECK_EQ(rt_write(p[0], &c, 1), -EBADF);
    CHECK_EQ(rt_read(p[1], &c, 1), -EBADF);
    CHECK_EQ(rt_recv(p[0], &c, 1, 0), -ENOTSOCK);
    CHECK_EQ(rt_accept(p[0], NULL, NULL), -ENOTSOCK);
    CHECK_EQ(rt_pread(p[0], &c, 1, 0), -ESPIPE);
    close_pair(p);
}

int main(void) {
    for (int k = 0; k < PAIRS; k++)
        for (int how = 0; how < 4; how++) ping_pong(k, how & 1, how & 2);
    for (int k = 0; k < PAIRS; k++)
        if (is_stream(k)) {
            much(k, false);
            much(k, true);
        }
    everywhere(vectors, NULL);
    everywhere(broken, NULL);
    everywhere(none, NULL);
    CHECK_EQ(waited_on(), 0);
    puts("net_rw: ok");
    return 0;
}
