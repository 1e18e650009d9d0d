/* More of what tests share: cases of a select, the same body everywhere, a child's stderr, what the process holds. */
#ifndef GORT_MORE_H
#define GORT_MORE_H

#include "check.h"

#include <dirent.h>

/* What no call answers: a result that is still this was not written. */
enum { UNTOUCHED = 0x5a5a };

static inline rt_select_case recv_case(rt_chan *c, void *elem) {
    const rt_select_case k = {.chan = c, .elem = elem, .dir = RT_RECV, .result = UNTOUCHED};
    return k;
}

static inline rt_select_case send_case(rt_chan *c, const void *elem) {
    rt_select_case k = {.chan = c, .elem = NULL, .dir = RT_SEND, .result = UNTOUCHED};
    /* A select only reads what it sends. */
    memcpy(&k.elem, &elem, sizeof elem);
    return k;
}

/* One case, with a timeout. */
static inline int select_recv(rt_chan *c, void *elem, int64_t timeout, int32_t *result) {
    rt_select_case k = recv_case(c, elem);
    const int r = rt_select(&k, 1, timeout);
    *result = k.result;
    return r;
}

static inline int select_send(rt_chan *c, const void *elem, int64_t timeout, int32_t *result) {
    rt_select_case k = send_case(c, elem);
    const int r = rt_select(&k, 1, timeout);
    *result = k.result;
    return r;
}

/* The same body on this thread, on a goroutine, and on another plain thread. */
struct body {
    rt_fn fn;
    void *arg;
};

static inline void *body_thread(void *arg) {
    const struct body *b = arg;
    b->fn(b->arg);
    return NULL;
}

static inline void on_thread(rt_fn fn, void *arg) {
    struct body b = {fn, arg};
    thread_join(thread_start(body_thread, &b));
}

static inline void everywhere(rt_fn fn, void *arg) {
    fn(arg);
    CHECK_OK(rt_run(fn, arg));
    on_thread(fn, arg);
}

/* What a dump says. Not by two at once. */
static inline const char *dump_text(void) {
    static char text[1 << 20];
    const int fd = memfd_create("dump", MFD_CLOEXEC);
    CHECK_OP(fd, >=, 0);
    CHECK_OK(rt_dump(fd));
    const ssize_t n = pread(fd, text, sizeof text - 1, 0);
    CHECK_OP(n, >, 0);
    text[n] = '\0';
    close(fd);
    return text;
}

/*
 * Runs fn in a forked child with its stderr caught, and answers its wait status. A child that hangs ends by SIGALRM. As
 * in_child only for a process that has not started the runtime.
 */
static inline int capture(void (*fn)(void), char *text, size_t size) {
    int fds[2];
    fflush(NULL);
    CHECK_EQ(pipe(fds), 0);
    const pid_t pid = fork();
    CHECK_OP(pid, >=, 0);
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        close(fds[0]);
        if (dup2(fds[1], 2) != 2) _exit(99);
        close(fds[1]);
        alarm(60);
        fn();
        fflush(NULL);
        _exit(0);
    }
    close(fds[1]);
    size_t at = 0;
    for (;;) {
        char rest[512];
        const bool room = at + 1 < size;
        const ssize_t n = room ? read(fds[0], text + at, size - 1 - at) : read(fds[0], rest, sizeof rest);
        if (n == 0) break;
        if (n < 0) {
            CHECK_EQ(errno, EINTR);
            continue;
        }
        if (room) at += (size_t)n;
    }
    text[at] = '\0';
    close(fds[0]);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) CHECK_EQ(errno, EINTR);
    return status;
}

/* What the process has: threads and descriptors by number, resident memory in bytes. */
static inline int count_entries(const char *folder) {
    int n = 0;
    DIR *d = opendir(folder);
    CHECK(d != NULL);
    const struct dirent *e;
    while ((e = readdir(d)) != NULL) n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static inline int thread_count(void) { return count_entries("/proc/self/task"); }

/* Without the one that looks. */
static inline int fd_count(void) { return count_entries("/proc/self/fd") - 1; }

static inline int64_t resident(void) {
    char text[128];
    const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    CHECK_OP(fd, >=, 0);
    const ssize_t n = read(fd, text, sizeof text - 1);
    CHECK_OP(n, >, 0);
    text[n] = '\0';
    close(fd);
    long total = 0, pages = 0;
    CHECK_EQ(sscanf(text, "%ld %ld", &total, &pages), 2);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

#endif
