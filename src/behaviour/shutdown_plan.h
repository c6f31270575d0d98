/* The plan of a shutdown: phases, in an order in which each comes after those it must.
 *
 * Plain data, no process. Threads: the caller's. Neighbours: shutdown.c.
 */
#ifndef SP_BEHAVIOUR_SHUTDOWN_PLAN_H
#define SP_BEHAVIOUR_SHUTDOWN_PLAN_H

#include "spawned/shutdown.h"

/** A phase, and which others come before it. */
struct sp__shutdown_phase {
    char name[SP_SHUTDOWN_NAME_MAX + 1];
    sp_duration budget;
    uint64_t after; /* bit n: phases[n] comes before */
};

struct sp__shutdown_plan {
    size_t count;
    struct sp__shutdown_phase phases[SP_SHUTDOWN_PHASES_MAX];
    uint8_t order[SP_SHUTDOWN_PHASES_MAX]; /* places in `phases` */
};

/** The standard phases and those of the options, in order; among those that may come next, the
 *  first one given does, the standard ones first. `out_fault` may be NULL; written on failure.
 *  Errors: INVALID. Context: any. */
SP_NODISCARD sp_err sp__shutdown_plan_init(struct sp__shutdown_plan *plan,
                                           const struct sp_shutdown_options *options,
                                           struct sp_shutdown_fault *out_fault)
    SP_NONNULL_ARGS(1, 2);

/** Place of the phase in `phases`, or `count`. Context: any. */
size_t sp__shutdown_plan_find(const struct sp__shutdown_plan *plan, const char *name) SP_NONNULL;

/** A name of a phase or task of a right length? Context: any. */
bool sp__shutdown_name_valid(const char *name);

#endif
