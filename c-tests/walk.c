/*
 * Walks a program through all that can fail: walk PROGRAM KIND...
 *
 * Runs the program with GORT_FAIL=KIND:N for N = 1, 2, 3 and so on, then with KIND:N+ (the Nth and all that follow), until
 * nothing fails any more, and then with each second, third, fifth and so on failing. Each run must end well, in time, and
 * with no line but those below. GORT_WALK_STEP=7 takes only each seventh N.
 */
#include "check.h"

enum { MOST_TEXT = 256 * 1024, IN_ROW = 4, PATIENCE = 60 };

static const char *program;
static char text[MOST_TEXT];

/* What the runtime may say: at most once in a run. */
static const char DELAYED[] = "gort: no thread could be made (";

/* Runs the program; answers its exit status, and what it has written in `text`. */
static int run(const char *rule) {
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    const pid_t pid = fork();
    CHECK_OP(pid, >=, 0);
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        if (dup2(fds[1], 1) != 1 || dup2(fds[1], 2) != 2) _exit(99);
        close(fds[0]);
        close(fds[1]);
        setenv("GORT_FAIL", rule, 1);
        alarm(PATIENCE);
        execl(program, program, (char *)NULL);
        _exit(98);
    }
    close(fds[1]);
    size_t at = 0;
    for (;;) {
        const ssize_t n = read(fds[0], text + at, sizeof text - 1 - at);
        if (n <= 0) break;
        at += (size_t)n;
    }
    text[at] = '\0';
    close(fds[0]);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) CHECK_EQ(errno, EINTR);
    return status;
}

static uint64_t judge(const char *rule, int status) {
    if (status != 0)
        FAIL("GORT_FAIL=%s %s: %s %d:\n%s", rule, program, WIFSIGNALED(status) ? "signal" : "exit code",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), text);
    uint64_t faults = 0;
    int ends = 0, delays = 0, others = 0;
    for (const char *line = text; *line != '\0';) {
        const char *tail = strstr(line, ": ok, ");
        const char *newline = strchr(line, '\n');
        if (newline == NULL) newline = line + strlen(line);
        if (tail != NULL && tail < newline) ends += sscanf(tail, ": ok, %" SCNu64 " faults", &faults) == 1;
        else if (strncmp(line, DELAYED, sizeof DELAYED - 1) == 0) delays++;
        else others++;
        line = *newline == '\0' ? newline : newline + 1;
    }
    if (ends != 1 || delays > 1 || others > 0) FAIL("GORT_FAIL=%s %s: says\n%s", rule, program, text);
    return faults;
}

static uint64_t faults_with(const char *kind, int n, const char *mode) {
    char rule[64];
    snprintf(rule, sizeof rule, "%s:%d%s", kind, n, mode);
    return judge(rule, run(rule));
}

/* Answers the last N at which anything failed. */
static int walk(const char *kind, const char *mode, int step) {
    int last = 0;
    for (int n = 1; n - last <= IN_ROW * step; n += step) {
        if (faults_with(kind, n, mode) > 0) last = n;
    }
    return last;
}

int main(int argc, char **argv) {
    if (argc < 3) FAIL("walk PROGRAM KIND...");
    program = argv[1];
    const int step = (int)env_u64("GORT_WALK_STEP", 1);
    CHECK_OP(step, >=, 1);
    for (int i = 2; i < argc; i++) {
        const int64_t begin = now_ns();
        const int once = walk(argv[i], "", step), on = walk(argv[i], "+", step);
        static const int each[] = {2, 3, 5, 7, 11, 13, 17};
        for (size_t k = 0; k < sizeof each / sizeof each[0]; k++) faults_with(argv[i], each[k], "*");
        printf("walk: %s: up to %d alone, %d and on, %.1f s\n", argv[i], once, on, (double)(now_ns() - begin) / SECOND);
        fflush(stdout);
        /* A library that is not built for faults has none. */
        CHECK_OP(once, >, 0);
        CHECK_OP(on, >, 0);
    }
    return 0;
}
