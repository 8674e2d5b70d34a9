/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct owned { /* one allocation of the filled struct */
    struct owned *next;
    char bytes[];
};

struct filling {
    const struct quern_plugin *plugin;
    const struct option_value *values;
    size_t count;
    struct options *ret;
    char *error;
    size_t error_size;
};

const struct quern_option *options_entry(const struct quern_plugin *plugin, size_t i)
{
    size_t stride = plugin->option_size ? plugin->option_size : sizeof(struct quern_option);
    const struct quern_option *o;

    if (!plugin->options)
        return NULL;
    for (size_t k = 0;; k++) {
        o = (const struct quern_option *)(const void *)((const char *)plugin->options + k * stride);
        if (!o->name)
            return NULL;
        if (k == i)
            return o;
    }
}

static void *own(struct filling *f, size_t bytes)
{
    struct owned *o = calloc(1, sizeof *o + bytes);

    if (!o)
        return NULL;
    o->next = f->ret->owned;
    f->ret->owned = o;
    return o->bytes;
}

static const char *own_text(struct filling *f, const char *text)
{
    char *copy = own(f, strlen(text) + 1);

    return copy ? strcpy(copy, text) : NULL;
}

__attribute__((format(printf, 2, 3))) static int refuse(struct filling *f, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(f->error, f->error_size, format, args);
    va_end(args);
    return -EINVAL;
}

static int check_range(struct filling *f, const struct quern_option *o, int64_t value,
                       const char *text)
{
    if ((o->min != 0 || o->max != 0) && (value < o->min || value > o->max))
        return refuse(f, "%s: %s is out of range (%lld..%lld)", o->name, text, (long long)o->min,
                      (long long)o->max);
    return 0;
}

static int parse_bool(const char *text, int64_t *ret)
{
    *ret = strcmp(text, "true") == 0;
    return *ret || strcmp(text, "false") == 0 ? 0 : -EINVAL;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);

    for (const char *c = choices; c; c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL)
        if (strncmp(c, text, len) == 0 && (c[len] == '|' || c[len] == 0))
            return true;
    return false;
}

static int set_number(struct filling *f, const struct quern_option *o, void *field,
                      const char *text)
{
    int64_t value = 0;
    int err = 0;
    const char *what = "a whole number";

    switch (o->type) {
    case QUERN_TYPE_DURATION:
        err = text_parse_duration_ms(text, &value);
        what = "a duration like 250ms, 30s or 5m";
        break;
    case QUERN_TYPE_SIZE:
        err = text_parse_size(text, &value);
        what = "a size like 512, 64KiB or 10MB";
        break;
    case QUERN_TYPE_BOOL:
        err = parse_bool(text, &value);
        what = "true or false";
        break;
    default:
        err = text_parse_int(text, &value);
        break;
    }
    if (err)
        return refuse(f, "%s: \"%s\" is not %s", o->name, text, what);
    if (o->type == QUERN_TYPE_BOOL) {
        *(int32_t *)field = (int32_t)value;
        return 0;
    }
    *(int64_t *)field = value;
    return check_range(f, o, value, text);
}

static int set_float(struct filling *f, const struct quern_option *o, void *field, const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end || value != value || value > 1e300 || value < -1e300)
        return refuse(f, "%s: \"%s\" is not a number", o->name, text);
    if ((o->min != 0 || o->max != 0) && (value < (double)o->min || value > (double)o->max))
        return refuse(f, "%s: %s is out of range (%lld..%lld)", o->name, text, (long long)o->min,
                      (long long)o->max);
    *(double *)field = value;
    return 0;
}

static int set_value(struct filling *f, const struct quern_option *o, const char *text)
{
    void *field = (char *)f->ret->settings + o->offset;

    switch (o->type) {
    case QUERN_TYPE_STRING:
    case QUERN_TYPE_CHOICE:
        if (o->type == QUERN_TYPE_CHOICE && !is_choice(o->choices, text))
            return refuse(f, "%s: \"%s\" is not one of %s", o->name, text,
                          o->choices ? o->choices : "(none)");
        *(const char **)field = own_text(f, text);
        return *(const char **)field ? 0 : -ENOMEM;
    case QUERN_TYPE_FLOAT:
        return set_float(f, o, field, text);
    case QUERN_TYPE_INT:
    case QUERN_TYPE_BOOL:
    case QUERN_TYPE_DURATION:
    case QUERN_TYPE_SIZE:
        return set_number(f, o, field, text);
    default:
        return refuse(f, "%s: the plugin's table has an unknown type %d", o->name, (int)o->type);
    }
}

/* The values of a list: those that were given, or the parts of the default. */
static int set_list(struct filling *f, const struct quern_option *o, bool given)
{
    const char *text = o->default_value ? o->default_value : "";
    size_t max = f->count + strlen(text) + 1, n = 0;
    const char **list = own(f, (max + 1) * sizeof *list);

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; given && i < f->count; i++)
        if (strcmp(f->values[i].name, o->name) == 0 && f->values[i].text)
            list[n++] = own_text(f, f->values[i].text);
    while (!given && *text) {
        size_t len = strcspn(text, ",");
        char *part = own(f, len + 1);

        if (!part)
            return -ENOMEM;
        memcpy(part, text, len);
        list[n++] = part;
        text += len + (text[len] == ',');
    }
    *(const char *const **)(void *)((char *)f->ret->settings + o->offset) = list;
    return 0;
}

static int set_option(struct filling *f, const struct quern_option *o)
{
    const struct option_value *value = NULL;

    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->values[i].name, o->name) == 0)
            value = &f->values[i];
    if (!value && (o->flags & QUERN_OPTION_REQUIRED))
        return refuse(f, "%s is required: %s", o->name, o->help ? o->help : "");
    if (o->type == QUERN_TYPE_LIST)
        return set_list(f, o, value != NULL);
    if (value && (value->list || !value->text))
        return refuse(f, "%s takes one value, not a list", o->name);
    if (value)
        return set_value(f, o, value->text);
    return o->default_value ? set_value(f, o, o->default_value) : 0;
}

static int check_known(struct filling *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct quern_option *o;
        size_t k = 0;

        while ((o = options_entry(f->plugin, k)) && strcmp(o->name, f->values[i].name) != 0)
            k++;
        if (!o)
            return refuse(f, "%s: the plugin %s has no such setting", f->values[i].name,
                          f->plugin->name);
    }
    return 0;
}

int options_fill(const struct quern_plugin *plugin, const struct option_value *values, size_t count,
                 struct options *ret, char *error, size_t error_size)
{
    struct filling f = {plugin, values, count, ret, error, error_size};
    const struct quern_option *o;
    int err;

    *ret = (struct options){NULL, NULL};
    snprintf(error, error_size, "out of memory");
    ret->settings = calloc(1, plugin->settings_size ? plugin->settings_size : 1);
    if (!ret->settings)
        return -ENOMEM;
    err = check_known(&f);
    for (size_t i = 0; !err && (o = options_entry(plugin, i)); i++)
        err = set_option(&f, o);
    if (err)
        options_done(ret);
    return err;
}

void options_done(struct options *options)
{
    struct owned *o = options->owned;

    while (o) {
        struct owned *next = o->next;

        free(o);
        o = next;
    }
    free(options->settings);
    *options = (struct options){NULL, NULL};
}
