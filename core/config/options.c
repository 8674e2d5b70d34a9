/* SPDX-License-Identifier: Apache-2.0 */
#include "config/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* QUERN_TYPE_... and QUERN_OPTION_... of the SDK, by value: this room does not see the SDK. */
enum { TYPE_STRING = 1, TYPE_INT, TYPE_FLOAT, TYPE_BOOL, TYPE_DURATION, TYPE_SIZE, TYPE_CHOICE, TYPE_LIST };
#define OPTION_REQUIRED 0x1u

struct checking {
    const struct option *options;
    size_t count;
    const struct settings_pipeline *pl;
    struct problems *ps;
};

__attribute__((format(printf, 4, 5))) static void
note(const struct checking *c, const struct place *place, const char *name, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    problems_add(c->ps, SEVERITY_ERROR, place->file, place->line, "pipelines.%s.settings.%s: %s",
                 c->pl->name, name, text);
}

static const struct option *find(const struct checking *c, const char *name)
{
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->options[i].name, name) == 0)
            return &c->options[i];
    return NULL;
}

static void note_unknown(const struct checking *c, const struct plugin_setting *s)
{
    const char **names = calloc(c->count + 1, sizeof *names);
    const char *nearest;

    for (size_t i = 0; names && i < c->count; i++)
        names[i] = c->options[i].name;
    nearest = names ? text_nearest(s->name, names, c->count) : NULL;
    problems_add(c->ps, SEVERITY_ERROR, s->place.file, s->place.line,
                 "unknown key \"%s\" in pipelines.%s.settings: the plugin %s has no such setting%s%s%s",
                 s->name, c->pl->name, c->pl->plugin, nearest ? "; did you mean \"" : "",
                 nearest ? nearest : "", nearest ? "\"?" : "");
    free(names);
}

static void check_range(const struct checking *c, const struct option *o,
                        const struct plugin_setting *s, int64_t value)
{
    if ((o->min != 0 || o->max != 0) && (value < o->min || value > o->max))
        note(c, &s->place, s->name, "%s is out of range (%lld to %lld%s)", s->text,
             (long long)o->min, (long long)o->max,
             o->type == TYPE_DURATION ? " ms" : o->type == TYPE_SIZE ? " bytes" : "");
}

static bool is_choice(const char *choices, const char *text)
{
    size_t len = strlen(text);

    for (const char *c = choices; c; c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL)
        if (strncmp(c, text, len) == 0 && (c[len] == '|' || c[len] == 0))
            return true;
    return false;
}

static void check_number(const struct checking *c, const struct option *o,
                         const struct plugin_setting *s)
{
    int64_t value;
    int err;

    if (o->type == TYPE_DURATION)
        err = text_parse_duration_ms(s->text, &value);
    else if (o->type == TYPE_SIZE)
        err = text_parse_size(s->text, &value);
    else
        err = text_parse_int(s->text, &value);
    if (!err)
        check_range(c, o, s, value);
    else if (o->type == TYPE_DURATION)
        note(c, &s->place, s->name, "\"%s\" is not a duration (examples: 250ms, 30s, 5m)", s->text);
    else if (o->type == TYPE_SIZE)
        note(c, &s->place, s->name, "\"%s\" is not a size (examples: 512, 64KiB, 10MB)", s->text);
    else
        note(c, &s->place, s->name, "\"%s\" is not a whole number", s->text);
}

static void check_value(const struct checking *c, const struct option *o,
                        const struct plugin_setting *s)
{
    char *end;

    switch (o->type) {
    case TYPE_INT:
    case TYPE_DURATION:
    case TYPE_SIZE:
        check_number(c, o, s);
        break;
    case TYPE_FLOAT:
        if (strtod(s->text, &end), end == s->text || *end)
            note(c, &s->place, s->name, "\"%s\" is not a number", s->text);
        break;
    case TYPE_BOOL:
        if (strcmp(s->text, "true") != 0 && strcmp(s->text, "false") != 0)
            note(c, &s->place, s->name, "\"%s\" is not true or false", s->text);
        break;
    case TYPE_CHOICE:
        if (!is_choice(o->choices, s->text))
            note(c, &s->place, s->name, "\"%s\" is not one of %s", s->text, o->choices);
        break;
    default:
        break;
    }
}

static void check_setting(const struct checking *c, const struct plugin_setting *s)
{
    const struct option *o = find(c, s->name);

    if (!o)
        note_unknown(c, s);
    else if (o->type == TYPE_LIST && !s->list)
        note(c, &s->place, s->name, "must be a list: [ \"...\" ]");
    else if (o->type != TYPE_LIST && s->list)
        note(c, &s->place, s->name, "must be a single value, not a list");
    else if (o->type != TYPE_LIST)
        check_value(c, o, s);
}

void options_check(const struct option *options, size_t count, const struct settings_pipeline *pl,
                   struct problems *ps)
{
    struct checking c = {options, count, pl, ps};
    const struct place *place = pl->settings_place.file ? &pl->settings_place : &pl->place;

    for (size_t i = 0; i < pl->setting_count; i++)
        if (i == 0 || strcmp(pl->settings[i].name, pl->settings[i - 1].name) != 0)
            check_setting(&c, &pl->settings[i]);
    for (size_t i = 0; i < count; i++) {
        bool given = !(options[i].flags & OPTION_REQUIRED);

        for (size_t k = 0; k < pl->setting_count; k++)
            given |= strcmp(pl->settings[k].name, options[i].name) == 0;
        if (!given)
            note(&c, place, options[i].name, "is required: %s", options[i].help);
    }
}
