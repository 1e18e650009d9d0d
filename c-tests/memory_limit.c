/*
 * A control group with little memory: rt_go answers RT_ENOMEM before the kernel would end the process, and goes on when
 * goroutines have ended. Needs the right to make such a group.
 */
#include "memory.h"

#include <sys/stat.h>

static char group[512];

static bool put(const char *file, const char *text) {
    char path[640];
    snprintf(path, sizeof path, "%s/%s", group, file);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const ssize_t n = write(fd, text, strlen(text));
    close(fd);
    return n == (ssize_t)strlen(text);
}

/* The group of this process below a mount of the memory controller. */
static bool make_group(const char *mount, const char *controller, const char *limit_file, const char *limit) {
    char line[512];
    bool found = false;
    FILE *f = fopen("/proc/self/cgroup", "r");
    if (f == NULL) return false;
    while (!found && fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (path == NULL) continue;
        *path++ = '\0';
        found = strcmp(controllers + 1, controller) == 0;
        if (found) snprintf(group, sizeof group, "%s%s/gort-test-%d", mount, path, (int)getpid());
    }
    fclose(f);
    if (!found || mkdir(group, 0755) != 0) return false;
    if (put(limit_file, limit)) return true;
    rmdir(group);
    return false;
}

static void limited(void) {
    if (!put("cgroup.procs", "0")) _exit(77);
    /* Whoever is too greedy is ended by the kernel; then this child has a status that is no exit. */
    start_with(64 << 10, 0);
    long first = 0;
    for (int round = 0; round < 3; round++) {
        long n = park_many(1000000);
        /* Those that have come need less than was kept for them: more fit, and then no more. */
        for (int64_t r = 0; (r = rt_go(waits_at_gate, NULL)) != RT_ENOMEM; n++) CHECK_OP(r, >, 0);
        EVENTUALLY(atomic_load(&arrived) == n);
        printf("%ld goroutines\n", n);
        CHECK_OP(n, >, 5000);
        CHECK_OP(n, <, 60000);
        CHECK_EQ(rt_num_goroutine(), n);
        release_all_of(n);
        if (round == 0) first = n;
        CHECK_OP(n, >=, first / 2);
        EVENTUALLY(stacks_resident() < (int64_t)8 << 20);
    }
    CHECK_OK(rt_stop(10 * SECOND));
}

int main(void) {
    if (emulated() || sanitized()) SKIP("memory is not the program's alone here");
    unsetenv("RT_STACK_SIZE");
    const char *limit = "200000000";
    if (!make_group("/sys/fs/cgroup/memory", "memory", "memory.limit_in_bytes", limit) &&
        !make_group("/sys/fs/cgroup", "", "memory.max", limit))
        SKIP("no control group can be made here");
    const int status = in_child(limited);
    /* The group may be busy for a moment after its last process has ended. */
    EVENTUALLY(rmdir(group) == 0 || errno != EBUSY);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) SKIP("this process may not move there");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) FAIL("wait status %#x", (unsigned)status);
    puts("memory_limit: ok");
    return 0;
}
