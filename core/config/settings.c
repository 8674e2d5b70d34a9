/* SPDX-License-Identifier: Apache-2.0 */
#include "config/settings.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "config/fill.h"
#include "config/keys.h"
#include "config/properties.h"
#include "config/source.h"

struct loading {
    struct settings *s;
    struct fill fill; /* of the top level */
};

static void *keep(const struct loading *l, size_t bytes)
{
    void *p = arena_alloc(l->fill.arena, bytes ? bytes : 1);

    if (!p)
        abort();
    return memset(p, 0, bytes ? bytes : 1);
}

/* ---- kafka.properties, admin.listen, environment ---- */

static void load_property(const struct loading *l, const config_setting_t *s, struct property *p)
{
    struct place place = source_place(s);
    const struct property_rule *rule;
    bool secret;

    p->name = fill_strdup(&l->fill, config_setting_name(s));
    for (char *c = p->name; *c; c++)
        *c = *c == '_' ? '.' : *c;
    p->place = place;
    p->value = (char *)fill_text(&l->fill, s, &secret);
    rule = property_find(p->name);
    if (!rule)
        problems_add(l->fill.ps, SEVERITY_ERROR, place.file, place.line,
                     "kafka.properties: \"%s\" %s", config_setting_name(s),
                     property_refusal(p->name));
    else if (!p->value)
        problems_add(l->fill.ps, SEVERITY_ERROR, place.file, place.line,
                     "kafka.properties.%s: must be a single value", config_setting_name(s));
    p->secret = secret || (rule && rule->secret);
}

static void load_properties(const struct loading *l, const config_setting_t *root)
{
    const config_setting_t *kafka = config_setting_get_member(root, "kafka");
    const config_setting_t *group =
        kafka && config_setting_is_group(kafka) ? config_setting_get_member(kafka, "properties") : NULL;
    struct settings_kafka *k = &l->s->kafka;

    if (!group || !config_setting_is_group(group))
        return;
    k->property_count = (size_t)config_setting_length(group);
    k->properties = keep(l, k->property_count * sizeof *k->properties);
    for (size_t i = 0; i < k->property_count; i++)
        load_property(l, config_setting_get_elem(group, (unsigned)i), &k->properties[i]);
}

static void load_listen(const struct loading *l, const config_setting_t *root)
{
    const config_setting_t *admin = config_setting_get_member(root, "admin");
    const config_setting_t *s =
        admin && config_setting_is_group(admin) ? config_setting_get_member(admin, "listen") : NULL;
    struct place place = s ? source_place(s) : (struct place){NULL, 0};
    bool secret;
    const char *text = s ? fill_text(&l->fill, s, &secret) : "127.0.0.1:8686";
    const char *colon = text ? strrchr(text, ':') : NULL;
    int64_t port;

    if (!text || strcmp(text, "off") == 0)
        return;
    if (!colon || colon == text || text_parse_int(colon + 1, &port) != 0 || port < 0 || port > 65535) {
        problems_add(l->fill.ps, SEVERITY_ERROR, place.file, place.line,
                     "admin.listen: \"%s\" is not host:port or \"off\"", text);
        return;
    }
    l->s->admin.enabled = true;
    l->s->admin.host = fill_strdup(&l->fill, text);
    l->s->admin.host[colon - text] = 0;
    l->s->admin.port = (uint16_t)port;
}

/* A build that is not installed says where its parts are; folders in front of those of the settings. */
static void apply_environment(const struct loading *l)
{
    const char *path = getenv("QUERN_PLUGIN_PATH"), *libexec = getenv("QUERN_LIBEXEC");
    char **old = l->s->plugin_dirs, **dirs;
    size_t count = 0, n = 0;

    if (libexec && libexec[0]) {
        char *worker = xasprintf("%s/quern-worker", libexec);

        l->s->worker = fill_strdup(&l->fill, worker);
        free(worker);
    }
    if (!path || !path[0])
        return;
    while (old[count])
        count++;
    for (const char *c = path; *c; c++)
        count += *c == ':';
    dirs = keep(l, (count + 2) * sizeof *dirs);
    for (const char *c = path; *c; c += strcspn(c, ":"), c += *c == ':') {
        size_t len = strcspn(c, ":");

        if (len == 0)
            continue;
        dirs[n] = fill_strdup(&l->fill, c);
        dirs[n++][len] = 0;
    }
    for (size_t i = 0; old[i]; i++)
        dirs[n++] = old[i];
    l->s->plugin_dirs = dirs;
}

