/* Routers: many servers of one class behind one handle.
 *
 *     // account.h, beside SP_SERVER(account, ...), SP_CALL(account, deposit, ...), ...
 *     SP_ROUTER(account);                      // account_router, account_router_start()
 *     SP_ROUTED_CALL(account, deposit);        // account_route_deposit()
 *     SP_ROUTED_CAST(account, close_month);    // account_route_close_month()
 *
 *     account_router router;
 *     sp_err err = account_router_start(NULL, &router);
 *     err = account_router_add(router, workers, 4);
 *     err = account_route_deposit(router, &in, &out, sp_after_ms(500));
 *
 * A wrong routee, request or reply type is a compile error. A message does not pass through the
 * router: the sender itself reads whom there is and sends to the one it chose. The router's own
 * process only keeps the list: it takes routees in and out, and watches them, so that the dead
 * drop out. Routees are neither linked to it nor end with it.
 *
 * The router's pid is its handle: it can be linked, monitored, named, put under a supervisor and
 * stopped like any process. After its end every use of it is SP_ERR_NOPROC. docs/routers.md tells
 * more, and what a router cannot do.
 */
#ifndef SPAWNED_ROUTER_H
#define SPAWNED_ROUTER_H

#include "spawned/group.h"
#include "spawned/server.h"

SP_EXTERN_C_BEGIN

/** How a router chooses. */
enum sp_router_strategy {
    SP_ROUTE_ROUND_ROBIN = 0, /**< one after another, in the order in which they were added */
    SP_ROUTE_RANDOM,          /**< each equally likely */
    SP_ROUTE_SMALLEST,        /**< of two chosen at random, the one with less in its mailbox */
    SP_ROUTE_SMALLEST_OF_ALL, /**< the one with the least; looks at every routee */
    SP_ROUTE_HASH,            /**< by key, consistent: always the same one */
    SP_ROUTE_STICKY,          /**< by key: the one that has a message of this key, queued or in its
                                 handler; where none has, as SP_ROUTE_SMALLEST */
};

/** How a router starts. Zero is the default everywhere. */
struct sp_router_options {
    enum sp_router_strategy strategy; /**< default: round robin */
    /** Route to the members of this process group that are of the class, as they come and go. Casts
     *  that come before the group was listed are kept, and calls wait. Default: routees are added
     *  by hand. Copied. */
    const char *group;
    uint32_t routees_max; /**< default and most: 65,535; a group's further members are left out */
    uint32_t stash_max;   /**< casts kept before the first listing; default 1,000 */
    /** HASH: bounded load. A routee that has more than so many percent of the average queue is
     *  passed over, and the next of the key is taken. At least 101; default 0: never, so that a
     *  key always goes to the same one. */
    uint32_t load_percent;
    struct sp_spawn_options spawn; /**< of its process: name, link, ... */
};

/** Start a router without routees for servers of a class; the typed S_router_start() uses it.
 *  Errors: INVALID (an option), as sp_server_start().
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_router_start(const struct sp_server_class *routees, const struct sp_router_options *options,
                    sp_pid *out_router);

/** Add routees, all or none; the first has the turn after those that are there. When it returns,
 *  every choice knows them. With HASH each takes the place of one that has gone, where there is
 *  one.
 *  Errors: NOPROC (the router, or one of them is dead), NONODE, BADCALL (of another class), EXISTS,
 *  LIMIT (routees_max), NOTSUP (of a group), NOMEM, NOTCONTEXT, DIED.
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_router_add(sp_pid router, const sp_pid *routees, size_t count);

/** Take one out. When it returns, no choice takes it any more; what was sent to it stays with it.
 *  Errors: NOTMEMBER, NOPROC (the router), NOTSUP (of a group), NOMEM, NOTCONTEXT, DIED.
 *  Context: process, may suspend. */
SP_API SP_NODISCARD sp_err sp_router_remove(sp_pid router, sp_pid routee);

