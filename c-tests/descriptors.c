/* Every descriptor that the library opens is closed on exec, and what it has open does not grow with use. */

#include "check.h"

#include <dirent.h>

static void nothing(void *arg) { (void)arg; }

static void sleeps(void *arg) {
    (void)arg;
    CHECK_OK(rt_sleep(MS));
}

static bool was_open[1024];

static int scan(bool note) {
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    CHECK(d != NULL);
    const struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        const int fd = atoi(e->d_name);
        if (e->d_name[0] == '.' || fd == dirfd(d) || fd >= 1024) continue;
        if (note) {
            was_open[fd] = true;
        } else if (!was_open[fd]) {
            n++;
            const int flags = fcntl(fd, F_GETFD);
            if (flags < 0 || (flags & FD_CLOEXEC) == 0) FAIL("descriptor %d is not closed on exec", fd);
        }
    }
    closedir(d);
    return n;
}

static void use(void) {
    rt_waitgroup wg;
    memset(&wg, 0, sizeof wg);
    for (int i = 0; i < 100; i++) CHECK_OP(rt_waitgroup_go(&wg, i % 2 == 0 ? nothing : sleeps, NULL), >, 0);
    CHECK_OK(rt_waitgroup_wait(&wg));
    CHECK_OK(rt_sleep(MS));
    CHECK_OK(rt_run(sleeps, NULL));
}

int main(void) {
    if (emulated()) SKIP("an emulator has descriptors of its own");
    scan(true);
    use();
    use();
    const int n = scan(false);
    for (int i = 0; i < 20; i++) use();
    /* Threads may come with use, and each may keep one or two; but not one a sleep. */
    CHECK_OP(scan(false), <=, n + 16);
    puts("descriptors: ok");
    return 0;
}
