/* The dynamic supervisor: a server that traps exits, with children known by their pids.
 *
 *     children   a <──> b <──> c ...          list, to visit all of them
 *     by_pid     <0.5.1> ─> a ...             running, or restarting under the last pid
 *
 * Everything that concerns one child is O(1) in their number. It ends all children at the same
 * time: a signal to each, then it waits for them in order of their budgets, so that nobody is
 * killed later than its own budget says because another one's is longer.
 *
 * Invariants: every child is in the list and in by_pid; none is STOPPED between two messages.
 *
 * Threads: the supervisor's process. Neighbours: supervisor_child.c, restart_window.c,
 * supervisor_ops.h (its operations), supervisor_api.c (their callers).
 */
#include "spawned/dynamic_supervisor.h"

#include "base/alloc.h"
#include "base/map.h"
#include "behaviour/restart_window.h"
#include "behaviour/supervisor_ops.h"
#include "process/watched.h"
#include "runtime/log.h"

struct dynamic {
    struct sp__child_def *kind; /* or NULL */
    uint32_t max_children;      /* 0: no limit */
    struct sp__restart_window window;
    struct sp__list children;
    struct sp__map by_pid;
};
SP_STATE(sp__dynamic_supervisor, struct dynamic);

static const struct sp_op dynamic_retry_op;

static struct sp__child *dynamic_at(struct sp__list *link)
{
    return link == NULL ? NULL : sp__container_of(link, struct sp__child, link);
}

static struct sp__child *dynamic_by_pid(struct dynamic *self, sp_pid pid)
{
    struct sp__child *child = sp__map_get(&self->by_pid, sp_pid_key(pid));
    return child != NULL && sp_pid_equal(child->pid, pid) ? child : NULL;
}

/* ---- start and stop of one child ---- */

/* Starts a process for the child and enters it under its new pid, instead of the old one if it
 * has one. On failure it keeps the old one. */
static sp_err dynamic_start_one(struct dynamic *self, struct sp__child *child,
                                struct sp__child_failure *out_failure)
{
    sp_pid old = child->pid;
    sp_err err = sp__child_start(child, out_failure);
    if (err == SP_OK) {
        err = sp__map_put(&self->by_pid, sp_pid_key(child->pid), child);
        if (err != SP_OK) {
            sp__child_stop(child);
            *out_failure = (struct sp__child_failure){ .err = err };
        }
    }
    if (err != SP_OK)
        child->pid = old;
    else if (!sp_pid_is_none(old))
        (void)sp__map_remove(&self->by_pid, sp_pid_key(old));
    return err;
}

/* Forgets a child that neither runs nor waits. */
static void dynamic_remove(struct dynamic *self, struct sp__child *child)
{
    if (!sp_pid_is_none(child->pid))
        (void)sp__map_remove(&self->by_pid, sp_pid_key(child->pid));
    sp__list_remove(&child->link);
    sp__child_destroy(child);
}

/* ---- restart ---- */

static void dynamic_restart(struct dynamic *self, struct sp__child *child);

static void dynamic_retry_after(struct sp__child *child, sp_duration delay)
{
    /* The key leads back in O(1), and the pid stays until the restart has succeeded. */
    if (sp__child_retry_after(child, delay, &dynamic_retry_op, sp_pid_key(child->pid)) != SP_OK)
        sp_server_stop_self(sp__child_give_up(child));
}

static const char *dynamic_child_id(const struct sp__child *child)
{
    return child->def->spec.id == NULL ? "child" : child->def->spec.id;
}

static void dynamic_start_again(struct dynamic *self, struct sp__child *child)
{
    struct sp__child_failure failure;
    char text[SP__CHILD_TEXT_MAX];
    sp_err err = dynamic_start_one(self, child, &failure);
    if (err == SP_OK) {
        child->restarts++;
        sp__watched_restart(child->pid);
        return;
    }
    if (err == SP_ERR_IGNORED) {
        dynamic_remove(self, child);
        return;
    }
    sp__log(sp_runtime_current(), SP_LOG_ERROR, "supervisor %s: %s failed to restart: %s",
            sp__supervisor_text(text), dynamic_child_id(child), sp__child_failure_text(&failure));
    child->status = SP_CHILD_RESTARTING;
    if (child->def->spec.backoff.min.ns > 0)
        dynamic_restart(self, child);
    else
        dynamic_retry_after(child, sp_ns(0));
}

/* True: this restart is allowed. False: it was one too many. */
static bool dynamic_admit(struct dynamic *self, struct sp__child *child)
{
    char text[SP__CHILD_TEXT_MAX];
    if (!sp__child_counts(child) || sp__restart_window_add(&self->window, sp_now()))
        return true;
    sp__log(sp_runtime_current(), SP_LOG_ERROR,
            "supervisor %s: more than %lu restarts in %lld ms, the last of %s: shutting down",
            sp__supervisor_text(text), (unsigned long)self->window.max,
            (long long)(self->window.period.ns / SP_NS_PER_MS), dynamic_child_id(child));
    return false;
}

