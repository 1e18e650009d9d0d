/*
 * treewc [-b] [DIR]: the lines, words and bytes of all regular files below DIR, a goroutine for each file.
 *
 * It prints what this prints:
 *
 *     find DIR -type f -print0 | LC_ALL=C xargs -0 cat | LC_ALL=C wc
 *
 * and is built of these goroutines:
 *
 *     walk --rt_go--> count_file, one per file --results--> run, which adds up
 *       `---tokens--->'                                     progress, a line on stderr now and then
 *
 * What cannot be read is named on stderr, and the walk goes on; the exit code is then 1, as wc's. Symbolic links are not
 * followed. A word is made of printable ASCII, as in wc before coreutils 9.5; with -b of every byte that is not white
 * space, as since then.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gort.h>

enum { MAX_OPEN = 256, PROGRESS_MS = 500 };
enum { WORD = 1, SPACE = 2 }; /* what a byte is; 0 neither begins nor ends a word */

/* One file on its way from the walk to the totals. */
struct file {
    struct tree *tree;
    size_t number; /* its place in the walk */
    int64_t lines, words, bytes;
    int error;           /* 0, or a negative errno */
    unsigned char first; /* WORD or SPACE, whichever comes first in the file; 0 if it has neither */
    unsigned char last;  /* the same for its end */
    char path[];
};

struct tree {
    char *root;
    unsigned char kind[256]; /* of each byte */
    size_t found;            /* files the walk has met */
    rt_chan *tokens;         /* a semaphore: a send takes one of MAX_OPEN places, a receive gives it back */
    rt_chan *results;        /* of struct file *; closed after the last one */
    rt_chan *stop;           /* closed to end the progress line */
    rt_waitgroup readers, helpers;

