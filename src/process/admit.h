/* Admission: how long messages wait, told from one of them at a time.
 *
 *     probe = number of a message in the mailbox << 32 | when it was sent, in units of 66 us
 *
 * The first message that is accepted while no probe is in the mailbox becomes one. Whoever sends
 * looks how long it has waited by now: too long, and the message is refused. Once the receiver has
 * taken it, the next accepted message is the probe. So a message that is accepted has at most as
 * much before it as was sent in the longest wait after a probe; and where nobody sends, nothing
 * is measured or refused.
 *
 * Threads: senders, any number; `taken` is the receiver's. Neighbours: send.c.
 */
#ifndef SPAWNED_PROCESS_ADMIT_H
#define SPAWNED_PROCESS_ADMIT_H

#include "process/process.h"

enum {
    ADMIT_UNIT_BITS = 16 /* nanoseconds: 66 us, and an age of up to 39 hours */
};

/** Is the probe taken, or was there none? Context: any, inside an epoch section. */
static inline bool sp__admit_over(const struct sp_process *to, uint64_t probe)
{
    /* acquire: pairs with the release in took. */
    uint32_t taken = atomic_load_explicit(&to->actor.taken, memory_order_acquire);
    return (int32_t)((uint32_t)(probe >> 32) - taken) <= 0;
}

static inline uint32_t sp__admit_now(const struct sp_process *to)
{
    return (uint32_t)((uint64_t)sp__now(sp__process_runtime(to)) >> ADMIT_UNIT_BITS);
}

/** May one more come? Context: any, inside an epoch section. */
static inline bool sp__admit(struct sp_process *to)
{
    struct sp__extra *extra = to->extra;
    /* relaxed: one word, and what it says of the mailbox is in `taken`. */
    uint64_t probe = atomic_load_explicit(&extra->probe, memory_order_relaxed);
    if (sp__admit_over(to, probe))
        return true;
    int64_t age = (int64_t)(sp__admit_now(to) - (uint32_t)probe) << ADMIT_UNIT_BITS;
    return age <= extra->queue_delay_ns;
}

/** It came, as `number`. Context: any, inside an epoch section. */
static inline void sp__admitted(struct sp_process *to, uint32_t number)
{
    struct sp__extra *extra = to->extra;
    uint64_t probe = atomic_load_explicit(&extra->probe, memory_order_relaxed);
    if (!sp__admit_over(to, probe))
        return;
    /* relaxed, and once: if somebody else was faster, that one is the probe. */
    (void)atomic_compare_exchange_strong_explicit(&extra->probe, &probe,
                                                  (uint64_t)number << 32 | sp__admit_now(to),
                                                  memory_order_relaxed, memory_order_relaxed);
}

#endif
