/* Dead letters: what was sent and not delivered, by reason and by type.
 *
 * Each is counted; the last ones can be read; a process that subscribes gets one message for each;
 * and the log has some of them. Nothing here is without a bound: counts are kept for 272 types
 * (more are counted together), a subscriber whose mailbox is long is told how many it has missed,
 * and the log gets ten lines a second, the next one with the number of those left out.
 */
#ifndef SPAWNED_DEAD_LETTER_H
#define SPAWNED_DEAD_LETTER_H

#include "spawned/message.h"
#include "spawned/runtime.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

/** Why a message was not delivered. */
enum sp_dead_reason {
    SP_DEAD_NOPROC = 0, /**< sent to a process that had ended, or never was */
    SP_DEAD_EXITED,     /**< left in the mailbox of a process that ended */
    SP_DEAD_FULL,       /**< refused or discarded by a full mailbox; also a tick without memory */
    SP_DEAD_STALE,      /**< of a timer that was cancelled after it had fired */
    SP_DEAD_DRAINING,   /**< refused by a process that drains */
    SP_DEAD_OVERLOAD,   /**< refused because those before it wait too long */
    SP_DEAD_REASONS,
};

/** A word for it, static. Context: any. */
SP_API const char *sp_dead_reason_text(enum sp_dead_reason reason);

/** An undelivered message. */
struct sp_dead_letter {
    enum sp_dead_reason reason;
    const char *type; /**< the name of its type */
    sp_pid from;
    sp_pid to;
    uint64_t lost; /**< letters that this subscriber was not sent since the one before */
    uint64_t seq;  /**< 1: the first of this runtime */
    sp_time at;    /**< within 10 ms */
};

/** The type of a subscriber's messages. */
SP_API extern const struct sp_msg_type sp_dead_letter_type;

/** The payload if it is such a message, else NULL. Context: the process that received it. */
SP_NONNULL static inline const struct sp_dead_letter *sp_dead_letter_of(
    const struct sp_message *message)
{
    return sp_message_type(message) == &sp_dead_letter_type
               ? (const struct sp_dead_letter *)sp_message_peek(message)
               : (const struct sp_dead_letter *)0;
}

/** Send the running process a message for each dead letter of its runtime from now on, but for
 *  those of this type themselves; not while its mailbox has `pending_max` messages (0: 1,024).
 *  Subscribing again changes that. It ends with the process.
 *  Errors: NOMEM, NOTCONTEXT.
 *  Context: process. */
SP_API SP_NODISCARD sp_err sp_dead_letters_subscribe(uint32_t pending_max);

/** Stop it; what is in the mailbox stays. Context: process. */
SP_API void sp_dead_letters_unsubscribe(void);

/** How many of a type, by reason. */
struct sp_dead_count {
    const char *type; /**< "(others)": of types beyond those that are told apart */
    uint64_t counts[SP_DEAD_REASONS];
};

/** Read the counts, sorted by the names of the types: writes up to `max`, returns how many there
 *  are. Context: any. */
SP_API SP_NONNULL_ARGS(1) size_t
    sp_dead_letters_count(struct sp_runtime *runtime, struct sp_dead_count *counts, size_t max);

/** The last letters, the newest first: writes up to `max`, of at most 64, and returns how many.
 *  Context: any. */
SP_API SP_NONNULL size_t sp_dead_letters_recent(struct sp_runtime *runtime,
                                                struct sp_dead_letter *letters, size_t max);

SP_EXTERN_C_END

#endif
