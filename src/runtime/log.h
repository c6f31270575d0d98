/* The runtime's reports, to the user's log function. Threads: any, without a lock held. */
#ifndef SPAWNED_RUNTIME_LOG_H
#define SPAWNED_RUNTIME_LOG_H

#include "spawned/runtime.h"

/** One line, cut at 1,000 bytes; nothing where the user gave no log function. */
void sp__log(struct sp_runtime *runtime, enum sp_log_level level, const char *format, ...)
    SP_PRINTF(3, 4);

#endif
