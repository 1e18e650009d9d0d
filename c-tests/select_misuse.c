/* Each misuse of a select, alone and beside a case that could go: an error, and nothing has changed. */
#include "more.h"

enum { MOST = 65536 };

static rt_chan *full, *empty, *box;
static int seven = 7, kept;

static void reset_cases(rt_select_case k[3]) {
    kept = 41;
    k[0] = recv_case(full, &kept);
    k[1] = send_case(box, &seven);
    k[2] = recv_case(empty, &kept);
}

/* Nothing was received, sent, or written. */
static void nothing_happened(const rt_select_case *k, size_t n) {
    for (size_t i = 0; i < n; i++) CHECK_EQ(k[i].result, UNTOUCHED);
    CHECK_EQ(kept, 41);
    CHECK_EQ(seven, 7);
    CHECK_EQ(rt_chan_len(full), 1);
    CHECK_EQ(rt_chan_len(box), 0);
    CHECK_EQ(rt_chan_len(empty), 0);
    /* And nobody waits. */
    CHECK_EQ(rt_chan_try_send(empty, &seven), RT_EAGAIN);
    CHECK_EQ(rt_chan_try_recv(empty, NULL), RT_EAGAIN);
}

static void refuses(void *arg) {
    (void)arg;
    const int64_t timeouts[] = {RT_FOREVER, RT_NOWAIT, -1, MS, INT64_MAX};
    const int32_t dirs[] = {0, 3, -1, INT32_MAX, INT32_MIN, 4, 258};
    rt_select_case k[3];
    for (size_t t = 0; t < sizeof timeouts / sizeof timeouts[0]; t++)
        for (int place = 0; place < 3; place++) {
            /* A direction that is neither, also where the channel is NULL. */
            for (size_t d = 0; d < sizeof dirs / sizeof dirs[0]; d++)
                for (int with_null = 0; with_null < 2; with_null++) {
                    reset_cases(k);
                    k[place].dir = dirs[d];
                    if (with_null) k[place].chan = NULL;
                    CHECK_EQ(rt_select(k, 3, timeouts[t]), RT_EINVAL);
                    nothing_happened(k, 3);
                    CHECK_EQ(k[place].dir, dirs[d]);
                }
            /* Nothing to send. */
            reset_cases(k);
            k[place] = send_case(place == 0 ? full : place == 1 ? box : empty, NULL);
            CHECK_EQ(rt_select(k, 3, timeouts[t]), RT_EINVAL);
            nothing_happened(k, 3);
        }
    for (size_t t = 0; t < sizeof timeouts / sizeof timeouts[0]; t++) {
        CHECK_EQ(rt_select(NULL, 1, timeouts[t]), RT_EINVAL);
        CHECK_EQ(rt_select(NULL, MOST + 1, timeouts[t]), RT_EINVAL);
        CHECK_EQ(rt_select(NULL, SIZE_MAX, timeouts[t]), RT_EINVAL);
    }
    /* A lone misused case. */
    rt_select_case one = send_case(box, NULL);
    CHECK_EQ(rt_select(&one, 1, RT_FOREVER), RT_EINVAL);
    CHECK_EQ(one.result, UNTOUCHED);

    /* No cases are no misuse: only time can end it. */
    CHECK_EQ(rt_select(NULL, 0, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_select(NULL, 0, -1), RT_ETIMEDOUT);
    const int64_t start = now_ns();
    CHECK_EQ(rt_select(NULL, 0, 2 * MS), RT_ETIMEDOUT);
    CHECK_OP(now_ns() - start, >=, 2 * MS);
    reset_cases(k);
    CHECK_EQ(rt_select(k, 0, RT_NOWAIT), RT_EAGAIN);
    nothing_happened(k, 3);
    /* A receive of nothing is none either. */
    int32_t result;
    CHECK_EQ(select_recv(empty, NULL, RT_NOWAIT, &result), RT_EAGAIN);
}

/* As many cases as there may be, and one more. */
static rt_select_case cases[MOST + 1];
static rt_chan *chans[MOST];

static void sends_late(void *arg) {
    CHECK_OK(rt_sleep(MS));
    CHECK_OK(rt_chan_send(arg, &seven));
}

static void many(void *arg) {
    const bool same = arg != NULL;
    int got[4] = {0, 0, 0, 0};
    for (size_t i = 0; i < MOST; i++) {
        chans[i] = same ? rt_chan_ref(arg) : rt_chan_make(sizeof(int), i % 3);
        CHECK(chans[i] != NULL);
        cases[i] = recv_case(chans[i], &got[i % 4]);
    }
    cases[MOST] = recv_case(NULL, NULL);
    CHECK_EQ(rt_select(cases, MOST + 1, RT_NOWAIT), RT_EINVAL);
    CHECK_EQ(rt_select(cases, MOST + 1, RT_FOREVER), RT_EINVAL);
    CHECK_EQ(rt_select(cases, MOST, RT_NOWAIT), RT_EAGAIN);
    CHECK_EQ(rt_select(cases, MOST, MS), RT_ETIMEDOUT);
    const size_t at[] = {0, 40001, MOST - 1};
    for (int n = 0; n < 3; n++) {
        go(sends_late, chans[at[n]]);
        const int r = rt_select(cases, MOST, RT_FOREVER);
        if (same) CHECK(r >= 0 && r < MOST);
        else CHECK_EQ(r, at[n]);
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(got[i], i == r % 4 ? 7 : 0);
            got[i] = 0;
        }
        for (int i = 0; i < MOST; i++) CHECK_EQ(cases[i].result, i == r ? RT_OK : UNTOUCHED);
        cases[r].result = UNTOUCHED;
    }
    /* All of them are off the queues again. */
    for (int i = 0; i < MOST; i++) {
        if (rt_chan_cap(chans[i]) == 0) CHECK_EQ(rt_chan_try_send(chans[i], &seven), RT_EAGAIN);
        rt_chan_unref(chans[i]);
    }
}

int main(void) {
    full = rt_chan_make(sizeof(int), 1);
    box = rt_chan_make(sizeof(int), 1);
    empty = rt_chan_make(sizeof(int), 0);
    CHECK(full != NULL && box != NULL && empty != NULL);
    CHECK_OK(rt_chan_send(full, &seven));
    everywhere(refuses, NULL);
    CHECK_OK(rt_run(many, NULL));
    CHECK_OK(rt_run(many, empty));
    many(NULL);
    puts("select_misuse: ok");
    return 0;
}
