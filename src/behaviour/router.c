/* Routing: in the sender's own context; the contract is in spawned/router.h.
 *
 * Choosing and sending is one section, so that on threads a routee that lives when it is chosen has
 * a mailbox still; it may be closed by then, and another is chosen. In a simulated world there is a
 * point between the two.
 */
#include "behaviour/router.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "behaviour/router_ops.h"
#include "behaviour/server.h"
#include "process/dead_letter.h"
#include "process/resource.h"
#include "process/send.h"
#include "process/send_fast.h"
#include "runtime/message_pool.h"

/* ---- choosing ---- */

/* What a choice is for, and what came of it. */
struct route {
    sp_pid router;
    const uint64_t *key;
    struct sp__routee routee; /* out */
    bool sticks;              /* out: it is held, see router_sticky.h */
};

static SP_NOINLINE sp_err route_none(struct sp__router *router)
{
    atomic_fetch_add_explicit(&router->no_routee, 1, memory_order_relaxed);
    return SP_ERR_NOROUTEE;
}

static SP_NOINLINE sp_err route_sticky(struct sp__context *context, struct sp__router *router,
                                       const struct sp__router_table *table, struct route *route)
{
    uint32_t index;
    /* Who has no key was refused. */
    sp_err err = sp__sticky_choose(context, router, table, *route->key, &index); /* NOLINT */
    if (err == SP_ERR_NOROUTEE)
        return route_none(router);
    if (err != SP_OK)
        return err;
    route->routee = table->routees[index];
    route->sticks = true;
    return SP_OK;
}

/* Errors: NOPROC (no router), STALE (not listed yet), INVALID (no key), NOROUTEE, NOMEM. Inside a
 * section. */
__attribute__((always_inline)) static inline sp_err route_choose(struct sp__context *context,
                                                                 struct route *route)
{
    struct sp__router *router = sp__router_find(context->runtime, route->router);
    if (router == NULL)
        return SP_ERR_NOPROC;
    if (route->key == NULL && sp__router_keyed(router))
        return SP_ERR_INVALID;
    const struct sp__router_table *table = sp__router_table(router);
    if (table == NULL)
        return SP_ERR_STALE;
    if (__builtin_expect(router->strategy == SP_ROUTE_STICKY, 0))
        return route_sticky(context, router, table, route);
    uint32_t index =
        sp__router_choose_living(context, router, table, route->key == NULL ? 0 : *route->key);
    if (index == SP__ROUTER_NONE)
        return route_none(router);
    route->routee = table->routees[index];
    return SP_OK;
}

/* The same in a section of its own. */
static sp_err route_again(struct route *route)
{
    struct sp__context *context = sp__context();
    route->sticks = false;
    sp__epoch_enter(&context->epoch);
    sp_err err = route_choose(context, route);
    sp__epoch_leave(&context->epoch);
    return err;
}

/* What came of it: the mailbox refused it, and nothing is held any more. */
static void route_end(const struct route *route, bool refused)
{
    struct sp__context *context = sp__context();
    if (!refused && !route->sticks)
        return;
    sp__epoch_enter(&context->epoch);
    struct sp__router *router = sp__router_find(context->runtime, route->router);
    if (router != NULL && route->sticks)
        sp__sticky_release(router->sticky, *route->key);
    if (router != NULL && refused)
        atomic_fetch_add_explicit(&router->refused, 1, memory_order_relaxed);
    sp__epoch_leave(&context->epoch);
}

static void route_point(sp_pid router)
{
    sp__point(SP__POINT_PROCESS, sp__point_pid(router), "route");
}

/* Wait until a group router has looked at its group. Errors: NOPROC, TIMEOUT, NOMEM, NOTCONTEXT. */
static sp_err route_wait_listed(sp_pid router, sp_deadline deadline)
{
    sp_empty nothing = { 0 };
    sp_err err = sp__router_listed((sp__router_ref){ router }, &nothing, &nothing, deadline);
    return err == SP_ERR_DIED || err == SP_ERR_NOREPLY ? SP_ERR_NOPROC : err;
}

/* ---- casts ---- */

/* Keep it for the first listing. Errors: STALE (listed by now), FULL, NOPROC. */
static sp_err cast_stash(const struct route *route, struct sp_message *message)
{
    struct sp__context *context = sp__context();
    sp__epoch_enter(&context->epoch);
    struct sp__router *router = sp__router_find(context->runtime, route->router);
    message->aux = route->key == NULL ? 0 : *route->key;
    sp_err err = router == NULL ? SP_ERR_NOPROC : sp__router_stash_put(&router->stash, message);
    if (err != SP_OK)
        message->aux = 0;
    sp__epoch_leave(&context->epoch);
    return err;
}

