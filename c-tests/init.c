/* rt_init: what it refuses, what it sets, when it is too late; the environment; what starts the runtime and what not. */
#include "check.h"

static rt_config config(void) {
    rt_config cfg;
    memset(&cfg, 0, sizeof cfg);
    cfg.struct_size = sizeof cfg;
    return cfg;
}

static void clear_env(void) {
    unsetenv("RT_MAXPROCS");
    unsetenv("RT_STACK_SIZE");
    unsetenv("RT_DEBUG");
}

static void nothing(void *arg) { (void)arg; }

static void refuses(void) {
    clear_env();
    rt_config cfg = config();
    cfg.struct_size = 0;
    CHECK_EQ(rt_init(&cfg), RT_EINVAL);
    cfg.struct_size = sizeof(size_t);
    CHECK_EQ(rt_init(&cfg), RT_EINVAL);
    cfg.struct_size = sizeof cfg - 1;
    CHECK_EQ(rt_init(&cfg), RT_EINVAL);

    cfg = config();
    cfg.stack_size = 1;
    CHECK_EQ(rt_init(&cfg), RT_EINVAL);
    cfg.stack_size = 16 * 1024 - 1;
    CHECK_EQ(rt_init(&cfg), RT_EINVAL);
    cfg.stack_size = SIZE_MAX;
    CHECK_OP(rt_init(&cfg), !=, RT_OK);

    /* A struct of a later version: bytes unknown here must be zero. */
    struct {
        rt_config known;
        unsigned char later[64];
    } big;
    memset(&big, 0, sizeof big);
    big.known.struct_size = sizeof big;
    big.later[sizeof big.later - 1] = 1;
    CHECK_EQ(rt_init(&big.known), RT_EINVAL);
    big.later[sizeof big.later - 1] = 0;
    big.later[0] = 1;
    CHECK_EQ(rt_init(&big.known), RT_EINVAL);

    /* A refusal changes nothing: the next one may go. */
    big.later[0] = 0;
    big.known.maxprocs = 1;
    CHECK_OK(rt_init(&big.known));
    CHECK_EQ(rt_maxprocs(0), 1);
    big.known.maxprocs = 2;
    CHECK_EQ(rt_init(&big.known), RT_EBUSY);
    CHECK_EQ(rt_maxprocs(0), 1);
}

static void null_config(void) {
    clear_env();
    /* Either the defaults or a refusal, but no crash; the runtime works afterwards. */
    const int r = rt_init(NULL);
    CHECK(r == RT_OK || r == RT_EINVAL);
    CHECK_OK(rt_run(nothing, NULL));
}

static void sets_maxprocs(void) {
    setenv("RT_MAXPROCS", "2", 1);
    rt_config cfg = config();
    cfg.maxprocs = 3;
    CHECK_OK(rt_init(&cfg));
    CHECK_EQ(rt_maxprocs(0), 3);
    CHECK_EQ(rt_maxprocs(-1), 3);
    CHECK_EQ(rt_maxprocs(INT_MIN), 3);
}

static void env_maxprocs(void) {
    setenv("RT_MAXPROCS", "3", 1);
    const rt_config cfg = config();
    CHECK_OK(rt_init(&cfg));
    CHECK_EQ(rt_maxprocs(0), 3);
}

static void env_maxprocs_without_init(void) {
    setenv("RT_MAXPROCS", "3", 1);
    CHECK_OK(rt_run(nothing, NULL));
    CHECK_EQ(rt_maxprocs(0), 3);
}

/* Asking answers what the runtime will have, also before it is started. */
static void env_maxprocs_asked_first(void) {
    setenv("RT_MAXPROCS", "3", 1);
    CHECK_EQ(rt_maxprocs(0), 3);
    CHECK_OK(rt_run(nothing, NULL));
    CHECK_EQ(rt_maxprocs(0), 3);
}

static void env_bad_refused(const char *name, const char *value) {
    clear_env();
    setenv(name, value, 1);
    const rt_config cfg = config();
    const int r = rt_init(&cfg);
    if (r != RT_EINVAL) FAIL("rt_init with %s=%s is %d, want RT_EINVAL", name, value, r);
}

static void env_bad_maxprocs(void) { env_bad_refused("RT_MAXPROCS", "many"); }
static void env_trailing_maxprocs(void) { env_bad_refused("RT_MAXPROCS", "2x"); }
static void env_bad_stack(void) { env_bad_refused("RT_STACK_SIZE", "tall"); }

