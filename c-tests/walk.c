/*
 * Walks a program through all that can fail: walk PROGRAM KIND...
 *
 * Runs the program with GORT_FAIL=KIND:N for N = 1, 2, 3 and so on, then with KIND:N+ (the Nth and all that follow), each
 * until nothing fails any more, and then with each second, third, fifth and so on failing. Each run must end well, in time,
 * and say nothing but its last line and, once, that a thread could not be made. GORT_WALK_STEP=7 takes only each seventh N.
 */
#include "check.h"

enum { AT_ONCE = 4, PATIENCE = 60 };

static const char *program;

struct run {
    char rule[64];
    pid_t pid;
    FILE *out;
};

static void begin(struct run *r) {
    r->out = tmpfile();
    CHECK(r->out != NULL);
    r->pid = fork();
    CHECK_OP(r->pid, >=, 0);
    if (r->pid != 0) return;
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    if (dup2(fileno(r->out), 1) != 1 || dup2(fileno(r->out), 2) != 2) _exit(99);
    setenv("GORT_FAIL", r->rule, 1);
    execl(program, program, (char *)NULL);
    _exit(98);
}

/* Answers how many faults there were. */
static uint64_t end(struct run *r) {
    static char text[64 * 1024];
    int status = 0;
    pid_t ended = 0;
    const int64_t until = now_ns() + PATIENCE * SECOND;
    while ((ended = waitpid(r->pid, &status, WNOHANG)) == 0) {
        /* It will end now, and not well. */
        if (now_ns() > until) kill(r->pid, SIGKILL);
        thread_sleep(MS / 2);
    }
    CHECK_EQ(ended, r->pid);
    rewind(r->out);
    text[fread(text, 1, sizeof text - 1, r->out)] = '\0';
    fclose(r->out);
    if (status != 0)
        FAIL("GORT_FAIL=%s %s: %s %d:\n%s", r->rule, program, WIFSIGNALED(status) ? "signal" : "exit code",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), text);
    static const char delayed[] = "gort: no thread could be made (";
    uint64_t faults = 0;
    int ends = 0, delays = 0, others = 0;
    for (const char *line = text; *line != '\0';) {
        const char *tail = strstr(line, ": ok, "), *newline = strchr(line, '\n');
        if (newline == NULL) newline = strchr(line, '\0') - 1;
        if (tail != NULL && tail < newline) ends += sscanf(tail, ": ok, %" SCNu64 " faults", &faults) == 1;
        else if (strncmp(line, delayed, sizeof delayed - 1) == 0) delays++;
        else others++;
        line = newline + 1;
    }
    if (ends != 1 || delays > 1 || others > 0) FAIL("GORT_FAIL=%s %s: says\n%s", r->rule, program, text);
    return faults;
}

/* Runs all of them side by side; answers how many had faults. */
static int all(struct run *runs, int n) {
    int hit = 0;
    fflush(NULL);
    for (int i = 0; i < n; i++) begin(&runs[i]);
    for (int i = 0; i < n; i++) hit += end(&runs[i]) > 0;
    return hit;
}

/* Answers in how many runs anything failed. */
static int walk(const char *kind, const char *mode, int step) {
    int hit = 0, total = 0, n = 1;
    do {
        struct run runs[AT_ONCE];
        for (int i = 0; i < AT_ONCE; i++, n += step)
            snprintf(runs[i].rule, sizeof runs[i].rule, "%s:%d%s", kind, n, mode);
        hit = all(runs, AT_ONCE);
        total += hit;
    } while (hit > 0);
    return total;
}

static int now_and_then(const char *kind) {
    static const int each[] = {2, 3, 5, 7, 11, 13, 17, 23};
    enum { N = sizeof each / sizeof each[0] };
    struct run runs[N];
    for (int i = 0; i < N; i++) snprintf(runs[i].rule, sizeof runs[i].rule, "%s:%d*", kind, each[i]);
    return all(runs, N);
}

int main(int argc, char **argv) {
    if (argc < 3) FAIL("walk PROGRAM KIND...");
    program = argv[1];
    const int step = (int)env_u64("GORT_WALK_STEP", 1);
    CHECK_OP(step, >=, 1);
    for (int i = 2; i < argc; i++) {
        const int64_t since = now_ns();
        const int once = walk(argv[i], "", step), on = walk(argv[i], "+", step), often = now_and_then(argv[i]);
        printf("walk: %s: %d runs with one fault, %d with all from one on, %d with some, %.1f s\n", argv[i], once, on,
               often, (double)(now_ns() - since) / SECOND);
        fflush(stdout);
        /* A library that is not built for faults has none. */
        CHECK_OP(once, >, 0);
        CHECK_OP(on, >, 0);
        CHECK_OP(often, >, 0);
    }
    return 0;
}
