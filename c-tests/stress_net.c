/*
 * Random traffic: streams of every kind between goroutines and threads, in random amounts by random calls, with timeouts,
 * deadlines, polls and closes between. Every byte arrives once and in its place.
 */
#include "net.h"

enum { MAX_STREAMS = 12, BYTES = 40000 };

struct stream {
    int fds[2];
    enum pair kind;
    uint64_t writer_seed, reader_seed;
    size_t bytes;
    atomic_int ended;
    /* The writer has only half closed it. */
    atomic_bool half;
};

static unsigned char byte_at(size_t i) { return (unsigned char)(i * 31 + (i >> 8)); }

static bool later(int64_t r) { return r == RT_ETIMEDOUT || r == RT_EAGAIN; }

/* One step of a random kind; what it answers is a count, or "later". */
static int64_t writes_some(struct stream *s, uint64_t *state, const unsigned char *data, size_t n) {
    const int fd = s->fds[1];
    struct iovec v[3] = {{(void *)(uintptr_t)data, n / 3}, {(void *)(uintptr_t)(data + n / 3), n / 3}, {NULL, 0}};
    v[2].iov_base = (void *)(uintptr_t)(data + 2 * (n / 3));
    v[2].iov_len = n - 2 * (n / 3);
    switch (rnd_below(state, s->kind == PIPE ? 4 : 6)) {
    case 0: return rt_write(fd, data, n);
    case 1: return rt_writev(fd, v, 3);
    case 2: {
        const int r = rt_fd_wait(fd, RT_POLL_WRITE, (int64_t)rnd_below(state, 50 * US));
        return r == RT_POLL_WRITE ? rt_write(fd, data, n < 512 ? n : 512) : r;
    }
    case 3: {
        size_t done = 0;
        CHECK_OK(rt_fd_set_deadline(fd, RT_POLL_WRITE, rt_now() + (int64_t)rnd_below(state, 100 * US)));
        const int r = rt_write_all(fd, data, n, &done);
        CHECK(r == RT_OK || r == RT_ETIMEDOUT);
        CHECK_OK(rt_fd_set_deadline(fd, RT_POLL_WRITE, 0));
        return (int64_t)done;
    }
    case 4: return rt_send(fd, data, n, MSG_DONTWAIT);
    default: return rt_send(fd, data, n, 0);
    }
}

static int64_t reads_some(struct stream *s, uint64_t *state, unsigned char *data, size_t n) {
    const int fd = s->fds[0];
    struct iovec v[2] = {{data, n / 2}, {data + n / 2, n - n / 2}};
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    switch (rnd_below(state, s->kind == PIPE ? 5 : 7)) {
    case 0: return rt_read(fd, data, n);
    case 1: return rt_readv(fd, v, 2);
    case 2: {
        const int r = rt_fd_wait(fd, RT_POLL_READ, (int64_t)rnd_below(state, 50 * US));
        return r == RT_POLL_READ ? rt_read(fd, data, n) : r;
    }
    case 3: {
        CHECK_OK(rt_fd_set_deadline(fd, RT_POLL_READ, rt_now() + (int64_t)rnd_below(state, 100 * US)));
        const ssize_t r = rt_read(fd, data, n);
        CHECK_OK(rt_fd_set_deadline(fd, RT_POLL_READ, 0));
        return r;
    }
    case 4: {
        const int r = rt_poll(p, 1 + rnd_below(state, 2), (int64_t)rnd_below(state, 100 * US));
        return r > 0 && (p[0].revents & POLLIN) ? rt_read(fd, data, n) : RT_EAGAIN;
    }
    case 5: return rt_recv(fd, data, n, MSG_DONTWAIT);
    default: return rt_recv(fd, data, n, 0);
    }
}

static void writes(void *arg) {
    struct stream *s = arg;
    unsigned char data[3000];
    size_t at = 0;
    while (at < s->bytes) {
        size_t n = 1 + rnd_below(&s->writer_seed, sizeof data);
        if (n > s->bytes - at) n = s->bytes - at;
        for (size_t i = 0; i < n; i++) data[i] = byte_at(at + i);
        const int64_t r = writes_some(s, &s->writer_seed, data, n);
        if (later(r)) continue;
        CHECK_OP(r, >=, 0);
        at += (size_t)r;
        if (rnd_below(&s->writer_seed, 16) == 0) CHECK_OK(rt_sleep((int64_t)rnd_below(&s->writer_seed, 50 * US)));
    }
    if (s->kind == PIPE || rnd_below(&s->writer_seed, 2)) CHECK_OK(rt_close(s->fds[1]));
    else {
        CHECK_EQ(shutdown(s->fds[1], SHUT_WR), 0);
        atomic_store(&s->half, true);
    }
    atomic_fetch_add(&s->ended, 1);
}

static void reads(void *arg) {
    struct stream *s = arg;
    unsigned char data[3000];
    size_t at = 0;
    for (;;) {
        const int64_t r = reads_some(s, &s->reader_seed, data, 1 + rnd_below(&s->reader_seed, sizeof data));
        if (later(r)) continue;
        CHECK_OP(r, >=, 0);
        if (r == 0) break;
        for (size_t i = 0; i < (size_t)r; i++, at++) CHECK_EQ(data[i], byte_at(at));
        if (rnd_below(&s->reader_seed, 16) == 0) rt_gosched();
    }
    CHECK_EQ(at, s->bytes);
    CHECK_OK(rt_close(s->fds[0]));
    atomic_fetch_add(&s->ended, 1);
}

int main(void) {
    uint64_t state = stress_seed();
    const int64_t end = stress_end();
    long rounds = 0;
    do {
        static struct stream s[MAX_STREAMS];
        pthread_t threads[2 * MAX_STREAMS];
        int n = 1 + (int)rnd_below(&state, MAX_STREAMS), nt = 0;
        for (int i = 0; i < n; i++) {
            const enum pair kinds[] = {PIPE, UNIX_STREAM, TCP4, TCP6};
            memset(&s[i], 0, sizeof s[i]);
            s[i].kind = kinds[rnd_below(&state, 4)];
            if (!make_pair(s[i].kind, s[i].fds)) CHECK(make_pair(s[i].kind = UNIX_STREAM, s[i].fds));
            for (int k = 0; k < 2; k++)
                if (rnd_below(&state, 2)) set_nonblock(s[i].fds[k], true);
            s[i].bytes = 1 + rnd_below(&state, (uint64_t)rounds_of(BYTES));
            s[i].writer_seed = rnd(&state);
            s[i].reader_seed = rnd(&state);
            if (rnd_below(&state, 5) == 0) threads[nt++] = thread_go(reads, &s[i]);
            else go(reads, &s[i]);
            if (rnd_below(&state, 5) == 0) threads[nt++] = thread_go(writes, &s[i]);
            else go(writes, &s[i]);
        }
        for (int i = 0; i < n; i++) {
            EVENTUALLY(atomic_load(&s[i].ended) == 2);
            if (atomic_load(&s[i].half)) CHECK_OK(rt_close(s[i].fds[1]));
        }
        for (int i = 0; i < nt; i++) thread_join(threads[i]);
        CHECK_EQ(waited_on(), 0);
        rounds++;
    } while (now_ns() < end);
    printf("stress_net: ok, %ld rounds\n", rounds);
    return 0;
}