/** Routees, in order: copies up to `max` and returns how many there are; 0 for a dead router. One
 *  that has just died may be among them. Context: process. */
SP_API size_t sp_router_routees(sp_pid router, sp_pid *pids, size_t max);

/** What a router did. */
struct sp_router_info {
    enum sp_router_strategy strategy;
    bool listed; /**< false: of a group that it has not looked at yet */
    uint32_t routees;
    uint64_t routed;    /**< choices made: a routee was found */
    uint64_t refused;   /**< of these: its mailbox was full, or it died before it had the message */
    uint64_t no_routee; /**< messages for which there was none, or no living one */
    uint64_t stashed;   /**< casts that were kept for the first listing */
    uint32_t foreign;   /**< members of the group that are of another class: left out */
};

/** Look at it. Errors: NOPROC, NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err
    sp_router_info(sp_pid router, struct sp_router_info *out_info);

/** Who holds `name`, if it is a router for servers of that class.
 *  Errors: NOTFOUND, BADCALL, NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_router_whereis(const char *name,
                                                        const struct sp_server_class *routees,
                                                        sp_pid *out_router);

/** A key from bytes, the same on every machine. Strangers can choose bytes with the same key.
 *  Context: any. */
SP_API SP_NODISCARD uint64_t sp_router_key(const void *bytes, size_t size);

/* Routing; the typed functions of SP_ROUTED_CALL and SP_ROUTED_CAST use these. A routee found dead
 * is passed over, and the message goes to another. `key` is for the strategies that need one, and
 * NULL there is INVALID; the others do not look at it. */

/** Cast to one of the routees.
 *  Errors: NOROUTEE (none, or none lives; counted); NOPROC (the router is gone); INVALID (no key);
 *  otherwise as sp_send() to the one that was chosen: FULL is not tried elsewhere.
 *  Ownership: as sp_send(). Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(3, 4) sp_err
    sp_router_cast(sp_pid router, const uint64_t *key, const struct sp_op *op, const void *in);

/** Call one of the routees. One that dies with the request fails the call: DIED.
 *  Errors: NOROUTEE, NOPROC, INVALID as sp_router_cast(); otherwise as sp_server_call().
 *  Ownership: as sp_server_call(). Context: process, may suspend. Default deadline: 5 s. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(3, 4, 5) sp_err
    sp_router_call(sp_pid router, const uint64_t *key, const struct sp_op *op, const void *in,
                   void *out, sp_deadline deadline);

/** Cast a copy to every routee. Requests that own something are INVALID. `out_counts` may be NULL.
 *  Errors: NOROUTEE (none; counted), NOPROC (the router is gone), INVALID, NOMEM, NOTCONTEXT.
 *  Ownership: an INVALID request is destroyed. Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2, 3) sp_err
    sp_router_cast_all(sp_pid router, const struct sp_op *op, const void *in,
                       struct sp_broadcast *out_counts);

/** Call every routee; the first that answers SP_OK wins. Answers that come later are dropped, and
 *  requests that have not begun by then are never handled.
 *  Errors: that of the first routee in order, where all failed; TIMEOUT; NOROUTEE, NOPROC, INVALID
 *  (the request owns something), NOMEM, NOTCONTEXT. sp_call_outcome() is not set.
 *  Ownership: an INVALID request is destroyed; `*out` is the caller's.
 *  Context: process, may suspend. Default deadline: 5 s. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2, 3, 4) sp_err
    sp_router_call_first(sp_pid router, const struct sp_op *op, const void *in, void *out,
                         sp_deadline deadline);

/** Declare the router of server `S`, for headers: S_router, S_router_start(), S_router_add(),
 *  S_router_remove(), S_router_whereis(), S_router_stop(). */
