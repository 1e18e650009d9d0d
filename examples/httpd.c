/*
 * httpd [OPTION]... DIR: serves the files below DIR by HTTP/1.1. -h lists the options.
 *
 * A goroutine per connection reads a request, answers it, and reads the next, as if it had a thread to itself:
 *
 *     serve --rt_go--> accept_loop --rt_go--> handle, one per connection
 *
 * `serve` waits for SIGTERM or SIGINT, then ends the other two.
 *
 * What it does: GET and HEAD; keep-alive and pipelining; If-Modified-Since; a Range, if it is one; index.html. A request
 * may have a body of up to 64 KiB, which is thrown away.
 *
 * What it does not serve: listings of directories, anything but regular files, and names that begin with a dot. Symbolic
 * links are followed as long as they stay below DIR. It is the kernel that sees to that, in openat2 (Linux 5.6), so no
 * change of the tree at the wrong moment leads out.
 *
 * What a client can cost: one of -c places; a goroutine's stack, whose deepest use is below 32 KiB; -r for the whole
 * of a request, -i between two; -w for each PIECE of an answer. Who comes when all places are taken waits in the queue of
 * the listening socket.
 *
 * httpd_request.c knows what a request looks like.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <gort.h>
#include "httpd_request.h"

enum {
    IN_SIZE = 4 * 1024,   /* what is read at a time */
    SMALL = 4 * 1024,     /* a file up to here goes out with its header, in one call */
    PIECE = 256 * 1024,   /* of a larger one, for which a client has -w */
    LINGER_MAX = 1 << 20, /* what is read after the last answer */
};
#define SECOND INT64_C(1000000000)
#define LINGER (2 * SECOND)

static struct {
    int listener, root;
    int64_t idle, read, write, grace; /* nanoseconds */
    rt_sema places;                   /* as many as there may be connections */
    rt_waitgroup goroutines;          /* accept_loop, and a handle for each connection */
    atomic_bool stopping;
    rt_mutex lock;
    struct conn *conns; /* all of them; under the lock */
} server = {.idle = 60 * SECOND, .read = 10 * SECOND, .write = 30 * SECOND, .grace = 10 * SECOND};

/* A connection, on the stack of its goroutine. */
struct conn {
    int fd;
    struct conn *next, **link; /* under server.lock */
    size_t pos, len;           /* what is left of `in` */
    int64_t read_by, write_by; /* deadlines; 0 before the first */
    struct request request;
    time_t date_of;
    char date[32];
    char in[IN_SIZE];
};

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("httpd: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    exit(1);
}

/*
 * System calls whose errno matters, in functions of their own: a goroutine may be on another thread after any call that
 * blocks it, and compilers take the address of errno for constant within a function.
 */
#define READS_ERRNO static __attribute__((noinline))

