/* Lines on their way to the thread that writes them: a ring of slots of one size.
 *
 *   slot   | turn | record | values, SP_KV_END | texts ...... |
 *
 * A slot at position p (which only grows) is free for it when its turn is p, and full when that is
 * p + 1; the reader gives it back with the turn of the next lap. Records point into their slot.
 *
 * Invariants: no writer waits, neither for the reader nor for another writer; less serious lines
 * leave a quarter of the ring to warnings and errors; lines that found no room are counted, and
 * the next one that does carries their number.
 *
 * Threads: put any; the rest one reader at a time.
 * Neighbours: log.c puts, real/log_writer.c reads.
 * Source: D. Vyukov, "Bounded MPMC queue" (2010).
 */
#ifndef SPAWNED_RUNTIME_LOG_RING_H
#define SPAWNED_RUNTIME_LOG_RING_H

#include "base/atomic.h"
#include "spawned/log.h"

enum { SP__LOG_PAIRS_MAX = 16 };

struct sp__log_slot {
    _Atomic uint64_t turn;
    struct sp_log_record record;
    uint64_t lost; /* lines that found no room before this one */
};

struct sp__log_ring {
    char *slots; /* NULL: there is no ring */
    size_t stride;
    uint64_t mask;
    SP__CACHE_ALIGNED _Atomic uint64_t tail; /* next to be put */
    _Atomic uint64_t lost;                   /* since the last line that found room */
    SP__CACHE_ALIGNED _Atomic uint64_t head; /* next to be read */
};

/** At least `lines` slots of `line_size` bytes. Errors: NOMEM. Context: startup. */
SP_NODISCARD sp_err sp__log_ring_init(struct sp__log_ring *ring, uint32_t lines, uint32_t line_size)
    SP_NONNULL;
/** Free it; one that is all zeros is fine. Context: nobody uses it. */
void sp__log_ring_finish(struct sp__log_ring *ring) SP_NONNULL;

/** Copy `record` into a slot; what does not fit is cut. False: no room, it is counted.
 *  Context: any; never waits. */
bool sp__log_ring_put(struct sp__log_ring *ring, const struct sp_log_record *record) SP_NONNULL;

/** Does more than half of it wait? Context: any. */
bool sp__log_ring_half(const struct sp__log_ring *ring) SP_NONNULL;

/** The line at `position`, or NULL: not there yet. Context: the reader. */
const struct sp__log_slot *sp__log_ring_peek(const struct sp__log_ring *ring, uint64_t position)
    SP_NONNULL;

/** Give back the first `count`. Context: the reader. */
void sp__log_ring_release(struct sp__log_ring *ring, uint64_t count) SP_NONNULL;

#endif
