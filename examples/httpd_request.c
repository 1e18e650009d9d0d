/*
 * The parser is Debian's http_parser. It is fed what has arrived, calls back for each part of a request, possibly for
 * pieces of it, and is paused at the end: what follows is the next request.
 */
#define _GNU_SOURCE
#include "httpd_request.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Copies as much as there is room for, counts all, and leaves a string. */
static void append(char *to, size_t room, size_t *len, const char *at, size_t n)
{
    if (*len < room - 1) {
        size_t fits = n < room - 1 - *len ? n : room - 1 - *len;
        memcpy(to + *len, at, fits);
        to[*len + fits] = '\0';
    }
    *len += n;
}

static time_t parse_date(const char *text)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm); /* in the locale "C" */
    return end != NULL && *end == '\0' ? timegm(&tm) : -1;
}

static void end_header(struct request *r)
{
    bool whole = r->value_len < sizeof r->value;
    if (r->name_len >= sizeof r->name)
        ; /* longer than any of these */
    else if (strcasecmp(r->name, "host") == 0)
        r->hosts++;
    else if (strcasecmp(r->name, "expect") == 0)
        r->expects = true;
    else if (strcasecmp(r->name, "if-range") == 0)
        r->if_range = true;
    else if (strcasecmp(r->name, "if-modified-since") == 0 && whole)
        r->since = parse_date(r->value);
    else if (strcasecmp(r->name, "range") == 0 && whole)
        strcpy(r->range, r->value);
    r->name_len = r->value_len = 0;
    r->name[0] = r->value[0] = '\0';
    r->in_value = false;
}

/* The callbacks. An answer other than 0 ends the parsing. */

static int on_url(http_parser *p, const char *at, size_t len)
{
    struct request *r = p->data;
    append(r->url, sizeof r->url, &r->url_len, at, len);
    if (r->url_len > REQUEST_URL_MAX)
        r->status = 414;
    return r->status;
}

static int on_header_field(http_parser *p, const char *at, size_t len)
{
    struct request *r = p->data;
    if (r->in_value)
        end_header(r);
    append(r->name, sizeof r->name, &r->name_len, at, len);
    return 0;
}

static int on_header_value(http_parser *p, const char *at, size_t len)
{
    struct request *r = p->data;
    r->in_value = true;
    append(r->value, sizeof r->value, &r->value_len, at, len);
    return 0;
}

static int on_headers_complete(http_parser *p)
{
    struct request *r = p->data;
    bool sized = p->content_length != ULLONG_MAX && p->content_length > 0;
    end_header(r);
    r->get = p->method == HTTP_GET;
    r->head = p->method == HTTP_HEAD;
    r->old = p->http_major == 1 && p->http_minor == 0;
    r->keep_alive = http_should_keep_alive(p) && p->method != HTTP_CONNECT;
    if (p->http_major != 1)
        r->status = 505;
    else if (r->hosts > 1 || (r->hosts == 0 && !r->old))
        r->status = 400;
    else if (sized && p->content_length > REQUEST_BODY_MAX)
        r->status = 413;
    else if (r->expects && (sized || (p->flags & F_CHUNKED)))
        r->status = 417; /* it waits for leave to send something that is of no use */
    p->upgrade = 0;      /* what follows stays HTTP, whatever the client offers */
    return r->status == 0 ? 0 : -1;
}

static int on_body(http_parser *p, const char *at, size_t len)
{
    struct request *r = p->data;
    (void)at;
    r->body_len += len;
    if (r->body_len > REQUEST_BODY_MAX)
        r->status = 413;
    return r->status;
}

static int on_message_complete(http_parser *p)
{
    struct request *r = p->data;
    r->complete = true;
    http_parser_pause(p, 1);
    return 0;
}

void request_begin(struct request *r)
{
    memset(r, 0, offsetof(struct request, url) + 1);
    r->since = -1;
    http_parser_init(&r->parser, HTTP_REQUEST);
    r->parser.data = r;
}

size_t request_feed(struct request *r, const char *data, size_t len)
{
    static const http_parser_settings settings = {
        .on_url = on_url,
        .on_header_field = on_header_field,
        .on_header_value = on_header_value,
        .on_headers_complete = on_headers_complete,
        .on_body = on_body,
        .on_message_complete = on_message_complete,
    };
    size_t used = http_parser_execute(&r->parser, &settings, data, len);
    enum http_errno error = HTTP_PARSER_ERRNO(&r->parser);
    if (r->status != 0 || error == HPE_OK || error == HPE_PAUSED)
        return used;
    switch (error) {
    case HPE_INVALID_METHOD:
        r->status = 501;
        break;
    case HPE_INVALID_VERSION:
        r->status = 505;
        break;
    case HPE_HEADER_OVERFLOW:
        r->status = 431;
        break;
    default:
        r->status = 400;
    }
    return used;
}

static int hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

int request_path(const struct request *r, char path[REQUEST_URL_MAX + sizeof REQUEST_INDEX], const char **raw, int *raw_len)
{
    struct http_parser_url parts;
    http_parser_url_init(&parts);
    if (http_parser_parse_url(r->url, r->url_len, 0, &parts) != 0)
        return 400;
    const char *from = r->url + parts.field_data[UF_PATH].off, *end = from; /* http://host alone means its root */
    if (parts.field_set & 1 << UF_PATH)
        end += parts.field_data[UF_PATH].len;
    while (from < end && *from == '/')
        from++; /* all of them: a redirect to what begins with two slashes would lead to another host */
    *raw = from;
    *raw_len = (int)(end - from);

    bool begins = true; /* a name does, here */
    for (; from < end; from++) {
        char c = *from;
        if (c == '%') {
            int high = end - from > 2 ? hex(from[1]) : -1, low = high < 0 ? -1 : hex(from[2]);
            if (low < 0 || (high == 0 && low == 0))
                return 400;
            c = (char)(high * 16 + low);
            from += 2;
        }
        if (begins && c == '.')
            return 404; /* hidden, or a way out */
        begins = c == '/';
        *path++ = c;
    }
    strcpy(path, begins ? REQUEST_INDEX : "");
    return 0;
}

int request_range(const struct request *r, int64_t size, int64_t *first, int64_t *len)
{
    const char *s = r->range;
    char *end;
    *first = 0;
    *len = size;
    if (strncasecmp(s, "bytes=", 6) != 0 || r->if_range)
        return 200;
    s += 6;
    if (s[0] == '-' && isdigit((unsigned char)s[1])) { /* the last so many */
        int64_t last = strtoll(s + 1, &end, 10);
        if (*end != '\0')
            return 200;
        *len = last < size ? last : size;
        *first = size - *len;
        return *len > 0 ? 206 : 416;
    }
    if (!isdigit((unsigned char)s[0]))
        return 200;
    int64_t from = strtoll(s, &end, 10), to = INT64_MAX;
    if (*end++ != '-')
        return 200;
    if (isdigit((unsigned char)*end))
        to = strtoll(end, &end, 10);
    if (*end != '\0' || to < from)
        return 200;
    if (from >= size)
        return 416;
    *first = from;
    *len = (to < size ? to : size - 1) - from + 1;
    return 206;
}
