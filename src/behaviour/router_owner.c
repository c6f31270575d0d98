/* The process of a router: keeps the list of routees, and makes a table of it for the senders.
 *
 * Routees added by hand are monitored. A group's members need not be: who dies leaves its groups
 * first, and each change of the group posts a callback, which lists it anew. Where there is no
 * memory for a table the old one stays, with dead ones in it that senders pass over, and the
 * change is tried again a little later.
 *
 * Invariants: the arrays are parallel; the ids are different, each the smallest that was free; `known`
 * has the keys of exactly the routees.
 *
 * Threads: its own process. Neighbours: router.h, router_ops.h, process/group.h.
 */
#include "base/alloc.h"
#include "base/map.h"
#include "behaviour/router.h"
#include "behaviour/router_ops.h"
#include "process/callback.h"
#include "process/dead_letter.h"
#include "process/group.h"
#include "process/reply.h"
#include "process/resource.h"
#include "process/send.h"
#include "process/spawn_site.h"

#include <string.h>

#define OWNER_RETRY sp_ms(10)

struct owner_group {
    struct sp__resource resource;
    struct sp__group_watch watch;
    struct sp__callback changed;
    struct owner *owner;
};

struct owner {
    struct sp__resource resource;
    struct sp__router *router;
    uint32_t count;
    uint32_t room;
    uint32_t max;
    struct sp__routee *routees; /* with the two below: the process's memory */
    uint32_t *ids;
    sp_monitor_ref *monitors; /* zero in a group */
    struct sp__map known;     /* sp_pid_key() of the routees */
    bool refreshing;          /* a refresh is in the mailbox */
    bool late;                /* a change waits to be tried again */
    bool listed;
    struct sp__router_table *unpublished; /* the first, while messages that were kept go to it */
    struct owner_group *group;            /* or NULL; the library's memory */
};

/* ---- the end ---- */

/* Where a destructor ends the process, the rest is destroyed on its way out. */
static void owner_drop_stash(struct owner *owner)
{
    struct sp_process *self = sp__process_self();
    struct sp_message *message;
    while ((message = sp__router_stash_take(&owner->router->stash)) != NULL) {
        sp__count(&sp__context()->counters.sent);
        sp__resource_add(self, &owner->resource);
        sp__dead_letter(SP_DEAD_EXITED, message, owner->router->pid);
        sp__message_destroy(message);
        sp__resource_remove(&owner->resource);
    }
}

/* What carries a callback goes last, when the control lane is closed. */
static void group_release(struct sp__resource *resource)
{
    struct owner_group *group = sp__container_of(resource, struct owner_group, resource);
    sp__callback_cancel(sp__process_self(), &group->changed);
    sp__free(group);
}

/* Runs again where a destructor ended it before. */
static void owner_release(struct sp__resource *resource)
{
    struct owner *owner = sp__container_of(resource, struct owner, resource);
    struct sp_process *self = sp__process_self();
    /* release: with the acquire in sp__router_find(), though who finds nothing reads nothing. */
    atomic_store_explicit(&self->extra->router, NULL, memory_order_release);
    sp__router_stash_close(&owner->router->stash);
    if (owner->group != NULL)
        sp__group_unwatch(owner->router->runtime->groups, &owner->group->watch);
    owner_drop_stash(owner);
    sp__map_finish(&owner->known);
    sp__router_table_free(owner->unpublished);
    sp__router_retire(owner->router);
}

/* ---- publishing ---- */

static void owner_point(const struct owner *owner)
{
    sp__point(SP__POINT_PROCESS, sp__point_pid(owner->router->pid), "routees change");
}

/* Errors: NOMEM, LIMIT: then nothing has changed for senders. */
static sp_err owner_publish(struct owner *owner)
{
    struct sp__router_table *table;
    owner_point(owner);
    sp_err err =
        sp__router_table_create(owner->router, owner->routees, owner->ids, owner->count, &table);
    if (err == SP_OK) {
        sp__router_publish(owner->router, table);
        owner->late = false;
    }
    return err;
}

static void owner_try_later(struct owner *owner)
{
    owner->late = true;
    sp_server_idle_after(OWNER_RETRY);
}

/* ---- the arrays ---- */

static bool owner_grow_one(void **array, size_t room, size_t used, size_t size)
{
    void *more = sp_try_alloc(room * size);
    if (more == NULL)
        return false;
    if (used != 0)
        memcpy(more, *array, used * size);
    sp_free(*array);
    *array = more;
    return true;
}

