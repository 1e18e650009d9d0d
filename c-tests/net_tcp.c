/*
 * TCP by rt_tcp_listen and rt_tcp_dial, IPv4, IPv6 and names; accept in all its forms; connect to nobody; half close; resets;
 * accept without a descriptor left; names off the scheduler.
 */
#include "net.h"

static bool have_v6(void) {
    const int l = plain_listener(AF_INET6, 0, 1);
    if (l >= 0) close(l);
    return l >= 0;
}

static void *addr_at(int port, const char *host, char *text, size_t size) {
    snprintf(text, size, "%s:%d", host, port);
    return text;
}

struct server {
    int fd, n;
};

static void serves_one(void *arg) {
    const int fd = (int)(intptr_t)arg;
    char buf[64];
    for (;;) {
        const ssize_t n = rt_read(fd, buf, sizeof buf);
        CHECK_OP(n, >=, 0);
        if (n == 0) break;
        CHECK_OK(rt_write_all(fd, buf, (size_t)n, NULL));
    }
    CHECK_OK(rt_close(fd));
}

static void serves(void *arg) {
    const struct server *s = arg;
    for (int i = 0; i < s->n; i++) {
        struct sockaddr_storage a;
        socklen_t len = sizeof a;
        const int fd = rt_accept(s->fd, (struct sockaddr *)&a, &len);
        CHECK_OP(fd, >=, 0);
        CHECK(a.ss_family == AF_INET || a.ss_family == AF_INET6);
        CHECK(flags_of(fd) & O_NONBLOCK);
        CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
        go(serves_one, (void *)(intptr_t)fd);
    }
}

static void asks(int fd) {
    CHECK_OP(fd, >=, 0);
    CHECK(flags_of(fd) & O_NONBLOCK);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    char buf[6];
    for (int i = 0; i < 20; i++) {
        CHECK_OK(rt_write_all(fd, "hello", 6, NULL));
        CHECK_OK(rt_read_full(fd, buf, 6, NULL));
        CHECK(strcmp(buf, "hello") == 0);
    }
    /* Half closed: the peer sees the end, and ends. */
    CHECK_EQ(shutdown(fd, SHUT_WR), 0);
    CHECK_EQ(rt_read(fd, buf, 6), 0);
    CHECK_OK(rt_close(fd));
}

static void listens(void *arg) {
    (void)arg;
    const bool v6 = have_v6();
    const char *at[] = {"127.0.0.1:0", ":0", "localhost:0", "[::1]:0"};
    for (int i = 0; i < 4; i++) {
        if (i == 3 && !v6) continue;
        const int l = rt_tcp_listen(at[i], 128);
        CHECK_OP(l, >=, 0);
        CHECK(flags_of(l) & O_NONBLOCK);
        CHECK_EQ(fcntl(l, F_GETFD), FD_CLOEXEC);
        struct server s = {l, 0};
        const char *hosts[] = {"127.0.0.1", "localhost", "", "[::1]"};
        rt_waitgroup wg;
        memset(&wg, 0, sizeof wg);
        bool used[4] = {i < 3, i < 3, i == 1, v6 && (i == 1 || i == 3)};
        for (int h = 0; h < 4; h++) s.n += used[h];
        CHECK_OP(rt_waitgroup_go(&wg, serves, &s), >, 0);
        char text[64];
        for (int h = 0; h < 4; h++)
            if (used[h]) asks(rt_tcp_dial(addr_at(port_of(l), hosts[h], text, sizeof text), 60 * SECOND));
        CHECK_OK(rt_waitgroup_wait(&wg));
        /* The same port again is taken; once closed it is free. */
        char same[64];
        addr_at(port_of(l), i == 3 ? "[::1]" : i == 1 ? "" : "127.0.0.1", same, sizeof same);
        CHECK_EQ(rt_tcp_listen(same, 1), -EADDRINUSE);
        CHECK_OK(rt_close(l));
        const int again = rt_tcp_listen(same, 1);
        CHECK_OP(again, >=, 0);
        CHECK_OK(rt_close(again));
    }
}

