/* Dead letters from inside: who does not deliver a message says so here.
 *
 * Threads: any with a context; counting takes no lock and may be done under any, telling takes one
 * and may send. Neighbours: spawned/dead_letter.h; send.c, timer.c, exit.c, receive.c.
 */
#ifndef SPAWNED_PROCESS_DEAD_LETTER_H
#define SPAWNED_PROCESS_DEAD_LETTER_H

#include "runtime/core.h"
#include "spawned/dead_letter.h"

/** Count it, by reason and by type. Context: any with a context, which is `context`. */
void sp__dead_count(struct sp__context *context, enum sp_dead_reason reason,
                    const struct sp_msg_type *type) SP_NONNULL;

/** The same, but not in the context's counters: it was counted there as a try. */
void sp__dead_note(struct sp__context *context, enum sp_dead_reason reason,
                   const struct sp_msg_type *type) SP_NONNULL;

/** Tell of one that was counted. Context: any with a context; no lock held. */
void sp__dead_tell(enum sp_dead_reason reason, const struct sp_message *message, sp_pid to)
    SP_NONNULL;

/** Both. Context: as tell. */
void sp__dead_letter(enum sp_dead_reason reason, const struct sp_message *message, sp_pid to)
    SP_NONNULL;

/** The runtime ends. Context: its end. */
void sp__dead_letters_destroy(struct sp_runtime *runtime) SP_NONNULL;

#endif
