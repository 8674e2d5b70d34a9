/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <seccomp.h>

#include "worker/host.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

struct grants {
    const struct spec *spec; /* NULL: none */
    const char *plugin;
    bool network, seccomp, landlock;
};

static void say(int level, const char *text)
{
    host_say(0, level, text, strlen(text));
}

void sandbox_tie_to_parent(int64_t parent_pid)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (parent_pid && getppid() != (pid_t)parent_pid)
        _exit(1); /* it died before the line above */
}

/* ---- rlimits ---- */

static int limit(int resource, int64_t value)
{
    struct rlimit want = {(rlim_t)value, (rlim_t)value};

    return setrlimit((__rlimit_resource_t)resource, &want) == 0 ? 0 : -errno;
}

static int set_limits(const struct spec *spec)
{
    int64_t memory = spec_int(spec, "memory");
    int err = limit(RLIMIT_CORE, 0);

#ifdef SANITIZED
    memory = 0; /* its shadow memory is terabytes of address space */
#endif
    if (!err && memory > 0)
        err = limit(RLIMIT_AS, memory);
    if (!err && spec_int(spec, "open_files") > 0)
        err = limit(RLIMIT_NOFILE, spec_int(spec, "open_files"));
    if (!err && spec_int(spec, "file_bytes") > 0)
        err = limit(RLIMIT_FSIZE, spec_int(spec, "file_bytes"));
    return err;
}

static void prefer_for_oom(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    (void)!write(fd, "500", 3);
    close(fd);
}

/* ---- Landlock ---- */

#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_WRITE                                                                               \
    (ACCESS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                 \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |  \
     LANDLOCK_ACCESS_FS_MAKE_SYM)
/* Everything of ABI 1: what is handled and not granted is denied. */
#define ACCESS_ALL ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
#define ACCESS_FILE_ONLY                                                                           \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE)
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif

static int allow(int ruleset, const char *path, uint64_t access)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = access};
    struct stat st;
    int err = 0;

    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return -errno;
    if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed_access &= ACCESS_FILE_ONLY;
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        err = -errno;
    close(rule.parent_fd);
    return err;
}

static void allow_system(int ruleset, const char *plugin)
{
    /* EXECUTE: mapping a library as code is not asked for it, but loaders of some libc are. */
    static const char *const readable[] = {"/usr",  "/lib",      "/lib64",       "/etc",
                                           "/proc", "/sys",      "/run/resolvconf", "/run/systemd/resolve"};
    static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/urandom",
                                          "/dev/random"};
    char *copy = strdup(plugin);

    /* What is not there cannot be read either: errors do not matter here. */
    for (size_t i = 0; i < sizeof readable / sizeof readable[0]; i++)
        (void)allow(ruleset, readable[i], ACCESS_READ | LANDLOCK_ACCESS_FS_EXECUTE);
    for (size_t i = 0; i < sizeof devices / sizeof devices[0]; i++)
        (void)allow(ruleset, devices[i],
                    LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);
    if (copy)
        (void)allow(ruleset, dirname(copy), ACCESS_READ | LANDLOCK_ACCESS_FS_EXECUTE);
    free(copy);
}

static int allow_granted(int ruleset, const struct spec *spec, uint64_t refer, char *error,
                         size_t error_size)
{
    const char *name, *value;
    size_t at = 0;

    while (spec && spec_next(spec, &at, &name, &value)) {
        bool write = strcmp(name, "write") == 0;
        int err;

        if (!write && strcmp(name, "read") != 0)
            continue;
        err = allow(ruleset, value, write ? ACCESS_WRITE | refer : ACCESS_READ);
        if (err) {
            snprintf(error, error_size, "sandbox.%s: %s cannot be granted: %s", name, value,
                     strerror(-err));
            return err;
        }
    }
    return 0;
}

static int enter_landlock(const struct grants *g, char *error, size_t error_size)
{
    struct landlock_ruleset_attr attr = {.handled_access_fs = ACCESS_ALL};
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    uint64_t refer = abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
    int ruleset, err;

    if (!g->landlock)
        return 0;
    if (abi < 1) {
        say(QUERN_LOG_WARN, "this kernel has no Landlock: files are guarded by their modes only");
        return 0;
    }
    attr.handled_access_fs |= refer;
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (ruleset < 0) {
        snprintf(error, error_size, "Landlock: %s", strerror(errno));
        return -errno;
    }
    allow_system(ruleset, g->plugin);
    err = allow_granted(ruleset, g->spec, refer, error, error_size);
    if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        err = -errno;
        snprintf(error, error_size, "Landlock: %s", strerror(-err));
    }
    close(ruleset);
    return err;
}

/* ---- seccomp ---- */

/* After systemd's groups @clock @cpu-emulation @debug @module @mount @obsolete @raw-io @reboot @swap
 * @privileged and @keyring, plus what starts programs or reaches other processes. By name, because
 * which of them exist is the machine's business. */
