/* The operations of a router's process, between the public functions and the server.
 *
 * Threads: none of its own. Neighbours: router_owner.c (the server), router.c.
 */
#ifndef SPAWNED_BEHAVIOUR_ROUTER_OPS_H
#define SPAWNED_BEHAVIOUR_ROUTER_OPS_H

#include "spawned/router.h"

/** What it starts with; the group's name is the starter's until init is done. */
struct sp__router_args {
    const struct sp_server_class *class;
    struct sp_router_options options; /* defaults filled in */
};

/** Routees to take in, in memory of sp__malloc(). */
struct sp__router_pids {
    sp_pid *pids;
    size_t count;
};

/** Frees what was not taken. Context: any. */
void sp__router_pids_finish(struct sp__router_pids *pids) SP_NONNULL;
/** Frees nothing: a reply that owns nothing, beside a request that does. Context: any. */
void sp__router_nothing_finish(sp_empty *nothing) SP_NONNULL;

SP_SERVER(sp__router, struct sp__router_args);
SP_CALL_MOVED(sp__router, add, struct sp__router_pids, sp__router_pids_finish, sp_empty,
              sp__router_nothing_finish);
SP_CALL(sp__router, remove, sp_pid, sp_empty);
/** Returns when the group was listed. */
SP_CALL(sp__router, listed, sp_empty, sp_empty);
/** Make a table of those that are left; several deaths in a row are one change. */
SP_CAST(sp__router, refresh, sp_empty);

#endif
