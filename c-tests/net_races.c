/*
 * Races: closes against everything that waits, deadlines against events, numbers that are closed elsewhere and used again at
 * once. Who waits is woken, nobody gets what was meant for another file, and no number is closed twice.
 */
#include "net.h"

/* --- readers and a closer, over and over --- */

struct reader {
    int fd;
    atomic_int *ended;
};

static void reads_until_closed(void *arg) {
    const struct reader *r = arg;
    char c;
    ssize_t n;
    while ((n = rt_read(r->fd, &c, 1)) == 1) {
    }
    CHECK(n == RT_ECANCELED || n == -EBADF);
    atomic_fetch_add(r->ended, 1);
}

static void writes_some(void *arg) {
    const struct reader *r = arg;
    for (int i = 0; i < 5; i++)
        if (rt_write(r->fd, "x", 1) < 0) break;
    atomic_fetch_add(r->ended, 1);
}

static void close_race(void) {
    for (int i = 0; i < rounds_of(600); i++) {
        int fds[2];
        atomic_int ended = 0;
        if (!make_pair(i % PAIRS, fds)) continue;
        struct reader r = {fds[0], &ended}, w = {fds[1], &ended};
        go(reads_until_closed, &r);
        go(reads_until_closed, &r);
        go(writes_some, &w);
        const bool thread = i % 10 == 0;
        pthread_t t = thread ? thread_go(reads_until_closed, &r) : pthread_self();
        if (i % 3 == 0) thread_sleep((i % 7) * 20 * US);
        CHECK_OK(rt_close(fds[0]));
        CHECK_EQ(rt_close(fds[0]), -EBADF);
        if (thread) thread_join(t);
        EVENTUALLY(atomic_load(&ended) == 3 + thread);
        CHECK_OK(rt_close(fds[1]));
    }
}

/* --- many who close: one does --- */

struct closing {
    int fd;
    atomic_int closed, done;
};

static void closes(void *arg) {
    struct closing *c = arg;
    const int r = rt_close(c->fd);
    CHECK(r == RT_OK || r == -EBADF);
    if (r == RT_OK) atomic_fetch_add(&c->closed, 1);
    atomic_fetch_add(&c->done, 1);
}

static void one_closer(void) {
    for (int i = 0; i < rounds_of(300); i++) {
        struct closing c = {apart(eventfd(0, EFD_CLOEXEC)), 0, 0};
        for (int k = 0; k < 6; k++) go(closes, &c);
        EVENTUALLY(atomic_load(&c.done) == 6);
        CHECK_EQ(atomic_load(&c.closed), 1);
        CHECK(!is_open(c.fd));
    }
}

/* --- a deadline and a byte at the same time: the byte is read, or still there --- */

struct timed {
    int fd;
    atomic_int result, done;
};

static void reads_timed(void *arg) {
    struct timed *t = arg;
    char c;
    CHECK_OK(rt_fd_set_deadline(t->fd, RT_POLL_READ, rt_now() + 300 * US));
    atomic_store(&t->result, (int)rt_read(t->fd, &c, 1));
    atomic_store(&t->done, 1);
}

static void deadline_race(void) {
    int timeouts = 0;
    for (int i = 0; i < rounds_of(600); i++) {
        int fds[2];
        CHECK(make_pair(i % 2 ? UNIX_STREAM : PIPE, fds));
        struct timed t = {fds[0], 0, 0};
        go(reads_timed, &t);
        thread_sleep(180 * US);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        EVENTUALLY(atomic_load(&t.done));
        const int r = atomic_load(&t.result);
        CHECK_OK(rt_fd_set_deadline(fds[0], RT_POLL_READ, 0));
        char c;
        if (r == RT_ETIMEDOUT) {
            timeouts++;
            CHECK_EQ(rt_read(fds[0], &c, 1), 1);
        } else {
            CHECK_EQ(r, 1);
            CHECK_EQ(rt_fd_wait(fds[0], RT_POLL_READ, RT_NOWAIT), RT_EAGAIN);
        }
        close_pair(fds);
    }
    printf("deadlines: %d times the time was first\n", timeouts);
}

/* --- the number comes back: by the library's close, by the system's, by dup2 --- */

enum { STORMS = 8 };

struct storm {
    uint64_t seed;
    int rounds;
};

static void reads_own(void *arg) {
    const int *p = arg;
    uint64_t v = 0;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(rt_read_full(p[0], &v, sizeof v, NULL));
        CHECK_EQ(v, (uint64_t)p[2]);
    }
}

