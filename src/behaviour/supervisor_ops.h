/* The operations of the two supervisors, between the public functions and the servers.
 *
 * Every answer is a reply with an error in it, because some errors come with data: the pid of
 * the child that runs already.
 *
 * Threads: none of its own. Neighbours: supervisor.c and dynamic_supervisor.c (the servers),
 * supervisor_api.c (the public functions).
 */
#ifndef SP_BEHAVIOUR_SUPERVISOR_OPS_H
#define SP_BEHAVIOUR_SUPERVISOR_OPS_H

#include "behaviour/supervisor_child.h"
#include "behaviour/supervisor_spec.h"

/** Which child, by id. */
struct sp__child_id {
    char text[SP_CHILD_ID_MAX + 1];
};

/** A child to start: a definition, or NULL for the dynamic supervisor's own; arguments instead of
 *  the definition's, or NULL. Owns both. */
struct sp__child_order {
    struct sp__child_def *def;
    const void *args;
    size_t own_args;
};

/** Frees what was not taken. Context: any. */
void sp__child_order_finish(struct sp__child_order *order) SP_NONNULL;

/** Outcome of a start. */
struct sp__child_started {
    sp_err err;
    sp_pid pid; /* of the child; EXISTS: of the one in the way */
};

/** The children, in memory of sp__malloc(). */
struct sp__child_list {
    struct sp_child_info *children;
    size_t count;
};

/** Frees the list. Context: any. */
void sp__child_list_finish(struct sp__child_list *list) SP_NONNULL;

/** Frees nothing: a reply that owns nothing, beside a request that does. Context: any. */
void sp__child_started_finish(struct sp__child_started *started) SP_NONNULL;
/** As above, for a request. Context: any. */
void sp__empty_finish(sp_empty *nothing) SP_NONNULL;

SP_SERVER(sp__supervisor, struct sp_supervisor_spec);
SP_CALL_MOVED(sp__supervisor, start_child, struct sp__child_order, sp__child_order_finish,
              struct sp__child_started, sp__child_started_finish);
SP_CALL(sp__supervisor, restart_child, struct sp__child_id, struct sp__child_started);
SP_CALL(sp__supervisor, terminate_child, struct sp__child_id, sp_empty);
SP_CALL(sp__supervisor, delete_child, struct sp__child_id, sp_empty);
SP_CALL(sp__supervisor, get_child, struct sp__child_id, struct sp_child_info);
SP_CALL_MOVED(sp__supervisor, which_children, sp_empty, sp__empty_finish, struct sp__child_list,
              sp__child_list_finish);
SP_CALL(sp__supervisor, info, sp_empty, struct sp_supervisor_info);

SP_SERVER(sp__dynamic_supervisor, struct sp_dynamic_supervisor_spec);
SP_CALL_MOVED(sp__dynamic_supervisor, start_child, struct sp__child_order, sp__child_order_finish,
              struct sp__child_started, sp__child_started_finish);
SP_CALL(sp__dynamic_supervisor, terminate_child, sp_pid, sp_empty);
SP_CALL_MOVED(sp__dynamic_supervisor, which_children, sp_empty, sp__empty_finish,
              struct sp__child_list, sp__child_list_finish);
SP_CALL(sp__dynamic_supervisor, info, sp_empty, struct sp_supervisor_info);

#endif
