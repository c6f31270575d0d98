/* The supervisor: a server that traps exits, with a list of children and a strategy.
 *
 *     children   a <──> b <──> c <──> d       list, in start order
 *     by_id      "a" ─> a ...                 for the administration
 *     by_pid     <0.5.1> ─> a ...             for EXIT notices; only of running children
 *
 * A restart goes: count it in the window (too many: stop everything and end), stop the group in
 * reverse, wait if there is a backoff, start the group in order. The group is the child alone,
 * all children, or the child and those after it. A start that fails leaves the child RESTARTING
 * and sends the supervisor a message to try again, behind what is queued, so that it answers
 * questions in between. Who waits in a group restart is started by the child it waits for, its
 * leader, which is the first of the group that does not run.
 *
 * Invariants: by_pid holds exactly the RUNNING children; a temporary child is never RESTARTING;
 * the supervisor's memory goes with the process, on every way out (a deferred function).
 *
 * Threads: the supervisor's process. Neighbours: supervisor_child.c, restart_window.c,
 * supervisor_ops.h (its operations), supervisor_api.c (their callers).
 */
#include "spawned/supervisor.h"

#include "base/alloc.h"
#include "base/map.h"
#include "base/strmap.h"
#include "behaviour/restart_window.h"
#include "behaviour/supervisor_ops.h"
#include "process/watched.h"
#include "runtime/log.h"

#include <string.h>

struct supervisor {
    enum sp_strategy strategy;
    enum sp_auto_shutdown auto_shutdown;
    struct sp__restart_window window;
    struct sp__list children;
    struct sp__strmap by_id;
    struct sp__map by_pid;
    uint64_t serial;                  /* of the newest child */
    const struct sp_reason *gives_up; /* its init failed, and it stops who runs; or NULL */
};
SP_STATE(sp__supervisor, struct supervisor);

static const struct sp_op supervisor_retry_op;

static struct sp__child *supervisor_at(struct sp__list *link)
{
    return link == NULL ? NULL : sp__container_of(link, struct sp__child, link);
}

static struct sp__child *supervisor_first(struct supervisor *self)
{
    return supervisor_at(sp__list_first(&self->children));
}

static struct sp__child *supervisor_last(struct supervisor *self)
{
    return supervisor_at(sp__list_last(&self->children));
}

static struct sp__child *supervisor_next(struct supervisor *self, struct sp__child *child)
{
    return supervisor_at(sp__list_next(&self->children, &child->link));
}

static struct sp__child *supervisor_prev(struct supervisor *self, struct sp__child *child)
{
    return supervisor_at(sp__list_prev(&self->children, &child->link));
}

/* ---- the books ---- */

static struct sp__child *supervisor_by_id(struct supervisor *self, const char *id)
{
    return sp__strmap_get(&self->by_id, id, strlen(id));
}

static struct sp__child *supervisor_by_pid(struct supervisor *self, sp_pid pid)
{
    struct sp__child *child = sp__map_get(&self->by_pid, sp_pid_key(pid));
    return child != NULL && sp_pid_equal(child->pid, pid) ? child : NULL;
}

/* Adds a stopped child at the end. EXISTS: the id is taken. */
static sp_err supervisor_add(struct supervisor *self, struct sp__child_def *moved_def,
                             struct sp__child **out_child)
{
    struct sp__child *child;
    sp_err err = sp__child_create(moved_def, NULL, 0, &child);
    if (err != SP_OK)
        return err;
    const char *id = child->def->spec.id;
    err = sp__strmap_add(&self->by_id, id, strlen(id), child);
    if (err != SP_OK) {
        sp__child_destroy(child);
        return err;
    }
    child->serial = ++self->serial;
    sp__list_push_back(&self->children, &child->link);
    *out_child = child;
    return SP_OK;
}

/* Forgets a child that neither runs nor waits. */
static void supervisor_remove(struct supervisor *self, struct sp__child *child)
{
    const char *id = child->def->spec.id;
    (void)sp__strmap_remove(&self->by_id, id, strlen(id));
    sp__list_remove(&child->link);
    sp__child_destroy(child);
}

/* ---- start and stop of one child ---- */

static sp_err supervisor_start_one(struct supervisor *self, struct sp__child *child,
                                   struct sp__child_failure *out_failure)
{
    sp_err err = sp__child_start(child, out_failure);
    if (err != SP_OK)
        return err;
    err = sp__map_put(&self->by_pid, sp_pid_key(child->pid), child);
    if (err != SP_OK) {
        sp__child_stop(child);
        *out_failure = (struct sp__child_failure){ .err = err };
    }
    return err;
}

