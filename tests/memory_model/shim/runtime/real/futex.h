/* futex(2) for code under the model checker, as the kernel documents it: to look at the word and to
 * begin to sleep is one step, in one order with all wake-ups on the word.
 *
 * A wake-up counts one on; a sleeper waits until the count is not what it was when it looked. */
#ifndef SP_TEST_MEMORY_MODEL_FUTEX_H
#define SP_TEST_MEMORY_MODEL_FUTEX_H

#include "base/atomic.h"

#include <stdint.h>

/** How often the word was woken: not part of a model's state. */
_Atomic uint32_t *model_futex(const void *word);

void model_sleep(void);

static inline void sp__futex_wait(_Atomic uint32_t *word, uint32_t value, int64_t timeout_ns)
{
    (void)timeout_ns;
    _Atomic uint32_t *wakes = model_futex(word);
    uint32_t before = atomic_fetch_add_explicit(wakes, 0, memory_order_acq_rel);
    if (atomic_load_explicit(word, memory_order_relaxed) != value)
        return;
    while (atomic_load_explicit(wakes, memory_order_acquire) == before)
        model_sleep();
}

static inline void sp__futex_wake(_Atomic uint32_t *word, int count)
{
    (void)count;
    atomic_fetch_add_explicit(model_futex(word), 1, memory_order_acq_rel);
}

#endif
