/* The handler of faults. See fault.h.
 *
 * What it touches: the thread's context (initial-exec thread-local, no allocation), the fiber
 * it runs on, the map of modules, and struct sp__fault_thread. No lock, no allocation.
 *
 * The unwinder may fault on a stack that is ruined. The signals are not blocked in their own
 * handler, so that comes as a second signal, which finds `escaping` set and jumps back.
 */
#include "runtime/real/fault.h"

#include "base/alloc.h"
#include "runtime/real/fault_code.h"
#include "runtime/real/fault_stack.h"
#include "runtime/real/log_writer.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    /* The handler and the unwinder use about 6 KiB, the signal frame up to 11 KiB (AMX). */
    FAULT_STACK_SIZE = 128 << 10,
    FAULT_REGISTERS_MAX = 33,
};

/* The thread sanitizer does not follow a jump from one signal handler into another. */
#define FAULT_NO_ESCAPE SP__TSAN

/* Since glibc 2.35 the unwinder finds modules without a lock. */
#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 35)
#define FAULT_LOADER_IS_LOCK_FREE 1
#endif
#endif
#ifndef FAULT_LOADER_IS_LOCK_FREE
#define FAULT_LOADER_IS_LOCK_FREE 0
#endif

/** What the handler needs of a thread. */
struct sp__fault_thread {
    struct sp_fault record;
    uint64_t registers[FAULT_REGISTERS_MAX]; /* at it, in the order of fault_register_names */
    stack_t before;                          /* the alternate stack the thread had */
    char *mapping;                           /* guard, then the stack */
    size_t mapping_size;
    volatile sig_atomic_t escaping; /* a fault now is the unwinder's */
    sigjmp_buf escape;
};

static const int fault_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };

#define FAULT_SIGNALS ((int)(sizeof fault_signals / sizeof fault_signals[0]))

static struct sp__lock fault_lock;
static unsigned fault_users;
static struct sigaction fault_before[FAULT_SIGNALS];

/* ---- somebody else's fault -------------------------------------------------------- */

static int fault_index(int signo)
{
    int i = 0;
    while (fault_signals[i] != signo)
        i++;
    return i;
}

/* Take the default action: at the faulting instruction, which is executed again, or here, if
 * the signal was sent: by abort(), too. */
static void fault_default(int signo, const siginfo_t *info)
{
    struct sigaction action = { .sa_handler = SIG_DFL };
    (void)sigaction(signo, &action, NULL);
    if (info->si_code <= 0)
        (void)syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), signo);
}

static void fault_pass_on(int signo, siginfo_t *info, void *ucontext)
{
    const struct sigaction *before = &fault_before[fault_index(signo)];
    sp__log_writer_crash();
    if (before->sa_flags & SA_SIGINFO) {
        before->sa_sigaction(signo, info, ucontext);
        return;
    }
    if (before->sa_handler == SIG_IGN && info->si_code <= 0)
        return;
    if (before->sa_handler == SIG_IGN || before->sa_handler == SIG_DFL)
        fault_default(signo, info);
    else
        before->sa_handler(signo);
}

/* ---- may it be contained? --------------------------------------------------------- */

/* The actor's code runs on its fiber, or has just run over its end. */
static bool fault_on_fiber(const struct sp__fiber *fiber, const struct sp__fiber_frame *frame,
                           const siginfo_t *info)
{
    return sp__fiber_contains(fiber, (const void *)frame->sp) ||
           sp__fiber_guard_hit(fiber, info->si_addr);
}

static bool fault_context_allows(const struct sp__context *context)
{
    return context->runtime->options.on_fault == SP_FAULT_CONTAIN &&
           context->kind != SP__CONTEXT_FOREIGN && context->current && context->fiber &&
           context->spare && !sp__epoch_inside(&context->epoch) &&
           sp__fiber_interrupted_depth(context->fiber, SP__FAULT_DEPTH_MAX) < SP__FAULT_DEPTH_MAX;
}

static bool fault_code_allows(const struct sp__fiber *fiber, const struct sp__fiber_frame *frame)
{
    enum sp__fault_code code = sp__fault_code_of(frame->pc);
    if (code == SP__FAULT_CODE_UNKNOWN)
        code = sp__fault_code_of(sp__fault_stack_caller(fiber, frame));
    return code == SP__FAULT_CODE_USER || code == SP__FAULT_CODE_UNKNOWN;
}

/* ---- the record ------------------------------------------------------------------- */

static void fault_walk(struct sp__fault_thread *self, const struct sp__fiber *fiber, void **frames,
                       int max, volatile int *out_count)
{
    *out_count = 0;
    /* Nothing but the walk is between here and the jump back, and no local is used after it. */
    if (sigsetjmp(self->escape, 0) == 0) {
        self->escaping = 1;
        sp__fault_stack_walk(fiber, frames, max, out_count);
    }
    self->escaping = 0;
}