/* A message that nobody gets is sent, and dead. */
static sp_err cast_dead(const struct route *route, struct sp_message *message, sp_err err)
{
    sp__count(&sp__context()->counters.sent);
    sp__dead_letter(err == SP_ERR_FULL ? SP_DEAD_FULL : SP_DEAD_NOPROC, message, route->router);
    sp__message_destroy(message);
    return err;
}

/* To the one that was chosen, and where that has died to others, as long as there are any. */
static SP_NOINLINE sp_err cast_slow(struct route *route, sp_err chosen, struct sp_message *message)
{
    for (;;) {
        if (chosen == SP_ERR_STALE) {
            chosen = cast_stash(route, message);
            if (chosen == SP_OK)
                return SP_OK;
        } else if (chosen == SP_OK) {
            struct sp__send send = { .to = sp__routee_pid(&route->routee) };
            sp_err err = sp__send_message(sp__context(), &send, message);
            route_end(route, err != SP_OK);
            if (err == SP_OK)
                return SP_OK;
            if (err != SP_ERR_NOPROC) {
                sp__message_destroy(message);
                return err;
            }
            chosen = SP_ERR_STALE;
        }
        if (chosen != SP_ERR_STALE)
            return cast_dead(route, message, chosen);
        chosen = route_again(route);
    }
}

/* In a simulated world: others may go first before the choice, and between it and the message. */
static sp_err cast_pointed(struct route *route, const struct sp_op *op, const void *in)
{
    route_point(route->router);
    sp_err chosen = route_again(route);
    while (chosen == SP_OK && !route->sticks) {
        sp__point(SP__POINT_SEND, sp__point_pid(sp__routee_pid(&route->routee)), op->in.name);
        if (sp__routee_lives(&route->routee))
            break;
        route_end(route, true);
        chosen = route_again(route);
    }
    struct sp_message *message;
    sp_err err = sp__message_create(&op->in, in, &message);
    if (err == SP_OK)
        return cast_slow(route, chosen, message);
    if (chosen == SP_OK)
        route_end(route, false);
    return err;
}

sp_err sp_router_cast(sp_pid router, const uint64_t *key, const struct sp_op *op, const void *in)
{
    struct sp__context *context = sp__context();
    if (context == NULL || context->current == NULL) {
        sp__payload_destroy(&op->in, in);
        return SP_ERR_NOTCONTEXT;
    }
    struct route route = { .router = router, .key = key };
    if (__builtin_expect(context->point != NULL, 0))
        return cast_pointed(&route, op, in);
    struct sp_message *message =
        sp__message_take(context, &op->in, op->in.size, 0,
                         sp__process_pid((struct sp_process *)(void *)context->current));
    if (message == NULL) {
        sp__payload_destroy(&op->in, in);
        return SP_ERR_NOMEM;
    }
    sp__payload_copy(sp__message_payload(message), in, op->in.size);
    bool sent = false;
    uint32_t number;
    sp__epoch_enter(&context->epoch);
    sp_err chosen = route_choose(context, &route);
    if (chosen == SP_OK)
        sent = sp__mailbox_push_to(&route.routee.process->actor, message, true, true, &number) ==
               SP_OK;
    if (__builtin_expect(sent && route.sticks, 0))
        route_end(&route, false);
    sp__epoch_leave(&context->epoch);
    if (!sent)
        return cast_slow(&route, chosen, message);
    sp__count(&context->counters.sent);
    return SP_OK;
}

/* ---- calls ---- */

/* A key is held as long as the call lasts, also when its caller is killed meanwhile. */
struct call_hold {
    struct sp__resource resource;
    struct route *route;
};

static void hold_release(struct sp__resource *resource)
{
    route_end(sp__container_of(resource, struct call_hold, resource)->route, false);
}

/* Call the one that was chosen. Errors: as sp__server_call(). */
static sp_err call_routee(struct route *route, const struct sp_op *op, const void *in, void *out,
                          sp_deadline deadline, bool *out_dead)
{
    sp_pid pid = sp__routee_pid(&route->routee);
    if (!route->sticks)
        return sp__server_call(pid, op, in, out, deadline, out_dead);
    struct call_hold hold = { .resource = { .release = hold_release }, .route = route };
    sp__resource_add(sp__process_self(), &hold.resource);
    sp_err err = sp__server_call(pid, op, in, out, deadline, out_dead);
    if (err == SP_ERR_NOTCONTEXT)
        return err; /* a thread that was killed: its resources were released */
    sp__resource_remove(&hold.resource);
    route_end(route, false);
    route->sticks = false;
    return err;
}

