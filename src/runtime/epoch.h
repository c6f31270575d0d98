/* Epochs: memory that lock-free readers may still look at is freed only when none can.
 *
 * A reader brackets its look-up with sp__epoch_enter() and sp__epoch_leave(). A writer first
 * makes the object unreachable and then retires it; its function runs after every section that
 * was open at that moment is closed. A thread outside a section never delays anybody.
 *
 * How: the domain counts epochs. Entering publishes the epoch one saw, and leaving lets it stand.
 * The count goes from e to e+1 only when every thread has published e, or is away. What is retired
 * at e is freed from e+2 on: whoever entered before e ended has left by then, whoever entered later
 * cannot find it.
 *
 * That needs no barrier: a thread that publishes e is outside at that moment, and what it looks up
 * afterwards it looks up knowing all that happened before e began. Only a thread that neither
 * enters a section nor retires anything for a long time, and did not say that it goes away,
 * publishes nothing; for it, a reader's "I am inside" must be visible before its look-up. Where the
 * kernel offers membarrier(), the reader only keeps the compiler in order and the one who counts the
 * epoch on makes every core execute a barrier, when 256 retired objects wait (2 us on an idle machine,
 * and the other cores lose as much). Elsewhere, and under the thread sanitizer, each enter is a
 * full barrier of its own.
 *
 * Invariants: bit 0 of `active` is set inside a section, and then it is not 0; retired nodes are on
 * exactly one list: a thread's open batch, a thread's closed batches, or the domain's orphans; their
 * functions run without the domain's lock held.
 *
 * Threads: any that is registered. A section is short, never suspends, and ends on the thread it
 * began on. Neighbours: runtime/real/membarrier.h.
 * Source: K. Fraser, "Practical lock-freedom" (2004), 5.2.3; the asymmetric fence from
 * P. McKenney, M. Desnoyers et al., "User-Level Implementations of RCU" (2012).
 */
#ifndef SP_RUNTIME_EPOCH_H
#define SP_RUNTIME_EPOCH_H

#include "base/atomic.h"
#include "base/list.h"
#include "base/lock.h"
#include "spawned/base.h"

enum {
    /** Retired objects per batch: each asks once whether the epoch can be counted on. */
    SP__EPOCH_BATCH = 64,
    /** Objects that wait when a thread that says nothing is waited for no longer. */
    SP__EPOCH_PATIENCE = 4 * SP__EPOCH_BATCH,
};

struct sp__epoch_node;

/** Frees the object around `node`; may retire others, may not collect or drain. */
typedef void sp__epoch_fn(struct sp__epoch_node *node);

/** What is retired; embed it. */
struct sp__epoch_node {
    struct sp__epoch_node *next;
    sp__epoch_fn *fn;
};

/** Nodes in the order they were retired. */
struct sp__epoch_queue {
    struct sp__epoch_node *first;
    struct sp__epoch_node *last;
    size_t count;
};

/** Closed batches by age: everything in waiting[i] was retired at epoch stamp[i] or before. */
struct sp__epoch_limbo {
    struct sp__epoch_queue waiting[3];
    uint64_t stamp[3];
};

/** One per runtime. */
struct sp__epoch {
    SP__CACHE_ALIGNED _Atomic uint64_t epoch; /* even; counts on by 2, bit 0 is for `active` */
    SP__CACHE_ALIGNED struct sp__lock lock;
    struct sp__list threads SP__GUARDED_BY(lock);        /* registered, by sp__epoch_thread.link */
    struct sp__epoch_limbo orphans SP__GUARDED_BY(lock); /* of threads that went */
    bool asymmetric;                                     /* membarrier() does the readers' part */
};

/** One per participating thread; its address does not change while registered. */
struct sp__epoch_thread {
    SP__CACHE_ALIGNED _Atomic uint64_t active; /* epoch it published | 1 inside; 0: away */
    struct sp__epoch *domain;
    uint32_t depth; /* sections open on this thread; only the outermost publishes */
    bool asymmetric;
    bool running; /* retired functions are being run: a nested retire only queues */
    struct sp__epoch_queue open;
    struct sp__epoch_limbo limbo;
    struct sp__list link;
};

/** A domain without threads. `allow_membarrier` false makes every enter a full barrier.
 *  Context: startup. */
void sp__epoch_init(struct sp__epoch *domain, bool allow_membarrier) SP_NONNULL;

/** Runs every function still waiting. No thread is registered any more.
 *  Context: startup (the runtime's end). */
void sp__epoch_finish(struct sp__epoch *domain) SP_NONNULL;

/** Lets the calling thread take part through `thread`.
 *  Ownership: borrows `thread` until unregistered. Context: any. */
