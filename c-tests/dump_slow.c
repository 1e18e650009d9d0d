/*
 * A dump whose reader is slow holds nobody up: goroutines with names begin and end while its write waits, even if the reader
 * is one of them; and the runtime can be stopped meanwhile.
 */
#include "more.h"

#include <sys/ioctl.h>

enum { MANY = 1000, PASSERS = 8, PIPE = 4096 };

static rt_chan *gate;
static atomic_long arrived;
static atomic_bool dumped, read_all;
static int ends[2];

static void named(rt_waitgroup *all, rt_fn fn, void *arg, int number) {
    /* Of all lengths, so that buffers end anywhere in a paragraph. */
    char name[64];
    memset(name, 'n', sizeof name);
    name[20 + number * 7 % 44] = '\0';
    rt_go_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.name = name;
    if (all != NULL) CHECK_OK(rt_waitgroup_add(all, 1));
    CHECK_OP(rt_go_with(&opts, fn, arg), >, 0);
}

static void waits(void *arg) {
    (void)arg;
    atomic_fetch_add(&arrived, 1);
    CHECK_EQ(rt_chan_recv(gate, NULL), RT_ECLOSED);
}

static void passes(void *all) { CHECK_OK(rt_waitgroup_done(all)); }

static void park_named(int n) {
    gate = rt_chan_make(0, 0);
    CHECK(gate != NULL);
    atomic_store(&arrived, 0);
    for (int i = 0; i < n; i++) named(NULL, waits, NULL, i);
    EVENTUALLY(atomic_load(&arrived) == n);
}

static int bytes_in_pipe(void) {
    int n = 0;
    CHECK_EQ(ioctl(ends[0], FIONREAD, &n), 0);
    return n;
}

static void make_pipe(void) {
    CHECK_EQ(pipe(ends), 0);
    CHECK_OP(fcntl(ends[1], F_SETPIPE_SZ, PIPE), ==, PIPE);
}

static void dumps(void *arg) {
    (void)arg;
    CHECK_OK(rt_dump(ends[1]));
    atomic_store(&dumped, true);
    CHECK_OK(rt_close(ends[1]));
}

/* Lets the writer fill the pipe, then others come and go beside it, then takes what is there. */
static void reads(void *arg) {
    int *stops = arg;
    static char text[PIPE];
    ssize_t n = 1;
    while (n > 0) {
        const int64_t until = now_ns() + SECOND;
        while (bytes_in_pipe() < PIPE && !atomic_load(&dumped) && now_ns() < until) CHECK_OK(rt_sleep(100 * US));
        *stops += bytes_in_pipe() == PIPE;
        /* The last bytes fit, and the write goes on, to where there is room no more. */
        CHECK_OK(rt_sleep(MS));
        rt_waitgroup all;
        memset(&all, 0, sizeof all);
        for (int i = 0; i < PASSERS; i++) named(&all, passes, &all, i);
        CHECK_OK(rt_waitgroup_wait(&all));
        n = rt_read(ends[0], text, sizeof text);
    }
    CHECK_EQ(n, 0);
    atomic_store(&read_all, true);
}

static void beside_others(void) {
    int stops = 0;
    park_named(MANY);
    make_pipe();
    go(dumps, NULL);
    go(reads, &stops);
    EVENTUALLY(atomic_load(&read_all));
    printf("the dump's write waited %d times\n", stops);
    CHECK_OP(stops, >, 10);
    CHECK_OK(rt_chan_close(gate));
    EVENTUALLY(rt_num_goroutine() == 0);
}

/* In the middle of a dump all goroutines end, and their stacks go. What is written then is of the past, but is written. */
static void beside_a_stop(void) {
    CHECK_OK(rt_dump_on_signal(SIGUSR1));
    for (int round = 0; round < 4; round++) {
        park_named(MANY);
        make_pipe();
        CHECK_EQ(dup2(ends[1], 2), 2);
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        EVENTUALLY(bytes_in_pipe() == PIPE);
        thread_sleep(MS);
        CHECK_OK(rt_chan_close(gate));
        EVENTUALLY(rt_num_goroutine() == 0);
        CHECK_OK(rt_stop(30 * SECOND));
        CHECK_EQ(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
        char text[PIPE];
        for (int quiet = 0; quiet < 20; quiet++, thread_sleep(MS))
            while (read(ends[0], text, sizeof text) > 0) quiet = 0;
        rt_chan_unref(gate);
        close(ends[0]);
        close(ends[1]);
    }
}

int main(void) {
    CHECK_CHILD(beside_others);
    CHECK_CHILD(beside_a_stop);
    puts("dump_slow: ok");
    return 0;
}