sp_err sp_router_call(sp_pid router, const uint64_t *key, const struct sp_op *op, const void *in,
                      void *out, sp_deadline deadline)
{
    struct route route = { .router = router, .key = key };
    sp_err err = SP_ERR_NOTCONTEXT;
    if (sp__process_self() != NULL) {
        route_point(router);
        err = route_again(&route);
    }
    for (;;) {
        if (err == SP_ERR_STALE) {
            err = route_wait_listed(router, deadline);
        } else if (err == SP_OK) {
            bool dead = false;
            err = call_routee(&route, op, in, out, deadline, &dead);
            if (err == SP_OK || (!dead && err != SP_ERR_FULL))
                return err;
            route_end(&route, true);
            if (!dead)
                return err;
            err = SP_OK;
        }
        if (err != SP_OK) {
            sp__payload_destroy(&op->in, in);
            return err;
        }
        err = route_again(&route);
    }
}

/* ---- all of them ---- */

enum { ROUTE_FEW = 64 };

/* A copy of the living routees' pids. */
struct route_list {
    size_t count;
    sp_pid *pids;
    sp_pid few[ROUTE_FEW];
};

/* Copies up to `max`. Errors: NOPROC, STALE (not listed). */
static sp_err list_copy(sp_pid to, sp_pid *pids, size_t max, bool living, size_t *out_count)
{
    struct sp__context *context = sp__context();
    size_t count = 0;
    sp__epoch_enter(&context->epoch);
    struct sp__router *router = sp__router_find(context->runtime, to);
    const struct sp__router_table *table = router == NULL ? NULL : sp__router_table(router);
    for (uint32_t i = 0; table != NULL && i < table->count; i++) {
        if (living && !sp__routee_lives(&table->routees[i]))
            continue;
        if (count < max)
            pids[count] = sp__routee_pid(&table->routees[i]);
        count++;
    }
    sp__epoch_leave(&context->epoch);
    *out_count = count;
    return router == NULL ? SP_ERR_NOPROC : table == NULL ? SP_ERR_STALE : SP_OK;
}

static void list_free(struct route_list *list)
{
    if (list->pids != list->few)
        sp_free(list->pids);
    list->pids = list->few;
}

/* Count a message to each of them, or one for which there is none. Errors: NOROUTEE. */
static sp_err list_count(sp_pid to, size_t count)
{
    struct sp__context *context = sp__context();
    sp__epoch_enter(&context->epoch);
    struct sp__router *router = sp__router_find(context->runtime, to);
    if (router != NULL && count == 0)
        atomic_fetch_add_explicit(&router->no_routee, 1, memory_order_relaxed);
    if (router != NULL && count != 0)
        atomic_fetch_add_explicit(&router->to_all, count, memory_order_relaxed);
    sp__epoch_leave(&context->epoch);
    return count == 0 ? SP_ERR_NOROUTEE : SP_OK;
}

/* Errors: NOPROC, NOROUTEE, NOMEM, TIMEOUT, NOTCONTEXT. Ownership: list_free(), on SP_OK. */
static sp_err list_take(sp_pid to, struct route_list *list, sp_deadline deadline)
{
    size_t room = ROUTE_FEW;
    list->pids = list->few;
    route_point(to);
    for (;;) {
        sp_err err = list_copy(to, list->pids, room, true, &list->count);
        if (err == SP_OK && list->count <= room)
            err = list_count(to, list->count);
        else if (err == SP_OK)
            err = SP_ERR_TOOBIG;
        if (err == SP_OK)
            return SP_OK;
        list_free(list);
        if (err == SP_ERR_STALE) {
            err = route_wait_listed(to, deadline);
        } else if (err == SP_ERR_TOOBIG) {
            room = list->count + list->count / 8;
            list->pids = sp_try_alloc(room * sizeof(*list->pids));
            err = list->pids == NULL ? SP_ERR_NOMEM : SP_OK;
        }
        if (err != SP_OK)
            return err;
        if (list->pids == list->few)
            room = ROUTE_FEW;
    }
}

/* May it be copied, by whom? Errors: INVALID, NOTCONTEXT; then the request is destroyed. */
static sp_err list_allowed(const struct sp_op *op, const void *in)
{
    if (op->in.destroy == NULL && sp__process_self() != NULL)
        return SP_OK;
    sp__payload_destroy(&op->in, in);
    return op->in.destroy != NULL ? SP_ERR_INVALID : SP_ERR_NOTCONTEXT;
}

