/*
 * How long does the kernel take for the memory of 1,000,000 goroutines alone: one page in each 64 KiB, touched for the
 * first time? No runtime has a say in that. Where it does not grow in proportion, the making of goroutines cannot
 * either: a virtual machine may have to ask its host for the memory.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "bench.h"

enum { STACK = 64 << 10 };

int main(int argc, char **argv)
{
    int64_t size = bench_size(argc, argv, 1000000);
    int64_t start = rt_now();
    char *stacks = mmap(NULL, (size_t)size * STACK, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stacks == MAP_FAILED)
        abort();
    madvise(stacks, (size_t)size * STACK, MADV_NOHUGEPAGE);
    for (int64_t i = 0; i < size; i++)
        stacks[i * STACK] = 1;
    bench_report("touch", (double)(rt_now() - start) / 1e9, "s");
    return 0;
}
