/* Whose turn the state is: between a server and one of its readers, without a lock.
 *
 * The server passes a read (BUSY). Who wants the state for itself then waits for the reader, and leaves
 * word (WAITED) with the token of its wait, which the reader completes when it is done (IDLE). A wait
 * that was given up leaves WAITED behind; the next one has another token.
 *
 * Threads: IDLE to BUSY and anything to WAITED by the server, anything to IDLE by the reader.
 * Neighbours: readers.c; tests/memory_model/reader_turn_test.c goes through what can happen.
 */
#ifndef SPAWNED_BEHAVIOUR_READER_TURN_H
#define SPAWNED_BEHAVIOUR_READER_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { SP__READER_IDLE, SP__READER_BUSY, SP__READER_WAITED };

/** Is it idle? True: what it read is read. Context: the server. */
static inline bool sp__reader_is_idle(const _Atomic uint32_t *busy)
{
    /* acquire: pairs with the exchange of who is done. */
    return atomic_load_explicit(busy, memory_order_acquire) == SP__READER_IDLE;
}

/** Leave word for a reader, with the token of a wait that is open. False: it is idle, and what it read
 *  is read; nobody completes the wait. Context: the server. */
static inline bool sp__reader_await(_Atomic uint32_t *busy, _Atomic uint64_t *shared_token,
                                    uint64_t token)
{
    uint32_t was = SP__READER_BUSY;
    atomic_store_explicit(shared_token, token, memory_order_relaxed); /* the CAS publishes it */
    /* release: pairs with the exchange of who is done: it sees the token. So also where it is WAITED
     * already: of a wait that was given up. acquire: what it read is read. */
    while (was != SP__READER_IDLE &&
           !atomic_compare_exchange_strong_explicit(busy, &was, SP__READER_WAITED,
                                                    memory_order_acq_rel, memory_order_acquire))
        continue;
    return was != SP__READER_IDLE;
}

/** It is done with the state. Returns the token of the wait to be completed; 0: none. One of an
 *  earlier wait cannot be claimed any more, one of a later wait ends that without need: it looks again.
 *  Context: the reader, or whoever ends it. */
static inline uint64_t sp__reader_done(_Atomic uint32_t *busy, const _Atomic uint64_t *shared_token)
{
    /* acq_rel: release pairs with the server's acquire: what was read is read; acquire pairs with the
     * CAS to WAITED: the token is set. */
    if (atomic_exchange_explicit(busy, SP__READER_IDLE, memory_order_acq_rel) != SP__READER_WAITED)
        return 0;
    /* relaxed: after the exchange. */
    return atomic_load_explicit(shared_token, memory_order_relaxed);
}

#endif
