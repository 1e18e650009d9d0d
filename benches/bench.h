/* What every bench needs: a size, a clock, a line of output, and an end when a call fails. */
#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gort.h>

/* The argument with this number, from 1 on, or what the bench is meant to run with. */
static inline int64_t bench_arg(int argc, char **argv, int number, int64_t usual)
{
    return argc > number ? strtoll(argv[number], NULL, 10) : usual;
}

static inline int64_t bench_size(int argc, char **argv, int64_t usual)
{
    return bench_arg(argc, argv, 1, usual);
}

static inline void bench_report(const char *name, double value, const char *unit)
{
    printf("%s %.6f %s\n", name, value, unit);
}

/* Answers what the call answered, unless that is an error. */
static inline int64_t bench_ok(int64_t answer, const char *call)
{
    if (answer < 0) {
        fprintf(stderr, "%s: %s\n", call, rt_strerror((int)answer));
        exit(1);
    }
    return answer;
}
#define OK(call) bench_ok(call, #call)

static inline int bench_compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static inline void bench_sort(int64_t *values, int64_t count)
{
    qsort(values, (size_t)count, sizeof *values, bench_compare);
}

/* What /proc has under a name such as "VmRSS:". (The ru_maxrss of getrusage would include what was before the exec.) */
static inline int64_t bench_memory_kib(const char *name)
{
    char line[256];
    int64_t kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtoll(line + strlen(name), NULL, 10);
    if (status != NULL)
        fclose(status);
    if (kib < 0) {
        fprintf(stderr, "/proc/self/status has no %s\n", name);
        exit(1);
    }
    return kib;
}

#endif
