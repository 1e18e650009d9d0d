/*
 * proxy [-c CONNECTIONS] [-t SECONDS] [-g SECONDS] LISTEN TARGET: passes TCP connections on. Both are host:port.
 *
 *     serve --rt_go--> accept_loop --rt_go--> handle, one per connection, copies to the client
 *                                               `--rt_go--> copies to the target
 *
 * Each side may end its half: the other half goes on (`printf request | nc -N ...`). A connection that broke on one side is
 * reset on the other: half of a file must not look like a whole one.
 *
 *   -c  so many at a time (1000); who comes then waits in the queue of the listening socket
 *   -t  so long for the target to answer a connect (5)
 *   -g  so long may connections go on after SIGTERM or SIGINT (10); then it exits
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gort.h>

#define SECOND INT64_C(1000000000)

static struct {
    const char *target;
    int listener;
    int64_t connect, grace; /* nanoseconds */
    rt_sema places;         /* as many as there may be connections */
    rt_waitgroup goroutines;
    atomic_bool stopping;
} proxy = {.connect = 5 * SECOND, .grace = 10 * SECOND};

/* A connection, on the stack of `handle`. */
struct pair {
    int client, target;
    rt_waitgroup upstream;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "proxy: %s: %s\n", what, why);
    exit(1);
}

static void set_option(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof value);
}

/* Ends both directions: each of their calls, waiting or to come, is over its deadline. Closing is then a reset. */
static void break_off(const struct pair *p)
{
    int both[] = {p->client, p->target};
    for (int i = 0; i < 2; i++) {
        setsockopt(both[i], SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
        rt_fd_set_deadline(both[i], RT_POLL_READ | RT_POLL_WRITE, 1); /* a time that is over */
    }
}

static void copy(const struct pair *p, int from, int to)
{
    char buf[16 * 1024]; /* on the goroutine's own stack */
    for (;;) {
        ssize_t n = rt_read(from, buf, sizeof buf);
        if (n < 0 || (n > 0 && rt_write_all(to, buf, (size_t)n, NULL) != RT_OK)) {
            break_off(p);
            return;
        }
        if (n == 0) {
            shutdown(to, SHUT_WR); /* hands the end on; the other direction does not notice */
            return;
        }
    }
}

static void copy_upstream(void *arg)
{
    struct pair *p = arg;
    copy(p, p->client, p->target);
}

static void handle(void *arg)
{
    struct pair p = {.client = (int)(intptr_t)arg};
    p.target = rt_tcp_dial(proxy.target, proxy.connect);
    if (p.target >= 0) {
        set_option(p.target, SOL_SOCKET, SO_KEEPALIVE, 1);
        set_option(p.target, IPPROTO_TCP, TCP_NODELAY, 1);
        if (rt_waitgroup_go(&p.upstream, copy_upstream, &p) < 0)
            break_off(&p);
        copy(&p, p.target, p.client);
        rt_waitgroup_wait(&p.upstream);
        rt_close(p.target);
    } else {
        fprintf(stderr, "proxy: %s: %s\n", proxy.target, rt_strerror(p.target));
    }
    rt_close(p.client);
    rt_sema_release(&proxy.places);
}

static void accept_loop(void *arg)
{
    (void)arg;
    while (!proxy.stopping) {
        rt_sema_acquire(&proxy.places);
        int fd = rt_accept(proxy.listener, NULL, NULL);
        if (fd >= 0 && rt_waitgroup_go(&proxy.goroutines, handle, (void *)(intptr_t)fd) >= 0)
            continue;
        if (fd >= 0)
            rt_close(fd);
        rt_sema_release(&proxy.places);
        if (!proxy.stopping)
            rt_sleep(SECOND / 100); /* too many are open, or this one is gone already: both pass */
    }
}

/* The goroutine that rt_run runs: everything ends when it does. */
static void serve(void *arg)
{
    struct signalfd_siginfo info;
    if (rt_waitgroup_go(&proxy.goroutines, accept_loop, NULL) < 0)
        fail("serve", "no memory");
    rt_read(*(int *)arg, &info, sizeof info); /* a descriptor like any other: this waits for the signal */
    proxy.stopping = true;
    rt_close(proxy.listener); /* ends the accept that waits on it */
    if (rt_waitgroup_wait_timeout(&proxy.goroutines, proxy.grace) != RT_OK)
        fputs("proxy: not everybody was through in time\n", stderr);
}

static double number(const char *text, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value > 0 && value <= most))
        fail(text, "a number is wanted");
    return value;
}

int main(int argc, char **argv)
{
    uint32_t connections = 1000;
    for (int option; (option = getopt(argc, argv, "c:t:g:")) != -1;) {
        switch (option) {
        case 'c': connections = (uint32_t)number(optarg, 1e6); break;
        case 't': proxy.connect = (int64_t)(number(optarg, 1e6) * (double)SECOND); break;
        case 'g': proxy.grace = (int64_t)(number(optarg, 1e6) * (double)SECOND); break;
        default: optind = argc;
        }
    }
    if (optind + 2 != argc) {
        fputs("usage: proxy [-c CONNECTIONS] [-t CONNECT-SECONDS] [-g GRACE-SECONDS] LISTEN TARGET\n", stderr);
        return 2;
    }
    proxy.target = argv[optind + 1];
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) { /* two for each connection */
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    rt_sema_init(&proxy.places, connections);

    /* Blocked before the runtime starts: its threads have the mask of the one that starts it. */
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    int signals = signalfd(-1, &stop, SFD_NONBLOCK | SFD_CLOEXEC);

    proxy.listener = rt_tcp_listen(argv[optind], 0);
    if (proxy.listener < 0)
        fail(argv[optind], rt_strerror(proxy.listener));
    /* Accepted sockets inherit both. */
    set_option(proxy.listener, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(proxy.listener, IPPROTO_TCP, TCP_NODELAY, 1);
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    getsockname(proxy.listener, (struct sockaddr *)&at, &len);
    printf("proxy: port %d\n", ntohs(((struct sockaddr_in *)&at)->sin_port)); /* where IPv6 has it, too */
    fflush(stdout);

    int answer = rt_run(serve, &signals);
    if (answer != RT_OK)
        fail("rt_run", rt_strerror(answer));
    return 0;
}
