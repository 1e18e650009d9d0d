/*
 * RT_DEBUG=hogs: a goroutine that computes for long without a call is named on standard error when it makes one, with
 * its stack; only one that took longer than all before is. What an unknown word in RT_DEBUG does. Each case is a process
 * of its own, with its stderr caught.
 */
#include "more.h"

#include <sys/resource.h>

static const char mark[] = "gort: hog";

/* What the cases tell the parent, in memory that both have. */
struct told {
    /* By the order of the hogs. */
    int64_t ids[4];
    int64_t all;
    /* Of those that make calls all the time: the longest time without one. */
    _Atomic int64_t gap;
};

static struct told *told;

/* A case that the machine has spoiled runs again; many times in a row are no accident. */
enum { TRIES = 10 };

/* Under an emulator, and with a checker, all takes its time. */
static bool timed(void) { return !emulated() && !sanitized(); }

static void no_debug(void) {
    unsetenv("RT_DEBUG");
    unsetenv("RT_MAXPROCS");
}

static void debug(const char *words, const char *procs) {
    no_debug();
    CHECK_EQ(setenv("RT_DEBUG", words, 1), 0);
    if (procs != NULL) CHECK_EQ(setenv("RT_MAXPROCS", procs, 1), 0);
}

static int64_t go_named(const char *name, rt_fn fn, void *arg) {
    rt_go_opts opts;
    memset(&opts, 0, sizeof opts);
    opts.struct_size = sizeof opts;
    opts.name = name;
    const int64_t id = rt_go_with(&opts, fn, arg);
    CHECK_OP(id, >, 0);
    return id;
}

static atomic_bool stop;
static atomic_int ended;

/* --- hogs, one after another --- */

struct hog {
    int nth;
    int64_t ns;
    bool calls;
};

/* Until there is a call, a goroutine's thread is its own. */
static int64_t cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

/* So much of a processor's time, however many others want one. */
static void computes(void *arg) {
    const struct hog *h = arg;
    told->ids[h->nth] = rt_goid();
    for (const int64_t until = cpu_ns() + h->ns; cpu_ns() < until;) {
    }
    if (h->calls) rt_gosched();
    /* Behind the call, which so has this frame to return to. */
    atomic_fetch_add(&ended, 1);
}

static void one_hog(int nth, const char *name, int64_t ns, bool calls) {
    struct hog h = {nth, ns, calls};
    const int before = atomic_load(&ended);
    const int64_t id = go_named(name, computes, &h);
    EVENTUALLY(atomic_load(&ended) == before + 1);
    EVENTUALLY(rt_num_goroutine() == 0);
    CHECK_EQ(told->ids[nth], id);
}

static void hogs(void) {
    const int64_t from = now_ns();
    one_hog(0, "the first hog", 100 * MS, true);
    one_hog(1, "the shorter hog", 50 * MS, true);
    one_hog(2, "the longer hog", 200 * MS, true);
    told->all = now_ns() - from;
}

static void are_reported(void) {
    debug("hogs", NULL);
    hogs();
}

static void are_reported_with_one_p(void) {
    debug("hogs", "1");
    hogs();
}

static void are_reported_without_membarrier(void) {
    debug(" nomembarrier,, hogs ,", NULL);
    hogs();
}

static void are_not_reported(void) {
    no_debug();
    hogs();
}

static void are_not_reported_with_nothing(void) {
    debug("", NULL);
    hogs();
}

/* Its end is a call too. */
static void at_the_end(void) {
    debug("hogs", NULL);
    one_hog(0, "the last hog", 100 * MS, false);
    told->all = INT64_MAX;
}

/* What a report asks of the kernel does not show in errno, also where there is no descriptor left for it. */
static void keeps_errno(void *arg) {
    (void)arg;
    for (int i = 0; i < 5; i++) {
        for (const int64_t until = cpu_ns() + 40 * MS; cpu_ns() < until;) {
        }
        set_errno(ENOTTY);
        rt_gosched();
        CHECK_EQ(get_errno(), ENOTTY);
    }
}

