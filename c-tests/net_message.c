/* recv and send with flags, addresses and control data: UDP, unix sockets, descriptors that are passed on. */
#include "net.h"

static int udp(struct sockaddr_storage *a, socklen_t *n) {
    const int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_OP(s, >=, 0);
    *n = loopback(a, AF_INET, 0);
    CHECK_EQ(bind(s, (struct sockaddr *)a, *n), 0);
    *n = loopback(a, AF_INET, port_of(s));
    return s;
}

struct peer {
    int fd;
    struct sockaddr_storage to;
    socklen_t len;
};

static void answers(void *arg) {
    const struct peer *p = arg;
    char buf[2000];
    for (int i = 0; i < 100; i++) {
        struct sockaddr_storage from;
        socklen_t len = sizeof from;
        const ssize_t n = rt_recvfrom(p->fd, buf, sizeof buf, 0, (struct sockaddr *)&from, &len);
        CHECK_EQ(n, i * 10);
        CHECK_EQ(len, p->len);
        CHECK(memcmp(&from, &p->to, len) == 0);
        CHECK_EQ(rt_sendto(p->fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len), n);
    }
}

static void datagrams(void *arg) {
    (void)arg;
    struct peer a, b;
    a.fd = udp(&b.to, &b.len);
    b.fd = udp(&a.to, &a.len);
    const int f = flags_of(a.fd);
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    CHECK_OP(rt_waitgroup_go(&wg, answers, &a), >, 0);
    char buf[2000] = {0};
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(rt_sendto(b.fd, buf, (size_t)i * 10, 0, (struct sockaddr *)&b.to, b.len), i * 10);
        /* One without a byte, too. */
        CHECK_EQ(rt_recv(b.fd, buf, sizeof buf, 0), i * 10);
    }
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(flags_of(a.fd), f);
    CHECK_EQ(rt_recv(a.fd, buf, 10, MSG_DONTWAIT), RT_EAGAIN);
    CHECK_EQ(rt_recvfrom(a.fd, buf, 10, 0, (struct sockaddr *)&a.to, NULL), RT_EINVAL);
    CHECK_EQ(rt_recv(a.fd, NULL, 10, 0), RT_EINVAL);
    CHECK_EQ(rt_send(a.fd, NULL, 10, 0), RT_EINVAL);
    CHECK_EQ(rt_send(a.fd, buf, 10, 0), -EDESTADDRREQ);
    CHECK_OK(rt_fd_set_deadline(a.fd, RT_POLL_READ, rt_now() + 2 * MS));
    CHECK_EQ(rt_recv(a.fd, buf, 10, 0), RT_ETIMEDOUT);
    /* A read takes the part of a message that it has room for. */
    CHECK_OK(rt_fd_set_deadline(a.fd, RT_POLL_READ, 0));
    CHECK_EQ(rt_sendto(b.fd, "0123456789", 10, 0, (struct sockaddr *)&b.to, b.len), 10);
    CHECK_EQ(rt_recv(a.fd, buf, 4, MSG_PEEK), 4);
    CHECK_EQ(rt_recv(a.fd, buf, 4, MSG_TRUNC), 10);
    CHECK_OK(rt_close(a.fd));
    CHECK_OK(rt_close(b.fd));
}

static void sends_in_parts(void *arg) {
    const int fd = (int)(intptr_t)arg;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(rt_send(fd, "0123456789", 10, 0), 10);
        CHECK_OK(rt_sleep(200 * US));
    }
}

static void streams(void *arg) {
    (void)arg;
    for (int k = 0; k < PAIRS; k++) {
        int fds[2];
        if (k == PIPE || !is_stream(k) || !make_pair(k, fds)) continue;
        char buf[200];
        /* All of it, though it comes in parts. */
        rt_waitgroup wg;
        memset(&wg, 0, sizeof wg);
        CHECK_OP(rt_waitgroup_go(&wg, sends_in_parts, (void *)(intptr_t)fds[1]), >, 0);
        /* (A look at all of it waits for all of it, but on unix sockets.) */
        if (k == TCP4 || k == TCP6) CHECK_EQ(rt_recv(fds[0], buf, 100, MSG_WAITALL | MSG_PEEK), 100);
        CHECK_EQ(rt_recv(fds[0], buf, 95, MSG_WAITALL), 95);
        CHECK_EQ(rt_recv(fds[0], buf, 100, MSG_PEEK), 5);
        CHECK_EQ(rt_recv(fds[0], buf, 100, MSG_DONTWAIT), 5);
        CHECK_EQ(rt_recv(fds[0], buf, 100, MSG_DONTWAIT), RT_EAGAIN);
        CHECK_EQ(rt_recv(fds[0], buf, 100, MSG_DONTWAIT | MSG_WAITALL), RT_EAGAIN);
        CHECK_OK(rt_waitgroup_wait(&wg));
        /* The end cuts it short. */
        CHECK_EQ(rt_send(fds[1], "abc", 3, 0), 3);
        CHECK_OK(rt_close(fds[1]));
        CHECK_EQ(rt_recv(fds[0], buf, 100, MSG_WAITALL), 3);
        CHECK_EQ(rt_recv(fds[0], buf, 100, MSG_WAITALL), 0);
        int r = 0;
        for (int i = 0; i < 100 && r >= 0; i++) {
            r = (int)rt_send(fds[0], "x", 1, 0);
            CHECK_OK(rt_sleep(MS));
        }
        CHECK(r == RT_ECLOSED || r == -ECONNRESET);
        CHECK_OK(rt_close(fds[0]));
    }
}

