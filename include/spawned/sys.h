/* Looking into a server that runs, and holding it: suspend, resume, its state, statistics, its messages.
 *
 * Everything here is done by the server itself between two of its messages, ahead of all that waits in
 * its mailbox, so one with a full mailbox answers; one whose handler does not return does not, and the
 * deadline says so. Whoever asks may end at any time. For servers and what is built of them (state machines,
 * supervisors, pools, routers); a plain process is NOTSUP. See docs/sys.md.
 */
#ifndef SPAWNED_SYS_H
#define SPAWNED_SYS_H

#include "spawned/err.h"
#include "spawned/message.h"
#include "spawned/pid.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

/** Longest text of a state, with its zero. */
#define SP_SYS_STATE_MAX (1024 * 1024)
/** Bytes of the name of an operation in a filter and in statistics, with its zero. */
#define SP_SYS_NAME_MAX 64
/** Most messages that one trace tells of. */
#define SP_SYS_TRACE_MAX 1000000

/** Hold the server: its messages stay in the mailbox until sp_sys_resume(). It still answers what is in this
 *  header, and ends when it is told to (a stop, an exit signal, its supervisor, a drain). Calls to it run
 *  into their deadlines, and so does its health. Suspended twice it is resumed by one sp_sys_resume(); who
 *  suspended it may end, it stays suspended.
 *  Errors: NOPROC; NOTSUP (no server); DIED (it ended first); TIMEOUT (a handler runs; it will not be
 *  suspended later either); DEADLOCK (the caller itself, or one that waits for it); CANCELLED, NOMEM,
 *  NOTCONTEXT. Context: process, may suspend. */
SP_API SP_NODISCARD sp_err sp_sys_suspend(sp_pid server, sp_deadline deadline);

/** Let it go on; SP_OK also if it was not suspended.
 *  Errors: as sp_sys_suspend(). Context: process, may suspend. */
SP_API SP_NODISCARD sp_err sp_sys_resume(sp_pid server, sp_deadline deadline);

/** The server's state in its own words: those of its class's format function (SP_ON_FORMAT), which gets
 *  `size` bytes (1 to SP_SYS_STATE_MAX); what does not fit is cut.
 *  Errors: NOTSUP also for a class without one; INVALID (size); else as sp_sys_suspend(). `text` is written on
 *  SP_OK only. Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_sys_state(sp_pid server, char *text, size_t size, sp_deadline deadline);

/** What a server did since it is measured. */
struct sp_sys_statistics {
    sp_time since;           /**< when that began */
    uint64_t handled;        /**< messages */
    uint64_t failed;         /**< calls whose handler returned an error; deferring is none */
    sp_duration in_handlers; /**< what its handlers took together, waits in them included */
    sp_duration longest;     /**< the longest of them, */
    char longest_operation[SP_SYS_NAME_MAX]; /**< and what it handled; cut */
    uint32_t mailbox;                        /**< messages that wait now */
    uint64_t handled_ever;                   /**< since it was started */
};

/** Begin to measure it, from zero, or stop. Measured, each message costs some 100 ns more.
 *  Errors: as sp_sys_suspend(). Context: process, may suspend. */
SP_API SP_NODISCARD sp_err sp_sys_measure(sp_pid server, bool on, sp_deadline deadline);

/** Read what was measured. Errors: NOTFOUND (it is not measured); else as sp_sys_suspend().
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_sys_statistics(sp_pid server, struct sp_sys_statistics *out, sp_deadline deadline);

/** Which messages of a server are told, and to whom. Zero means the default named here. */
struct sp_sys_trace {
    sp_pid to;             /**< who is told; default: the caller */
    const char *operation; /**< only messages of this name; default: all */
    sp_pid from;           /**< only of this sender; default: of all */
    bool failed;           /**< only those whose handler returned an error, and only their end */
    uint32_t limit;        /**< after so many messages it ends by itself; default 100; at most
                                SP_SYS_TRACE_MAX */
    uint32_t pending_max;  /**< nothing is sent while `to` has so many messages; default 1,024 */
};

enum sp_sys_what {
    SP_SYS_TAKEN,   /**< a message is about to be handled */
    SP_SYS_HANDLED, /**< its handler has returned */
    SP_SYS_ENDED, /**< the trace: the limit, sp_sys_trace_stop(), another one, or the server's end */
};

/** What is told, as a message of sp_sys_event_type. */
struct sp_sys_event {
    enum sp_sys_what what;
    sp_pid server;
    uint64_t number;       /**< of the message in this trace, from 1 */
    const char *operation; /**< name of the message's type, static; NULL: of no message */
    sp_pid from;           /**< its sender */
    bool call;             /**< it wants an answer */
    sp_time at;
    sp_duration took; /**< HANDLED: waits in the handler included */
    sp_err result;    /**< HANDLED: what the handler returned; DEFERRED: it answers later */
    uint64_t lost;    /**< events since the one before that `to` had no room for */
};
SP_API extern const struct sp_msg_type sp_sys_event_type;

/** The payload if it is such a message, else NULL. Context: the process that received it. */
SP_NONNULL static inline const struct sp_sys_event *sp_sys_event_of(
    const struct sp_message *message)
{
    return sp_message_type(message) == &sp_sys_event_type
               ? (const struct sp_sys_event *)sp_message_peek(message)
               : (const struct sp_sys_event *)0;
}

/** Tell of its messages from now on. A server has one trace; another one ends it. It ends when `to` does.
 *  Errors: INVALID (limit; a name too long); else as sp_sys_suspend(). `trace` may be NULL: all
 *  defaults. Context: process, may suspend. */
SP_API SP_NODISCARD sp_err sp_sys_trace(sp_pid server, const struct sp_sys_trace *trace,
                                        sp_deadline deadline);

/** End its trace; SP_OK also if it has none. Errors: as sp_sys_suspend(). Context: process, may suspend. */
SP_API SP_NODISCARD sp_err sp_sys_trace_stop(sp_pid server, sp_deadline deadline);

SP_EXTERN_C_END

#endif
