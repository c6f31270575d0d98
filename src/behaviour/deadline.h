/* Waits that consist of several steps: one deadline for all, and what a step does without memory.
 *
 * Threads: any with a process. Neighbours: application.c, os_signal.c, supervisor_child.c.
 */
#ifndef SP_BEHAVIOUR_DEADLINE_H
#define SP_BEHAVIOUR_DEADLINE_H

#include "spawned/runtime.h"
#include "spawned/time.h"

/** `deadline`, or `fallback` where it is the default, as an instant: what counts from now on does
 *  not begin anew with each step. Context: process. */
static inline sp_deadline sp__deadline_fix(sp_deadline deadline, sp_deadline fallback)
{
    if (deadline.kind == SP_DEADLINE_DEFAULT)
        deadline = fallback;
    if (deadline.kind == SP_DEADLINE_AFTER)
        deadline = sp_at(sp_time_add(sp_now(), sp_ns(deadline.ns)));
    return deadline;
}

/** Has a fixed deadline passed? Context: process. */
static inline bool sp__deadline_passed(sp_deadline fixed)
{
    return fixed.kind == SP_DEADLINE_AT && sp_now().ns >= fixed.ns;
}

/** Wait a little for memory to be freed: a supervisor that could not send a signal or watch an end
 *  must do it all the same, so it tries again. Context: process, may suspend. */
static inline void sp__deadline_pause(void)
{
    sp_sleep(sp_ms(1));
}

#endif