static void supervisor_stop_running(struct supervisor *self, struct sp__child *child)
{
    if (child->status != SP_CHILD_RUNNING)
        return;
    (void)sp__map_remove(&self->by_pid, sp_pid_key(child->pid));
    sp__child_stop(child);
}

/* Stops a child whatever it does, or waits for. */
static void supervisor_stop_one(struct supervisor *self, struct sp__child *child)
{
    sp__child_retry_cancel(child);
    supervisor_stop_running(self, child);
    child->status = SP_CHILD_STOPPED;
}

/* ---- restart ---- */

/* The reason is `shutdown`, whatever the cause: the supervisor above decides by its own rules. */
static void supervisor_give_up(struct sp__child *child)
{
    sp_server_stop_self(sp__child_give_up(child));
}

static struct sp__child *supervisor_group_first(struct supervisor *self, struct sp__child *leader)
{
    return self->strategy == SP_ONE_FOR_ALL ? supervisor_first(self) : leader;
}

static struct sp__child *supervisor_group_next(struct supervisor *self, struct sp__child *child)
{
    return self->strategy == SP_ONE_FOR_ONE ? NULL : supervisor_next(self, child);
}

/* Stops the group in reverse and has all of it wait for the leader. */
static void supervisor_stop_group(struct supervisor *self, struct sp__child *leader)
{
    struct sp__child *first = supervisor_group_first(self, leader);
    struct sp__child *child = self->strategy == SP_ONE_FOR_ONE ? leader : supervisor_last(self);
    for (;;) {
        struct sp__child *prev = child == first ? NULL : supervisor_prev(self, child);
        sp__child_retry_settle(child);
        supervisor_stop_running(self, child);
        if (child->def->spec.restart == SP_RESTART_TEMPORARY)
            supervisor_remove(self, child);
        else
            child->status = SP_CHILD_RESTARTING;
        if (prev == NULL)
            return;
        child = prev;
    }
}

static void supervisor_restart(struct supervisor *self, struct sp__child *child);

/* `child` could not be started: again, later. */
static void supervisor_start_failed(struct supervisor *self, struct sp__child *child,
                                    const struct sp__child_failure *failure)
{
    char text[SP__CHILD_TEXT_MAX];
    sp__log(sp_runtime_current(), SP_LOG_ERROR, "supervisor %s: child %s failed to restart: %s",
            sp__supervisor_text(text), child->def->spec.id, sp__child_failure_text(failure));
    child->status = SP_CHILD_RESTARTING;
    if (child->def->spec.backoff.min.ns > 0) {
        supervisor_restart(self, child);
        return;
    }
    if (sp__child_retry_after(child, sp_ns(0), &supervisor_retry_op, child->serial) != SP_OK)
        supervisor_give_up(child);
}

/* Starts the group in order, up to the first that fails. */
static void supervisor_start_group(struct supervisor *self, struct sp__child *leader)
{
    struct sp__child *child = supervisor_group_first(self, leader);
    for (; child != NULL; child = supervisor_group_next(self, child)) {
        struct sp__child_failure failure;
        if (child->status == SP_CHILD_RUNNING)
            continue;
        sp_err err = supervisor_start_one(self, child, &failure);
        if (err == SP_ERR_IGNORED) {
            child->status = SP_CHILD_STOPPED;
        } else if (err != SP_OK) {
            supervisor_start_failed(self, child, &failure);
            return;
        } else {
            child->restarts++;
            sp__watched_restart(child->pid);
        }
    }
}

/* True: this restart is allowed. False: it was one too many, the supervisor ends. */
static bool supervisor_admit(struct supervisor *self, struct sp__child *child)
{
    char text[SP__CHILD_TEXT_MAX];
    if (!sp__child_counts(child) || sp__restart_window_add(&self->window, sp_now()))
        return true;
    sp__log(sp_runtime_current(), SP_LOG_ERROR,
            "supervisor %s: more than %lu restarts in %lld ms, the last of child %s: shutting down",
            sp__supervisor_text(text), (unsigned long)self->window.max,
            (long long)(self->window.period.ns / SP_NS_PER_MS), child->def->spec.id);
    return false;
}

/* `child` has ended, or could not be started. */
static void supervisor_restart(struct supervisor *self, struct sp__child *child)
{
    if (!supervisor_admit(self, child)) {
        supervisor_give_up(child);
        return;
    }
    sp_duration delay = sp__child_delay(child);
    supervisor_stop_group(self, child);
    if (delay.ns == 0)
        supervisor_start_group(self, child);
    else if (sp__child_retry_after(child, delay, &supervisor_retry_op, child->serial) != SP_OK)
        supervisor_give_up(child);
}

