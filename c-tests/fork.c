/* fork: the child has no runtime and gets a fresh one, the parent's goes on; objects that nobody held work in the child. */
#include "more.h"

static rt_chan *boxed, *closed, *empty;
static rt_mutex mu;
static rt_waitgroup wg;
static rt_sema sema;
static rt_once once;
static rt_rwmutex rw;
static rt_cond cond;
static rt_mutex cond_mu;
static atomic_long ticks;
static atomic_bool stop;

static void nothing(void *arg) { (void)arg; }

static void counts(void *arg) { atomic_fetch_add((atomic_int *)arg, 1); }

/* In the parent, all the time: goroutines that sleep, pass items, lock, and wait without end. */
static rt_chan *ball;
static rt_mutex busy;

static void works(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        CHECK_OK(rt_sleep(20 * US));
        CHECK_OK(rt_chan_send(ball, NULL));
        CHECK_OK(rt_chan_recv(ball, NULL));
        CHECK_OK(rt_mutex_lock(&busy));
        rt_gosched();
        CHECK_OK(rt_mutex_unlock(&busy));
        atomic_fetch_add(&ticks, 1);
    }
}

static rt_chan *release;

static void waits(void *arg) {
    (void)arg;
    CHECK_EQ(rt_chan_recv(release, NULL), RT_ECLOSED);
}

