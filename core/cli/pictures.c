/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/pictures.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/xalloc.h"

#define PICTURES_MAX 10000

/* ---- Finding ---- */

static struct pictures *finding; /* nftw() has no place for it */

static int take_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
    static const char *const endings[] = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif", ".tif",
                                          ".tiff"};
    const char *dot = strrchr(path, '.');

    (void)at;
    if (type != FTW_F || !dot || st->st_size == 0 || finding->count >= PICTURES_MAX)
        return 0;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (strcasecmp(dot, endings[i]) == 0) {
            finding->paths =
                xreallocarray(finding->paths, finding->count + 1, sizeof(char *));
            finding->paths[finding->count++] = xstrdup(path);
        }
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int pictures_find(const char *dir, struct pictures *ret)
{
    char absolute[PATH_MAX];

    *ret = (struct pictures){0};
    if (!realpath(dir, absolute))
        return -errno;
    finding = ret;
    if (nftw(absolute, take_file, 16, FTW_PHYS) != 0)
        return -errno;
    if (ret->count)
        qsort(ret->paths, ret->count, sizeof(char *), compare);
    return 0;
}

void pictures_done(struct pictures *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->paths[i]);
    free(p->paths);
    *p = (struct pictures){0};
}

/* ---- A PNG writer (RFC 2083), with stored blocks (RFC 1951, 3.2.4): for pictures that only have to be
 * pictures, a compressor would be more code than this. ---- */

static uint32_t crc32_of(const char *data, size_t len)
{
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

static void put_u32(struct buf *b, uint32_t n)
{
    uint32_t big = htonl(n);

    buf_add(b, &big, sizeof big);
}

static void put_chunk(struct buf *png, const char *type, const struct buf *data)
{
    struct buf body = BUF_INIT;

    buf_add(&body, type, 4);
    if (data->len)
        buf_add(&body, data->data, data->len);
    put_u32(png, (uint32_t)data->len);
    buf_add(png, body.data, body.len);
    put_u32(png, crc32_of(body.data, body.len));
    buf_done(&body);
}

static void put_header(struct buf *png, uint32_t width, uint32_t height)
{
    struct buf data = BUF_INIT;

    buf_add(png, "\x89PNG\r\n\x1a\n", 8);
    put_u32(&data, width);
    put_u32(&data, height);
    buf_add(&data, "\x08\x02\0\0\0", 5); /* 8 bits, RGB */
    put_chunk(png, "IHDR", &data);
    buf_done(&data);
}

static void put_stored(struct buf *out, const struct buf *raw)
{
    uint32_t a = 1, b = 0;

    buf_add(out, "\x78\x01", 2);
    for (size_t at = 0; at < raw->len;) {
        size_t len = raw->len - at < 65535 ? raw->len - at : 65535;
        unsigned char head[5] = {at + len == raw->len, (unsigned char)(len & 255),
                                 (unsigned char)(len >> 8), (unsigned char)(~len & 255),
                                 (unsigned char)(~len >> 8 & 255)};

        buf_add(out, head, sizeof head);
        buf_add(out, raw->data + at, len);
        at += len;
    }
    for (size_t i = 0; i < raw->len; i++) {
        a = (a + (unsigned char)raw->data[i]) % 65521;
        b = (b + a) % 65521;
    }
    put_u32(out, b << 16 | a);
}

static int write_file(const char *dir, const char *name, const struct buf *b)
{
    char *path = xasprintf("%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    int err = 0;

    if (!f || b->failed || (b->len && fwrite(b->data, 1, b->len, f) != b->len))
        err = f ? -EIO : -errno;
    if (f && fclose(f) != 0)
        err = -errno;
    free(path);
    return err;
}

static int draw(const char *dir, const char *name, uint32_t width, uint32_t height, size_t number)
{
    struct buf raw = BUF_INIT, packed = BUF_INIT, png = BUF_INIT, end = BUF_INIT;
    int err;

    for (uint32_t y = 0; y < height; y++) {
        buf_char(&raw, 0);
        for (uint32_t x = 0; x < width; x++) {
            buf_char(&raw, (char)(x * 255 / width));
            buf_char(&raw, (char)(y * 255 / height));
            buf_char(&raw, (char)((x * (number + 1) ^ y * (number + 3)) & 255));
        }
    }
    put_header(&png, width, height);
    put_stored(&packed, &raw);
    put_chunk(&png, "IDAT", &packed);
    put_chunk(&png, "IEND", &end);
    err = write_file(dir, name, &png);
    buf_done(&raw);
    buf_done(&packed);
    buf_done(&png);
    return err;
}

int pictures_draw(const char *dir, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char name[32];
        int err;

        snprintf(name, sizeof name, "drawn-%02zu.png", i + 1);
        err = draw(dir, name, 640 + 64 * (uint32_t)(i % 5), 480, i);
        if (err)
            return err;
    }
    return 0;
}

int pictures_draw_large(const char *dir, const char *name)
{
    return draw(dir, name, 4000, 3000, 41);
}

/* ---- Breaking ---- */

const struct broken broken_files[BROKEN_COUNT] = {
    {"cut-in-half.jpg", "half of a picture"},
    {"empty.jpg", "an empty file"},
    {"letter.jpg", "a text that is called .jpg"},
    {"bomb.png", "a PNG of 900 megapixels in 100 bytes"},
};

static int break_sample(const char *dir, const char *name, const char *sample)
{
    struct buf b = BUF_INIT;
    FILE *f = fopen(sample, "re");
    char data[8192];
    size_t n;
    int err;

    if (!f)
        return -errno;
    while ((n = fread(data, 1, sizeof data, f)) > 0)
        buf_add(&b, data, n);
    fclose(f);
    b.len /= 2;
    err = write_file(dir, name, &b);
    buf_done(&b);
    return err;
}

int pictures_break(const char *dir, const char *sample)
{
    struct buf letter = BUF_INIT, bomb = BUF_INIT, empty = BUF_INIT;
    int err = break_sample(dir, broken_files[0].name, sample);

    if (!err)
        err = write_file(dir, broken_files[1].name, &empty);
    buf_str(&letter, "Dear mill,\n\nthis is no picture, whatever my name says.\n");
    if (!err)
        err = write_file(dir, broken_files[2].name, &letter);
    put_header(&bomb, 30000, 30000);
    put_chunk(&bomb, "IDAT", &empty);
    put_chunk(&bomb, "IEND", &empty);
    if (!err)
        err = write_file(dir, broken_files[3].name, &bomb);
    buf_done(&letter);
    buf_done(&bomb);
    return err;
}