/* A child without backoff that failed to start: this is its next restart. One with backoff was
 * counted when it failed, and has waited. */
static void supervisor_on_retry(struct supervisor *self, const struct sp__child_retry *in)
{
    struct sp__child *child = supervisor_first(self);
    while (child != NULL && child->serial != in->key)
        child = supervisor_next(self, child);
    if (child == NULL || !sp__child_retry_due(child, in->attempt))
        return;
    if (child->def->spec.backoff.min.ns > 0)
        supervisor_start_group(self, child);
    else
        supervisor_restart(self, child);
}

static void supervisor_retry(void *state, const void *in)
{
    supervisor_on_retry(state, in);
}

/* Written out because it goes past a full mailbox. */
static const struct sp_op supervisor_retry_op = {
    .in = { "retry", sizeof(struct sp__child_retry), SP__KIND_CAST | SP__KIND_RESERVED, NULL },
    .server = &sp__supervisor_class,
    .cast = supervisor_retry,
};

/* ---- the end of a child ---- */

/* Is this the end of a child that the supervisor ends with? */
static bool supervisor_shuts_down_with(struct supervisor *self, bool significant)
{
    if (!significant || self->auto_shutdown == SP_AUTO_SHUTDOWN_NEVER)
        return false;
    if (self->auto_shutdown == SP_AUTO_SHUTDOWN_ANY)
        return true;
    struct sp__child *child = supervisor_first(self);
    for (; child != NULL; child = supervisor_next(self, child))
        if (child->def->spec.significant && child->status != SP_CHILD_STOPPED)
            return false;
    return true;
}

static void supervisor_child_done(struct supervisor *self, struct sp__child *child, bool forget)
{
    bool significant = child->def->spec.significant;
    char text[SP__CHILD_TEXT_MAX];
    if (forget)
        supervisor_remove(self, child);
    if (!supervisor_shuts_down_with(self, significant))
        return;
    sp__log(sp_runtime_current(), SP_LOG_INFO,
            "supervisor %s: a significant child has ended: shutting down",
            sp__supervisor_text(text));
    sp_server_stop_self(sp_reason_shutdown());
}

static void supervisor_log_end(struct sp__child *child, const struct sp_exit_notice *notice)
{
    char text[SP__CHILD_TEXT_MAX], pid[SP_PID_TEXT_MAX];
    bool normal = sp_reason_is_normal(notice->reason);
    sp__log(sp_runtime_current(), normal ? SP_LOG_DEBUG : SP_LOG_ERROR,
            "supervisor %s: child %s %s ended: %s", sp__supervisor_text(text), child->def->spec.id,
            sp_pid_format(notice->pid, pid), sp_reason_text(notice->reason));
}

static void sp__supervisor_exit(struct supervisor *self, const struct sp_exit_notice *notice)
{
    struct sp__child *child = supervisor_by_pid(self, notice->pid);
    /* Others: a child whose start failed, one that was given up, a stranger that linked itself. */
    if (child == NULL)
        return;
    supervisor_log_end(child, notice);
    sp__child_ended(child, notice->reason);
    (void)sp__map_remove(&self->by_pid, sp_pid_key(child->pid));
    child->pid = SP_PID_NONE;
    child->status = SP_CHILD_STOPPED;
    switch (sp__child_judge(child, notice->reason)) {
    case SP__CHILD_RESTART:
        supervisor_restart(self, child);
        break;
    case SP__CHILD_KEEP:
        supervisor_child_done(self, child, false);
        break;
    case SP__CHILD_FORGET:
        supervisor_child_done(self, child, true);
        break;
    }
}
SP_ON_EXIT(sp__supervisor);

/* ---- administration ---- */

/* A significant child makes sense only where its end has a meaning. */
static bool supervisor_accepts(const struct supervisor *self, const struct sp_child_spec *spec)
{
    return !spec->significant || self->auto_shutdown != SP_AUTO_SHUTDOWN_NEVER;
}

static sp_err supervisor_start_new(struct supervisor *self, struct sp__child_def *moved_def,
                                   struct sp__child_started *out)
{
    struct sp__child_failure failure;
    struct sp__child *child;
    sp_err err = supervisor_add(self, moved_def, &child);
    if (err != SP_OK)
        return err;
    err = supervisor_start_one(self, child, &failure);
    out->pid = err == SP_OK ? child->pid : failure.existing;
    bool keep =
        err == SP_OK || (err == SP_ERR_IGNORED && child->def->spec.restart != SP_RESTART_TEMPORARY);
    if (!keep)
        supervisor_remove(self, child);
    return err;
}

