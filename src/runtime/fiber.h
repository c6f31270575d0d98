/* Fibers: stacks a worker can leave in the middle and somebody else can go on with.
 *
 * A fiber is suspended, running on exactly one thread, or pooled. Suspended fibers belong
 * to no thread: any thread may switch to one, once the switch away from it is complete and
 * that fact has reached the thread through an atomic or a lock. So it must be the next
 * fiber, after the switch, that publishes the one just left; the one that leaves can not.
 *
 * A fiber is never unwound. Whoever holds a suspended one may put it back, and what its
 * frames held is forgotten: resources belong to the process, not to the stack.
 *
 * A fiber may come back from sp__fiber_switch() on another thread, but compilers keep the
 * addresses of thread-locals (errno too) across a call. Reach thread-locals only through a
 * function that is not inlined, returns the value and not the address, and begins with an
 * empty volatile assembly: without it gcc finds such a function to depend on nothing and
 * folds two calls into one. pthread_self() is declared to be like that.
 *
 * Neighbours: fiber_stack.h (memory), fiber_context.h (the machine), fiber_hooks.h
 * (sanitizers, Valgrind), and the scheduler, whose loop runs on these.
 */
#ifndef SP_RUNTIME_FIBER_H
#define SP_RUNTIME_FIBER_H

#include "spawned/base.h"
#include "spawned/err.h"
#include "runtime/fiber_stack.h"

struct sp__fiber;
struct sp__fiber_pool;

/** A fiber's function. It must never return: it ends by switching away for good, and
 *  somebody else puts the fiber back. */
typedef void (*sp__fiber_fn)(void *arg);

/** Zero is default everywhere. */
struct sp__fiber_options {
    size_t stack_size; /* usable bytes: 64 KiB (256 KiB under AddressSanitizer, whose red
                          zones need them); 16 KiB to 1 GiB. A signal without SA_ONSTACK takes
                          AT_MINSIGSTKSZ of it: 3 to 11 KiB on x86-64 */
    size_t keep_max;   /* pooled fibers whose memory stays resident: 256. Caches hold up to
                          SP__FIBER_CACHE_MAX each beyond that */
    enum sp__fiber_guard guard;
};

/** What a pool has at present. */
struct sp__fiber_pool_stats {
    size_t out;        /* in use, or in a cache */
    size_t resident;   /* pooled with their memory kept */
    size_t regions;    /* mappings that hold stacks */
    size_t stack_size; /* usable bytes of each */
    bool guards_map;   /* guards cost mappings: see fiber_stack.h */
    sp_err last_error; /* why the last get that failed did: SP_ERR_NOMEM or SP_ERR_LIMIT */
};

/** A pool of fibers with stacks of one size.
 *  Errors: SP_ERR_INVALID: stack_size out of range; SP_ERR_NOMEM;
 *  SP_ERR_NOTSUP: the guard asked for is not to be had.
 *  Ownership: *out is the caller's, to sp__fiber_pool_destroy().
 *  Context: any. */
SP_NODISCARD sp_err sp__fiber_pool_create(const struct sp__fiber_options *options,
                                          struct sp__fiber_pool **out) SP_NONNULL_ARGS(2);

/** End a pool. All fibers were put back and all caches finished before. NULL is fine.
 *  Context: any. */
void sp__fiber_pool_destroy(struct sp__fiber_pool *pool);

/** Figures of a pool. Context: any. */
void sp__fiber_pool_read(struct sp__fiber_pool *pool, struct sp__fiber_pool_stats *out) SP_NONNULL;

/** A fresh fiber, which starts at fn(arg) when first switched to. NULL: no memory, or too
 *  many mappings; sp__fiber_pool_read() tells which.
 *  Ownership: the caller's, to sp__fiber_put(). Context: any. */
SP_NODISCARD struct sp__fiber *sp__fiber_get(struct sp__fiber_pool *pool, sp__fiber_fn fn,
                                             void *arg) SP_NONNULL_ARGS(1, 2);

/** Put back any fiber that is not running. What is on its stack is dropped.
 *  Context: any, not on the fiber itself. */
void sp__fiber_put(struct sp__fiber_pool *pool, struct sp__fiber *fiber) SP_NONNULL;

#define SP__FIBER_CACHE_MAX 32

/** A worker's own few fibers, so that get and put need no lock. Only one thread at a time
 *  uses it. */
