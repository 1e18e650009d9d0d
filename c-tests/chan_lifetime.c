/* References: a waiter holds its own, so the last other one may go while it waits, or just as it is served. */
#include "check.h"

static atomic_int served;

static void receives(void *arg) {
    int v = 0;
    const int r = rt_chan_recv(arg, &v);
    if (r == RT_OK) CHECK_EQ(v, 12);
    else CHECK_EQ(r, RT_ECLOSED);
    atomic_fetch_add(&served, 1);
}

static void sends(void *arg) {
    const int v = 12;
    const int r = rt_chan_send(arg, &v);
    CHECK(r == RT_OK || r == RT_ECLOSED);
    atomic_fetch_add(&served, 1);
}

/* A receiver with a time, whose end falls together with the last unref. */
static void gives_up(void *arg) {
    int v = 0;
    const int r = rt_chan_recv_timeout(arg, &v, 50 * US);
    CHECK(r == RT_ETIMEDOUT || r == RT_ECLOSED || r == RT_OK);
    atomic_fetch_add(&served, 1);
}

/* The call must have begun before the reference goes; that it waits shows by a try form of the other side. */
static void serve_and_drop(rt_chan *c, bool sender) {
    int v = 12;
    if (sender) EVENTUALLY(rt_chan_try_recv(c, &v) == RT_OK);
    else EVENTUALLY(rt_chan_try_send(c, &v) == RT_OK);
    rt_chan_unref(c);
}

/* On one P it is certain that a goroutine waits once its spawner is on again. */
static void one_p_body(void *arg) {
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        int v = 12;
        rt_chan *c = rt_chan_make(sizeof v, 0);
        atomic_store(&served, 0);
        switch (i % 4) {
        case 0:
            go(receives, c);
            rt_gosched();
            CHECK_OK(rt_chan_try_send(c, &v));
            break;
        case 1:
            go(sends, c);
            rt_gosched();
            CHECK_OK(rt_chan_try_recv(c, &v));
            break;
        case 2:
            go(receives, c);
            rt_gosched();
            CHECK_OK(rt_chan_close(c));
            break;
        default:
            go(gives_up, c);
            rt_gosched();
            break;
        }
        rt_chan_unref(c);
        /* Makes a freed channel's memory look otherwise. */
        void *other = malloc(256);
        memset(other, 0xff, 256);
        while (atomic_load(&served) == 0) rt_gosched();
        free(other);
    }
    /* Nobody can ever reach these any more: they wait for ever, and hold their channels. */
    for (int i = 0; i < 10; i++) {
        rt_chan *c = rt_chan_make(sizeof(int), 0);
        go(receives, c);
        rt_gosched();
        rt_chan_unref(c);
    }
    CHECK_EQ(rt_num_goroutine(), 11);
}

static void one_p(void) {
    init_one_p();
    CHECK_OK(rt_run(one_p_body, NULL));
}

static void holds(void *arg) {
    /* This goroutine owns a reference of its own. */
    const int v = 12;
    CHECK_OK(rt_chan_send(arg, &v));
    rt_chan_unref(arg);
    atomic_fetch_add(&served, 1);
}

int main(void) {
    CHECK_CHILD(one_p);

    for (int i = 0; i < 200; i++)
        for (int sender = 0; sender < 2; sender++) {
            atomic_store(&served, 0);
            rt_chan *c = rt_chan_make(sizeof(int), 0);
            pthread_t t = 0;
            const bool on_thread = sender == 0 && i % 10 == 0;
            if (on_thread) t = thread_go(receives, c);
            else go(sender ? sends : receives, c);
            serve_and_drop(c, sender);
            EVENTUALLY(atomic_load(&served) == 1);
            if (on_thread) thread_join(t);
        }

    /* ref answers its argument; the channel lives until the last of them. */
    atomic_store(&served, 0);
    rt_chan *c = rt_chan_make(sizeof(int), 1);
    for (int i = 0; i < 100; i++) CHECK(rt_chan_ref(c) == c);
    for (int i = 0; i < 100; i++) go(holds, c);
    for (int i = 0; i < 100; i++) {
        int v = 0;
        CHECK_OK(rt_chan_recv(c, &v));
        CHECK_EQ(v, 12);
    }
    EVENTUALLY(atomic_load(&served) == 100);
    CHECK_EQ(rt_chan_len(c), 0);
    rt_chan_unref(c);

    /* With items inside. */
    for (int i = 0; i < 1000; i++) {
        c = rt_chan_make(1000, 4);
        char item[1000] = {0};
        CHECK_OK(rt_chan_send(c, item));
        rt_chan_unref(c);
    }
    puts("chan_lifetime: ok");
    return 0;
}