/* `child` has ended, or could not be started. */
static void dynamic_restart(struct dynamic *self, struct sp__child *child)
{
    child->status = SP_CHILD_RESTARTING;
    if (!dynamic_admit(self, child)) {
        sp_server_stop_self(sp__child_give_up(child));
        return;
    }
    sp_duration delay = sp__child_delay(child);
    if (delay.ns == 0)
        dynamic_start_again(self, child);
    else
        dynamic_retry_after(child, delay);
}

/* A child without backoff that failed to start: this is its next restart. One with backoff was
 * counted when it failed, and has waited. */
static void dynamic_retry(void *state, const void *message)
{
    struct dynamic *self = state;
    const struct sp__child_retry *in = message;
    struct sp__child *child = sp__map_get(&self->by_pid, in->key);
    if (child == NULL || !sp__child_retry_due(child, in->attempt))
        return;
    if (child->def->spec.backoff.min.ns > 0)
        dynamic_start_again(self, child);
    else
        dynamic_restart(self, child);
}

/* Written out because it goes past a full mailbox. */
static const struct sp_op dynamic_retry_op = {
    .in = { "retry", sizeof(struct sp__child_retry), SP__KIND_CAST | SP__KIND_RESERVED, NULL },
    .server = &sp__dynamic_supervisor_class,
    .cast = dynamic_retry,
};

static void sp__dynamic_supervisor_exit(struct dynamic *self, const struct sp_exit_notice *notice)
{
    char text[SP__CHILD_TEXT_MAX], pid[SP_PID_TEXT_MAX];
    struct sp__child *child = dynamic_by_pid(self, notice->pid);
    /* Others: a child whose start failed, one that was given up, a stranger that linked itself. */
    if (child == NULL || child->status != SP_CHILD_RUNNING)
        return;
    sp__log(sp_runtime_current(), sp_reason_is_normal(notice->reason) ? SP_LOG_DEBUG : SP_LOG_ERROR,
            "supervisor %s: %s %s ended: %s", sp__supervisor_text(text), dynamic_child_id(child),
            sp_pid_format(notice->pid, pid), sp_reason_text(notice->reason));
    sp__child_ended(child, notice->reason);
    if (sp__child_judge(child, notice->reason) == SP__CHILD_RESTART)
        dynamic_restart(self, child);
    else
        dynamic_remove(self, child);
}
SP_ON_EXIT(sp__dynamic_supervisor);

/* ---- administration ---- */

/* The definition to start from: the order's own, or the supervisor's kind. NULL: neither. */
static struct sp__child_def *dynamic_take_def(struct dynamic *self, struct sp__child_order *order)
{
    struct sp__child_def *def = order->def;
    order->def = NULL;
    if (def == NULL && self->kind != NULL)
        def = sp__child_def_ref(self->kind);
    return def;
}

static sp_err dynamic_start_new(struct dynamic *self, struct sp__child_order *order,
                                sp_pid *out_pid)
{
    struct sp__child_failure failure;
    struct sp__child *child;
    if (self->max_children != 0 && sp__map_count(&self->by_pid) >= self->max_children)
        return SP_ERR_LIMIT;
    struct sp__child_def *def = dynamic_take_def(self, order);
    if (def == NULL)
        return SP_ERR_INVALID;
    const void *args = order->args;
    size_t own_args = order->own_args;
    order->args = NULL;
    order->own_args = 0;
    sp_err err = sp__child_create(def, args, own_args, &child);
    if (err != SP_OK)
        return err;
    sp__list_push_back(&self->children, &child->link);
    err = dynamic_start_one(self, child, &failure);
    *out_pid = err == SP_OK ? child->pid : failure.existing;
    if (err != SP_OK)
        dynamic_remove(self, child);
    return err;
}

static sp_err sp__dynamic_supervisor_on_start_child(struct dynamic *self,
                                                    const struct sp__child_order *in,
                                                    struct sp__child_started *out)
{
    struct sp__child_order *order = (struct sp__child_order *)(uintptr_t)in;
    *out = (struct sp__child_started){ 0 };
    out->err = dynamic_start_new(self, order, &out->pid);
    return SP_OK;
}
SP_ON_CALL(sp__dynamic_supervisor, start_child);

static sp_err sp__dynamic_supervisor_on_terminate_child(struct dynamic *self, const sp_pid *in,
                                                        sp_empty *out)
{
    struct sp__child *child = dynamic_by_pid(self, *in);
    (void)out;
    if (child == NULL)
        return SP_ERR_NOTFOUND;
    sp__child_retry_cancel(child);
    if (child->status == SP_CHILD_RUNNING) {
        (void)sp__map_remove(&self->by_pid, sp_pid_key(child->pid));
        sp__child_stop(child);
    }
    dynamic_remove(self, child);
    return SP_OK;
}
SP_ON_CALL(sp__dynamic_supervisor, terminate_child);

