/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See format.h. Magic numbers are those of the formats' specifications: JPEG ITU-T T.81 (SOI +
 * marker), PNG 5.2, RFC 9649 (WebP), GIF89a 17, TIFF 6.0 (BigTIFF is left out: nobody sends it, one
 * more parser), ISO 14496-12 `ftyp` brands for AVIF and HEIF.
 */
#include "format.h"

#include <string.h>

static const struct {
    const char *name, *mime, *ext;
} formats[] = {
    [FORMAT_UNKNOWN] = {"unknown", "application/octet-stream", "bin"},
    [FORMAT_JPEG] = {"jpeg", "image/jpeg", "jpg"},
    [FORMAT_PNG] = {"png", "image/png", "png"},
    [FORMAT_WEBP] = {"webp", "image/webp", "webp"},
    [FORMAT_AVIF] = {"avif", "image/avif", "avif"},
    [FORMAT_GIF] = {"gif", "image/gif", "gif"},
    [FORMAT_HEIC] = {"heic", "image/heic", "heic"},
    [FORMAT_TIFF] = {"tiff", "image/tiff", "tiff"},
};

static bool has(const void *data, size_t len, size_t at, const char *magic, size_t magic_len)
{
    return len >= at + magic_len && memcmp((const char *)data + at, magic, magic_len) == 0;
}

/* The brands of an ISO media file, the major one first, then the compatible ones. */
static enum format sniff_brands(const void *data, size_t len)
{
    static const char heif[][5] = {"heic", "heix", "heim", "heis", "mif1", "msf1"};
    const unsigned char *p = data;
    size_t box = ((size_t)p[0] << 24) | ((size_t)p[1] << 16) | ((size_t)p[2] << 8) | p[3];
    enum format found = FORMAT_UNKNOWN;

    if (box > len)
        box = len;
    for (size_t at = 8; at + 4 <= box && at < 128; at += at == 8 ? 8 : 4) {
        if (has(data, len, at, "avif", 4) || has(data, len, at, "avis", 4))
            return FORMAT_AVIF;
        for (size_t i = 0; i < sizeof heif / sizeof heif[0]; i++)
            if (has(data, len, at, heif[i], 4))
                found = FORMAT_HEIC;
    }
    return found;
}

enum format format_sniff(const void *data, size_t len)
{
    if (has(data, len, 0, "\xff\xd8\xff", 3))
        return FORMAT_JPEG;
    if (has(data, len, 0, "\x89PNG\r\n\x1a\n", 8))
        return FORMAT_PNG;
    if (has(data, len, 0, "RIFF", 4) && has(data, len, 8, "WEBP", 4))
        return FORMAT_WEBP;
    if (has(data, len, 0, "GIF87a", 6) || has(data, len, 0, "GIF89a", 6))
        return FORMAT_GIF;
    if (has(data, len, 0, "II*\0", 4) || has(data, len, 0, "MM\0*", 4))
        return FORMAT_TIFF;
    if (has(data, len, 4, "ftyp", 4) && len >= 16)
        return sniff_brands(data, len);
    return FORMAT_UNKNOWN;
}

const char *format_refused_name(const void *data, size_t len)
{
    static const struct {
        const char *magic;
        size_t len;
        const char *name;
    } refused[] = {
        {"%PDF", 4, "PDF"},       {"<svg", 4, "SVG"},         {"<?xml", 5, "XML or SVG"},
        {"BM", 2, "BMP"},         {"\xff\x0a", 2, "JPEG XL"}, {"\0\0\0\x0cJXL ", 8, "JPEG XL"},
        {"8BPS", 4, "Photoshop"}, {"%!PS", 4, "PostScript"},  {"\0\0\1\0", 4, "ICO"},
        {"II+\0", 4, "BigTIFF"},  {"MM\0+", 4, "BigTIFF"},
    };

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if (has(data, len, 0, refused[i].magic, refused[i].len))
            return refused[i].name;
    return NULL;
}

enum format format_output(const char *name)
{
    for (enum format f = FORMAT_JPEG; f <= FORMAT_OUTPUT_LAST; f++)
        if (strcmp(formats[f].name, name) == 0)
            return f;
    return FORMAT_UNKNOWN;
}

const char *format_name(enum format format)
{
    return formats[format].name;
}

const char *format_mime(enum format format)
{
    return formats[format].mime;
}

const char *format_ext(enum format format)
{
    return formats[format].ext;
}
