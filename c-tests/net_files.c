/*
 * What is neither pipe nor socket: regular files of many sizes, fifos, eventfds, terminals, timerfds, inotify, /dev/null. A
 * goroutine that waits for one holds up nobody, and no flag changes.
 */
#include "net.h"

#include <pty.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <termios.h>

static char folder[] = "/tmp/gort-files-XXXXXX";

static const char *path(const char *name) {
    static __thread char text[128];
    snprintf(text, sizeof text, "%s/%s", folder, name);
    return text;
}

static void files(void *arg) {
    (void)arg;
    char name[64];
    snprintf(name, sizeof name, "f-%" PRIu64, (uint64_t)now_ns());
    const int sizes[] = {0, 1, 511, 4096, 4097, 65536, 1000003};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        const int size = sizes[s];
        unsigned char *data = calloc(1, (size_t)size + 16), *back = calloc(1, (size_t)size + 16);
        for (int i = 0; i < size; i++) data[i] = (unsigned char)(i * 13 + (i >> 9));
        char at[128];
        snprintf(at, sizeof at, "%s/%s", folder, name);
        set_errno(4711);
        int fd = rt_open(at, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        CHECK_OP(fd, >=, 0);
        CHECK_EQ(get_errno(), 4711);
        CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
        CHECK_EQ(rt_write(fd, data, (size_t)size), size);
        CHECK_OK(rt_fsync(fd));
        CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
        memset(back, 0, (size_t)size + 1);
        CHECK_EQ(rt_read(fd, back, (size_t)size + 1), size);
        CHECK(memcmp(data, back, (size_t)size) == 0);
        CHECK_EQ(rt_read(fd, back, 1), 0);
        memset(back, 0, (size_t)size + 1);
        CHECK_EQ(rt_pread(fd, back, (size_t)size + 1, 0), size);
        CHECK(memcmp(data, back, (size_t)size) == 0);
        CHECK_EQ(rt_pread(fd, back, 10, size / 2), size - size / 2 < 10 ? size - size / 2 : 10);
        CHECK_EQ(rt_pread(fd, back, 10, size + 100), 0);
        CHECK_EQ(rt_pread(fd, back, 10, -1), RT_EINVAL);
        CHECK_EQ(rt_pread(fd, NULL, 10, 0), RT_EINVAL);
        CHECK_EQ(rt_pwrite(fd, data, 10, -1), RT_EINVAL);
        CHECK_EQ(rt_pwrite(fd, NULL, 10, 0), RT_EINVAL);
        /* The file's own offset stays. */
        CHECK_EQ(lseek(fd, 0, SEEK_CUR), size);
        CHECK_EQ(rt_pwrite(fd, "tail", 4, size + 4096), 4);
        CHECK_EQ(rt_pread(fd, back, 4, size + 4096), 4);
        CHECK(memcmp(back, "tail", 4) == 0 || size < 4);
        struct iovec v[2] = {{back, (size_t)size / 2}, {back + size / 2, (size_t)size - (size_t)size / 2}};
        CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
        CHECK_EQ(rt_readv(fd, v, 2), size);
        CHECK(memcmp(data, back, (size_t)size) == 0);
        CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
        CHECK_EQ(rt_writev(fd, v, 2), size);
        CHECK_OK(rt_close(fd));
        fd = rt_open(at, O_WRONLY | O_APPEND, 0);
        CHECK_OP(fd, >=, 0);
        CHECK_EQ(fcntl(fd, F_GETFD), 0);
        CHECK_EQ(rt_write(fd, "more", 4), 4);
        CHECK_EQ(rt_read(fd, back, 1), -EBADF);
        CHECK_OK(rt_close(fd));
        CHECK_EQ(unlink(at), 0);
        CHECK_EQ(rt_open(at, O_RDONLY, 0), -ENOENT);
        free(data);
        free(back);
    }
    CHECK_EQ(rt_open(NULL, O_RDONLY, 0), RT_EINVAL);
    const int dir = rt_open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    CHECK_OP(dir, >=, 0);
    char c;
    CHECK_EQ(rt_read(dir, &c, 1), -EISDIR);
    CHECK_OK(rt_close(dir));
    const int null = rt_open("/dev/null", O_RDWR | O_CLOEXEC, 0), zero = rt_open("/dev/zero", O_RDONLY | O_CLOEXEC, 0);
    CHECK_EQ(rt_read(null, &c, 1), 0);
    CHECK_EQ(rt_write(null, &c, 1), 1);
    CHECK_EQ(rt_read(zero, &c, 1), 1);
    CHECK_OP(rt_fd_wait(null, RT_POLL_READ | RT_POLL_WRITE, RT_FOREVER), >, 0);
    CHECK_OK(rt_close(null));
    CHECK_OK(rt_close(zero));
    const int proc = rt_open("/proc/self/stat", O_RDONLY | O_CLOEXEC, 0);
    char text[64];
    CHECK_OP(rt_read(proc, text, sizeof text), >, 0);
    CHECK_OK(rt_close(proc));
}

