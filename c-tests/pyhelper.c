/*
 * Goroutine bodies for python/smoke.py. They are C: a Python callback that parks would interleave the interpreter's
 * frames with another's.
 */
#include <stdint.h>
#include <stdlib.h>

#include <gort.h>

/* Two channels of int64_t: what comes in goes out as its square; the end of the input is the end of the output. */
struct pyhelper_pipe {
    rt_chan *in, *out;
};

void pyhelper_squares(void *arg) {
    const struct pyhelper_pipe *p = arg;
    int64_t v;
    while (rt_chan_recv(p->in, &v) == RT_OK) {
        v *= v;
        if (rt_chan_send(p->out, &v) != RT_OK) break;
    }
    rt_chan_close(p->out);
}

/* Answers each number of the input with the id of the goroutine that took it; several may share the channels. */
void pyhelper_ids(void *arg) {
    const struct pyhelper_pipe *p = arg;
    int64_t v;
    while (rt_chan_recv(p->in, &v) == RT_OK) {
        rt_gosched();
        v = rt_goid();
        if (rt_chan_send(p->out, &v) != RT_OK) break;
    }
}

/* Sends 0, 1, 2... to out, with a nap before each, until the channel is closed. */
void pyhelper_ticks(void *arg) {
    const struct pyhelper_pipe *p = arg;
    for (int64_t i = 0;; i++) {
        rt_sleep(100000);
        if (rt_chan_send(p->out, &i) != RT_OK) break;
    }
}
