/* Plain threads select as goroutines do: among themselves, across, on channels of any capacity, and where no goroutine is. */
#include "more.h"

enum { THREADS = 4, ITEMS = 2000 };

static rt_chan *in[3], *out, *quit;
static atomic_long forwarded;

/* From any of three channels to one; ends when quit is closed. */
static void forwards(void *arg) {
    (void)arg;
    for (;;) {
        uint64_t v[3] = {0, 0, 0};
        rt_select_case k[4] = {recv_case(in[0], &v[0]), recv_case(in[1], &v[1]), recv_case(in[2], &v[2]),
                               recv_case(quit, NULL)};
        const int r = rt_select(k, 4, RT_FOREVER);
        CHECK(r >= 0 && r < 4);
        if (r == 3) {
            CHECK_EQ(k[3].result, RT_ECLOSED);
            return;
        }
        CHECK_OK(k[r].result);
        for (int i = 0; i < 3; i++) CHECK((v[i] != 0) == (i == r));
        atomic_fetch_add(&forwarded, 1);
        rt_select_case back = send_case(out, &v[r]);
        CHECK_EQ(rt_select(&back, 1, RT_FOREVER), 0);
    }
}

/* Sends its items with selects over all three channels. */
static void feeds(void *arg) {
    const uint64_t from = (uint64_t)(uintptr_t)arg;
    for (uint64_t i = 0; i < (uint64_t)rounds_of(ITEMS); i++) {
        const uint64_t v = from + i;
        rt_select_case k[3];
        for (int n = 0; n < 3; n++) k[n] = send_case(in[n], &v);
        const int r = rt_select(k, 3, RT_FOREVER);
        CHECK(r >= 0 && r < 3);
    }
}

static void mixed(int threads, int goroutines) {
    pthread_t t[2 * THREADS];
    const int all = threads + goroutines;
    for (int i = 0; i < 3; i++) in[i] = rt_chan_make(sizeof(uint64_t), (size_t)i);
    out = rt_chan_make(sizeof(uint64_t), 1);
    quit = rt_chan_make(0, 0);
    atomic_store(&forwarded, 0);
    for (int i = 0; i < threads; i++) {
        t[i] = thread_go(forwards, NULL);
        t[THREADS + i] = thread_go(feeds, (void *)(uintptr_t)(1 + i * (uint64_t)rounds_of(ITEMS)));
    }
    for (int i = threads; i < all; i++) {
        go(forwards, NULL);
        go(feeds, (void *)(uintptr_t)(1 + i * (uint64_t)rounds_of(ITEMS)));
    }
    uint64_t sum = 0, want = 0;
    for (int i = 0; i < all * rounds_of(ITEMS); i++) {
        uint64_t v = 0;
        int32_t result;
        CHECK_EQ(select_recv(out, &v, 3600 * SECOND, &result), 0);
        CHECK_OK(result);
        sum += v;
        want += (uint64_t)i + 1;
    }
    CHECK_EQ(sum, want);
    CHECK_EQ(atomic_load(&forwarded), all * rounds_of(ITEMS));
    CHECK_OK(rt_chan_close(quit));
    for (int i = 0; i < threads; i++) {
        thread_join(t[i]);
        thread_join(t[THREADS + i]);
    }
    if (goroutines > 0) EVENTUALLY(rt_num_goroutine() == 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(rt_chan_len(in[i]), 0);
        rt_chan_unref(in[i]);
    }
    rt_chan_unref(out);
    rt_chan_unref(quit);
}

/* What a thread waits in goes with the thread: many that come, select once, and end. */
static void *selects_once(void *arg) {
    int v = 0;
    rt_chan *never = rt_chan_make(sizeof v, 0);
    rt_select_case k[2] = {recv_case(never, NULL), recv_case(arg, &v)};
    CHECK_EQ(rt_select(k, 1, US), RT_ETIMEDOUT);
    CHECK_EQ(rt_select(k, 2, RT_FOREVER), 1);
    CHECK_OK(k[1].result);
    CHECK_EQ(v, 3);
    rt_chan_unref(never);
    return NULL;
}

static void come_and_go(void) {
    rt_chan *c = rt_chan_make(sizeof(int), 0);
    const int three = 3;
    for (int i = 0; i < 50; i++) {
        pthread_t t[8];
        for (int k = 0; k < 8; k++) t[k] = thread_start(selects_once, c);
        for (int k = 0; k < 8; k++) CHECK_OK(rt_chan_send(c, &three));
        for (int k = 0; k < 8; k++) thread_join(t[k]);
        CHECK_EQ(rt_chan_try_send(c, &three), RT_EAGAIN);
    }
    rt_chan_unref(c);
}

int main(void) {
    mixed(THREADS, 0);
    come_and_go();
    mixed(1, THREADS - 1);
    mixed(THREADS - 1, 2);
    puts("select_threads: ok");
    return 0;
}