/* The open of a fifo blocks until somebody opens the other end: with one P, another goroutine. */
static void opens_fifo(void *arg) {
    const int fd = rt_open(path("fifo"), O_WRONLY | O_CLOEXEC, 0);
    CHECK_OP(fd, >=, 0);
    CHECK_OK(rt_sleep(MS));
    CHECK_EQ(rt_write(fd, "fifo", 4), 4);
    CHECK_OK(rt_close(fd));
    (void)arg;
}

static void fifo(void *arg) {
    (void)arg;
    CHECK_EQ(mkfifo(path("fifo"), 0600), 0);
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    CHECK_OP(rt_waitgroup_go(&wg, opens_fifo, NULL), >, 0);
    const int fd = rt_open(path("fifo"), O_RDONLY | O_CLOEXEC, 0);
    CHECK_OP(fd, >=, 0);
    char buf[8];
    CHECK_EQ(rt_read(fd, buf, sizeof buf), 4);
    CHECK_EQ(rt_read(fd, buf, sizeof buf), 0);
    CHECK_OK(rt_close(fd));
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(unlink(path("fifo")), 0);
}

static int64_t cpu_used(void) {
    struct rusage u;
    CHECK_EQ(getrusage(RUSAGE_SELF, &u), 0);
    return ((int64_t)u.ru_utime.tv_sec + u.ru_stime.tv_sec) * SECOND +
           ((int64_t)u.ru_utime.tv_usec + u.ru_stime.tv_usec) * US;
}

static void adds(void *arg) {
    const uint64_t n = 3;
    CHECK_OK(rt_sleep(MS));
    CHECK_EQ(rt_write((int)(intptr_t)arg, &n, sizeof n), 8);
}

static void events(void *arg) {
    (void)arg;
    for (int flags = 0; flags <= EFD_NONBLOCK; flags += EFD_NONBLOCK) {
        const int fd = eventfd(0, EFD_CLOEXEC | flags);
        const int f = flags_of(fd);
        uint64_t n = 0;
        CHECK_OK(rt_fd_set_deadline(fd, RT_POLL_READ, rt_now() + 2 * MS));
        CHECK_EQ(rt_read(fd, &n, sizeof n), RT_ETIMEDOUT);
        CHECK_OK(rt_fd_set_deadline(fd, RT_POLL_READ, 0));
        rt_waitgroup wg;
        memset(&wg, 0, sizeof wg);
        CHECK_OP(rt_waitgroup_go(&wg, adds, (void *)(intptr_t)fd), >, 0);
        CHECK_EQ(rt_read(fd, &n, sizeof n), 8);
        CHECK_EQ(n, 3);
        CHECK_OK(rt_waitgroup_wait(&wg));
        /* A write that has no room waits until it has. */
        n = UINT64_MAX - 1;
        CHECK_EQ(rt_write(fd, &n, sizeof n), 8);
        n = 5;
        CHECK_OK(rt_fd_set_deadline(fd, RT_POLL_WRITE, rt_now() + 2 * MS));
        CHECK_EQ(rt_write(fd, &n, sizeof n), RT_ETIMEDOUT);
        if (flags) {
            /* Ready, but not for so much: it waits, and does not burn a processor. */
            CHECK_OK(rt_fd_set_deadline(fd, RT_POLL_WRITE, 0));
            CHECK_EQ(rt_read(fd, &n, sizeof n), 8);
            n = UINT64_MAX - 3;
            CHECK_EQ(rt_write(fd, &n, sizeof n), 8);
            n = 5;
            CHECK_OK(rt_fd_set_deadline(fd, RT_POLL_WRITE, rt_now() + 200 * MS));
            const int64_t cpu = cpu_used();
            CHECK_EQ(rt_write(fd, &n, sizeof n), RT_ETIMEDOUT);
            if (!emulated() && !sanitized()) CHECK_OP(cpu_used() - cpu, <, 100 * MS);
        }
        CHECK_EQ(rt_read(fd, &n, 3), -EINVAL);
        CHECK_EQ(flags_of(fd), f);
        CHECK_OK(rt_close(fd));
    }
    const int t = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    const struct itimerspec soon = {.it_value = {.tv_nsec = 2 * MS}};
    CHECK_EQ(timerfd_settime(t, 0, &soon, NULL), 0);
    uint64_t n = 0;
    CHECK_EQ(rt_read(t, &n, sizeof n), 8);
    CHECK_EQ(n, 1);
    CHECK_OK(rt_close(t));
}

