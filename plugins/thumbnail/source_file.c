/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a picture from a file beneath source_root.
 *
 * The path comes from a job, so it is hostile. It is checked by path.c as text, and then opened by
 * openat2 relative to the open root, with RESOLVE_BENEATH | NO_SYMLINKS | NO_MAGICLINKS: the kernel
 * itself refuses whatever would leave the root, also when the tree is changed meanwhile. Symbolic
 * links beneath the root are refused as well, on purpose: who may write there must not be able to
 * point elsewhere. Only regular files are read; O_NONBLOCK keeps a FIFO from stopping the worker.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "path.h"
#include "source.h"

void source_done(struct source *source)
{
    free(source->data);
    memset(source, 0, sizeof *source);
}

int source_sha256(const void *data, size_t len, char ret_hex[static 65])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len = 0;

    if (EVP_Digest(data, len, digest, &digest_len, EVP_sha256(), NULL) != 1 || digest_len != 32)
        return -EIO;
    for (size_t i = 0; i < 32; i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[64] = '\0';
    return 0;
}

static int open_fault(int error, const char *path, struct fault *fault)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENXIO:
        return fault_reject(fault, "not_found", "there is no file %s", path);
    case ELOOP:
    case EXDEV:
        return fault_reject(fault, "forbidden_path",
                            "%s leads through a symbolic link or out of source_root", path);
    case ENAMETOOLONG:
        return fault_reject(fault, "bad_request", "\"source\": a name in the path is too long");
    case EACCES:
    case EPERM:
        return fault_reject(fault, "forbidden_path", "no permission to read %s", path);
    default:
        return fault_retry(fault, "source_io", "cannot open %s: %s", path, strerror(error));
    }
}

static int read_all(int fd, size_t size, const char *path, struct source *ret, struct fault *fault)
{
    ret->data = malloc(size);
    if (!ret->data)
        return fault_retry(fault, "no_memory", "no memory for %zu bytes of %s", size, path);
    while (ret->len < size) {
        ssize_t n = read(fd, ret->data + ret->len, size - ret->len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fault_retry(fault, "source_io", "cannot read %s: %s", path, strerror(errno));
        if (n == 0)
            return fault_retry(fault, "source_io", "%s became shorter while it was read", path);
        ret->len += (size_t)n;
    }
    if (source_sha256(ret->data, ret->len, ret->sha256))
        return fault_retry(fault, "source_io", "cannot compute the SHA-256 of %s", path);
    return 0;
}

static int check_file(int fd, int64_t max_bytes, const char *path, size_t *ret_size,
                      struct fault *fault)
{
    struct stat st;

    if (fstat(fd, &st))
        return fault_retry(fault, "source_io", "cannot look at %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fault_reject(fault, "not_found", "%s is not a regular file", path);
    if (st.st_size == 0)
        return fault_reject(fault, "bad_image", "%s is empty", path);
    if (st.st_size > max_bytes)
        return fault_reject(fault, "too_large",
                            "%s has %lld bytes, more than max_source_bytes %lld", path,
                            (long long)st.st_size, (long long)max_bytes);
    *ret_size = (size_t)st.st_size;
    return 0;
}

int source_file_read(int root_fd, const struct settings *settings, const char *url,
                     struct source *ret, struct fault *fault)
{
    char path[PATH_TEXT_MAX];
    size_t size = 0;
    int fd, err;

    memset(ret, 0, sizeof *ret);
    if (root_fd < 0)
        return fault_reject(fault, "forbidden_path",
                            "file:// is off: this pipeline has no source_root");
    err = path_from_url(url, settings->source_root, "source", path, fault);
    if (err)
        return err;
    fd = path_open_beneath(root_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return open_fault(-fd, path, fault);
    err = check_file(fd, settings->max_source_bytes, path, &size, fault);
    if (!err)
        err = read_all(fd, size, path, ret, fault);
    close(fd);
    if (err)
        source_done(ret);
    return err;
}
