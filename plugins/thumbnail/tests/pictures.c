/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See pictures.h. Whatever fails here ends the test program: a test without its picture means
 * nothing.
 */
#include "pictures.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char place[256];

static void must(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "cannot set up the test: %s: %s\n", what, vips_error_buffer());
    abort();
}

void place_make(void)
{
    const char *tmp = getenv("TMPDIR");
    char path[300];

    snprintf(place, sizeof place, "%s/thumbnail-test.XXXXXX", tmp ? tmp : "/tmp");
    must(mkdtemp(place) != NULL, "mkdtemp");
    chmod(place, 0755);
    snprintf(path, sizeof path, "%s/in", place);
    must(mkdir(path, 0755) == 0, "mkdir in");
    snprintf(path, sizeof path, "%s/out", place);
    must(mkdir(path, 0755) == 0, "mkdir out");
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void place_remove(void)
{
    nftw(place, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void place_write(const char *name, const void *data, size_t len)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", place, name);
    file = fopen(path, "wb");
    must(file && fwrite(data, 1, len, file) == len && fclose(file) == 0, path);
}

static uint8_t *slurp(const char *name, size_t *ret_len)
{
    char path[512];
    uint8_t *data;
    FILE *file;
    long len = 0;

    snprintf(path, sizeof path, "%s/in/%s", place, name);
    file = fopen(path, "rb");
    must(file && fseek(file, 0, SEEK_END) == 0 && (len = ftell(file)) > 0, path);
    rewind(file);
    data = malloc((size_t)len);
    must(data && fread(data, 1, (size_t)len, file) == (size_t)len, path);
    fclose(file);
    *ret_len = (size_t)len;
    return data;
}

static void spill(const char *name, const void *data, size_t len)
{
    char path[300];

    snprintf(path, sizeof path, "in/%s", name);
    place_write(path, data, len);
}

VipsImage *picture_quarters(int w, int h)
{
    static const uint8_t colours[4][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}};
    VipsImage *wrapped, *picture = NULL;
    uint8_t *pixels = malloc((size_t)w * (size_t)h * 3);

    must(pixels != NULL, "malloc");
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            memcpy(pixels + 3 * (y * w + x), colours[2 * (y >= h / 2) + (x >= w / 2)], 3);
    wrapped = vips_image_new_from_memory_copy(pixels, (size_t)w * (size_t)h * 3, w, h, 3,
                                              VIPS_FORMAT_UCHAR);
    free(pixels);
    must(wrapped && !vips_copy(wrapped, &picture, "interpretation", VIPS_INTERPRETATION_sRGB, NULL),
         "quarters");
    g_object_unref(wrapped);
    return picture;
}

void picture_save(VipsImage *picture, const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/in/%s", place, name);
    must(!vips_image_write_to_file(picture, path, NULL), path);
    g_object_unref(picture);
}

static void put32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t crc32_png(const uint8_t *data, size_t len)
{
    uint32_t crc = ~0u;

    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++)
            crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

void picture_bomb(const char *name, uint32_t w, uint32_t h)
{
    /* A PNG must have an IDAT for its header to be read: this one holds an empty zlib stream. */
    uint8_t png[8 + 25 + 20] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    put32(png + 16, w);
    put32(png + 20, h);
    png[24] = 8;
    png[25] = 2;
    put32(png + 29, crc32_png(png + 12, 17));
    put32(png + 33, 8);
    memcpy(png + 37, "IDAT\x78\x9c\x03\0\0\0\0\x01", 12);
    put32(png + 49, crc32_png(png + 37, 12));
    spill(name, png, sizeof png);
}

void picture_truncate(const char *from, const char *to, double part)
{
    size_t len;
    uint8_t *data = slurp(from, &len);

    spill(to, data, (size_t)((double)len * part));
    free(data);
}

void picture_corrupt(const char *from, const char *to, double part, size_t count)
{
    size_t len, at;
    uint8_t *data = slurp(from, &len);

    at = (size_t)((double)len * part);
    must(at + count <= len, "corrupt");
    for (size_t i = 0; i < count; i++)
        data[at + i] = (uint8_t)(0x5a ^ (i * 37));
    spill(to, data, len);
    free(data);
}

void picture_gif(const char *name, int frames)
{
    static const uint8_t head[] = "GIF89a\1\0\1\0\x80\0\0\xff\0\0\0\0\xff";
    static const uint8_t frame[] = "\x21\xf9\4\0\n\0\0\0\x2c\0\0\0\0\1\0\1\0\0\2\2\x44\1\0";
    size_t head_len = sizeof head - 1, frame_len = sizeof frame - 1;
    size_t len = head_len + (size_t)frames * frame_len + 1;
    uint8_t *gif = malloc(len);

    must(gif != NULL, "malloc");
    memcpy(gif, head, head_len);
    for (int i = 0; i < frames; i++)
        memcpy(gif + head_len + (size_t)i * frame_len, frame, frame_len);
    gif[len - 1] = ';';
    spill(name, gif, len);
    free(gif);
}
