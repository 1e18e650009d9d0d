/*
 * What reads, writes and connects owe whether io_uring carries them out or threads do (net_ring_more@nouring): records that several
 * goroutines read or write at a file's own position stay whole; more calls than the ring takes, or than it has room for answers; a short
 * read is a read; the limit of a file's size; a time that the socket has for its connect; no threads to be had.
 */
#include "net.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { PAGE = 4096, PAGES = 16, RECORD = PAGES * PAGE, RECORDS = 120, WORKERS = 8 };

struct file {
    int fd;
    rt_waitgroup wg;
    _Atomic uint32_t next;
    _Atomic unsigned char seen[RECORDS];
};

/* Each page names its record and its place there. */
static void fill(unsigned char *record, uint32_t number) {
    memset(record, (int)(number % 251), RECORD);
    for (uint32_t i = 0; i < PAGES; i++) {
        const uint32_t words[2] = {number, i};
        memcpy(record + i * PAGE, words, sizeof words);
    }
}

static uint32_t whole(const unsigned char *record) {
    static const uint32_t other = UINT32_MAX;
    uint32_t number = other;
    for (uint32_t i = 0; i < PAGES; i++) {
        uint32_t words[2];
        memcpy(words, record + i * PAGE, sizeof words);
        if (i == 0) number = words[0];
        if (words[0] != number || words[1] != i) return other;
    }
    return number;
}

static int new_file(int flags) {
    char name[] = "gort-more-XXXXXX";
    const int fd = mkostemp(name, O_CLOEXEC | flags);
    CHECK_OP(fd, >=, 0);
    CHECK_EQ(unlink(name), 0);
    return fd;
}

static void by_all(struct file *f, rt_fn fn) {
    atomic_store(&f->next, 0);
    for (int i = 0; i < WORKERS; i++) {
        CHECK_OK(rt_waitgroup_add(&f->wg, 1));
        CHECK_OP(rt_go(fn, f), >, 0);
    }
    CHECK_OK(rt_waitgroup_wait(&f->wg));
}

static void writes(void *arg) {
    struct file *f = arg;
    unsigned char *record = malloc(RECORD);
    for (uint32_t n = atomic_fetch_add(&f->next, 1); n < RECORDS; n = atomic_fetch_add(&f->next, 1)) {
        fill(record, n);
        if (n % 2 == 0) {
            CHECK_EQ(rt_write(f->fd, record, RECORD), RECORD);
        } else {
            struct iovec v[3] = {{record, 5}, {record + 5, RECORD / 2}, {record + 5 + RECORD / 2, RECORD / 2 - 5}};
            CHECK_EQ(rt_writev(f->fd, v, 3), RECORD);
        }
    }
    free(record);
    CHECK_OK(rt_waitgroup_done(&f->wg));
}

static void reads(void *arg) {
    struct file *f = arg;
    unsigned char *record = malloc(RECORD);
    for (;;) {
        const ssize_t n = rt_read(f->fd, record, RECORD);
        if (n == 0) break;
        CHECK_EQ(n, RECORD);
        const uint32_t number = whole(record);
        CHECK_OP(number, <, RECORDS);
        CHECK_EQ(atomic_exchange(&f->seen[number], 1), 0);
        atomic_fetch_add(&f->next, 1);
    }
    free(record);
    CHECK_OK(rt_waitgroup_done(&f->wg));
}

/* Half of each record is in memory: a read that waits for nothing gets that much, and the rest has to be fetched. */
static void forget_halves(int fd) {
    unsigned char *half = malloc(RECORD);
    CHECK_EQ(fdatasync(fd), 0);
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
    for (int i = 0; i < RECORDS; i++) CHECK_EQ(pread(fd, half, RECORD / 2, (off_t)i * RECORD), RECORD / 2);
    free(half);
}

