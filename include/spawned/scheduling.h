/* Scheduling: how long a process keeps its worker, who goes first, and handlers that take too long.
 *
 * A process has its worker for a turn: so many messages, or so much time, whichever ends first.
 * Nothing is taken from it in the middle of a handler; see docs/scheduling.md for what
 * happens to one that does not return.
 */
#ifndef SPAWNED_SCHEDULING_H
#define SPAWNED_SCHEDULING_H

#include "spawned/err.h"
#include "spawned/pid.h"
#include "spawned/process.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

/** Who goes first where several can run. A lower one gets a sixteenth of the time all the same,
 *  once it was passed over for as long as the runtime's option `aging` says. */
enum sp_priority {
    SP_PRIORITY_NORMAL = 0,
    SP_PRIORITY_LOW,  /**< when there is nothing else to do */
    SP_PRIORITY_HIGH, /**< before those of normal priority */
    SP_PRIORITY_MAX,  /**< before all others: for what is short and must not wait */
};

/** What becomes of a handler that has not returned at its deadline. */
enum sp_overrun {
    SP_OVERRUN_WARN = 0, /**< a line in the log; it goes on */
    SP_OVERRUN_CANCEL,   /**< until it returns, each wait in it says CANCELLED at once, and
                            sp_cancelled() is true; then the server goes on */
    SP_OVERRUN_STOP,     /**< its process ends with reason error(TIMEOUT), when the handler
                            waits for something or returns; a late `terminate` is ended when it
                            waits, and the reason stays as it was */
    SP_OVERRUN_ABANDON, /**< as STOP; but if the handler still runs `abandon_after` later, the process
                            is given up: for all others it ends, with reason error(ABANDONED). Its
                            name is free, callers are told, a supervisor restarts it. What it sends
                            from then on is discarded, and it ends when its handler returns */
};

/** A handler that took long. */
struct sp_slow_handler {
    sp_pid pid;
    const char *operation; /**< name of the message's type, or of the callback ("on_timeout",
                              "terminate", "on_frame" ...); lives as long as the program's code */
    sp_duration took;      /**< from its begin to its end, with what it waited for */
    uint64_t omitted;      /**< others since the last call, that were not told */
};

/** Called by the process itself, after the handler and before its next message; may not suspend. */
typedef void (*sp_slow_handler_fn)(const struct sp_slow_handler *slow, void *arg);

/** How a process is scheduled. Zero is the default everywhere. What concerns handlers is for
 *  servers and what is built on them; plain processes have none. */
struct sp_scheduling {
    uint32_t throughput;          /**< messages of a turn, up to 65,535; default: the runtime's */
    sp_duration slice;            /**< length of a turn, looked at after each message; default: the
                                  runtime's, which is looked at less closely and costs nothing */
    enum sp_priority priority;    /**< has no meaning where the process has its own thread */
    sp_duration handler_deadline; /**< for one handler, with what it waits for; default: none */
    enum sp_overrun on_overrun;   /**< what happens then */
    sp_duration abandon_after;    /**< with SP_OVERRUN_ABANDON: how long it has to end by itself;
                                  default 100 ms; negative: no time */
    sp_duration slow_after;       /**< handlers that take so long are told; default: none */
    sp_slow_handler_fn on_slow;
    void *on_slow_arg;
    sp_duration slow_every; /**< tell one in this time at most; default 1 s; negative: all */
};

/** Change how the running process is scheduled, from its next message on: all of it, so that what
 *  is zero is the default again. The options of its spawn (sp_spawn_options.scheduling) do the
 *  same from its start.
 *  Errors: INVALID (a value out of range; slow_after without on_slow), NOMEM, NOTCONTEXT.
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_scheduling_set(const struct sp_scheduling *scheduling);

/** How the running process is scheduled. Errors: NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_scheduling_get(struct sp_scheduling *out_scheduling);

/** What sp_yield_every() counts in: zero, but for `every`. */
struct sp_yield_budget {
    uint32_t every; /**< rounds between two looks at the clock; 0: each */
    uint32_t round;
    int64_t since_ns;
};

/** The slow half of sp_yield_every(). Context: process, may suspend. */
SP_API SP_NONNULL bool sp_yield_budget_spent(struct sp_yield_budget *budget);

/** For each round of a loop that computes for long: gives others a turn when the process has had
 *  its worker for a slice. Costs a decrement, and a look at the clock each `every` rounds. True:
 *  it gave way. In simulation it gives way each `every` rounds.
 *  Context: process, may suspend. */
static inline bool sp_yield_every(struct sp_yield_budget *budget)
{
    if (budget->round != 0) {
        budget->round--;
        return false;
    }
    return sp_yield_budget_spent(budget);
}

SP_EXTERN_C_END

#endif
