/*
 * An HTTP/1.1 request as httpd reads it: what arrives goes in, what matters of it comes out. No goroutine and no descriptor
 * in here.
 */
#ifndef HTTPD_REQUEST_H
#define HTTPD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <http_parser.h>

enum {
    REQUEST_HEAD_MAX = 16 * 1024, /* bytes of request line and headers; more is 431 */
    REQUEST_URL_MAX = 2 * 1024,   /* more is 414 */
    REQUEST_BODY_MAX = 64 * 1024, /* thrown away; more is 413 */
};

/* What a path without a file name means. */
#define REQUEST_INDEX "index.html"

struct request {
    int status;      /* what is wrong with it: 400 and above; 0 if nothing is */
    bool complete;   /* its last byte has been read */
    bool keep_alive; /* the client waits for the answer to stay connected */
    bool get, head;  /* the method; neither: any other */
    bool old;        /* HTTP/1.0 */
    time_t since;    /* If-Modified-Since, or -1 */
    size_t body_len;
    unsigned hosts; /* how many Host headers */
    bool expects, if_range, in_value;
    size_t name_len, value_len, url_len; /* may be more than there is room for */
    char name[24], value[64];            /* of the header that is arriving; a longer one does not matter */
    char range[64];
    char url[REQUEST_URL_MAX + 1];
    http_parser parser;
};

/* Makes ready for the next one. */
void request_begin(struct request *r);

/* Takes what has arrived, up to the end of the request or to what is wrong with it; answers how many bytes it took. */
size_t request_feed(struct request *r, const char *data, size_t len);

/*
 * The name of the file that is asked for, relative to the root: without %XX, without a leading slash, and without names
 * that begin with a dot. *raw: the path as it was, for a redirect. Answers 0, or the status that it deserves.
 */
int request_path(const struct request *r, char path[REQUEST_URL_MAX + sizeof REQUEST_INDEX], const char **raw, int *raw_len);

/*
 * What is asked for of so many bytes. 206: *len from *first on, the one range of bytes that was asked for; 416: there is
 * nothing of it; 200: all. Several ranges are ignored, as are those that depend on If-Range: a server may.
 */
int request_range(const struct request *r, int64_t size, int64_t *first, int64_t *len);

#endif
