/* The beginning of a process: a slot, everything written, then the serial that makes it
 * findable, then its name, link and monitor, and only then it is made ready.
 *
 * So a process is never seen half made, and never runs before whoever asked for a link or a
 * monitor has it. Threads: any process. Neighbours: exit.c is the other end.
 */
#include "base/usdt.h"
#include "process/give_up.h"
#include "process/living.h"
#include "process/process.h"
#include "process/registry.h"
#include "process/relation.h"
#include "process/scheduling.h"
#include "process/spawn_site.h"

#include <string.h>

enum {
    /* Processes that are spawned on a worker before a spawner gives way to them: few enough that
     * their slots stay in the processor's caches, many enough that a switch is nothing. */
    SPAWN_IN_A_ROW = 64,
};

/* ---- plain processes ---- */

struct plain {
    sp_process_fn fn;
    void *arg;
    uint8_t pool_class;
    _Alignas(16) char copy[];
};

static enum sp__turn plain_turn(struct sp__actor *actor)
{
    struct sp_process *self = (struct sp_process *)(void *)actor;
    const struct sp_reason *end = sp__actor_signalled(actor) ? sp__process_signals(self) : NULL;
    if (end == NULL) {
        struct plain *plain = self->data;
        plain->fn(plain->arg);
        sp__process_returned(self);
    } else {
        sp__process_exit(self, end);
    }
    return SP__TURN_DEAD;
}

static void plain_free(struct sp__context *context, struct plain *plain)
{
    sp__msg_free(&context->messages, &context->runtime->messages, plain, plain->pool_class);
}

static void plain_finish(struct sp_process *self, const struct sp_reason *reason)
{
    (void)reason;
    plain_free(sp__context(), self->data);
}

static const struct sp__behaviour plain_behaviour = {
    .label = "process",
    .turn = plain_turn,
    .finish = plain_finish,
    .cancels = true,
};

const void *sp__process_entry(const struct sp_process *process)
{
    if (process->behaviour != &plain_behaviour || process->data == NULL)
        return NULL;
    sp_process_fn fn = ((const struct plain *)process->data)->fn;
    const void *entry;
    memcpy(&entry, &fn, sizeof(entry)); /* no cast of ISO C turns a function into an object */
    return entry;
}

/* ---- all processes ---- */

static sp_err spawn_check(const struct sp_spawn_options *options,
                          const struct sp__behaviour *behaviour)
{
    if (options == NULL)
        return SP_OK;
    if (options->name != NULL && !sp__registry_name_valid(options->name))
        return SP_ERR_INVALID;
    if (!sp__mailbox_max_valid(options->mailbox_max) || options->queue_delay_max.ns < 0)
        return SP_ERR_INVALID;
    sp_err err =
        options->scheduling == NULL ? SP_OK : sp__schedule_check(options->scheduling, behaviour);
    if (err != SP_OK)
        return err;
    bool links = options->link || options->out_monitor != NULL;
    if (links && sp__process_self() == NULL)
        return SP_ERR_NOTCONTEXT;
    return SP_OK;
}

/* What only some processes have, before anyone knows the new one. */
static sp_err spawn_extra(struct sp_process *process, const struct sp_spawn_options *options)
{
    sp_err err =
        options->scheduling == NULL ? SP_OK : sp__schedule_set(process, options->scheduling);
    if (err != SP_OK ||
        (options->label == NULL && options->memory_max == 0 && options->high_water == 0 &&
         options->queue_delay_max.ns == 0 && !process->actor.shared_fetch))
        return err;
    struct sp__extra *extra = sp__process_extra(process);
    if (extra == NULL)
        return SP_ERR_NOMEM;
    extra->label = options->label;
    extra->memory_max = options->memory_max;
    extra->queue_delay_ns = options->queue_delay_max.ns;
    if (options->queue_delay_max.ns != 0)
        atomic_fetch_or_explicit(&process->shared, SP__SHARED_ADMITS, memory_order_relaxed);
    extra->high_water = options->high_water;
    extra->on_high_water = options->on_high_water;
    extra->high_water_arg = options->high_water_arg;
    if (options->high_water != 0 && options->on_high_water != NULL)
        atomic_fetch_or_explicit(&process->shared, SP__SHARED_HIGH_WATER, memory_order_relaxed);
    return SP_OK;
}

