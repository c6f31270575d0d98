/* Process groups: a name for many processes.
 *
 * Joins are counted: a process that joined twice leaves twice. The dead leave by
 * themselves. A group without members does not exist. Only processes of this node join.
 */
#ifndef SPAWNED_GROUP_H
#define SPAWNED_GROUP_H

#include "spawned/message.h"
#include "spawned/pid.h"

SP_EXTERN_C_BEGIN

/** Join `pid` to `group`.
 *  Errors: NOPROC, NONODE (a process of another node), INVALID (name), NOMEM, NOTCONTEXT.
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_group_join(const char *group, sp_pid pid);

/** Undo one join.
 *  Errors: NOTMEMBER, NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_group_leave(const char *group, sp_pid pid);

/** Members, each once, in order of their first join: copies up to `max` and returns how many
 *  there are. Context: process. */
SP_API SP_NONNULL_ARGS(1) size_t sp_group_members(const char *group, sp_pid *pids, size_t max);

/** Is it a member? Context: process. */
SP_API SP_NONNULL bool sp_group_is_member(const char *group, sp_pid pid);

/** Number of groups. Context: process. */
SP_API size_t sp_group_count(void);

/** What a group broadcast did. */
struct sp_broadcast {
    size_t sent;
    size_t failed; /**< dead, or the mailbox was full */
};

/** Send a copy of the message to every member. Types that own something are INVALID.
 *  Errors: INVALID, NOMEM, NOTCONTEXT. `out_counts` may be NULL.
 *  Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1, 2, 3) sp_err
    sp_group_send(const char *group, const struct sp_msg_type *type, const void *payload,
                  struct sp_broadcast *out_counts);

/** Called for each group name; may not suspend. False ends the walk. */
typedef bool (*sp_group_fn)(const char *group, size_t members, void *arg);

/** Call `fn` for a snapshot of the groups, in order of creation.
 *  Errors: NOMEM, NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err sp_group_each(sp_group_fn fn, void *arg);

SP_EXTERN_C_END

#endif
