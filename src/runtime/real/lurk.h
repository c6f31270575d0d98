/* Whether another worker's new processes are worth taking, and waiting lightly until they are.
 *
 * A process that does next to nothing is spawned, run and gone in 100 ns where its memory is warm. To
 * take it to another core costs several times as much, on both, and to wake a worker for it a hundred
 * times. So who has nothing to do takes a new process only once it has waited:
 *
 *   idle ── new ones that are fresh: look again for SPIN ── still the same oldest: take it
 *     │                                  └ gone: nap ── a change since: nap longer, up to NAP_MAX
 *     └── nothing: sleep, until woken                └─ none: sleep, until woken
 *
 * Meanwhile it lurks: nobody is woken for a new process, because it will look by itself. For everything
 * else it is idle, and woken. A worker that was woken takes what it finds: that has waited.
 *
 * The oldest one of a stack is known by the stack's `top`, which grows when it is taken: by a thief, or
 * by the owner who takes the last. A thief sets what is seen on by one: what lies behind has
 * waited as long.
 *
 * Threads: the runner of the thief, except where marked. Neighbours: search.c, ready.c, young_stack.h.
 */
#ifndef SPAWNED_RUNTIME_REAL_LURK_H
#define SPAWNED_RUNTIME_REAL_LURK_H

#include "base/atomic.h"
#include "spawned/base.h"

#include <stdbool.h>

struct sp__actor;
struct sp__worker;

/** What thieves know of a worker's new processes. Written by any of them: what is lost is a guess. */
struct sp__lurk_seen {
    SP__CACHE_ALIGNED _Atomic uint64_t top;
    _Atomic int64_t since_ns; /* that it is the oldest */
};

/** A thief's own. */
struct sp__lurk {
    bool fresh;      /* its last look left some alone */
    bool woken;      /* it was, and takes what it finds */
    bool counted;    /* in real.lurking */
    uint64_t tops;   /* of all workers, added, when it slept last */
    int64_t idle_ns; /* since when it has found nothing; 0: it has */
    int64_t nap_ns;  /* how long the last nap was; 0: there was none since it found something */
};

/** A new process of `victim` that has waited long enough, or NULL. */
struct sp__actor *sp__lurk_steal(struct sp__worker *thief, struct sp__worker *victim) SP_NONNULL;

/** Nothing was found. True: look again, a moment has passed; false: sleep. */
bool sp__lurk_spin(struct sp__worker *worker) SP_NONNULL;

/** It is about to sleep and not listed as idle yet. Until when at the latest; INT64_MAX: until it is
 *  woken, also for new processes. */
int64_t sp__lurk_until(struct sp__worker *worker) SP_NONNULL;

/** It has found something. True: it lurked; nobody was woken for new processes meanwhile. */
bool sp__lurk_end(struct sp__worker *worker) SP_NONNULL;

#endif
