/* Asking servers how they are. See spawned/health.h.
 *
 *   who asks:   asked++ --> callback in the control lane      the server, between messages:
 *               looks now and then: answered == asked?  <---  health function, answered = asked
 *
 * Nothing of who asks is known to the server, so either may end at any time. Several that ask at
 * once share an answer, as long as it was begun after they asked.
 */
#include "behaviour/health.h"

#include "base/alloc.h"
#include "behaviour/server.h"
#include "process/scheduling.h"

#include <stdio.h>
#include <string.h>

enum {
    HEALTH_LIMIT_MS = 1000,
    HEALTH_SERVERS_MAX = 4096,
    HEALTH_LOOK_MAX_MS = 16,
    HEALTH_BATCH = 256,    /* slots of the table in one section */
    HEALTH_ANCESTORS = 64, /* that are gone up: supervisors are not nested deeper */
};

/* A server that is asked. */
struct health_entry {
    sp_pid pid;
    uint64_t ask; /* the number of this one; 0: it has ended */
    struct sp_health health;
    bool answered;
};

/* One round of asking. */
struct health_round {
    struct sp_process *self;
    struct sp_health_options options;
    struct health_entry *entries; /* of the process's memory */
    size_t count;
    uint32_t unasked;
};

const char *sp_health_status_name(enum sp_health_status status)
{
    static const char *const names[] = { "healthy", "degraded", "unhealthy" };
    return (unsigned)status <= SP_UNHEALTHY ? names[status] : "unknown";
}

/* ---- the server ---- */

static void health_answer(struct sp_process *self, struct sp_health *out)
{
    struct sp__server *server = sp__server_self();
    *out = (struct sp_health){ 0 };
    if (server == NULL || !(self->flags & SP__PROCESS_STARTED)) {
        *out = (struct sp_health){ SP_DEGRADED, "starting" };
        return;
    }
    bool timed = sp__schedule_enter(self, "health");
    server->class->health(server->state, out);
    if (timed)
        sp__schedule_exit(self);
    out->text[SP_HEALTH_TEXT_MAX - 1] = '\0';
    if ((unsigned)out->status > SP_UNHEALTHY)
        out->status = SP_UNHEALTHY;
}

static void health_run(struct sp__callback *callback)
{
    struct sp__health *health = sp__container_of(callback, struct sp__health, callback);
    struct sp_health answer;
    sp__lock_lock(&health->lock);
    uint64_t asked = health->asked;
    sp__lock_unlock(&health->lock);
    health_answer(sp__process_self(), &answer);
    sp__lock_lock(&health->lock);
    health->answered = asked;
    health->asked_ns = sp_now().ns; /* whoever asked since has waited for less */
    health->health = answer;
    sp__lock_unlock(&health->lock);
}

/* ---- whom to ask ---- */

/* Has it a health function? Inside a section. */
static bool health_has(struct sp_process *process)
{
    if (process->behaviour != &sp__server_behaviour)
        return false;
    sp__lock_lock(&process->lock);
    const struct sp_server_class *class =
        process->closed ? NULL : (const struct sp_server_class *)process->behaviour->tag(process);
    sp__lock_unlock(&process->lock);
    return class != NULL && class->health != NULL;
}

/* Inside a section. */
static bool health_below(struct sp_runtime *runtime, struct sp_process *process, sp_pid root)
{
    for (int i = 0; i < HEALTH_ANCESTORS && process != NULL; i++) {
        sp_pid parent = sp__process_parent(process);
        if (sp_pid_equal(parent, root))
            return true;
        process = sp__process_lookup(runtime, parent);
    }
    return false;
}

static void health_consider(struct health_round *round, struct sp_process *process)
{
    /* acquire: as in lookup. */
    uint64_t serial = atomic_load_explicit(&process->serial, memory_order_acquire);
    if (serial == 0 || (serial & SP__SERIAL_DEAD) || !health_has(process))
        return;
    if (!sp_pid_is_none(round->options.below) &&
        !health_below(sp__process_runtime(round->self), process, round->options.below))
        return;
    if (round->count == round->options.servers_max) {
        round->unasked++;
        return;
    }
    round->entries[round->count++] = (struct health_entry){ .pid = sp__process_pid(process) };
}