static void without_descriptors(void) {
    debug("hogs", NULL);
    CHECK_OK(rt_sleep(MS));
    const struct rlimit none = {3, 3};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    go(keeps_errno, NULL);
    EVENTUALLY(rt_num_goroutine() == 0);
}

/*
 * --- those that are no hogs ---
 *
 * Calls that need nothing of the runtime count as computing: polls in vain, free locks, whatever only reads.
 */

static rt_chan *chan, *back;

/* Each keeps the time of its latest step. */
static bool steps(int64_t *last) {
    const int64_t now = now_ns(), gap = *last != 0 ? now - *last : 0;
    *last = now;
    int64_t most = atomic_load(&told->gap);
    while (gap > most && !atomic_compare_exchange_weak(&told->gap, &most, gap)) {
    }
    return !atomic_load(&stop);
}

static void gives_way(void *arg) {
    (void)arg;
    for (int64_t last = 0; steps(&last);) rt_gosched();
}

static void passes(void *arg) {
    (void)arg;
    rt_chan *c = rt_chan_make(0, 1);
    for (int64_t last = 0; steps(&last);) {
        CHECK_OK(rt_chan_try_send(c, NULL));
        CHECK_OK(rt_chan_recv(c, NULL));
    }
    rt_chan_unref(c);
}

static void pings(void *arg) {
    (void)arg;
    for (int64_t last = 0; steps(&last);) {
        CHECK_OK(rt_chan_send(chan, NULL));
        CHECK_OK(rt_chan_recv(back, NULL));
    }
    CHECK_OK(rt_chan_close(chan));
}

static void pongs(void *arg) {
    (void)arg;
    while (rt_chan_recv(chan, NULL) == RT_OK) CHECK_OK(rt_chan_send(back, NULL));
}

static void nothing(void *arg) { (void)arg; }

static void spawns(void *arg) {
    (void)arg;
    for (int64_t last = 0; steps(&last);) {
        go(nothing, NULL);
        rt_gosched();
    }
}

/* Longer than a slice, then nothing at all: what was asked of a thread is not asked of who runs there next. */
static void in_bursts(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        const int64_t until = now_ns() + 12 * MS;
        for (int64_t last = 0; steps(&last) && last < until;) {
            CHECK_OK(rt_chan_send(chan, NULL));
            CHECK_OK(rt_chan_recv(back, NULL));
        }
        CHECK_OK(rt_sleep(20 * MS));
    }
    CHECK_OK(rt_chan_close(chan));
}

/* The rest says nothing of its steps: they are long. */
static void sleeps(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) CHECK_OK(rt_sleep(MS));
}

static void sleeps_in_kernel(void *arg) {
    (void)arg;
    thread_sleep(100 * MS);
}

/* Away as long as a hog, but without a processor. */
static void blocks(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) CHECK_OK(rt_blocking(sleeps_in_kernel, NULL));
}

static void computes_a_little(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        for (const int64_t until = now_ns() + 5 * MS; now_ns() < until;) {
        }
        rt_gosched();
    }
}

static const struct {
    const char *name;
    rt_fn fn, other;
} busy[] = {
    {"gives way", gives_way, NULL},
    {"passes", passes, NULL},
    {"pings", pings, pongs},
    {"spawns", spawns, NULL},
    {"sleeps", sleeps, NULL},
    {"calls in bursts", in_bursts, pongs},
    {"blocks", blocks, NULL},
    {"computes a little", computes_a_little, NULL},
};
enum { BUSY = sizeof busy / sizeof busy[0] };

static int which;

static void runs_busy(const char *procs) {
    debug("hogs", procs);
    chan = rt_chan_make(0, 0);
    back = rt_chan_make(0, 0);
    go_named(busy[which].name, busy[which].fn, NULL);
    if (busy[which].other != NULL) go_named("the other", busy[which].other, NULL);
    thread_sleep(300 * MS);
    atomic_store(&stop, true);
    EVENTUALLY(rt_num_goroutine() == 0);
}