/* Errors: NOMEM, LIMIT. */
static sp_err owner_reserve(struct owner *owner, size_t count)
{
    if (count > owner->max)
        return SP_ERR_LIMIT;
    if (count <= owner->room)
        return SP_OK;
    size_t room = count + count / 2 + 4;
    if (!owner_grow_one((void **)&owner->routees, room, owner->count, sizeof(*owner->routees)) ||
        !owner_grow_one((void **)&owner->ids, room, owner->count, sizeof(*owner->ids)) ||
        !owner_grow_one((void **)&owner->monitors, room, owner->count, sizeof(*owner->monitors)))
        return SP_ERR_NOMEM;
    owner->room = (uint32_t)room;
    return SP_OK;
}

static uint32_t owner_find(const struct owner *owner, sp_pid pid)
{
    uint32_t i = 0;
    while (i < owner->count && !sp_pid_equal(sp__routee_pid(&owner->routees[i]), pid))
        i++;
    return i;
}

/* Take number `i` out; the others keep their order. */
static void owner_take_out(struct owner *owner, uint32_t i)
{
    uint32_t behind = owner->count - i - 1;
    (void)sp__map_remove(&owner->known, sp_pid_key(sp__routee_pid(&owner->routees[i])));
    memmove(&owner->routees[i], &owner->routees[i + 1], behind * sizeof(*owner->routees));
    memmove(&owner->ids[i], &owner->ids[i + 1], behind * sizeof(*owner->ids));
    memmove(&owner->monitors[i], &owner->monitors[i + 1], behind * sizeof(*owner->monitors));
    owner->count--;
}

/* Give those from number `first` on the smallest ids that are free. Errors: NOMEM. */
static sp_err owner_number(struct owner *owner, uint32_t first)
{
    if (first == owner->count)
        return SP_OK;
    bool *taken = sp__calloc(owner->count, sizeof(*taken));
    if (taken == NULL)
        return SP_ERR_NOMEM;
    for (uint32_t i = 0; i < first; i++)
        if (owner->ids[i] < owner->count)
            taken[owner->ids[i]] = true;
    uint32_t id = 0;
    for (uint32_t i = first; i < owner->count; i++) {
        while (taken[id])
            id++;
        owner->ids[i] = id++;
    }
    sp__free(taken);
    return SP_OK;
}

/* A living server of the class? Errors: NOPROC, NONODE, BADCALL. */
static sp_err owner_look(const struct owner *owner, sp_pid pid, struct sp__routee *out)
{
    if (pid.node != 0)
        return SP_ERR_NONODE;
    sp_err err = SP_ERR_NOPROC;
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(owner->router->runtime, pid);
    if (process != NULL) {
        sp__lock_lock(&process->lock);
        const struct sp__behaviour *behaviour = process->behaviour;
        if (!process->closed)
            err = behaviour->tag != NULL && behaviour->tag(process) == owner->router->class
                      ? SP_OK
                      : SP_ERR_BADCALL;
        sp__lock_unlock(&process->lock);
    }
    sp__process_leave();
    if (err == SP_OK)
        *out = (struct sp__routee){ process, pid.serial };
    return err;
}

/* Behind the others, for which there is room. Errors: as owner_look(), EXISTS, NOMEM. */
static sp_err owner_append(struct owner *owner, sp_pid pid, bool monitored)
{
    uint32_t i = owner->count;
    sp_err err = owner_look(owner, pid, &owner->routees[i]);
    if (err == SP_OK)
        err = sp__map_add(&owner->known, sp_pid_key(pid), owner);
    if (err != SP_OK)
        return err;
    owner->monitors[i] = (sp_monitor_ref){ 0 };
    if (monitored)
        err = sp_monitor(pid, &owner->monitors[i]);
    if (err != SP_OK)
        (void)sp__map_remove(&owner->known, sp_pid_key(pid));
    else
        owner->count++;
    return err;
}

/* ---- added and removed by hand ---- */

static void owner_undo(struct owner *owner, uint32_t count)
{
    while (owner->count > count) {
        (void)sp_demonitor(owner->monitors[owner->count - 1], SP_DEMONITOR_FLUSH);
        owner_take_out(owner, owner->count - 1);
    }
}

static sp_err sp__router_on_add(struct owner *owner, const struct sp__router_pids *in,
                                sp_empty *out)
{
    (void)out;
    if (owner->group != NULL)
        return SP_ERR_NOTSUP;
    uint32_t before = owner->count;
    sp_err err = in->count > owner->max ? SP_ERR_LIMIT : owner_reserve(owner, before + in->count);
    for (size_t i = 0; i < in->count && err == SP_OK; i++)
        err = owner_append(owner, in->pids[i], true);
    if (err == SP_OK)
        err = owner_number(owner, before);
    if (err == SP_OK)
        err = owner_publish(owner);
    if (err != SP_OK)
        owner_undo(owner, before);
    if (owner->late)
        owner_try_later(owner); /* this message has cancelled it */
    return err;
}

