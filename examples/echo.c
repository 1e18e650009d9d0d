/*
 * echo [ADDRESS]: sends back whatever it gets, by TCP and by UDP. ADDRESS is host:port, 127.0.0.1:7777 by default.
 *
 * A goroutine per connection reads and writes as if it had a thread to itself:
 *
 *     main --rt_go--> serve, one per connection
 *        `--rt_go--> datagrams, which is one for all
 *
 * Port 0 takes one that is free; the line on standard output names it. It runs until it is killed.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include <gort.h>

static void serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[4096];
    ssize_t n;
    while ((n = rt_read(fd, buf, sizeof buf)) > 0) /* waits, and other goroutines run */
        if (rt_write_all(fd, buf, (size_t)n, NULL) != RT_OK)
            break;
    rt_close(fd);
}

static void datagrams(void *arg)
{
    int fd = (int)(intptr_t)arg;
    static char buf[65536]; /* as large as a datagram can be; static, for this goroutine is the only one */
    for (;;) {
        struct sockaddr_storage from;
        socklen_t len = sizeof from;
        ssize_t n = rt_recvfrom(fd, buf, sizeof buf, 0, (struct sockaddr *)&from, &len);
        if (n >= 0)
            rt_sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len); /* as UDP is: it arrives, or not */
    }
}

int main(int argc, char **argv)
{
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:7777";
    int listener = rt_tcp_listen(address, 0);
    if (listener < 0) {
        fprintf(stderr, "echo: %s: %s\n", address, rt_strerror(listener));
        return 1;
    }
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    getsockname(listener, (struct sockaddr *)&at, &len);
    int udp = socket(at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* non-blocking or not: these calls work with both */
    if (bind(udp, (struct sockaddr *)&at, len) != 0 || rt_go(datagrams, (void *)(intptr_t)udp) < 0)
        fputs("echo: no UDP\n", stderr);
    printf("echo: port %d\n", ntohs(((struct sockaddr_in *)&at)->sin_port)); /* where IPv6 has it, too */
    fflush(stdout);

    for (;;) { /* the main thread is no goroutine: here it is the thread that waits */
        int fd = rt_accept(listener, NULL, NULL);
        if (fd < 0)
            rt_sleep(10 * 1000000); /* too many are open, or this one is gone already: both pass */
        else if (rt_go(serve, (void *)(intptr_t)fd) < 0)
            rt_close(fd);
    }
}