static void is_busy(void) { runs_busy(NULL); }
static void is_busy_with_one_p(void) { runs_busy("1"); }

/* A hog beside sleepers, who take its P: it alone is named. */
static void beside_sleepers(void) {
    debug("hogs", "1");
    for (int i = 0; i < 3; i++) go_named("a sleeper", sleeps, NULL);
    thread_sleep(30 * MS);
    struct hog h = {0, 100 * MS, true};
    go_named("the hog", computes, &h);
    EVENTUALLY(atomic_load(&ended) == 1);
    thread_sleep(30 * MS);
    atomic_store(&stop, true);
    EVENTUALLY(rt_num_goroutine() == 0);
    told->all = INT64_MAX;
}

/* --- words that nobody knows --- */

static void unknown_is_refused(void) {
    debug("hogs,nonsense", NULL);
    rt_config cfg;
    memset(&cfg, 0, sizeof cfg);
    cfg.struct_size = sizeof cfg;
    CHECK_EQ(rt_init(&cfg), RT_EINVAL);
    CHECK_EQ(rt_init(&cfg), RT_EINVAL);
    /* A refusal changes nothing. */
    CHECK_EQ(setenv("RT_DEBUG", "nomembarrier", 1), 0);
    CHECK_OK(rt_init(&cfg));
    CHECK_OK(rt_run(nothing, NULL));
}

static void unknown_is_warned_of(void) {
    debug("nonsense", NULL);
    CHECK_OK(rt_run(nothing, NULL));
    CHECK_OK(rt_run(nothing, NULL));
    CHECK_OK(rt_sleep(MS));
}

/* The words that are known hold all the same. */
static void unknown_among_others(void) {
    debug("nonsense,hogs", NULL);
    one_hog(0, "the only hog", 100 * MS, true);
    told->all = INT64_MAX;
}

/* --- what was said --- */

static char text[64 * 1024];
static char *lines[512];
static int n_lines;

static void says(const char *name, void (*fn)(void)) {
    memset(told, 0, sizeof *told);
    const int status = capture(fn, text, sizeof text);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        FAIL("%s: %s %d:\n%s", name, WIFEXITED(status) ? "exit code" : "signal",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), text);
    n_lines = 0;
    for (char *at = text, *next; *at != '\0' && n_lines < 512; at = next) {
        char *const newline = strchr(at, '\n');
        if (newline == NULL) FAIL("%s: half a line: %s", name, at);
        next = newline + 1;
        *newline = '\0';
        printf("%s says: %s\n", name, at);
        lines[n_lines++] = at;
    }
}

static bool begins(const char *line, const char *with) { return strncmp(line, with, strlen(with)) == 0; }