static void touches(void *arg) {
    CHECK_OK(rt_sleep(MS));
    const int fd = rt_open(arg, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK_OP(fd, >=, 0);
    CHECK_OK(rt_close(fd));
}

static void notices(void *arg) {
    (void)arg;
    char at[128], buf[4096];
    snprintf(at, sizeof at, "%s/touched", folder);
    const int fd = inotify_init1(IN_CLOEXEC);
    CHECK_OP(inotify_add_watch(fd, folder, IN_CREATE), >=, 0);
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    CHECK_OP(rt_waitgroup_go(&wg, touches, at), >, 0);
    CHECK_OP(rt_read(fd, buf, sizeof buf), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_OK(rt_close(fd));
    CHECK_EQ(unlink(at), 0);
}

static void types(void *arg) {
    const int fd = (int)(intptr_t)arg;
    for (int i = 0; i < 20; i++) {
        CHECK_OK(rt_sleep(200 * US));
        CHECK_EQ(rt_write(fd, "a line\n", 7), 7);
    }
}

static void terminal(void *arg) {
    (void)arg;
    int master, slave;
    CHECK_EQ(openpty(&master, &slave, NULL, NULL, NULL), 0);
    struct termios raw;
    CHECK_EQ(tcgetattr(slave, &raw), 0);
    raw.c_lflag &= ~(tcflag_t)ECHO;
    CHECK_EQ(tcsetattr(slave, TCSANOW, &raw), 0);
    const int f = flags_of(slave);
    char buf[100];
    CHECK_OK(rt_fd_set_deadline(slave, RT_POLL_READ, rt_now() + 2 * MS));
    CHECK_EQ(rt_read(slave, buf, sizeof buf), RT_ETIMEDOUT);
    CHECK_OK(rt_fd_set_deadline(slave, RT_POLL_READ, 0));
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    CHECK_OP(rt_waitgroup_go(&wg, types, (void *)(intptr_t)master), >, 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(rt_read(slave, buf, sizeof buf), 7);
        CHECK(memcmp(buf, "a line\n", 7) == 0);
    }
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(rt_write(slave, "out\n", 4), 4);
    /* What a terminal passes on may come in pieces. */
    CHECK_OK(rt_read_full(master, buf, 5, NULL));
    CHECK(memcmp(buf, "out\r\n", 5) == 0);
    CHECK_EQ(flags_of(slave), f);
    CHECK_OK(rt_close(slave));
    CHECK_EQ(rt_read(master, buf, sizeof buf), -EIO);
    CHECK_OK(rt_close(master));
}

int main(void) {
    CHECK(mkdtemp(folder) != NULL);
    everywhere(files, NULL);
    everywhere(fifo, NULL);
    everywhere(events, NULL);
    everywhere(notices, NULL);
    everywhere(terminal, NULL);
    CHECK_EQ(waited_on(), 0);
    CHECK_EQ(rmdir(folder), 0);
    puts("net_files: ok");
    return 0;
}
