/* Keys: each goroutine and thread has its own values; deleted keys are gone, and what was kept under them. */
#include "more.h"

static void *value(intptr_t n) { return (void *)n; }

static rt_key made(rt_fn destructor) {
    rt_key key = 0;
    CHECK_OK(rt_key_create(&key, destructor));
    CHECK(key != 0);
    return key;
}

static void never(void *v) { FAIL("a destructor was called with %p", v); }

static void answers(void *arg) {
    (void)arg;
    CHECK_EQ(rt_key_create(NULL, NULL), RT_EINVAL);
    const rt_key bad[] = {0, UINT32_MAX, UINT32_C(0x10000), UINT32_C(0xffff), UINT32_C(0xfff0fff0)};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(rt_key_delete(bad[i]), RT_EINVAL);
        CHECK_EQ(rt_key_set(bad[i], &bad), RT_EINVAL);
        CHECK_EQ(rt_key_set(bad[i], NULL), RT_EINVAL);
        CHECK(rt_key_get(bad[i]) == NULL);
    }
    const rt_key a = made(NULL), b = made(NULL);
    CHECK(a != b);
    CHECK(rt_key_get(a) == NULL && rt_key_get(b) == NULL);
    CHECK_OK(rt_key_set(a, NULL));
    CHECK_OK(rt_key_set(a, value(1)));
    CHECK(rt_key_get(a) == value(1) && rt_key_get(b) == NULL);
    CHECK_OK(rt_key_set(b, value(2)));
    CHECK_OK(rt_key_set(a, value(3)));
    CHECK(rt_key_get(a) == value(3) && rt_key_get(b) == value(2));
    CHECK_OK(rt_key_set(a, NULL));
    CHECK(rt_key_get(a) == NULL && rt_key_get(b) == value(2));
    /* Deleted is gone. */
    CHECK_OK(rt_key_delete(b));
    CHECK(rt_key_get(b) == NULL);
    CHECK_EQ(rt_key_set(b, value(4)), RT_EINVAL);
    CHECK_EQ(rt_key_delete(b), RT_EINVAL);
    CHECK_OK(rt_key_delete(a));
}

/* A new key has nothing, whatever was kept where it stands now; no destructor is called for that. */
static void begins_empty(void *arg) {
    (void)arg;
    rt_key last = 0;
    for (int i = 0; i < rounds_of(100000); i++) {
        const rt_key key = made(never);
        CHECK(rt_key_get(key) == NULL);
        if (last != 0) CHECK(rt_key_get(last) == NULL || last == key);
        CHECK_OK(rt_key_set(key, value(i + 1)));
        CHECK(rt_key_get(key) == value(i + 1));
        CHECK_OK(rt_key_delete(key));
        last = key;
    }
}

/* Others have nothing either, now and later. */
static rt_key shared;

static void has_nothing(void *arg) {
    CHECK(rt_key_get(shared) == NULL);
    CHECK_OK(rt_key_set(shared, arg));
    for (int i = 0; i < 10; i++) {
        rt_gosched();
        if (i == 5) CHECK_OK(rt_sleep(100 * US));
        CHECK(rt_key_get(shared) == arg);
    }
}

/* It is the goroutine's in a blocking call as well, and stays its own on whatever thread. */
static void in_blocking_call(void *arg) {
    CHECK(rt_key_get(shared) == arg);
    CHECK_OK(rt_key_set(shared, value(77)));
}

static void blocks(void *arg) {
    CHECK(rt_key_get(shared) == NULL);
    CHECK_OK(rt_key_set(shared, arg));
    CHECK_OK(rt_blocking(in_blocking_call, arg));
    CHECK(rt_key_get(shared) == value(77));
    rt_gosched();
    CHECK(rt_key_get(shared) == value(77));
    CHECK_OK(rt_key_set(shared, NULL));
}