sp_err sp_router_cast_all(sp_pid router, const struct sp_op *op, const void *in,
                          struct sp_broadcast *out_counts)
{
    struct route_list list;
    struct sp_broadcast counts = { 0, 0 };
    sp_err err = list_allowed(op, in);
    if (err == SP_OK)
        err = list_take(router, &list, sp_after_sec(5));
    if (err != SP_OK)
        return err;
    struct route route = { .router = router };
    for (size_t i = 0; i < list.count; i++) {
        if (sp_send(list.pids[i], &op->in, in) == SP_OK) {
            counts.sent++;
        } else {
            counts.failed++;
            route_end(&route, true);
        }
    }
    list_free(&list);
    if (out_counts != NULL)
        *out_counts = counts;
    return SP_OK;
}

/* What the first success was, or the first failure. */
static sp_err first_result(const struct sp_multi *targets, size_t count, sp_err waited)
{
    for (size_t i = 0; i < count; i++)
        if (targets[i].err == SP_OK)
            return SP_OK;
    return waited == SP_OK ? targets[0].err : waited;
}

sp_err sp_router_call_first(sp_pid router, const struct sp_op *op, const void *in, void *out,
                            sp_deadline deadline)
{
    struct route_list list;
    sp_err err = list_allowed(op, in);
    if (err == SP_OK)
        err = list_take(router, &list, deadline);
    if (err != SP_OK)
        return err;
    struct sp_multi *targets = sp_try_alloc(list.count * sizeof(*targets));
    for (size_t i = 0; targets != NULL && i < list.count; i++)
        targets[i] = (struct sp_multi){ .server = list.pids[i], .out = out, .err = SP_ERR_NOMEM };
    err = SP_ERR_NOMEM;
    if (targets != NULL)
        err = sp__server_call_first(op, in, targets, list.count, deadline);
    if (err == SP_ERR_NOTCONTEXT)
        return err; /* the memory went with the process */
    if (targets != NULL)
        err = first_result(targets, list.count, err);
    sp_free(targets);
    list_free(&list);
    return err;
}

/* ---- looking ---- */

size_t sp_router_routees(sp_pid router, sp_pid *pids, size_t max)
{
    size_t count = 0;
    if (sp__process_self() != NULL)
        sp_ignore(list_copy(router, pids, max, false, &count));
    return count;
}

static void info_fill(struct sp__router *router, struct sp_router_info *info)
{
    const struct sp__router_table *table = sp__router_table(router);
    /* relaxed: statistics. */
    *info = (struct sp_router_info){
        .strategy = router->strategy,
        .listed = table != NULL,
        .routees = table == NULL ? 0 : table->count,
        .routed = atomic_load_explicit(&router->to_all, memory_order_relaxed),
        .refused = atomic_load_explicit(&router->refused, memory_order_relaxed),
        .no_routee = atomic_load_explicit(&router->no_routee, memory_order_relaxed),
        .stashed = sp__router_stash_total(&router->stash),
        .foreign = atomic_load_explicit(&router->foreign, memory_order_relaxed),
    };
    for (unsigned i = 0; i < SP__ROUTER_STRIPES; i++)
        info->routed += atomic_load_explicit(&router->stripes[i].routed, memory_order_relaxed);
}

sp_err sp_router_info(sp_pid router, struct sp_router_info *out_info)
{
    struct sp__context *context = sp__context();
    if (context == NULL || context->current == NULL)
        return SP_ERR_NOTCONTEXT;
    sp__epoch_enter(&context->epoch);
    struct sp__router *found = sp__router_find(context->runtime, router);
    if (found != NULL)
        info_fill(found, out_info);
    sp__epoch_leave(&context->epoch);
    return found == NULL ? SP_ERR_NOPROC : SP_OK;
}

sp_err sp_router_whereis(const char *name, const struct sp_server_class *routees,
                         sp_pid *out_router)
{
    sp_pid pid;
    sp_err err = sp_whereis_class(name, &sp__router_class, &pid);
    if (err != SP_OK)
        return err;
    struct sp__context *context = sp__context();
    sp__epoch_enter(&context->epoch);
    struct sp__router *router = sp__router_find(context->runtime, pid);
    if (router == NULL)
        err = SP_ERR_NOTFOUND; /* it ends just now, and its name with it */
    else if (router->class != routees)
        err = SP_ERR_BADCALL;
    sp__epoch_leave(&context->epoch);
    if (err == SP_OK)
        *out_router = pid;
    return err;
}

uint64_t sp_router_key(const void *bytes, size_t size)
{
    return sp__hash_bytes((struct sp__hash_seed){ 0, 0 }, bytes, size);
}
