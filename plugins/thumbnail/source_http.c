/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetches a picture over http or https.
 *
 * Threats and their answers: a URL into the private network (the address is judged in
 * CURLOPT_OPENSOCKETFUNCTION, after the lookup, for every connection of every redirect; no proxy,
 * or the proxy's address would be judged instead); a redirect to another scheme (protocol lists); a
 * body without end (bytes are counted as they arrive: CURLOPT_MAXFILESIZE knows only
 * Content-Length, and no Accept-Encoding is sent, so nothing unpacks); a server that drips
 * (low-speed limit, and a total limit that never passes the job's deadline).
 *
 * Texts show a URL without its query, fragment and user: those may hold secrets.
 *
 * The easy handle is kept between jobs for its connections. What a connection was judged by does
 * not change while the worker lives, so a reused one needs no second look.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "address.h"
#include "source.h"

#define URL_MAX   2048
#define HOST_MAX  255
#define MARGIN_MS 250 /* kept of the deadline, to give the job back in good order */

struct source_http {
    CURL *easy;
    const struct settings *settings;
    /* of the transfer in progress */
    struct quern_job *job;
    struct source *body;
    size_t capacity;
    bool too_large, no_memory, cancelled;
    int socket_error;        /* errno of a socket() that failed */
    char denied[64];         /* the address that was refused; "": none was */
    char shown[URL_MAX + 1]; /* the URL as texts show it */
};

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct source_http *http = data;
    const void *ip = address->family == AF_INET6
                         ? (const void *)&((struct sockaddr_in6 *)(void *)&address->addr)->sin6_addr
                         : (const void *)&((struct sockaddr_in *)(void *)&address->addr)->sin_addr;
    curl_socket_t fd;

    (void)purpose;
    if (!http->settings->allow_private && !address_is_public(&address->addr)) {
        if ((address->family != AF_INET && address->family != AF_INET6) ||
            !inet_ntop(address->family, ip, http->denied, sizeof http->denied))
            snprintf(http->denied, sizeof http->denied, "address family %d", address->family);
        return CURL_SOCKET_BAD;
    }
    fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        http->socket_error = errno;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static size_t take_bytes(char *bytes, size_t one, size_t count, void *data)
{
    struct source_http *http = data;
    struct source *body = http->body;
    size_t limit = (size_t)http->settings->max_source_bytes;

    (void)one;
    if (count > limit - body->len) {
        http->too_large = true;
        return 0;
    }
    if (body->len + count > http->capacity) {
        size_t capacity = http->capacity ? http->capacity * 2 : 65536;
        uint8_t *grown;

        while (capacity < body->len + count)
            capacity *= 2;
        grown = realloc(body->data, capacity);
        if (!grown) {
            http->no_memory = true;
            return 0;
        }
        body->data = grown;
        http->capacity = capacity;
    }
    memcpy(body->data + body->len, bytes, count);
    body->len += count;
    return count;
}

static int watch(void *data, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up)
{
    struct source_http *http = data;

    (void)total, (void)now, (void)up_total, (void)up;
    if (quern_job_cancelled(http->job))
        http->cancelled = true;
    return http->cancelled;
}

static bool set_fixed_options(struct source_http *http)
{
    const struct settings *s = http->settings;
    CURLcode rc = CURLE_OK;

#define SET(option, value) rc = rc ? rc : curl_easy_setopt(http->easy, option, value)
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 1L);
    SET(CURLOPT_MAXREDIRS, 5L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_USERAGENT, "quern-thumbnail/1");
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)s->connect_timeout);
    SET(CURLOPT_LOW_SPEED_LIMIT, (long)s->low_speed_bytes);
    SET(CURLOPT_LOW_SPEED_TIME, (long)((s->low_speed_time + 999) / 1000));
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)s->max_source_bytes);
    SET(CURLOPT_BUFFERSIZE, 65536L);
    SET(CURLOPT_MAXCONNECTS, 8L);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, http);
    SET(CURLOPT_WRITEFUNCTION, take_bytes);
    SET(CURLOPT_WRITEDATA, http);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, watch);
    SET(CURLOPT_XFERINFODATA, http);
#undef SET
    return rc == CURLE_OK;
}

struct source_http *source_http_new(const struct settings *settings)
{
    struct source_http *http = calloc(1, sizeof *http);

    if (!http)
        return NULL;
    http->settings = settings;
    http->easy = curl_easy_init();
    if (!http->easy || !set_fixed_options(http)) {
        source_http_free(http);
        return NULL;
    }
    return http;
}

void source_http_free(struct source_http *http)
{
    if (!http)
        return;
    if (http->easy)
        curl_easy_cleanup(http->easy);
    free(http);
}

/* Is the URL one that we give to curl? Fills http->shown. */
static int check_url(struct source_http *http, const char *url, struct fault *fault)
{
    CURLU *parts = curl_url();
    char *host = NULL, *user = NULL, *shown = NULL;
    CURLUcode rc;
    int err = 0;

    if (!parts)
        return fault_retry(fault, "no_memory", "no memory for the URL");
    rc = curl_url_set(parts, CURLUPART_URL, url, 0);
    if (strlen(url) > URL_MAX)
        err = fault_reject(fault, "bad_request", "\"source\" is longer than %d bytes", URL_MAX);
    else if (rc == CURLUE_OUT_OF_MEMORY)
        err = fault_retry(fault, "no_memory", "no memory for the URL");
    else if (rc || curl_url_get(parts, CURLUPART_HOST, &host, 0))
        err = fault_reject(fault, "bad_request", "\"source\" is not a valid URL");
    else if (strlen(host) > HOST_MAX)
        err = fault_reject(fault, "bad_request", "\"source\": a host name of more than %d bytes",
                           HOST_MAX);
    else if (!curl_url_get(parts, CURLUPART_USER, &user, 0))
        err = fault_reject(fault, "bad_request", "\"source\" must not hold a user or password");
    else if (curl_url_set(parts, CURLUPART_QUERY, NULL, 0) ||
             curl_url_set(parts, CURLUPART_FRAGMENT, NULL, 0) ||
             curl_url_get(parts, CURLUPART_URL, &shown, 0))
        err = fault_retry(fault, "no_memory", "no memory for the URL");
    else
        snprintf(http->shown, sizeof http->shown, "%s", shown);
    curl_free(host);
    curl_free(user);
    curl_free(shown);
    curl_url_cleanup(parts);
    return err;
}

