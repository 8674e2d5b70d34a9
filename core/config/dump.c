/* SPDX-License-Identifier: Apache-2.0 */
#include "config/dump.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "config/keys.h"

static void dump_string(const char *text, FILE *out)
{
    fputc('"', out);
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\')
            fputc('\\', out);
        if (*c == '\n')
            fputs("\\n", out);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

static void dump_list(char *const *list, FILE *out)
{
    fputc('[', out);
    for (size_t i = 0; list && list[i]; i++) {
        fputs(i ? ", " : "", out);
        dump_string(list[i], out);
    }
    fputc(']', out);
}

static void dump_choice(const char *choices, int index, FILE *out)
{
    while (index-- > 0 && strchr(choices, '|'))
        choices = strchr(choices, '|') + 1;
    fprintf(out, "\"%.*s\"", (int)strcspn(choices, "|"), choices);
}

static void dump_value(const struct key *k, const void *field, FILE *out)
{
    const int64_t *n = field;
    char a[32], b[32];

    switch (k->type) {
    case KEY_STRING:
    case KEY_TOPIC:
        dump_string(*(char *const *)field ? *(char *const *)field : "", out);
        break;
    case KEY_INT:
        fprintf(out, "%" PRId64, *n);
        break;
    case KEY_INT32:
        fprintf(out, "%" PRId32, *(const int32_t *)field);
        break;
    case KEY_BOOL:
        fputs(*(const bool *)field ? "true" : "false", out);
        break;
    case KEY_DURATION:
        fprintf(out, "\"%s\"", text_format_duration_ms(*n, a));
        break;
    case KEY_SIZE:
        fprintf(out, "\"%s\"", text_format_size(*n, a));
        break;
    case KEY_SPAN:
        fprintf(out, "\"%s..%s\"", text_format_duration_ms(n[0], a),
                text_format_duration_ms(n[1], b));
        break;
    case KEY_CHOICE:
        dump_choice(k->choices, *(const int *)field, out);
        break;
    case KEY_LIST:
    case KEY_TOPICS:
        dump_list(*(char **const *)field, out);
        break;
    case KEY_GROUP:
    case KEY_MAP:
        break;
    }
}

static void dump_properties(const struct settings *s, const char *indent, FILE *out)
{
    fprintf(out, "%sproperties = {\n", indent);
    for (size_t i = 0; i < s->kafka.property_count; i++) {
        const struct property *p = &s->kafka.properties[i];

        fprintf(out, "%s  ", indent);
        for (const char *c = p->name; *c; c++)
            fputc(*c == '.' ? '_' : *c, out);
        fputs(" = ", out);
        dump_string(p->secret ? "***" : p->value, out);
        fputs(";\n", out);
    }
    fprintf(out, "%s};\n", indent);
}

static void dump_group(const struct settings *s, const struct key *table, const void *base,
                       const char *indent, FILE *out)
{
    for (const struct key *k = table; k->name; k++) {
        const void *field = (const char *)base + k->offset;
        char inner[32];

        if (k->type == KEY_MAP && strcmp(k->name, "properties") == 0 && s->kafka.property_count)
            dump_properties(s, indent, out);
        if (k->type == KEY_MAP || (k->flags & KEY_BY_CODE))
            continue;
        fprintf(out, "%s%s = ", indent, k->name);
        if (k->type == KEY_GROUP) {
            snprintf(inner, sizeof inner, "%s  ", indent);
            fputs("{\n", out);
            if (field == &s->admin && s->admin.enabled)
                fprintf(out, "%slisten = \"%s:%u\";\n", inner, s->admin.host, s->admin.port);
            else if (field == &s->admin)
                fprintf(out, "%slisten = \"off\";\n", inner);
            dump_group(s, k->sub, field, inner, out);
            fprintf(out, "%s}", indent);
        } else {
            dump_value(k, field, out);
        }
        fputs(";\n", out);
    }
}

static void dump_settings(const struct settings_pipeline *pl, FILE *out)
{
    fputs("    settings = {\n", out);
    for (size_t i = 0; i < pl->setting_count; i++) {
        const struct plugin_setting *ps = &pl->settings[i];
        bool first = i == 0 || strcmp(ps->name, pl->settings[i - 1].name) != 0;
        bool last = i + 1 == pl->setting_count || strcmp(ps->name, pl->settings[i + 1].name) != 0;

        if (first)
            fprintf(out, "      %s = %s", ps->name, ps->list ? "[" : "");
        else
            fputs(", ", out);
        if (ps->text && (ps->quoted || ps->secret))
            dump_string(ps->secret ? "***" : ps->text, out);
        else if (ps->text)
            fputs(ps->text, out);
        if (last)
            fprintf(out, "%s;\n", ps->list ? "]" : "");
    }
    fputs("    };\n", out);
}

void settings_dump(const struct settings *s, FILE *out)
{
    dump_group(s, settings_keys, s, "", out);
    fputs("pipelines = {\n", out);
    for (size_t i = 0; i < s->pipeline_count; i++) {
        const struct settings_pipeline *pl = &s->pipelines[i];

        fprintf(out, "  # %s:%d\n  %s = {\n", pl->place.file, pl->place.line, pl->name);
        dump_group(s, pipeline_keys, pl, "    ", out);
        if (pl->emit_count)
            fputs("    emit = {", out);
        for (size_t k = 0; k < pl->emit_count; k++) {
            fprintf(out, " %s = ", pl->emits[k].alias);
            dump_string(pl->emits[k].topic, out);
            fputs(k + 1 == pl->emit_count ? "; };\n" : ";", out);
        }
        dump_settings(pl, out);
        fputs("  };\n", out);
    }
    fputs("};\n", out);
}
