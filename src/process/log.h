/* What the log knows of processes. Threads: as marked. Neighbours: runtime/log.h. */
#ifndef SPAWNED_PROCESS_LOG_H
#define SPAWNED_PROCESS_LOG_H

#include "process/process.h"

struct sp__log_who;

/** The hooks of struct sp_runtime. Context: the owner, without the process's lock. */
uint8_t sp__process_log_level(struct sp__actor *actor) SP_NONNULL;
void sp__process_log_who(struct sp__actor *actor, struct sp__log_who *who) SP_NONNULL;
bool sp__process_log_trace(struct sp__context *context, uint8_t trace_id[16], uint8_t span_id[8])
    SP_NONNULL;

/** A process that had this has ended. Context: any; nobody finds it any more. */
void sp__process_log_forget(struct sp_runtime *runtime, struct sp__extra *extra) SP_NONNULL;

#endif
