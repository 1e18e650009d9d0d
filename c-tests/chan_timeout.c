/* The timeout forms: never early, the three special values, what goes at once goes, and a lost wait leaves no trace. */
#include "check.h"

static void answers(void *arg) {
    (void)arg;
    int v = 41;
    const int one = 1, two = 2;
    rt_chan *c = rt_chan_make(sizeof v, 1);
    CHECK(c != NULL);

    CHECK_EQ(rt_chan_recv_timeout(c, &v, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_chan_recv_timeout(c, &v, -1), RT_ETIMEDOUT);
    CHECK_EQ(rt_chan_recv_timeout(c, &v, INT64_MIN + 1), RT_ETIMEDOUT);
    const int64_t times[] = {1, US, MS, 20 * MS};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        const int64_t start = now_ns();
        CHECK_EQ(rt_chan_recv_timeout(c, &v, times[i]), RT_ETIMEDOUT);
        CHECK_OP(now_ns() - start, >=, times[i]);
    }
    /* Outputs are written on success only. */
    CHECK_EQ(v, 41);

    /* What can go at once goes, whatever the timeout. */
    const int64_t any[] = {RT_FOREVER, RT_NOWAIT, -1, INT64_MIN + 1, 1, MS, INT64_MAX};
    for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) {
        CHECK_OK(rt_chan_send_timeout(c, &one, any[i]));
        v = 0;
        CHECK_OK(rt_chan_recv_timeout(c, &v, any[i]));
        CHECK_EQ(v, 1);
    }

    CHECK_OK(rt_chan_send(c, &one));
    CHECK_EQ(rt_chan_send_timeout(c, &two, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_chan_send_timeout(c, &two, -1), RT_ETIMEDOUT);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        const int64_t start = now_ns();
        CHECK_EQ(rt_chan_send_timeout(c, &two, times[i]), RT_ETIMEDOUT);
        CHECK_OP(now_ns() - start, >=, times[i]);
    }
    /* The item of a send that timed out is never received. */
    CHECK_OK(rt_chan_recv(c, &v));
    CHECK_EQ(v, 1);
    CHECK_EQ(rt_chan_try_recv(c, &v), RT_EAGAIN);

    /* A receiver that gave up takes no item from a later send. */
    CHECK_OK(rt_chan_send(c, &two));
    CHECK_EQ(rt_chan_len(c), 1);
    CHECK_OK(rt_chan_recv_timeout(c, &v, RT_FOREVER));
    CHECK_EQ(v, 2);
    rt_chan_unref(c);
}

/* The other side comes while the wait is on. */
struct meet {
    rt_chan *chan;
    int64_t timeout;
    int value;
    atomic_int result;
};

static void receives(void *arg) {
    struct meet *m = arg;
    const int r = rt_chan_recv_timeout(m->chan, &m->value, m->timeout);
    atomic_store(&m->result, r);
}

static void sends(void *arg) {
    struct meet *m = arg;
    const int r = rt_chan_send_timeout(m->chan, &m->value, m->timeout);
    atomic_store(&m->result, r);
}

static void meets(void) {
    const int64_t times[] = {RT_FOREVER, 3600 * SECOND, INT64_MAX, INT64_MAX - 5};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        for (int kind = 0; kind < 4; kind++) {
            struct meet m = {rt_chan_make(sizeof(int), 0), times[i], 50 + kind, 1};
            pthread_t t = 0;
            if (kind == 0) go(receives, &m);
            if (kind == 1) t = thread_go(receives, &m);
            if (kind == 2) go(sends, &m);
            if (kind == 3) t = thread_go(sends, &m);
            thread_sleep(5 * MS);
            CHECK_EQ(atomic_load(&m.result), 1);
            int v = 70;
            if (kind < 2) CHECK_OK(rt_chan_send(m.chan, &v));
            else CHECK_OK(rt_chan_recv(m.chan, &v));
            EVENTUALLY(atomic_load(&m.result) != 1);
            CHECK_OK(atomic_load(&m.result));
            CHECK_EQ(m.value, kind < 2 ? 70 : 50 + kind);
            CHECK_EQ(v, m.value);
            if (kind % 2 == 1) thread_join(t);
            rt_chan_unref(m.chan);
        }
}

/* A waiter in the middle of the queue gives up: those before and after it are served, in order. */
static char order[8];
static atomic_size_t at;

struct queued {
    rt_chan *chan;
    int64_t timeout;
    char name;
    atomic_int waits;
};

static void queues(void *arg) {
    struct queued *q = arg;
    int v;
    atomic_store(&q->waits, 1);
    if (rt_chan_recv_timeout(q->chan, &v, q->timeout) == RT_OK) order[atomic_fetch_add(&at, 1)] = q->name;
    atomic_store(&q->waits, 2);
}

static void unlinks(void *arg) {
    (void)arg;
    rt_chan *c = rt_chan_make(sizeof(int), 0);
    for (int middle = 0; middle < 3; middle++) {
        struct queued q[3];
        atomic_store(&at, 0);
        for (int i = 0; i < 3; i++) {
            q[i].chan = c;
            q[i].timeout = i == middle ? 5 * MS : RT_FOREVER;
            q[i].name = (char)('a' + i);
            atomic_init(&q[i].waits, 0);
            go(queues, &q[i]);
            /* One P: when this goroutine is on again, the new one waits. */
            rt_gosched();
            CHECK_EQ(atomic_load(&q[i].waits), 1);
        }
        while (atomic_load(&q[middle].waits) != 2) CHECK_OK(rt_sleep(MS));
        int v = 1;
        CHECK_OK(rt_chan_send(c, &v));
        rt_gosched();
        CHECK_OK(rt_chan_send(c, &v));
        rt_gosched();
        CHECK_EQ(atomic_load(&at), 2);
        CHECK_EQ(order[0], middle == 0 ? 'b' : 'a');
        CHECK_EQ(order[1], middle == 2 ? 'b' : 'c');
        CHECK_EQ(rt_chan_try_send(c, &v), RT_EAGAIN);
    }
    rt_chan_unref(c);
}

static void one_p(void) {
    init_one_p();
    CHECK_OK(rt_run(unlinks, NULL));
}

int main(void) {
    CHECK_CHILD(one_p);
    answers(NULL);
    CHECK_OK(rt_run(answers, NULL));
    thread_join(thread_go(answers, NULL));
    meets();
    puts("chan_timeout: ok");
    return 0;
}
