/*
 * What goroutines used deeply is given back when they end; dumps say how deep they went.
 */
#include "memory.h"

enum { MANY = 400, DEEP = 160 << 10, SHALLOW = 2 << 10 };

static __attribute__((noinline)) void use(size_t bytes) {
    char here[1024];
    memset(here, 0x5a, sizeof here);
    __asm__ volatile("" ::"r"(here) : "memory");
    if (bytes > sizeof here) use(bytes - sizeof here);
    __asm__ volatile("" ::"r"(here) : "memory");
}

static void uses_and_ends(void *arg) { use((size_t)arg); }

static size_t depth;

static void uses(void *arg) {
    use(depth);
    waits_at_gate(arg);
}

static void use_many(size_t bytes) {
    depth = bytes;
    gate = rt_chan_make(0, 0);
    CHECK(gate != NULL);
    atomic_store(&arrived, 0);
    atomic_store(&woken, 0);
    for (int i = 0; i < MANY; i++) go(uses, NULL);
    EVENTUALLY(atomic_load(&arrived) == MANY);
}

static void dump_to(char *text, size_t size) {
    char path[] = "/tmp/gort-dump-XXXXXX";
    const int fd = mkstemp(path);
    CHECK_OP(fd, >=, 0);
    CHECK_EQ(unlink(path), 0);
    CHECK_OK(rt_dump(fd));
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    size_t n = 0;
    for (ssize_t got; n < size - 1 && (got = read(fd, text + n, size - 1 - n)) > 0;) n += (size_t)got;
    text[n] = '\0';
    close(fd);
}

/* The figure before " KiB used" of the first goroutine in the dump. */
static long used_kib(const char *text) {
    const char *at = strstr(text, "  stack: ");
    CHECK(at != NULL);
    CHECK(strstr(at, " of 256 KiB used") != NULL);
    return strtol(at + strlen("  stack: "), NULL, 10);
}

static char text[4 << 20];

int main(void) {
    if (emulated() || sanitized()) SKIP("memory is not the program's alone here");
    start_with(256 << 10, 0);

    use_many(SHALLOW);
    dump_to(text, sizeof text);
    CHECK_OP(used_kib(text), <=, 8);
    release_all_of(MANY);

    const int64_t before = stacks_resident();
    use_many(DEEP);
    dump_to(text, sizeof text);
    CHECK_OP(used_kib(text), >=, DEEP >> 10);
    CHECK_OP(used_kib(text), <=, (DEEP >> 10) + 64);
    CHECK_OP(stacks_resident() - before, >, (int64_t)MANY * (DEEP - (8 << 10)));
    release_all_of(MANY);
    /* At once: not only what nobody has used for a while. */
    CHECK_OP(stacks_resident() - before, <, (int64_t)MANY * (72 << 10));

    dump_to(text, sizeof text);
    const char *deepest = strstr(text, "deepest stack of those that ended: ");
    CHECK(deepest != NULL);
    CHECK_OP(strtol(strchr(deepest, ':') + 1, NULL, 10), >=, DEEP >> 10);
    CHECK(strstr(deepest, "uses") != NULL);

    /* A stack that goes from one goroutine to the next. */
    for (int i = 0; i < 100; i++) {
        void *bytes = (void *)(uintptr_t)(i % 2 == 0 ? DEEP : SHALLOW);
        rt_waitgroup all;
        memset(&all, 0, sizeof all);
        for (int k = 0; k < 20; k++) CHECK_OP(rt_waitgroup_go(&all, uses_and_ends, bytes), >, 0);
        CHECK_OK(rt_waitgroup_wait(&all));
    }
    CHECK_OP(stacks_resident() - before, <, (int64_t)MANY * (72 << 10));
    puts("stack_trim: ok");
    return 0;
}
