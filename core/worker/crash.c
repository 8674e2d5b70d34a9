/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/crash.h"

#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MODULES_MAX 256
#define FRAMES_MAX 48
#define STACK_BYTES (64 * 1024)

static struct module {
    uintptr_t start, end, base;
    char name[64];
} modules[MODULES_MAX];
static size_t module_count;
static struct crash_record *record;

static int note_module(struct dl_phdr_info *info, size_t size, void *data)
{
    const char *name = strrchr(info->dlpi_name, '/');

    (void)size, (void)data;
    for (int i = 0; i < info->dlpi_phnum && module_count < MODULES_MAX; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        struct module *m = &modules[module_count];

        if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X))
            continue;
        m->base = info->dlpi_addr;
        m->start = info->dlpi_addr + ph->p_vaddr;
        m->end = m->start + ph->p_memsz;
        name = name ? name + 1 : info->dlpi_name[0] ? info->dlpi_name : "quern-worker";
        strncpy(m->name, name, sizeof m->name - 1);
        module_count++;
        break;
    }
    return 0;
}

void crash_note_modules(void)
{
    module_count = 0;
    memset(modules, 0, sizeof modules);
    dl_iterate_phdr(note_module, NULL);
}

/* ---- From here on: async-signal-safe ---- */

static size_t put_text(char *to, size_t at, size_t size, const char *text)
{
    while (*text && at + 1 < size)
        to[at++] = *text++;
    return at;
}

static size_t put_hex(char *to, size_t at, size_t size, uintptr_t value)
{
    char digits[2 * sizeof value + 1];
    size_t n = sizeof digits - 1;

    digits[n] = 0;
    do
        digits[--n] = "0123456789abcdef"[value & 15];
    while ((value >>= 4));
    return put_text(to, put_text(to, at, size, "0x"), size, digits + n);
}

static size_t put_frame(char *to, size_t at, size_t size, uintptr_t address)
{
    for (size_t i = 0; i < module_count; i++) {
        if (address < modules[i].start || address >= modules[i].end)
            continue;
        at = put_text(to, at, size, modules[i].name);
        at = put_text(to, at, size, "+");
        at = put_hex(to, at, size, address - modules[i].base);
        return put_text(to, at, size, "\n");
    }
    at = put_hex(to, at, size, address);
    return put_text(to, at, size, "\n");
}

static uintptr_t instruction_of(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

static void on_crash(int signal, siginfo_t *info, void *context)
{
    uintptr_t at_instruction = instruction_of(context);
    void *frames[FRAMES_MAX];
    size_t at = 0;
    int count, first = 0;

    if (!atomic_exchange(&record->written, 2)) { /* a second thread's crash changes nothing */
        count = backtrace(frames, FRAMES_MAX);
        /* Not this handler's own frames, but the one that crashed first. */
        for (int i = 0; i < count; i++)
            if ((uintptr_t)frames[i] == at_instruction)
                first = i;
        if (first == 0 && at_instruction)
            at = put_frame(record->text, at, CRASH_TEXT_MAX, at_instruction);
        for (int i = first; i < count; i++)
            at = put_frame(record->text, at, CRASH_TEXT_MAX, (uintptr_t)frames[i]);
        record->text[at] = 0;
        record->signal = signal;
        record->code = info->si_code;
        record->address = (uintptr_t)info->si_addr;
        atomic_store_explicit(&record->written, 1, memory_order_release);
    }
    /* SA_RESETHAND has put the default back: this time it kills. */
    raise(signal);
}

void crash_watch(struct crash_record *where)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND};
    stack_t stack = {.ss_size = STACK_BYTES};
    void *warm[4];

    record = where;
    stack.ss_sp = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack.ss_sp != MAP_FAILED)
        sigaltstack(&stack, NULL);
    (void)backtrace(warm, 4); /* loads libgcc now, not in the handler */
    action.sa_sigaction = on_crash;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, NULL);
}