/* A table without number `i`. Errors: NOMEM: nothing has changed. */
static sp_err owner_publish_without(struct owner *owner, uint32_t i)
{
    struct sp__routee routee = owner->routees[i];
    uint32_t id = owner->ids[i];
    uint32_t behind = owner->count - i - 1;
    memmove(&owner->routees[i], &owner->routees[i + 1], behind * sizeof(routee));
    memmove(&owner->ids[i], &owner->ids[i + 1], behind * sizeof(id));
    owner->count--;
    sp_err err = owner_publish(owner);
    owner->count++;
    memmove(&owner->routees[i + 1], &owner->routees[i], behind * sizeof(routee));
    memmove(&owner->ids[i + 1], &owner->ids[i], behind * sizeof(id));
    owner->routees[i] = routee;
    owner->ids[i] = id;
    return err;
}

static sp_err sp__router_on_remove(struct owner *owner, const sp_pid *in, sp_empty *out)
{
    (void)out;
    if (owner->group != NULL)
        return SP_ERR_NOTSUP;
    uint32_t i = owner_find(owner, *in);
    if (i == owner->count)
        return SP_ERR_NOTMEMBER;
    sp_err err = owner_publish_without(owner, i);
    if (err == SP_OK) {
        (void)sp_demonitor(owner->monitors[i], SP_DEMONITOR_FLUSH);
        owner_take_out(owner, i);
    }
    return err;
}

static void sp__router_down(void *state, const struct sp_down *down)
{
    struct owner *owner = state;
    uint32_t i = owner_find(owner, down->pid);
    if (i == owner->count)
        return;
    owner_take_out(owner, i);
    sp_empty nothing = { 0 };
    if (owner->refreshing)
        return;
    owner->refreshing = sp__router_refresh((sp__router_ref){ sp_self() }, &nothing) == SP_OK;
    if (!owner->refreshing && owner_publish(owner) != SP_OK)
        owner_try_later(owner);
}

static void sp__router_on_refresh(struct owner *owner, const sp_empty *in)
{
    (void)in;
    owner->refreshing = false;
    if (owner_publish(owner) != SP_OK)
        owner_try_later(owner);
}

/* ---- a group ---- */

/* The members, in memory of the process. Errors: NOMEM. */
static sp_err owner_members(const struct owner *owner, sp_pid **out_pids, size_t *out_count)
{
    size_t room = 64;
    for (;;) {
        sp_pid *pids = sp_try_alloc(room * sizeof(*pids));
        if (pids == NULL)
            return SP_ERR_NOMEM;
        size_t count = sp_group_members(owner->group->watch.name, pids, room);
        if (count <= room) {
            *out_pids = pids;
            *out_count = count;
            return SP_OK;
        }
        sp_free(pids);
        room = count + count / 8;
    }
}

/* Take out those that are no members any more. Errors: NOMEM. */
static sp_err owner_forget(struct owner *owner, const sp_pid *pids, size_t count)
{
    struct sp__map members;
    sp_err err = SP_OK;
    sp__map_init(&members, owner->router->runtime->seed);
    for (size_t i = 0; i < count && err == SP_OK; i++)
        err = sp__map_put(&members, sp_pid_key(pids[i]), owner);
    for (uint32_t i = owner->count; i > 0 && err == SP_OK; i--)
        if (sp__map_get(&members, sp_pid_key(sp__routee_pid(&owner->routees[i - 1]))) == NULL)
            owner_take_out(owner, i - 1);
    sp__map_finish(&members);
    return err;
}

/* Make the arrays those of the group. Errors: NOMEM. */
static sp_err owner_follow(struct owner *owner)
{
    sp_pid *pids;
    size_t count;
    uint32_t foreign = 0;
    sp_err err = owner_members(owner, &pids, &count);
    if (err != SP_OK)
        return err;
    err = owner_forget(owner, pids, count);
    uint32_t before = owner->count;
    for (size_t i = 0; i < count && err == SP_OK && owner->count < owner->max; i++) {
        err = owner_reserve(owner, (size_t)owner->count + 1);
        if (err == SP_OK)
            err = owner_append(owner, pids[i], false);
        foreign += err == SP_ERR_BADCALL;
        if (err == SP_ERR_BADCALL || err == SP_ERR_EXISTS || err == SP_ERR_NOPROC)
            err = SP_OK;
    }
    sp_free(pids);
    /* relaxed: a statistic. */
    atomic_store_explicit(&owner->router->foreign, foreign, memory_order_relaxed);
    sp_err numbered = owner_number(owner, before);
    if (numbered != SP_OK)
        owner_undo(owner, before);
    return err == SP_OK ? numbered : err;
}

