/* SPDX-License-Identifier: Apache-2.0 */
#include "config/source.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xalloc.h"

#define SOURCE_MAX_BYTES (1 << 20)

struct place source_place(const config_setting_t *setting)
{
    return (struct place){config_setting_source_file(setting),
                          (int)config_setting_source_line(setting)};
}

static bool read_line(const char *file, int line, char *text, int size)
{
    FILE *f = fopen(file, "re");
    bool found = false;

    if (!f)
        return false;
    for (int n = 1; n <= line && fgets(text, size, f); n++)
        found = n == line;
    fclose(f);
    return found;
}

/* The first line of `file` that includes something which cannot be read, and its name. */
static int find_bad_include(const char *file, char *ret_name, size_t size)
{
    FILE *f = fopen(file, "re");
    char line[1024];

    for (int n = 1; f && fgets(line, sizeof line, f); n++) {
        char *at = strstr(line, "@include"), *open, *end;

        if (!at || !(open = strchr(at, '"')) || !(end = strchr(open + 1, '"')))
            continue;
        *end = 0;
        if (access(open + 1, R_OK) == 0)
            continue;
        snprintf(ret_name, size, "%s", open + 1);
        fclose(f);
        return n;
    }
    if (f)
        fclose(f);
    return 0;
}

static void add_parse_error(struct source *src, struct problems *ps)
{
    const char *file = config_error_file(&src->config) ? config_error_file(&src->config) : src->path;
    int line = config_error_line(&src->config);
    const char *text = config_error_text(&src->config);
    char name[512];
    int at;

    if (text && strstr(text, "include") && (at = find_bad_include(file, name, sizeof name)))
        problems_add(ps, SEVERITY_ERROR, file, at, "the included file \"%s\" cannot be read: %s", name,
                     strerror(ENOENT));
    else if (text && strstr(text, "duplicate"))
        problems_add(ps, SEVERITY_ERROR, file, line,
                     "the setting that ends here stands twice in its group");
    else
        problems_add(ps, SEVERITY_ERROR, file, line,
                     "syntax error at this line or the one before it (a missing ; or quote or "
                     "bracket?)");
}

static int check_readable(const char *path, struct problems *ps)
{
    struct stat st;
    int err;

    if (access(path, R_OK) != 0 || stat(path, &st) != 0) {
        err = -errno;
        problems_add(ps, SEVERITY_ERROR, NULL, 0, "%s cannot be read: %s", path, strerror(-err));
        return err;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > SOURCE_MAX_BYTES) {
        problems_add(ps, SEVERITY_ERROR, NULL, 0,
                     S_ISREG(st.st_mode) ? "%s is larger than 1 MiB" : "%s is not a file", path);
        return -EINVAL;
    }
    return 0;
}

static int load_one(struct sources *ss, const char *path, struct problems *ps)
{
    struct source *src;
    int err = check_readable(path, ps);

    if (err)
        return err;
    src = xcalloc(1, sizeof *src);
    src->path = xstrdup(path);
    config_init(&src->config);
    ss->items = xreallocarray(ss->items, ss->count + 1, sizeof(struct source *));
    ss->items[ss->count++] = src;
    if (config_read_file(&src->config, path) == CONFIG_TRUE)
        return 0;
    add_parse_error(src, ps);
    return -EINVAL;
}

int sources_load(struct sources *ss, const char *path, struct problems *ps)
{
    *ss = (struct sources){0};
    return load_one(ss, path, ps);
}

static int is_conf(const struct dirent *e)
{
    size_t len = strlen(e->d_name);

    return e->d_name[0] != '.' && len > 5 && strcmp(e->d_name + len - 5, ".conf") == 0;
}

void sources_load_dir(struct sources *ss, const char *dir, struct place place, struct problems *ps)
{
    struct dirent **entries;
    int count = scandir(dir, &entries, is_conf, alphasort);

    if (count < 0) {
        problems_add(ps, SEVERITY_ERROR, place.file, place.line,
                     "include_dir: \"%s\" cannot be read: %s", dir, strerror(errno));
        return;
    }
    for (int i = 0; i < count; i++) {
        char *path = xasprintf("%s/%s", dir, entries[i]->d_name);

        (void)!load_one(ss, path, ps);
        free(path);
        free(entries[i]);
    }
    free(entries);
}

void sources_done(struct sources *ss)
{
    for (size_t i = 0; i < ss->count; i++) {
        config_destroy(&ss->items[i]->config);
        free(ss->items[i]->path);
        free(ss->items[i]);
    }
    free(ss->items);
    *ss = (struct sources){0};
}

/* The number as it is written: behind the setting's name, on its line. */
static bool relex(const config_setting_t *setting, char *ret_token, size_t size)
{
    struct place place = source_place(setting);
    const char *name = config_setting_name(setting);
    char line[1024];
    const char *at;
    size_t len;

    if (!name || !place.file || !read_line(place.file, place.line, line, sizeof line))
        return false;
    at = strstr(line, name);
    if (!at)
        return false;
    at += strlen(name);
    at += strspn(at, " \t=:");
    len = strcspn(at, " \t;,}\r\n");
    if (len == 0 || len >= size)
        return false;
    memcpy(ret_token, at, len);
    ret_token[len] = 0;
    return true;
}

bool source_int(const config_setting_t *setting, struct problems *ps, int64_t *ret)
{
    struct place place = source_place(setting);
    char token[64], *end;
    long long value;

    *ret = config_setting_get_int64(setting);
    if (!relex(setting, token, sizeof token))
        return true;
    errno = 0;
    value = strtoll(token, &end, 0);
    if (end == token || (*end && strcmp(end, "L") != 0))
        return true; /* not the number: a line we do not understand well enough to judge */
    if (errno == ERANGE) {
        problems_add(ps, SEVERITY_ERROR, place.file, place.line, "the number \"%s\" is too large", token);
        return false;
    }
    *ret = value;
    return true;
}
