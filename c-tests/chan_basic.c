/* Channels: sizes, copies, buffering, blocking, handing over, between goroutines and threads of every kind. */
#include "check.h"

struct item {
    uint64_t words[9];
    char tail[5];
};

static struct item item_of(uint64_t n) {
    struct item it;
    memset(&it, 0, sizeof it);
    for (int i = 0; i < 9; i++) it.words[i] = n * 11 + (uint64_t)i;
    memset(it.tail, (int)(n & 0x7f), sizeof it.tail);
    return it;
}

static void check_item(const struct item *it, uint64_t n) {
    const struct item want = item_of(n);
    CHECK(memcmp(it, &want, sizeof want) == 0);
}

static void sizes(void) {
    const size_t elem[] = {0, 1, 2, 3, 4, 7, 8, 12, 16, 24, 64, 77, 1000, 70000};
    const size_t caps[] = {0, 1, 2, 3, 8, 100};
    for (size_t e = 0; e < sizeof elem / sizeof elem[0]; e++)
        for (size_t k = 0; k < sizeof caps / sizeof caps[0]; k++) {
            const size_t size = elem[e], cap = caps[k];
            rt_chan *c = rt_chan_make(size, cap);
            CHECK(c != NULL);
            CHECK_EQ(rt_chan_cap(c), cap);
            CHECK_EQ(rt_chan_elem_size(c), size);
            CHECK_EQ(rt_chan_len(c), 0);
            unsigned char *in = malloc(size + 1), *out = malloc(size + 2);
            CHECK(in != NULL && out != NULL);
            /* Round the ring more than once, at every fill. */
            size_t sent = 0, got = 0;
            for (size_t round = 0; round < 3; round++) {
                while (rt_chan_len(c) < cap) {
                    for (size_t i = 0; i < size; i++) in[i] = (unsigned char)(sent * 31 + i);
                    CHECK_OK(rt_chan_try_send(c, in));
                    sent++;
                }
                CHECK_EQ(rt_chan_try_send(c, in), RT_EAGAIN);
                CHECK_EQ(rt_chan_len(c), cap);
                for (size_t k2 = 0; k2 < cap - cap * round / 3; k2++) {
                    memset(out, 0xa5, size + 2);
                    CHECK_OK(rt_chan_try_recv(c, out));
                    for (size_t i = 0; i < size; i++) CHECK_EQ(out[i], (unsigned char)(got * 31 + i));
                    /* Exactly elem_size bytes are written. */
                    CHECK_EQ(out[size], 0xa5);
                    CHECK_EQ(out[size + 1], 0xa5);
                    got++;
                }
            }
            free(in);
            free(out);
            rt_chan_unref(c);
        }
    /* A huge capacity of nothing needs no memory. */
    rt_chan *c = rt_chan_make(0, 1000000000);
    CHECK(c != NULL);
    CHECK_EQ(rt_chan_cap(c), 1000000000);
    CHECK_OK(rt_chan_send(c, NULL));
    CHECK_EQ(rt_chan_len(c), 1);
    rt_chan_unref(c);
}

struct job {
    rt_chan *in, *out;
    uint64_t n;
    atomic_int done;
};

static void produce(void *arg) {
    struct job *j = arg;
    for (uint64_t i = 0; i < j->n; i++) {
        const struct item it = item_of(i);
        CHECK_OK(rt_chan_send(j->out, &it));
    }
    CHECK_OK(rt_chan_close(j->out));
    atomic_fetch_add(&j->done, 1);
}

static void consume(void *arg) {
    struct job *j = arg;
    struct item it;
    for (uint64_t i = 0; i < j->n; i++) {
        CHECK_OK(rt_chan_recv(j->in, &it));
        check_item(&it, i);
    }
    CHECK_EQ(rt_chan_recv(j->in, &it), RT_ECLOSED);
    atomic_fetch_add(&j->done, 1);
}

/* Every pairing of goroutine, pthread and main, with and without a buffer. */
static void pairings(void) {
    const size_t caps[] = {0, 1, 16};
    for (size_t k = 0; k < 3; k++)
        for (int from = 0; from < 3; from++)
            for (int to = 0; to < 3; to++) {
                if (from == 2 && to == 2) continue;
                rt_chan *c = rt_chan_make(sizeof(struct item), caps[k]);
                CHECK(c != NULL);
                struct job j = {c, c, 300, 0};
                pthread_t a = 0, b = 0;
                if (from == 0) go(produce, &j);
                if (from == 1) a = thread_go(produce, &j);
                if (to == 0) go(consume, &j);
                if (to == 1) b = thread_go(consume, &j);
                if (from == 2) produce(&j);
                if (to == 2) consume(&j);
                EVENTUALLY(atomic_load(&j.done) == 2);
                if (from == 1) thread_join(a);
                if (to == 1) thread_join(b);
                rt_chan_unref(c);
            }
}

