/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See work.h. Outputs are stored as soon as they are encoded, one at a time, so that memory holds
 * one of them and not all. When a later one fails, the earlier ones stay: their names are the same
 * when the job runs again, and until then they do no harm.
 *
 * A size is rendered only when one of its formats is needed, and the source is decoded only when a
 * size is: with `if_absent`, a job whose outputs are all there costs the fetch and their reading.
 */
#include "work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "encode.h"
#include "ladder.h"
#include "sink.h"
#include "thumbhash.h"

#define THUMBHASH_SIDE 100
#define KEPT_MAX_BYTES ((size_t)256 << 20)

struct work {
    const struct work_tools *tools;
    struct quern_job *job;
    struct fault *fault;
    struct request request;
    struct source source;
    struct image image;
    struct ladder ladder;
    struct result result;
    char *paths[RESULT_MAX_OUTPUTS]; /* of outputs[], beneath sink_root */
    bool fast;
};

static double clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int check_formats(const struct work *work)
{
    for (int i = 0; i < work->request.format_count; i++)
        if (!work->tools->can_write[work->request.formats[i]])
            return fault_reject(work->fault, "unsupported",
                                "format \"%s\" cannot be written: this machine's libvips has no "
                                "encoder for it",
                                format_name(work->request.formats[i]));
    return 0;
}

/* Decides every output's path before the first is made, so that a bad sink costs no decode. */
static int plan_outputs(struct work *work)
{
    const struct request *request = &work->request;
    char path[PATH_TEXT_MAX];

    for (int i = 0; i < request->size_count * request->format_count; i++) {
        struct result_output *out = &work->result.outputs[i];
        struct sink_names names = {.key = quern_job_key(work->job),
                                   .sha256 = work->source.sha256,
                                   .name = request->sizes[i / request->format_count].name,
                                   .format = request->formats[i % request->format_count]};
        int err = sink_path(work->tools->settings, request->sink, &names, path, work->fault);

        if (err)
            return err;
        for (int k = 0; k < i; k++)
            if (strcmp(work->paths[k], path) == 0)
                return fault_reject(work->fault, "bad_request",
                                    "\"sink\": two outputs would have the name %s; use {name} and "
                                    "{ext}",
                                    path);
        work->result.output_count = i + 1;
        out->name = names.name;
        out->format = names.format;
        out->url = sink_url(work->tools->settings, path);
        work->paths[i] = strdup(path);
        if (!out->url || !work->paths[i])
            return fault_retry(work->fault, "no_memory", "no memory for the job");
    }
    return 0;
}

/* Takes an output that is there already, if it is what its name says. */
static void keep_output(struct work *work, int i)
{
    struct result_output *out = &work->result.outputs[i];
    struct source file = {0};
    struct image image;
    struct fault ignored;
    void *data;
    size_t len;

    if (sink_load(work->tools->sink_root, work->paths[i], KEPT_MAX_BYTES, &data, &len))
        return;
    file.data = data;
    file.len = len;
    if (!source_sha256(data, len, out->sha256) &&
        !image_probe(&file, work->tools->settings, &image, &ignored) &&
        image.format == out->format) {
        out->w = image.w;
        out->h = image.h;
        out->bytes = len;
        out->kept = true;
        quern_metric_record(work->job, work->tools->kept_total, 1);
    }
    source_done(&file);
}

static int store_output(struct work *work, VipsImage *picture, int i)
{
    struct result_output *out = &work->result.outputs[i];
    const struct work_tools *tools = work->tools;
    double start = clock_ms(), encoded;
    void *data;
    int err = encode(picture, out->format, &work->request, work->fast, work->job, &data,
                     &out->bytes, work->fault);

    if (err)
        return err;
    encoded = clock_ms();
    work->result.encode_ms += encoded - start;
    out->w = picture->Xsize;
    out->h = picture->Ysize;
    if (source_sha256(data, out->bytes, out->sha256))
        err = fault_retry(work->fault, "sink_io", "cannot compute a SHA-256");
    else
        err = sink_store(tools->sink_root, tools->settings, work->paths[i], data, out->bytes,
                         work->fault);
    g_free(data);
    work->result.store_ms += clock_ms() - encoded;
    if (err)
        return err;
    quern_metric_record(work->job, tools->outputs_total, 1);
    quern_metric_record(work->job, tools->output_bytes, (double)out->bytes);
    return 0;
}

static bool size_needed(const struct work *work, int size)
{
    int formats = work->request.format_count;

    for (int i = size * formats; i < (size + 1) * formats; i++)
        if (!work->result.outputs[i].kept)
            return true;
    return false;
}

static int make_size(struct work *work, int size)
{
    int formats = work->request.format_count;
    double start = clock_ms();
    VipsImage *picture;
    int err;

    if (!size_needed(work, size))
        return 0;
    err = ladder_render(&work->ladder, size, &picture, work->fault);
    work->result.decode_ms += clock_ms() - start;
    if (err)
        return err;
    for (int i = size * formats; i < (size + 1) * formats && !err; i++)
        if (!work->result.outputs[i].kept)
            err = store_output(work, picture, i);
    g_object_unref(picture);
    return err;
}