static void fault_walk_record(struct sp__fault_thread *self, const struct sp__fiber *fiber)
{
    fault_walk(self, fiber, self->record.frames, SP_FAULT_FRAMES_MAX, &self->record.frame_count);
}

/* An abort: begins, for the record, where abort() or assert() was called. */
static bool fault_record_abort(struct sp__fault_thread *self, const struct sp__fiber *fiber)
{
    struct sp_fault *record = &self->record;
    fault_walk_record(self, fiber);
    int at = sp__fault_stack_aborter(record->frames, record->frame_count);
    if (at == 0)
        return false;
    record->frame_count -= at;
    memmove(record->frames, record->frames + at,
            (size_t)record->frame_count * sizeof record->frames[0]);
    record->pc = record->frames[0];
    return true;
}

static void fault_record(struct sp__fault_thread *self, const struct sp__fiber *fiber,
                         const struct sp__fiber_frame *frame, const siginfo_t *info)
{
    struct sp_fault *record = &self->record;
    bool memory = info->si_signo == SIGSEGV || info->si_signo == SIGBUS;
    record->pc = (const void *)frame->pc;
    record->address = memory ? info->si_addr : NULL;
    record->stack_overflow = memory && sp__fiber_guard_hit(fiber, info->si_addr);
    /* Where no code is, there are no tables either. Where there are, the walk gets to the
     * fiber's base, at least two frames up. */
    if (sp__fault_code_of(frame->pc) != SP__FAULT_CODE_UNKNOWN && !FAULT_NO_ESCAPE)
        fault_walk_record(self, fiber);
    if (record->frame_count < 2)
        record->frame_count =
            sp__fault_stack_follow(fiber, frame, record->frames, SP_FAULT_FRAMES_MAX);
}

/* ---- registers ---- */

#if defined(__x86_64__)
static const char *const fault_register_names[] = { "rax", "rbx", "rcx", "rdx", "rsi", "rdi",
                                                    "rbp", "rsp", "r8",  "r9",  "r10", "r11",
                                                    "r12", "r13", "r14", "r15", "rip" };
static const int fault_register_places[] = { REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI,
                                             REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                             REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP };

static uint64_t fault_register(const ucontext_t *at, size_t index)
{
    return (uint64_t)at->uc_mcontext.gregs[fault_register_places[index]];
}
#elif defined(__aarch64__)
static const char *const fault_register_names[] = { "x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",
                                                    "x7",  "x8",  "x9",  "x10", "x11", "x12", "x13",
                                                    "x14", "x15", "x16", "x17", "x18", "x19", "x20",
                                                    "x21", "x22", "x23", "x24", "x25", "x26", "x27",
                                                    "x28", "x29", "x30", "sp",  "pc" };

static uint64_t fault_register(const ucontext_t *at, size_t index)
{
    if (index < 31)
        return at->uc_mcontext.regs[index];
    return index == 31 ? at->uc_mcontext.sp : at->uc_mcontext.pc;
}
#else
static const char *const fault_register_names[] = { NULL };

static uint64_t fault_register(const ucontext_t *at, size_t index)
{
    (void)at;
    (void)index;
    return 0;
}
#endif

/* An array of one NULL stands for none. */
static size_t fault_register_count(void)
{
    size_t count = sizeof(fault_register_names) / sizeof(fault_register_names[0]);
    return fault_register_names[0] == NULL ? 0 : count;
}

size_t sp__fault_registers(const struct sp__context *context, const char *const **out_names,
                           const uint64_t **out_values)
{
    *out_names = fault_register_names;
    *out_values = context->fault->registers;
    return fault_register_count();
}

/* Decides, and fills the record where it says yes. */
static bool fault_admit(struct sp__fault_thread *self, struct sp__context *context,
                        const siginfo_t *info, const void *ucontext)
{
    struct sp__fiber_frame frame = sp__fiber_context_interrupted(ucontext);
    struct sp__fiber *fiber = context->fiber;
    if (!fault_context_allows(context) || !fault_on_fiber(fiber, &frame, info))
        return false;
    self->record = (struct sp_fault){ .signal = info->si_signo };
    for (size_t i = 0; i < fault_register_count(); i++)
        self->registers[i] = fault_register(ucontext, i);
    if (info->si_signo == SIGABRT)
        return info->si_code == SI_TKILL && info->si_pid == getpid() &&
               fault_record_abort(self, fiber);
    if (info->si_code <= 0 || !fault_code_allows(fiber, &frame))
        return false;
    fault_record(self, fiber, &frame, info);
    return true;
}

