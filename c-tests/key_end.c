/* The destructors of keys at a goroutine's end: after the defers, in at most four rounds, once for each value. */
#include "more.h"

static char order[64];
static atomic_size_t at;

static void put(char c) { order[atomic_fetch_add(&at, 1)] = c; }

static void expect(const char *want) {
    order[atomic_load(&at)] = '\0';
    if (strcmp(order, want) != 0) FAIL("the order is %s, want %s", order, want);
    atomic_store(&at, 0);
}

static void puts_value(void *v) { put(*(const char *)v); }

static rt_key key, other, third;

static rt_key made(rt_fn destructor) {
    rt_key k = 0;
    CHECK_OK(rt_key_create(&k, destructor));
    return k;
}

/* After all defers, whichever way the goroutine ends; NULL is no value. */
static void sets(void *v) {
    CHECK_OK(rt_key_set(key, v));
    put('d');
}

static void after_defers(void *arg) {
    CHECK_OK(rt_key_set(key, "v"));
    CHECK_OK(rt_key_set(other, "w"));
    CHECK_OK(rt_key_set(third, "x"));
    CHECK_OK(rt_key_set(third, NULL));
    CHECK_OK(rt_defer(puts_value, "1"));
    CHECK_OK(rt_defer(sets, "s"));
    CHECK_OK(rt_defer(puts_value, "2"));
    put('b');
    if (arg != NULL) rt_goexit();
}

static void in_order(void) {
    key = made(puts_value);
    other = made(NULL);
    third = made(puts_value);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(rt_run(after_defers, i == 0 ? NULL : order));
        expect("b2d1s");
    }
    /* A key that is gone has no destructor. */
    CHECK_OK(rt_key_delete(key));
    CHECK_OK(rt_key_delete(other));
    CHECK_OK(rt_key_delete(third));
}

static void deletes(void *arg) {
    (void)arg;
    key = made(puts_value);
    CHECK_OK(rt_key_set(key, "v"));
    CHECK_OK(rt_key_delete(key));
    other = made(puts_value);
    put('b');
    CHECK_OK(rt_key_delete(other));
}

/* A value that is set again is taken again: four times, and then no more. */
static atomic_int calls;

static void sets_again(void *v) {
    CHECK(rt_key_get(key) == NULL);
    atomic_fetch_add(&calls, 1);
    CHECK_OK(rt_key_set(key, v));
    CHECK(rt_key_get(key) == v);
}

static void exits_again(void *v) {
    sets_again(v);
    rt_goexit();
}

static void sets_one(void *arg) { CHECK_OK(rt_key_set(key, arg)); }

static void four_rounds(void) {
    const rt_fn all[] = {sets_again, exits_again};
    for (size_t i = 0; i < 2; i++) {
        key = made(all[i]);
        CHECK_OK(rt_run(sets_one, &calls));
        CHECK_EQ(atomic_exchange(&calls, 0), 4);
        CHECK_OK(rt_key_delete(key));
    }
}

/* Functions that destructors put off run, and what these set does not go round for ever. */
static void puts_off_setting(void *v) {
    put('k');
    CHECK_OK(rt_defer(sets, v));
}

static void rounds_with_defers(void) {
    key = made(puts_off_setting);
    CHECK_OK(rt_run(sets_one, &calls));
    expect("kdkdkdkd");
    CHECK_OK(rt_key_delete(key));
}

/* One destructor sets the value of another, before or behind it, with more keys than there was room for. */
enum { KEYS = 200 };
static rt_key many[KEYS];
static atomic_int taken[KEYS];

static void takes(void *v) {
    const size_t i = (size_t)(uintptr_t)v - 1;
    if (atomic_fetch_add(&taken[i], 1) == 0) {
        const size_t next = (i * 7 + 3) % KEYS;
        if (atomic_load(&taken[next]) == 0 && rt_key_get(many[next]) == NULL)
            CHECK_OK(rt_key_set(many[next], (void *)(uintptr_t)(next + 1)));
    }
}

static void sets_some(void *arg) {
    const size_t step = (size_t)(uintptr_t)arg;
    for (size_t i = 0; i < KEYS; i += step) CHECK_OK(rt_key_set(many[i], (void *)(uintptr_t)(i + 1)));
}