static int status_fault(struct source_http *http, long status, struct fault *fault)
{
    curl_off_t wait_s = 0;

    if (status == 408 || status == 425 || status == 429 || status >= 500) {
        curl_easy_getinfo(http->easy, CURLINFO_RETRY_AFTER, &wait_s);
        fault_retry(fault, status == 429 ? "throttled" : "http_status", "%s answered %ld",
                    http->shown, status);
        if (wait_s > 0)
            fault->retry_after_ms = wait_s < 604800 ? (int64_t)wait_s * 1000 : 604800000;
        return -EAGAIN;
    }
    if (status == 404 || status == 410)
        return fault_reject(fault, "not_found", "%s answered %ld", http->shown, status);
    return fault_reject(fault, "http_status", "%s answered %ld", http->shown, status);
}

static int connect_fault(struct source_http *http, struct fault *fault)
{
    if (http->denied[0])
        return fault_reject(fault, "forbidden_address",
                            "%s leads to %s, which is not a public address (allow_private is off)",
                            http->shown, http->denied);
    if (http->socket_error == EPERM || http->socket_error == EACCES)
        return fault_retry(fault, "network_denied",
                           "this worker may not open sockets: grant it the network");
    return fault_retry(fault, "fetch_failed", "cannot connect to %s", http->shown);
}

/* curl's answer in our terms. Whatever is not known to be for ever may be for now. */
static int transfer_fault(struct source_http *http, CURLcode rc, struct fault *fault)
{
    if (http->cancelled)
        return fault_retry(fault, "cancelled", "the job was called back while fetching %s",
                           http->shown);
    if (http->no_memory || rc == CURLE_OUT_OF_MEMORY)
        return fault_retry(fault, "no_memory", "no memory for %s", http->shown);
    if (http->too_large || rc == CURLE_FILESIZE_EXCEEDED)
        return fault_reject(fault, "too_large", "%s has more than max_source_bytes %lld bytes",
                            http->shown, (long long)http->settings->max_source_bytes);
    switch ((int)rc) {
    case CURLE_COULDNT_CONNECT:
        return connect_fault(http, fault);
    case CURLE_TOO_MANY_REDIRECTS:
        return fault_reject(fault, "bad_redirect", "%s redirects more than 5 times", http->shown);
    case CURLE_UNSUPPORTED_PROTOCOL:
        return fault_reject(fault, "bad_redirect", "%s redirects to something other than http(s)",
                            http->shown);
    case CURLE_URL_MALFORMAT:
        return fault_reject(fault, "bad_redirect", "%s redirects to something that is not a URL",
                            http->shown);
    case CURLE_OPERATION_TIMEDOUT:
        return fault_retry(fault, "timeout", "%s is too slow", http->shown);
    default:
        return fault_retry(fault, "fetch_failed", "cannot fetch %s: %s", http->shown,
                           curl_easy_strerror(rc));
    }
}

static int set_transfer_options(struct source_http *http, const char *url, struct fault *fault)
{
    int64_t limit = http->settings->fetch_timeout;
    int64_t remaining = quern_job_remaining_ms(http->job);

    if (remaining <= MARGIN_MS)
        return fault_retry(fault, "timeout", "no time left to fetch %s", http->shown);
    if (limit > remaining - MARGIN_MS)
        limit = remaining - MARGIN_MS;
    if (curl_easy_setopt(http->easy, CURLOPT_URL, url) ||
        curl_easy_setopt(http->easy, CURLOPT_TIMEOUT_MS, (long)limit))
        return fault_retry(fault, "no_memory", "no memory for the URL");
    return 0;
}

static int fetch(struct source_http *http, const char *url, struct fault *fault)
{
    struct source *body = http->body;
    long status = 0;
    CURLcode rc;
    int err = check_url(http, url, fault);

    if (!err)
        err = set_transfer_options(http, url, fault);
    if (err)
        return err;
    rc = curl_easy_perform(http->easy);
    curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
    /* The body of an error page may be over the limit or cut short: its status says more. */
    if (status >= 400 && !http->cancelled)
        return status_fault(http, status, fault);
    if (rc != CURLE_OK)
        return transfer_fault(http, rc, fault);
    if (status != 200)
        return status_fault(http, status, fault);
    if (body->len == 0)
        return fault_reject(fault, "bad_image", "%s is empty", http->shown);
    if (source_sha256(body->data, body->len, body->sha256))
        return fault_retry(fault, "source_io", "cannot compute the SHA-256 of %s", http->shown);
    return 0;
}

int source_http_fetch(struct source_http *http, struct quern_job *job, const char *url,
                      struct source *ret, struct fault *fault)
{
    int err;

    memset(ret, 0, sizeof *ret);
    http->job = job;
    http->body = ret;
    http->capacity = 0;
    http->too_large = http->no_memory = http->cancelled = false;
    http->socket_error = 0;
    http->denied[0] = '\0';
    http->shown[0] = '\0';
    err = fetch(http, url, fault);
    http->job = NULL;
    http->body = NULL;
    if (err)
        source_done(ret);
    return err;
}
