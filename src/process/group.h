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
 * Threads: any; one lock, never held while a message is sent or a callback runs (who watches a
 * group is sent a signal under it).
 * Neighbours: spawned/group.h (the public functions are in group.c too); process exit
 * calls sp__groups_leave_all() before it sends any DOWN.
 */
#ifndef SP_PROCESS_GROUP_H
#define SP_PROCESS_GROUP_H

#include "base/hash.h"
#include "base/list.h"
#include "spawned/group.h"
#include "spawned/registry.h"

struct sp__callback;
struct sp__groups;
struct sp_process;

/** Somebody who wants to know of each change of a group: a callback of his is posted. */
struct sp__group_watch {
    struct sp__list link; /* sp__groups.watches */
    struct sp_process *process;
    struct sp__callback *changed;
    char name[SP_NAME_MAX + 1];
};

/** No groups yet.
 *  Errors: NOMEM. Ownership: *out_groups is the caller's, sp__groups_destroy().
 *  Context: startup. */
SP_NODISCARD sp_err sp__groups_create(struct sp__hash_seed seed, struct sp__groups **out_groups)
    SP_NONNULL;

/** Free all groups. NULL is accepted. Context: the runtime's end. */
void sp__groups_destroy(struct sp__groups *groups);

/** From now on each join or leave that changes the members of `name` posts `changed` to `process`.
 *  `name` is at most SP_NAME_MAX long. Context: the process itself. */
void sp__group_watch(struct sp__groups *groups, struct sp__group_watch *watch, const char *name,
                     struct sp_process *process, struct sp__callback *changed) SP_NONNULL;

/** It is posted no more. Context: the process itself. */
void sp__group_unwatch(struct sp__groups *groups, struct sp__group_watch *watch) SP_NONNULL;

/** Undo every join of `pid`. Context: process exit, of a process that was flagged. */
void sp__groups_leave_all(struct sp__groups *groups, sp_pid pid) SP_NONNULL;

#endif