static void across(void) {
    for (size_t i = 0; i < KEYS; i++) many[i] = made(takes);
    for (size_t step = 1; step < 60; step += 7) {
        memset(taken, 0, sizeof taken);
        CHECK_OK(rt_run(sets_some, (void *)(uintptr_t)step));
        int all = 0;
        for (size_t i = 0; i < KEYS; i++) {
            if (i % step == 0) CHECK_EQ(atomic_load(&taken[i]), 1);
            CHECK_OP(atomic_load(&taken[i]), <=, 1);
            all += atomic_load(&taken[i]);
        }
        CHECK_OP(all, >=, KEYS / (int)step);
    }
    for (size_t i = 0; i < KEYS; i++) CHECK_OK(rt_key_delete(many[i]));
}

/* Each of many destructors leaves by rt_goexit: the others still run, each once. */
static void leaves(void *v) {
    atomic_fetch_add((atomic_int *)v, 1);
    if (rt_goid() != 0) rt_goexit();
}

static void sets_all(void *arg) {
    for (size_t i = 0; i < 20; i++) CHECK_OK(rt_key_set(many[i], arg));
}

static void all_leave(void) {
    for (size_t i = 0; i < 20; i++) many[i] = made(leaves);
    CHECK_OK(rt_run(sets_all, &calls));
    CHECK_EQ(atomic_exchange(&calls, 0), 20);
    for (size_t i = 0; i < 20; i++) CHECK_OK(rt_key_delete(many[i]));
}

/* A destructor does what a goroutine may: wait, give way, start others; who waits for the goroutine waits for it, too. */
static rt_chan *chan;

static void sends(void *arg) { CHECK_OK(rt_chan_send(chan, arg)); }

static void works(void *v) {
    const int64_t id = rt_goid();
    CHECK_OP(id, >, 0);
    CHECK_OK(rt_sleep(MS));
    rt_gosched();
    go(sends, v);
    int got = 0;
    CHECK_OK(rt_chan_recv(chan, &got));
    CHECK_EQ(got, *(const int *)v);
    CHECK_EQ(rt_goid(), id);
    atomic_fetch_add(&calls, 1);
}

static void busy_end(void) {
    static const int value = 6;
    key = made(works);
    chan = rt_chan_make(sizeof(int), 0);
    CHECK_OK(rt_run(sets_one, (void *)(uintptr_t)&value));
    CHECK_EQ(atomic_exchange(&calls, 0), 1);
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (int i = 0; i < 100; i++) CHECK_OP(rt_waitgroup_go(&wg, sets_one, (void *)(uintptr_t)&value), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_EQ(atomic_exchange(&calls, 0), 100);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_OK(rt_key_delete(key));
    rt_chan_unref(chan);
}

/* Keys are deleted and made anew while goroutines end: a destructor gets values of its own key alone. */
static atomic_bool stop;
static atomic_int lives[2];

static void takes_even(void *v) {
    CHECK_EQ((uintptr_t)v % 2, 0);
    atomic_fetch_add(&lives[0], 1);
}

static void takes_odd(void *v) {
    CHECK_EQ((uintptr_t)v % 2, 1);
    atomic_fetch_add(&lives[1], 1);
}

/* The low bit of what is published says which destructor the key has. */
static _Atomic uint64_t published;

static void keeps(void *arg) {
    (void)arg;
    const uint64_t word = atomic_load(&published);
    const int r = rt_key_set((rt_key)(word >> 1), (void *)(uintptr_t)(2 + (word & 1)));
    CHECK(r == RT_OK || r == RT_EINVAL);
}

static void spawns(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        for (int i = 0; i < 10; i++) go(keeps, NULL);
        rt_gosched();
    }
}

static void changing_keys(void) {
    int turn = 0;
    for (int i = 0; i < 2; i++) go(spawns, NULL);
    const int64_t end = now_ns() + 300 * MS, most = end + 60 * SECOND;
    /* Until both have been called. */
    while (now_ns() < end || atomic_load(&lives[0]) == 0 || atomic_load(&lives[1]) == 0) {
        CHECK_OP(now_ns(), <, most);
        rt_key k = made(turn % 2 == 0 ? takes_even : takes_odd);
        atomic_store(&published, (uint64_t)k << 1 | (uint64_t)(turn % 2));
        if (turn++ % 7 == 0) thread_sleep(20 * US);
        CHECK_OK(rt_key_delete(k));
    }
    atomic_store(&stop, true);
    EVENTUALLY(rt_num_goroutine() == 0);
    printf("key_end: %d keys, %d + %d destructors\n", turn, atomic_load(&lives[0]), atomic_load(&lives[1]));
}

int main(void) {
    in_order();
    CHECK_OK(rt_run(deletes, NULL));
    expect("b");
    four_rounds();
    rounds_with_defers();
    across();
    all_leave();
    busy_end();
    changing_keys();
    CHECK_OK(rt_stop(60 * SECOND));
    puts("key_end: ok");
    return 0;
}
