/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See thumbhash.h. The layout, as the reference implementation writes it, low bits first:
 *   24 bits  luma average (6), p average (6), q average (6), luma scale (5), has alpha (1)
 *   16 bits  number of luma terms on the shorter side (3), p scale (6), q scale (6), landscape (1)
 *    8 bits  with alpha only: alpha average (4), alpha scale (4)
 *    4 bits  for each AC term, luma, p, q, alpha
 * Colours are L = (r+g+b)/3, P = (r+g)/2 - b, Q = r - g; transparent pixels count as the average.
 */
#include "thumbhash.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define SIDE_MAX 100
#define PI       3.14159265358979323846

enum channel { L, P, Q, A, CHANNELS };

struct terms {
    double dc, scale;
    double ac[32];
    int count;
};

static int clamp_round(double value, int min, int max)
{
    int out = (int)floor(value + 0.5);

    return out < min ? min : out > max ? max : out;
}

/* Pixel i as channels, laid over the average colour where it is transparent. */
static double channel_value(const uint8_t *px, enum channel channel, const double average[3])
{
    double alpha = px[3] / 255.0;
    double r = average[0] * (1 - alpha) + alpha / 255 * px[0];
    double g = average[1] * (1 - alpha) + alpha / 255 * px[1];
    double b = average[2] * (1 - alpha) + alpha / 255 * px[2];

    switch (channel) {
    case L:
        return (r + g + b) / 3;
    case P:
        return (r + g) / 2 - b;
    case Q:
        return r - g;
    case A:
    case CHANNELS:
        break;
    }
    return alpha;
}

static void average_colour(const uint8_t *rgba, int pixels, double ret[3], double *ret_alpha)
{
    double sum[4] = {0};

    for (int i = 0; i < pixels; i++) {
        double alpha = rgba[4 * i + 3] / 255.0;

        for (int c = 0; c < 3; c++)
            sum[c] += alpha / 255 * rgba[4 * i + c];
        sum[3] += alpha;
    }
    for (int c = 0; c < 3; c++)
        ret[c] = sum[3] > 0 ? sum[c] / sum[3] : 0;
    *ret_alpha = sum[3];
}

static double cosine_term(int w, int h, const double *plane, int cx, int cy)
{
    double fx[SIDE_MAX], f = 0;

    for (int x = 0; x < w; x++)
        fx[x] = cos(PI / w * cx * (x + 0.5));
    for (int y = 0; y < h; y++) {
        double fy = cos(PI / h * cy * (y + 0.5));

        for (int x = 0; x < w; x++)
            f += plane[y * w + x] * fx[x] * fy;
    }
    return f / (w * h);
}

static void transform(int w, int h, const uint8_t *rgba, enum channel channel,
                      const double average[3], int nx, int ny, struct terms *ret)
{
    double plane[SIDE_MAX * SIDE_MAX];

    for (int i = 0; i < w * h; i++)
        plane[i] = channel_value(rgba + 4 * i, channel, average);
    memset(ret, 0, sizeof *ret);
    for (int cy = 0; cy < ny; cy++)
        for (int cx = 0; cx * ny < nx * (ny - cy); cx++) {
            double f = cosine_term(w, h, plane, cx, cy);

            if (cx == 0 && cy == 0) {
                ret->dc = f;
                continue;
            }
            ret->ac[ret->count++] = f;
            ret->scale = fmax(ret->scale, fabs(f));
        }
    for (int i = 0; i < ret->count && ret->scale > 0; i++)
        ret->ac[i] = 0.5 + 0.5 / ret->scale * ret->ac[i];
}

static size_t put_terms(const struct terms *channels, int count, size_t at, uint8_t *ret)
{
    int nibble = 0;

    for (int c = 0; c < count; c++)
        for (int i = 0; i < channels[c].count; i++, nibble++) {
            int value = clamp_round(15 * channels[c].ac[i], 0, 15);

            if (nibble % 2)
                ret[at++] |= (uint8_t)(value << 4);
            else
                ret[at] = (uint8_t)value;
        }
    return at + (size_t)(nibble % 2);
}

size_t thumbhash(int w, int h, const uint8_t *rgba, uint8_t ret[static THUMBHASH_MAX])
{
    struct terms t[CHANNELS];
    double average[3], alpha;
    int limit, lx, ly, longer = w > h ? w : h;
    uint32_t header24, header16;
    bool has_alpha;
    size_t at = 5;

    average_colour(rgba, w * h, average, &alpha);
    has_alpha = alpha < w * h;
    limit = has_alpha ? 5 : 7;
    lx = clamp_round((double)limit * w / longer, 1, limit);
    ly = clamp_round((double)limit * h / longer, 1, limit);
    transform(w, h, rgba, L, average, lx < 3 ? 3 : lx, ly < 3 ? 3 : ly, &t[L]);
    transform(w, h, rgba, P, average, 3, 3, &t[P]);
    transform(w, h, rgba, Q, average, 3, 3, &t[Q]);
    header24 = (uint32_t)(clamp_round(63 * t[L].dc, 0, 63) |
                          clamp_round(31.5 + 31.5 * t[P].dc, 0, 63) << 6 |
                          clamp_round(31.5 + 31.5 * t[Q].dc, 0, 63) << 12 |
                          clamp_round(31 * t[L].scale, 0, 31) << 18 | (has_alpha ? 1 << 23 : 0));
    header16 = (uint32_t)((w > h ? ly : lx) | clamp_round(63 * t[P].scale, 0, 63) << 3 |
                          clamp_round(63 * t[Q].scale, 0, 63) << 9 | (w > h ? 1 << 15 : 0));
    for (int i = 0; i < 3; i++)
        ret[i] = (uint8_t)(header24 >> (8 * i));
    ret[3] = (uint8_t)header16;
    ret[4] = (uint8_t)(header16 >> 8);
    if (has_alpha) {
        transform(w, h, rgba, A, average, 5, 5, &t[A]);
        ret[at++] =
            (uint8_t)(clamp_round(15 * t[A].dc, 0, 15) | clamp_round(15 * t[A].scale, 0, 15) << 4);
    }
    return put_terms(t, has_alpha ? CHANNELS : A, at, ret);
}