struct sp__fiber_cache {
    struct sp__fiber_pool *pool;
    unsigned count;
    struct sp__fiber *items[SP__FIBER_CACHE_MAX]; /* the last put is the next got */
};

/** Start with an empty cache. Context: any. */
void sp__fiber_cache_init(struct sp__fiber_cache *cache, struct sp__fiber_pool *pool) SP_NONNULL;

/** Return everything to the pool. Context: any; nobody uses the cache. */
void sp__fiber_cache_finish(struct sp__fiber_cache *cache) SP_NONNULL;

/** As sp__fiber_get(), from the cache. Context: the cache's owner. */
SP_NODISCARD struct sp__fiber *sp__fiber_cache_get(struct sp__fiber_cache *cache, sp__fiber_fn fn,
                                                   void *arg) SP_NONNULL_ARGS(1, 2);

/** As sp__fiber_put(), to the cache; the fiber may come from another worker's.
 *  Context: the cache's owner. */
void sp__fiber_cache_put(struct sp__fiber_cache *cache, struct sp__fiber *fiber) SP_NONNULL;

/** A descriptor for the calling thread's own stack, so that it can switch to a fiber and be
 *  switched back to. NULL: no memory.
 *  Ownership: the caller's, to sp__fiber_release(). Context: any thread not on a fiber. */
SP_NODISCARD struct sp__fiber *sp__fiber_adopt(void);

/** End what sp__fiber_adopt() began: the thread runs on its own stack again. NULL is fine.
 *  Context: the thread that adopted. */
void sp__fiber_release(struct sp__fiber *fiber);

/** Suspend `from`, on which the caller runs, and go on in `to`. Returns when somebody
 *  switches to `from`, perhaps on another thread.
 *  Context: any. */
void sp__fiber_switch(struct sp__fiber *from, struct sp__fiber *to) SP_NONNULL;

/** In a handler of a fault that runs on an alternate stack: make the return from the signal
 *  start the fresh fiber `to` on this thread, as if `from` had switched to it. `from` can
 *  never be switched to again and is to be put back; until then sp__fiber_backtrace() tells
 *  where it was interrupted. Must be the handler's last act: in the ucontext build it does
 *  not return. The thread goes on with the signal mask in `ucontext`: that of the interrupted
 *  code, in which raise() of some C libraries has everything blocked; the handler may set it.
 *  Context: signal handler; `ucontext` is the handler's third argument. */
void sp__fiber_switch_from_signal(struct sp__fiber *from, struct sp__fiber *to, void *ucontext)
    SP_NONNULL;

/** The fiber that sp__fiber_switch_from_signal() came from when it started `fiber`, once; then,
 *  and for others, NULL. That one may itself have been started so.
 *  Context: any; signal handlers too, on the fiber that is running. */
struct sp__fiber *sp__fiber_take_interrupted(struct sp__fiber *fiber) SP_NONNULL;

/** How many fibers sp__fiber_take_interrupted() would give one after another, at most `max`.
 *  Context: as above. */
int sp__fiber_interrupted_depth(const struct sp__fiber *fiber, int max) SP_NONNULL;

/** Does `addr` lie in the guard of the fiber's stack, which is to say: overflow?
 *  Context: any, signal handlers too. */
bool sp__fiber_guard_hit(const struct sp__fiber *fiber, const void *addr) SP_NONNULL_ARGS(1);

/** Does `addr` lie in the usable part of the fiber's stack?
 *  Context: any, signal handlers too. */
bool sp__fiber_contains(const struct sp__fiber *fiber, const void *addr) SP_NONNULL_ARGS(1);

/** The usable part of the fiber's stack: [*out_low, *out_high).
 *  Context: any, signal handlers too. */
void sp__fiber_stack_bounds(const struct sp__fiber *fiber, void **out_low, void **out_high)
    SP_NONNULL;

/** Bytes of the stack that are in memory: the deepest use, by earlier users too, since it
 *  was last given back to the system; rounded up to pages. One system call.
 *  Context: any. Units: bytes. */
size_t sp__fiber_stack_high_water(const struct sp__fiber *fiber) SP_NONNULL;

/** Return addresses of a suspended fiber, innermost first, found by its frame pointers:
 *  complete where the code was compiled with -fno-omit-frame-pointer, else it may end early.
 *  Never reads outside the stack. Returns how many were written, at most `max`.
 *  Context: any; the fiber stays suspended meanwhile. */
int sp__fiber_backtrace(const struct sp__fiber *fiber, void **pcs, int max) SP_NONNULL;

#endif