/* A descriptor goes through a unix socket, with a message from several buffers. */
static void passes_descriptor(void *arg) {
    (void)arg;
    int fds[2], p[2];
    CHECK(make_pair(UNIX_STREAM, fds));
    CHECK(make_pair(PIPE, p));
    union {
        struct cmsghdr h;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    char a[4] = "abcd", b[4] = "efgh", in[8];
    struct iovec out[2] = {{a, 4}, {b, 4}}, into = {in, sizeof in};
    struct msghdr m = {.msg_iov = out, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &p[1], sizeof(int));
    CHECK_EQ(rt_sendmsg(fds[1], &m, 0), 8);
    m.msg_iov = &into;
    m.msg_iovlen = 1;
    memset(&control, 0, sizeof control);
    CHECK_EQ(rt_recvmsg(fds[0], &m, MSG_CMSG_CLOEXEC), 8);
    CHECK(memcmp(in, "abcdefgh", 8) == 0);
    c = CMSG_FIRSTHDR(&m);
    CHECK(c != NULL);
    int passed;
    memcpy(&passed, CMSG_DATA(c), sizeof passed);
    CHECK_EQ(rt_write(passed, "!", 1), 1);
    CHECK_EQ(rt_read(p[0], in, 8), 1);
    CHECK_OK(rt_close(passed));
    CHECK_EQ(rt_recvmsg(fds[0], NULL, 0), RT_EINVAL);
    CHECK_EQ(rt_sendmsg(fds[0], NULL, 0), RT_EINVAL);
    close_pair(p);
    close_pair(fds);
}

/* A blocking socket sends all of a message that is too large for its buffer, also from several. */
static void drains(void *arg) {
    const int fd = (int)(intptr_t)arg;
    char *buf = malloc(1 << 16);
    int64_t sum = 0;
    ssize_t n;
    while ((n = rt_recv(fd, buf, 1 << 16, 0)) > 0) sum += n;
    CHECK_EQ(n, 0);
    CHECK_EQ(sum, 2 << 20);
    free(buf);
}

static void large(void *arg) {
    (void)arg;
    int fds[2];
    CHECK(make_pair(UNIX_STREAM, fds));
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    CHECK_OP(rt_waitgroup_go(&wg, drains, (void *)(intptr_t)fds[0]), >, 0);
    char *data = calloc(1, 1 << 20);
    struct iovec v[3] = {{data, 1000}, {data, (1 << 20) - 2000}, {data, 1000}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = 3};
    CHECK_EQ(rt_send(fds[1], data, 1 << 20, 0), 1 << 20);
    CHECK_EQ(rt_sendmsg(fds[1], &m, 0), 1 << 20);
    CHECK_OK(rt_close(fds[1]));
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_OK(rt_close(fds[0]));
    free(data);
}

/* connect to a unix socket whose queue is full waits for room. */
static void accepts_later(void *arg) {
    CHECK_OK(rt_sleep(5 * MS));
    for (int i = 0; i < 8; i++) {
        const int fd = rt_accept((int)(intptr_t)arg, NULL, NULL);
        CHECK_OP(fd, >=, 0);
        CHECK_OK(rt_close(fd));
    }
}

static void unix_queue(void *arg) {
    (void)arg;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "gort-net-%d-%" PRId64, (int)getpid(), now_ns());
    const int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(l, (struct sockaddr *)&a, sizeof a), 0);
    CHECK_EQ(listen(l, 1), 0);
    int s[8], n = 0;
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    /* Time ends it. */
    for (;;) {
        s[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        CHECK_OK(rt_fd_set_deadline(s[n], RT_POLL_WRITE, rt_now() + 10 * MS));
        const int r = rt_connect(s[n], (struct sockaddr *)&a, sizeof a);
        if (r == RT_ETIMEDOUT) break;
        CHECK_OK(r);
        n++;
        CHECK_OP(n, <, 8);
    }
    CHECK_OK(rt_fd_set_deadline(s[n], RT_POLL_WRITE, 0));
    CHECK_OP(rt_waitgroup_go(&wg, accepts_later, (void *)(intptr_t)l), >, 0);
    CHECK_OK(rt_connect(s[n++], (struct sockaddr *)&a, sizeof a));
    while (n < 8) {
        s[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (n % 2 ? SOCK_NONBLOCK : 0), 0);
        CHECK_OK(rt_connect(s[n++], (struct sockaddr *)&a, sizeof a));
    }
    CHECK_OK(rt_waitgroup_wait(&wg));
    while (n > 0) CHECK_OK(rt_close(s[--n]));
    CHECK_OK(rt_close(l));
}

int main(void) {
    everywhere(datagrams, NULL);
    everywhere(streams, NULL);
    everywhere(passes_descriptor, NULL);
    everywhere(large, NULL);
    everywhere(unix_queue, NULL);
    CHECK_EQ(waited_on(), 0);
    puts("net_message: ok");
    return 0;
}