static sp_err sp__supervisor_on_start_child(struct supervisor *self,
                                            const struct sp__child_order *in,
                                            struct sp__child_started *out)
{
    struct sp__child_order *order = (struct sp__child_order *)(uintptr_t)in;
    struct sp__child *existing = supervisor_by_id(self, order->def->spec.id);
    *out = (struct sp__child_started){ 0 };
    if (existing != NULL) {
        out->err = existing->status == SP_CHILD_RUNNING ? SP_ERR_EXISTS : SP_ERR_PRESENT;
        out->pid = existing->pid;
    } else if (!supervisor_accepts(self, &order->def->spec)) {
        out->err = SP_ERR_INVALID;
    } else {
        struct sp__child_def *def = order->def;
        order->def = NULL;
        out->err = supervisor_start_new(self, def, out);
    }
    return SP_OK;
}
SP_ON_CALL(sp__supervisor, start_child);

static sp_err sp__supervisor_on_restart_child(struct supervisor *self,
                                              const struct sp__child_id *in,
                                              struct sp__child_started *out)
{
    struct sp__child_failure failure;
    struct sp__child *child = supervisor_by_id(self, in->text);
    if (child == NULL)
        return SP_ERR_NOTFOUND;
    if (child->status != SP_CHILD_STOPPED)
        return SP_ERR_RUNNING;
    sp_err err = supervisor_start_one(self, child, &failure);
    *out = (struct sp__child_started){ .err = err, .pid = child->pid };
    return SP_OK;
}
SP_ON_CALL(sp__supervisor, restart_child);

/* Its leader will not start: who waits for it stays stopped. */
static void supervisor_release_group(struct supervisor *self, struct sp__child *leader)
{
    struct sp__child *child = supervisor_group_first(self, leader);
    for (; child != NULL; child = supervisor_group_next(self, child))
        if (child->status == SP_CHILD_RESTARTING && !child->waiting)
            child->status = SP_CHILD_STOPPED;
}

static sp_err sp__supervisor_on_terminate_child(struct supervisor *self,
                                                const struct sp__child_id *in, sp_empty *out)
{
    struct sp__child *child = supervisor_by_id(self, in->text);
    (void)out;
    if (child == NULL)
        return SP_ERR_NOTFOUND;
    if (child->waiting)
        supervisor_release_group(self, child);
    supervisor_stop_one(self, child);
    if (child->def->spec.restart == SP_RESTART_TEMPORARY)
        supervisor_remove(self, child);
    return SP_OK;
}
SP_ON_CALL(sp__supervisor, terminate_child);

static sp_err sp__supervisor_on_delete_child(struct supervisor *self, const struct sp__child_id *in,
                                             sp_empty *out)
{
    struct sp__child *child = supervisor_by_id(self, in->text);
    (void)out;
    if (child == NULL)
        return SP_ERR_NOTFOUND;
    if (child->status != SP_CHILD_STOPPED)
        return SP_ERR_RUNNING;
    supervisor_remove(self, child);
    return SP_OK;
}
SP_ON_CALL(sp__supervisor, delete_child);

static sp_err sp__supervisor_on_get_child(struct supervisor *self, const struct sp__child_id *in,
                                          struct sp_child_info *out)
{
    struct sp__child *child = supervisor_by_id(self, in->text);
    if (child == NULL)
        return SP_ERR_NOTFOUND;
    sp__child_describe(child, out);
    return SP_OK;
}
SP_ON_CALL(sp__supervisor, get_child);

static sp_err sp__supervisor_on_which_children(struct supervisor *self, const sp_empty *in,
                                               struct sp__child_list *out)
{
    (void)in;
    *out = (struct sp__child_list){ 0 };
    out->children = sp__calloc(sp__strmap_count(&self->by_id), sizeof(*out->children));
    if (out->children == NULL)
        return SP_ERR_NOMEM;
    struct sp__child *child = supervisor_first(self);
    for (; child != NULL; child = supervisor_next(self, child))
        sp__child_describe(child, &out->children[out->count++]);
    return SP_OK;
}
SP_ON_CALL(sp__supervisor, which_children);

