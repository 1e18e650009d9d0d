/* rt_go and rt_go_with: ids, arguments, refusals, options, counts; spawning from every kind of thread. */
#include "check.h"

static atomic_int ran;
static atomic_long sum;
static rt_chan *gate;

static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

static void add(void *arg) {
    atomic_fetch_add(&sum, (long)(intptr_t)arg);
    atomic_fetch_add(&ran, 1);
}

static void note_id(void *arg) {
    atomic_store((_Atomic int64_t *)arg, rt_goid());
    atomic_fetch_add(&ran, 1);
}

static void wait_gate(void *arg) {
    (void)arg;
    CHECK_EQ(rt_chan_recv(gate, NULL), RT_ECLOSED);
    atomic_fetch_add(&ran, 1);
}

static void expect(int n) {
    EVENTUALLY(atomic_load(&ran) == n);
    atomic_store(&ran, 0);
}

/* Ids rise for one spawner, on whatever thread it is. */
static void *spawn_many(void *arg) {
    (void)arg;
    int64_t last = 0;
    for (int i = 1; i <= 1000; i++) {
        const int64_t id = go(add, (void *)(intptr_t)i);
        CHECK_OP(id, >, last);
        last = id;
    }
    return NULL;
}

static void spawn_many_on_goroutine(void *arg) { spawn_many(arg); }

static void tree(void *arg) {
    const intptr_t depth = (intptr_t)arg;
    if (depth > 0) {
        go(tree, (void *)(depth - 1));
        go(tree, (void *)(depth - 1));
    }
    atomic_fetch_add(&ran, 1);
}

struct deep {
    size_t bytes;
    atomic_int touched;
};

static __attribute__((noinline)) void touch(size_t bytes) {
    volatile unsigned char *room = __builtin_alloca(bytes);
    for (size_t i = 0; i < bytes; i += 1024) room[i] = (unsigned char)i;
    room[bytes - 1] = 1;
}

static void go_deep(void *arg) {
    struct deep *d = arg;
    touch(d->bytes);
    rt_gosched();
    touch(d->bytes);
    atomic_store(&d->touched, 1);
}

static rt_go_opts options(void) {
    rt_go_opts o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    return o;
}

static void refusals(void) {
    const int64_t before = rt_num_goroutine();
    CHECK_EQ(rt_go(NULL, NULL), RT_EINVAL);
    rt_go_opts o = options();
    CHECK_EQ(rt_go_with(&o, NULL, NULL), RT_EINVAL);
    o.struct_size = 0;
    CHECK_EQ(rt_go_with(&o, count, NULL), RT_EINVAL);
    o.struct_size = sizeof o - 1;
    CHECK_EQ(rt_go_with(&o, count, NULL), RT_EINVAL);
    o = options();
    o.stack_size = 1;
    CHECK_EQ(rt_go_with(&o, count, NULL), RT_EINVAL);
    o.stack_size = 16 * 1024 - 1;
    CHECK_EQ(rt_go_with(&o, count, NULL), RT_EINVAL);
    o.stack_size = SIZE_MAX;
    const int64_t r = rt_go_with(&o, count, NULL);
    CHECK(r == RT_EINVAL || r == RT_ENOMEM);
    o.stack_size = SIZE_MAX / 2 + 1;
    const int64_t r2 = rt_go_with(&o, count, NULL);
    CHECK(r2 == RT_EINVAL || r2 == RT_ENOMEM);
    struct {
        rt_go_opts known;
        unsigned char later[64];
    } big;
    memset(&big, 0, sizeof big);
    big.known.struct_size = sizeof big;
    big.later[63] = 1;
    CHECK_EQ(rt_go_with(&big.known, count, NULL), RT_EINVAL);
    /* None of them ran or is counted. */
    CHECK_EQ(rt_num_goroutine(), before);
    thread_sleep(20 * MS);
    CHECK_EQ(atomic_load(&ran), 0);
    big.later[63] = 0;
    CHECK_OP(rt_go_with(&big.known, count, NULL), >, 0);
    expect(1);
}

static void options_work(void) {
    /* The name is copied: the caller's may go at once. */
    char name[64];
    memset(name, 'n', 63);
    name[63] = '\0';
    rt_go_opts o = options();
    o.name = name;
    CHECK_OP(rt_go_with(&o, count, NULL), >, 0);
    memset(name, 'x', sizeof name);
    o.name = "";
    CHECK_OP(rt_go_with(&o, count, NULL), >, 0);
    expect(2);

    /* The size is address space, a guard included: leaves a quarter for it, and room for the frames on both sides. */
    const size_t sizes[] = {64 * 1024, 64 * 1024 + 1, 256 * 1024, 1024 * 1024, 8 * 1024 * 1024};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct deep d = {sizes[i] / 4 * 3 - 16 * 1024, 0};
        o = options();
        o.stack_size = sizes[i];
        CHECK_OP(rt_go_with(&o, go_deep, &d), >, 0);
        EVENTUALLY(atomic_load(&d.touched) == 1);
    }
    o = options();
    o.stack_size = 16 * 1024;
    CHECK_OP(rt_go_with(&o, count, NULL), >, 0);
    expect(1);

    /* The default size is 256 KiB, unless the environment of this run says otherwise. */
    if (getenv("RT_STACK_SIZE") == NULL) {
        struct deep d = {(256 - 64 - 16) * 1024, 0};
        go(go_deep, &d);
        EVENTUALLY(atomic_load(&d.touched) == 1);
    }
}

int main(void) {
    CHECK_EQ(rt_num_goroutine(), 0);
    refusals();
    options_work();

    _Atomic int64_t inside = 0;
    const int64_t id = go(note_id, &inside);
    expect(1);
    CHECK_EQ(atomic_load(&inside), id);

    spawn_many(NULL);
    thread_join(thread_start(spawn_many, NULL));
    go(spawn_many_on_goroutine, NULL);
    expect(3000);
    CHECK_EQ(atomic_load(&sum), 3L * 1000 * 1001 / 2);

    go(tree, (void *)12);
    expect((1 << 13) - 1);

    /* The count is of the goroutines that have not ended: parked ones are in it. */
    EVENTUALLY(rt_num_goroutine() == 0);
    gate = rt_chan_make(0, 0);
    for (int i = 0; i < 500; i++) go(wait_gate, NULL);
    CHECK_EQ(rt_num_goroutine(), 500);
    thread_sleep(10 * MS);
    CHECK_EQ(rt_num_goroutine(), 500);
    CHECK_EQ(atomic_load(&ran), 0);
    CHECK_OK(rt_chan_close(gate));
    expect(500);
    EVENTUALLY(rt_num_goroutine() == 0);
    rt_chan_unref(gate);
    puts("go: ok");
    return 0;
}
