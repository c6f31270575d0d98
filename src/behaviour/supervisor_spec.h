/* Specs of children: checked, completed with their defaults, and copied.
 *
 * A definition is a spec that owns what it points to (but not classes, start functions, and
 * arguments of size 0). It is made in the process that asks for a child and handed to the
 * supervisor, where a dynamic supervisor shares one among all children of its kind.
 *
 *     child_def { refs, spec } ── id, args, options.spawn.name        copies
 *                              ├─ supervisor ── children[] ── ...     copies, all the way down
 *                              └─ dynamic ───── child ─────── ...
 *
 * Completing a spec that is complete changes nothing: what a nested supervisor is given was
 * completed once already.
 *
 * Threads: one at a time; a definition moves with the message that carries it.
 * Neighbours: supervisor.c, dynamic_supervisor.c, supervisor_child.c.
 */
#ifndef SP_BEHAVIOUR_SUPERVISOR_SPEC_H
#define SP_BEHAVIOUR_SUPERVISOR_SPEC_H

#include "spawned/dynamic_supervisor.h"
#include "spawned/supervisor.h"

struct sp__child_def {
    uint32_t refs;
    struct sp_child_spec spec;
};

/** Where a spec stands: it decides what is allowed in it. */
enum sp__child_place {
    SP__CHILD_STATIC,  /* needs an id */
    SP__CHILD_DYNAMIC, /* may lack it, cannot be significant */
};

/** Check, complete and copy `spec`.
 *  Errors: INVALID, NOMEM.
 *  Ownership: one reference, for sp__child_def_unref(). Context: any. */
sp_err sp__child_def_create(const struct sp_child_spec *spec, enum sp__child_place place,
                            struct sp__child_def **out_def) SP_NONNULL SP_NODISCARD;

/** Take a reference. Context: the process that has it. */
struct sp__child_def *sp__child_def_ref(struct sp__child_def *def) SP_NONNULL;

/** Drop one; the last one frees. NULL is accepted. Context: the process that has it. */
void sp__child_def_unref(struct sp__child_def *def);

/** Fill `*out_info` with what the definition says; pid and counters are zero.
 *  Context: any. */
void sp__child_def_describe(const struct sp__child_def *def, struct sp_child_info *out_info)
    SP_NONNULL;

/** A copy of `size` bytes at `args`, or `args` itself when `size` is 0.
 *  Errors: NOMEM.
 *  Ownership: sp__child_args_free() with the same size. Context: any. */
sp_err sp__child_args_copy(const void *args, size_t size, const void **out_args) SP_NONNULL_ARGS(3)
    SP_NODISCARD;

/** Free such a copy. Context: any. */
void sp__child_args_free(const void *args, size_t size);

#endif