static int reports(void) {
    int n = 0;
    for (int i = 0; i < n_lines; i++) n += begins(lines[i], mark);
    return n;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool has_number(const char *line, int64_t number) {
    char digits[32];
    snprintf(digits, sizeof digits, "%" PRId64, number);
    for (const char *p = line; (p = strstr(p, digits)) != NULL; p++)
        if ((p == line || !is_digit(p[-1])) && !is_digit(p[strlen(digits)])) return true;
    return false;
}

/* One report has it all: id, name, milliseconds, and a frame of this program. */
static void names(int nth, const char *name, bool frame, int64_t least) {
    int found = -1;
    for (int i = 0; i < n_lines; i++) {
        if (!begins(lines[i], mark) || strstr(lines[i], name) == NULL) continue;
        if (found >= 0) FAIL("%s is named twice", name);
        found = i;
    }
    if (found < 0) FAIL("%s is not named", name);
    const char *const line = lines[found];
    if (!has_number(line, told->ids[nth])) FAIL("not goroutine %" PRId64 ": %s", told->ids[nth], line);
    const char *ms = strstr(line, " ms");
    CHECK(ms != NULL);
    while (ms > line && is_digit(ms[-1])) ms--;
    const int64_t held = strtoll(ms, NULL, 10);
    CHECK_OP(held, >=, least);
    CHECK_OP(held, <=, told->all / MS);
    int stack = 0, own = 0;
    for (int i = found + 1; i < n_lines && begins(lines[i], "  "); i++) {
        if (begins(lines[i], "  started at ")) continue;
        stack++;
        own += strstr(lines[i], program_invocation_short_name) != NULL;
    }
    if (stack == 0 || (frame && own == 0)) FAIL("%s: %d lines of stack, %d of the program", name, stack, own);
}

static void both_and_not_the_shorter(const char *name, void (*fn)(void)) {
    says(name, fn);
    names(0, "the first hog", true, 50);
    names(2, "the longer hog", true, 100);
    CHECK_EQ(reports(), 2);
}

static void silent(const char *name, void (*fn)(void)) {
    says(name, fn);
    CHECK_EQ(n_lines, 0);
}

static void the_last(const char *name, void (*fn)(void)) {
    says(name, fn);
    names(0, "the last hog", false, 50);
    CHECK_EQ(reports(), 1);
}

static bool the_hog_alone(const char *name, void (*fn)(void)) {
    says(name, fn);
    names(0, "the hog", true, 50);
    /* A sleeper that had its processor for long was robbed by the machine below this one. */
    return reports() == 1;
}

/*
 * The machine below this one may have kept the CPU itself for long. But where no step took 5 ms, nobody was without a call
 * for a slice, and to name somebody is wrong.
 */
static bool nobody(const char *name, void (*fn)(void)) {
    says(name, fn);
    const int64_t gap = atomic_load(&told->gap);
    if (n_lines > 0) printf("%s, %s: reported, with a call every %.1f ms\n", busy[which].name, name, (double)gap / 1e6);
    if (n_lines > 0 && gap > 0 && gap < 5 * MS)
        FAIL("%s, %s: reported, with a call every %.1f ms at least", busy[which].name, name, (double)gap / 1e6);
    return n_lines == 0;
}

#define IN_TRIES(judge, fn)                                        \
    do {                                                           \
        int tries_ = TRIES;                                        \
        while (!judge(#fn, fn))                                    \
            if (--tries_ == 0) FAIL("not once: " #judge ", " #fn); \
    } while (0)

int main(void) {
    /* What was said is seen also of a test that hangs. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(told != MAP_FAILED);

    says("unknown_is_refused", unknown_is_refused);
    CHECK_EQ(n_lines, 0);
    says("unknown_is_warned_of", unknown_is_warned_of);
    CHECK_EQ(n_lines, 1);
    CHECK(strstr(lines[0], "RT_DEBUG") != NULL && strstr(lines[0], "nonsense") != NULL);
    if (!timed()) {
        puts("hog_report: ok, without the times");
        return 0;
    }
    says("unknown_among_others", unknown_among_others);
    names(0, "the only hog", true, 50);
    CHECK_EQ(reports(), 1);
    int about = 0;
    for (int i = 0; i < n_lines; i++) about += strstr(lines[i], "nonsense") != NULL;
    CHECK_EQ(about, 1);

    both_and_not_the_shorter("are_reported", are_reported);
    both_and_not_the_shorter("are_reported_with_one_p", are_reported_with_one_p);
    both_and_not_the_shorter("are_reported_without_membarrier", are_reported_without_membarrier);
    silent("are_not_reported", are_not_reported);
    silent("are_not_reported_with_nothing", are_not_reported_with_nothing);
    the_last("at_the_end", at_the_end);
    says("without_descriptors", without_descriptors);
    CHECK_OP(reports(), >, 0);
    IN_TRIES(the_hog_alone, beside_sleepers);
    for (which = 0; which < BUSY; which++) {
        printf("who %s\n", busy[which].name);
        IN_TRIES(nobody, is_busy);
        IN_TRIES(nobody, is_busy_with_one_p);
    }
    puts("hog_report: ok");
    return 0;
}
