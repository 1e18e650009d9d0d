/*
 * What io_uring does where the system has it, and threads where not (net_ring@nouring): files that are not in the page cache, and
 * the blocking calls that nothing else could end: connects, accepts, terminals. What comes out is the same; only that without a ring
 * the latter last until they are over.
 */
#include "net.h"

#include <pty.h>
#include <sys/wait.h>
#include <termios.h>

enum { BLOCK = 4096, BLOCKS = 600 };

/* The first words of each block tell which it is. */
static void fill(unsigned char *block, uint32_t number) {
    for (uint32_t i = 0; i < BLOCK; i++) block[i] = (unsigned char)(number * 7 + i * 13 + (i >> 8));
    memcpy(block, &number, sizeof number);
}

struct file {
    int fd;
    rt_waitgroup wg;
    _Atomic int read;
    _Atomic unsigned char seen[BLOCKS];
};

static void forget_pages(int fd) {
    CHECK_EQ(fdatasync(fd), 0);
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
}

static void reads_at(void *arg) {
    struct file *f = arg;
    unsigned char *buf = malloc(3 * BLOCK), want[BLOCK];
    uint64_t seed = (uint64_t)rt_goid() * 0x9e3779b97f4a7c15u + 1;
    for (int i = 0; i < 30; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        const uint32_t first = (uint32_t)(seed >> 33) % (BLOCKS - 2);
        if (i % 10 == 0) CHECK_EQ(posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        CHECK_EQ(rt_pread(f->fd, buf, 3 * BLOCK, (int64_t)first * BLOCK), 3 * BLOCK);
        for (uint32_t b = 0; b < 3; b++) {
            fill(want, first + b);
            CHECK(memcmp(buf + b * BLOCK, want, BLOCK) == 0);
        }
        atomic_fetch_add(&f->read, 1);
    }
    free(buf);
    CHECK_OK(rt_waitgroup_done(&f->wg));
}

static void reads_on(void *arg) {
    struct file *f = arg;
    unsigned char buf[BLOCK], want[BLOCK];
    for (;;) {
        const ssize_t n = rt_read(f->fd, buf, sizeof buf);
        if (n == 0) break;
        CHECK_EQ(n, BLOCK);
        uint32_t number;
        memcpy(&number, buf, sizeof number);
        CHECK_OP(number, <, BLOCKS);
        fill(want, number);
        CHECK(memcmp(buf, want, BLOCK) == 0);
        /* The position is the file's: each block goes to one reader. */
        CHECK_EQ(atomic_exchange(&f->seen[number], 1), 0);
        atomic_fetch_add(&f->read, 1);
    }
    CHECK_OK(rt_waitgroup_done(&f->wg));
}

static void writes_at(void *arg) {
    struct file *f = arg;
    unsigned char block[BLOCK];
    for (uint32_t b = (uint32_t)atomic_fetch_add(&f->read, 1); b < BLOCKS; b = (uint32_t)atomic_fetch_add(&f->read, 1)) {
        fill(block, b);
        CHECK_EQ(rt_pwrite(f->fd, block, BLOCK, (int64_t)b * BLOCK), BLOCK);
        if (b % 100 == 0) CHECK_OK(rt_fsync(f->fd));
    }
    CHECK_OK(rt_waitgroup_done(&f->wg));
}

static void by(struct file *f, int n, rt_fn fn) {
    atomic_store(&f->read, 0);
    for (int i = 0; i < n; i++) {
        CHECK_OK(rt_waitgroup_add(&f->wg, 1));
        CHECK_OP(rt_go(fn, f), >, 0);
    }
    CHECK_OK(rt_waitgroup_wait(&f->wg));
}

static void files(void *arg) {
    (void)arg;
    char name[] = "gort-ring-XXXXXX";
    struct file *f = calloc(1, sizeof *f);
    f->fd = apart(mkostemp(name, O_CLOEXEC));
    CHECK_OP(f->fd, >=, 0);
    CHECK_EQ(unlink(name), 0);
    by(f, 8, writes_at);
    forget_pages(f->fd);
    by(f, 8, reads_at);
    CHECK_EQ(atomic_load(&f->read), 8 * 30);
    forget_pages(f->fd);
    CHECK_EQ(lseek(f->fd, 0, SEEK_SET), 0);
    by(f, 8, reads_on);
    CHECK_EQ(atomic_load(&f->read), BLOCKS);
    /* Errors are the calls' own. */
    char c;
    CHECK_EQ(rt_pread(f->fd, &c, 1, (int64_t)BLOCKS * BLOCK), 0);
    CHECK_OK(rt_close(f->fd));
    CHECK_EQ(rt_pread(f->fd, &c, 1, 0), -EBADF);
    CHECK_EQ(rt_fsync(f->fd), -EBADF);
    free(f);
}

struct connecting {
    struct full *q;
    int fd, result;
    rt_waitgroup wg;
};

static void connects(void *arg) {
    struct connecting *c = arg;
    c->result = rt_connect(c->fd, (struct sockaddr *)&c->q->a, c->q->len);
    CHECK_OK(rt_waitgroup_done(&c->wg));
}

static void begin(struct connecting *c, struct full *q) {
    memset(c, 0, sizeof *c);
    c->q = q;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OP(c->fd, >=, 0);
    CHECK_OK(rt_waitgroup_add(&c->wg, 1));
    CHECK_OP(rt_go(connects, c), >, 0);
}

static void locks_and_ends(void *arg) {
    CHECK_OK(rt_lock_os_thread());
    (void)arg;
}

static void blocking_connects(void *arg) {
    (void)arg;
    struct full q;
    struct connecting c;
    make_full(&q);
    const int f = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OK(rt_fd_set_deadline(f, RT_POLL_WRITE, rt_now() + 5 * MS));
    CHECK_EQ(rt_connect(f, (struct sockaddr *)&q.a, q.len), RT_ETIMEDOUT);
    CHECK_EQ(flags_of(f) & O_NONBLOCK, 0);
    CHECK_OK(rt_close(f));
    /* A deadline that is set while it waits. */
    begin(&c, &q);
    CHECK_OK(rt_sleep(10 * MS));
    CHECK_OK(rt_fd_set_deadline(c.fd, RT_POLL_WRITE, rt_now() + 5 * MS));
    CHECK_OK(rt_waitgroup_wait(&c.wg));
    CHECK_EQ(c.result, RT_ETIMEDOUT);
    CHECK_OK(rt_close(c.fd));
    /* A close. */
    begin(&c, &q);
    CHECK_OK(rt_sleep(10 * MS));
    CHECK_OK(rt_close(c.fd));
    CHECK_OK(rt_waitgroup_wait(&c.wg));
    CHECK_EQ(c.result, RT_ECANCELED);
    /* The thread that began it ends: it goes on. */
    begin(&c, &q);
    CHECK_OK(rt_sleep(10 * MS));
    for (int i = 0; i < 8; i++) {
        CHECK_OP(rt_go(locks_and_ends, NULL), >, 0);
        CHECK_OK(rt_sleep(2 * MS));
    }
    CHECK_OK(rt_fd_set_deadline(c.fd, RT_POLL_WRITE, rt_now() + 5 * MS));
    CHECK_OK(rt_waitgroup_wait(&c.wg));
    CHECK_EQ(c.result, RT_ETIMEDOUT);
    CHECK_OK(rt_close(c.fd));
    empty(&q);
    /* And one that is answered. */
    const int l = plain_listener(AF_INET, 0, 8), s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage a;
    const socklen_t n = loopback(&a, AF_INET, port_of(l));
    CHECK_OK(rt_connect(s, (struct sockaddr *)&a, n));
    CHECK_EQ(rt_connect(s, (struct sockaddr *)&a, n), -EISCONN);
    CHECK_OK(rt_close(s));
    const int none = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(close(l), 0);
    CHECK_EQ(rt_connect(none, (struct sockaddr *)&a, n), -ECONNREFUSED);
    CHECK_OK(rt_close(none));
}

/* Several wait for what only one of them gets: the others wait on, and can be ended. */
struct race {
    int fd;
    bool is_tty;
    _Atomic int got, timed_out;
    rt_waitgroup wg;
};

static void races(void *arg) {
    struct race *r = arg;
    char buf[16];
    const ssize_t n = r->is_tty ? rt_read(r->fd, buf, sizeof buf) : rt_accept(r->fd, NULL, NULL);
    if (n == RT_ETIMEDOUT) {
        atomic_fetch_add(&r->timed_out, 1);
    } else {
        CHECK_OP(n, >=, 0);
        if (r->is_tty) {
            CHECK_EQ(n, 5);
        } else {
            CHECK_OK(rt_close((int)n));
        }
        atomic_fetch_add(&r->got, 1);
    }
    CHECK_OK(rt_waitgroup_done(&r->wg));
}

static void race(struct race *r, void (*one_comes)(void *), void *arg) {
    enum { RACERS = 4 };
    for (int i = 0; i < 50; i++) {
        atomic_store(&r->got, 0);
        atomic_store(&r->timed_out, 0);
        CHECK_OK(rt_fd_set_deadline(r->fd, RT_POLL_READ, 0));
        for (int k = 0; k < RACERS; k++) {
            CHECK_OK(rt_waitgroup_add(&r->wg, 1));
            CHECK_OP(rt_go(races, r), >, 0);
        }
        if (i % 2 == 0) CHECK_OK(rt_sleep(200 * US));
        one_comes(arg);
        while (atomic_load(&r->got) == 0) CHECK_OK(rt_sleep(100 * US));
        CHECK_OK(rt_fd_set_deadline(r->fd, RT_POLL_READ, rt_now()));
        CHECK_OK(rt_waitgroup_wait(&r->wg));
        CHECK_EQ(atomic_load(&r->got), 1);
        CHECK_EQ(atomic_load(&r->timed_out), RACERS - 1);
    }
}

static void types(void *arg) { CHECK_EQ(rt_write(*(int *)arg, "line\n", 5), 5); }

static void comes(void *arg) {
    struct sockaddr_storage a;
    const socklen_t n = loopback(&a, AF_INET, *(int *)arg);
    const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(s, (struct sockaddr *)&a, n), 0);
    CHECK_EQ(close(s), 0);
}

