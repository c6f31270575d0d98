/* A detector of starvation: processes that wait behind a turn of a worker that does not end.
 *
 * As a rule a stuck handler loses its worker long before (sp_runtime_options.stuck_after); this
 * tells what is left. See docs/scheduling.md.
 */
#ifndef SPAWNED_STARVATION_H
#define SPAWNED_STARVATION_H

#include "spawned/err.h"
#include "spawned/message.h"
#include "spawned/pid.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

struct sp_runtime;

/** How bad it is. */
enum sp_starvation_level {
    SP_STARVATION_OVER = 0, /**< the worker goes on; told where something was told before */
    SP_STARVATION_WARNING,
    SP_STARVATION_CRITICAL,
};

/** Processes wait behind one turn of a worker that does not end. */
struct sp_starvation {
    enum sp_starvation_level level;
    uint32_t worker; /**< number of the worker */
    sp_duration
        delay; /**< for so long no turn began there; without the time for which its thread was
                          ready to run and the system ran others */
    uint32_t waiting; /**< processes in its queue, about */
    char process[64]; /**< name or pid of whose turn it is; empty: nobody's */
    char stack[400];  /**< where it is, innermost first, if it computes */
};

/** Called on the runtime's monitor thread, which watches nothing meanwhile; it may not start or
 *  stop the detector. */
typedef void (*sp_starvation_fn)(const struct sp_starvation *starvation, void *arg);

/** A detector of starvation. Zero is the default everywhere. */
struct sp_starvation_options {
    sp_duration interval; /**< between two looks; default 10 ms, at least 1 ms */
    sp_duration warning;  /**< delay at which to warn; default 100 ms */
    sp_duration critical; /**< and when it is critical, at least `warning`; default 1 s */
    sp_starvation_fn on_starvation;
    void *arg;
    sp_pid notify; /**< gets each event as a message of type `sp_starvation_type`; or SP_PID_NONE */
};

/** The type of messages to `notify`. */
SP_API extern const struct sp_msg_type sp_starvation_type;

/** Watch the workers of a runtime from now on, or in another way than so far. A worker is starving
 *  its queue when somebody waits there and no turn begins; a long queue of short turns is load,
 *  not starvation, and what the machine does beside the runtime does not count. Each worker is
 *  told once for each level, and when it is over; sp_stats counts.
 *  Errors: INVALID (out of range), NOTSUP (in simulation, where time passes between turns only).
 *  Context: any. */
SP_API SP_NODISCARD SP_NONNULL sp_err
sp_starvation_start(struct sp_runtime *runtime, const struct sp_starvation_options *options);

/** Watch no more. When it returns nobody is told any more. Context: any. */
SP_API SP_NONNULL void sp_starvation_stop(struct sp_runtime *runtime);

SP_EXTERN_C_END

#endif