static void storms(void *arg) {
    struct storm *s = arg;
    for (int i = 0; i < s->rounds; i++) {
        int p[3];
        /* What is sent names the pair: a reader of another would see it. */
        CHECK(make_pair((enum pair)(rnd_below(&s->seed, 2) ? UNIX_STREAM : rnd_below(&s->seed, 2) ? PIPE : TCP4), p));
        p[2] = (int)rnd_below(&s->seed, 1 << 30);
        rt_waitgroup wg;
        memset(&wg, 0, sizeof wg);
        CHECK_OP(rt_waitgroup_go(&wg, reads_own, p), >, 0);
        const uint64_t v = (uint64_t)p[2];
        for (int k = 0; k < 3; k++) {
            if (rnd_below(&s->seed, 3) == 0) rt_gosched();
            CHECK_EQ(rt_write(p[1], &v, sizeof v), 8);
        }
        CHECK_OK(rt_waitgroup_wait(&wg));
        for (int k = 0; k < 2; k++) {
            if (rnd_below(&s->seed, 2)) CHECK_EQ(close(p[k]), 0);
            else CHECK_OK(rt_close(p[k]));
        }
    }
}

static void reuse_storm(void) {
    struct storm s[STORMS];
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (int i = 0; i < STORMS; i++) {
        s[i] = (struct storm){(uint64_t)i * 7919 + 1, rounds_of(200)};
        CHECK_OP(rt_waitgroup_go(&wg, storms, &s[i]), >, 0);
    }
    CHECK_OK(rt_waitgroup_wait(&wg));
}

/* One number, and one file after the other behind it by dup2, with a registration left over each time; then the first again. */
static void reads_byte(void *arg) {
    struct timed *t = arg;
    char c;
    atomic_store(&t->result, (int)rt_read(t->fd, &c, 1));
    atomic_store(&t->done, 1);
}

static void dup2_game(void) {
    int a[2], b[2];
    CHECK(make_pair(UNIX_STREAM, a));
    CHECK(make_pair(UNIX_STREAM, b));
    const int fd = fcntl(a[0], F_DUPFD_CLOEXEC, 300);
    for (int i = 0; i < rounds_of(100); i++) {
        int *now = i % 2 ? b : a;
        CHECK_EQ(dup3(now[0], fd, O_CLOEXEC), fd);
        struct timed t = {fd, 0, 0};
        go(reads_byte, &t);
        EVENTUALLY(waited_on() == 1);
        /* Of the other file nobody waits for anything. */
        CHECK_EQ(write(i % 2 ? a[1] : b[1], "y", 1), 1);
        thread_sleep(100 * US);
        CHECK_EQ(atomic_load(&t.done), 0);
        char c;
        CHECK_EQ(read(i % 2 ? a[0] : b[0], &c, 1), 1);
        CHECK_EQ(write(now[1], "x", 1), 1);
        EVENTUALLY(atomic_load(&t.done));
        CHECK_EQ(atomic_load(&t.result), 1);
    }
    CHECK_OK(rt_close(fd));
    close_pair(a);
    close_pair(b);
}

/* Closed behind the back of who waits, and used again: who comes next notices, and the one before is told. */
static void closed_elsewhere(void) {
    for (int i = 0; i < rounds_of(50); i++) {
        int fds[2];
        CHECK(make_pair(UNIX_STREAM, fds));
        struct timed t = {fds[0], 0, 0}, u = {fds[0], 0, 0};
        go(reads_byte, &t);
        EVENTUALLY(waited_on() == 1);
        CHECK_EQ(close(fds[0]), 0);
        CHECK_EQ(close(fds[1]), 0);
        const int old = fds[0];
        CHECK(make_pair(UNIX_STREAM, fds));
        CHECK_EQ(fds[0], old);
        go(reads_byte, &u);
        EVENTUALLY(atomic_load(&t.done));
        CHECK_EQ(atomic_load(&t.result), RT_ECANCELED);
        CHECK_EQ(atomic_load(&u.done), 0);
        CHECK_EQ(write(fds[1], "x", 1), 1);
        EVENTUALLY(atomic_load(&u.done));
        CHECK_EQ(atomic_load(&u.result), 1);
        close_pair(fds);
    }
}

int main(void) {
    close_race();
    one_closer();
    deadline_race();
    reuse_storm();
    dup2_game();
    closed_elsewhere();
    EVENTUALLY(waited_on() == 0);
    puts("net_races: ok");
    return 0;
}
