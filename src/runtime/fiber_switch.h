/* The fiber itself, and the switch inline: for the scheduler, which leaves one for another at every
 * suspension, and for fiber.c.
 *
 * Inline because the call and the return around it would cost more than the switch, see
 * fiber_switch_x86_64.h; everyone else calls sp__fiber_switch().
 *
 * Threads, neighbours: fiber.h, fiber_context.h (the machine), fiber_hooks.h (the tools).
 */
#ifndef SP_RUNTIME_FIBER_SWITCH_H
#define SP_RUNTIME_FIBER_SWITCH_H

#include "runtime/fiber.h"
#include "runtime/fiber_context.h"
#include "runtime/fiber_hooks.h"
#include "runtime/fiber_switch_x86_64.h"

#include <assert.h>

enum fiber_state {
    FIBER_POOLED, /* in the pool, a cache, or never used */
    FIBER_SUSPENDED,
    FIBER_RUNNING,
    FIBER_FAULTED, /* ended by a signal; only to be put back */
};

struct sp__fiber {
    struct sp__fiber_stack stack; /* first: the item of the stack allocator begins with it */
    struct sp__fiber_context context;
    enum fiber_state state; /* a switch touches what is up to here: one cache line */
    sp__fiber_fn fn;
    void *arg;
    struct sp__fiber *interrupted; /* a signal brought us here from that one */
    struct sp__fiber_frame fault;  /* in FIBER_FAULTED: where */
    struct fiber_hook hook;
};

/* Besides catching the worst of a scheduler's mistakes, the two plain writes make a missing
 * order between the thread that left a fiber and the one that goes on with it a data race
 * that ThreadSanitizer sees. They cost 0.3 ns. */
__attribute__((always_inline)) static inline void sp__fiber_mark(struct sp__fiber *from,
                                                                 struct sp__fiber *to,
                                                                 enum fiber_state left)
{
    assert(from->state == FIBER_RUNNING && "left by who does not run on it");
    assert(to->state == FIBER_SUSPENDED && "not to be switched to");
    from->state = left;
    to->state = FIBER_RUNNING;
}

/** sp__fiber_switch(), in the caller's own frame. Context: any. */
__attribute__((always_inline)) static inline void sp__fiber_switch_inline(struct sp__fiber *from,
                                                                          struct sp__fiber *to)
{
    sp__fiber_mark(from, to, FIBER_SUSPENDED);
    fiber_asan_leave(&from->hook, to->stack.low, to->stack.high);
    fiber_tsan_switch(&to->hook);
    sp__fiber_context_switch(&from->context, &to->context);
    fiber_asan_arrive(&from->hook);
}

#endif
