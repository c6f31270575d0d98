/* Asking a running server about itself, and holding it; see spawned/sys.h.
 *
 *   who asks:  request --> list, callback in the control lane     the server, between messages:
 *              waits with a token  <------- reply ------------    does it (sp__sys_run)
 *
 * While it is suspended the server waits in sp__sys_run(), between two messages, for the next request or
 * for its end. A trace and statistics hang on SP__ATTEND_SHOW: then a message is flagged when it is
 * taken, and takes the slow path.
 *
 * Threads: `requests` and `closed` under `lock`; the rest the server's process. It lives as long as the
 * process's extra part. Neighbours: sys.c (asking, holding), sys_show.c (messages), server.c.
 */
#ifndef SPAWNED_BEHAVIOUR_SYS_H
#define SPAWNED_BEHAVIOUR_SYS_H

#include "process/callback.h"
#include "spawned/sys.h"

/** The trace of a server's messages. */
struct sp__sys_trace {
    bool on;
    bool failed;
    sp_pid to;
    sp_pid from;
    uint32_t left; /* messages that it may still tell of */
    uint32_t pending_max;
    uint64_t number;
    uint64_t lost;
    char operation[SP_SYS_NAME_MAX]; /* "": all */
};

struct sp__sys {
    struct sp__callback callback; /* there is something in the list */
    struct sp__lock lock;
    struct sp__list requests SP__GUARDED_BY(lock);
    bool closed SP__GUARDED_BY(lock); /* the server has ended */
    struct sys_request *current;      /* it runs the class's code */
    bool suspended;
    bool measures;
    struct sp_sys_statistics statistics;
    struct sp__sys_trace trace;
};

/** A message that is shown, from when it was taken. */
struct sp__sys_span {
    const struct sp_msg_type *type; /* NULL: it is not shown */
    sp_pid from;
    uint64_t number; /* in the trace; 0: not told */
    int64_t taken_ns;
    bool call;
};

/** Do what was asked for; while it is suspended, wait. Context: the server, between messages, with
 *  SP__ATTEND_SYS; may suspend. */
void sp__sys_run(struct sp_process *self) SP_NONNULL;

/** A flagged message is about to be handled, */
void sp__sys_took(struct sp_process *self, struct sp_message *message, struct sp__sys_span *out)
    SP_NONNULL;

/** and was. Context: the server. */
void sp__sys_handled(struct sp_process *self, const struct sp__sys_span *span, sp_err result)
    SP_NONNULL;

/** Begin, or end: `trace` as asked for, its `to` filled in. Context: the server. */
void sp__sys_trace_begin(struct sp_process *self, struct sp__sys *sys,
                         const struct sp__sys_trace *trace) SP_NONNULL;
void sp__sys_trace_end(struct sp_process *self, struct sp__sys *sys) SP_NONNULL;

/** Have its messages flagged, or not. Context: the server. */
void sp__sys_show(struct sp_process *self, const struct sp__sys *sys) SP_NONNULL;

/** The server ends: who asked is told. Context: its finish. */
void sp__sys_finish(struct sp_process *self) SP_NONNULL;

#endif
