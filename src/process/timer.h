/* Timers that send messages.
 *
 * A timer lives in a slot of the runtime's slab and is on the list of the process that
 * will get its message. States, under that process's lock:
 *
 *   armed  -> in the wheel          cancel or exit take it out and free it
 *   firing -> taken off the wheel, fire() is about to take the lock: cancel and exit only
 *             take it off the list, by which fire() sees that it has just to free it
 *
 * The message is made when the timer is started; one that repeats keeps it and sends copies.
 *
 * A keyed timer is also in two maps of its process, which only that process touches: by
 * key, to replace it, and by id, by which a tick knows whether it is still wanted.
 *
 * Threads: as said. Neighbours: runtime/timers.h, send.h.
 */
#ifndef SPAWNED_PROCESS_TIMER_H
#define SPAWNED_PROCESS_TIMER_H

#include "process/process.h"
#include "spawned/timer.h"

/** sp_timer_start() to the running process with any key, the library's own (bit 63) too. */
SP_NODISCARD sp_err sp__timer_start_key(uint64_t key, const struct sp_msg_type *type,
                                        const void *payload, const struct sp_timer_options *options,
                                        sp_timer *out_timer) SP_NONNULL_ARGS(2, 4);

/** sp_timer_cancel_key() for any key. */
SP_NODISCARD sp_err sp__timer_stop_key(uint64_t key, sp_duration *out_left);

/** Timers that are due send their messages. As sp_runtime.on_timers. */
void sp__timers_fire(struct sp__timer_node *const *nodes, size_t count) SP_NONNULL;

/** To whom an armed timer sends. As sp_runtime.timer_actor. */
struct sp__actor *sp__timer_actor(struct sp__timer_node *node) SP_NONNULL;

/** Cancel all timers of a process. Context: the owner, leaving. */
void sp__timers_drop(struct sp_process *self) SP_NONNULL;

/** A tick of a keyed timer that was cancelled or set anew after it was sent? Context: the owner. */
bool sp__timer_message_stale(struct sp_process *self, const struct sp_message *message) SP_NONNULL;

/** A tick that is not stale is handed over: it cannot become so any more. One that does not repeat
 *  is done with its key. Nothing for other messages. Context: the owner. */
void sp__timer_message_taken(struct sp_process *self, struct sp_message *message) SP_NONNULL;

#endif