static void spawn_fill(struct sp_process *process, struct sp__context *context,
                       const struct sp__behaviour *behaviour, void *data,
                       const struct sp_spawn_options *options)
{
    struct sp_runtime *runtime = context->runtime;
    uint32_t mailbox_max =
        options->mailbox_max == 0 ? runtime->options.mailbox_max : options->mailbox_max;
    sp__actor_init(&process->actor, runtime, behaviour->turn, mailbox_max);
    /* The lock stays as it is: who waited for room here may still come to look. */
    process->flags = (options->trap_exit ? SP__PROCESS_TRAP_EXIT : 0) |
                     (options->notices_first ? SP__PROCESS_NOTICES_FIRST : 0) |
                     (options->own_thread ? SP__PROCESS_OWN_THREAD : 0);
    process->overflow = (uint8_t)options->overflow;
    process->actor.shared_fetch = options->overflow == SP_OVERFLOW_DROP_OLDEST;
    if (process->actor.shared_fetch || options->high_water != 0 || options->queue_delay_max.ns != 0)
        atomic_fetch_or_explicit(&process->actor.state, SP__ACTOR_SPECIAL, memory_order_relaxed);
    process->stage = SP__EXIT_NOT;
    process->attention = 0;
    process->leaving = false;
    process->closed = false;
    atomic_store_explicit(&process->exit_signals, 0, memory_order_relaxed);
    atomic_store_explicit(&process->shared, options->trap_exit ? SP__SHARED_TRAPS : 0,
                          memory_order_relaxed);
    process->behaviour = behaviour;
    process->data = data;
    process->exit = NULL;
    process->saved = NULL;
    process->received = NULL;
    process->resources = NULL;
    process->relations = NULL;
    /* relaxed: as in sp__actor_init(); a plain assignment would cost a full fence. */
    atomic_store_explicit(&process->extra, NULL, memory_order_relaxed);
    process->pending = NULL;
    atomic_store_explicit(&process->started_ns, runtime->ops->now_coarse(runtime),
                          memory_order_relaxed);
    atomic_store_explicit(&process->handled, 0, memory_order_relaxed);
    atomic_store_explicit(&process->held, sp__spawn_site_take(context), memory_order_relaxed);
    const struct sp_process *parent = (const struct sp_process *)(const void *)context->current;
    sp_pid pid = parent == NULL ? SP_PID_NONE : sp__process_pid(parent);
    process->parent_slot = pid.slot;
    process->parent_serial = pid.serial & ~SP__SERIAL_DEAD; /* which may be in its own exit */
}

/* A slot, counted as a living process. The limit is on those; slots of the dead that wait for
 * their grace period come on top. */
static sp_err spawn_slot(struct sp__context *context, bool always, struct sp_process **out)
{
    uint32_t slot;
    void *item;
    if (!sp__living_add(context, always))
        return SP_ERR_LIMIT;
    sp_err err = sp__slab_cache_take(&context->process_cache, &slot, &item);
    if (err == SP_ERR_LIMIT) {
        sp__epoch_collect(&context->epoch);
        err = sp__slab_cache_take(&context->process_cache, &slot, &item);
    }
    if (err != SP_OK) {
        sp__living_remove(context);
        return err;
    }
    *out = item;
    (*out)->slot = slot;
    return SP_OK;
}

/* Was the spawner given up? */
static SP_NOINLINE bool spawn_refused(struct sp__context *context)
{
    struct sp_process *self = (struct sp_process *)(void *)context->current;
    return self != NULL && sp__process_given_up(self);
}

sp_err sp__process_create(struct sp_runtime *runtime, const struct sp__behaviour *behaviour,
                          void *data, const struct sp_spawn_options *options,
                          struct sp_process **out)
{
    static const struct sp_spawn_options defaults;
    options = options == NULL ? &defaults : options;
    sp_err err = spawn_check(options, behaviour);
    if (err == SP_OK && !behaviour->always &&
        atomic_load_explicit(&runtime->stopping, memory_order_relaxed))
        err = SP_ERR_SHUTDOWN;
    if (err != SP_OK)
        return err;
    struct sp_process *process;
    struct sp__context *context = sp__context();
    if (__builtin_expect(sp__point_of(context) != NULL, 0) && spawn_refused(context))
        return SP_ERR_NOTCONTEXT;
    err = spawn_slot(context, behaviour->always, &process);
    if (err != SP_OK)
        return err;
    spawn_fill(process, context, behaviour, data, options);
    err = spawn_extra(process, options);
    if (err != SP_OK) {
        /* relaxed: nobody knows it yet. */
        struct sp__extra *extra =
            atomic_exchange_explicit(&process->extra, NULL, memory_order_relaxed);
        if (extra != NULL)
            sp__extra_free(extra);
        sp__slab_cache_give(&context->process_cache, process->slot);
        sp__living_remove(context);
        return err;
    }
    if (behaviour->prepare != NULL)
        behaviour->prepare(process);
    uint64_t serial = atomic_load_explicit(&process->serial, memory_order_relaxed);
    /* release: pairs with the acquire in lookup. From here on it can be found; it does not run
     * before it is published, because QUEUED is set. */
    atomic_store_explicit(&process->serial, (serial & ~SP__SERIAL_DEAD) + 1, memory_order_release);
    sp__count(&context->counters.spawned);
    *out = process;
    return SP_OK;
}

void sp__process_discard(struct sp_process *process)
{
    static const struct sp__behaviour nothing = { .label = "discarded" };
    process->behaviour = &nothing; /* its data is the caller's */
    process->flags |= SP__PROCESS_NO_TERMINATE;
    sp__process_exit(process, sp_reason_normal());
}