static void records(int flags) {
    struct file *f = calloc(1, sizeof *f);
    f->fd = new_file(flags);
    by_all(f, writes);
    CHECK_EQ(lseek(f->fd, 0, SEEK_END), (off_t)RECORDS * RECORD);
    for (int round = 0; round < 2; round++) {
        forget_halves(f->fd);
        for (int i = 0; i < RECORDS; i++) atomic_store(&f->seen[i], 0);
        CHECK_EQ(lseek(f->fd, 0, SEEK_SET), 0);
        by_all(f, reads);
        CHECK_EQ(atomic_load(&f->next), RECORDS);
    }
    CHECK_OK(rt_close(f->fd));
    free(f);
}

static void whole_records(void *arg) {
    (void)arg;
    records(0);
    records(O_APPEND);
}

/* A number that the library has known as a file on disk, and that is a pipe by other hands now, and the other way round. */
static void reads_byte(void *arg) {
    char c = 0;
    CHECK_EQ(rt_read(*(int *)arg, &c, 1), 1);
    CHECK_EQ(c, 'p');
}

struct reader {
    int fd;
    rt_waitgroup wg;
};

static void reads_pipe(void *arg) {
    struct reader *r = arg;
    reads_byte(&r->fd);
    CHECK_OK(rt_waitgroup_done(&r->wg));
}

static void another_file(void *arg) {
    (void)arg;
    struct reader *r = calloc(1, sizeof *r);
    int ends[2];
    char c;
    r->fd = new_file(0);
    CHECK_EQ(rt_write(r->fd, "disk", 4), 4);
    CHECK_EQ(rt_read(r->fd, &c, 1), 0);
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(dup2(ends[0], r->fd), r->fd);
    /* Several wait for the pipe at once; none holds up another. */
    for (int i = 0; i < 4; i++) {
        CHECK_OK(rt_waitgroup_add(&r->wg, 1));
        CHECK_OP(rt_go(reads_pipe, r), >, 0);
    }
    CHECK_OK(rt_sleep(5 * MS));
    CHECK_EQ(write(ends[1], "pppp", 4), 4);
    CHECK_OK(rt_waitgroup_wait(&r->wg));
    const int disk = new_file(0);
    CHECK_EQ(dup2(disk, r->fd), r->fd);
    CHECK_EQ(rt_write(r->fd, "pq", 2), 2);
    CHECK_EQ(lseek(r->fd, 0, SEEK_SET), 0);
    reads_byte(&r->fd);
    CHECK_EQ(close(disk), 0);
    CHECK_EQ(close(ends[0]), 0);
    CHECK_EQ(close(ends[1]), 0);
    CHECK_OK(rt_close(r->fd));
    free(r);
}

/* A read of such a file answers what the file gives at once, which is less than it has; no second read is made for the rest. */
static void short_reads(void *arg) {
    (void)arg;
    enum { ROOM = 1 << 20 };
    char *want = malloc(ROOM), *got = malloc(ROOM);
    const int plain = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC), fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
    if (plain >= 0 && fd >= 0) {
        const ssize_t n = read(plain, want, ROOM);
        CHECK_EQ(rt_read(fd, got, ROOM), n);
        CHECK(n <= 0 || memcmp(want, got, (size_t)n) == 0);
        CHECK_EQ(rt_pread(fd, got, ROOM, n), pread(plain, want, ROOM, n));
        CHECK_OK(rt_close(fd));
        CHECK_EQ(close(plain), 0);
    }
    free(want);
    free(got);
}

/* A unix socket whose queue is full. */
struct queue {
    struct sockaddr_un a;
    socklen_t len;
    int listener, fill;
    _Atomic int connected;
    rt_waitgroup wg;
};

