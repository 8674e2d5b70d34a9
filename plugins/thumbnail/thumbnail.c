/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thumbnail: a picture in (a file or a URL), several sizes and formats out (files), one event that
 * says what was made. README.md has the job's schema, the settings and every code.
 *
 * This file is what the engine sees: the table of settings, the start and the end of a worker, and
 * the translation of a fault into a verdict. The work itself is in work.c and below:
 *
 *   request     the job's JSON                 fit      sides and crops, as numbers
 *   source_*    the bytes of the picture       ladder   decode once, scale down step by step
 *   address     who may be connected to        encode   pixels to bytes
 *   path        which files may be touched     sink     bytes to files
 *   image       header, limits, cancelling     result   the event
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <quern/plugin.h>

#include "path.h"
#include "work.h"

static const struct quern_option options[] = {
    QUERN_STRING(struct settings, source_root, "",
                 "Directory that file:// sources must lie beneath; empty: file:// is refused."),
    QUERN_STRING_REQUIRED(struct settings, sink_root,
                          "Directory that thumbnails are written beneath."),
    QUERN_LIST(struct settings, formats_allowed, "jpeg,png,webp,avif",
               "Output formats that jobs may ask for: jpeg, png, webp, avif."),
    QUERN_CHOICE(struct settings, quality_mode, "balanced", "fast|balanced",
                 "fast: less CPU time, a little less sharp, larger files."),
    QUERN_CHOICE(struct settings, durability, "full", "none|file|full",
                 "What is on disk before a job settles: nothing, the bytes, the directory too."),
    QUERN_CHOICE(struct settings, frames_over, "first", "first|reject",
                 "A source of more than max_frames frames: take its first, or refuse it."),
    QUERN_SIZE(struct settings, max_source_bytes, "64MiB", 1, INT64_C(1) << 30, "Largest source."),
    QUERN_INT(struct settings, max_pixels, "50000000", 1, 1000000000,
              "Most pixels (width times height) of a source."),
    QUERN_INT(struct settings, max_side, "20000", 1, 65535, "Longest side of a source, pixels."),
    QUERN_INT(struct settings, max_output_side, "4096", 1, 16383,
              "Longest side that a job may ask for, pixels."),
    QUERN_INT(struct settings, max_frames, "1", 1, 1000000,
              "Most frames of a source; frames_over says what happens above."),
    QUERN_DURATION(struct settings, connect_timeout, "5s", 1, 600000,
                   "Longest wait for a connection."),
    QUERN_DURATION(struct settings, fetch_timeout, "15s", 1, 3600000,
                   "Longest fetch; the job's deadline cuts it shorter."),
    QUERN_DURATION(struct settings, low_speed_time, "10s", 1000, 600000,
                   "A fetch slower than low_speed_bytes for this long is given up."),
    QUERN_SIZE(struct settings, low_speed_bytes, "1KiB", 1, INT64_C(1) << 30,
               "Bytes a second below which a fetch is too slow."),
    QUERN_BOOL(struct settings, allow_private, "false",
               "Allow URLs that lead to private, loopback and other non-public addresses."),
    QUERN_OPTIONS_END,
};

static int32_t thumbnail_check(const struct quern_context *ctx, const void *data)
{
    const struct settings *settings = data;

    if (settings->source_root[0] && settings->source_root[0] != '/')
        return quern_open_error(ctx, -EINVAL, "source_root is not an absolute path");
    if (settings->sink_root[0] != '/')
        return quern_open_error(ctx, -EINVAL, "sink_root is not an absolute path");
    if (!settings->formats_allowed[0])
        return quern_open_error(ctx, -EINVAL, "formats_allowed is empty");
    for (int i = 0; settings->formats_allowed[i]; i++)
        if (format_output(settings->formats_allowed[i]) == FORMAT_UNKNOWN)
            return quern_open_error(ctx, -EINVAL,
                                    "formats_allowed: \"%s\" is not jpeg, png, webp or avif",
                                    settings->formats_allowed[i]);
    return 0;
}

/* Opens a root, and tries the kernel's openat2 on it: without it nothing here is safe. */
static int open_root(const struct quern_context *ctx, const char *name, const char *path,
                     int *ret_fd)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), probe;

    if (fd < 0)
        return quern_open_error(ctx, -errno, "%s: cannot open the directory %s: %s", name, path,
                                strerror(errno));
    probe = path_open_beneath(fd, "", O_PATH | O_DIRECTORY);
    if (probe < 0) {
        close(fd);
        return quern_open_error(ctx, probe, "%s: openat2 on %s: %s (Linux 5.6 or newer is needed)",
                                name, path, strerror(-probe));
    }
    close(probe);
    *ret_fd = fd;
    return 0;
}

