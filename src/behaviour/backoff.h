/* Backoff: how long to wait before a child is started again.
 *
 * The first failure waits `min`, each further one `factor` times the wait before, up to `max`.
 * Jitter lengthens a wait by a random part of it and is not carried on to the next. A child
 * that ran for `reset_after` begins with `min` again; a failed start is no run.
 *
 * Threads: the supervisor's process. No clock, no random source: the caller passes both.
 * Neighbours: supervisor_spec.c (settings), supervisor_child.c.
 * Source: truncated exponential backoff, as in IEEE 802.3; jittered after the cap.
 */
#ifndef SP_BEHAVIOUR_BACKOFF_H
#define SP_BEHAVIOUR_BACKOFF_H

#include "spawned/supervisor.h"

/** Where a child stands. Zero is the beginning. */
struct sp__backoff {
    sp_duration last; /* wait before the last restart, without jitter; zero: none yet */
    sp_time started;
    bool ran; /* started since the last failure, at `started` */
};

/** The settings with their defaults; those of `min` zero (no backoff) stay zero.
 *  Errors: INVALID (a number out of range).
 *  Context: any. */
sp_err sp__backoff_resolve(const struct sp_backoff *settings, struct sp_backoff *out_settings)
    SP_NONNULL SP_NODISCARD;

/** The child has started at `now`.
 *  Context: any. */
void sp__backoff_started(struct sp__backoff *backoff, sp_time now) SP_NONNULL;

/** The child has ended, or failed to start, at `now`: the wait before the next start. `settings`
 *  are resolved; `random` is any 64 random bits.
 *  Context: any. */
sp_duration sp__backoff_next(struct sp__backoff *backoff, const struct sp_backoff *settings,
                             sp_time now, uint64_t random) SP_NONNULL SP_NODISCARD;

#endif