static sp_err sp__dynamic_supervisor_on_which_children(struct dynamic *self, const sp_empty *in,
                                                       struct sp__child_list *out)
{
    (void)in;
    *out = (struct sp__child_list){ 0 };
    out->children = sp__calloc(sp__map_count(&self->by_pid), sizeof(*out->children));
    if (out->children == NULL)
        return SP_ERR_NOMEM;
    struct sp__list *at = sp__list_first(&self->children);
    for (; at != NULL; at = sp__list_next(&self->children, at))
        sp__child_describe(dynamic_at(at), &out->children[out->count++]);
    return SP_OK;
}
SP_ON_CALL(sp__dynamic_supervisor, which_children);

static sp_err sp__dynamic_supervisor_on_info(struct dynamic *self, const sp_empty *in,
                                             struct sp_supervisor_info *out)
{
    (void)in;
    *out = (struct sp_supervisor_info){ 0 };
    sp__restart_window_report(&self->window, sp_now(), out);
    struct sp__list *at = sp__list_first(&self->children);
    for (; at != NULL; at = sp__list_next(&self->children, at))
        sp__child_count(dynamic_at(at), out);
    return SP_OK;
}
SP_ON_CALL(sp__dynamic_supervisor, info);

/* ---- life ---- */

/* Runs on every way out, a kill included: only memory is left to give back. */
static void dynamic_release(void *state)
{
    struct dynamic *self = state;
    struct sp__list *at;
    while ((at = sp__list_pop_front(&self->children)) != NULL)
        sp__child_destroy(dynamic_at(at));
    sp__map_finish(&self->by_pid);
    sp__restart_window_finish(&self->window);
    sp__child_def_unref(self->kind);
}

static int64_t dynamic_budget(struct sp__list *link)
{
    sp_deadline shutdown = dynamic_at(link)->def->spec.shutdown;
    return shutdown.kind == SP_DEADLINE_NEVER ? INT64_MAX : shutdown.ns;
}

/* Merge sort of `count` children by their budgets: no memory is needed to end. */
static void dynamic_sort(struct sp__list *list, size_t count)
{
    struct sp__list half, merged;
    if (count < 2)
        return;
    sp__list_init(&half);
    sp__list_init(&merged);
    for (size_t i = 0; i < count / 2; i++)
        sp__list_push_back(&half, sp__list_pop_front(list));
    dynamic_sort(&half, count / 2);
    dynamic_sort(list, count - count / 2);
    while (!sp__list_empty(&half) && !sp__list_empty(list)) {
        bool first = dynamic_budget(sp__list_first(&half)) <= dynamic_budget(sp__list_first(list));
        sp__list_push_back(&merged, sp__list_pop_front(first ? &half : list));
    }
    sp__list_splice_back(&merged, &half);
    sp__list_splice_back(&merged, list);
    sp__list_splice_back(list, &merged);
}

static void sp__dynamic_supervisor_terminate(struct dynamic *self, const struct sp_reason *reason)
{
    struct sp__list *at;
    size_t count = 0;
    (void)reason;
    for (at = sp__list_first(&self->children); at != NULL;
         at = sp__list_next(&self->children, at)) {
        struct sp__child *child = dynamic_at(at);
        count++;
        sp__child_retry_cancel(child);
        if (child->status == SP_CHILD_RUNNING)
            sp__child_stop_begin(child);
    }
    sp_time began = sp_now();
    dynamic_sort(&self->children, count);
    for (at = sp__list_first(&self->children); at != NULL; at = sp__list_next(&self->children, at))
        if (dynamic_at(at)->status == SP_CHILD_RUNNING)
            sp__child_stop_end(dynamic_at(at), began);
}
SP_ON_TERMINATE(sp__dynamic_supervisor);

static sp_err sp__dynamic_supervisor_init(struct dynamic *self,
                                          const struct sp_dynamic_supervisor_spec *spec)
{
    *self = (struct dynamic){ .max_children = spec->max_children };
    sp__list_init(&self->children);
    sp__map_init(&self->by_pid, (struct sp__hash_seed){ sp_random(), sp_random() });
    sp_err err = sp_defer(dynamic_release, self);
    if (err == SP_OK)
        err = sp__restart_window_init(&self->window, spec->max_restarts, spec->period);
    if (err == SP_OK && spec->child != NULL)
        err = sp__child_def_create(spec->child, SP__CHILD_DYNAMIC, &self->kind);
    return err;
}
SP_ON_INIT(sp__dynamic_supervisor);

/* Written out for the name that inspection and the log show. */
const struct sp_server_class sp__dynamic_supervisor_class = {
    .name = "dynamic_supervisor",
    .state_size = sizeof(struct dynamic),
    .init = sp__dynamic_supervisor__init,
    .terminate = sp__dynamic_supervisor__terminate,
    .on_exit = sp__dynamic_supervisor__exit,
};
