/*
 * Who is away in the kernel, announced or not, is a goroutine as any: its errno is that of its own call, a dump knows its name, it
 * may yet act, so that there is no deadlock, and a stop waits for it.
 */
#include "retake.h"

#include "more.h"

enum { MARK = 4000 };

static rt_chan *pairing, *empty;
static atomic_long kids;

/* --- announcements: errno of the call that was announced; too many, too few; plain threads --- */

static void announced_errno(void *arg) {
    (void)arg;
    char c;
    for (int i = 0; i < 3; i++) {
        rt_exitsyscall();
        set_errno(MARK);
        rt_entersyscall();
        CHECK_EQ(get_errno(), MARK);
        thread_sleep(i * 4 * MS);
        CHECK_EQ(read(-1, &c, 1), -1);
        CHECK_EQ(get_errno(), EBADF);
        rt_exitsyscall();
        CHECK_EQ(get_errno(), EBADF);
        /* Twice in, twice out, and one too many. */
        rt_entersyscall();
        rt_entersyscall();
        thread_sleep(i * 4 * MS);
        rt_exitsyscall();
        rt_exitsyscall();
        rt_exitsyscall();
        CHECK_EQ(get_errno(), EBADF);
        CHECK_OK(rt_sleep(50 * US));
        /* An announcement that another call has ended: what follows is a computation as any. */
        rt_entersyscall();
        CHECK_OK(rt_sleep(50 * US));
        thread_sleep(i * 4 * MS);
        CHECK_EQ(rt_chan_try_recv(empty, NULL), RT_EAGAIN);
        rt_exitsyscall();
        CHECK_EQ(get_errno(), EBADF);
    }
}

/* --- the name, in a dump of one's own after the loss --- */

static void has_name(void *arg) {
    (void)arg;
    thread_sleep(20 * MS);
    const char *text = dump_text();
    if (strstr(text, "estragon") == NULL) FAIL("no name in:\n%s", text);
    atomic_store(&stop, true);
}

static void busy(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) rt_gosched();
}

static void names(void) {
    rt_go_opts opts = {.struct_size = sizeof opts, .name = "estragon"};
    atomic_store(&stop, false);
    CHECK_OP(rt_go_with(&opts, has_name, NULL), >, 0);
    for (int i = 0; i < procs; i++) go(busy, NULL);
    EVENTUALLY(rt_num_goroutine() == 0);
}

/* --- who is away in the kernel may still act: no deadlock is reported, and stop waits --- */

static void sends_later(void *arg) {
    const bool announced = arg != NULL;
    if (announced) rt_entersyscall();
    thread_sleep(30 * MS);
    if (announced) rt_exitsyscall();
    CHECK_OK(rt_chan_send(pairing, NULL));
}

static void receives(void *arg) {
    go(sends_later, arg);
    CHECK_OK(rt_chan_recv(pairing, NULL));
}

static void is_away(void *arg) {
    (void)arg;
    stays_away();
}

static void stops(void) {
    none_away();
    for (int i = 0; i < 2 * procs; i++) go(is_away, NULL);
    EVENTUALLY(atomic_load(&away) == 2 * procs);
    CHECK_EQ(rt_stop(20 * MS), RT_ETIMEDOUT);
    /* Whole and open. */
    CHECK_OK(rt_run(count, &kids));
    atomic_store(&come_back, true);
    CHECK_OK(rt_stop(60 * SECOND));
    CHECK_EQ(atomic_load(&back), 2 * procs);
    CHECK_EQ(rt_num_goroutine(), 0);
    CHECK_OK(rt_run(count, &kids));
}

int main(void) {
    pairing = rt_chan_make(0, 0);
    empty = rt_chan_make(0, 0);
    CHECK_OK(rt_run(count, &kids));
    procs = rt_maxprocs(0);

    /* First, while this thread and the runtime's are the only ones. */
    CHECK_OK(rt_run(receives, NULL));
    CHECK_OK(rt_run(receives, &procs));

    everywhere(announced_errno, NULL);
    names();
    stops();
    rt_chan_unref(pairing);
    rt_chan_unref(empty);
    puts("retake_away: ok");
    return 0;
}
