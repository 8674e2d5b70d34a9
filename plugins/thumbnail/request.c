/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See request.h. The job comes from strangers, so the reading is strict: duplicate keys, unknown
 * fields, trailing bytes and deep nesting are refused. Strictness is kindness here: a producer who
 * misspells `gravity` learns it from the first dead letter, not from a thousand wrong crops.
 *
 * jansson recurses while it parses and allows 2048 levels; a job has three, so the nesting is
 * counted before jansson sees the text.
 */
#include "request.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define MAX_DEPTH 8
#define CODE      "bad_request"

static const char *const top_fields[] = {"source",     "sizes",       "formats", "quality",
                                         "sink",       "placeholder", "strict",  "if_absent",
                                         "background", "upscale",     NULL};
static const char *const size_fields[] = {"name", "w", "h", "fit", "gravity", "focal", NULL};
static const char *const fit_names[] = {"inside", "cover", "contain", "fill", NULL};
static const char *const gravity_names[] = {"center", "attention", "entropy", "focal", NULL};

/* Index of `name` in a NULL-ended list; -1: not there. */
static int list_find(const char *const *list, const char *name)
{
    for (int i = 0; list[i]; i++)
        if (strcmp(list[i], name) == 0)
            return i;
    return -1;
}

static bool too_deep(const char *text, size_t len)
{
    int depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < len; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && (text[i] == '{' || text[i] == '['))
            depth++;
        else if (!quoted && (text[i] == '}' || text[i] == ']'))
            depth--;
        if (depth > MAX_DEPTH)
            return true;
    }
    return false;
}

static int check_fields(json_t *object, const char *const *known, const char *where,
                        struct fault *fault)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        if (list_find(known, key) < 0)
            return fault_reject(fault, CODE, "unknown field \"%.64s\"%s", key, where);
    }
    return 0;
}

static int read_bool(json_t *root, const char *field, bool *ret, struct fault *fault)
{
    json_t *value = json_object_get(root, field);

    if (value && !json_is_boolean(value))
        return fault_reject(fault, CODE, "\"%s\" is not true or false", field);
    *ret = json_is_true(value);
    return 0;
}

/* A text without zero bytes, which C would cut short: what is checked must be what is used. */
static int read_text(json_t *root, const char *field, const char **ret, struct fault *fault)
{
    json_t *value = json_object_get(root, field);

    *ret = NULL;
    if (!value)
        return 0;
    if (!json_is_string(value))
        return fault_reject(fault, CODE, "\"%s\" is not a text", field);
    if (strlen(json_string_value(value)) != json_string_length(value))
        return fault_reject(fault, CODE, "\"%s\" holds a zero byte", field);
    *ret = json_string_value(value);
    return 0;
}

static int read_source(json_t *root, struct request *ret, struct fault *fault)
{
    const char *text;
    int err = read_text(root, "source", &text, fault);

    if (err)
        return err;
    if (!text || !*text)
        return fault_reject(fault, CODE, "\"source\" is missing");
    if (strncasecmp(text, "s3://", 5) == 0)
        return fault_reject(fault, CODE, "\"source\": s3:// is not supported, use https://");
    if (strncasecmp(text, "file://", 7) != 0 && strncasecmp(text, "http://", 7) != 0 &&
        strncasecmp(text, "https://", 8) != 0)
        return fault_reject(fault, CODE,
                            "\"source\" does not begin with file://, http:// or "
                            "https://");
    ret->source = strdup(text);
    return ret->source ? 0 : fault_retry(fault, "no_memory", "no memory for the job");
}

static int read_sink(json_t *root, struct request *ret, struct fault *fault)
{
    const char *text;
    int err = read_text(root, "sink", &text, fault);

    if (err || !text)
        return err;
    if (strncasecmp(text, "s3://", 5) == 0)
        return fault_reject(fault, CODE, "\"sink\": s3:// is not supported, use file://");
    if (strncasecmp(text, "file://", 7) != 0)
        return fault_reject(fault, CODE, "\"sink\" does not begin with file://");
    ret->sink = strdup(text);
    return ret->sink ? 0 : fault_retry(fault, "no_memory", "no memory for the job");
}

/* One side of sizes[i]; 0 where it was left out. */
static int read_side(json_t *size, int i, const char *field, int64_t max, int *ret,
                     struct fault *fault)
{
    json_t *value = json_object_get(size, field);

    *ret = 0;
    if (!value)
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < 1 || json_integer_value(value) > max)
        return fault_reject(fault, CODE, "sizes[%d].%s is not a whole number from 1 to %lld", i,
                            field, (long long)max);
    *ret = (int)json_integer_value(value);
    return 0;
}

static int read_choice(json_t *size, int i, const char *field, const char *const *names, int *ret,
                       struct fault *fault)
{
    json_t *value = json_object_get(size, field);
    int found;

    if (!value)
        return 0;
    found = json_is_string(value) ? list_find(names, json_string_value(value)) : -1;
    if (found < 0)
        return fault_reject(fault, CODE, "sizes[%d].%s is not one of %s, %s, %s, %s", i, field,
                            names[0], names[1], names[2], names[3]);
    *ret = found;
    return 0;
}

