/* Cycles of waits: each process waits for at most one other, so whoever follows them comes to an
 * end, or round.
 *
 * Threads: none of its own. Neighbours: api_graph.c.
 */
#ifndef SPAWNED_HTTP_CYCLE_H
#define SPAWNED_HTTP_CYCLE_H

#include "spawned/pid.h"

/** Processes of one; longer ones are not found. */
enum { SP__HTTP_CYCLE_MAX = 64 };

/** Whom `pid` waits for; SP_PID_NONE: nobody, or it has ended. */
typedef sp_pid (*sp__http_waits_fn)(sp_pid pid, void *arg);

/** Follow the waits from `start` until they come round, twice the same, so that what was seen in
 *  passing is not taken for a deadlock. Returns how many processes are in the cycle; 0: there is
 *  none, or it is for the one with the smallest slot in it to be asked. Context: any. */
size_t sp__http_cycle(sp_pid start, sp__http_waits_fn waits, void *arg,
                      sp_pid cycle[SP__HTTP_CYCLE_MAX]) SP_NONNULL_ARGS(2, 4);

#endif