/* Without rt_init a bad value costs one line on stderr, and the defaults hold. */
static void env_bad_warns(void) {
    clear_env();
    setenv("RT_MAXPROCS", "many", 1);
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    const int old = dup(2);
    CHECK_OP(dup2(fds[1], 2), ==, 2);
    const int r = rt_run(nothing, NULL);
    const int procs = rt_maxprocs(0);
    CHECK_OP(dup2(old, 2), ==, 2);
    close(fds[1]);
    CHECK_OK(r);
    CHECK_OP(procs, >=, 1);
    char line[1024];
    /* Runtime threads do not inherit the pipe anew, but they may hold it: read once instead of to the end. */
    CHECK_EQ(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    const ssize_t n = read(fds[0], line, sizeof line - 1);
    CHECK_OP(n, >, 0);
    line[n] = '\0';
    if (strstr(line, "RT_MAXPROCS") == NULL) FAIL("the warning does not name the variable: %s", line);
    int lines = 0;
    for (const char *p = line; *p != '\0'; p++) lines += *p == '\n';
    CHECK_EQ(lines, 1);
}

static void default_procs(void) {
    clear_env();
    const rt_config cfg = config();
    CHECK_OK(rt_init(&cfg));
    cpu_set_t set;
    CHECK_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    const int cpus = CPU_COUNT(&set);
    CHECK_OP(rt_maxprocs(0), <=, cpus);
    CHECK_OP(rt_maxprocs(0), >=, cpus >= 2 ? 2 : 1);
}

static void late_after_go(void) {
    go(nothing, NULL);
    const rt_config cfg = config();
    CHECK_EQ(rt_init(&cfg), RT_EBUSY);
}

static void late_after_run(void) {
    CHECK_OK(rt_run(nothing, NULL));
    const rt_config cfg = config();
    CHECK_EQ(rt_init(&cfg), RT_EBUSY);
}

static void late_after_wait(void) {
    CHECK_OK(rt_sleep(MS));
    const rt_config cfg = config();
    CHECK_EQ(rt_init(&cfg), RT_EBUSY);
}

static void goroutine_inits(void *arg) {
    const rt_config cfg = config();
    *(int *)arg = rt_init(&cfg);
}

static void late_on_goroutine(void) {
    int r = 0;
    CHECK_OK(rt_run(goroutine_inits, &r));
    CHECK_EQ(r, RT_EBUSY);
}

/* What needs no scheduler starts none, so that rt_init can still choose afterwards. */
static void not_started(void) {
    clear_env();
    int32_t v = 1;
    rt_chan *c = rt_chan_make(sizeof v, 2);
    CHECK(c != NULL);
    CHECK_OK(rt_chan_send(c, &v));
    CHECK_OK(rt_chan_try_send(c, &v));
    CHECK_EQ(rt_chan_try_send(c, &v), RT_EAGAIN);
    CHECK_EQ(rt_chan_len(c), 2);
    CHECK_OK(rt_chan_recv(c, &v));
    CHECK_OK(rt_chan_close(c));
    rt_chan_unref(c);
    rt_mutex m;
    memset(&m, 0, sizeof m);
    CHECK_OK(rt_mutex_lock(&m));
    CHECK_EQ(rt_mutex_try_lock(&m), RT_EAGAIN);
    CHECK_OK(rt_mutex_unlock(&m));
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    CHECK_OK(rt_waitgroup_add(&wg, 1));
    CHECK_OK(rt_waitgroup_done(&wg));
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_OP(rt_now(), >, 0);
    CHECK_EQ(rt_goid(), 0);
    CHECK(rt_version() != NULL && rt_strerror(RT_EINVAL) != NULL);
    CHECK_EQ(rt_go(NULL, NULL), RT_EINVAL);
    rt_config cfg = config();
    cfg.maxprocs = 3;
    CHECK_OK(rt_init(&cfg));
    CHECK_EQ(rt_maxprocs(0), 3);
}

/* The configured stack size is what a goroutine gets. */
static void deep(void *arg) {
    volatile unsigned char room[600 * 1024];
    for (size_t i = 0; i < sizeof room; i += 512) room[i] = (unsigned char)i;
    *(int *)arg = room[512];
}

static void config_stack(void) {
    clear_env();
    rt_config cfg = config();
    cfg.stack_size = 1024 * 1024;
    CHECK_OK(rt_init(&cfg));
    int r = -1;
    CHECK_OK(rt_run(deep, &r));
    CHECK_EQ(r, 0);
}

static void env_stack(void) {
    clear_env();
    setenv("RT_STACK_SIZE", "1048576", 1);
    int r = -1;
    CHECK_OK(rt_run(deep, &r));
    CHECK_EQ(r, 0);
}

int main(void) {
    CHECK_CHILD(refuses);
    CHECK_CHILD(null_config);
    CHECK_CHILD(sets_maxprocs);
    CHECK_CHILD(env_maxprocs);
    CHECK_CHILD(env_maxprocs_without_init);
    CHECK_CHILD(env_maxprocs_asked_first);
    CHECK_CHILD(env_bad_maxprocs);
    CHECK_CHILD(env_trailing_maxprocs);
    CHECK_CHILD(env_bad_stack);
    CHECK_CHILD(env_bad_warns);
    CHECK_CHILD(default_procs);
    CHECK_CHILD(late_after_go);
    CHECK_CHILD(late_after_run);
    CHECK_CHILD(late_after_wait);
    CHECK_CHILD(late_on_goroutine);
    CHECK_CHILD(not_started);
    CHECK_CHILD(config_stack);
    CHECK_CHILD(env_stack);
    puts("init: ok");
    return 0;
}