static int make_placeholder(struct work *work)
{
    uint8_t hash[THUMBHASH_MAX];
    VipsImage *small = NULL, *rgba = NULL;
    void *pixels = NULL;
    size_t bytes;
    int failed;

    failed = vips_thumbnail_image(work->ladder.base, &small, THUMBHASH_SIDE, "height",
                                  THUMBHASH_SIDE, "size", VIPS_SIZE_DOWN, NULL);
    if (!failed && vips_image_hasalpha(small))
        rgba = g_object_ref(small);
    else if (!failed)
        failed = vips_addalpha(small, &rgba, NULL);
    if (!failed)
        pixels = vips_image_write_to_memory(rgba, &bytes);
    if (pixels && bytes == (size_t)rgba->Xsize * (size_t)rgba->Ysize * 4) {
        size_t len = thumbhash(rgba->Xsize, rgba->Ysize, pixels, hash);

        EVP_EncodeBlock((unsigned char *)work->result.placeholder, hash, (int)len);
    } else {
        failed = 1;
    }
    g_free(pixels);
    VIPS_UNREF(rgba);
    VIPS_UNREF(small);
    return failed ? image_fault("cannot make the placeholder", work->job, work->fault) : 0;
}

static int make_outputs(struct work *work)
{
    bool needed = work->request.thumbhash;
    double start = clock_ms();
    int err = 0;

    for (int i = 0; i < work->result.output_count && work->request.if_absent; i++)
        keep_output(work, i);
    for (int i = 0; i < work->request.size_count; i++)
        needed = needed || size_needed(work, i);
    work->result.store_ms += clock_ms() - start;
    if (!needed)
        return 0;
    start = clock_ms();
    if (work->request.strict)
        err = image_check_strict(&work->image, work->job, work->fault);
    if (!err)
        err = ladder_init(&work->ladder, &work->image, &work->request, work->fast, work->job,
                          work->fault);
    work->result.decode_ms += clock_ms() - start;
    for (int i = 0; i < work->request.size_count && !err; i++)
        err = make_size(work, work->ladder.order[i]);
    if (!err && work->request.thumbhash)
        err = make_placeholder(work);
    return err;
}

static int fetch_source(struct work *work)
{
    const struct work_tools *tools = work->tools;
    const char *url = work->request.source;
    double start = clock_ms();
    int err;

    if (strncasecmp(url, "file:", 5) == 0)
        err =
            source_file_read(tools->source_root, tools->settings, url, &work->source, work->fault);
    else
        err = source_http_fetch(tools->http, work->job, url, &work->source, work->fault);
    work->result.fetch_ms = clock_ms() - start;
    quern_metric_record(work->job, tools->fetch_seconds, work->result.fetch_ms / 1e3);
    return err;
}

/* Only of jobs that went through: the times of failed ones are the failures', not the work's. */
static void record_metrics(const struct work *work)
{
    const struct work_tools *tools = work->tools;
    struct quern_job *job = work->job;

    quern_metric_record(job, tools->images_total, 1);
    quern_metric_record(job, tools->source_bytes, (double)work->source.len);
    quern_metric_record(job, tools->source_pixels, (double)work->image.w * work->image.h);
    quern_metric_record(job, tools->decode_seconds, work->result.decode_ms / 1e3);
    quern_metric_record(job, tools->encode_seconds, work->result.encode_ms / 1e3);
    quern_metric_record(job, tools->store_seconds, work->result.store_ms / 1e3);
}

static int run(struct work *work, char **ret_json)
{
    const struct settings *settings = work->tools->settings;
    int err;

    if ((err = request_parse(quern_job_value(work->job), settings, &work->request, work->fault)) ||
        (err = check_formats(work)) || (err = fetch_source(work)) || (err = plan_outputs(work)) ||
        (err = image_probe(&work->source, settings, &work->image, work->fault)) ||
        (err = make_outputs(work)))
        return err;
    work->result.image = &work->image;
    *ret_json = result_to_json(&work->result);
    if (!*ret_json)
        return fault_retry(work->fault, "no_memory", "no memory for the result");
    record_metrics(work);
    return 0;
}

int work_run(const struct work_tools *tools, struct quern_job *job, char **ret_json,
             struct fault *fault)
{
    struct work *work = calloc(1, sizeof *work);
    int err;

    if (!work)
        return fault_retry(fault, "no_memory", "no memory for the job");
    work->tools = tools;
    work->job = job;
    work->fault = fault;
    work->fast = strcmp(tools->settings->quality_mode, "fast") == 0;
    err = run(work, ret_json);
    ladder_done(&work->ladder);
    for (int i = 0; i < RESULT_MAX_OUTPUTS; i++)
        free(work->paths[i]);
    result_done(&work->result);
    source_done(&work->source);
    request_done(&work->request);
    free(work);
    return err;
}
