/* One child of a supervisor: starting it, stopping it, and waiting before its restart.
 *
 *              start ok                 ends, to be restarted
 *     (new) ─────────────> RUNNING ───────────────────────────> RESTARTING ──┐ start fails:
 *        │                    ^ │                                  │    ^    │ again later
 *        │ declines           │ │ ends for good, terminated        │    └────┘
 *        v                    │ v                                  │
 *     STOPPED <───────────────┼──────────── declines, terminated ──┤
 *        │ restarted by hand  │                  start ok          │
 *        └────────────────────┘<───────────────────────────────────┘
 *
 * A child that waits for a restart of its own has `waiting` set: a message to the supervisor's
 * `retry` operation is on its way, or a timer that will send it. The message carries the number of
 * the attempt; one of an earlier attempt is stale. Siblings stopped by a group restart are
 * RESTARTING, too, but wait for that one.
 *
 * Shared by both supervisors, which keep the books: lists, maps, the restart window.
 *
 * Threads: the supervisor's process. Neighbours: supervisor.c, dynamic_supervisor.c,
 * supervisor_stash.c, backoff.c.
 */
#ifndef SP_BEHAVIOUR_SUPERVISOR_CHILD_H
#define SP_BEHAVIOUR_SUPERVISOR_CHILD_H

#include "base/list.h"
#include "behaviour/backoff.h"
#include "behaviour/supervisor_spec.h"
#include "behaviour/supervisor_stash.h"

struct sp__child {
    struct sp__list link; /* the supervisor's list of children */
    struct sp__child_def *def;
    const void *args; /* for init or start: the definition's, or its own */
    size_t own_args;  /* bytes of `args` if they are its own copy, or 0 */
    uint64_t serial;  /* never used again by this supervisor */
    sp_pid pid;       /* while RESTARTING in a dynamic supervisor: the last one */
    sp_pid ended;     /* the one that ended, until it was started again */
    enum sp_child_status status;
    uint32_t restarts;
    uint32_t attempt; /* number of the newest retry message */
    bool waiting;
    sp_time retry_at;
    sp_timer timer;                 /* sends the retry message, where it comes later */
    const struct sp_reason *reason; /* of its last end or failed start, a reference; or NULL */
    struct sp__backoff backoff;
    struct sp__stash stash;
};

/** The retry message: which child, which attempt. */
struct sp__child_retry {
    uint64_t key; /* the supervisor's choice: a serial, or the key of a pid */
    uint32_t attempt;
};

/** A stopped child.
 *  Errors: NOMEM.
 *  Ownership: takes the definition's reference and the args, also on failure; freed by
 *  sp__child_destroy(). Context: the supervisor. */
sp_err sp__child_create(struct sp__child_def *moved_def, const void *moved_args, size_t own_args,
                        struct sp__child **out_child) SP_NONNULL_ARGS(1, 4) SP_NODISCARD;

/** Free it; the process, timer and stash are dealt with. NULL is accepted. Context: any. */
void sp__child_destroy(struct sp__child *child);

/** Why a start failed. */
struct sp__child_failure {
    sp_err err;
    sp_pid existing;                /* EXISTS: who holds the name, if known */
    const struct sp_reason *reason; /* of the process that failed, borrowed until the next call,
                                       or NULL */
};

/** Start the child's process, linked, and deliver its stash. On SP_OK it is RUNNING; else its
 *  status is the caller's to set, and `*out_failure` says more.
 *  Errors: IGNORED (it declined), or whatever its start returned.
 *  Context: the supervisor, may suspend. */
sp_err sp__child_start(struct sp__child *child, struct sp__child_failure *out_failure)
    SP_NONNULL SP_NODISCARD;

/** The reason of a failure as text: "boom", or the name of the error. Borrowed as the reason is.
 *  Context: the supervisor. */
const char *sp__child_failure_text(const struct sp__child_failure *failure) SP_NONNULL;

/** Stop a RUNNING child within its budget. Afterwards it is dead, STOPPED, without a pid, and its
 *  EXIT will not be seen. (One whose handler does not even suspend to be killed is given up after a while.)
 *  Context: the supervisor, may suspend. */
void sp__child_stop(struct sp__child *child) SP_NONNULL;

/** The first half of a stop: the exit signal. Context: the supervisor. */
void sp__child_stop_begin(struct sp__child *child) SP_NONNULL;

/** The second half: wait until `began` + its budget, then kill, and wait for that. The child is
 *  STOPPED then, but its EXIT may still be seen: for a supervisor that ends itself.
 *  Context: the supervisor, may suspend. */
void sp__child_stop_end(struct sp__child *child, sp_time began) SP_NONNULL;

/** What its end means for a child. */
enum sp__child_verdict {
    SP__CHILD_RESTART,
    SP__CHILD_KEEP,   /* its spec stays */
    SP__CHILD_FORGET, /* its spec goes, too */
};

/** Remember why it ended, and who; its pid is still there. Context: the supervisor. */
void sp__child_ended(struct sp__child *child, const struct sp_reason *reason) SP_NONNULL;

/** `shutdown`, because of the last end or failed start of this child: the reason of a supervisor
 *  that gives up. Ownership: the caller holds one reference. Context: the supervisor. */
const struct sp_reason *sp__child_give_up(const struct sp__child *child) SP_NONNULL SP_NODISCARD;

/** Judge a child that ended by itself with `reason`. Context: any. */
enum sp__child_verdict sp__child_judge(const struct sp__child *child,
                                       const struct sp_reason *reason) SP_NONNULL;

/** Does its end, or its failed start, count towards the intensity? Context: any. */
bool sp__child_counts(const struct sp__child *child) SP_NONNULL;

/** How long to wait before the next start; zero without backoff. Call once for each failure.
 *  Context: the supervisor. */
sp_duration sp__child_delay(struct sp__child *child) SP_NONNULL SP_NODISCARD;

/** Make the supervisor get a `retry` message for the child after `delay`: at once means behind
 *  what is queued already, so that the supervisor answers in between. With a delay, a stand-in
 *  takes its name meanwhile.
 *  Errors: NOMEM, LIMIT.
 *  Context: the supervisor. */
sp_err sp__child_retry_after(struct sp__child *child, sp_duration delay, const struct sp_op *retry,
                             uint64_t key) SP_NONNULL SP_NODISCARD;

/** Is this the retry message it waits for? Then it waits no more. Context: the supervisor. */
bool sp__child_retry_due(struct sp__child *child, uint32_t attempt) SP_NONNULL;

/** Stop waiting, keep the stash: it will be started in another way. Context: the supervisor. */
void sp__child_retry_settle(struct sp__child *child) SP_NONNULL;

/** No restart: stop waiting, drop the stash. Context: the supervisor, may suspend. */
void sp__child_retry_cancel(struct sp__child *child) SP_NONNULL;

/** Fill in what which_children shows. Context: the supervisor. */
void sp__child_describe(const struct sp__child *child, struct sp_child_info *out_info) SP_NONNULL;

/** Add the child to the counts. Context: the supervisor. */
void sp__child_count(const struct sp__child *child, struct sp_supervisor_info *info) SP_NONNULL;

/** Bytes for the text of a supervisor or a child in a log line. */
#define SP__CHILD_TEXT_MAX 320

/** How the log calls the running supervisor: its name, or its pid. Context: the supervisor. */
const char *sp__supervisor_text(char text[SP__CHILD_TEXT_MAX]) SP_NONNULL;

#endif