static void fault_handler(int signo, siginfo_t *info, void *ucontext)
{
    int saved_errno = errno;
    struct sp__context *context = sp__context();
    struct sp__fault_thread *self = context ? context->fault : NULL;
    if (self && self->escaping) {
        self->escaping = 0;
        siglongjmp(self->escape, 1);
    }
    if (!self || !fault_admit(self, context, info, ucontext)) {
        fault_pass_on(signo, info, ucontext);
        errno = saved_errno;
        return;
    }
    struct sp__fiber *from = context->fiber;
    struct sp__fiber *to = context->spare;
    context->spare = NULL;
    context->fiber = to;
    context->after = SP__AFTER_FAULT;
    context->after_actor = context->current;
    context->after_fiber = from;
    sp__fiber_switch_from_signal(from, to, ucontext);
}

/* ---- start and end ---------------------------------------------------------------- */

static void fault_restore(int count)
{
    for (int i = 0; i < count; i++) {
        struct sigaction now;
        bool ours = sigaction(fault_signals[i], NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) &&
                    now.sa_sigaction == fault_handler;
        /* Who replaced ours keeps theirs, and may still call ours: it then passes on. */
        if (ours)
            (void)sigaction(fault_signals[i], &fault_before[i], NULL);
    }
}

static sp_err fault_install_first(void)
{
    sp_err err = sp__fault_code_load();
    if (err)
        return err;
    sp__fault_stack_prepare();
    struct sigaction action = {
        .sa_sigaction = fault_handler,
        .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
    };
    (void)sigemptyset(&action.sa_mask);
    for (int i = 0; i < FAULT_SIGNALS; i++) {
        /* In two steps: the new handler may run before the second returns. */
        if (sigaction(fault_signals[i], NULL, &fault_before[i]) != 0 ||
            sigaction(fault_signals[i], &action, NULL) != 0) {
            fault_restore(i);
            sp__fault_code_unload();
            return SP_ERR_NOTSUP;
        }
    }
    return SP_OK;
}

sp_err sp__fault_install(void)
{
    sp__lock_lock(&fault_lock);
    sp_err err = fault_users == 0 ? fault_install_first() : SP_OK;
    if (!err)
        fault_users++;
    sp__lock_unlock(&fault_lock);
    return err;
}

void sp__fault_uninstall(void)
{
    sp__lock_lock(&fault_lock);
    if (--fault_users == 0) {
        fault_restore(FAULT_SIGNALS);
        sp__fault_code_unload();
    }
    sp__lock_unlock(&fault_lock);
}

sp_err sp__fault_thread_start(struct sp__context *context)
{
    struct sp__fault_thread *self = sp__calloc(1, sizeof *self);
    if (!self)
        return SP_ERR_NOMEM;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    self->mapping_size = page + FAULT_STACK_SIZE;
    self->mapping = mmap(NULL, self->mapping_size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (self->mapping == MAP_FAILED) {
        sp__free(self);
        return SP_ERR_NOMEM;
    }
    stack_t stack = { .ss_sp = self->mapping + page, .ss_size = FAULT_STACK_SIZE };
    if (mprotect(self->mapping, page, PROT_NONE) != 0 || sigaltstack(&stack, &self->before) != 0) {
        (void)munmap(self->mapping, self->mapping_size);
        sp__free(self);
        return SP_ERR_NOMEM;
    }
    context->fault = self;
    return SP_OK;
}

void sp__fault_thread_end(struct sp__context *context)
{
    struct sp__fault_thread *self = context->fault;
    if (!self)
        return;
    context->fault = NULL;
    /* Where that fails the next signal still comes on ours, which then stays. */
    if (sigaltstack(&self->before, NULL) == 0)
        (void)munmap(self->mapping, self->mapping_size);
    sp__free(self);
}

/* The unwinder may wait for the loader's lock where the C library is old; code of the system may
 * hold locks of its own, for which the holder of that one may wait. */
static bool fault_may_walk(uintptr_t pc)
{
    enum sp__fault_code code = sp__fault_code_of(pc);
    return !FAULT_NO_ESCAPE && (code == SP__FAULT_CODE_USER || code == SP__FAULT_CODE_OURS ||
                                (code == SP__FAULT_CODE_SYSTEM && FAULT_LOADER_IS_LOCK_FREE));
}

int sp__fault_sample(struct sp__context *context, const void *ucontext, void **frames, int max)
{
    struct sp__fiber_frame frame = sp__fiber_context_interrupted(ucontext);
    struct sp__fault_thread *self = context->fault;
    volatile int count = 0;
    if (self == NULL || context->fiber == NULL ||
        !sp__fiber_contains(context->fiber, (const void *)frame.sp)) {
        frames[0] = (void *)frame.pc;
        return frame.pc != 0;
    }
    if (fault_may_walk(frame.pc))
        fault_walk(self, context->fiber, frames, max, &count);
    return count >= 2 ? count : sp__fault_stack_follow(context->fiber, &frame, frames, max);
}

const struct sp_fault *sp__fault_of(const struct sp__context *context)
{
    return &context->fault->record;
}
