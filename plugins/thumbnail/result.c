/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See result.h. The times are rounded to tenths of a millisecond: more digits are noise, and
 * consumers should not come to rely on them.
 */
#include "result.h"

#include <math.h>
#include <stdlib.h>

#include <jansson.h>

static json_t *ms(double value)
{
    return json_real(round(value * 10) / 10);
}

static json_t *source_json(const struct image *image)
{
    return json_pack("{s:s, s:I, s:s, s:i, s:i, s:i, s:i}", "sha256", image->source->sha256,
                     "bytes", (json_int_t)image->source->len, "type", format_mime(image->format),
                     "w", image->w, "h", image->h, "orientation", image->orientation, "pages",
                     image->pages);
}

static json_t *output_json(const struct result_output *out)
{
    return json_pack("{s:s, s:s, s:i, s:i, s:I, s:s, s:s, s:b}", "name", out->name, "url", out->url,
                     "w", out->w, "h", out->h, "bytes", (json_int_t)out->bytes, "sha256",
                     out->sha256, "type", format_mime(out->format), "kept", (int)out->kept);
}

char *result_to_json(const struct result *result)
{
    json_t *root = json_object(), *outputs = json_array();
    char *text = NULL;
    int failed = !root || !outputs;

    for (int i = 0; i < result->output_count && !failed; i++)
        failed = json_array_append_new(outputs, output_json(&result->outputs[i]));
    failed = failed || json_object_set_new(root, "source", source_json(result->image)) ||
             json_object_set(root, "outputs", outputs) ||
             (result->placeholder[0] &&
              json_object_set_new(root, "placeholder", json_string(result->placeholder))) ||
             json_object_set_new(root, "ms",
                                 json_pack("{s:o, s:o, s:o, s:o}", "fetch", ms(result->fetch_ms),
                                           "decode", ms(result->decode_ms), "encode",
                                           ms(result->encode_ms), "store", ms(result->store_ms)));
    if (!failed)
        text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(10));
    json_decref(outputs);
    json_decref(root);
    return text;
}

void result_done(struct result *result)
{
    for (int i = 0; i < result->output_count; i++)
        free(result->outputs[i].url);
    result->output_count = 0;
}
