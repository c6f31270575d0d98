#include "spawned/reason.h"

#include "base/alloc.h"
#include "base/text.h"
#include "process/process.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* Text and, for faults, the record lie behind the struct, in the same allocation. */
struct sp_reason {
    _Atomic uint32_t refs; /* 0: static */
    enum sp_reason_kind kind;
    sp_err code;
    uint32_t depth; /* links of the chain behind it */
    sp_pid process;
    const struct sp_reason *cause;
    const struct sp_fault *fault;
    const char *text;
};

#define REASON_STATIC(name, kind_value, words)                                           \
    static const struct sp_reason reason_##name = { .kind = kind_value, .text = words }; \
    const struct sp_reason *sp_reason_##name(void)                                       \
    {                                                                                    \
        return &reason_##name;                                                           \
    }

REASON_STATIC(normal, SP_REASON_NORMAL, "normal")
REASON_STATIC(shutdown, SP_REASON_SHUTDOWN, "shutdown")
REASON_STATIC(kill, SP_REASON_KILL, "kill")
REASON_STATIC(killed, SP_REASON_KILLED, "killed")
REASON_STATIC(noproc, SP_REASON_NOPROC, "noproc")
REASON_STATIC(noconnection, SP_REASON_NOCONNECTION, "noconnection")
REASON_STATIC(out_of_memory, SP_REASON_OUT_OF_MEMORY, "out_of_memory")

static bool reason_counted(const struct sp_reason *reason)
{
    /* A static one never gets a reference, a counted one never has none. */
    return atomic_load_explicit(&reason->refs, memory_order_relaxed) != 0;
}

const struct sp_reason *sp_reason_ref(const struct sp_reason *reason)
{
    if (reason_counted(reason))
        atomic_fetch_add_explicit(&((struct sp_reason *)(uintptr_t)reason)->refs, 1,
                                  memory_order_relaxed);
    return reason;
}

void sp_reason_unref(const struct sp_reason *reason)
{
    /* A chain is freed in a loop: it may be long. */
    while (reason != NULL && reason_counted(reason)) {
        struct sp_reason *own = (struct sp_reason *)(uintptr_t)reason;
        /* acq_rel: the last one frees after everybody's use. */
        if (atomic_fetch_sub_explicit(&own->refs, 1, memory_order_acq_rel) != 1)
            return;
        const struct sp_reason *cause = own->cause;
        sp__free(own);
        reason = cause;
    }
}

/* A reason with a copy of the text; NULL without memory. */
static struct sp_reason *reason_new(enum sp_reason_kind kind, sp_err code, const char *text,
                                    const struct sp_fault *fault)
{
    size_t length = strlen(text) + 1;
    size_t fault_size = fault == NULL ? 0 : sizeof(*fault);
    struct sp_reason *reason = sp__malloc(sizeof(*reason) + fault_size + length);
    if (reason == NULL)
        return NULL;
    char *behind = (char *)(reason + 1);
    *reason = (struct sp_reason){ .kind = kind, .code = code, .text = behind + fault_size };
    atomic_init(&reason->refs, 1);
    if (fault != NULL)
        reason->fault = memcpy(behind, fault, sizeof(*fault));
    memcpy(behind + fault_size, text, length);
    return reason;
}

SP_PRINTF(3, 0)
static const struct sp_reason *reason_format(enum sp_reason_kind kind, sp_err code,
                                             const char *format, va_list args)
{
    char buffer[512];
    struct sp__text text;
    sp__text_init(&text, buffer, sizeof(buffer));
    if (kind == SP_REASON_SHUTDOWN_WITH)
        sp__text_add(&text, "shutdown(");
    sp__text_addv(&text, format, args);
    if (kind == SP_REASON_SHUTDOWN_WITH)
        sp__text_add(&text, ")");
    struct sp_reason *reason = reason_new(kind, code, buffer, NULL);
    return reason == NULL ? &reason_out_of_memory : reason;
}

const struct sp_reason *sp_reason_shutdown_with(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const struct sp_reason *reason = reason_format(SP_REASON_SHUTDOWN_WITH, SP_OK, format, args);
    va_end(args);
    return reason;
}

const struct sp_reason *sp__reason_errorv(sp_err code, const char *format, va_list args)
{
    return reason_format(SP_REASON_ERROR, code, format, args);
}

