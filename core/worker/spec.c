/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/spec.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

void spec_put(struct buf *b, const char *name, const char *value)
{
    buf_add(b, name, strlen(name) + 1);
    buf_add(b, value, strlen(value) + 1);
}

static void put_int(struct buf *b, const char *name, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, value);
    spec_put(b, name, text);
}

static void put_settings(struct buf *b, const struct settings_pipeline *pl)
{
    for (size_t i = 0; i < pl->setting_count; i++) {
        const struct plugin_setting *s = &pl->settings[i];

        if (!s->text) {
            spec_put(b, "empty", s->name);
            continue;
        }
        spec_put(b, s->list ? "list" : "setting", s->name);
        spec_put(b, "value", s->text);
    }
}

void spec_write(struct buf *b, const struct settings_pipeline *pl, const char *plugin_path,
                uint32_t worker)
{
    const struct settings_sandbox *box = &pl->sandbox;

    spec_put(b, "plugin", plugin_path);
    spec_put(b, "pipeline", pl->name);
    put_int(b, "worker", worker);
    put_int(b, "parent", getpid());
    put_int(b, "max_emit", pl->max_emit_bytes);
    put_int(b, "deadline_ms", pl->deadline_ms);
    put_int(b, "memory", box->memory_bytes);
    put_int(b, "open_files", box->open_files);
    put_int(b, "file_bytes", box->file_bytes);
    put_int(b, "network", box->network);
    put_int(b, "seccomp", box->seccomp);
    put_int(b, "landlock", box->landlock);
    for (size_t i = 0; i < pl->topic_count; i++)
        spec_put(b, "topic", pl->topics[i]);
    for (size_t i = 0; i < pl->emit_count; i++)
        spec_put(b, "alias", pl->emits[i].alias);
    for (char **path = box->read; path && *path; path++)
        spec_put(b, "read", *path);
    for (char **path = box->write; path && *path; path++)
        spec_put(b, "write", *path);
    put_settings(b, pl);
}

bool spec_next(const struct spec *s, size_t *at, const char **ret_name, const char **ret_value)
{
    const char *texts[2];

    for (int i = 0; i < 2; i++) {
        const char *end = *at < s->len ? memchr(s->data + *at, 0, s->len - *at) : NULL;

        if (!end)
            return false;
        texts[i] = s->data + *at;
        *at = (size_t)(end - s->data) + 1;
    }
    *ret_name = texts[0];
    *ret_value = texts[1];
    return true;
}

const char *spec_get(const struct spec *s, const char *name)
{
    const char *n, *v;
    size_t at = 0;

    while (spec_next(s, &at, &n, &v))
        if (strcmp(n, name) == 0)
            return v;
    return NULL;
}

int64_t spec_int(const struct spec *s, const char *name)
{
    const char *text = spec_get(s, name);
    int64_t value;

    return text && text_parse_int(text, &value) == 0 ? value : 0;
}

size_t spec_count(const struct spec *s, const char *name)
{
    const char *n, *v;
    size_t at = 0, count = 0;

    while (spec_next(s, &at, &n, &v))
        count += strcmp(n, name) == 0;
    return count;
}
