/*
 * Descriptors, sockets and blocking calls, as a compile-and-link check (see contract_core.c).
 *
 * The calls named after a POSIX function take its parameters and answer its
 * result, or a negative errno value instead of -1 with errno. They park the
 * goroutine where POSIX would block the thread.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <gort.h>

struct pollfd;
struct addrinfo;

#define HAS(ret, name, params)          \
    do {                                \
        ret(*f) params = name;          \
        if (f == NULL) return 1;        \
    } while (0)

int main(void) {
    HAS(ssize_t, rt_read, (int fd, void *buf, size_t len));
    HAS(ssize_t, rt_write, (int fd, const void *buf, size_t len));
    HAS(ssize_t, rt_readv, (int fd, const struct iovec *iov, int iovcnt));
    HAS(ssize_t, rt_writev, (int fd, const struct iovec *iov, int iovcnt));
    HAS(ssize_t, rt_recv, (int fd, void *buf, size_t len, int flags));
    HAS(ssize_t, rt_send, (int fd, const void *buf, size_t len, int flags));
    HAS(ssize_t, rt_recvfrom, (int fd, void *buf, size_t len, int flags, struct sockaddr *addr, socklen_t *addrlen));
    HAS(ssize_t, rt_sendto, (int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr, socklen_t addrlen));
    HAS(ssize_t, rt_recvmsg, (int fd, struct msghdr *msg, int flags));
    HAS(ssize_t, rt_sendmsg, (int fd, const struct msghdr *msg, int flags));
    HAS(int, rt_accept, (int fd, struct sockaddr *addr, socklen_t *addrlen));
    HAS(int, rt_accept4, (int fd, struct sockaddr *addr, socklen_t *addrlen, int flags));
    HAS(int, rt_connect, (int fd, const struct sockaddr *addr, socklen_t addrlen));
    HAS(int, rt_close, (int fd));
    HAS(int, rt_poll, (struct pollfd *fds, size_t nfds, int64_t timeout_ns));

    /* All of it, or why not (RT_ECLOSED: the end came first); the count before the error is in *done (may be NULL). */
    HAS(int, rt_write_all, (int fd, const void *buf, size_t len, size_t *done));
    HAS(int, rt_read_full, (int fd, void *buf, size_t len, size_t *done));

    /* Readiness (level-triggered), and deadlines in rt_now() time that end waiting calls with RT_ETIMEDOUT (0 clears). */
    int events = RT_POLL_READ | RT_POLL_WRITE;
    HAS(int, rt_fd_wait, (int fd, int events, int64_t timeout_ns));
    HAS(int, rt_fd_set_deadline, (int fd, int events, int64_t deadline_ns));
    HAS(int, rt_fd_forget, (int fd));

    /* "host:port" helpers: a non-blocking, close-on-exec descriptor, or a negative error. */
    HAS(int, rt_tcp_listen, (const char *address, int backlog));
    HAS(int, rt_tcp_dial, (const char *address, int64_t timeout_ns));
    /* EAI codes come as RT_EAI_BASE - |code|, so that they cannot be taken for errno values. */
    if (RT_EAI_BASE != -20000) return 1;
    HAS(int, rt_getaddrinfo, (const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res));

    /* Files: a goroutine waits, its thread's processor does not. */
    HAS(int, rt_open, (const char *path, int flags, unsigned mode));
    HAS(ssize_t, rt_pread, (int fd, void *buf, size_t len, int64_t offset));
    HAS(ssize_t, rt_pwrite, (int fd, const void *buf, size_t len, int64_t offset));
    HAS(int, rt_fsync, (int fd));

    /* Anything else that blocks: fn runs on the thread's own (large) stack, off the scheduler. */
    HAS(int, rt_blocking, (rt_fn fn, void *arg));
    HAS(void, rt_entersyscall, (void));
    HAS(void, rt_exitsyscall, (void));

    (void)events;
    puts("contract_net: ok");
    return 0;
}
