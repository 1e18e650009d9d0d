/*
 * What asks the echo servers, the same for both: 64 connections with one request of 64 bytes under way on each, for so many
 * milliseconds, on the last CPU there is. Prints how many answers came.
 *
 * usage: echo_client PORT MILLISECONDS
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 64, BYTES = 64 };

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void need(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    need(argc == 3, "usage: echo_client PORT MILLISECONDS");
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int64_t end = now_ms() + atoll(argv[2]);
    const int set = epoll_create1(EPOLL_CLOEXEC);
    char buf[BYTES] = {0};
    for (int i = 0; i < CONNECTIONS; i++) {
        const int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
        need(connect(fd, (const struct sockaddr *)&to, sizeof to) == 0, "connect");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        need(epoll_ctl(set, EPOLL_CTL_ADD, fd, &e) == 0, "epoll_ctl");
        need(write(fd, buf, BYTES) == BYTES, "write");
    }
    long answers = 0;
    while (now_ms() < end) {
        struct epoll_event events[CONNECTIONS];
        const int n = epoll_wait(set, events, CONNECTIONS, 100);
        for (int i = 0; i < n; i++) {
            const int fd = events[i].data.fd;
            ssize_t got = 0, r;
            /* The answer may come in parts. */
            for (; got < BYTES; got += r)
                need((r = read(fd, buf + got, (size_t)(BYTES - got))) > 0, "read");
            need(write(fd, buf, BYTES) == BYTES, "write");
            answers++;
        }
    }
    printf("%ld\n", answers);
    return 0;
}