/* Each thing that the parent has left. */
static void uses_objects(void *arg) {
    (void)arg;
    int v = 0;
    for (int i = 1; i <= 3; i++) {
        CHECK_OK(rt_chan_recv(boxed, &v));
        CHECK_EQ(v, i);
    }
    CHECK_EQ(rt_chan_try_recv(boxed, &v), RT_EAGAIN);
    CHECK_OK(rt_chan_send(boxed, &v));
    CHECK_OK(rt_chan_recv(boxed, &v));
    CHECK_EQ(rt_chan_recv(closed, &v), RT_ECLOSED);
    CHECK_EQ(rt_chan_recv_timeout(empty, &v, MS), RT_ETIMEDOUT);
    CHECK_OK(rt_mutex_lock(&mu));
    CHECK_EQ(rt_mutex_lock_timeout(&mu, MS), RT_ETIMEDOUT);
    CHECK_OK(rt_mutex_unlock(&mu));
    CHECK_OP(rt_waitgroup_go(&wg, nothing, NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_OK(rt_sema_acquire(&sema));
    CHECK_EQ(rt_sema_acquire_timeout(&sema, MS), RT_ETIMEDOUT);
    CHECK_OK(rt_sema_release(&sema));
    CHECK_OK(rt_rwmutex_rlock(&rw));
    CHECK_OK(rt_rwmutex_runlock(&rw));
    CHECK_OK(rt_rwmutex_lock(&rw));
    CHECK_OK(rt_rwmutex_unlock(&rw));
    atomic_int n = 0;
    CHECK_OK(rt_once_do(&once, counts, &n));
    CHECK_EQ(atomic_load(&n), 0);
    CHECK_OK(rt_mutex_lock(&cond_mu));
    CHECK_EQ(rt_cond_wait_timeout(&cond, &cond_mu, MS), RT_ETIMEDOUT);
    CHECK_OK(rt_mutex_unlock(&cond_mu));
}

static void refill(void) {
    for (int i = 1; i <= 3; i++) CHECK_OK(rt_chan_send(boxed, &i));
}

static void sends(void *arg) {
    const int v = 9;
    CHECK_OK(rt_chan_send(arg, &v));
}

/* A whole small program. */
static void fresh_runtime(void *arg) {
    (void)arg;
    rt_chan *c = rt_chan_make(sizeof(int), 0);
    for (int i = 0; i < 20; i++) go(sends, c);
    for (int i = 0; i < 20; i++) CHECK_OK(rt_chan_recv(c, NULL));
    rt_timer *t = rt_timer_new(MS);
    CHECK_OK(rt_chan_recv(rt_timer_chan(t), NULL));
    rt_timer_free(t);
    CHECK_OK(rt_sleep(MS));
    atomic_int n = 0;
    t = rt_after_func(MS, counts, &n);
    EVENTUALLY_YIELD(atomic_load(&n) == 1);
    CHECK(!rt_timer_stop_wait(t));
    rt_timer_free(t);
    rt_chan_unref(c);
}

/* Of the parent's descriptors only those are here that the program had itself. */
static bool was_open[1024];

static int scan(bool note) {
    int more = 0;
    for (int fd = 0; fd < 1024; fd++) {
        const bool is_open = fcntl(fd, F_GETFD) >= 0;
        if (note) was_open[fd] = is_open;
        else more += is_open && !was_open[fd];
    }
    return more;
}

static void child(bool chooses) {
    if (!emulated()) CHECK_EQ(scan(false), 0);
    CHECK_EQ(rt_num_goroutine(), 0);
    CHECK_EQ(rt_goid(), 0);
    rt_config cfg;
    memset(&cfg, 0, sizeof cfg);
    cfg.struct_size = sizeof cfg;
    cfg.maxprocs = 3;
    if (chooses) {
        CHECK_OK(rt_init(&cfg));
        CHECK_EQ(rt_maxprocs(0), 3);
    }
    const long seen = atomic_load(&ticks);
    CHECK_OK(rt_run(fresh_runtime, NULL));
    uses_objects(NULL);
    refill();
    CHECK_OK(rt_run(uses_objects, NULL));
    /* Not one of the parent's goroutines runs here. */
    CHECK_EQ(atomic_load(&ticks), seen);
    EVENTUALLY(rt_num_goroutine() == 0);
}

static void expect_end(pid_t pid, int code) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) CHECK_EQ(errno, EINTR);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
        FAIL("the child ended by %s %d", WIFEXITED(status) ? "exit code" : "signal",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

static void fork_once(int i) {
    fflush(NULL);
    const pid_t pid = fork();
    CHECK_OP(pid, >=, 0);
    if (pid == 0) {
        alarm(60);
        child(i % 3 == 1);
        /* And a child of the child. */
        if (i % 5 == 0) {
            const pid_t next = fork();
            if (next == 0) {
                CHECK_EQ(rt_num_goroutine(), 0);
                CHECK_OK(rt_run(fresh_runtime, NULL));
                _exit(0);
            }
            expect_end(next, 0);
        }
        if (i % 4 == 0) CHECK_OK(rt_stop(60 * SECOND));
        _exit(0);
    }
    expect_end(pid, 0);
}

static void *forks_on_thread(void *arg) {
    fork_once(*(const int *)arg);
    return NULL;
}

/* On a goroutine the child may exec or exit. */
static void forks_on_goroutine(void *arg) {
    const bool execs = arg != NULL;
    const pid_t pid = fork();
    CHECK_OP(pid, >=, 0);
    if (pid == 0) {
        if (execs) {
            execlp("sh", "sh", "-c", "exit 23", (char *)NULL);
            _exit(99);
        }
        _exit(23);
    }
    expect_end(pid, 23);
}

int main(void) {
    /* Another thread may be in it at the fork; its lock then stays taken in the child. */
    if (sanitized()) SKIP("the allocator of AddressSanitizer does not survive the fork of a program with threads");
    if (emulated()) SKIP("the emulator itself does not survive the fork of a program with threads");
    scan(true);
    boxed = rt_chan_make(sizeof(int), 3);
    closed = rt_chan_make(sizeof(int), 0);
    empty = rt_chan_make(sizeof(int), 0);
    release = rt_chan_make(0, 0);
    ball = rt_chan_make(0, 2);
    refill();
    CHECK_OK(rt_chan_close(closed));
    CHECK_OK(rt_sema_init(&sema, 1));
    atomic_int n = 0;
    CHECK_OK(rt_once_do(&once, counts, &n));
    /* Before there is any runtime. */
    fork_once(0);

    for (int i = 0; i < 6; i++) {
        go(works, NULL);
        go(waits, NULL);
    }
    rt_timer *tick = rt_ticker_new(MS);
    for (int i = 0; i < 30; i++) {
        const long before = atomic_load(&ticks);
        if (i % 6 == 5) {
            thread_join(thread_start(forks_on_thread, &i));
        } else {
            fork_once(i);
        }
        /* The parent is undisturbed. */
        EVENTUALLY(atomic_load(&ticks) > before + 10);
        CHECK_OK(rt_chan_recv(rt_timer_chan(tick), NULL));
    }
    for (int i = 0; i < 10; i++) CHECK_OK(rt_run(forks_on_goroutine, i % 2 == 0 ? NULL : &n));
    CHECK_EQ(rt_chan_len(boxed), 3);
    rt_timer_free(tick);
    CHECK_EQ(rt_num_goroutine(), 12);
    atomic_store(&stop, true);
    CHECK_OK(rt_chan_close(release));
    EVENTUALLY(rt_num_goroutine() == 0);
    uses_objects(NULL);
    puts("fork: ok");
    return 0;
}