/* Whom a message that was kept goes to; none: SP_PID_NONE. */
static sp_pid owner_choose(struct sp__router *router, const struct sp__router_table *table,
                           uint64_t key)
{
    struct sp__context *context = sp__context();
    uint32_t index = SP__ROUTER_NONE;
    sp__epoch_enter(&context->epoch);
    if (router->sticky == NULL)
        index = sp__router_choose_living(context, router, table, key);
    else if (sp__sticky_choose(context, router, table, key, &index) == SP_ERR_NOMEM)
        index = SP__ROUTER_NONE; /* counted, and dead, as its sender was not told in time */
    sp__epoch_leave(&context->epoch);
    if (index != SP__ROUTER_NONE)
        return sp__routee_pid(&table->routees[index]);
    atomic_fetch_add_explicit(&router->no_routee, 1, memory_order_relaxed);
    return SP_PID_NONE;
}

/* One that was kept, to one of the table, which nobody else has yet. */
static void owner_deliver(struct owner *owner, const struct sp__router_table *table,
                          struct sp_message *message)
{
    struct sp__router *router = owner->router;
    uint64_t key = message->aux;
    struct sp__send send = { 0 };
    sp_err err;
    message->aux = 0;
    do {
        send.to = owner_choose(router, table, key);
        err = sp__send_message(sp__context(), &send, message);
        bool chosen = !sp_pid_is_none(send.to);
        if (router->sticky != NULL && chosen)
            sp__sticky_release(router->sticky, key);
        if (err != SP_OK && chosen)
            atomic_fetch_add_explicit(&router->refused, 1, memory_order_relaxed);
    } while (err == SP_ERR_NOPROC && !sp_pid_is_none(send.to));
    if (err != SP_OK)
        sp__message_destroy(message);
}

/* Under the stash's lock: whoever comes to it from now on finds the table. */
struct owner_listing {
    struct sp__router *router;
    struct sp__router_table *table;
};

static void listing_publish(void *arg)
{
    struct owner_listing *listing = arg;
    sp__router_publish(listing->router, listing->table);
}

/* The first listing. Errors: NOMEM. */
static sp_err owner_list_first(struct owner *owner)
{
    struct owner_listing listing = { .router = owner->router };
    owner_point(owner);
    sp_err err = owner_follow(owner);
    if (err == SP_OK)
        err = sp__router_table_create(owner->router, owner->routees, owner->ids, owner->count,
                                      &listing.table);
    if (err != SP_OK)
        return err;
    owner->unpublished = listing.table;
    do {
        struct sp_message *message;
        while ((message = sp__router_stash_take(&owner->router->stash)) != NULL)
            owner_deliver(owner, listing.table, message);
    } while (!sp__router_stash_end(&owner->router->stash, listing_publish, &listing));
    owner->unpublished = NULL;
    owner->listed = true;
    return SP_OK;
}

/* Look at the group. Errors: NOMEM: it is tried again later. */
static sp_err owner_list(struct owner *owner)
{
    sp_err err;
    if (!owner->listed) {
        err = owner_list_first(owner);
    } else {
        err = owner_follow(owner);
        if (err == SP_OK)
            err = owner_publish(owner);
    }
    if (err == SP_OK)
        owner->late = false;
    else
        owner_try_later(owner);
    return err;
}

static void group_changed(struct sp__callback *callback)
{
    struct owner_group *group = sp__container_of(callback, struct owner_group, changed);
    if (group->owner->listed)
        sp_ignore(owner_list(group->owner));
}

static void sp__router_continue(void *state)
{
    sp_ignore(owner_list(state));
}

static sp_err sp__router_on_listed(struct owner *owner, const sp_empty *in, sp_empty *out)
{
    (void)in;
    (void)out;
    return owner->listed ? SP_OK : owner_list(owner);
}

static void sp__router_timeout(void *state)
{
    struct owner *owner = state;
    if (owner->group != NULL)
        sp_ignore(owner_list(owner));
    else if (owner_publish(owner) != SP_OK)
        owner_try_later(owner);
}

/* ---- the beginning ---- */

