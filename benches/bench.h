/* What every bench needs: a size, a clock, a line of output, and an end when a call fails. */
#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gort.h>

/* The first argument, or what the bench is meant to run with. */
static inline int64_t bench_size(int argc, char **argv, int64_t usual)
{
    return argc > 1 ? strtoll(argv[1], NULL, 10) : usual;
}

static inline void bench_report(const char *name, double value, const char *unit)
{
    printf("%s %.3f %s\n", name, value, unit);
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

/* Peak resident memory. (The ru_maxrss of getrusage would include what the process was before its exec.) */
static inline double bench_peak_mb(void)
{
    char line[256];
    double kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtod(line + 6, NULL);
    if (status != NULL)
        fclose(status);
    return kib * 1024 / 1e6;
}

#endif