READS_ERRNO int open_below(int root, const char *path)
{
    struct open_how how = {
        /* O_NONBLOCK: a pipe without a writer must not hold us up. */
        .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    return fd >= 0 ? fd : -errno;
}

READS_ERRNO ssize_t send_piece(int to, int from, off_t *offset, size_t len)
{
    ssize_t n;
    do
        n = sendfile(to, from, offset, len);
    while (n < 0 && errno == EINTR);
    return n >= 0 ? n : -errno;
}

/*
 * Gives the reads or the writes to come so long; up to an eighth less, if it is set so already: then the next of many
 * quick requests need not set it again, which takes two system calls.
 */
static void set_timeout(struct conn *c, int events, int64_t timeout)
{
    int64_t *deadline = events == RT_POLL_READ ? &c->read_by : &c->write_by, now = rt_now();
    if (*deadline - now > timeout || *deadline - now < timeout - timeout / 8) {
        *deadline = now + timeout;
        rt_fd_set_deadline(c->fd, events, *deadline);
    }
}

/* The next request: complete, or with a status that says what is wrong with it. False if there is none. */
static bool read_request(struct conn *c)
{
    bool begun = c->pos < c->len, timed = false;
    request_begin(&c->request);
    while (!c->request.complete && c->request.status == 0) {
        if (c->pos == c->len) {
            /* One deadline for all of a request: a byte now and then does not put it off. */
            if (!timed)
                set_timeout(c, RT_POLL_READ, begun ? server.read : server.idle);
            timed = begun;
            ssize_t n = rt_read(c->fd, c->in, sizeof c->in);
            if (n == RT_ETIMEDOUT && begun)
                c->request.status = 408;
            if (n <= 0)
                return n == RT_ETIMEDOUT && begun;
            begun = true;
            c->pos = 0;
            c->len = (size_t)n;
        }
        c->pos += request_feed(&c->request, c->in + c->pos, c->len - c->pos);
    }
    return true;
}

/* ---- An answer. ---- */

struct reply {
    int status;
    int64_t body_len;
    char headers[REQUEST_URL_MAX + 256]; /* those that not every answer has; a Location is the longest */
};

static void http_date(char *to, size_t size, time_t t)
{
    struct tm tm;
    strftime(to, size, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&t, &tm)); /* in the locale "C" */
}

/* Writes the head of an answer and what is there of its body: in one call, if the client reads. */
static bool send_head(struct conn *c, const struct reply *reply, const void *body, size_t len)
{
    struct request *r = &c->request;
    time_t now = time(NULL);
    if (c->date_of != now)
        http_date(c->date, sizeof c->date, now);
    c->date_of = now;
    const char *connection = "";
    if (!r->keep_alive)
        connection = "Connection: close\r\n";
    else if (r->old)
        connection = "Connection: keep-alive\r\n";
    char length[48] = "";
    if (reply->status != 304)
        snprintf(length, sizeof length, "Content-Length: %lld\r\n", (long long)reply->body_len);
    char head[sizeof reply->headers + 256];
    int n = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\nDate: %s\r\n%s%s%s\r\n", reply->status,
                     http_status_str((enum http_status)reply->status), c->date, length, connection, reply->headers);

    struct iovec parts[] = {{head, (size_t)n}, {(void *)body, len}}, *part = parts, *end = parts + 2;
    set_timeout(c, RT_POLL_WRITE, server.write);
    for (;;) {
        ssize_t sent = rt_writev(c->fd, part, (int)(end - part));
        if (sent < 0)
            return false;
        while (part < end && (size_t)sent >= part->iov_len)
            sent -= (ssize_t)part++->iov_len;
        if (part == end)
            return true;
        part->iov_base = (char *)part->iov_base + sent;
        part->iov_len -= (size_t)sent;
    }
}

/* An answer that is a status and nothing else. */
static bool send_status(struct conn *c, struct reply *reply, int status)
{
    char text[64];
    reply->status = status;
    int len = status == 304 ? 0 : snprintf(text, sizeof text, "%d %s\n", status, http_status_str((enum http_status)status));
    reply->body_len = len;
    if (len > 0)
        strcat(reply->headers, "Content-Type: text/plain\r\n");
    return send_head(c, reply, text, c->request.head ? 0 : (size_t)len);
}

/*
 * The rest of a file goes to the socket without a detour through this process. sendfile is not one of the library's
 * calls: on a full socket it answers EAGAIN, and then the goroutine waits for room.
 */