static void make_queue(struct queue *q) {
    memset(q, 0, sizeof *q);
    q->a.sun_family = AF_UNIX;
    /* A name that the system chooses, in no file system. */
    q->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK_EQ(bind(q->listener, (struct sockaddr *)&q->a, sizeof(sa_family_t)), 0);
    q->len = sizeof q->a;
    CHECK_EQ(getsockname(q->listener, (struct sockaddr *)&q->a, &q->len), 0);
    CHECK_EQ(listen(q->listener, 0), 0);
    q->fill = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK_EQ(connect(q->fill, (struct sockaddr *)&q->a, q->len), 0);
}

static void close_queue(struct queue *q) {
    CHECK_EQ(close(q->fill), 0);
    CHECK_EQ(close(q->listener), 0);
}

static void joins(void *arg) {
    struct queue *q = arg;
    const int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OP(s, >=, 0);
    const int r = rt_connect(s, (struct sockaddr *)&q->a, q->len);
    CHECK_OK(r);
    atomic_fetch_add(&q->connected, 1);
    CHECK_OK(rt_close(s));
    CHECK_OK(rt_waitgroup_done(&q->wg));
}

static void locks_and_ends(void *arg) {
    (void)arg;
    CHECK_OK(rt_lock_os_thread());
}

/* More of them than the ring has threads for; threads that have begun some end meanwhile. Each gets its place. */
static void many_join(void *arg) {
    const int many = *(int *)arg;
    struct queue *q = malloc(sizeof *q);
    make_queue(q);
    for (int i = 0; i < many; i++) {
        CHECK_OK(rt_waitgroup_add(&q->wg, 1));
        CHECK_OP(rt_go(joins, q), >, 0);
    }
    CHECK_OK(rt_sleep(20 * MS));
    for (int i = 0; i < 4; i++) {
        CHECK_OP(rt_go(locks_and_ends, NULL), >, 0);
        CHECK_OK(rt_sleep(2 * MS));
    }
    CHECK_EQ(atomic_load(&q->connected), 0);
    /* Whoever was in the queue, and all who wait for it. */
    for (int i = 0; i < many + 1;) {
        const int s = rt_accept4(q->listener, NULL, NULL, SOCK_CLOEXEC);
        if (s == -EMFILE) {
            CHECK_OK(rt_sleep(MS));
            continue;
        }
        CHECK_OP(s, >=, 0);
        CHECK_OK(rt_close(s));
        i++;
    }
    CHECK_OK(rt_waitgroup_wait(&q->wg));
    CHECK_EQ(atomic_load(&q->connected), many);
    close_queue(q);
    free(q);
}

/* Connects of which none succeeds: all end by their deadlines at once, with more answers than there is room for. */
struct crowd {
    struct full full;
    int64_t at;
    _Atomic int timed_out;
    rt_waitgroup wg;
};

static void waits_in_vain(void *arg) {
    struct crowd *c = arg;
    const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_OP(s, >=, 0);
    CHECK_OK(rt_fd_set_deadline(s, RT_POLL_WRITE, c->at));
    CHECK_EQ(rt_connect(s, (struct sockaddr *)&c->full.a, c->full.len), RT_ETIMEDOUT);
    atomic_fetch_add(&c->timed_out, 1);
    CHECK_OK(rt_close(s));
    CHECK_OK(rt_waitgroup_done(&c->wg));
}

static void many_time_out(void *arg) {
    const int many = *(int *)arg;
    struct crowd *c = calloc(1, sizeof *c);
    make_full(&c->full);
    c->at = rt_now() + 100 * MS;
    for (int i = 0; i < many; i++) {
        CHECK_OK(rt_waitgroup_add(&c->wg, 1));
        CHECK_OP(rt_go(waits_in_vain, c), >, 0);
    }
    CHECK_OK(rt_waitgroup_wait(&c->wg));
    CHECK_EQ(atomic_load(&c->timed_out), many);
    empty(&c->full);
    free(c);
}

