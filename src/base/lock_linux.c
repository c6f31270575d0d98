/* The contended half of base/lock.h: spin a little, then wait on a futex.
 *
 * Invariant: a thread sleeps only on state 2, and whoever leaves sp__lock_slow() with the lock
 * leaves state 2 behind if it ever looked at sleeping (it cannot know that it was the last),
 * so the next unlock wakes one more. A wake-up for nobody is the price.
 *
 * Threads: any. Neighbours: the only file of base that makes a system call of its own.
 */
#include "base/lock.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* About 4 us on a machine where `pause` takes 40 cycles: a guarded section is under 1 us, and
 * sleeping and being woken costs about 5 us. tests/memory_model looks once. */
#ifndef SP__LOCK_SPINS
#define SP__LOCK_SPINS 100
#endif

/* Returns at once if `state` is no longer 2. Failures (EAGAIN, EINTR) mean: look again. */
static void lock_wait(struct sp__lock *lock)
{
    syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

void sp__lock_wake(struct sp__lock *lock)
{
    syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static bool lock_spin(struct sp__lock *lock) SP__TRY_ACQUIRE(true, *lock) SP__NO_THREAD_SAFETY
{
    for (int i = 0; i < SP__LOCK_SPINS; i++) {
        /* relaxed: only a hint; the attempt itself acquires. */
        if (atomic_load_explicit(&lock->state, memory_order_relaxed) == 0 && sp__lock_try(lock))
            return true;
        sp__cpu_relax();
    }
    return false;
}

/* The analysis does not know that the exchange takes the lock. */
void sp__lock_slow(struct sp__lock *lock) SP__NO_THREAD_SAFETY
{
    if (lock_spin(lock))
        return;
    /* acquire: pairs with the release of sp__lock_unlock() when it finds 0 (the lock is ours). */
    while (atomic_exchange_explicit(&lock->state, 2, memory_order_acquire) != 0)
        lock_wait(lock);
}