static const char *const denied[] = {
    "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise",
    "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "tkill", "kcmp", "bpf", "perf_event_open",
    "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key",
    "request_key", "mount", "umount", "umount2", "move_mount", "open_tree", "fsopen", "fsmount",
    "fsconfig", "fspick", "mount_setattr", "pivot_root", "chroot", "unshare", "setns",
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
    "swapon", "swapoff", "iopl", "ioperm", "settimeofday", "clock_settime", "clock_adjtime",
    "adjtimex", "stime", "acct", "quotactl", "quotactl_fd", "sethostname", "setdomainname",
    "vhangup", "nfsservctl", "lookup_dcookie", "uselib", "ustat", "sysfs", "_sysctl",
    "modify_ldt", "vm86", "vm86old", "subpage_prot", "pciconfig_read", "pciconfig_write",
    "syslog", "fanotify_init", "name_to_handle_at", "open_by_handle_at", "setuid", "setgid",
    "setreuid", "setregid", "setresuid", "setresgid", "setfsuid", "setfsgid", "setgroups",
    "capset", "chown", "fchown", "lchown", "fchownat", "mknod", "mknodat", "personality",
    "migrate_pages", "move_pages", "mbind", "set_mempolicy", "setpriority", "ioprio_set",
    "sched_setscheduler", "sched_setattr", "sched_setparam", "seccomp",
};

static int deny_by_name(scmp_filter_ctx ctx)
{
    for (size_t i = 0; i < sizeof denied / sizeof denied[0]; i++) {
        int nr = seccomp_syscall_resolve_name(denied[i]);
        int err = nr == __NR_SCMP_ERROR || nr < 0
                      ? 0
                      : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);

        if (err)
            return err;
    }
    return 0;
}

/* Signals and limits of others; abort() and raise() go to the process itself and pass. */
static int deny_reaching_others(scmp_filter_ctx ctx)
{
    static const int calls[] = {SCMP_SYS(kill), SCMP_SYS(tgkill), SCMP_SYS(rt_sigqueueinfo),
                                SCMP_SYS(rt_tgsigqueueinfo)};
    scmp_datum_t self = (scmp_datum_t)getpid();
    int err = 0;

    for (size_t i = 0; !err && i < sizeof calls / sizeof calls[0]; i++)
        err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), calls[i], 1, SCMP_A0(SCMP_CMP_NE, self));
    if (!err)
        err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 1,
                               SCMP_A0(SCMP_CMP_NE, 0)); /* 0: itself */
    return err;
}

static int deny_sockets(scmp_filter_ctx ctx, bool network)
{
    int err;

    if (!network)
        return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 0);
    /* AF_UNIX, AF_INET, AF_INET6 and, for the resolver, AF_NETLINK; no raw or packet sockets. */
    err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                           SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
    for (int family = AF_INET + 1; !err && family < AF_NETLINK; family++)
        if (family != AF_INET6)
            err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                                   SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
    if (!err)
        err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                               SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, SOCK_RAW));
    return err;
}

static int enter_seccomp(const struct grants *g, char *error, size_t error_size)
{
    scmp_filter_ctx ctx;
    int err, load = 0;

    if (!g->seccomp)
        return 0;
    ctx = seccomp_init(SCMP_ACT_ALLOW);
    err = ctx ? deny_by_name(ctx) : -ENOMEM;
    if (!err)
        err = deny_reaching_others(ctx);
    if (!err)
        err = deny_sockets(ctx, g->network);
    if (!err)
        load = seccomp_load(ctx);
    seccomp_release(ctx);
    if (load) { /* the rules are right: what is missing is the kernel's part */
        say(QUERN_LOG_WARN, "this kernel has no seccomp filters: system calls are not guarded");
        return 0;
    }
    if (err)
        snprintf(error, error_size, "seccomp: %s", strerror(-err));
    return err;
}

static int enter(const struct grants *g, char *error, size_t error_size)
{
    int err;

    umask(077);
    prefer_for_oom();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        snprintf(error, error_size, "no_new_privs: %s", strerror(errno));
        return -errno;
    }
    err = enter_landlock(g, error, error_size);
    return err ? err : enter_seccomp(g, error, error_size);
}

int sandbox_enter(const struct spec *spec, const char *plugin, char *error, size_t error_size)
{
    struct grants g = {spec, plugin, spec_int(spec, "network") != 0,
                       spec_int(spec, "seccomp") != 0, spec_int(spec, "landlock") != 0};
    int err = set_limits(spec);

    if (err) {
        snprintf(error, error_size, "the sandbox's limits cannot be set: %s", strerror(-err));
        return err;
    }
    return enter(&g, error, error_size);
}

int sandbox_enter_closed(const char *plugin, char *error, size_t error_size)
{
    struct grants g = {NULL, plugin, false, true, true};

    return enter(&g, error, error_size);
}
