/* The prime sieve: a chain of goroutines, each a filter between two unbuffered channels. */
#include "check.h"

enum { PRIMES = 300, LAST = 1987 };

static atomic_bool stop;

struct filter {
    rt_chan *in, *out;
    int prime;
};

static void generates(void *arg) {
    for (int i = 2; !atomic_load(&stop); i++) {
        const int r = rt_chan_send(arg, &i);
        if (r != RT_OK) {
            CHECK_EQ(r, RT_ECLOSED);
            break;
        }
    }
}

static void filters(void *arg) {
    struct filter *f = arg;
    int v;
    while (rt_chan_recv(f->in, &v) == RT_OK)
        if (v % f->prime != 0 && rt_chan_send(f->out, &v) != RT_OK) break;
}

static rt_chan *chans[PRIMES + 1];
static struct filter filter[PRIMES];

static void sieve(void *arg) {
    (void)arg;
    chans[0] = rt_chan_make(sizeof(int), 0);
    go(generates, chans[0]);
    int sum = 0, prime = 0;
    for (int i = 0; i < PRIMES; i++) {
        CHECK_OK(rt_chan_recv(chans[i], &prime));
        for (int d = 2; d * d <= prime; d++) CHECK_OP(prime % d, !=, 0);
        sum += prime;
        chans[i + 1] = rt_chan_make(sizeof(int), 0);
        CHECK(chans[i + 1] != NULL);
        filter[i] = (struct filter){chans[i], chans[i + 1], prime};
        go(filters, &filter[i]);
    }
    CHECK_EQ(prime, LAST);
    CHECK_EQ(sum, 271061);
    atomic_store(&stop, true);
    for (int i = 0; i <= PRIMES; i++) CHECK_OK(rt_chan_close(chans[i]));
}

int main(void) {
    CHECK_OK(rt_run(sieve, NULL));
    EVENTUALLY(rt_num_goroutine() == 0);
    for (int i = 0; i <= PRIMES; i++) rt_chan_unref(chans[i]);
    /* The same with a plain thread in the middle of it all. */
    atomic_store(&stop, false);
    sieve(NULL);
    EVENTUALLY(rt_num_goroutine() == 0);
    for (int i = 0; i <= PRIMES; i++) rt_chan_unref(chans[i]);
    puts("sieve: ok");
    return 0;
}