/* From now on senders find it. Errors: NOMEM. Ownership: the router, on SP_OK. */
static sp_err owner_open(struct owner *owner, struct sp__router *router)
{
    struct sp_process *self = sp__process_self();
    struct sp__extra *extra = sp__process_extra(self);
    if (extra == NULL)
        return SP_ERR_NOMEM;
    owner->router = router;
    sp__map_init(&owner->known, router->runtime->seed);
    owner->resource.release = owner_release;
    sp__resource_add(self, &owner->resource);
    /* release: pairs with the acquire in sp__router_find(). */
    atomic_store_explicit(&extra->router, router, memory_order_release);
    return SP_OK;
}

/* Errors: NOMEM. */
static sp_err owner_watch(struct owner *owner, const char *name)
{
    struct owner_group *group = sp__calloc(1, sizeof(*group));
    if (group == NULL)
        return SP_ERR_NOMEM;
    group->owner = owner;
    sp__callback_init(&group->changed, group_changed);
    group->resource = (struct sp__resource){ .late = true, .release = group_release };
    sp__resource_add(sp__process_self(), &group->resource);
    owner->group = group;
    sp__group_watch(owner->router->runtime->groups, &group->watch, name, sp__process_self(),
                    &group->changed);
    sp_server_continue();
    return SP_OK;
}

static sp_err sp__router_init(struct owner *owner, const struct sp__router_args *args)
{
    struct sp__router *router;
    sp_err err = sp__router_create(&args->options, &router);
    if (err != SP_OK)
        return err;
    router->class = args->class;
    owner->max = args->options.routees_max;
    err = owner_open(owner, router);
    if (err != SP_OK) {
        sp__router_retire(router);
        return err;
    }
    if (args->options.group != NULL)
        return owner_watch(owner, args->options.group);
    owner->listed = true;
    return owner_publish(owner);
}

SP_STATE(sp__router, struct owner);
SP_ON_INIT(sp__router);
SP_ON_CALL(sp__router, add);
SP_ON_CALL(sp__router, remove);
SP_ON_CALL(sp__router, listed);
SP_ON_CAST(sp__router, refresh);
SP_CLASS(sp__router, .init = sp__router__init, .on_down = sp__router_down,
         .on_continue = sp__router_continue, .on_timeout = sp__router_timeout);

/* ---- what others ask of it ---- */

void sp__router_pids_finish(struct sp__router_pids *pids)
{
    sp__free(pids->pids);
    *pids = (struct sp__router_pids){ 0 };
}

void sp__router_nothing_finish(sp_empty *nothing)
{
    (void)nothing;
}

static bool start_valid(const struct sp_router_options *options)
{
    return (unsigned)options->strategy <= SP_ROUTE_STICKY &&
           options->routees_max <= SP__ROUTEES_MAX &&
           (options->load_percent == 0 || options->load_percent > 100) &&
           (options->group == NULL ||
            (options->group[0] != '\0' && strlen(options->group) <= SP_NAME_MAX));
}

sp_err sp_router_start(const struct sp_server_class *routees,
                       const struct sp_router_options *options, sp_pid *out_router)
{
    struct sp__router_args args = { .class = routees };
    if (options != NULL)
        args.options = *options;
    if (!start_valid(&args.options))
        return SP_ERR_INVALID;
    if (args.options.routees_max == 0)
        args.options.routees_max = SP__ROUTEES_MAX;
    if (args.options.stash_max == 0)
        args.options.stash_max = SP__ROUTER_STASH_MAX;
    sp__spawn_here(__builtin_return_address(0));
    return sp_server_start(&sp__router_class, &args,
                           &(struct sp_server_options){ .spawn = args.options.spawn }, out_router);
}

/* Is it a router? Errors: NOPROC, NOTCONTEXT. */
static sp_err owner_exists(sp_pid router)
{
    struct sp_router_info info;
    return sp_router_info(router, &info);
}

sp_err sp_router_add(sp_pid router, const sp_pid *routees, size_t count)
{
    sp_err err = owner_exists(router);
    if (err != SP_OK || count == 0)
        return err;
    if (count > SP__ROUTEES_MAX)
        return SP_ERR_LIMIT;
    struct sp__router_pids in = { .pids = sp__malloc(count * sizeof(*routees)), .count = count };
    if (in.pids == NULL)
        return SP_ERR_NOMEM;
    memcpy(in.pids, routees, count * sizeof(*routees));
    sp_empty out;
    return sp__router_add((sp__router_ref){ router }, &in, &out, sp_never());
}

sp_err sp_router_remove(sp_pid router, sp_pid routee)
{
    sp_empty out;
    sp_err err = owner_exists(router);
    if (err == SP_OK)
        err = sp__router_remove((sp__router_ref){ router }, &routee, &out, sp_never());
    return err;
}
