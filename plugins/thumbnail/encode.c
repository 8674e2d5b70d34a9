/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See encode.h. JPEG has no transparency: it is laid over the request's background (white where
 * that is "transparent"). A failing encoder is never the picture's fault, so it is a retry; jobs
 * that fail every time end in the dead letters by their attempts.
 */
#include "encode.h"

#include <errno.h>
#include <string.h>

static int encode_jpeg(VipsImage *in, const struct request *request, bool fast, void **ret,
                       size_t *ret_len)
{
    double colour[3] = {request->background[0], request->background[1], request->background[2]};
    VipsArrayDouble *background = vips_array_double_new(colour, 3);
    int rc = vips_jpegsave_buffer(in, ret, ret_len, "Q", request->quality[FORMAT_JPEG], "strip",
                                  TRUE, "optimize_coding", !fast, "background", background, NULL);

    vips_area_unref(VIPS_AREA(background));
    return rc;
}

/* libvips 8.14 puts an EXIF chunk (sides and resolution, 190 bytes) into every WebP, whatever
 * `strip` says. It is the last chunk of the file: cut it off and take its flag out of the VP8X
 * header. */
static void webp_drop_exif(uint8_t *data, size_t *len)
{
    size_t at = 12;

    if (*len < 30 || memcmp(data + 12, "VP8X", 4) != 0)
        return;
    while (at + 8 <= *len) {
        uint32_t size = (uint32_t)data[at + 4] | (uint32_t)data[at + 5] << 8 |
                        (uint32_t)data[at + 6] << 16 | (uint32_t)data[at + 7] << 24;
        size_t next = at + 8 + size + (size & 1);

        if (memcmp(data + at, "EXIF", 4) == 0 && next == *len) {
            uint32_t riff = (uint32_t)at - 8;

            for (int i = 0; i < 4; i++)
                data[4 + i] = (uint8_t)(riff >> (8 * i));
            data[20] &= (uint8_t)~0x08;
            *len = at;
            return;
        }
        at = next;
    }
}

static int encode_as(VipsImage *in, enum format format, const struct request *request, bool fast,
                     void **ret, size_t *ret_len)
{
    switch (format) {
    case FORMAT_JPEG:
        return encode_jpeg(in, request, fast, ret, ret_len);
    case FORMAT_PNG:
        return vips_pngsave_buffer(in, ret, ret_len, "compression", fast ? 3 : 6, "strip", TRUE,
                                   NULL);
    case FORMAT_WEBP:
        return vips_webpsave_buffer(in, ret, ret_len, "Q", request->quality[FORMAT_WEBP], "strip",
                                    TRUE, "effort", fast ? 2 : 4, NULL);
    case FORMAT_AVIF:
        return vips_heifsave_buffer(in, ret, ret_len, "Q", request->quality[FORMAT_AVIF], "strip",
                                    TRUE, "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1,
                                    "effort", fast ? 1 : 2, NULL);
    case FORMAT_UNKNOWN:
    case FORMAT_GIF:
    case FORMAT_HEIC:
    case FORMAT_TIFF:
        break;
    }
    vips_error("encode", "not an output format");
    return -1;
}

int encode(VipsImage *in, enum format format, const struct request *request, bool fast,
           struct quern_job *job, void **ret, size_t *ret_len, struct fault *fault)
{
    VipsImage *own = NULL;
    int rc;

    *ret = NULL;
    vips_error_clear();
    /* A shallow copy, so that the watch ends with this save and does not pile up on `in`. */
    rc = vips_copy(in, &own, NULL);
    if (!rc) {
        image_watch(own, job);
        rc = encode_as(own, format, request, fast, ret, ret_len);
    }
    VIPS_UNREF(own);
    if (!rc && format == FORMAT_WEBP)
        webp_drop_exif(*ret, ret_len);
    if (!rc)
        return 0;
    g_free(*ret);
    *ret = NULL;
    image_fault("cannot encode", job, fault);
    if (fault->kind == FAULT_REJECT)
        return fault_retry(fault, "encode_failed", "the %s encoder failed", format_name(format));
    return -EAGAIN;
}