/* ---- Pipelines ---- */

static bool name_is_valid(const char *name, const char *set)
{
    size_t len = strlen(name);

    return len > 0 && len <= 64 && strspn(name, set) == len;
}

static void load_emits(const struct loading *l, struct settings_pipeline *pl,
                       const config_setting_t *group)
{
    const config_setting_t *map = config_setting_get_member(group, "emit");
    bool secret;

    if (!map)
        return;
    if (!config_setting_is_group(map)) {
        problems_add(l->fill.ps, SEVERITY_ERROR, source_place(map).file, source_place(map).line,
                     "pipelines.%s.emit: must be a group: { alias = \"topic\"; }", pl->name);
        return;
    }
    pl->emits = keep(l, (size_t)config_setting_length(map) * sizeof *pl->emits);
    for (int i = 0; i < config_setting_length(map); i++) {
        const config_setting_t *s = config_setting_get_elem(map, (unsigned)i);
        const char *topic = config_setting_is_scalar(s) ? fill_text(&l->fill, s, &secret) : NULL;
        struct place place = source_place(s);

        if (!topic || !topic_is_valid(topic))
            problems_add(l->fill.ps, SEVERITY_ERROR, place.file, place.line,
                         "pipelines.%s.emit.%s: \"%s\" is not a topic's name", pl->name,
                         config_setting_name(s), topic ? topic : "");
        else
            pl->emits[pl->emit_count++] = (struct settings_emit){
                fill_strdup(&l->fill, config_setting_name(s)), fill_strdup(&l->fill, topic)};
    }
}

static void add_setting(const struct loading *l, struct settings_pipeline *pl, const char *name,
                        const config_setting_t *s, bool list)
{
    struct plugin_setting *ps = &pl->settings[pl->setting_count];

    ps->place = source_place(s);
    ps->name = fill_strdup(&l->fill, name);
    ps->list = list;
    ps->quoted = config_setting_type(s) == CONFIG_TYPE_STRING;
    ps->text = (char *)fill_text(&l->fill, s, &ps->secret);
    if (ps->text)
        pl->setting_count++;
}

static void load_setting(const struct loading *l, struct settings_pipeline *pl,
                         const config_setting_t *s)
{
    const char *name = config_setting_name(s);

    if (config_setting_is_group(s)) {
        problems_add(l->fill.ps, SEVERITY_ERROR, source_place(s).file, source_place(s).line,
                     "pipelines.%s.settings.%s: must be a value or a list, not a group", pl->name, name);
    } else if (!config_setting_is_aggregate(s)) {
        add_setting(l, pl, name, s, false);
    } else if (config_setting_length(s) == 0) {
        pl->settings[pl->setting_count++] = (struct plugin_setting){
            .name = fill_strdup(&l->fill, name), .list = true, .place = source_place(s)};
    } else {
        for (int i = 0; i < config_setting_length(s); i++)
            add_setting(l, pl, name, config_setting_get_elem(s, (unsigned)i), true);
    }
}

static void load_settings(const struct loading *l, struct settings_pipeline *pl,
                          const config_setting_t *group)
{
    const config_setting_t *map = config_setting_get_member(group, "settings");
    size_t max = 0;

    if (!map)
        return;
    pl->settings_place = source_place(map);
    if (!config_setting_is_group(map)) {
        problems_add(l->fill.ps, SEVERITY_ERROR, pl->settings_place.file, pl->settings_place.line,
                     "pipelines.%s.settings: must be a group: { ... }", pl->name);
        return;
    }
    for (int i = 0; i < config_setting_length(map); i++) {
        const config_setting_t *s = config_setting_get_elem(map, (unsigned)i);

        max += config_setting_is_aggregate(s) ? (size_t)config_setting_length(s) + 1 : 1;
    }
    pl->settings = keep(l, max * sizeof *pl->settings);
    for (int i = 0; i < config_setting_length(map); i++)
        load_setting(l, pl, config_setting_get_elem(map, (unsigned)i));
}