static bool send_rest(struct conn *c, int file, int64_t offset, int64_t left)
{
    off_t at = offset;
    while (left > 0) {
        size_t piece = left < PIECE ? (size_t)left : PIECE;
        left -= (int64_t)piece;
        set_timeout(c, RT_POLL_WRITE, server.write);
        while (piece > 0) {
            ssize_t n = send_piece(c->fd, file, &at, piece);
            if (n == -EAGAIN)
                n = rt_fd_wait(c->fd, RT_POLL_WRITE, RT_FOREVER) < 0 ? -1 : 0;
            else if (n == 0)
                return false; /* the file has become shorter */
            if (n < 0)
                return false;
            piece -= (size_t)n;
        }
    }
    return true;
}

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {
        {"css", "text/css"},          {"gif", "image/gif"},        {"htm", "text/html"},
        {"html", "text/html"},        {"ico", "image/x-icon"},     {"jpeg", "image/jpeg"},
        {"jpg", "image/jpeg"},        {"js", "text/javascript"},   {"json", "application/json"},
        {"md", "text/markdown"},      {"mp4", "video/mp4"},        {"pdf", "application/pdf"},
        {"png", "image/png"},         {"svg", "image/svg+xml"},    {"txt", "text/plain"},
        {"wasm", "application/wasm"}, {"webp", "image/webp"},      {"woff2", "font/woff2"},
        {"xml", "application/xml"},   {"zip", "application/zip"},
    };
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash != NULL ? slash : path, '.');
    for (size_t i = 0; dot != NULL && i < sizeof types / sizeof *types; i++)
        if (strcasecmp(dot + 1, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

static int status_of_errno(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return 403;
    case EAGAIN: /* a directory on the way was renamed just now */
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return 503;
    case EIO:
        return 500;
    default: /* ENOENT, ENOTDIR, ENAMETOOLONG, ENXIO; EXDEV: it leads out of DIR; ELOOP */
        return 404;
    }
}

/* A regular file to be read; or minus the status of what it is instead. */
static int open_file(const char *path, struct stat *st)
{
    int file = open_below(server.root, path);
    if (file < 0)
        return -status_of_errno(-file);
    int status = fstat(file, st) != 0 ? 500 : S_ISDIR(st->st_mode) ? 301 : S_ISREG(st->st_mode) ? 0 : 404;
    if (status == 0)
        return file;
    rt_close(file);
    return -status;
}

static bool send_file(struct conn *c, struct reply *reply, const char *path, int file, const struct stat *st)
{
    struct request *r = &c->request;
    time_t now = time(NULL), modified = st->st_mtime < now ? st->st_mtime : now;
    char date[32];
    http_date(date, sizeof date, modified);
    int used = snprintf(reply->headers, sizeof reply->headers, "Last-Modified: %s\r\n", date);
    if (r->since >= 0 && modified <= r->since)
        return send_status(c, reply, 304);

    int64_t first, len;
    char *more = reply->headers + used;
    size_t room = sizeof reply->headers - (size_t)used;
    reply->status = request_range(r, st->st_size, &first, &len);
    if (reply->status == 416) {
        snprintf(more, room, "Content-Range: bytes */%lld\r\n", (long long)st->st_size);
        return send_status(c, reply, 416);
    }
    used = snprintf(more, room, "Accept-Ranges: bytes\r\nContent-Type: %s\r\n", type_of(path));
    if (reply->status == 206)
        snprintf(more + used, room - (size_t)used, "Content-Range: bytes %lld-%lld/%lld\r\n", (long long)first,
                 (long long)(first + len - 1), (long long)st->st_size);
    reply->body_len = len;
    if (r->head)
        return send_head(c, reply, NULL, 0);

    char body[SMALL]; /* on the goroutine's own stack */
    size_t now_len = len < SMALL ? (size_t)len : SMALL;
    if (rt_pread(file, body, now_len, first) != (ssize_t)now_len)
        return false; /* an error, or it has become shorter */
    return send_head(c, reply, body, now_len) && send_rest(c, file, first + (int64_t)now_len, len - (int64_t)now_len);
}

/* Answers a request. False if the connection is of no more use. */
static bool respond(struct conn *c)
{
    struct request *r = &c->request;
    struct reply reply;
    reply.headers[0] = '\0';
    if (r->status != 0 || server.stopping)
        r->keep_alive = false;
    if (r->status != 0)
        return send_status(c, &reply, r->status);
    if (!r->get && !r->head) {
        strcpy(reply.headers, "Allow: GET, HEAD\r\n");
        return send_status(c, &reply, 405);
    }

    char path[REQUEST_URL_MAX + sizeof REQUEST_INDEX];
    const char *raw;
    int raw_len, status = request_path(r, path, &raw, &raw_len);
    struct stat st;
    int file = status == 0 ? open_file(path, &st) : -status;
    if (file == -301)
        snprintf(reply.headers, sizeof reply.headers, "Location: /%.*s/\r\n", raw_len, raw);
    if (file < 0)
        return send_status(c, &reply, -file);
    bool ok = send_file(c, &reply, path, file, &st);
    rt_close(file);
    return ok;
}

/* ---- Connections. ---- */

/* To close with something unread would reset the connection, and the client might lose the answer. */
static void linger(struct conn *c)
{
    shutdown(c->fd, SHUT_WR);
    set_timeout(c, RT_POLL_READ, LINGER);
    ssize_t n;
    for (ssize_t left = LINGER_MAX; left > 0 && (n = rt_read(c->fd, c->in, sizeof c->in)) > 0;)
        left -= n;
}

static void handle(void *arg)
{
    struct conn c; /* the parts that matter are set, each where it begins */
    c.fd = (int)(intptr_t)arg;
    c.pos = c.len = 0;
    c.read_by = c.write_by = 0;
    c.date_of = 0;

    rt_mutex_lock(&server.lock);
    c.next = server.conns;
    c.link = &server.conns;
    if (c.next != NULL)
        c.next->link = &c.next;
    server.conns = &c;
    if (server.stopping)
        shutdown(c.fd, SHUT_RD);
    rt_mutex_unlock(&server.lock);

    bool alive = true;
    while (alive && read_request(&c)) {
        alive = respond(&c) && c.request.keep_alive;
        if (!alive && (!c.request.complete || c.pos < c.len))
            linger(&c);
    }

    rt_mutex_lock(&server.lock);
    *c.link = c.next;
    if (c.next != NULL)
        c.next->link = c.link;
    rt_mutex_unlock(&server.lock);
    rt_close(c.fd);
    rt_sema_release(&server.places);
}

static void accept_loop(void *arg)
{
    (void)arg;
    while (!server.stopping) {
        rt_sema_acquire(&server.places);
        int fd = rt_accept(server.listener, NULL, NULL);
        if (fd >= 0 && rt_waitgroup_go(&server.goroutines, handle, (void *)(intptr_t)fd) >= 0)
            continue;
        rt_sema_release(&server.places);
        if (fd >= 0)
            rt_close(fd);
        if (fd != -ECONNABORTED && !server.stopping)
            rt_sleep(SECOND / 100); /* no memory, or too many descriptors: until somebody has gone */
    }
}

/* The goroutine that rt_run runs: everything ends when it does. */
static void serve(void *arg)
{
    int signals = *(int *)arg;
    struct signalfd_siginfo info;
    if (rt_waitgroup_go(&server.goroutines, accept_loop, NULL) < 0)
        die("no memory");
    rt_read(signals, &info, sizeof info); /* a descriptor like any other: this waits for the signal */

    /*
     * Nobody new is accepted. Nothing more is read: who waits for a request sees the end of the connection, and what has
     * arrived is answered, with `Connection: close`.
     */
    server.stopping = true;
    rt_close(server.listener);
    rt_mutex_lock(&server.lock);
    for (struct conn *c = server.conns; c != NULL; c = c->next)
        shutdown(c->fd, SHUT_RD);
    rt_mutex_unlock(&server.lock);
    if (rt_waitgroup_wait_timeout(&server.goroutines, server.grace) != RT_OK)
        fputs("httpd: not everybody was through in time\n", stderr);
}

/* ---- The command line. ---- */

static void __attribute__((noreturn)) usage(int code)
{
    fputs("usage: httpd [OPTION]... DIR\n"
          "  -a ADDRESS      listens there (127.0.0.1); a name, IPv4, IPv6, or empty: everywhere\n"
          "  -p PORT         on this port (8080); 0: one that is free\n"
          "  -c CONNECTIONS  serves so many at a time (10000)\n"
          "  -i SECONDS      waits so long for a next request (60)\n"
          "  -r SECONDS      gives a request so long to arrive (10)\n"
          "  -w SECONDS      gives a client so long to take 256 KiB (30)\n"
          "  -g SECONDS      lets requests go on so long after SIGTERM or SIGINT (10)\n"
          "  -t THREADS      runs on so many processors at once (all)\n",
          code == 0 ? stdout : stderr);
    exit(code);
}

static double number(const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= least && value <= most))
        usage(2);
    return value;
}