const struct sp_reason *sp_reason_error(sp_err code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const struct sp_reason *reason = sp__reason_errorv(code, format, args);
    va_end(args);
    return reason;
}

static const char *reason_signal_name(int signo)
{
    static const struct {
        int signo;
        const char *name;
    } names[] = {
        { 4, "SIGILL" }, { 6, "SIGABRT" }, { 7, "SIGBUS" }, { 8, "SIGFPE" }, { 11, "SIGSEGV" }
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].signo == signo)
            return names[i].name;
    return "signal";
}

const struct sp_reason *sp__reason_fault(const struct sp_fault *fault)
{
    char buffer[256];
    struct sp__text text;
    sp__text_init(&text, buffer, sizeof(buffer));
    if (fault->stack_overflow)
        sp__text_add(&text, "fault: stack overflow in %s", fault->handler);
    else if (fault->signal == 11 || fault->signal == 7) /* only these two have an address */
        sp__text_add(&text, "fault: %s at 0x%" PRIxPTR " in %s", reason_signal_name(fault->signal),
                     (uintptr_t)fault->address, fault->handler);
    else
        sp__text_add(&text, "fault: %s in %s", reason_signal_name(fault->signal), fault->handler);
    struct sp_reason *reason = reason_new(SP_REASON_FAULT, SP_OK, buffer, fault);
    return reason == NULL ? &reason_out_of_memory : reason;
}

/* Drop the middle of a chain that has become too long: the newest links and the root stay. */
static const struct sp_reason *reason_root(const struct sp_reason *reason)
{
    while (reason->cause != NULL)
        reason = reason->cause;
    return reason;
}

const struct sp_reason *sp__reason_derive(const struct sp_reason *cause)
{
    return sp__reason_with_cause(cause, cause);
}

const struct sp_reason *sp__reason_with_cause(const struct sp_reason *like,
                                              const struct sp_reason *cause)
{
    struct sp_reason *reason = reason_new(like->kind, like->code, like->text, like->fault);
    if (reason == NULL)
        return sp_reason_ref(like);
    reason->depth = cause->depth + 1;
    if (reason->depth > SP_REASON_CHAIN_MAX) {
        cause = reason_root(cause);
        reason->depth = 1;
    }
    reason->cause = sp_reason_ref(cause);
    return reason;
}

const struct sp_reason *sp__reason_of(const struct sp_reason *moved_reason, sp_pid pid)
{
    if (sp_reason_kind(moved_reason) == SP_REASON_NORMAL)
        return moved_reason; /* nobody asks who returned; spares an allocation per exit */
    if (!sp_pid_is_none(moved_reason->process) || !reason_counted(moved_reason)) {
        struct sp_reason *copy = reason_new(moved_reason->kind, moved_reason->code,
                                            moved_reason->text, moved_reason->fault);
        if (copy == NULL)
            return moved_reason;
        copy->depth = moved_reason->depth;
        copy->cause = moved_reason->cause == NULL ? NULL : sp_reason_ref(moved_reason->cause);
        sp_reason_unref(moved_reason);
        moved_reason = copy;
    }
    struct sp_reason *own = (struct sp_reason *)(uintptr_t)moved_reason;
    if (atomic_load_explicit(&own->refs, memory_order_relaxed) == 1)
        own->process = pid;
    return moved_reason;
}

enum sp_reason_kind sp_reason_kind(const struct sp_reason *reason)
{
    return reason->kind;
}

sp_err sp_reason_code(const struct sp_reason *reason)
{
    return reason->code;
}

const char *sp_reason_text(const struct sp_reason *reason)
{
    return reason->text;
}

const struct sp_fault *sp_reason_fault(const struct sp_reason *reason)
{
    return reason->fault;
}

sp_pid sp_reason_process(const struct sp_reason *reason)
{
    return reason->process;
}

const struct sp_reason *sp_reason_cause(const struct sp_reason *reason)
{
    return reason->cause;
}

bool sp_reason_is_normal(const struct sp_reason *reason)
{
    return reason->kind == SP_REASON_NORMAL || reason->kind == SP_REASON_SHUTDOWN ||
           reason->kind == SP_REASON_SHUTDOWN_WITH;
}

bool sp_reason_equal(const struct sp_reason *a, const struct sp_reason *b)
{
    return a == b || (a->kind == b->kind && a->code == b->code && strcmp(a->text, b->text) == 0);
}
