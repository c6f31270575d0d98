/* The groups of a runtime: who is in which, how often.
 *
 *     by_name  "workers" ─> group ── members: pid ─> membership {joins} ─┐
 *     by_pid    <0.7.1>  ─────────────────────────> membership <─────────┘ ─> next group's
 *
 * Both ways lead to the same membership, so that a process that dies leaves all its groups
 * in time proportional to their number, and a group is deleted with its last member.
 *
 * Invariants: a membership has at least one join; a group has at least one member; every
 * member was alive when it was flagged, so its exit finds it here.
 *
 * Threads: any; one lock, never held while a message is sent or a callback runs.
 * Neighbours: spawned/group.h (the public functions are in group.c too); process exit
 * calls sp__groups_leave_all() before it sends any DOWN.
 */
#ifndef SP_PROCESS_GROUP_H
#define SP_PROCESS_GROUP_H

#include "base/hash.h"
#include "spawned/group.h"

struct sp__groups;

/** No groups yet.
 *  Errors: NOMEM. Ownership: *out_groups is the caller's, sp__groups_destroy().
 *  Context: startup. */
SP_NODISCARD sp_err sp__groups_create(struct sp__hash_seed seed, struct sp__groups **out_groups)
    SP_NONNULL;

/** Free all groups. NULL is accepted. Context: the runtime's end. */
void sp__groups_destroy(struct sp__groups *groups);

/** Undo every join of `pid`. Context: process exit, of a process that was flagged. */
void sp__groups_leave_all(struct sp__groups *groups, sp_pid pid) SP_NONNULL;

#endif
