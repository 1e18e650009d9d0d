/*
 * Goroutines that block in the kernel hold up nobody, announced or not: all that are out make progress at once, and what is
 * ready starts in time. So it is with those who hold locks of the C library, which know nothing of goroutines.
 */
#include "retake.h"

#include <semaphore.h>

/* --- long sleeps in the kernel: all at once --- */

static void sleeps_in_kernel(void *arg) {
    (void)arg;
    for (int i = 0; i < 5; i++) thread_sleep(100 * MS);
}

/* Four times as many as there are Ps: one after another would take four times as long. */
static bool kernel_sleepers(void) {
    rt_waitgroup wg, watch;
    memset(&wg, 0, sizeof wg);
    memset(&watch, 0, sizeof watch);
    atomic_store(&stop, false);
    late.n = 0;
    const uint64_t before = handoffs();
    const int64_t start = now_ns();
    CHECK_OP(rt_waitgroup_go(&watch, sleeps, &late), >, 0);
    const int n = procs < 2 ? 8 : 4 * procs;
    for (int i = 0; i < n; i++) CHECK_OP(rt_waitgroup_go(&wg, sleeps_in_kernel, NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    const int64_t took = now_ns() - start;
    atomic_store(&stop, true);
    CHECK_OK(rt_waitgroup_wait(&watch));
    CHECK_OP(took, >=, 500 * MS);
    CHECK_OP(handoffs(), >, before);
    printf("%d sleep in the kernel for 500 ms: %.0f ms\n", n, (double)took / 1e6);
    return late_keeps("a sleeper beside them", &late, 20 * MS, 20 * MS) && (!timed() || took < SECOND);
}

/* --- every P is away in the kernel: what is ready starts soon, long before they come back --- */

static _Atomic int64_t ready_at, started_at;

static void starts(void *arg) {
    (void)arg;
    atomic_store(&started_at, now_ns());
}

static void goes_away(void *arg) {
    (void)arg;
    const bool spawns = arg != NULL;
    if (spawns) {
        atomic_store(&ready_at, now_ns());
        go(starts, NULL);
    }
    stays_away();
}

static bool starts_behind(bool spawned_there) {
    late.n = 0;
    for (int round = 0; round < 12; round++) {
        none_away();
        atomic_store(&started_at, 0);
        for (int i = 0; i < procs; i++) {
            go(goes_away, spawned_there && i == procs - 1 ? &late : NULL);
            EVENTUALLY(atomic_load(&away) == i + 1);
        }
        if (!spawned_there) {
            atomic_store(&ready_at, now_ns());
            go(starts, NULL);
        }
        EVENTUALLY(atomic_load(&started_at) != 0);
        CHECK_EQ(atomic_load(&back), 0);
        late.ns[late.n++] = atomic_load(&started_at) - atomic_load(&ready_at);
        atomic_store(&come_back, true);
        EVENTUALLY(atomic_load(&back) == procs && rt_num_goroutine() == 0);
    }
    return late_keeps(spawned_there ? "a child of one that is away" : "spawned while all are away", &late, 10 * MS, 20 * MS);
}

/* --- blocking reads, fed by one more goroutine --- */

enum { READERS = 64, ROUNDS = 10 };

static int pipes[READERS][2];
static rt_chan *answers;
static bool announce;

static void reads(void *arg) {
    const int i = (int)(intptr_t)arg;
    for (int round = 0; round < ROUNDS; round++) {
        unsigned char c = 0;
        if (announce) rt_entersyscall();
        const ssize_t n = read(pipes[i][0], &c, 1);
        if (announce) rt_exitsyscall();
        CHECK_EQ(n, 1);
        CHECK_EQ(c, round);
        CHECK_OK(rt_chan_send(answers, &i));
    }
}

static void feeds(void *arg) {
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        bool seen[READERS] = {false};
        const unsigned char c = (unsigned char)round;
        for (int i = 0; i < READERS; i++) CHECK_EQ(write(pipes[i][1], &c, 1), 1);
        for (int i = 0; i < READERS; i++) {
            int who = -1;
            CHECK_OK(rt_chan_recv(answers, &who));
            CHECK(who >= 0 && who < READERS && !seen[who]);
            seen[who] = true;
        }
    }
}

static bool readers(bool announced) {
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    announce = announced;
    for (int i = 0; i < READERS; i++) CHECK_EQ(pipe2(pipes[i], O_CLOEXEC), 0);
    const int64_t start = now_ns();
    for (intptr_t i = 0; i < READERS; i++) CHECK_OP(rt_waitgroup_go(&wg, reads, (void *)i), >, 0);
    CHECK_OP(rt_waitgroup_go(&wg, feeds, NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    const int64_t took = now_ns() - start;
    for (int i = 0; i < READERS; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    printf("%d readers, %d rounds%s: %.0f ms\n", READERS, ROUNDS, announced ? ", announced" : "", (double)took / 1e6);
    return !timed() || took < 10 * SECOND;
}

/* --- locks of the C library, which know nothing of goroutines --- */

static sem_t sems[16];
static pthread_mutex_t thread_mutex = PTHREAD_MUTEX_INITIALIZER;
static rt_mutex mu;
static long counter;
static rt_waitgroup crowd;

static void waits_for_post(void *arg) {
    while (sem_wait(arg) != 0) CHECK_EQ(errno, EINTR);
}

static void posts(void *arg) {
    for (int i = 0; i < (int)(intptr_t)arg; i++) CHECK_EQ(sem_post(&sems[i]), 0);
}

static void semaphores(void) {
    const int n = procs < 6 ? 2 * procs + 2 : 16;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < n; i++) {
            CHECK_EQ(sem_init(&sems[i], 0, 0), 0);
            CHECK_OP(rt_waitgroup_go(&crowd, waits_for_post, &sems[i]), >, 0);
        }
        /* Behind all of them. */
        CHECK_OP(rt_waitgroup_go(&crowd, posts, (void *)(intptr_t)n), >, 0);
        CHECK_OK(rt_waitgroup_wait(&crowd));
        for (int i = 0; i < n; i++) CHECK_EQ(sem_destroy(&sems[i]), 0);
    }
}

static void holds_thread_mutex(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(pthread_mutex_lock(&thread_mutex), 0);
        const long before = counter;
        thread_sleep(500 * US);
        counter = before + 1;
        CHECK_EQ(pthread_mutex_unlock(&thread_mutex), 0);
        if (i % 3 == 0) rt_gosched();
    }
}

/* Who holds what others want is let on, whether it sleeps or computes. */
static void holds_rt_mutex(void *arg) {
    for (int i = 0; i < 4; i++) {
        CHECK_OK(rt_mutex_lock(&mu));
        const long before = counter;
        if (arg != NULL) computes(12 * MS);
        else thread_sleep(5 * MS);
        counter = before + 1;
        CHECK_OK(rt_mutex_unlock(&mu));
    }
}

static void holders(void) {
    counter = 0;
    for (int i = 0; i < 8; i++) CHECK_OP(rt_waitgroup_go(&crowd, holds_thread_mutex, NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&crowd));
    CHECK_EQ(counter, 8 * 10);
    counter = 0;
    for (int i = 0; i < 8; i++) CHECK_OP(rt_waitgroup_go(&crowd, holds_rt_mutex, i % 2 == 0 ? NULL : &mu), >, 0);
    CHECK_OK(rt_waitgroup_wait(&crowd));
    CHECK_EQ(counter, 8 * 4);
}

int main(void) {
    atomic_long ran = 0;
    /* What was measured is seen also of a test that hangs. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    answers = rt_chan_make(sizeof(int), 0);
    CHECK_OK(rt_run(count, &ran));
    procs = rt_maxprocs(0);

    IN_THREE(kernel_sleepers());
    IN_THREE(starts_behind(false));
    IN_THREE(starts_behind(true));
    IN_THREE(readers(false));
    IN_THREE(readers(true));
    semaphores();
    holders();
    rt_chan_unref(answers);
    puts("retake: ok");
    return 0;
}
