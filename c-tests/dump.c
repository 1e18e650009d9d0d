/* rt_dump: every goroutine with its id, name, state and reason, to any descriptor, at any time, from anywhere. */
#include "more.h"

enum { GODOTS = 5 };

static rt_chan *empty, *full, *gate;
static rt_mutex held;
static atomic_int ready;
static atomic_bool stop;
static int64_t ids[16];

static bool stays(rt_g *g, void *arg) {
    (void)g;
    (void)arg;
    atomic_fetch_add(&ready, 1);
    return true;
}

static void begins(const intptr_t i) {
    ids[i] = rt_goid();
    atomic_fetch_add(&ready, 1);
}

static void sleeps(void *arg) {
    begins((intptr_t)arg);
    rt_sleep(3600 * SECOND);
}

static void receives(void *arg) {
    begins((intptr_t)arg);
    rt_chan_recv(empty, NULL);
}

static void sends(void *arg) {
    begins((intptr_t)arg);
    const int v = 1;
    rt_chan_send(full, &v);
}

static void selects(void *arg) {
    begins((intptr_t)arg);
    rt_select_case k[2] = {recv_case(empty, NULL), recv_case(gate, NULL)};
    rt_select(k, 2, RT_FOREVER);
}

static void locks(void *arg) {
    begins((intptr_t)arg);
    rt_mutex_lock(&held);
}

static void spins(void *arg) {
    begins((intptr_t)arg);
    while (!atomic_load(&stop)) {
    }
}

static void waits_for_godot(void *arg) {
    (void)arg;
    rt_gopark(stays, NULL, "waiting for godot");
}

/* Reads a pipe to its end while the other side writes. */
struct reader {
    int fd;
    char *text;
    size_t size, at;
};

static void *reads(void *arg) {
    struct reader *r = arg;
    for (;;) {
        char rest[4096];
        const bool room = r->at + 1 < r->size;
        const ssize_t n = room ? read(r->fd, r->text + r->at, r->size - 1 - r->at) : read(r->fd, rest, sizeof rest);
        if (n <= 0) break;
        if (room) r->at += (size_t)n;
    }
    r->text[r->at] = '\0';
    return NULL;
}

static char text[8 << 20];

static void dump_to_text(void *arg) {
    (void)arg;
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    struct reader r = {fds[0], text, sizeof text, 0};
    const pthread_t t = thread_start(reads, &r);
    CHECK_OK(rt_dump(fds[1]));
    close(fds[1]);
    thread_join(t);
    close(fds[0]);
    CHECK_OP(r.at, >, 0);
    /* Whole lines. */
    CHECK_EQ(text[r.at - 1], '\n');
}

static int occurrences(const char *what) {
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)) != NULL; p += strlen(what)) n++;
    return n;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The id as a number of its own within the line that has the name. */
static bool line_has(const char *name, int64_t id) {
    char number[32];
    snprintf(number, sizeof number, "%" PRId64, id);
    for (const char *p = text; (p = strstr(p, name)) != NULL; p++) {
        const char *from = p, *to = p + strcspn(p, "\n");
        while (from > text && from[-1] != '\n') from--;
        for (const char *q = from; q != NULL && q < to; q++) {
            q = strstr(q, number);
            if (q == NULL || q >= to) break;
            if ((q == from || !is_digit(q[-1])) && !is_digit(q[strlen(number)])) return true;
        }
    }
    return false;
}

static const struct {
    const char *name, *reason;
    rt_fn fn;
} kinds[] = {{"the sleeper", "sleep", sleeps},        {"the receiver", "chan receive", receives},
             {"the sender", "chan send", sends},      {"the selector", "select", selects},
             {"the locker", NULL, locks},             {"the spinner", NULL, spins}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void finds_all(void) {
    for (int i = 0; i < KINDS; i++) {
        if (!line_has(kinds[i].name, ids[i])) FAIL("%s, %" PRId64 ", is not in:\n%s", kinds[i].name, ids[i], text);
        if (kinds[i].reason != NULL && strstr(text, kinds[i].reason) == NULL)
            FAIL("no %s in:\n%s", kinds[i].reason, text);
    }
    if (occurrences("waiting for godot") != GODOTS)
        FAIL("%d, want %d, wait for godot in:\n%s", occurrences("waiting for godot"), GODOTS, text);
}

/* Goroutines come and go meanwhile. */
static void short_life(void *arg) {
    (void)arg;
    if (rt_goid() % 3 == 0) rt_gosched();
    if (rt_goid() % 5 == 0) rt_sleep(10 * US);
}

static void churns(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        for (int i = 0; i < 20; i++) go(short_life, NULL);
        rt_gosched();
        CHECK_OK(rt_sleep(50 * US));
    }
}

static void waits_at_gate(void *arg) {
    (void)arg;
    rt_chan_recv(gate, NULL);
}

int main(void) {
    /* Before there is anything to show. */
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    CHECK_OK(rt_dump(fds[1]));
    close(fds[0]);
    close(fds[1]);

    const int v = 1;
    empty = rt_chan_make(sizeof v, 0);
    full = rt_chan_make(sizeof v, 1);
    gate = rt_chan_make(0, 0);
    CHECK_OK(rt_chan_send(full, &v));
    CHECK_OK(rt_mutex_lock(&held));
    for (intptr_t i = 0; i < KINDS; i++) {
        rt_go_opts opts;
        memset(&opts, 0, sizeof opts);
        opts.struct_size = sizeof opts;
        opts.name = kinds[i].name;
        CHECK_OP(rt_go_with(&opts, kinds[i].fn, (void *)i), >, 0);
    }
    for (int i = 0; i < GODOTS; i++) go(waits_for_godot, NULL);
    EVENTUALLY(atomic_load(&ready) == KINDS + GODOTS);
    /* From "ready" to really waiting. */
    for (int i = 0; i < 200; i++) {
        dump_to_text(NULL);
        if (strstr(text, "chan send") != NULL && strstr(text, "select") != NULL && strstr(text, "sleep") != NULL) break;
        thread_sleep(5 * MS);
    }
    finds_all();
    /* On a goroutine, and on another thread. */
    CHECK_OK(rt_run(dump_to_text, NULL));
    finds_all();
    on_thread(dump_to_text, NULL);
    finds_all();

    /* What cannot be written to. */
    CHECK_EQ(rt_dump(-1), -EBADF);
    CHECK_EQ(pipe(fds), 0);
    close(fds[0]);
    close(fds[1]);
    CHECK_EQ(rt_dump(fds[1]), -EBADF);

    /* While everything changes, and with more than a pipe holds. */
    for (int i = 0; i < 4; i++) go(churns, NULL);
    for (int i = 0; i < rounds_of(1000); i++) go(waits_at_gate, NULL);
    for (int i = 0; i < rounds_of(30); i++) {
        dump_to_text(NULL);
        finds_all();
    }
    atomic_store(&stop, true);
    CHECK_OK(rt_chan_close(gate));
    /* The sleeper, the receiver, the sender, the locker, and those who wait for godot. */
    EVENTUALLY(rt_num_goroutine() == 4 + GODOTS);
    dump_to_text(NULL);
    CHECK(strstr(text, "the selector") == NULL);
    CHECK(strstr(text, "the spinner") == NULL);
    puts("dump: ok");
    return 0;
}
