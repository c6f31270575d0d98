/* Spans that a process opens itself, traces that it adopts, and the span of a task.
 *
 *   extra.spans -> innermost -> ... -> outermost      also on the list of its resources
 *
 * Of a server each belongs to the message whose handler opened it, and is of no effect beyond: that message
 * is known by the span of its trace part, or else by its address and how many were handled before it.
 *
 * Threads: the owner; of a task, its spawner before it runs. Neighbours: trace.h.
 */
#ifndef SPAWNED_PROCESS_TRACE_OWN_H
#define SPAWNED_PROCESS_TRACE_OWN_H

#include "process/resource.h"
#include "process/trace.h"

struct sp__trace_own {
    struct sp__resource resource;
    struct sp_process *process;
    struct sp__trace_own *outer;
    const struct sp_message *message; /* only compared */
    uint64_t under;                   /* span of that message; 0: it has no trace part */
    uint64_t handled;
    enum sp_trace_kind kind;
    bool adopted; /* somebody else's: it is not recorded */
    struct sp_trace_context context;
    uint64_t parent;
    const char *name;
    sp_pid from; /* who spawned the task */
    int64_t begun_ns;
    struct sp_trace_attribute *attributes; /* newest first */
    uint32_t attribute_count;
    uint32_t state_size;
    char state[];
};

/** The innermost open one, handling `message` (or NULL). Context: the owner, extra is there. */
const struct sp__trace_own *sp__trace_own_current(struct sp_process *self,
                                                  struct sp_message *message) SP_NONNULL_ARGS(1);

/** The handling of `message` is over: so are its spans. Context: the owner, extra is there. */
void sp__trace_own_done(struct sp_process *self, struct sp_message *message, sp_err result)
    SP_NONNULL;

/** A task that the running process spawns, and that does not run yet, is in its trace. Context: the
 *  spawner. */
void sp__trace_task(struct sp_process *self, struct sp_process *task, const char *name) SP_NONNULL;

/** The task has returned. Context: the task. */
void sp__trace_task_done(struct sp_process *self, sp_err result) SP_NONNULL;

#endif
