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

/* One that goes deep and ends, and behind it one that waits, on the same stack as a rule. */
static void spawns_pairs(void *arg) {
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        go(uses_and_ends, (void *)(uintptr_t)DEEP);
        go(waits_at_gate, NULL);
    }
}

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

/* The highest and the lowest figure before " KiB used", and how many there are. */
static long most_used, least_used;

static int used_kib(const char *text) {
    static const char line[] = "  stack: ";
    int n = 0;
    most_used = 0;
    least_used = LONG_MAX;
    for (const char *at = text; (at = strstr(at, line)) != NULL; n++) {
        char *end = NULL;
        const long kib = strtol(at += sizeof line - 1, &end, 10);
        CHECK(strncmp(end, " of 256 KiB used", strlen(" of 256 KiB used")) == 0);
        if (kib > most_used) most_used = kib;
        if (kib < least_used) least_used = kib;
    }
    return n;
}

static char text[4 << 20];

int main(void) {
    if (emulated() || sanitized()) SKIP("memory is not the program's alone here");
    start_with(256 << 10, 0);

    use_many(SHALLOW);
    dump_to(text, sizeof text);
    CHECK_EQ(used_kib(text), MANY);
    CHECK_OP(most_used, <=, 8);
    release_all_of(MANY);

    const int64_t before = stacks_resident();
    use_many(DEEP);
    dump_to(text, sizeof text);
    CHECK_EQ(used_kib(text), MANY);
    CHECK_OP(least_used, >=, DEEP >> 10);
    CHECK_OP(most_used, <=, (DEEP >> 10) + 64);
    CHECK_OP(stacks_resident() - before, >, (int64_t)MANY * (DEEP - (8 << 10)));
    release_all_of(MANY);
    /* At once: not only what nobody has used for a while. */
    CHECK_OP(stacks_resident() - before, <, (int64_t)MANY * (72 << 10));

    dump_to(text, sizeof text);
    const char *deepest = strstr(text, "deepest stack of those that ended: ");
    CHECK(deepest != NULL);
    CHECK_OP(strtol(strchr(deepest, ':') + 1, NULL, 10), >=, DEEP >> 10);
    CHECK(strstr(deepest, "uses") != NULL);

    /* A stack that goes from one goroutine to the next has been trimmed for it, and is measured anew. */
    gate = rt_chan_make(0, 0);
    CHECK(gate != NULL);
    atomic_store(&arrived, 0);
    atomic_store(&woken, 0);
    go(spawns_pairs, NULL);
    EVENTUALLY(atomic_load(&arrived) == MANY && rt_num_goroutine() == MANY);
    CHECK_OP(stacks_resident() - before, <, (int64_t)MANY * (72 << 10));
    dump_to(text, sizeof text);
    CHECK_EQ(used_kib(text), MANY);
    CHECK_OP(most_used, <=, 8);
    release_all_of(MANY);
    CHECK_OP(stacks_resident() - before, <, (int64_t)MANY * (72 << 10));
    puts("stack_trim: ok");
    return 0;
}
