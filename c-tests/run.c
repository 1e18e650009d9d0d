/* rt_run: runs to the end of its goroutine and no further; from several threads; never a false deadlock report. */
#include "check.h"

static rt_chan *chan;
static atomic_int flag;

static void set_flag(void *arg) {
    CHECK_OP(rt_goid(), >, 0);
    for (int i = 0; i < 100; i++) rt_gosched();
    atomic_store((atomic_int *)arg, 1);
}

static void nested(void *arg) {
    atomic_int inner = 0;
    CHECK_EQ(rt_run(set_flag, &inner), RT_EPERM);
    CHECK_EQ(atomic_load(&inner), 0);
    *(int *)arg = 1;
}

static void waits_for_close(void *arg) {
    CHECK_EQ(rt_chan_recv(chan, NULL), RT_ECLOSED);
    atomic_store((atomic_int *)arg, 1);
}

static void spawns_and_ends(void *arg) { go(waits_for_close, arg); }

static void receives(void *arg) { CHECK_OK(rt_chan_recv(chan, arg)); }

/* Computes outside the library: the deadlock check must see a thread that might still act. */
static void *sends_late(void *arg) {
    thread_sleep(100 * MS);
    CHECK_OK(rt_chan_send(chan, arg));
    return NULL;
}

/* Blocked inside the library, but with a time that will end. */
static void *sleeps_then_sends(void *arg) {
    CHECK_OK(rt_sleep(100 * MS));
    CHECK_OK(rt_chan_send(chan, arg));
    return NULL;
}

static void *runs(void *arg) {
    for (int i = 0; i < 200; i++) {
        atomic_int done = 0;
        CHECK_OK(rt_run(set_flag, &done));
        CHECK_EQ(atomic_load(&done), 1);
    }
    return arg;
}

int main(void) {
    CHECK_EQ(rt_run(NULL, NULL), RT_EINVAL);

    atomic_int done = 0;
    CHECK_OK(rt_run(set_flag, &done));
    CHECK_EQ(atomic_load(&done), 1);

    int refused = 0;
    CHECK_OK(rt_run(nested, &refused));
    CHECK_EQ(refused, 1);

    /* The first goroutine's end is the end of rt_run; the one it started goes on. */
    chan = rt_chan_make(sizeof(int), 0);
    CHECK(chan != NULL);
    atomic_store(&flag, 0);
    CHECK_OK(rt_run(spawns_and_ends, &flag));
    CHECK_EQ(atomic_load(&flag), 0);
    CHECK_OP(rt_num_goroutine(), >=, 1);
    CHECK_OK(rt_chan_close(chan));
    EVENTUALLY(atomic_load(&flag) == 1);
    rt_chan_unref(chan);

    chan = rt_chan_make(sizeof(int), 0);
    void *(*const senders[])(void *) = {sends_late, sleeps_then_sends};
    for (int i = 0; i < 2; i++) {
        int sent = 40 + i, got = 0;
        const pthread_t t = thread_start(senders[i], &sent);
        CHECK_OK(rt_run(receives, &got));
        CHECK_EQ(got, 40 + i);
        thread_join(t);
    }
    rt_chan_unref(chan);

    pthread_t threads[4];
    for (int i = 0; i < 4; i++) threads[i] = thread_start(runs, NULL);
    runs(NULL);
    for (int i = 0; i < 4; i++) thread_join(threads[i]);
    EVENTUALLY(rt_num_goroutine() == 0);
    puts("run: ok");
    return 0;
}