static int64_t seconds(const char *text)
{
    return (int64_t)(number(text, 0.001, 1e6) * (double)SECOND);
}

/* Each connection may have a file open. The limit is raised as far as it goes; what is left over is for all the rest. */
static uint32_t places_for(uint32_t wanted)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return wanted;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    rlim_t most = files.rlim_cur > 66 ? (files.rlim_cur - 64) / 2 : 1;
    return wanted < most ? wanted : (uint32_t)most;
}

int main(int argc, char **argv)
{
    const char *address = "127.0.0.1";
    uint32_t connections = 10000;
    unsigned port = 8080;
    rt_config config = {.struct_size = sizeof config};
    for (int option; (option = getopt(argc, argv, "a:p:c:i:r:w:g:t:h")) != -1;) {
        switch (option) {
        case 'a': address = optarg; break;
        case 'p': port = (unsigned)number(optarg, 0, 65535); break;
        case 'c': connections = (uint32_t)number(optarg, 1, 1e6); break;
        case 'i': server.idle = seconds(optarg); break;
        case 'r': server.read = seconds(optarg); break;
        case 'w': server.write = seconds(optarg); break;
        case 'g': server.grace = seconds(optarg); break;
        case 't': config.maxprocs = (uint32_t)number(optarg, 1, 1024); break;
        case 'h': usage(0);
        default: usage(2);
        }
    }
    if (optind + 1 != argc)
        usage(2);
    server.root = open(argv[optind], O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (server.root < 0)
        die("%s: %s", argv[optind], strerror(errno));
    int probe = open_below(server.root, ".");
    if (probe < 0)
        die("%s: %s", argv[optind], strerror(-probe));
    close(probe);
    http_parser_set_max_header_size(REQUEST_HEAD_MAX);
    rt_sema_init(&server.places, places_for(connections));

    /* Blocked before the runtime starts: its threads have the mask of the one that starts it. */
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    signal(SIGPIPE, SIG_IGN); /* the library's calls raise none, but sendfile does */
    int signals = signalfd(-1, &stop, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals < 0)
        die("signalfd: %s", strerror(errno));

    int answer = rt_init(&config);
    if (answer != RT_OK)
        die("%s", rt_strerror(answer));
    char where[NI_MAXHOST + 16], host[NI_MAXHOST], service[NI_MAXSERV];
    snprintf(where, sizeof where, strchr(address, ':') != NULL ? "[%s]:%u" : "%s:%u", address, port);
    server.listener = rt_tcp_listen(where, 0);
    if (server.listener < 0)
        die("%s: %s", where, rt_strerror(server.listener));
    /* Accepted sockets inherit it: an answer's last bytes do not wait for the acknowledgement of those before. */
    setsockopt(server.listener, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    getsockname(server.listener, (struct sockaddr *)&at, &len);
    if (getnameinfo((struct sockaddr *)&at, len, host, sizeof host, service, sizeof service,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        die("getnameinfo");
    printf(strchr(host, ':') != NULL ? "httpd: http://[%s]:%s/\n" : "httpd: http://%s:%s/\n", host, service);
    fflush(stdout);

    answer = rt_run(serve, &signals);
    if (answer != RT_OK)
        die("%s", rt_strerror(answer));
    return 0;
}
