/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t bytes_of(uint32_t ring_bytes)
{
    return CHANNEL_CONTROL_BYTES + 2 * (size_t)ring_bytes;
}

static int map(struct channel *ch)
{
    void *p = mmap(NULL, ch->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ch->fd, 0);

    if (p == MAP_FAILED)
        return -errno;
    ch->control = p;
    ch->job_data = (char *)p + CHANNEL_CONTROL_BYTES;
    ch->result_data = ch->job_data + (ch->bytes - CHANNEL_CONTROL_BYTES) / 2;
    return 0;
}

int channel_create(struct channel *ch, uint32_t ring_bytes)
{
    int err;

    *ch = (struct channel){.fd = -1, .bytes = bytes_of(ring_bytes)};
    ch->fd = memfd_create("quern-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (ch->fd < 0)
        return -errno;
    if (ftruncate(ch->fd, (off_t)ch->bytes) != 0 ||
        fcntl(ch->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        err = -errno;
        channel_close(ch);
        return err;
    }
    err = map(ch);
    if (err) {
        channel_close(ch);
        return err;
    }
    ch->control->magic = CHANNEL_MAGIC;
    ch->control->ring_bytes = ring_bytes;
    return 0;
}

int channel_open(struct channel *ch, int fd)
{
    struct stat st;
    int err;

    *ch = (struct channel){.fd = fd};
    if (fstat(fd, &st) != 0)
        return -errno;
    if (st.st_size < CHANNEL_CONTROL_BYTES)
        return -EPROTO;
    ch->bytes = (size_t)st.st_size;
    err = map(ch);
    if (err)
        return err;
    if (ch->control->magic != CHANNEL_MAGIC || bytes_of(ch->control->ring_bytes) != ch->bytes)
        return -EPROTO;
    return 0;
}

void channel_close(struct channel *ch)
{
    if (ch->control)
        munmap(ch->control, ch->bytes);
    if (ch->fd >= 0)
        close(ch->fd);
    *ch = (struct channel){.fd = -1};
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int sealed_memfd(const char *name, const void *data, size_t len)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int err;

    if (fd < 0)
        return -errno;
    err = write_all(fd, data, len);
    if (!err && fcntl(fd, F_ADD_SEALS,
                      F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
        err = -errno;
    if (!err && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    close(fd);
    return err ? err : -EIO;
}

int sealed_map(int fd, size_t len, const void **ret_data)
{
    const int wanted = F_SEAL_SHRINK | F_SEAL_WRITE;
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;
    void *p;

    if (seals < 0 || (seals & wanted) != wanted || fstat(fd, &st) != 0 || st.st_size < 0 ||
        (size_t)st.st_size != len || len == 0)
        return -EPROTO;
    p = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return -errno;
    *ret_data = p;
    return 0;
}

int fd_send(int socket, int fd)
{
    char byte = 0;
    struct iovec iov = {&byte, 1};
    alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof fd)] = {0};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = space,
                         .msg_controllen = sizeof space};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(socket, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int fd_receive(int socket)
{
    char byte;
    struct iovec iov = {&byte, 1};
    alignas(struct cmsghdr) char space[CMSG_SPACE(sizeof(int))];
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = space,
                         .msg_controllen = sizeof space};
    ssize_t n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);
    struct cmsghdr *c;
    int fd;

    if (n < 0)
        return -errno;
    if (n == 0)
        return -EPIPE;
    c = CMSG_FIRSTHDR(&msg);
    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len != CMSG_LEN(sizeof fd))
        return -EPROTO;
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}
