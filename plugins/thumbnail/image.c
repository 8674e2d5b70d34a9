/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See image.h. Decoders are where pictures from strangers do their harm, so:
 *  - the loader is allowed by the picture's first bytes and by name; every other one, those that
 *    libvips calls untrusted first of all (SVG, PDF, ImageMagick), is blocked in libvips itself;
 *  - sides and pages are read from the header, which takes milliseconds at any size, and judged
 *    before anything is decoded: a few kilobytes of PNG can promise 900 megapixels;
 *  - libvips 8.14 prints thousands of warnings for one broken PNG: they are dropped, the error that
 *    follows says enough.
 *
 * vips_shutdown() is never called: starting libvips again in the same process crashes. For the same
 * reason the plugin is linked with -z nodelete.
 */
#include "image.h"

#include <errno.h>
#include <string.h>

static void drop_log(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer data)
{
    (void)domain, (void)level, (void)text, (void)data;
}

static void allow_loaders(void)
{
    static const char *const allowed[] = {"VipsForeignLoadJpeg", "VipsForeignLoadPng",
                                          "VipsForeignLoadWebp", "VipsForeignLoadNsgif",
                                          "VipsForeignLoadHeif", "VipsForeignLoadTiff"};

    vips_block_untrusted_set(TRUE);
    vips_operation_block_set("VipsForeignLoad", TRUE);
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        vips_operation_block_set(allowed[i], FALSE);
}

int image_start(void)
{
    if (vips_init("quern-thumbnail"))
        return -ENOTSUP;
    g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_INFO, drop_log, NULL);
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    allow_loaders();
    return 0;
}

bool image_can_write(enum format format)
{
    VipsImage *black = NULL;
    char suffix[16];
    void *out = NULL;
    size_t len = 0;
    bool ok;

    snprintf(suffix, sizeof suffix, ".%s", format_ext(format));
    ok = !vips_black(&black, 16, 16, "bands", 3, NULL) &&
         !vips_image_write_to_buffer(black, suffix, &out, &len, NULL) &&
         format_sniff(out, len) == format;
    if (black)
        g_object_unref(black);
    g_free(out);
    vips_error_clear();
    return ok;
}

int image_fault(const char *what, struct quern_job *job, struct fault *fault)
{
    char text[256];
    char *end;

    snprintf(text, sizeof text, "%s", vips_error_buffer());
    vips_error_clear();
    end = strchr(text, '\n');
    if (end)
        *end = '\0';
    if (quern_job_cancelled(job))
        return fault_retry(fault, "cancelled", "the job was called back: %s", what);
    if (strcasestr(text, "out of memory") || strcasestr(text, "insufficient memory") ||
        strcasestr(text, "malloc") || strcasestr(text, "allocate"))
        return fault_retry(fault, "no_memory", "%s: %s", what, text);
    return fault_reject(fault, "bad_image", "%s: %s", what, *text ? text : "damaged");
}

/* Not a picture that we take. */
static int refuse_format(const struct source *source, struct fault *fault)
{
    const char *name = format_refused_name(source->data, source->len);

    if (name)
        return fault_reject(fault, "unsupported",
                            "the source is %s; JPEG, PNG, WebP, GIF, AVIF, HEIC, TIFF are taken",
                            name);
    return fault_reject(fault, "bad_image", "the source is not a picture of a known type");
}

static int check_limits(const struct image *image, const struct settings *settings,
                        struct fault *fault)
{
    if ((int64_t)image->w * image->h > settings->max_pixels)
        return fault_reject(fault, "too_large", "%d x %d pixels, more than max_pixels %lld",
                            image->w, image->h, (long long)settings->max_pixels);
    if (image->w > settings->max_side || image->h > settings->max_side)
        return fault_reject(fault, "too_large", "%d x %d pixels: a side over max_side %lld",
                            image->w, image->h, (long long)settings->max_side);
    if (image->pages > settings->max_frames && strcmp(settings->frames_over, "reject") == 0)
        return fault_reject(fault, "too_large", "%d frames, more than max_frames %lld",
                            image->pages, (long long)settings->max_frames);
    return 0;
}

int image_probe(const struct source *source, const struct settings *settings, struct image *ret,
                struct fault *fault)
{
    VipsImage *header;

    memset(ret, 0, sizeof *ret);
    ret->source = source;
    ret->format = format_sniff(source->data, source->len);
    if (ret->format == FORMAT_UNKNOWN)
        return refuse_format(source, fault);
    vips_error_clear();
    header = vips_image_new_from_buffer(source->data, source->len, "", "access",
                                        VIPS_ACCESS_SEQUENTIAL, NULL);
    if (!header) {
        char text[128];

        snprintf(text, sizeof text, "%.*s", (int)strcspn(vips_error_buffer(), "\n"),
                 vips_error_buffer());
        vips_error_clear();
        return fault_reject(fault, "bad_image", "cannot read the %s header: %s",
                            format_name(ret->format), text);
    }
    ret->w = vips_image_get_width(header);
    ret->h = vips_image_get_height(header);
    ret->orientation = vips_image_get_orientation(header);
    ret->pages = vips_image_get_n_pages(header);
    ret->icc = vips_image_get_typeof(header, VIPS_META_ICC_NAME) != 0;
    g_object_unref(header);
    return check_limits(ret, settings, fault);
}

int image_seen_w(const struct image *image)
{
    return image->orientation >= 5 ? image->h : image->w;
}

int image_seen_h(const struct image *image)
{
    return image->orientation >= 5 ? image->w : image->h;
}

int image_check_strict(const struct image *image, struct quern_job *job, struct fault *fault)
{
    VipsImage *whole;
    double mean;
    int rc;

    whole =
        vips_image_new_from_buffer(image->source->data, image->source->len, "", "access",
                                   VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_WARNING, NULL);
    if (!whole)
        return image_fault("the strict check", job, fault);
    image_watch(whole, job);
    rc = vips_avg(whole, &mean, NULL);
    g_object_unref(whole);
    return rc ? image_fault("the strict check", job, fault) : 0;
}

static void on_eval(VipsImage *vips, VipsProgress *progress, struct quern_job *job)
{
    (void)progress;
    if (quern_job_cancelled(job))
        vips_image_set_kill(vips, TRUE);
}

void image_watch(VipsImage *vips, struct quern_job *job)
{
    vips_image_set_progress(vips, TRUE);
    g_signal_connect(vips, "eval", G_CALLBACK(on_eval), job);
}
