/* Timers: a message later, once or again and again.
 *
 * A timer belongs to the process that will get its message and ends with it. Cancelling
 * says how much was left, or that it had fired. A timer with a key is stricter: once it
 * is cancelled or set anew, a tick of the earlier setting is never delivered, not even
 * one that was queued already.
 */
#ifndef SPAWNED_TIMER_H
#define SPAWNED_TIMER_H

#include "spawned/message.h"

SP_EXTERN_C_BEGIN

/** Identifies a timer; a stale one is recognised. */
typedef struct sp_timer {
    uint64_t id; /**< 0 is none */
} sp_timer;

/** When and to whom. */
struct sp_timer_options {
    sp_duration after;  /**< until the first message */
    sp_duration period; /**< 0: once; else between messages, without drift; ticks that were
                             missed by a whole period are skipped */
    uint64_t key;       /**< not 0, own process only: replaces the timer of that key */
};

/** Arm a timer that sends a copy of `*payload` to `to`.
 *  Errors: NOPROC, NOMEM, NOTCONTEXT; LIMIT (timers_max); INVALID (negative time; a key with a
 *  foreign process; a period with a payload type that owns something).
 *  Ownership: as sp_send().
 *  Units: `after` and `period` are exact to the nanosecond; never early.
 *  Context: process. `out_timer` may be NULL. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2, 4) sp_err
    sp_timer_start(sp_pid to, const struct sp_msg_type *type, const void *payload,
                   const struct sp_timer_options *options, sp_timer *out_timer);

/** Cancel. SP_OK: it had not fired (a periodic one: was running), `*out_left` says how much was
 *  left. STALE: it had fired, was cancelled before, or its process is gone; a message of it
 *  may be in the mailbox.
 *  Errors: STALE, NOTCONTEXT. `out_left` may be NULL.
 *  Context: process. */
SP_API SP_NODISCARD sp_err sp_timer_cancel(sp_timer timer, sp_duration *out_left);

/** Cancel the running process's timer of this key; no tick of it is delivered any more.
 *  Errors: STALE (none of that key was running), NOTCONTEXT.
 *  Context: process. */
SP_API SP_NODISCARD sp_err sp_timer_cancel_key(uint64_t key, sp_duration *out_left);

SP_EXTERN_C_END

#endif
