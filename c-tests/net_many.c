/* 5,000 connections at once, all idle, then all busy, some slow; and what an idle one costs. */
#include "net.h"

enum { WANT = 5000 };

static atomic_int serving, answered;

static void serves(void *arg) {
    const int fd = (int)(intptr_t)arg;
    atomic_fetch_add(&serving, 1);
    char buf[64];
    for (;;) {
        const ssize_t n = rt_read(fd, buf, sizeof buf);
        CHECK_OP(n, >=, 0);
        if (n == 0) break;
        CHECK_OK(rt_write_all(fd, buf, (size_t)n, NULL));
    }
    CHECK_OK(rt_close(fd));
    atomic_fetch_sub(&serving, 1);
}

static void accepts(void *arg) {
    const int l = (int)(intptr_t)arg;
    int fd;
    while ((fd = rt_accept(l, NULL, NULL)) >= 0) go(serves, (void *)(intptr_t)fd);
    CHECK(fd == RT_ECANCELED || fd == -EBADF);
}

static void asks(void *arg) {
    const int fd = (int)(intptr_t)arg;
    char buf[64];
    for (int i = 0; i < 3; i++) {
        if (fd % 50 == 0) CHECK_OK(rt_sleep(20 * MS));
        CHECK_OK(rt_write_all(fd, "0123456789", 10, NULL));
        CHECK_OK(rt_read_full(fd, buf, 10, NULL));
        CHECK(memcmp(buf, "0123456789", 10) == 0);
    }
    atomic_fetch_add(&answered, 1);
}

int main(void) {
    struct rlimit files;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    int n = emulated() ? 200 : WANT;
    if (files.rlim_cur < (rlim_t)n * 2 + 100) n = (int)(files.rlim_cur - 100) / 2;
    const int l = rt_tcp_listen("127.0.0.1:0", 0);
    CHECK_OP(l, >=, 0);
    char text[64];
    snprintf(text, sizeof text, "127.0.0.1:%d", port_of(l));
    go(accepts, (void *)(intptr_t)l);
    int *fds = calloc((size_t)n, sizeof *fds);
    const int64_t before = resident();
    for (int i = 0; i < n; i++) CHECK_OP(fds[i] = rt_tcp_dial(text, 60 * SECOND), >=, 0);
    EVENTUALLY(atomic_load(&serving) == n);
    EVENTUALLY(waited_on() == (uint64_t)n + 1);
    const int64_t each = (resident() - before) / n;
    printf("%d connections, %" PRId64 " bytes each in user space\n", n, each);
    if (!emulated() && !sanitized() && n == WANT) CHECK_OP(each, <, 8192);
    for (int i = 0; i < n; i++) go(asks, (void *)(intptr_t)fds[i]);
    EVENTUALLY(atomic_load(&answered) == n);
    CHECK_EQ(atomic_load(&serving), n);
    for (int i = 0; i < n; i++) CHECK_OK(rt_close(fds[i]));
    EVENTUALLY(atomic_load(&serving) == 0);
    CHECK_OK(rt_close(l));
    EVENTUALLY(rt_num_goroutine() == 0);
    free(fds);
    CHECK_EQ(waited_on(), 0);
    puts("net_many: ok");
    return 0;
}
