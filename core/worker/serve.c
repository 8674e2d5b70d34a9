/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "worker/crash.h"
#include "worker/host.h"
#include "worker/plugin_file.h"
#include "worker/sandbox.h"

/* A verdict is visible at once; the core is woken for it at the end of a batch, or after this long, so
 * that a core that sleeps is not woken for each of many short jobs. */
#define WAKE_AFTER_NS (200 * NS_PER_US)

struct worker {
    struct channel channel;
    struct ring_reader jobs;
    struct ring_writer results;
    struct spec spec;
    struct plugin_file file;
    struct options options;
    struct host host;
    void *self;
    bool wake_owed;
    int64_t last_wake_ns;
};

static struct worker worker; /* one a process */

__attribute__((format(printf, 1, 2))) static int give_up(const char *format, ...)
{
    char text[1500];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    host_say(0, QUERN_LOG_ERROR, text, len < 0 ? 0 : strnlen(text, sizeof text));
    return EX_SOFTWARE;
}

/* ---- Sleeping and waking ---- */

static void wake_core(struct worker *w)
{
    uint64_t one = 1;

    w->wake_owed = false;
    w->last_wake_ns = clock_now_ns();
    (void)!write(CHANNEL_FD_RESULTS, &one, sizeof one);
}

static void publish(struct worker *w)
{
    w->wake_owed |= ring_publish(&w->results);
}

