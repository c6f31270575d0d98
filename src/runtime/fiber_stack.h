/* Stacks for fibers: carved from large mappings, each with a guard below it.
 *
 * A region is one mapping that holds the descriptors of its stacks, then the stacks:
 *
 *   | region, items | guard | stack 0 | guard | stack 1 | guard | stack 2 | ...
 *                           low    high
 *
 * A stack grows down, so an overflow runs into the guard below it. Where the kernel has
 * MADV_GUARD_INSTALL (Linux 6.13), a guard is a mark in the page table and a region stays
 * one mapping; regions side by side even merge. Measured: a million live fibers take 25
 * mappings in all, and each a page of stack, 160 bytes of page table and its descriptor.
 * Older kernels need mprotect and two mappings per stack, so that vm.max_map_count (65,530
 * by default) limits the process to about 32,000 stacks; SP_ERR_LIMIT tells.
 *
 * Descriptors lie outside the stacks: what runs up or down a stack does not reach them,
 * and giving a stack's memory back does not lose them. The owner's own descriptor (the
 * fiber) has a struct sp__fiber_stack as its first member and lives in the item.
 *
 * An idle stack costs address space and a share of a page table, no memory. At most one
 * wholly idle region is kept; others are unmapped.
 *
 * Threads: none of this locks. The fiber pool calls take and give under its lock, and drop
 * and unmap, which need no lock, outside it. Neighbours: fiber.c, the only user.
 */
#ifndef SP_RUNTIME_FIBER_STACK_H
#define SP_RUNTIME_FIBER_STACK_H

#include "spawned/base.h"
#include "spawned/err.h"

struct sp__fiber_region;
struct sp__fiber_stacks;

/** One stack. `next` is free for the owner while the stack is taken. */
struct sp__fiber_stack {
    char *low;  /* lowest usable byte; the guard ends here */
    char *high; /* one past the highest usable byte */
    struct sp__fiber_region *region;
    struct sp__fiber_stack *next;
    unsigned valgrind_id;
};

/** How guards are made. */
enum sp__fiber_guard {
    SP__FIBER_GUARD_AUTO,    /* madvise where the kernel has it, else mprotect */
    SP__FIBER_GUARD_MADVISE, /* or SP_ERR_NOTSUP */
    SP__FIBER_GUARD_MPROTECT,
};

struct sp__fiber_stack_options {
    size_t stack_size; /* usable bytes, rounded up to pages */
    size_t item_size;  /* the owner's descriptor, its struct sp__fiber_stack included */
    enum sp__fiber_guard guard;
};

/** An allocator of stacks of one size.
 *  Errors: SP_ERR_NOMEM; SP_ERR_NOTSUP: guard by madvise asked for, the kernel lacks it.
 *  Ownership: *out is the caller's, to sp__fiber_stacks_destroy().
 *  Context: any. */
SP_NODISCARD sp_err sp__fiber_stacks_create(const struct sp__fiber_stack_options *options,
                                            struct sp__fiber_stacks **out) SP_NONNULL;

/** Unmap everything. Every stack was given back before. NULL is fine.
 *  Context: any. */
void sp__fiber_stacks_destroy(struct sp__fiber_stacks *stacks);

/** Take a stack. The owner's part of its item holds what the owner last left there, or zero.
 *  Errors: SP_ERR_NOMEM: no memory or address space; SP_ERR_LIMIT: too many mappings
 *  (vm.max_map_count) for one more guard.
 *  Context: any, under the caller's lock. */
SP_NODISCARD sp_err sp__fiber_stacks_take(struct sp__fiber_stacks *stacks,
                                          struct sp__fiber_stack **out) SP_NONNULL;

/** Give a stack back. Its memory should have been dropped before.
 *  Returns a region that is now wholly idle and out of the books, for the caller to hand to
 *  sp__fiber_region_unmap() outside its lock, or NULL.
 *  Context: any, under the caller's lock. */
SP_NODISCARD struct sp__fiber_region *sp__fiber_stacks_give(struct sp__fiber_stacks *stacks,
                                                            struct sp__fiber_stack *stack)
    SP_NONNULL;

/** Unmap a region that sp__fiber_stacks_give() returned. NULL is fine.
 *  Context: any. */
void sp__fiber_region_unmap(struct sp__fiber_region *region);

/** Give the memory behind a stack back to the system; it reads as zero afterwards.
 *  Memory that the program locked (mlockall) stays.
 *  Context: any; nobody uses the stack. */
void sp__fiber_stack_drop(struct sp__fiber_stack *stack) SP_NONNULL;

/** Does `addr` lie in the guard below the stack?
 *  Context: any, a signal handler too. */
bool sp__fiber_stack_guard_hit(const struct sp__fiber_stack *stack, const void *addr)
    SP_NONNULL_ARGS(1);

/** Bytes at the stack's top that are in memory: the deepest use since its memory was last
 *  given back, earlier users included, rounded up to pages.
 *  Context: any. Units: bytes. */
size_t sp__fiber_stack_resident(const struct sp__fiber_stack *stack) SP_NONNULL;

/** Usable bytes of each stack. Context: any. Units: bytes. */
size_t sp__fiber_stacks_size(const struct sp__fiber_stacks *stacks) SP_NONNULL;

/** Regions mapped at present. Context: any, under the caller's lock. */
size_t sp__fiber_stacks_regions(const struct sp__fiber_stacks *stacks) SP_NONNULL;

/** Do guards cost mappings (mprotect)? Context: any. */
bool sp__fiber_stacks_guards_map(const struct sp__fiber_stacks *stacks) SP_NONNULL;

#endif