    rt_mutex lock; /* guards what follows, and stderr */
    int64_t lines, words, bytes;
    size_t done, failed;
    bool open_line;            /* stderr stands at the end of a progress line */
    unsigned char (*edges)[2]; /* first and last of every file, by number */
    size_t edges_len;
};

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("treewc: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/*
 * System calls whose errno matters. A goroutine may be on another thread after any call that blocks it, but compilers
 * take the address of errno for constant within a function. So it is read here, where nothing blocks a goroutine, and
 * these are never inlined.
 */
#define READS_ERRNO static __attribute__((noinline))

READS_ERRNO int open_file(const char *path)
{
    /* O_NONBLOCK: in case it has become a pipe since the walk saw a file. */
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

READS_ERRNO ssize_t read_file(int fd, void *buf, size_t size)
{
    ssize_t n;
    do
        n = read(fd, buf, size);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : -errno;
}

/* The next entry of the walk; NULL at its end or, with *error set, when it has to be given up. */
READS_ERRNO FTSENT *next_entry(FTS *fts, int *error)
{
    errno = 0;
    FTSENT *entry = fts_read(fts);
    *error = entry == NULL ? -errno : 0;
    return entry;
}

static void count_bytes(struct file *f, const unsigned char *buf, size_t n, unsigned *in_word)
{
    const unsigned char *kinds = f->tree->kind;
    unsigned in = *in_word;
    int64_t lines = 0, words = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned kind = kinds[buf[i]]; /* no branches: text would mispredict them all the time */
        lines += buf[i] == '\n';
        words += kind & ~in & WORD;
        in = (in & ~(kind >> 1)) | (kind & WORD);
    }
    for (size_t i = 0; i < n && f->first == 0; i++)
        f->first = kinds[buf[i]];
    f->lines += lines;
    f->words += words;
    f->bytes += (int64_t)n;
    *in_word = in;
}

/* The goroutine of one file. open and read block its thread; the other goroutines run on the other threads. */
static void count_file(void *arg)
{
    struct file *f = arg;
    struct tree *t = f->tree;
    int fd = open_file(f->path);
    if (fd >= 0) {
        unsigned char buf[16 * 1024]; /* on the goroutine's own stack */
        unsigned in_word = 0;
        ssize_t n;
        while ((n = read_file(fd, buf, sizeof buf)) > 0)
            count_bytes(f, buf, (size_t)n, &in_word);
        f->last = f->first == 0 ? 0 : in_word ? WORD : SPACE;
        f->error = (int)n;
        close(fd);
    } else {
        f->error = fd;
    }
    rt_chan_send(t->results, &f); /* from here on f is the receiver's */
    rt_chan_recv(t->tokens, NULL);
}

static struct file *new_file(struct tree *t, const char *path)
{
    size_t size = strlen(path) + 1;
    struct file *f = must(calloc(1, sizeof *f + size));
    f->tree = t;
    f->number = t->found++;
    memcpy(f->path, path, size);
    return f;
}

static void report(struct tree *t, const char *path, int error)
{
    struct file *f = new_file(t, path);
    f->error = error;
    rt_chan_send(t->results, &f);
}

/* Finds the files, in the order in which find prints them, and starts a goroutine for each. */
static void walk(void *arg)
{
    struct tree *t = arg;
    int error;
    /* FTS_NOCHDIR: the working directory belongs to every goroutine of the process. */
    FTS *fts = must(fts_open((char *[]){t->root, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL));
    for (FTSENT *entry; (entry = next_entry(fts, &error)) != NULL;) {
        struct file *f;
        switch (entry->fts_info) {
        case FTS_F:
            rt_chan_send(t->tokens, NULL); /* waits while MAX_OPEN files are open */
            f = new_file(t, entry->fts_path);
            if (rt_waitgroup_go(&t->readers, count_file, f) < 0)
                count_file(f); /* no memory for a goroutine: this one counts it */
            break;
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS:
            report(t, entry->fts_path, -entry->fts_errno);
            break;
        default:
            if (entry->fts_level == FTS_ROOTLEVEL && entry->fts_info != FTS_D && entry->fts_info != FTS_DP)
                report(t, entry->fts_path, -ENOTDIR); /* a link, a device: nothing to walk */
        }
    }
    if (error != 0)
        report(t, t->root, error);
    fts_close(fts);
    rt_waitgroup_wait(&t->readers);
    rt_chan_close(t->results); /* nobody is left who could send */
}

/* A ticker: a line now and then, until its channel is closed. */
static void progress(void *arg)
{
    struct tree *t = arg;
    bool terminal = isatty(STDERR_FILENO);
    while (rt_chan_recv_timeout(t->stop, NULL, PROGRESS_MS * INT64_C(1000000)) == RT_ETIMEDOUT) {
        rt_mutex_lock(&t->lock);
        fprintf(stderr, "%streewc: %zu files, %lld MB so far%s", terminal ? "\r" : "", t->done,
                (long long)(t->bytes / 1000000), terminal ? "" : "\n");
        t->open_line = terminal;
        rt_mutex_unlock(&t->lock);
    }
}

static void end_line(struct tree *t)
{
    if (t->open_line)
        fputc('\n', stderr);
    t->open_line = false;
}

static void add(struct tree *t, const struct file *f)
{
    rt_mutex_lock(&t->lock);
    t->lines += f->lines;
    t->words += f->words;
    t->bytes += f->bytes;
    t->done++;
    if (f->number >= t->edges_len) { /* results come in any order */
        size_t len = (f->number + 1) * 2;
        t->edges = must(realloc(t->edges, len * sizeof *t->edges));
        memset(t->edges + t->edges_len, 0, (len - t->edges_len) * sizeof *t->edges);
        t->edges_len = len;
    }
    t->edges[f->number][0] = f->first;
    t->edges[f->number][1] = f->last;
    if (f->error != 0) {
        t->failed++;
        end_line(t);
        fputs("treewc: ", stderr);
        for (const char *c = f->path; *c != '\0'; c++)
            fputc(iscntrl((unsigned char)*c) ? '?' : *c, stderr);
        fprintf(stderr, ": %s\n", strerror(-f->error));
    }
    rt_mutex_unlock(&t->lock);
}

/*
 * cat puts files end to end: where one ends inside a word and the next begins with one, wc sees one word, not two. (Where
 * find sorts a directory, on some file systems from 10,000 entries on, other ends meet, and a word or two may differ.)
 */
static void join_words(struct tree *t)
{
    unsigned char last = SPACE;
    for (size_t i = 0; i < t->edges_len; i++) {
        if (t->edges[i][0] == 0)
            continue;
        t->words -= last == WORD && t->edges[i][0] == WORD;
        last = t->edges[i][1];
    }
}

static void run(void *arg)
{
    struct tree *t = arg;
    struct file *f;
    if (rt_go(walk, t) < 0)
        must(NULL);
    rt_waitgroup_go(&t->helpers, progress, t); /* if it cannot start, there is no progress line */
    while (rt_chan_recv(t->results, &f) == RT_OK) {
        add(t, f);
        free(f);
    }
    rt_chan_close(t->stop);
    rt_waitgroup_wait(&t->helpers);
    end_line(t);
    join_words(t);
}

int main(int argc, char **argv)
{
    static struct tree t = {.root = "."};
    bool any_byte = false;
    for (int option; (option = getopt(argc, argv, "b")) != -1; any_byte = true) {
        if (option != 'b') {
            fputs("usage: treewc [-b] [DIR]\n", stderr);
            return 2;
        }
    }
    if (optind < argc)
        t.root = argv[optind];
    for (int c = 0; c < 256; c++)
        t.kind[c] = isspace(c) ? SPACE : any_byte || isgraph(c) ? WORD : 0;

    struct rlimit files;
    size_t max_open = MAX_OPEN;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / 2 < max_open)
        max_open = files.rlim_cur / 2 + 1; /* the rest is for everybody else in the process */
    t.tokens = must(rt_chan_make(0, max_open));
    t.results = must(rt_chan_make(sizeof(struct file *), MAX_OPEN));
    t.stop = must(rt_chan_make(0, 0));

    int answer = rt_run(run, &t);
    if (answer != RT_OK) {
        fprintf(stderr, "treewc: %s\n", rt_strerror(answer));
        return 1;
    }
    if (t.failed > 0)
        fprintf(stderr, "treewc: %zu could not be read\n", t.failed);
    printf("%7lld %7lld %7lld\n", (long long)t.lines, (long long)t.words, (long long)t.bytes);
    if (fflush(stdout) != 0) {
        perror("treewc: standard output");
        return 1;
    }
    return t.failed > 0;
}