#define SP_ROUTER(S)                                                                            \
    typedef struct S##_router {                                                                 \
        sp_pid pid;                                                                             \
    } S##_router;                                                                               \
    SP_NODISCARD SP__INLINE sp_err S##_router_start(const struct sp_router_options *options,    \
                                                    S##_router *out_router)                     \
    {                                                                                           \
        return sp_router_start(&S##_class, options, &out_router->pid);                          \
    }                                                                                           \
    SP_NODISCARD SP__INLINE sp_err S##_router_add(S##_router router, const S##_ref *routees,    \
                                                  size_t count)                                 \
    {                                                                                           \
        return sp_router_add(router.pid, &routees->pid, count);                                 \
    }                                                                                           \
    SP_NODISCARD SP__INLINE sp_err S##_router_remove(S##_router router, S##_ref routee)         \
    {                                                                                           \
        return sp_router_remove(router.pid, routee.pid);                                        \
    }                                                                                           \
    SP_NODISCARD SP__INLINE sp_err S##_router_whereis(const char *name, S##_router *out_router) \
    {                                                                                           \
        return sp_router_whereis(name, &S##_class, &out_router->pid);                           \
    }                                                                                           \
    SP_NODISCARD SP__INLINE sp_err S##_router_stop(S##_router router, sp_deadline deadline)     \
    {                                                                                           \
        return sp_stop(router.pid, NULL, deadline);                                             \
    }                                                                                           \
    struct S##__router_declared

/** Declare S_route_op(router, in, out, deadline), S_route_op_key(router, key, in, out, deadline)
 *  and S_route_op_first(router, in, out, deadline) for a call of `S`. */
#define SP_ROUTED_CALL(S, op)                                                                      \
    SP_NODISCARD SP__INLINE sp_err S##_route_##op(S##_router router,                               \
                                                  const S##_##op##__in_type *in,                   \
                                                  S##_##op##__out_type *out, sp_deadline deadline) \
    {                                                                                              \
        return sp_router_call(router.pid, 0, &S##_##op##_op, in, out, deadline);                   \
    }                                                                                              \
    SP_NODISCARD SP__INLINE sp_err S##_route_##op##_key(                                           \
        S##_router router, uint64_t key, const S##_##op##__in_type *in, S##_##op##__out_type *out, \
        sp_deadline deadline)                                                                      \
    {                                                                                              \
        return sp_router_call(router.pid, &key, &S##_##op##_op, in, out, deadline);                \
    }                                                                                              \
    SP_NODISCARD SP__INLINE sp_err S##_route_##op##_first(                                         \
        S##_router router, const S##_##op##__in_type *in, S##_##op##__out_type *out,               \
        sp_deadline deadline)                                                                      \
    {                                                                                              \
        return sp_router_call_first(router.pid, &S##_##op##_op, in, out, deadline);                \
    }                                                                                              \
    struct S##_##op##__routed_call_declared

/** Declare S_route_op(router, in), S_route_op_key(router, key, in) and
 *  S_route_op_all(router, in, out_counts) for a cast of `S`. */
#define SP_ROUTED_CAST(S, op)                                                              \
    enum { S##_##op##__is_routed = S##_##op##__is_cast };                                  \
    SP_NODISCARD SP__INLINE sp_err S##_route_##op(S##_router router,                       \
                                                  const S##_##op##__in_type *in)           \
    {                                                                                      \
        return sp_router_cast(router.pid, 0, &S##_##op##_op, in);                          \
    }                                                                                      \
    SP_NODISCARD SP__INLINE sp_err S##_route_##op##_key(S##_router router, uint64_t key,   \
                                                        const S##_##op##__in_type *in)     \
    {                                                                                      \
        return sp_router_cast(router.pid, &key, &S##_##op##_op, in);                       \
    }                                                                                      \
    SP_NODISCARD SP__INLINE sp_err S##_route_##op##_all(                                   \
        S##_router router, const S##_##op##__in_type *in, struct sp_broadcast *out_counts) \
    {                                                                                      \
        return sp_router_cast_all(router.pid, &S##_##op##_op, in, out_counts);             \
    }                                                                                      \
    struct S##_##op##__routed_cast_declared

SP_EXTERN_C_END

#endif
