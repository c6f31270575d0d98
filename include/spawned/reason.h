/* Exit reasons: why a process ended, as data, with its cause.
 *
 * A reason is immutable and counted. Functions that receive `const struct sp_reason *`
 * borrow it; a parameter named `moved_reason` takes it over, even on failure; who wants
 * to keep a borrowed one takes a reference. The fixed reasons (normal, shutdown, kill,
 * ...) are static: taking and dropping references of them does nothing.
 *
 * When B dies because its linked peer A died, B's reason has the same kind, code and
 * text as A's, so that the world sees `boom` and not "linked process died"; its cause
 * is A's reason, and so on to the first. Chains longer than SP_REASON_CHAIN_MAX keep
 * their newest links and the root.
 */
#ifndef SPAWNED_REASON_H
#define SPAWNED_REASON_H

#include "spawned/err.h"
#include "spawned/pid.h"

SP_EXTERN_C_BEGIN

/** What kind of end it was. The first three are not abnormal. */
enum sp_reason_kind {
    SP_REASON_NORMAL = 0,    /**< returned, or was stopped with `normal` */
    SP_REASON_SHUTDOWN,      /**< asked to end by its supervisor */
    SP_REASON_SHUTDOWN_WITH, /**< shutdown(text) */
    SP_REASON_KILL,          /**< the signal that cannot be trapped; a reason only of sp_exit() */
    SP_REASON_KILLED,        /**< what the links and monitors of a killed process see */
    SP_REASON_NOPROC,        /**< there was no such process */
    SP_REASON_NOCONNECTION,  /**< its node is not reachable */
    SP_REASON_ERROR,         /**< an error, with code and text */
    SP_REASON_FAULT,         /**< a contained fault: signal, address, handler, stack */
    SP_REASON_OUT_OF_MEMORY, /**< its byte quota, or the machine's memory */
};

/** Links of the cause chain that are kept besides the root. */
#define SP_REASON_CHAIN_MAX 32

/** Frames of the stack that a fault record keeps. */
#define SP_FAULT_FRAMES_MAX 32
/** Bytes of the path of a crash report, with the 0. */
#define SP_FAULT_REPORT_MAX 192

/** A contained fault. */
struct sp_fault {
    int signal;                        /**< SIGSEGV, SIGBUS, SIGFPE, SIGILL or SIGABRT */
    bool stack_overflow;               /**< the address lies in the guard of the fiber's stack */
    const void *address;               /**< what was accessed (SIGSEGV, SIGBUS) */
    const void *pc;                    /**< the instruction */
    const char *handler;               /**< operation that was running, or "entry", "init", ... */
    int frame_count;                   /**< entries of `frames` */
    void *frames[SP_FAULT_FRAMES_MAX]; /**< return addresses, innermost first */
    char report[SP_FAULT_REPORT_MAX];  /**< path of its crash report, which may still be written,
                                            or only the file's name where that is too long; empty:
                                            there is none (sp_runtime_options.crash) */
};

struct sp_reason;

/** The fixed reasons. Context: any. */
SP_API const struct sp_reason *sp_reason_normal(void);
/** `shutdown`. Context: any. */
SP_API const struct sp_reason *sp_reason_shutdown(void);
/** `kill`: as a signal it cannot be trapped. Context: any. */
SP_API const struct sp_reason *sp_reason_kill(void);
/** `killed`. Context: any. */
SP_API const struct sp_reason *sp_reason_killed(void);
/** `noproc`. Context: any. */
SP_API const struct sp_reason *sp_reason_noproc(void);
/** `noconnection`. Context: any. */
SP_API const struct sp_reason *sp_reason_noconnection(void);
/** `out_of_memory`. Context: any. */
SP_API const struct sp_reason *sp_reason_out_of_memory(void);

/** shutdown(text): not abnormal, but says something.
 *  Ownership: the caller holds one reference. Without memory: sp_reason_out_of_memory().
 *  Context: any. */
SP_API SP_NODISCARD SP_PRINTF(1, 2) const
    struct sp_reason *sp_reason_shutdown_with(const char *format, ...);

/** An error with a code (SP_OK where none fits) and a text.
 *  Ownership: the caller holds one reference. Without memory: sp_reason_out_of_memory().
 *  Context: any. */
SP_API SP_NODISCARD SP_PRINTF(2, 3) const
    struct sp_reason *sp_reason_error(sp_err code, const char *format, ...);

/** Take a reference; returns `reason`. Context: any. */
SP_API SP_NONNULL const struct sp_reason *sp_reason_ref(const struct sp_reason *reason);
/** Drop a reference; NULL is accepted. Context: any. */
SP_API void sp_reason_unref(const struct sp_reason *reason);

/** Kind. Context: any. */
SP_API SP_NONNULL enum sp_reason_kind sp_reason_kind(const struct sp_reason *reason);
/** Code of an error reason, SP_OK for the others. Context: any. */
SP_API SP_NONNULL sp_err sp_reason_code(const struct sp_reason *reason);
/** Text: "normal", "boom", "fault: SIGSEGV at 0x0 in deposit". Never NULL; lives as long as
 *  the reason. Context: any. */
SP_API SP_NONNULL const char *sp_reason_text(const struct sp_reason *reason);
/** The fault record, or NULL. Context: any. */
SP_API SP_NONNULL const struct sp_fault *sp_reason_fault(const struct sp_reason *reason);
/** The process that ended with it; SP_PID_NONE where none did yet. Context: any. */
SP_API SP_NONNULL sp_pid sp_reason_process(const struct sp_reason *reason);
/** The reason of the linked process that brought this one down, or NULL: one step of the
 *  chain. Context: any. */
SP_API SP_NONNULL const struct sp_reason *sp_reason_cause(const struct sp_reason *reason);

/** normal, shutdown or shutdown(x): transient children are not restarted after it.
 *  Context: any. */
SP_API SP_NONNULL bool sp_reason_is_normal(const struct sp_reason *reason);
/** Same kind, code and text? Processes and causes do not count. Context: any. */
SP_API SP_NONNULL bool sp_reason_equal(const struct sp_reason *a, const struct sp_reason *b);

SP_EXTERN_C_END

#endif
