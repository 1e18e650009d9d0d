/*
 * A select, a send, a receive, a sleep and a mutex allocate nothing once they are warm. The program's own malloc counts.
 * Threads that the runtime starts now and then may allocate; so of several windows one must be clean, while what
 * allocates in every call has none.
 */
#include "more.h"

#if defined(__GLIBC__)

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *p);

static atomic_bool counting;
static atomic_long allocations;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static void count(void) {
    if (atomic_load_explicit(&counting, memory_order_relaxed)) atomic_fetch_add(&allocations, 1);
}

void *malloc(size_t size) {
    count();
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
    count();
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size) {
    count();
    return __libc_realloc(p, size);
}

void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **p, size_t alignment, size_t size) {
    count();
    void *q = __libc_memalign(alignment, size);
    if (q == NULL) return ENOMEM;
    *p = q;
    return 0;
}

void free(void *p) { __libc_free(p); }
#endif

enum { WARM = 2000, ROUNDS = 2000, WINDOWS = 20 };

static rt_chan *ping, *pong, *never[2], *lonely, *buffered, *quit;
static rt_mutex mu;
static rt_timer *timer;

/* The other side of everything, until quit is closed. */
static void answers(void *arg) {
    (void)arg;
    for (;;) {
        int v = 0;
        rt_select_case k[4] = {recv_case(never[0], NULL), recv_case(ping, &v), recv_case(never[1], NULL),
                               recv_case(quit, NULL)};
        const int r = rt_select(k, 4, RT_FOREVER);
        if (r == 3) return;
        CHECK_EQ(r, 1);
        CHECK_OK(rt_chan_send(pong, &v));
    }
}

/* Contends for the mutex and holds it over a park, so that the other one has to wait. */
static void contends(void *arg) {
    (void)arg;
    while (rt_chan_try_recv(quit, NULL) == RT_EAGAIN) {
        CHECK_OK(rt_mutex_lock(&mu));
        rt_gosched();
        CHECK_OK(rt_mutex_unlock(&mu));
        CHECK_OK(rt_sleep(5 * US));
    }
}

static void selects(int i) {
    int v = -1;
    rt_select_case send[3] = {recv_case(never[0], NULL), send_case(ping, &i), recv_case(never[1], NULL)};
    CHECK_EQ(rt_select(send, 3, RT_FOREVER), 1);
    rt_select_case recv[4] = {recv_case(never[0], NULL), recv_case(never[1], NULL), recv_case(pong, &v),
                              recv_case(NULL, NULL)};
    CHECK_EQ(rt_select(recv, 4, RT_FOREVER), 2);
    CHECK_EQ(v, i);
}

static void select_timeouts(int i) {
    rt_select_case k[2] = {recv_case(never[0], NULL), send_case(lonely, &i)};
    CHECK_EQ(rt_select(k, 2, 2 * US), RT_ETIMEDOUT);
    CHECK_EQ(rt_select(k, 2, RT_NOWAIT), RT_EAGAIN);
}

static void sends(int i) {
    int v = -1;
    CHECK_OK(rt_chan_send(ping, &i));
    CHECK_OK(rt_chan_recv(pong, &v));
    CHECK_EQ(v, i);
    CHECK_OK(rt_chan_send(buffered, &i));
    CHECK_OK(rt_chan_recv(buffered, &v));
    CHECK_EQ(rt_chan_try_recv(buffered, &v), RT_EAGAIN);
    CHECK_EQ(rt_chan_recv_timeout(buffered, &v, 2 * US), RT_ETIMEDOUT);
}

static void sleeps(int i) { CHECK_OK(rt_sleep(i % 8 * US)); }

static void mutexes(int i) {
    CHECK_OK(rt_mutex_lock(&mu));
    if (i % 2 == 0) rt_gosched();
    CHECK_OK(rt_mutex_unlock(&mu));
    if (i % 16 == 0) CHECK_OK(rt_sleep(5 * US));
}

static void timers(int i) {
    rt_timer_reset(timer, i % 4 * US);
    CHECK_OK(rt_chan_recv(rt_timer_chan(timer), NULL));
    rt_timer_reset(timer, 3600 * SECOND);
    CHECK(rt_timer_stop(timer));
}

static const struct {
    const char *name;
    void (*round)(int);
} kinds[] = {{"select", selects}, {"select with a time", select_timeouts}, {"send and receive", sends},
             {"sleep", sleeps},   {"mutex", mutexes},                      {"timer reset", timers}};

static void measures(void *arg) {
    (void)arg;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (int i = 0; i < WARM; i++) kinds[k].round(i);
        long least = LONG_MAX;
        for (int w = 0; w < WINDOWS && least > 0; w++) {
            atomic_store(&allocations, 0);
            atomic_store(&counting, true);
            for (int i = 0; i < ROUNDS; i++) kinds[k].round(i);
            atomic_store(&counting, false);
            if (atomic_load(&allocations) < least) least = atomic_load(&allocations);
        }
        if (least != 0) FAIL("%s: %ld allocations in %d rounds, at the least", kinds[k].name, least, ROUNDS);
    }
}

int main(void) {
    if (sanitized()) SKIP("a sanitizer has a malloc of its own");
    /* Whether it counts at all: valgrind puts itself in between. */
    atomic_store(&counting, true);
    void *(*volatile alloc)(size_t) = malloc;
    free(alloc(100));
    atomic_store(&counting, false);
    if (atomic_load(&allocations) == 0) SKIP("somebody else has replaced malloc");

    /* A P that is taken from a slow goroutine brings a new thread, and each new thread allocates: not here. */
    rt_config cfg;
    memset(&cfg, 0, sizeof cfg);
    cfg.struct_size = sizeof cfg;
    cfg.flags = RT_COOPERATIVE;
    CHECK_OK(rt_init(&cfg));
    ping = rt_chan_make(sizeof(int), 0);
    pong = rt_chan_make(sizeof(int), 0);
    for (int i = 0; i < 2; i++) never[i] = rt_chan_make(sizeof(int), 0);
    lonely = rt_chan_make(sizeof(int), 0);
    buffered = rt_chan_make(sizeof(int), 2);
    quit = rt_chan_make(0, 0);
    timer = rt_timer_new(3600 * SECOND);
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    CHECK_OP(rt_waitgroup_go(&wg, answers, NULL), >, 0);
    CHECK_OP(rt_waitgroup_go(&wg, contends, NULL), >, 0);
    CHECK_OK(rt_run(measures, NULL));
    /* And on a plain thread. */
    measures(NULL);
    CHECK_OK(rt_chan_close(quit));
    CHECK_OK(rt_waitgroup_wait(&wg));
    puts("no_alloc: ok");
    return 0;
}

#else
int main(void) { SKIP("only the GNU C library gives its malloc away"); }
#endif
