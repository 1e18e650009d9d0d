/* rt_self and rt_goid: never NULL, one per goroutine and per thread, the same across parks; ids never come twice. */
#include "check.h"

#define N 200

static rt_g *selves[N];
static int64_t ids[N];
static atomic_int started, finished;
static rt_chan *gate;

static void one(void *arg) {
    const intptr_t i = (intptr_t)arg;
    rt_g *self = rt_self();
    const int64_t id = rt_goid();
    CHECK(self != NULL);
    CHECK_OP(id, >, 0);
    selves[i] = self;
    ids[i] = id;
    atomic_fetch_add(&started, 1);
    CHECK_EQ(rt_chan_recv(gate, NULL), RT_ECLOSED);
    for (int k = 0; k < 10; k++) {
        CHECK(rt_self() == self);
        CHECK_EQ(rt_goid(), id);
        rt_gosched();
        CHECK_OK(rt_sleep(10 * US));
    }
    atomic_fetch_add(&finished, 1);
}

static void *plain(void *arg) {
    rt_g *self = rt_self();
    CHECK(self != NULL);
    CHECK(self != arg);
    CHECK_EQ(rt_goid(), 0);
    CHECK_OK(rt_sleep(MS));
    CHECK(rt_self() == self);
    CHECK_EQ(rt_goid(), 0);
    return NULL;
}


static void nothing(void *arg) { (void)arg; }

static int by_value(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

int main(void) {
    rt_g *main_self = rt_self();
    CHECK(main_self != NULL);
    CHECK(rt_self() == main_self);
    CHECK_EQ(rt_goid(), 0);
    thread_join(thread_start(plain, main_self));

    gate = rt_chan_make(0, 0);
    for (intptr_t i = 0; i < N; i++) go(one, (void *)i);
    EVENTUALLY(atomic_load(&started) == N);
    for (int i = 0; i < N; i++) {
        CHECK(selves[i] != main_self);
        for (int j = 0; j < i; j++) {
            CHECK(selves[i] != selves[j]);
            CHECK_OP(ids[i], !=, ids[j]);
        }
    }
    CHECK_OK(rt_chan_close(gate));
    EVENTUALLY(atomic_load(&finished) == N);
    CHECK(rt_self() == main_self);

    /* An ended goroutine's id is not used again, though its record is. */
    const int m = rounds_of(20000);
    static int64_t all[20000];
    for (int i = 0; i < m; i++) all[i] = go(nothing, NULL);
    qsort(all, (size_t)m, sizeof all[0], by_value);
    for (int i = 1; i < m; i++) CHECK_OP(all[i], !=, all[i - 1]);
    for (int i = 0; i < N; i++) CHECK(bsearch(&ids[i], all, (size_t)m, sizeof all[0], by_value) == NULL);
    rt_chan_unref(gate);
    puts("self: ok");
    return 0;
}