/* An unbuffered send ends when its item is taken, a buffered one on a full channel when there is room. */
static atomic_int sends;

static void send_three(void *arg) {
    for (int i = 1; i <= 3; i++) {
        CHECK_OK(rt_chan_send(arg, &i));
        atomic_fetch_add(&sends, 1);
    }
}

static void blocking(void) {
    for (size_t cap = 0; cap < 3; cap++) {
        atomic_store(&sends, 0);
        rt_chan *c = rt_chan_make(sizeof(int), cap);
        go(send_three, c);
        thread_sleep(20 * MS);
        CHECK_OP(atomic_load(&sends), <=, (int)cap);
        for (int i = 1; i <= 3; i++) {
            int v = 0;
            CHECK_OK(rt_chan_recv(c, &v));
            CHECK_EQ(v, i);
        }
        EVENTUALLY(atomic_load(&sends) == 3);
        rt_chan_unref(c);
    }
}

/* A NULL element throws the value away; with no size there is nothing to give. */
static atomic_int thrown;

static void throw_away(void *arg) {
    CHECK_OK(rt_chan_recv(arg, NULL));
    atomic_fetch_add(&thrown, 1);
}

static void null_elements(void) {
    int v = 9;
    rt_chan *c = rt_chan_make(sizeof v, 2);
    CHECK_OK(rt_chan_send(c, &v));
    CHECK_OK(rt_chan_send(c, &v));
    CHECK_OK(rt_chan_recv(c, NULL));
    CHECK_OK(rt_chan_try_recv(c, NULL));
    CHECK_EQ(rt_chan_try_recv(c, NULL), RT_EAGAIN);
    CHECK_EQ(rt_chan_len(c), 0);
    rt_chan_unref(c);
    c = rt_chan_make(sizeof v, 0);
    go(throw_away, c);
    CHECK_OK(rt_chan_send(c, &v));
    EVENTUALLY(atomic_load(&thrown) == 1);
    rt_chan_unref(c);
    c = rt_chan_make(0, 0);
    go(throw_away, c);
    CHECK_OK(rt_chan_send(c, &v));
    EVENTUALLY(atomic_load(&thrown) == 2);
    go(throw_away, c);
    CHECK_OK(rt_chan_send(c, NULL));
    EVENTUALLY(atomic_load(&thrown) == 3);
    rt_chan_unref(c);
}

/* What the try forms find waiting on the other side, they take. */
static atomic_int taken;

static void take(void *arg) {
    int v = 0;
    CHECK_OK(rt_chan_recv(arg, &v));
    CHECK_EQ(v, 5);
    atomic_fetch_add(&taken, 1);
}

static void give(void *arg) {
    const int v = 6;
    CHECK_OK(rt_chan_send(arg, &v));
    atomic_fetch_add(&taken, 1);
}

static void try_forms(void) {
    int v = 5;
    rt_chan *c = rt_chan_make(sizeof v, 0);
    CHECK_EQ(rt_chan_try_send(c, &v), RT_EAGAIN);
    int w = 1234;
    CHECK_EQ(rt_chan_try_recv(c, &w), RT_EAGAIN);
    CHECK_EQ(w, 1234);
    go(take, c);
    EVENTUALLY(rt_chan_try_send(c, &v) == RT_OK);
    EVENTUALLY(atomic_load(&taken) == 1);
    go(give, c);
    EVENTUALLY(rt_chan_try_recv(c, &w) == RT_OK);
    CHECK_EQ(w, 6);
    EVENTUALLY(atomic_load(&taken) == 2);
    CHECK_EQ(rt_chan_try_recv(c, &w), RT_EAGAIN);
    CHECK_EQ(rt_chan_len(c), 0);
    rt_chan_unref(c);
}

int main(void) {
    sizes();
    pairings();
    blocking();
    null_elements();
    try_forms();
    puts("chan_basic: ok");
    return 0;
}
