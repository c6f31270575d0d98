/* Slabs: equal objects cut from 64 KiB blocks, each block returnable to the system.
 *
 * A slab is SP__MSG_SLAB_SIZE bytes at a multiple of that, so the slab of an object is
 * found from its address, and objects need no header:
 *
 *     +--------+-----+-----+-----+ - - - - - +-------+
 *     | header |  0  |  1  |  2  |  not cut  | waste |        64 bytes of header
 *     +--------+-----+-----+-----+ - - - - - +-------+
 *
 * Invariants: `out` counts the slab's objects that are not in it; a slab is on `partial` exactly
 * while it has an object to give; none stays of which nothing is out. Free objects are poisoned under the
 * address sanitizer; the first word of one links to the next.
 *
 * Threads: none of its own. Neighbours: runtime/msg_pool.c, the only user, which locks.
 * Source: J. Bonwick, "The Slab Allocator" (1994).
 */
#ifndef SP_RUNTIME_MSG_SLAB_H
#define SP_RUNTIME_MSG_SLAB_H

#include "base/list.h"
#include "spawned/base.h"

/** Units: bytes. */
enum { SP__MSG_SLAB_SIZE = 64 * 1024 };

struct sp__msg_slab;

/** The slabs of one size. */
struct sp__msg_slabs {
    struct sp__list partial;
    size_t count;
    uint32_t object_size;
};

/** No slabs yet, for objects of `object_size` bytes (a multiple of 16).
 *  Context: startup. */
void sp__msg_slabs_init(struct sp__msg_slabs *slabs, uint32_t object_size) SP_NONNULL;

/** A slab that is not in use yet, or NULL when memory is out. Touches no `slabs`, so it is called
 *  without their lock.
 *  Ownership: the caller's, until sp__msg_slabs_add(). Context: any. */
struct sp__msg_slab *sp__msg_slab_create(uint32_t object_size) SP_NODISCARD;

/** Frees a slab of which nothing is out.
 *  Context: any. */
void sp__msg_slab_destroy(struct sp__msg_slab *slab) SP_NONNULL;

/** Takes over a new slab; an object is cut from it before anything else happens.
 *  Context: the lock's holder. */
void sp__msg_slabs_add(struct sp__msg_slabs *slabs, struct sp__msg_slab *moved_slab) SP_NONNULL;

/** One object, or NULL when every slab is used up.
 *  Context: the lock's holder. */
void *sp__msg_slabs_cut(struct sp__msg_slabs *slabs) SP_NONNULL SP_NODISCARD;

/** Takes an object back. A slab that is whole again is moved to `done`, for
 *  sp__msg_slabs_destroy() without the lock.
 *  Context: the lock's holder. */
void sp__msg_slabs_return(struct sp__msg_slabs *slabs, void *object, struct sp__list *done)
    SP_NONNULL;

/** Frees the slabs on a list filled by sp__msg_slabs_return().
 *  Context: any. */
void sp__msg_slabs_destroy(struct sp__list *done) SP_NONNULL;

#endif