static void check_pipeline(const struct loading *l, const struct settings_pipeline *pl)
{
    struct place at = pl->place;

    if (pl->ring_bytes & (pl->ring_bytes - 1))
        problems_add(l->fill.ps, SEVERITY_ERROR, at.file, at.line,
                     "pipelines.%s.ring: must be a power of two (512KiB, 1MiB, ...)", pl->name);
    for (size_t i = 0; i < pl->topic_count; i++) {
        if (pl->dead && strcmp(pl->topics[i], pl->dead) == 0)
            problems_add(l->fill.ps, SEVERITY_ERROR, at.file, at.line,
                         "pipelines.%s: reads its own dead-letter topic \"%s\": its dead letters "
                         "would come back for ever",
                         pl->name, pl->dead);
        for (size_t k = 0; k < pl->emit_count; k++)
            if (strcmp(pl->topics[i], pl->emits[k].topic) == 0)
                problems_add(l->fill.ps, SEVERITY_ERROR, at.file, at.line,
                             "pipelines.%s.emit.%s: emits to the topic \"%s\" that it reads: an "
                             "endless loop",
                             pl->name, pl->emits[k].alias, pl->topics[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(pl->topics[i], pl->topics[k]) == 0)
                problems_add(l->fill.ps, SEVERITY_ERROR, at.file, at.line,
                             "pipelines.%s.topics: \"%s\" stands twice", pl->name, pl->topics[i]);
    }
}

static void load_pipeline(const struct loading *l, const config_setting_t *group)
{
    struct settings_pipeline *pl = &l->s->pipelines[l->s->pipeline_count++];
    const config_setting_t *plugin;
    char path[96];
    struct fill inner = {l->fill.arena, l->fill.ps, path};

    pl->place = source_place(group);
    pl->name = fill_strdup(&l->fill, config_setting_name(group));
    snprintf(path, sizeof path, "pipelines.%.64s", pl->name);
    if (!name_is_valid(pl->name, "abcdefghijklmnopqrstuvwxyz0123456789-"))
        problems_add(l->fill.ps, SEVERITY_ERROR, pl->place.file, pl->place.line,
                     "pipelines: \"%s\" is not a name of a pipeline (1 to 64 of [a-z0-9-])", pl->name);
    if (!config_setting_is_group(group)) {
        problems_add(l->fill.ps, SEVERITY_ERROR, pl->place.file, pl->place.line,
                     "%s: must be a group: { ... }", path);
        l->s->pipeline_count--;
        return;
    }
    fill_group(&inner, pipeline_keys, group, pl->place, pl);
    plugin = config_setting_get_member(group, "plugin");
    pl->plugin_place = plugin ? source_place(plugin) : pl->place;
    while (pl->topics && pl->topics[pl->topic_count])
        pl->topic_count++;
    if (!pl->group) {
        char *name = xasprintf("quern.%s", pl->name);

        pl->group = fill_strdup(&l->fill, name);
        free(name);
    }
    if (!pl->dead && pl->topic_count) {
        char *name = xasprintf("%s.dlq", pl->topics[0]);

        pl->dead = fill_strdup(&l->fill, name);
        free(name);
    }
    load_emits(l, pl, group);
    load_settings(l, pl, group);
    check_pipeline(l, pl);
}

static const config_setting_t *pipelines_of(const struct source *src)
{
    const config_setting_t *root = config_root_setting(&src->config);

    return config_setting_get_member(root, "pipelines");
}

static void load_pipelines(const struct loading *l, const struct sources *ss)
{
    size_t max = 0;

    for (size_t i = 0; i < ss->count; i++)
        if (pipelines_of(ss->items[i]))
            max += (size_t)config_setting_length(pipelines_of(ss->items[i]));
    l->s->pipelines = keep(l, (max + 1) * sizeof *l->s->pipelines);
    for (size_t i = 0; i < ss->count; i++) {
        const config_setting_t *map = pipelines_of(ss->items[i]);

        if (map && !config_setting_is_group(map))
            problems_add(l->fill.ps, SEVERITY_ERROR, source_place(map).file, source_place(map).line,
                         "pipelines: must be a group: { name: { ... }; }");
        for (int k = 0; map && config_setting_is_group(map) && k < config_setting_length(map); k++)
            load_pipeline(l, config_setting_get_elem(map, (unsigned)k));
    }
}

static void check_clashes(const struct loading *l)
{
    for (size_t i = 0; i < l->s->pipeline_count; i++) {
        const struct settings_pipeline *a = &l->s->pipelines[i];

        for (size_t k = 0; k < i; k++) {
            const struct settings_pipeline *b = &l->s->pipelines[k];

            if (strcmp(a->name, b->name) == 0)
                problems_add(l->fill.ps, SEVERITY_ERROR, a->place.file, a->place.line,
                             "the pipeline \"%s\" stands twice: also at %s:%d", a->name, b->place.file,
                             b->place.line);
            else if (strcmp(a->group, b->group) == 0)
                problems_add(l->fill.ps, SEVERITY_ERROR, a->place.file, a->place.line,
                             "the pipelines \"%s\" and \"%s\" have one group, \"%s\": each would get "
                             "a part of the other's jobs",
                             a->name, b->name, a->group);
        }
    }
}

/* ---- The whole ---- */

static void load_include_dir(const struct loading *l, struct sources *ss)
{
    const struct source *first = ss->items[0];
    const config_setting_t *root = config_root_setting(&first->config);
    const config_setting_t *s = config_setting_get_member(root, "include_dir");
    size_t from = ss->count;
    const char *text;
    bool secret;

    text = s ? fill_text(&l->fill, s, &secret) : NULL;
    if (!text)
        return;
    if (text[0] == '/') {
        sources_load_dir(ss, text, source_place(s), l->fill.ps);
    } else {
        char *copy = xstrdup(first->path);
        char *dir = xasprintf("%s/%s", dirname(copy), text);

        sources_load_dir(ss, dir, source_place(s), l->fill.ps);
        free(dir);
        free(copy);
    }
    for (size_t i = from; i < ss->count; i++) {
        root = config_root_setting(&ss->items[i]->config);
        for (int k = 0; k < config_setting_length(root); k++) {
            const config_setting_t *e = config_setting_get_elem(root, (unsigned)k);

            if (strcmp(config_setting_name(e), "pipelines") != 0)
                problems_add(l->fill.ps, SEVERITY_ERROR, source_place(e).file, source_place(e).line,
                             "\"%s\" belongs into the main file; this one may hold pipelines only",
                             config_setting_name(e));
        }
    }
}

int settings_load(const char *path, struct problems *ps, struct settings **ret)
{
    struct settings *s = xcalloc(1, sizeof *s);
    struct arena *arena = xcalloc(1, sizeof *arena);
    struct loading l = {s, {arena, ps, ""}};
    struct sources ss;
    size_t errors_before = ps->errors;
    int err;

    arena_init(arena, 0);
    s->arena_ = arena;
    err = sources_load(&ss, path, ps);
    if (!err) {
        const config_setting_t *root = config_root_setting(&ss.items[0]->config);

        s->path = fill_strdup(&l.fill, path);
        fill_group(&l.fill, settings_keys, root, (struct place){path, 0}, s);
        load_properties(&l, root);
        load_listen(&l, root);
        load_include_dir(&l, &ss);
        apply_environment(&l);
        load_pipelines(&l, &ss);
        check_clashes(&l);
    }
    if (!err && ps->errors == errors_before && s->pipeline_count == 0)
        problems_add(ps, SEVERITY_WARNING, path, 0, "there is no pipeline: the engine would idle");
    if (ps->errors > errors_before && !err)
        err = -EINVAL;
    /* Places point into the sources' file names: keep those alive with the settings. */
    s->sources_ = xcalloc(1, sizeof ss);
    memcpy(s->sources_, &ss, sizeof ss);
    if (err)
        settings_free(s);
    else
        *ret = s;
    return err;
}

void settings_free(struct settings *s)
{
    if (!s)
        return;
    if (s->sources_)
        sources_done(s->sources_);
    free(s->sources_);
    arena_done(s->arena_);
    free(s->arena_);
    free(s);
}