static void make_metrics(const struct quern_context *ctx, struct work_tools *tools)
{
    const struct {
        int32_t kind;
        const char *name, *help;
        uint32_t *metric;
    } metrics[] = {
        {QUERN_METRIC_COUNTER, "images_total", "Jobs done.", &tools->images_total},
        {QUERN_METRIC_COUNTER, "outputs_total", "Thumbnails written.", &tools->outputs_total},
        {QUERN_METRIC_COUNTER, "kept_total", "Thumbnails found in place (if_absent).",
         &tools->kept_total},
        {QUERN_METRIC_HISTOGRAM, "source_bytes", "Bytes of a source.", &tools->source_bytes},
        {QUERN_METRIC_HISTOGRAM, "source_pixels", "Pixels of a source.", &tools->source_pixels},
        {QUERN_METRIC_HISTOGRAM, "output_bytes", "Bytes of a thumbnail.", &tools->output_bytes},
        {QUERN_METRIC_HISTOGRAM, "fetch_seconds", "Time to read or fetch a source.",
         &tools->fetch_seconds},
        {QUERN_METRIC_HISTOGRAM, "decode_seconds", "Time to decode and scale, a job.",
         &tools->decode_seconds},
        {QUERN_METRIC_HISTOGRAM, "encode_seconds", "Time to encode, a job.",
         &tools->encode_seconds},
        {QUERN_METRIC_HISTOGRAM, "store_seconds", "Time to write, a job.", &tools->store_seconds},
    };

    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++)
        if (quern_metric(ctx, metrics[i].kind, metrics[i].name, metrics[i].help, metrics[i].metric))
            quern_log(ctx, QUERN_LOG_WARN, "no metric %s", metrics[i].name);
}

static void find_encoders(const struct quern_context *ctx, struct work_tools *tools)
{
    for (int i = 0; tools->settings->formats_allowed[i]; i++) {
        const char *name = tools->settings->formats_allowed[i];
        enum format format = format_output(name);

        tools->can_write[format] = image_can_write(format);
        if (!tools->can_write[format])
            quern_log(ctx, QUERN_LOG_WARN,
                      "libvips has no %s encoder here: jobs that ask for it are rejected", name);
    }
}

static void thumbnail_close(void *self)
{
    struct work_tools *tools = self;

    source_http_free(tools->http);
    if (tools->source_root >= 0)
        close(tools->source_root);
    if (tools->sink_root >= 0)
        close(tools->sink_root);
    free(tools);
}

static int32_t thumbnail_open(const struct quern_context *ctx, const void *data, void **ret_self)
{
    const struct settings *settings = data;
    struct work_tools *tools = calloc(1, sizeof *tools);
    int err = 0;

    if (!tools)
        return quern_open_error(ctx, -ENOMEM, "no memory");
    tools->settings = settings;
    tools->source_root = tools->sink_root = -1;
    if (settings->source_root[0])
        err = open_root(ctx, "source_root", settings->source_root, &tools->source_root);
    if (!err)
        err = open_root(ctx, "sink_root", settings->sink_root, &tools->sink_root);
    if (!err && image_start())
        err = quern_open_error(ctx, -ENOTSUP, "cannot start libvips: %s", vips_error_buffer());
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to connections that the server has closed */
    if (!err && curl_global_init(CURL_GLOBAL_DEFAULT))
        err = quern_open_error(ctx, -ENOTSUP, "cannot start libcurl");
    if (!err && !(tools->http = source_http_new(settings)))
        err = quern_open_error(ctx, -ENOTSUP, "cannot set up libcurl: too old?");
    if (err) {
        thumbnail_close(tools);
        return err;
    }
    make_metrics(ctx, tools);
    find_encoders(ctx, tools);
    *ret_self = tools;
    return 0;
}

static int32_t fault_verdict(struct quern_job *job, const struct fault *fault)
{
    if (fault->kind == FAULT_REJECT)
        return quern_reject(job, fault->code, "%s", fault->text);
    if (fault->retry_after_ms > 0)
        quern_retry_after(job, fault->retry_after_ms);
    return quern_retry(job, fault->code, "%s", fault->text);
}

static int32_t thumbnail_handle(void *self, struct quern_job *job)
{
    struct fault fault = {0};
    char *json = NULL;
    int err = work_run(self, job, &json, &fault);

    if (err)
        return fault_verdict(job, &fault);
    err = quern_emit(job, "done", quern_job_key(job), quern_text(json));
    free(json);
    if (err == -ENOENT) /* nobody asked for the event: the files are the result */
        return QUERN_OK;
    if (err == -E2BIG)
        return quern_reject(job, "too_large", "the result event is larger than max_emit");
    return err ? quern_retry(job, "emit", "cannot stage the result: %s", strerror(-err)) : QUERN_OK;
}

QUERN_PLUGIN(thumbnail, "1.0.0", "Makes thumbnails of pictures, in several sizes and formats.",
             .needs = QUERN_NEEDS_FILES | QUERN_NEEDS_NETWORK, .options = options,
             .settings_size = sizeof(struct settings), .check = thumbnail_check,
             .open = thumbnail_open, .handle = thumbnail_handle, .close = thumbnail_close);
