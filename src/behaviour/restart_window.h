/* The restart window: how often a supervisor has restarted lately, and when that is too often.
 *
 *     times   [ . . t3 t4 t5 . ]     a ring of the instants that are still in the period
 *                   ^first
 *
 * The window slides: what counts are the restarts whose age is at most `period` (an age of
 * exactly `period` counts). The one that makes them more than `max` is refused.
 *
 * Invariants: times in the ring ascend; count <= max + 1.
 *
 * Threads: the supervisor's process. No clock: the caller passes the time.
 * Neighbours: supervisor.c, dynamic_supervisor.c.
 */
#ifndef SP_BEHAVIOUR_RESTART_WINDOW_H
#define SP_BEHAVIOUR_RESTART_WINDOW_H

#include "spawned/supervisor.h"

struct sp__restart_window {
    sp_time *times; /* NULL: unlimited */
    uint32_t max;
    uint32_t first;
    uint32_t count;
    sp_duration period;
    uint64_t total; /* admitted since the beginning */
};

/** Are these numbers a window? `max_restarts` as in sp_supervisor_spec, 0 the default.
 *  Context: any. */
bool sp__restart_window_valid(uint32_t max_restarts, sp_duration period);

/** An empty window; zeroes mean the defaults of sp_supervisor_spec.
 *  Errors: INVALID (not valid), NOMEM.
 *  Ownership: ended by sp__restart_window_finish(). Context: any. */
sp_err sp__restart_window_init(struct sp__restart_window *window, uint32_t max_restarts,
                               sp_duration period) SP_NONNULL SP_NODISCARD;

/** Frees it; a zeroed one is accepted.
 *  Context: any. */
void sp__restart_window_finish(struct sp__restart_window *window) SP_NONNULL;

/** Count a restart at `now`. False: it is one too many; it is counted all the same.
 *  Context: any. */
bool sp__restart_window_add(struct sp__restart_window *window, sp_time now) SP_NONNULL;

/** How many restarts are in the period at `now`; `*out_oldest` is the age of the oldest, or zero.
 *  Context: any. */
uint32_t sp__restart_window_count(struct sp__restart_window *window, sp_time now,
                                  sp_duration *out_oldest) SP_NONNULL;

/** Write what the window knows to `info`: its settings, how full it is.
 *  Context: any. */
void sp__restart_window_report(struct sp__restart_window *window, sp_time now,
                               struct sp_supervisor_info *info) SP_NONNULL;

#endif
