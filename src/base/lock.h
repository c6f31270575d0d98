/* A four-byte adaptive lock for short critical sections.
 *
 * Free and uncontended it is one compare-and-swap to take and one exchange to give back,
 * both inline. Contended, it spins about a hundred rounds (the sections it guards are
 * shorter than a sleep) and then waits in the kernel (base/lock_linux.c).
 *
 *     state 0  free
 *     state 1  held, nobody waits
 *     state 2  held, somebody may be asleep: whoever unlocks wakes one
 *
 * Not recursive, not fair, never held across a suspension. Zero bytes are a free lock;
 * nothing is to be destroyed.
 *
 * Threads: any. Neighbours: base/thread_safety.h.
 * Source: U. Drepper, "Futexes Are Tricky" (2011), the second mutex.
 */
#ifndef SP_BASE_LOCK_H
#define SP_BASE_LOCK_H

#include "base/atomic.h"
#include "base/thread_safety.h"
#include "spawned/base.h"

struct SP__CAPABILITY("lock") sp__lock {
    _Atomic uint32_t state;
};

/** The contended half of sp__lock_lock(): spins, then sleeps.
 *  Context: any. */
void sp__lock_slow(struct sp__lock *lock) SP_NONNULL SP__ACQUIRE(*lock);

/** Wakes one thread asleep in sp__lock_slow().
 *  Context: any. */
void sp__lock_wake(struct sp__lock *lock) SP_NONNULL;

/** Makes `lock` free; the same as zeroing it.
 *  Context: any. */
static inline void sp__lock_init(struct sp__lock *lock)
{
    atomic_init(&lock->state, 0);
}

/** Takes the lock, however long that lasts.
 *  Context: any thread that does not hold it. */
static inline void sp__lock_lock(struct sp__lock *lock) SP__ACQUIRE(*lock) SP__NO_THREAD_SAFETY
{
    uint32_t expected = 0;
    /* acquire: pairs with the release in sp__lock_unlock() of the thread that held it before. */
    if (!atomic_compare_exchange_strong_explicit(&lock->state, &expected, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        sp__lock_slow(lock);
}

/** Takes the lock if it is free. True: it is held now.
 *  Context: any. */
static inline bool sp__lock_try(struct sp__lock *lock)
    SP__TRY_ACQUIRE(true, *lock) SP__NO_THREAD_SAFETY
{
    uint32_t expected = 0;
    /* acquire: as in sp__lock_lock(). */
    return atomic_compare_exchange_strong_explicit(&lock->state, &expected, 1, memory_order_acquire,
                                                   memory_order_relaxed);
}

/** Gives the lock back.
 *  Context: the thread that holds it. */
static inline void sp__lock_unlock(struct sp__lock *lock) SP__RELEASE(*lock) SP__NO_THREAD_SAFETY
{
    /* release: pairs with the acquire of the next holder. The exchange also learns, without
     * a second look at memory that may be gone, whether somebody sleeps. */
    if (atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2)
        sp__lock_wake(lock);
}

#endif
