/* Signals: what travels in the control lane.
 *
 * A signal acts before any message. Exits and notices of monitors become messages here,
 * behind all that is in the mailbox by then (or ahead of it), so that what a process sent
 * before its death is seen before its death. Links and monitors carry their own signal,
 * allocated when they were made: a death never fails to be told for want of memory.
 *
 * Threads: pushed by any, handled by the owner. Neighbours: relation.h, callback.h, exit.c.
 */
#ifndef SPAWNED_PROCESS_SIGNAL_H
#define SPAWNED_PROCESS_SIGNAL_H

#include "process/process.h"

enum sp__signal_kind {
    SP__SIGNAL_LINK,     /* a linked process ended; is the struct sp__link */
    SP__SIGNAL_EXIT,     /* sp_signal() */
    SP__SIGNAL_STOP,     /* sp_stop(): end, trapping or not, at the next message boundary */
    SP__SIGNAL_SHUTDOWN, /* the runtime ends: as an exit of the parent */
    SP__SIGNAL_DRAIN,    /* sp_drain(): finish what was accepted, then end */
    SP__SIGNAL_OVERFLOW, /* its mailbox was full: end, trapping or not, at once */
    SP__SIGNAL_DOWN,     /* a monitored process ended; is the struct sp__monitor */
    SP__SIGNAL_CALLBACK, /* is the struct sp__callback */
};

struct sp__process_signal {
    struct sp__signal base; /* first */
    enum sp__signal_kind kind;
    bool counted;        /* in exit_signals */
    bool borrowed;       /* its sender's memory, which outlives the lane, */
    _Atomic bool queued; /* and which is in the lane */
    sp_pid from;
    const struct sp_reason *reason; /* a reference of the signal's */
};

/** Send an exit, stop or shutdown signal to a process found by the caller.
 *  Errors: NOMEM, NOPROC. Ownership: takes the reason. Context: inside an epoch section. */
SP_NODISCARD sp_err sp__signal_send(struct sp_process *to, enum sp__signal_kind kind, sp_pid from,
                                    const struct sp_reason *moved_reason) SP_NONNULL;

/** An exit signal of sp_signal(), of which a process takes only so many at a time.
 *  Errors, ownership, context: as sp__signal_send(); FULL. */
SP_NODISCARD sp_err sp__signal_send_counted(struct sp_process *to, sp_pid from,
                                            const struct sp_reason *moved_reason) SP_NONNULL;

/** Free a signal that was not handled. Context: the owner of the lane, or who failed to push. */
void sp__signal_discard(struct sp__process_signal *signal) SP_NONNULL;

#endif