void sp__epoch_register(struct sp__epoch *domain, struct sp__epoch_thread *thread) SP_NONNULL;

/** Ends it (outside a section); what `thread` had retired passes to the domain.
 *  Context: the registered thread. */
void sp__epoch_unregister(struct sp__epoch_thread *thread) SP_NONNULL;

/** Opens a section: objects found from here on stay until it is closed. Nests.
 *  Context: the registered thread. */
static inline void sp__epoch_enter(struct sp__epoch_thread *thread)
{
    if (thread->depth++ != 0)
        return;
    /* acquire: pairs with the release that counted the epoch on; who sees epoch e+1 here sees
     * every removal that was retired at e. */
    uint64_t active = atomic_load_explicit(&thread->domain->epoch, memory_order_acquire) | 1;
    /* relaxed: only this thread writes it. */
    if (thread->asymmetric && atomic_load_explicit(&thread->active, memory_order_relaxed) != 0) {
        /* Ordered before the section's loads by the membarrier() of whoever scans. release: the
         * accesses of earlier sections come before. */
        atomic_store_explicit(&thread->active, active, memory_order_release);
        sp__fence_light();
    } else {
        /* seq_cst: visible before the section's loads; pairs with the full fence of the scan. */
        atomic_exchange_explicit(&thread->active, active, memory_order_seq_cst);
        sp__fence_full();
    }
}

/** Closes the section.
 *  Context: the registered thread. */
static inline void sp__epoch_leave(struct sp__epoch_thread *thread)
{
    if (--thread->depth != 0)
        return;
    uint64_t active = atomic_load_explicit(&thread->active, memory_order_relaxed);
    /* release: the section's accesses come before; pairs with the acquire of the scan. */
    atomic_store_explicit(&thread->active, active & ~UINT64_C(1), memory_order_release);
}

/** Says that the thread is outside of sections now. For a loop that may not enter any for long.
 *  Context: the registered thread. */
static inline void sp__epoch_quiet(struct sp__epoch_thread *thread)
{
    /* acquire: as in enter. */
    uint64_t epoch = atomic_load_explicit(&thread->domain->epoch, memory_order_acquire);
    uint64_t active = atomic_load_explicit(&thread->active, memory_order_relaxed);
    /* Not one that is away: to come back takes the full fence of enter. */
    if (thread->depth == 0 && active != epoch && active != 0)
        /* release: earlier sections come before. */
        atomic_store_explicit(&thread->active, epoch, memory_order_release);
}

/** Says that the thread enters no section for a while: before it sleeps. The next section ends it.
 *  Context: the registered thread, outside of sections. */
static inline void sp__epoch_away(struct sp__epoch_thread *thread)
{
    /* release: earlier sections come before. */
    atomic_store_explicit(&thread->active, 0, memory_order_release);
}

/** Orders what the thread wrote before what it reads next, against sp__epoch_fence() of another:
 *  nearly free here, costly there. Context: the registered thread. */
static inline void sp__epoch_fence_light(const struct sp__epoch_thread *thread)
{
    if (thread->asymmetric)
        sp__fence_light();
    else
        sp__fence_full();
}

/** The other half: a full fence here, and on every core that runs a registered thread.
 *  Units: about 2 us. Context: any. */
void sp__epoch_fence(const struct sp__epoch *domain) SP_NONNULL;

/** True between enter and leave. */
static inline bool sp__epoch_inside(const struct sp__epoch_thread *thread)
{
    return thread->depth != 0;
}

/** Is anything that this thread retired still waiting? Context: the registered thread. */
static inline bool sp__epoch_waiting(const struct sp__epoch_thread *thread)
{
    return thread->open.first != NULL || thread->limbo.waiting[0].first != NULL ||
           thread->limbo.waiting[1].first != NULL || thread->limbo.waiting[2].first != NULL;
}

/** Runs `fn(node)` after every section open now is closed: from a later retire or collect of this
 *  thread (or this one), or of any after it unregistered. The object is already unreachable for
 *  new readers. Allowed inside a section.
 *  Ownership: the node is the domain's until `fn` gets it. Context: the registered thread. */
void sp__epoch_retire(struct sp__epoch_thread *thread, struct sp__epoch_node *node,
                      sp__epoch_fn *fn) SP_NONNULL;

/** Closes the open batch and runs what no section can see any more; true if nothing of this thread
 *  (or of those that went) is waiting afterwards. When no other thread is inside a section, one call
 *  made outside of one runs everything.
 *  Context: the registered thread. */
bool sp__epoch_collect(struct sp__epoch_thread *thread) SP_NONNULL;

#endif