static void losers(void *arg) {
    (void)arg;
    struct race *r = calloc(1, sizeof *r);
    int master;
    CHECK_EQ(openpty(&master, &r->fd, NULL, NULL, NULL), 0);
    struct termios t;
    CHECK_EQ(tcgetattr(r->fd, &t), 0);
    t.c_lflag &= ~(tcflag_t)ECHO;
    CHECK_EQ(tcsetattr(r->fd, TCSANOW, &t), 0);
    r->is_tty = true;
    race(r, types, &master);
    CHECK_EQ(flags_of(r->fd) & O_NONBLOCK, 0);
    CHECK_OK(rt_close(r->fd));
    CHECK_OK(rt_close(master));
    r->is_tty = false;
    r->fd = plain_listener(AF_INET, 0, 16);
    int port = port_of(r->fd);
    race(r, comes, &port);
    CHECK_EQ(flags_of(r->fd) & O_NONBLOCK, 0);
    CHECK_OK(rt_fd_set_deadline(r->fd, RT_POLL_READ, 0));
    CHECK_EQ(rt_accept4(r->fd, NULL, NULL, 0x40000000), -EINVAL);
    CHECK_OK(rt_close(r->fd));
    const int no = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(rt_accept(no, NULL, NULL), -EINVAL);
    CHECK_OK(rt_close(no));
    free(r);
}

static void run_files(void *arg) { files(arg); }

int main(void) {
    everywhere(files, NULL);
    if (has_ring()) {
        everywhere(blocking_connects, NULL);
        everywhere(losers, NULL);
    } else {
        puts("net_ring: there is no ring here");
    }
    /* A child has none of its parent's, and makes its own. */
    const pid_t child = fork();
    CHECK_OP(child, >=, 0);
    if (child == 0) {
        CHECK_OK(rt_run(run_files, NULL));
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    /* Nor does a stop lose it. */
    CHECK_OK(rt_stop(RT_FOREVER));
    CHECK_OK(rt_run(run_files, NULL));
    CHECK_EQ(waited_on(), 0);
    puts("net_ring: ok");
    return 0;
}
