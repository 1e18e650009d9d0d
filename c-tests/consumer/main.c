/* A program of somebody who has installed gort. usage: consumer VERSION */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <gort.h>

static void squares(void *arg) {
    rt_chan *c = arg;
    for (int64_t i = 1; i <= 100; i++) {
        const int64_t square = i * i;
        if (rt_chan_send(c, &square) != RT_OK) return;
    }
    rt_chan_close(c);
}

int main(int argc, char **argv) {
    if (argc != 2 || strncmp(rt_version(), argv[1], strlen(argv[1])) != 0) {
        fprintf(stderr, "the library's version is %s\n", rt_version());
        return 1;
    }
    rt_chan *c = rt_chan_make(sizeof(int64_t), 4);
    if (c == NULL || rt_go(squares, c) <= 0) return 1;
    int64_t sum = 0, square = 0;
    while (rt_chan_recv(c, &square) == RT_OK) sum += square;
    rt_chan_unref(c);
    printf("the sum of the squares is %lld\n", (long long)sum);
    return sum == 338350 ? 0 : 1;
}