static void health_find(struct health_round *round)
{
    struct sp_runtime *runtime = sp__process_runtime(round->self);
    uint32_t high = sp__slab_high(runtime->processes);
    for (uint32_t slot = 0; slot < high; slot += HEALTH_BATCH) {
        sp__process_enter();
        for (uint32_t i = slot; i < high && i < slot + HEALTH_BATCH; i++)
            health_consider(round, sp__slab_get(runtime->processes, i));
        sp__process_leave();
    }
}

/* ---- asking ---- */

/* Made when it is asked for the first time; NULL: no memory. Inside a section. */
static struct sp__health *health_of(struct sp_process *process)
{
    struct sp__extra *extra = sp__process_extra(process);
    if (extra == NULL)
        return NULL;
    /* acquire: pairs with the swap. */
    struct sp__health *health = atomic_load_explicit(&extra->health, memory_order_acquire);
    if (health != NULL)
        return health;
    struct sp__health *made = sp__calloc(1, sizeof(*made));
    if (made == NULL)
        return NULL;
    sp__callback_init(&made->callback, health_run);
    sp__lock_init(&made->lock);
    /* acq_rel: somebody else may ask at this moment. */
    if (atomic_compare_exchange_strong_explicit(&extra->health, &health, made, memory_order_acq_rel,
                                                memory_order_acquire))
        return made;
    sp__free(made);
    return health;
}

static sp_err health_ask(struct health_round *round, struct health_entry *entry)
{
    sp__point(SP__POINT_PROCESS, sp__point_pid(entry->pid), "health");
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(sp__process_runtime(round->self), entry->pid);
    struct sp__health *health = process == NULL ? NULL : health_of(process);
    if (health != NULL) {
        sp__lock_lock(&health->lock);
        if (health->asked == health->answered)
            health->asked_ns = sp_now().ns;
        entry->ask = ++health->asked;
        sp__lock_unlock(&health->lock);
        if (!sp__callback_post(&process->actor, &health->callback))
            entry->ask = 0; /* it is about to end */
    }
    sp__process_leave();
    return process != NULL && health == NULL ? SP_ERR_NOMEM : SP_OK;
}

/* It is not there in time: since when does it owe an answer? */
static void health_overdue(const struct health_round *round, struct health_entry *entry,
                           const struct sp__health *health) SP__REQUIRES(health->lock)
{
    int64_t owed_ns = sp_now().ns - health->asked_ns;
    entry->health = health->health;
    if (owed_ns >= round->options.limit.ns) {
        entry->health.status = SP_UNHEALTHY;
        (void)snprintf(entry->health.text, sizeof(entry->health.text), "no answer in %lld ms",
                       (long long)(owed_ns / SP_NS_PER_MS));
    } else if (health->answered == 0) {
        entry->health = (struct sp_health){ SP_DEGRADED, "no answer yet" };
    }
}

/* Has it answered, or ended? `late`: then what it has said before has to do. */
static bool health_look(const struct health_round *round, struct health_entry *entry, bool late)
{
    if (entry->ask == 0 || entry->answered)
        return true;
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(sp__process_runtime(round->self), entry->pid);
    if (process == NULL) {
        entry->ask = 0;
    } else {
        struct sp__health *health = health_of(process); /* is there */
        sp__lock_lock(&health->lock);
        entry->answered = health->answered >= entry->ask;
        if (entry->answered)
            entry->health = health->health;
        else if (late)
            health_overdue(round, entry, health);
        sp__lock_unlock(&health->lock);
    }
    sp__process_leave();
    return entry->ask == 0 || entry->answered;
}

static bool health_look_all(const struct health_round *round, bool late)
{
    bool all = true;
    for (size_t i = 0; i < round->count; i++)
        all = health_look(round, &round->entries[i], late) && all;
    return all;
}