/* `*out_monitor` is 0 where no monitor was asked for, or made. */
static sp_err publish_relations(struct sp_process *process, const struct sp_spawn_options *options,
                                uint64_t *out_monitor)
{
    struct sp_process *self = sp__process_self();
    if (options->name != NULL) {
        sp_err err = sp__registry_add(process, options->name);
        if (err != SP_OK)
            return err;
    }
    if (options->link) {
        sp_err err = sp__relation_link(self, process);
        if (err != SP_OK)
            return err;
    }
    if (options->out_monitor != NULL)
        return sp__relation_monitor(self, process, sp__process_pid(process), NULL, NULL,
                                    out_monitor);
    return SP_OK;
}

/* It never ran: nobody is told of its end. */
static void publish_undo(struct sp_process *process, const struct sp_spawn_options *options,
                         uint64_t monitor)
{
    if (monitor != 0)
        sp__relation_demonitor(sp__process_self(), monitor);
    if (options != NULL && options->link)
        sp__relation_unlink(sp__process_self(), process);
    sp__process_discard(process);
}

/* Is there nothing to do but to make it run? */
static bool publish_is_simple(const struct sp_process *process,
                              const struct sp_spawn_options *options)
{
    return !(process->flags & SP__PROCESS_OWN_THREAD) &&
           (options == NULL ||
            (options->name == NULL && !options->link && options->out_monitor == NULL));
}

sp_err sp__process_publish(struct sp_process *process, const struct sp_spawn_options *options,
                           sp_pid *out_pid)
{
    sp_pid pid = sp__process_pid(process);
    sp_err err = SP_OK;
    uint64_t monitor = 0;
    SP__USDT2(spawn, pid.serial, pid.slot);
    sp__point(SP__POINT_SPAWN, sp__point_pid(pid), "spawn");
    if (publish_is_simple(process, options)) {
        sp__scheduler_ready_new(&process->actor);
        if (out_pid != NULL)
            *out_pid = pid;
        return SP_OK;
    }
    /* The section keeps the slot: the process may have ended before we return. */
    sp__process_enter();
    if (options != NULL)
        err = publish_relations(process, options, &monitor);
    if (err == SP_OK && (process->flags & SP__PROCESS_OWN_THREAD))
        err = sp__process_runtime(process)->ops->thread_start(sp__process_runtime(process),
                                                              &process->actor);
    else if (err == SP_OK)
        sp__scheduler_ready_new(&process->actor);
    sp__process_leave();
    if (err != SP_OK) {
        publish_undo(process, options, monitor);
        return err;
    }
    if (monitor != 0)
        options->out_monitor->id = monitor;
    if (out_pid != NULL)
        *out_pid = pid;
    return SP_OK;
}

static struct plain *plain_new(struct sp__context *context, sp_process_fn fn, void *arg,
                               const struct sp_spawn_options *options)
{
    size_t size = options == NULL ? 0 : options->arg_size;
    uint8_t pool_class;
    struct plain *plain = sp__msg_alloc(&context->messages, &context->runtime->messages,
                                        sizeof(*plain) + size, &pool_class);
    if (plain == NULL)
        return NULL;
    plain->pool_class = pool_class;
    plain->fn = fn;
    plain->arg = size == 0 ? arg : memcpy(plain->copy, arg, size);
    return plain;
}

sp_err sp__spawn(sp_process_fn fn, void *arg, const struct sp_spawn_options *options,
                 const struct sp__equipment *equipment, sp_pid *out_pid)
{
    struct sp__context *context = sp__context();
    if (context == NULL || context->current == NULL)
        return SP_ERR_NOTCONTEXT;
    struct plain *plain = plain_new(context, fn, arg, options);
    if (plain == NULL)
        return SP_ERR_NOMEM;
    struct sp_process *process;
    sp_err err = sp__process_create(context->runtime, &plain_behaviour, plain, options, &process);
    if (err == SP_OK) {
        if (equipment != NULL)
            equipment->give(process, equipment->arg);
        err = sp__process_publish(process, options, out_pid);
    }
    if (err != SP_OK)
        plain_free(sp__context(), plain);
    return err;
}

/* What it has spawned runs before it spawns more: a spawner cannot outrun its children, and they
 * find their memory where the ones before them left it, in the processor's cache. */
void sp__process_give_way(void)
{
    struct sp__context *context = sp__context();
    struct sp_process *self = (struct sp_process *)(void *)context->current;
    if (++context->spawned_in_a_row < SPAWN_IN_A_ROW)
        return;
    context->spawned_in_a_row = 0;
    /* Not where it must not suspend: see sp__process_park(). */
    if (context->kind != SP__CONTEXT_WORKER || self->stage >= SP__EXIT_DONE ||
        sp__epoch_inside(&context->epoch))
        return;
    self->actor.runtime->ops->yield(&self->actor);
}

sp_err sp_spawn(sp_process_fn fn, void *arg, const struct sp_spawn_options *options,
                sp_pid *out_pid)
{
    sp__spawn_here(__builtin_return_address(0));
    sp_err err = sp__spawn(fn, arg, options, NULL, out_pid);
    if (err == SP_OK)
        sp__process_give_way();
    else
        sp__spawn_not();
    return err;
}
