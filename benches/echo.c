/*
 * How many requests does an echo server answer, and what does each cost? 64 connections, a goroutine each, 64 bytes a request. The
 * server has one CPU, by its affinity, and echo_client another.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"

static int64_t size;

static void serves(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buf[4096];
    for (;;) {
        ssize_t n = rt_read(fd, buf, sizeof buf);
        if (n <= 0 || rt_write_all(fd, buf, (size_t)n, NULL) != RT_OK)
            break;
    }
    rt_close(fd);
}

static void accepts(void *arg)
{
    int fd, listener = (int)(intptr_t)arg;
    while ((fd = rt_accept(listener, NULL, NULL)) >= 0)
        OK(rt_go(serves, (void *)(intptr_t)fd));
}

static double cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void bench(void *arg)
{
    (void)arg;
    int listener = (int)OK(rt_tcp_listen("127.0.0.1:0", 0));
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    getsockname(listener, (struct sockaddr *)&at, &len);
    OK(rt_go(accepts, (void *)(intptr_t)listener));
    char command[4096], line[64] = "";
    const char *client = getenv("ECHO_CLIENT");
    snprintf(command, sizeof command, "exec '%s' %d %lld", client ? client : "echo_client", ntohs(at.sin_port),
             (long long)size);
    double before = cpu();
    int64_t start = rt_now();
    FILE *out = popen(command, "r");
    if (out == NULL || rt_read(fileno(out), line, sizeof line - 1) <= 0)
        exit(1);
    double took = (double)(rt_now() - start) / 1e9, used = cpu() - before, answers = strtod(line, NULL);
    pclose(out);
    bench_report("echo", answers / took, "requests/s");
    bench_report("echo_cpu", used / answers * 1e6, "us/request");
}

int main(int argc, char **argv)
{
    size = bench_size(argc, argv, 3000);
    OK(rt_run(bench, NULL));
    return 0;
}