static int read_focal(json_t *size, int i, struct request_size *ret, struct fault *fault)
{
    json_t *focal = json_object_get(size, "focal");
    double x, y;

    if (!focal) {
        if (ret->gravity == GRAVITY_FOCAL)
            return fault_reject(fault, CODE, "sizes[%d].focal is missing", i);
        return 0;
    }
    if (!json_is_array(focal) || json_array_size(focal) != 2 ||
        !json_is_number(json_array_get(focal, 0)) || !json_is_number(json_array_get(focal, 1)))
        return fault_reject(fault, CODE, "sizes[%d].focal is not a pair of numbers", i);
    x = json_number_value(json_array_get(focal, 0));
    y = json_number_value(json_array_get(focal, 1));
    if (!(x >= 0 && x <= 1 && y >= 0 && y <= 1))
        return fault_reject(fault, CODE, "sizes[%d].focal is not between 0 and 1", i);
    if (ret->gravity != GRAVITY_FOCAL)
        return fault_reject(fault, CODE, "sizes[%d].focal needs gravity \"focal\"", i);
    ret->focal_x = x;
    ret->focal_y = y;
    return 0;
}

static bool name_ok(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= REQUEST_NAME_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static int read_name(json_t *size, int i, struct request *ret, struct fault *fault)
{
    const char *name;
    int err = read_text(size, "name", &name, fault);

    if (err)
        return err;
    if (!name || !name_ok(name))
        return fault_reject(fault, CODE, "sizes[%d].name is not 1 to %d of A-Z a-z 0-9 _ -", i,
                            REQUEST_NAME_MAX);
    for (int k = 0; k < i; k++)
        if (strcmp(ret->sizes[k].name, name) == 0)
            return fault_reject(fault, CODE, "sizes[%d].name \"%s\" is there twice", i, name);
    memcpy(ret->sizes[i].name, name, strlen(name) + 1);
    return 0;
}

static int read_size(json_t *size, int i, const struct settings *settings, struct request *ret,
                     struct fault *fault)
{
    struct request_size *out = &ret->sizes[i];
    int fit = FIT_INSIDE, gravity = GRAVITY_CENTER;
    char where[32];
    int err;

    if (!json_is_object(size))
        return fault_reject(fault, CODE, "sizes[%d] is not an object", i);
    snprintf(where, sizeof where, " in sizes[%d]", i);
    if ((err = check_fields(size, size_fields, where, fault)) ||
        (err = read_name(size, i, ret, fault)) ||
        (err = read_side(size, i, "w", settings->max_output_side, &out->w, fault)) ||
        (err = read_side(size, i, "h", settings->max_output_side, &out->h, fault)) ||
        (err = read_choice(size, i, "fit", fit_names, &fit, fault)) ||
        (err = read_choice(size, i, "gravity", gravity_names, &gravity, fault)))
        return err;
    out->fit = (enum fit_mode)fit;
    out->gravity = (enum gravity)gravity;
    if (out->w == 0 && out->h == 0)
        return fault_reject(fault, CODE, "sizes[%d] has neither w nor h", i);
    if ((out->w == 0 || out->h == 0) && out->fit != FIT_INSIDE)
        return fault_reject(fault, CODE, "sizes[%d]: fit \"%s\" needs both w and h", i,
                            fit_names[out->fit]);
    return read_focal(size, i, out, fault);
}

static int read_sizes(json_t *root, const struct settings *settings, struct request *ret,
                      struct fault *fault)
{
    json_t *sizes = json_object_get(root, "sizes");
    size_t count = json_array_size(sizes);

    if (!json_is_array(sizes) || count < 1 || count > REQUEST_MAX_SIZES)
        return fault_reject(fault, CODE, "\"sizes\" is not a list of 1 to %d sizes",
                            REQUEST_MAX_SIZES);
    for (int i = 0; i < (int)count; i++) {
        int err = read_size(json_array_get(sizes, (size_t)i), i, settings, ret, fault);

        if (err)
            return err;
    }
    ret->size_count = (int)count;
    return 0;
}

static int add_format(const char *name, const struct settings *settings, struct request *ret,
                      struct fault *fault)
{
    enum format format = format_output(name);

    if (format == FORMAT_UNKNOWN)
        return fault_reject(fault, CODE, "\"formats\": \"%.32s\" is not jpeg, png, webp or avif",
                            name);
    if (list_find(settings->formats_allowed, name) < 0)
        return fault_reject(fault, "unsupported",
                            "format \"%s\" is not among this pipeline's "
                            "formats_allowed",
                            name);
    for (int i = 0; i < ret->format_count; i++)
        if (ret->formats[i] == format)
            return fault_reject(fault, CODE, "\"formats\" has \"%s\" twice", name);
    ret->formats[ret->format_count++] = format;
    return 0;
}

static int read_formats(json_t *root, const struct settings *settings, struct request *ret,
                        struct fault *fault)
{
    json_t *formats = json_object_get(root, "formats");

    if (!formats)
        return add_format("jpeg", settings, ret, fault);
    if (!json_is_array(formats) || json_array_size(formats) < 1)
        return fault_reject(fault, CODE, "\"formats\" is not a list of jpeg, png, webp, avif");
    for (size_t i = 0; i < json_array_size(formats); i++) {
        json_t *name = json_array_get(formats, i);
        int err;

        if (!json_is_string(name))
            return fault_reject(fault, CODE, "\"formats\": not a text at place %zu", i);
        err = add_format(json_string_value(name), settings, ret, fault);
        if (err)
            return err;
    }
    return 0;
}

static bool quality_ok(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 1 &&
           json_integer_value(value) <= 100;
}

/* One number for all formats, or an object with one for each. The defaults look alike by eye. */
static int read_quality(json_t *root, struct request *ret, struct fault *fault)
{
    json_t *quality = json_object_get(root, "quality"), *value;
    const char *key;

    ret->quality[FORMAT_JPEG] = 80;
    ret->quality[FORMAT_WEBP] = 78;
    ret->quality[FORMAT_AVIF] = 55;
    if (!quality)
        return 0;
    if (quality_ok(quality)) {
        for (enum format f = FORMAT_JPEG; f <= FORMAT_OUTPUT_LAST; f++)
            ret->quality[f] = (int)json_integer_value(quality);
        return 0;
    }
    if (!json_is_object(quality))
        return fault_reject(fault, CODE, "\"quality\" is not a whole number from 1 to 100");
    json_object_foreach(quality, key, value)
    {
        enum format format = format_output(key);

        if (format == FORMAT_UNKNOWN || format == FORMAT_PNG)
            return fault_reject(fault, CODE, "\"quality\": \"%.32s\" is not jpeg, webp or avif",
                                key);
        if (!quality_ok(value))
            return fault_reject(fault, CODE, "\"quality\".%s is not a whole number from 1 to 100",
                                key);
        ret->quality[format] = (int)json_integer_value(value);
    }
    return 0;
}

static int read_background(json_t *root, struct request *ret, struct fault *fault)
{
    const char *text;
    int err = read_text(root, "background", &text, fault);

    memset(ret->background, 0xff, sizeof ret->background);
    if (err || !text)
        return err;
    if (strcmp(text, "transparent") == 0) {
        ret->transparent = true;
        return 0;
    }
    if (strlen(text) != 7 || text[0] != '#' || strspn(text + 1, "0123456789abcdefABCDEF") != 6)
        return fault_reject(fault, CODE, "\"background\" is not \"#rrggbb\" or \"transparent\"");
    for (int i = 0; i < 3; i++) {
        char hex[3] = {text[1 + 2 * i], text[2 + 2 * i], '\0'};

        ret->background[i] = (uint8_t)strtoul(hex, NULL, 16);
    }
    return 0;
}

static int read_placeholder(json_t *root, struct request *ret, struct fault *fault)
{
    const char *text;
    int err = read_text(root, "placeholder", &text, fault);

    if (err || !text || strcmp(text, "none") == 0)
        return err;
    if (strcmp(text, "thumbhash") != 0)
        return fault_reject(fault, CODE, "\"placeholder\" is not \"none\" or \"thumbhash\"");
    ret->thumbhash = true;
    return 0;
}

static int read_request(json_t *root, const struct settings *settings, struct request *ret,
                        struct fault *fault)
{
    int err;

    if (!json_is_object(root))
        return fault_reject(fault, CODE, "the job is not a JSON object");
    if ((err = check_fields(root, top_fields, "", fault)) ||
        (err = read_source(root, ret, fault)) || (err = read_sink(root, ret, fault)) ||
        (err = read_sizes(root, settings, ret, fault)) ||
        (err = read_formats(root, settings, ret, fault)) ||
        (err = read_quality(root, ret, fault)) || (err = read_background(root, ret, fault)) ||
        (err = read_placeholder(root, ret, fault)) ||
        (err = read_bool(root, "strict", &ret->strict, fault)) ||
        (err = read_bool(root, "if_absent", &ret->if_absent, fault)))
        return err;
    return read_bool(root, "upscale", &ret->upscale, fault);
}

int request_parse(struct quern_bytes body, const struct settings *settings, struct request *ret,
                  struct fault *fault)
{
    json_error_t error;
    json_t *root;
    int err;

    memset(ret, 0, sizeof *ret);
    if (!body.data || body.len == 0)
        return fault_reject(fault, CODE, "the job has no body");
    if (body.len > REQUEST_MAX_BODY)
        return fault_reject(fault, CODE, "the job has %zu bytes, more than %d", body.len,
                            REQUEST_MAX_BODY);
    if (too_deep(body.data, body.len))
        return fault_reject(fault, CODE, "the job is nested deeper than %d levels", MAX_DEPTH);
    root = json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return fault_reject(fault, CODE, "the job is not JSON: line %d, column %d: %s", error.line,
                            error.column, error.text);
    err = read_request(root, settings, ret, fault);
    json_decref(root);
    if (err)
        request_done(ret);
    return err;
}

void request_done(struct request *request)
{
    free(request->source);
    free(request->sink);
    memset(request, 0, sizeof *request);
}
