/* rt_dump_on_signal: the signal brings the dump to stderr, whatever the process does, and disturbs nothing. */
#include "more.h"

static rt_chan *chan;
static atomic_int ready;
static atomic_bool stop;
static atomic_long counted;
static int out;

static void waits(void *arg) {
    (void)arg;
    atomic_fetch_add(&ready, 1);
    rt_chan_recv(chan, NULL);
}

static void spins(void *arg) {
    (void)arg;
    atomic_fetch_add(&ready, 1);
    while (!atomic_load(&stop)) atomic_fetch_add(&counted, 1);
}

static void named(rt_fn fn, const char *name) {
    rt_go_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.name = name;
    CHECK_OP(rt_go_with(&opts, fn, NULL), >, 0);
}

/* Reads what stderr has got until it has the text. */
static void expect(const char *want) {
    static char text[1 << 20];
    size_t at = 0;
    const int64_t until = now_ns() + 60 * SECOND;
    for (;;) {
        const ssize_t n = read(out, text + at, sizeof text - 1 - at);
        if (n > 0) at += (size_t)n;
        else CHECK(n < 0 && (errno == EAGAIN || errno == EINTR));
        text[at] = '\0';
        if (strstr(text, want) != NULL) return;
        if (now_ns() > until || at + 1 == sizeof text) {
            printf("no %s within:\n%s\n", want, text);
            fflush(stdout);
            _exit(1);
        }
        if (n < 0) thread_sleep(MS);
    }
}

/* Leaves nothing of the last dump for the next one. */
static void drain(void) {
    char rest[4096];
    int quiet = 0;
    while (quiet < 20) {
        if (read(out, rest, sizeof rest) > 0) quiet = 0;
        else quiet++;
        thread_sleep(MS);
    }
}

static void catch_stderr(void) {
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(dup2(fds[1], 2), 2);
    close(fds[1]);
    out = fds[0];
    CHECK_EQ(fcntl(out, F_SETFL, O_NONBLOCK), 0);
    alarm(100);
}

/* Everybody waits, and main sleeps in the kernel. */
static void idle(void) {
    catch_stderr();
    chan = rt_chan_make(0, 0);
    CHECK_OK(rt_dump_on_signal(SIGUSR1));
    named(waits, "vladimir");
    named(waits, "estragon");
    EVENTUALLY(atomic_load(&ready) == 2);
    for (int i = 0; i < 5; i++) {
        set_errno(77);
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        CHECK_EQ(get_errno(), 77);
        expect(i % 2 == 0 ? "vladimir" : "estragon");
        drain();
    }
    /* All goes on. */
    CHECK_OK(rt_sleep(MS));
    CHECK_OK(rt_chan_close(chan));
    EVENTUALLY(rt_num_goroutine() == 0);
}

/* Every P computes. */
static void busy(void) {
    catch_stderr();
    CHECK_OK(rt_dump_on_signal(SIGUSR2));
    for (int i = 0; i < 4; i++) named(spins, "pozzo");
    EVENTUALLY(atomic_load(&ready) >= 1);
    for (int i = 0; i < 5; i++) {
        const long before = atomic_load(&counted);
        CHECK_EQ(kill(getpid(), SIGUSR2), 0);
        expect("pozzo");
        EVENTUALLY(atomic_load(&counted) > before);
        drain();
    }
    atomic_store(&stop, true);
    EVENTUALLY(rt_num_goroutine() == 0);
}

/* Asked for before there is a runtime, on two signals, and twice. */
static void early(void) {
    catch_stderr();
    CHECK_OK(rt_dump_on_signal(SIGUSR1));
    CHECK_OK(rt_dump_on_signal(SIGUSR2));
    CHECK_OK(rt_dump_on_signal(SIGUSR1));
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    thread_sleep(5 * MS);
    chan = rt_chan_make(0, 0);
    named(waits, "lucky");
    EVENTUALLY(atomic_load(&ready) == 1);
    drain();
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    expect("lucky");
    drain();
    CHECK_EQ(kill(getpid(), SIGUSR2), 0);
    expect("lucky");
}

/* A storm of signals while goroutines wait and wake: not one item is lost. */
enum { ITEMS = 3000 };

static void sends(void *arg) {
    (void)arg;
    for (int i = 0; i < ITEMS; i++) {
        CHECK_OK(rt_chan_send(chan, NULL));
        if (i % 100 == 0) CHECK_OK(rt_sleep(10 * US));
    }
}

static void storm(void) {
    const int null = open("/dev/null", O_WRONLY);
    CHECK_EQ(dup2(null, 2), 2);
    chan = rt_chan_make(0, 0);
    CHECK_OK(rt_dump_on_signal(SIGUSR1));
    go(sends, NULL);
    for (int i = 0; i < ITEMS; i++) {
        CHECK_OK(rt_chan_recv(chan, NULL));
        if (i % 20 == 0) CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    }
    EVENTUALLY(rt_num_goroutine() == 0);
}

static void refuses(void) {
    const int bad[] = {-1, 10000, SIGKILL, SIGSTOP, INT_MAX};
    for (int i = 0; i < 5; i++) CHECK_EQ(rt_dump_on_signal(bad[i]), RT_EINVAL);
}

int main(void) {
    CHECK_CHILD(refuses);
    CHECK_CHILD(idle);
    CHECK_CHILD(busy);
    CHECK_CHILD(early);
    CHECK_CHILD(storm);
    puts("dump_on_signal: ok");
    return 0;
}