static sp_err sp__supervisor_on_info(struct supervisor *self, const sp_empty *in,
                                     struct sp_supervisor_info *out)
{
    (void)in;
    *out = (struct sp_supervisor_info){
        .strategy = self->strategy,
        .auto_shutdown = self->auto_shutdown,
    };
    sp__restart_window_report(&self->window, sp_now(), out);
    struct sp__child *child = supervisor_first(self);
    for (; child != NULL; child = supervisor_next(self, child))
        sp__child_count(child, out);
    return SP_OK;
}
SP_ON_CALL(sp__supervisor, info);

/* ---- life ---- */

/* Runs on every way out, a kill included: only memory is left to give back. */
static void supervisor_release(void *state)
{
    struct supervisor *self = state;
    struct sp__child *child;
    while ((child = supervisor_first(self)) != NULL) {
        sp__list_remove(&child->link);
        sp__child_destroy(child);
    }
    sp__strmap_finish(&self->by_id);
    sp__map_finish(&self->by_pid);
    sp__restart_window_finish(&self->window);
    sp_reason_unref(self->gives_up);
}

static void supervisor_stop_all(struct supervisor *self)
{
    struct sp__child *child = supervisor_last(self);
    for (; child != NULL; child = supervisor_prev(self, child))
        supervisor_stop_one(self, child);
}

static void sp__supervisor_terminate(struct supervisor *self, const struct sp_reason *reason)
{
    (void)reason;
    supervisor_stop_all(self);
}
SP_ON_TERMINATE(sp__supervisor);

/* All children, stopped. INVALID: a spec; an id twice. */
static sp_err supervisor_add_all(struct supervisor *self, const struct sp_supervisor_spec *spec)
{
    for (size_t i = 0; i < spec->child_count; i++) {
        struct sp__child_def *def;
        struct sp__child *child;
        if (!supervisor_accepts(self, &spec->children[i]))
            return SP_ERR_INVALID;
        sp_err err = sp__child_def_create(&spec->children[i], SP__CHILD_STATIC, &def);
        if (err == SP_OK)
            err = supervisor_add(self, def, &child);
        if (err != SP_OK)
            return err == SP_ERR_EXISTS ? SP_ERR_INVALID : err;
    }
    return SP_OK;
}

/* In order; a child that declines is kept without a process, a temporary one not at all. At the
 * first failure, what runs is stopped in reverse, and the process ends. */
static void supervisor_start_all(struct supervisor *self)
{
    struct sp__child *next;
    for (struct sp__child *child = supervisor_first(self); child != NULL; child = next) {
        struct sp__child_failure failure;
        next = supervisor_next(self, child);
        sp_err err = supervisor_start_one(self, child, &failure);
        if (err == SP_OK)
            continue;
        if (err == SP_ERR_IGNORED) {
            if (child->def->spec.restart == SP_RESTART_TEMPORARY)
                supervisor_remove(self, child);
            continue;
        }
        /* The state's until then: while it waits for them it may be killed. */
        self->gives_up = sp_reason_shutdown_with(
            "failed_to_start_child(%s, %s)", child->def->spec.id, sp__child_failure_text(&failure));
        supervisor_stop_all(self);
        sp_exit(sp_reason_ref(self->gives_up));
    }
}

static sp_err sp__supervisor_init(struct supervisor *self, const struct sp_supervisor_spec *spec)
{
    if ((unsigned)spec->strategy > SP_REST_FOR_ONE ||
        (unsigned)spec->auto_shutdown > SP_AUTO_SHUTDOWN_ALL ||
        (spec->child_count > 0 && spec->children == NULL))
        return SP_ERR_INVALID;
    *self = (struct supervisor){ .strategy = spec->strategy, .auto_shutdown = spec->auto_shutdown };
    struct sp__hash_seed seed = { sp_random(), sp_random() };
    sp__list_init(&self->children);
    sp__strmap_init(&self->by_id, seed);
    sp__map_init(&self->by_pid, seed);
    sp_err err = sp_defer(supervisor_release, self);
    if (err == SP_OK)
        err = sp__restart_window_init(&self->window, spec->max_restarts, spec->period);
    if (err == SP_OK)
        err = supervisor_add_all(self, spec);
    if (err == SP_OK)
        supervisor_start_all(self);
    return err;
}
SP_ON_INIT(sp__supervisor);

/* Written out for the name that inspection and the log show. */
const struct sp_server_class sp__supervisor_class = {
    .name = "supervisor",
    .state_size = sizeof(struct supervisor),
    .init = sp__supervisor__init,
    .terminate = sp__supervisor__terminate,
    .on_exit = sp__supervisor__exit,
};