static void own_values(void) {
    enum { GOROUTINES = 200, THREADS = 8 };
    shared = made(NULL);
    CHECK_OK(rt_key_set(shared, &shared));
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    pthread_t t[THREADS];
    for (int round = 0; round < 3; round++) {
        for (intptr_t i = 1; i <= GOROUTINES; i++)
            CHECK_OP(rt_waitgroup_go(&wg, i % 7 == 0 ? blocks : has_nothing, value(i)), >, 0);
        for (intptr_t i = 0; i < THREADS; i++) t[i] = thread_go(has_nothing, value(1000 + i));
        CHECK_OK(rt_waitgroup_wait(&wg));
        for (int i = 0; i < THREADS; i++) thread_join(t[i]);
        CHECK(rt_key_get(shared) == &shared);
    }
    CHECK_OK(rt_key_set(shared, NULL));
    CHECK_OK(rt_key_delete(shared));
}

/* Many keys at once, up to the limit that there is. */
static void many(void *arg) {
    (void)arg;
    enum { MOST = 70000 };
    static rt_key keys[MOST];
    int n = 0, r = RT_OK;
    while (n < MOST && (r = rt_key_create(&keys[n], NULL)) == RT_OK) n++;
    CHECK_EQ(r, RT_ENOMEM);
    CHECK_OP(n, >=, 60000);
    for (int i = 0; i < n; i++) CHECK_OK(rt_key_set(keys[i], value(i + 1)));
    for (int i = 0; i < n; i++) CHECK(rt_key_get(keys[i]) == value(i + 1));
    /* One less makes room for one more. */
    CHECK_OK(rt_key_delete(keys[n / 2]));
    const rt_key key = made(NULL);
    CHECK(key != keys[n / 2] && rt_key_get(key) == NULL);
    keys[n / 2] = key;
    for (int i = 0; i < n; i++) CHECK_OK(rt_key_delete(keys[i]));
    for (int i = 0; i < n; i++) CHECK(rt_key_get(keys[i]) == NULL);
}

/* Made, used and deleted by all at once. */
static atomic_bool stop;

static void churns(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    rt_key own[8] = {0};
    while (!atomic_load(&stop)) {
        const size_t i = rnd_below(&state, 8);
        if (own[i] == 0) {
            own[i] = made(never);
            CHECK(rt_key_get(own[i]) == NULL);
        } else if (rnd_below(&state, 2) == 0) {
            CHECK_OK(rt_key_set(own[i], &own[i]));
            rt_gosched();
            CHECK(rt_key_get(own[i]) == &own[i]);
        } else {
            CHECK_OK(rt_key_delete(own[i]));
            own[i] = 0;
        }
    }
    for (size_t i = 0; i < 8; i++)
        if (own[i] != 0) CHECK_OK(rt_key_delete(own[i]));
}

static void churn(void) {
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (uintptr_t i = 0; i < 8; i++) CHECK_OP(rt_waitgroup_go(&wg, churns, (void *)i), >, 0);
    thread_sleep(200 * MS);
    atomic_store(&stop, true);
    CHECK_OK(rt_waitgroup_wait(&wg));
}

/* An unlockf runs when its goroutine may be elsewhere: it has no values. */
struct locked {
    void *seen;
    int set;
};

static bool looks(rt_g *g, void *arg) {
    (void)g;
    struct locked *l = arg;
    l->seen = rt_key_get(shared);
    l->set = rt_key_set(shared, value(2));
    return false;
}

static void in_unlockf(void *arg) {
    (void)arg;
    shared = made(NULL);
    CHECK_OK(rt_key_set(shared, value(1)));
    struct locked l = {value(3), 1};
    CHECK_OK(rt_gopark(looks, &l, "unlockf"));
    CHECK(l.seen == NULL);
    CHECK_EQ(l.set, RT_EPERM);
    CHECK(rt_key_get(shared) == value(1));
    CHECK_OK(rt_key_delete(shared));
}

int main(void) {
    /* None of this needs the runtime: it can still be chosen. */
    answers(NULL);
    begins_empty(NULL);
    rt_config cfg;
    memset(&cfg, 0, sizeof cfg);
    cfg.struct_size = sizeof cfg;
    CHECK_OK(rt_init(&cfg));

    everywhere(answers, NULL);
    everywhere(begins_empty, NULL);
    own_values();
    everywhere(many, NULL);
    churn();
    everywhere(in_unlockf, NULL);
    CHECK_OK(rt_stop(60 * SECOND));
    puts("key: ok");
    return 0;
}