static sp_err health_await(struct health_round *round)
{
    struct sp_process *self = round->self;
    struct sp_runtime *runtime = sp__process_runtime(self);
    int64_t until = sp__now(runtime) + round->options.wait.ns;
    for (int64_t ms = 1; !health_look_all(round, false);
         ms = ms < HEALTH_LOOK_MAX_MS ? ms * 2 : ms) {
        int64_t now = sp__now(runtime);
        if (now >= until) {
            (void)health_look_all(round, true);
            return SP_OK;
        }
        if (!sp__process_check(self))
            return SP_ERR_NOTCONTEXT;
        if (sp__process_cancelled(self))
            return SP_ERR_CANCELLED;
        int64_t look = now + ms * SP_NS_PER_MS;
        sp__process_park(self, false, look < until ? look : until);
    }
    return SP_OK;
}

/* ---- the report ---- */

static void check_fill(struct sp_runtime *runtime, const struct health_entry *entry,
                       struct sp_health_check *check)
{
    *check = (struct sp_health_check){
        .pid = entry->pid, .label = "", .health = entry->health, .answered = entry->answered
    };
    sp__process_enter();
    struct sp_process *process = sp__process_lookup(runtime, entry->pid);
    if (process != NULL) {
        check->parent = sp__process_parent(process);
        sp__lock_lock(&process->lock);
        const char *name = process->extra->name;
        if (name != NULL)
            (void)snprintf(check->name, sizeof(check->name), "%s", name);
        if (!process->closed)
            check->label = sp__process_label(process);
        sp__lock_unlock(&process->lock);
    }
    sp__process_leave();
}

static void health_report(const struct health_round *round, struct sp_health_check *checks,
                          size_t max, struct sp_health_report *report)
{
    uint32_t counts[SP_UNHEALTHY + 1] = { 0 };
    *report = (struct sp_health_report){ .unasked = round->unasked };
    for (int status = SP_UNHEALTHY; status >= SP_HEALTHY; status--)
        for (size_t i = 0; i < round->count; i++) {
            const struct health_entry *entry = &round->entries[i];
            if (entry->ask == 0 || (int)entry->health.status != status)
                continue;
            counts[status]++;
            if (report->count < max)
                check_fill(sp__process_runtime(round->self), entry, &checks[report->count++]);
        }
    report->healthy = counts[SP_HEALTHY];
    report->degraded = counts[SP_DEGRADED];
    report->unhealthy = counts[SP_UNHEALTHY];
    report->asked = counts[SP_HEALTHY] + counts[SP_DEGRADED] + counts[SP_UNHEALTHY];
    report->status = counts[SP_UNHEALTHY] != 0  ? SP_UNHEALTHY
                     : counts[SP_DEGRADED] != 0 ? SP_DEGRADED
                                                : SP_HEALTHY;
}

static sp_err health_options_read(const struct sp_health_options *given,
                                  struct sp_health_options *out)
{
    *out = given == NULL ? (struct sp_health_options){ 0 } : *given;
    if (out->limit.ns < 0 || out->wait.ns < 0)
        return SP_ERR_INVALID;
    if (out->limit.ns == 0)
        out->limit = sp_ms(HEALTH_LIMIT_MS);
    if (out->wait.ns == 0)
        out->wait = out->limit;
    if (out->servers_max == 0)
        out->servers_max = HEALTH_SERVERS_MAX;
    return SP_OK;
}

sp_err sp_health(const struct sp_health_options *options, struct sp_health_check *checks,
                 size_t max, struct sp_health_report *out_report)
{
    struct health_round round = { .self = sp__process_self() };
    sp_err err = health_options_read(options, &round.options);
    if (err != SP_OK || round.self == NULL)
        return round.self == NULL ? SP_ERR_NOTCONTEXT : err;
    /* The process's own memory: it may be killed while it waits. */
    uint32_t high = sp__slab_high(sp__process_runtime(round.self)->processes);
    if (round.options.servers_max > high)
        round.options.servers_max = high;
    round.entries = sp_try_alloc((round.options.servers_max + 1) * sizeof(*round.entries));
    if (round.entries == NULL)
        return SP_ERR_NOMEM;
    health_find(&round);
    for (size_t i = 0; i < round.count && err == SP_OK; i++)
        err = health_ask(&round, &round.entries[i]);
    if (err == SP_OK)
        err = health_await(&round);
    if (err == SP_OK)
        health_report(&round, checks, max, out_report);
    if (err != SP_ERR_NOTCONTEXT) /* else it is no process any more, and its memory is gone */
        sp_free(round.entries);
    return err;
}