static void sleep_until_woken(void)
{
    uint64_t count;

    while (read(CHANNEL_FD_JOBS, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

/* The core wakes us through the same eventfd when it has made room. */
static void wait_for_room(struct host *h, size_t len)
{
    (void)h;
    publish(&worker);
    if (worker.wake_owed)
        wake_core(&worker);
    if (ring_wait_for_room(&worker.results, len))
        sleep_until_woken();
}

static void wait_for_jobs(struct worker *w)
{
    host_send_metrics(&w->host);
    publish(w);
    atomic_store_explicit(&w->channel.control->current, 0, memory_order_release);
    if (w->wake_owed)
        wake_core(w);
    (void)!ring_release(&w->jobs); /* the core never sleeps for room: results tell it */
    if (ring_wait_for_record(&w->jobs))
        sleep_until_woken();
}

/* ---- Jobs ---- */

static void run_job(struct worker *w, const struct wire_job *head, const char *body)
{
    struct quern_header headers[WIRE_HEADERS_MAX];
    int32_t verdict;

    host_begin_job(&w->host, head, body, headers);
    atomic_store_explicit(&w->channel.control->current, head->serial, memory_order_release);
    verdict = w->file.plugin.handle(w->self, &w->host.job);
    host_end_job(&w->host, verdict, CHANNEL_FD_PASS);
    publish(w);
    if (w->wake_owed && w->host.started_ns + w->host.result.run_ns - w->last_wake_ns > WAKE_AFTER_NS)
        wake_core(w);
}

static int run_passed_job(struct worker *w, const struct wire_job *head)
{
    int fd = fd_receive(CHANNEL_FD_PASS);
    const void *body;
    int err;

    if (fd < 0)
        return fd;
    err = sealed_map(fd, (size_t)head->body_len, &body);
    close(fd);
    if (err)
        return err;
    run_job(w, head, body);
    munmap((void *)body, (size_t)head->body_len);
    return 0;
}

/* One record of the job ring. 1: told to stop. */
static int take_record(struct worker *w, uint32_t kind, const char *data)
{
    struct wire_job head;

    switch (kind) {
    case WIRE_JOB:
        memcpy(&head, data, sizeof head);
        run_job(w, &head, data + sizeof head);
        return 0;
    case WIRE_JOB_FD:
        memcpy(&head, data, sizeof head);
        return run_passed_job(w, &head);
    case WIRE_STOP:
        return 1;
    default:
        return -EPROTO;
    }
}

static int work(struct worker *w)
{
    for (;;) {
        const void *data;
        uint32_t kind;
        size_t len;
        int rc = ring_next(&w->jobs, &kind, &data, &len);

        if (rc == 0) {
            wait_for_jobs(w);
            continue;
        }
        if (rc > 0)
            rc = take_record(w, kind, data);
        if (rc < 0)
            return give_up("the channel to the core is broken: %s", strerror(-rc));
        if (rc > 0)
            return EXIT_SUCCESS;
        if (w->jobs.tail - w->jobs.released > w->jobs.size / 8)
            (void)!ring_release(&w->jobs);
    }
}

/* ---- Life ---- */

static int read_spec(struct spec *spec)
{
    struct stat st;
    void *p;

    if (fstat(CHANNEL_FD_SPEC, &st) != 0 || st.st_size <= 0)
        return -EPROTO;
    p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, CHANNEL_FD_SPEC, 0);
    if (p == MAP_FAILED)
        return -errno;
    close(CHANNEL_FD_SPEC);
    *spec = (struct spec){p, (size_t)st.st_size};
    return 0;
}

static int open_plugin(struct worker *w, const char *path)
{
    const struct quern_plugin *p = &w->file.plugin;
    struct buf error = BUF_INIT;
    char text[512];
    int err = plugin_file_open(path, &w->file, &error);

    if (err)
        return give_up("%s", buf_text(&error));
    crash_note_modules();
    if (plugin_file_settings(&w->file, &w->spec, &w->options, text, sizeof text) != 0)
        return give_up("settings of the plugin %s: %s", p->name, text);
    w->self = w->options.settings;
    err = p->open ? p->open(&w->host.context, w->options.settings, &w->self) : 0;
    if (err)
        return give_up("the plugin %s could not start: %s", p->name,
                       w->host.open_error[0] ? w->host.open_error : strerror(err < 0 ? -err : err));
    crash_note_modules();
    return EXIT_SUCCESS;
}

static int start(struct worker *w)
{
    const char *plugin = spec_get(&w->spec, "plugin");
    char error[512];
    void *at;
    int code;

    if (!plugin)
        return give_up("the spec names no plugin");
    ring_reader_init(&w->jobs, &w->channel.control->jobs, w->channel.job_data,
                     w->channel.control->ring_bytes);
    ring_writer_init(&w->results, &w->channel.control->results, w->channel.result_data,
                     w->channel.control->ring_bytes);
    host_init(&w->host, &w->spec, w->channel.control, &w->results);
    w->host.wait_for_room = wait_for_room;
    crash_watch(&w->channel.control->crash);
    crash_note_modules();
    if (sandbox_enter(&w->spec, plugin, error, sizeof error) != 0)
        return give_up("%s", error);
    code = open_plugin(w, plugin);
    if (code != EXIT_SUCCESS)
        return code;
    if (ring_reserve(&w->results, WIRE_READY, 0, &at) != 0)
        return give_up("the result ring is full before it began");
    publish(w);
    wake_core(w);
    return EXIT_SUCCESS;
}

int serve(void)
{
    struct worker *w = &worker;
    int err = read_spec(&w->spec);
    int code;

    if (err)
        return give_up("the spec cannot be read: %s", strerror(-err));
    sandbox_tie_to_parent(spec_int(&w->spec, "parent"));
    (void)fcntl(CHANNEL_FD_PASS, F_SETFL, 0); /* blocking: it has nothing else to do */
    err = channel_open(&w->channel, CHANNEL_FD_MEMORY);
    if (err)
        return give_up("the channel cannot be opened: %s (quern and quern-worker of one build?)",
                       strerror(-err));
    code = start(w);
    if (code == EXIT_SUCCESS)
        code = work(w);
    if (code == EXIT_SUCCESS && w->file.plugin.close)
        w->file.plugin.close(w->self);
    /* Not exit(): libraries' atexit handlers have crashed before, and nothing is left to be saved. */
    _exit(code);
}
