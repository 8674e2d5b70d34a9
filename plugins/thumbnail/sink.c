/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See sink.h. Every directory is opened beneath the one before it, links refused (path.c), so
 * neither a job's template nor a record's key can leave sink_root.
 *
 * Durability, the setting's three values:
 *  none  rename only: after a power cut a thumbnail may be missing or empty, though its job is
 * settled file  the bytes are on disk before the name appears: never empty, but the name may be
 * missing full  the directory too (default): a job is settled only when its thumbnails survive a
 * power cut
 *
 * Every failure here is a retry: a full disk, missing rights and a lost mount are the operator's to
 * mend, and no fault of the job.
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source.h"

#define KEY_MAX      120 /* bytes of a made-safe key before it is cut and hashed */
#define DEFAULT_NAME "{sha256}-{name}.{ext}"

/* ---- names ----------------------------------------------------------------------------------- */

static bool plain(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

/* A key as a file name: bytes outside A-Za-z0-9_-. become =XX, and so does a leading dot, so that
 * different keys give different names. A long key is cut and ends in the start of its SHA-256. */
static int safe_key(struct quern_bytes key, char ret[static KEY_MAX + 24])
{
    static const char digits[] = "0123456789ABCDEF";
    const unsigned char *bytes = key.data;
    char sha256[65];
    size_t len = 0;

    for (size_t i = 0; i < key.len; i++) {
        if (len + 3 > KEY_MAX) {
            if (source_sha256(key.data, key.len, sha256))
                return -EIO;
            snprintf(ret + len, 24, "=.%.16s", sha256);
            return 0;
        }
        if (plain(bytes[i]) && !(i == 0 && bytes[i] == '.')) {
            ret[len++] = (char)bytes[i];
        } else {
            ret[len++] = '=';
            ret[len++] = digits[bytes[i] >> 4];
            ret[len++] = digits[bytes[i] & 15];
        }
    }
    ret[len] = '\0';
    return 0;
}

/* The text that "{word}" stands for, in `ret`. */
static int expand_word(const char *word, size_t len, const struct sink_names *names,
                       char ret[static KEY_MAX + 24], struct fault *fault)
{
    if (len == 3 && memcmp(word, "key", 3) == 0) {
        if (!names->key.data || names->key.len == 0)
            return fault_reject(fault, "bad_request",
                                "\"sink\" uses {key}, but the record has no key");
        return safe_key(names->key, ret) ? fault_retry(fault, "sink_io", "cannot compute a SHA-256")
                                         : 0;
    }
    if (len == 4 && memcmp(word, "name", 4) == 0)
        snprintf(ret, KEY_MAX + 24, "%s", names->name);
    else if (len == 3 && memcmp(word, "ext", 3) == 0)
        snprintf(ret, KEY_MAX + 24, "%s", format_ext(names->format));
    else if (len == 6 && memcmp(word, "sha256", 6) == 0)
        snprintf(ret, KEY_MAX + 24, "%s", names->sha256);
    else
        return fault_reject(fault, "bad_request",
                            "\"sink\": {%.*s} is not {key}, {name}, {ext} or {sha256}",
                            (int)(len < 32 ? len : 32), word);
    return 0;
}

static int expand(const char *template, const struct sink_names *names,
                  char ret[static PATH_TEXT_MAX], struct fault *fault)
{
    size_t len = 0;

    while (*template) {
        char text[KEY_MAX + 24] = {*template, '\0'};
        size_t used = 1;

        if (*template == '{') {
            size_t word = strcspn(template + 1, "}");
            int err;

            if (template[1 + word] != '}')
                return fault_reject(fault, "bad_request", "\"sink\": { without }");
            err = expand_word(template + 1, word, names, text, fault);
            if (err)
                return err;
            used = word + 2;
        }
        if (len + strlen(text) >= PATH_TEXT_MAX)
            return fault_reject(fault, "bad_request", "\"sink\": the path is too long");
        memcpy(ret + len, text, strlen(text) + 1);
        len += strlen(text);
        template += used;
    }
    return 0;
}

int sink_path(const struct settings *settings, const char *url, const struct sink_names *names,
              char ret_path[static PATH_TEXT_MAX], struct fault *fault)
{
    char template[PATH_TEXT_MAX] = "";
    size_t len;
    int err;

    if (url) {
        err = path_from_url(url, settings->sink_root, "sink", template, fault);
        if (err)
            return err;
    }
    len = strlen(template);
    if (!strchr(template, '{')) {
        if (len + sizeof "/" DEFAULT_NAME > sizeof template)
            return fault_reject(fault, "bad_request", "\"sink\": the path is too long");
        snprintf(template + len, sizeof template - len, "%s" DEFAULT_NAME, len ? "/" : "");
    }
    err = expand(template, names, ret_path, fault);
    return err ? err : path_check(ret_path, "sink", fault);
}

char *sink_url(const struct settings *settings, const char *path)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *root = settings->sink_root;
    size_t root_len = strlen(root), len;
    char *url = malloc(sizeof "file:///" + 3 * (root_len + strlen(path)));

    if (!url)
        return NULL;
    while (root_len > 0 && root[root_len - 1] == '/')
        root_len--;
    len = (size_t)sprintf(url, "file://");
    for (size_t i = 0; i < root_len + 1 + strlen(path); i++) {
        unsigned char c = (unsigned char)(i < root_len    ? root[i]
                                          : i == root_len ? '/'
                                                          : path[i - root_len - 1]);

        if (plain(c) || c == '/' || c == '~' || c == '=') {
            url[len++] = (char)c;
        } else {
            url[len++] = '%';
            url[len++] = digits[c >> 4];
            url[len++] = digits[c & 15];
        }
    }
    url[len] = '\0';
    return url;
}