static void misuse(void *arg) {
    (void)arg;
    const char *bad[] = {"", "localhost", "127.0.0.1", "127.0.0.1:", "[::1]", "::1:80", "1:65536", ":", "[::1:80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(rt_tcp_listen(bad[i], 1), RT_EINVAL);
        CHECK_EQ(rt_tcp_dial(bad[i], SECOND), RT_EINVAL);
    }
    CHECK_EQ(rt_tcp_listen(NULL, 1), RT_EINVAL);
    CHECK_EQ(rt_tcp_dial(NULL, SECOND), RT_EINVAL);
    CHECK_EQ(rt_connect(0, NULL, 0), RT_EINVAL);
    struct addrinfo *res = NULL;
    CHECK_EQ(rt_getaddrinfo("127.0.0.1", "1", NULL, NULL), RT_EINVAL);
    CHECK_EQ(rt_getaddrinfo(NULL, NULL, NULL, &res), RT_EAI_BASE - abs(EAI_NONAME));
    CHECK(res == NULL);
    CHECK_EQ(rt_getaddrinfo("127.0.0.1", "no-such-service-here", NULL, &res), RT_EAI_BASE - abs(EAI_SERVICE));
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST};
    CHECK_EQ(rt_getaddrinfo("no number", "1", &hints, &res), RT_EAI_BASE - abs(EAI_NONAME));
    CHECK(strcmp(rt_strerror(RT_EAI_BASE - abs(EAI_NONAME)), "unknown error") != 0);
    CHECK(strcmp(rt_strerror(-ECONNREFUSED), "unknown error") != 0);
    set_errno(4711);
    CHECK_EQ(rt_getaddrinfo("127.0.0.1", "80", NULL, &res), RT_OK);
    CHECK_EQ(get_errno(), 4711);
    CHECK(res != NULL && res->ai_family == AF_INET && ((struct sockaddr_in *)res->ai_addr)->sin_port == htons(80));
    freeaddrinfo(res);
    CHECK_OP(rt_tcp_dial("127.0.0.1:no-such-service-here", SECOND), <, RT_EAI_BASE);
}

/* Nobody listens there; and connect on sockets of either kind. */
static void connects(void *arg) {
    (void)arg;
    const int l = plain_listener(AF_INET, SOCK_NONBLOCK, 8);
    const int port = port_of(l);
    struct sockaddr_storage a;
    const socklen_t n = loopback(&a, AF_INET, port);
    for (int nonblock = 0; nonblock < 2; nonblock++) {
        const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0), 0);
        const int f = flags_of(s);
        CHECK_OK(rt_connect(s, (struct sockaddr *)&a, n));
        CHECK_EQ(flags_of(s), f);
        /* Linux answers once more that it is done where it went on behind the first call. */
        int r = rt_connect(s, (struct sockaddr *)&a, n);
        if (r == RT_OK) r = rt_connect(s, (struct sockaddr *)&a, n);
        CHECK_EQ(r, -EISCONN);
        const int c = rt_accept4(l, NULL, NULL, 0);
        CHECK_OP(c, >=, 0);
        CHECK_EQ(flags_of(c) & O_NONBLOCK, 0);
        CHECK_EQ(fcntl(c, F_GETFD), 0);
        CHECK_EQ(rt_accept4(l, NULL, NULL, 0x1234567), RT_EINVAL);
        CHECK_EQ(rt_accept(l, (struct sockaddr *)&a, NULL), RT_EINVAL);
        CHECK_OK(rt_close(c));
        CHECK_OK(rt_close(s));
    }
    CHECK_OK(rt_close(l));
    for (int nonblock = 0; nonblock < 2; nonblock++) {
        const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0), 0);
        CHECK_EQ(rt_connect(s, (struct sockaddr *)&a, n), -ECONNREFUSED);
        CHECK_OK(rt_close(s));
    }
    char text[64];
    CHECK_EQ(rt_tcp_dial(addr_at(port, "127.0.0.1", text, sizeof text), SECOND), -ECONNREFUSED);
    CHECK_EQ(rt_tcp_dial(addr_at(port, "127.0.0.1", text, sizeof text), RT_FOREVER), -ECONNREFUSED);
}

