/* What tests of descriptors share: pairs of every kind, and addresses on this machine. */
#ifndef GORT_NET_H
#define GORT_NET_H

#include "more.h"

#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

static inline int flags_of(int fd) { return fcntl(fd, F_GETFL); }

static inline void set_nonblock(int fd, bool on) {
    const int f = flags_of(fd);
    CHECK_OP(f, >=, 0);
    CHECK_EQ(fcntl(fd, F_SETFL, on ? f | O_NONBLOCK : f & ~O_NONBLOCK), 0);
}

static inline bool is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

/* Two connected descriptors: [0] reads what is written to [1]. */
enum pair { PIPE, UNIX_STREAM, UNIX_DGRAM, UNIX_SEQPACKET, TCP4, TCP6, PAIRS };

static inline const char *pair_name(enum pair k) {
    static const char *names[] = {"pipe", "unix stream", "unix datagram", "unix seqpacket", "tcp4", "tcp6"};
    return names[k];
}

static inline socklen_t loopback(struct sockaddr_storage *a, int family, int port) {
    memset(a, 0, sizeof *a);
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)a;
        in->sin_family = AF_INET;
        in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        in->sin_port = htons((uint16_t)port);
        return sizeof *in;
    }
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)a;
    in->sin6_family = AF_INET6;
    in->sin6_addr = in6addr_loopback;
    in->sin6_port = htons((uint16_t)port);
    return sizeof *in;
}

static inline int port_of(int fd) {
    struct sockaddr_storage a;
    socklen_t n = sizeof a;
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    return ntohs(a.ss_family == AF_INET ? ((struct sockaddr_in *)&a)->sin_port : ((struct sockaddr_in6 *)&a)->sin6_port);
}

/* A listening socket by system calls alone, blocking unless asked otherwise. -1: no such family here. */
static inline int plain_listener(int family, int type_flags, int backlog) {
    struct sockaddr_storage a;
    const int s = socket(family, SOCK_STREAM | SOCK_CLOEXEC | type_flags, 0);
    if (s < 0) return -1;
    const socklen_t n = loopback(&a, family, 0);
    if (bind(s, (struct sockaddr *)&a, n) != 0 || listen(s, backlog) != 0) {
        close(s);
        return -1;
    }
    return s;
}

static inline bool tcp_pair(int family, int fds[2]) {
    const int l = plain_listener(family, 0, 8);
    if (l < 0) return false;
    struct sockaddr_storage a;
    const socklen_t n = loopback(&a, family, port_of(l));
    fds[1] = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OP(fds[1], >=, 0);
    CHECK_EQ(connect(fds[1], (struct sockaddr *)&a, n), 0);
    fds[0] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
    CHECK_OP(fds[0], >=, 0);
    close(l);
    return true;
}

/*
 * The same file under a number that nobody opens unasked. The runtime's monitor and threads of the system's that begin open files
 * of the kernel's for a moment, each under the lowest number that is free; so of a low one that was closed no test knows that it
 * still is.
 */
static inline int apart(int fd) {
    enum { FIRST = 400 };
    const int high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST);
    if (high >= 0) close(fd);
    return high >= 0 ? high : fd;
}

static inline bool make_low_pair(enum pair k, int fds[2]) {
    switch (k) {
    case PIPE: CHECK_EQ(pipe2(fds, O_CLOEXEC), 0); return true;
    case UNIX_STREAM: CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0); return true;
    case UNIX_DGRAM: CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0); return true;
    case UNIX_SEQPACKET: CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0); return true;
    case TCP4: return tcp_pair(AF_INET, fds);
    case TCP6: return tcp_pair(AF_INET6, fds);
    default: return false;
    }
}

/* Blocking, by system calls alone. False: there is no such thing here. */
static inline bool make_pair(enum pair k, int fds[2]) {
    if (!make_low_pair(k, fds)) return false;
    for (int i = 0; i < 2; i++) fds[i] = apart(fds[i]);
    return true;
}

static inline bool is_stream(enum pair k) { return k != UNIX_DGRAM && k != UNIX_SEQPACKET; }

static inline void close_pair(int fds[2]) {
    CHECK_OK(rt_close(fds[0]));
    CHECK_OK(rt_close(fds[1]));
}

/* A listening socket whose queue is full: a connect waits. */
struct full {
    int listener, fill[3];
    struct sockaddr_storage a;
    socklen_t len;
};

static inline void make_full(struct full *q) {
    q->listener = plain_listener(AF_INET, 0, 0);
    CHECK_OP(q->listener, >=, 0);
    q->len = loopback(&q->a, AF_INET, port_of(q->listener));
    for (int i = 0; i < 3; i++) {
        q->fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        CHECK(connect(q->fill[i], (struct sockaddr *)&q->a, q->len) == 0 || errno == EINPROGRESS);
    }
    usleep(20000);
}

static inline void empty(struct full *q) {
    for (int i = 0; i < 3; i++) close(q->fill[i]);
    close(q->listener);
}

/* Whether the library finds io_uring here. */
static inline bool has_ring(void) {
    const char *debug = getenv("RT_DEBUG");
    if (debug != NULL && strstr(debug, "nouring") != NULL) return false;
    struct io_uring_params p;
    memset(&p, 0, sizeof p);
    const long fd = syscall(SYS_io_uring_setup, 4, &p);
    if (fd >= 0) close((int)fd);
    return fd >= 0;
}

/* Waits, on a plain thread, until so many descriptors are waited on. */
static inline uint64_t waited_on(void) {
    rt_stats s = {.struct_size = sizeof s};
    CHECK_OK(rt_stats_read(&s));
    return s.poll_fds;
}

#endif