/* ---- files ----------------------------------------------------------------------------------- */

static int sink_fault(int error, const char *what, const char *path, struct fault *fault)
{
    if (error == ELOOP || error == EXDEV)
        return fault_reject(fault, "forbidden_path",
                            "\"sink\": %s leads through a symbolic link or out of sink_root", path);
    return fault_retry(fault, error == ENOSPC || error == EDQUOT ? "sink_full" : "sink_io",
                       "cannot %s %s: %s", what, path, strerror(error));
}

/* Opens the directory of `path`, made where it is missing, one name after the other. */
static int open_directory(int root_fd, const char *path, bool sync_new, int *ret_fd)
{
    int fd = path_open_beneath(root_fd, "", O_RDONLY | O_DIRECTORY);
    const char *slash;

    for (; fd >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
        char name[256];
        int next;

        snprintf(name, sizeof name, "%.*s", (int)(slash - path), path);
        next = path_open_beneath(fd, name, O_RDONLY | O_DIRECTORY);
        if (next == -ENOENT) {
            if (mkdirat(fd, name, 0755) && errno != EEXIST)
                next = -errno;
            else if (sync_new && fsync(fd))
                next = -errno;
            else
                next = path_open_beneath(fd, name, O_RDONLY | O_DIRECTORY);
        }
        close(fd);
        fd = next;
    }
    *ret_fd = fd;
    return fd < 0 ? fd : 0;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* The bytes in a new file of a name that nobody else uses. On failure nothing is left of it. */
static int write_part(int dir, bool sync, const void *data, size_t len, char part[static 32])
{
    uint64_t random;
    int fd, err;

    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return -EIO;
    snprintf(part, 32, ".%016llx.part", (unsigned long long)random);
    fd = openat(dir, part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    err = write_all(fd, data, len);
    if (!err && sync && fdatasync(fd))
        err = -errno;
    if (close(fd) && !err)
        err = -errno; /* NFS reports a full disk here */
    if (err)
        unlinkat(dir, part, 0);
    return err;
}

int sink_store(int root_fd, const struct settings *settings, const char *path, const void *data,
               size_t len, struct fault *fault)
{
    const char *slash = strrchr(path, '/');
    bool full = strcmp(settings->durability, "full") == 0;
    bool sync = full || strcmp(settings->durability, "file") == 0;
    const char *what = "open the directory of";
    char part[32];
    int dir, err;

    err = open_directory(root_fd, path, full, &dir);
    if (err)
        return sink_fault(-err, what, path, fault);
    what = "write";
    err = write_part(dir, sync, data, len, part);
    if (!err) {
        what = "rename to";
        if (renameat(dir, part, dir, slash ? slash + 1 : path)) {
            err = -errno;
            unlinkat(dir, part, 0);
        } else if (full && fsync(dir)) {
            err = -errno;
        }
    }
    close(dir);
    return err ? sink_fault(-err, what, path, fault) : 0;
}

int sink_load(int root_fd, const char *path, size_t max_bytes, void **ret, size_t *ret_len)
{
    int fd = path_open_beneath(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    size_t size, len = 0;
    struct stat st;
    char *data;

    if (fd < 0)
        return -ENOENT;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size < 1 ||
        (uint64_t)st.st_size > max_bytes || !(data = malloc((size_t)st.st_size))) {
        close(fd);
        return -ENOENT;
    }
    size = (size_t)st.st_size;
    while (len < size) {
        ssize_t n = read(fd, data + len, size - len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    close(fd);
    if (len < size) {
        free(data);
        return -ENOENT;
    }
    *ret = data;
    *ret_len = len;
    return 0;
}