/* The socket's own time for a connect holds. */
static void own_time(void *arg) {
    (void)arg;
    struct full full;
    make_full(&full);
    const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval time = {.tv_usec = 20000};
    CHECK_EQ(setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time), 0);
    const int64_t begun = rt_now();
    CHECK_EQ(rt_connect(s, (struct sockaddr *)&full.a, full.len), -EINPROGRESS);
    CHECK_OP(rt_now() - begun, >=, 15 * MS);
    CHECK_OK(rt_close(s));
    empty(&full);
}

/* In a child, which may lower limits: what lies at the limit of a file's size is written, and what lies beyond raises SIGXFSZ. */
static _Atomic int signals;

static void notes(int sig) {
    (void)sig;
    atomic_fetch_add(&signals, 1);
}

static void beyond(void *arg) {
    (void)arg;
    static char buf[2 * PAGE];
    const int fd = new_file(0);
    const struct rlimit limit = {2 * PAGE, 2 * PAGE};
    CHECK(signal(SIGXFSZ, notes) != SIG_ERR);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CHECK_EQ(rt_pwrite(fd, buf, sizeof buf, PAGE), PAGE);
    CHECK_EQ(atomic_load(&signals), 0);
    CHECK_EQ(rt_pwrite(fd, buf, sizeof buf, 2 * PAGE), -EFBIG);
    CHECK_EQ(atomic_load(&signals), 1);
    CHECK_EQ(lseek(fd, PAGE, SEEK_SET), PAGE);
    CHECK_EQ(rt_write(fd, buf, sizeof buf), PAGE);
    CHECK_EQ(rt_write(fd, buf, sizeof buf), -EFBIG);
    CHECK_OK(rt_close(fd));
}

/* No thread more for this user, the kernel's own for the ring among them: what is not in memory is read all the same. */
static void few_threads(void *arg) {
    const int fd = *(int *)arg;
    const struct rlimit none = {1, 1};
    CHECK_EQ(setrlimit(RLIMIT_NPROC, &none), 0);
    /* For root it does not count. */
    if (geteuid() == 0 && setresuid(65533, 65533, 65533) != 0) return;
    unsigned char *record = malloc(RECORD);
    for (uint32_t i = 0; i < 8; i++) {
        CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        CHECK_EQ(rt_pread(fd, record, RECORD, (int64_t)i * RECORD), RECORD);
        CHECK_EQ(whole(record), i);
    }
    free(record);
}

static void naps(void *arg) {
    (void)arg;
    usleep(1000);
}

static void gets_by(void *arg) {
    (void)arg;
    unsigned char *record = malloc(RECORD);
    int fd = new_file(0);
    for (uint32_t i = 0; i < 8; i++) {
        fill(record, i);
        CHECK_EQ(write(fd, record, RECORD), RECORD);
    }
    CHECK_EQ(fdatasync(fd), 0);
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
    /* Threads that are there already are there. */
    CHECK_OK(rt_blocking(naps, NULL));
    few_threads(&fd);
    CHECK_OK(rt_close(fd));
    free(record);
}

static void child_runs(rt_fn fn, void *arg) {
    const pid_t child = fork();
    CHECK_OP(child, >=, 0);
    if (child == 0) {
        CHECK_OK(rt_run(fn, arg));
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

int main(void) {
    struct rlimit files;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max < 8192 ? files.rlim_max : 8192;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    everywhere(whole_records, NULL);
    everywhere(another_file, NULL);
    everywhere(short_reads, NULL);
    everywhere(own_time, NULL);
    const bool ring = has_ring();
    int many = (int)files.rlim_cur / 2 - 100;
    if (many > 1200) many = 1200;
    if (!ring && many > 50) many = 50;
    CHECK_OK(rt_run(many_join, &many));
    if (ring) {
        many = (int)files.rlim_cur - 200;
        if (many > 3000) many = 3000;
        CHECK_OK(rt_run(many_time_out, &many));
    }
    child_runs(beyond, NULL);
    child_runs(gets_by, NULL);
    CHECK_EQ(waited_on(), 0);
    puts("net_ring_more: ok");
    return 0;
}