/* A listener whose queue is full does not answer: time ends that. */
static void unanswered(void *arg) {
    (void)arg;
    const int l = plain_listener(AF_INET, 0, 0);
    char text[64];
    addr_at(port_of(l), "127.0.0.1", text, sizeof text);
    int fds[64], n = 0, r = 0;
    while (n < 64 && (r = rt_tcp_dial(text, 50 * MS)) >= 0) fds[n++] = r;
    CHECK_OP(n, <, 64);
    CHECK_EQ(r, RT_ETIMEDOUT);
    const int64_t start = now_ns();
    CHECK_EQ(rt_tcp_dial(text, 20 * MS), RT_ETIMEDOUT);
    CHECK_OP(now_ns() - start, >=, 20 * MS);
    CHECK_EQ(rt_tcp_dial(text, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_tcp_dial(text, -7), RT_ETIMEDOUT);
    while (n > 0) CHECK_OK(rt_close(fds[--n]));
    CHECK_OK(rt_close(l));
}

/* A reset: the reader and the writer are told. */
static void resets(void *arg) {
    (void)arg;
    int fds[2];
    char c;
    CHECK(make_pair(TCP4, fds));
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    CHECK_EQ(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    CHECK_OK(rt_close(fds[1]));
    CHECK_EQ(rt_read(fds[0], &c, 1), -ECONNRESET);
    CHECK_EQ(rt_write(fds[0], "x", 1), RT_ECLOSED);
    CHECK_OK(rt_close(fds[0]));
}

/* A blocking listener, shared by goroutines: who finds nobody parks, and other goroutines go on meanwhile. */
static atomic_int accepted;

static void accepts(void *arg) {
    const int fd = rt_accept((int)(intptr_t)arg, NULL, NULL);
    CHECK_OP(fd, >=, 0);
    atomic_fetch_add(&accepted, 1);
    CHECK_OK(rt_close(fd));
}

static void blocking_listener(void *arg) {
    (void)arg;
    const int l = plain_listener(AF_INET, 0, 64);
    const int f = flags_of(l);
    char text[64];
    addr_at(port_of(l), "127.0.0.1", text, sizeof text);
    atomic_store(&accepted, 0);
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (int i = 0; i < 10; i++) CHECK_OP(rt_waitgroup_go(&wg, accepts, (void *)(intptr_t)l), >, 0);
    CHECK_OK(rt_sleep(2 * MS));
    CHECK_EQ(atomic_load(&accepted), 0);
    for (int i = 0; i < 10; i++) CHECK_OK(rt_close(rt_tcp_dial(text, 60 * SECOND)));
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(flags_of(l), f);
    CHECK_OK(rt_fd_set_deadline(l, RT_POLL_READ, rt_now() + 2 * MS));
    CHECK_EQ(rt_accept(l, NULL, NULL), RT_ETIMEDOUT);
    CHECK_OK(rt_close(l));
}

/* No descriptor left: accept says so, and goes on when there is one. */
/* The last bytes and the end come in one event: who has read the bytes need not wait for another. */
struct last {
    int fd;
    int slow;
    rt_waitgroup read;
};

static void reads_to_the_end(void *arg) {
    struct last *l = arg;
    char buf[64];
    CHECK_EQ(rt_read(l->fd, buf, sizeof buf), 4);
    const int64_t t = rt_now();
    CHECK_EQ(rt_read(l->fd, buf, sizeof buf), 0);
    if (rt_now() - t > 8 * MS) l->slow++;
    CHECK_OK(rt_close(l->fd));
    CHECK_OK(rt_waitgroup_done(&l->read));
}

static void last_bytes(void *arg) {
    (void)arg;
    struct last l;
    memset(&l, 0, sizeof l);
    enum { ROUNDS = 30 };
    for (int i = 0; i < ROUNDS; i++) {
        int fds[2];
        CHECK(tcp_pair(AF_INET, fds));
        l.fd = fds[0];
        CHECK_OK(rt_waitgroup_add(&l.read, 1));
        go(reads_to_the_end, &l);
        CHECK_OK(rt_sleep(MS));
        CHECK_EQ(write(fds[1], "last", 4), 4);
        CHECK_EQ(close(fds[1]), 0);
        CHECK_OK(rt_waitgroup_wait(&l.read));
    }
    if (!emulated() && !sanitized()) CHECK_OP(l.slow, <, ROUNDS / 2);
}

/* Read from without a wait, closed by other code, and used again for something else. */
static void becomes_other(void *arg) {
    (void)arg;
    char buf[64];
    for (int what = 0; what < 3; what++) {
        int fds[2];
        CHECK(tcp_pair(AF_INET, fds));
        CHECK_EQ(write(fds[1], "short", 5), 5);
        CHECK_EQ(rt_read(fds[0], buf, sizeof buf), 5);
        int pipes[2] = {-1, -1};
        int other = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
        if (what > 0) CHECK_EQ(close(other), 0);
        if (what == 1) CHECK_EQ(pipe2(pipes, O_CLOEXEC), 0);
        if (what == 1) other = fcntl(pipes[0], F_DUPFD_CLOEXEC, 0);
        if (what == 2) other = plain_listener(AF_INET, 0, 1);
        CHECK_EQ(dup3(other, fds[0], O_CLOEXEC), fds[0]);
        if (what == 0) CHECK_OP(rt_read(fds[0], buf, sizeof buf), >, 0);
        if (what == 1) CHECK_EQ(rt_recv(fds[0], buf, sizeof buf, 0), -ENOTSOCK);
        if (what == 2) CHECK_EQ(rt_recv(fds[0], buf, sizeof buf, 0), -ENOTCONN);
        for (int i = 0; i < 2; i++) {
            if (pipes[i] >= 0) CHECK_EQ(close(pipes[i]), 0);
        }
        CHECK_EQ(close(other), 0);
        close_pair(fds);
    }
}

static void out_of_descriptors(void) {
    /* Cooperative: else the monitor now and then opens a file for a moment. */
    const rt_config cfg = {.struct_size = sizeof cfg, .flags = RT_COOPERATIVE};
    CHECK_OK(rt_init(&cfg));
    const int l = rt_tcp_listen("127.0.0.1:0", 64);
    CHECK_OP(l, >=, 0);
    char text[64];
    addr_at(port_of(l), "127.0.0.1", text, sizeof text);
    int c[3], held[1024], n = 0;
    for (int i = 0; i < 3; i++) CHECK_OP(c[i] = rt_tcp_dial(text, 60 * SECOND), >=, 0);
    CHECK_EQ(rt_fd_wait(l, RT_POLL_READ, 60 * SECOND), RT_POLL_READ);
    const struct rlimit few = {64, 64};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    /* Threads that begin open files for a moment: none is free when three looks in a row found none. */
    for (int looks = 0; looks < 3; looks++) {
        while ((held[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
            n++;
            looks = 0;
        }
        CHECK_EQ(errno, EMFILE);
        thread_sleep(10 * MS);
    }
    CHECK_OP(n, >, 0);
    for (int i = 0; i < 3; i++) CHECK_EQ(rt_accept(l, NULL, NULL), -EMFILE);
    CHECK_EQ(rt_open("/dev/null", O_RDONLY, 0), -EMFILE);
    CHECK_EQ(rt_tcp_dial(text, SECOND), -EMFILE);
    close(held[--n]);
    for (int i = 0; i < 3; i++) {
        const int fd = rt_accept(l, NULL, NULL);
        CHECK_OP(fd, >=, 0);
        CHECK_OK(rt_close(fd));
    }
    while (n > 0) close(held[--n]);
    for (int i = 0; i < 3; i++) CHECK_OK(rt_close(c[i]));
    CHECK_OK(rt_close(l));
}

int main(void) {
    /* First, in a child: it changes a limit for good. */
    if (!emulated()) CHECK_CHILD(out_of_descriptors);
    everywhere(listens, NULL);
    everywhere(misuse, NULL);
    everywhere(connects, NULL);
    everywhere(unanswered, NULL);
    everywhere(resets, NULL);
    everywhere(blocking_listener, NULL);
    everywhere(last_bytes, NULL);
    everywhere(becomes_other, NULL);
    CHECK_EQ(waited_on(), 0);
    puts("net_tcp: ok");
    return 0;
}
