/* See supervisor_child.h.
 */
#include "behaviour/supervisor_child.h"

#include "base/alloc.h"
#include "behaviour/deadline.h"
#include "process/exits.h"
#include "runtime/log.h"

#include <stdio.h>

/* After a kill, a child ends at its next suspension point. One that reaches none is given up:
 * the supervisor must go on. */
#define CHILD_KILL_GRACE sp_after_sec(5)

sp_err sp__child_create(struct sp__child_def *moved_def, const void *moved_args, size_t own_args,
                        struct sp__child **out_child)
{
    struct sp__child *child = sp__calloc(1, sizeof(*child));
    if (child == NULL) {
        sp__child_def_unref(moved_def);
        sp__child_args_free(moved_args, own_args);
        return SP_ERR_NOMEM;
    }
    child->def = moved_def;
    child->args = moved_args != NULL ? moved_args : moved_def->spec.args;
    child->own_args = own_args;
    child->status = SP_CHILD_STOPPED;
    *out_child = child;
    return SP_OK;
}

void sp__child_destroy(struct sp__child *child)
{
    if (child == NULL)
        return;
    sp__child_args_free(child->args, child->own_args);
    sp__child_def_unref(child->def);
    sp_reason_unref(child->reason);
    sp__free(child);
}

const char *sp__supervisor_text(char text[SP__CHILD_TEXT_MAX])
{
    _Static_assert(SP__CHILD_TEXT_MAX > SP_NAME_MAX && SP__CHILD_TEXT_MAX >= SP_PID_TEXT_MAX,
                   "a name or a pid fits");
    if (sp_name_of(sp_self(), text) != SP_OK)
        (void)sp_pid_format(sp_self(), text);
    return text;
}

/* "store <0.4.1>"; without an id just the pid. */
static const char *child_text(const struct sp__child *child, char text[SP__CHILD_TEXT_MAX])
{
    char pid[SP_PID_TEXT_MAX];
    const char *id = child->def->spec.id;
    snprintf(text, SP__CHILD_TEXT_MAX, "%s%s%s", id == NULL ? "" : id, id == NULL ? "" : " ",
             sp_pid_format(child->pid, pid));
    return text;
}

/* ---- start ---- */

/* A start function may have spawned without a link; and the process may be dead already: then the
 * link says so with an EXIT notice, because a supervisor traps. */
static sp_err child_start_function(struct sp__child *child, sp_pid *out_pid)
{
    sp_pid pid = SP_PID_NONE;
    sp_err err = child->def->spec.start((void *)(uintptr_t)child->args, &pid);
    if (err != SP_OK)
        return err;
    if (sp_pid_is_none(pid))
        return SP_ERR_INVALID;
    err = sp_link(pid);
    if (err != SP_OK) {
        while (sp_kill(pid) == SP_ERR_NOMEM)
            sp__deadline_pause();
        return err;
    }
    *out_pid = pid;
    return SP_OK;
}

static sp_err child_start_process(struct sp__child *child, struct sp__child_failure *failure,
                                  sp_pid *out_pid)
{
    const struct sp_child_spec *spec = &child->def->spec;
    struct sp_server_options options = spec->options;
    options.spawn.link = true;
    options.out_existing = &failure->existing;
    if (!sp_pid_is_none(child->stash.pid))
        options.spawn.name = NULL; /* its stand-in has it yet */

    if (spec->start != NULL)
        return child_start_function(child, out_pid);
    sp_err err;
    if (spec->supervisor != NULL)
        err = sp_supervisor_start(spec->supervisor, &options, out_pid);
    else if (spec->dynamic != NULL)
        err = sp_dynamic_supervisor_start(spec->dynamic, &options, out_pid);
    else
        err = sp_server_start(spec->server, child->args, &options, out_pid);
    if (err != SP_OK) {
        struct sp_call_outcome outcome;
        sp_call_outcome(&outcome);
        failure->reason = outcome.reason;
    }
    return err;
}

/* The child runs without its name: hand it over, with what was sent to it. */
static sp_err child_deliver_stash(struct sp__child *child)
{
    if (sp_pid_is_none(child->stash.pid))
        return SP_OK;
    sp_err err = sp__stash_deliver(&child->stash, child->def->spec.options.spawn.name, child->pid);
    /* NOPROC: it died meanwhile, its EXIT notice is under way. */
    return err == SP_ERR_NOPROC ? SP_OK : err;
}

static void child_start_failed(struct sp__child *child, const struct sp__child_failure *failure)
{
    if (failure->err == SP_ERR_IGNORED) {
        sp__child_retry_cancel(child);
        return;
    }
    const struct sp_reason *reason = failure->reason;
    if (reason != NULL)
        sp_reason_ref(reason);
    else
        reason = sp_reason_error(failure->err, "%s", sp_err_name(failure->err));
    sp_reason_unref(child->reason);
    child->reason = reason;
}

sp_err sp__child_start(struct sp__child *child, struct sp__child_failure *out_failure)
{
    sp_pid pid;
    *out_failure = (struct sp__child_failure){ 0 };
    sp_err err = child_start_process(child, out_failure, &pid);
    if (err == SP_OK) {
        child->pid = pid;
        child->status = SP_CHILD_RUNNING;
        if (!sp_pid_is_none(child->ended))
            sp__exits_restarted(sp_runtime_current(), child->ended, pid);
        child->ended = SP_PID_NONE;
        err = child_deliver_stash(child);
        if (err != SP_OK)
            sp__child_stop(child);
    }
    out_failure->err = err;
    if (err == SP_OK)
        sp__backoff_started(&child->backoff, sp_now());
    else
        child_start_failed(child, out_failure);
    return err;
}

const char *sp__child_failure_text(const struct sp__child_failure *failure)
{
    return failure->reason != NULL ? sp_reason_text(failure->reason) : sp_err_name(failure->err);
}

/* ---- stop ---- */

/* "Killed at once" is a budget of nothing. */
static bool child_is_brutal(const struct sp__child *child)
{
    sp_deadline shutdown = child->def->spec.shutdown;
    return shutdown.kind == SP_DEADLINE_AFTER && shutdown.ns == 0;
}

/* NOPROC: it is dead, which is what is asked for. */
static void child_signal(const struct sp__child *child, const struct sp_reason *reason)
{
    while (sp_signal(child->pid, reason) == SP_ERR_NOMEM)
        sp__deadline_pause();
}

void sp__child_stop_begin(struct sp__child *child)
{
    child_signal(child, child_is_brutal(child) ? sp_reason_kill() : sp_reason_shutdown());
}

/* True: it is dead. Without memory to be told, it is looked at now and then. */
static bool child_wait(const struct sp__child *child, sp_deadline until)
{
    sp_err err;
    while ((err = sp_join(child->pid, until, NULL)) == SP_ERR_NOMEM && sp_is_alive(child->pid)) {
        if (sp__deadline_passed(until))
            return false;
        sp__deadline_pause();
    }
    return err != SP_ERR_TIMEOUT;
}

/* It did not end in time. */
static void child_kill(struct sp__child *child)
{
    char self[SP__CHILD_TEXT_MAX], text[SP__CHILD_TEXT_MAX];
    sp__supervisor_text(self);
    child_text(child, text);
    if (!child_is_brutal(child))
        sp__log(sp_runtime_current(), SP_LOG_WARNING,
                "supervisor %s: child %s did not shut down within %lld ms, killed", self, text,
                (long long)(child->def->spec.shutdown.ns / SP_NS_PER_MS));
    child_signal(child, sp_reason_kill());
    if (!child_wait(child, sp__deadline_fix(CHILD_KILL_GRACE, sp_never())))
        sp__log(sp_runtime_current(), SP_LOG_ERROR,
                "supervisor %s: child %s was killed, but does not stop running; given up", self,
                text);
}

void sp__child_stop_end(struct sp__child *child, sp_time began)
{
    sp_deadline shutdown = child->def->spec.shutdown;
    sp_deadline until = sp_never();
    if (child_is_brutal(child))
        until = sp__deadline_fix(CHILD_KILL_GRACE, sp_never());
    else if (shutdown.kind != SP_DEADLINE_NEVER)
        until = sp_at(sp_time_add(began, sp_ns(shutdown.ns)));
    if (!child_wait(child, until))
        child_kill(child);
    child->status = SP_CHILD_STOPPED;
}

void sp__child_stop(struct sp__child *child)
{
    sp__child_stop_begin(child);
    sp__child_stop_end(child, sp_now());
    sp_unlink(child->pid);
    child->pid = SP_PID_NONE;
}

/* ---- restart ---- */

void sp__child_ended(struct sp__child *child, const struct sp_reason *reason)
{
    sp_reason_unref(child->reason);
    child->reason = sp_reason_ref(reason);
    child->ended = child->pid;
}

const struct sp_reason *sp__child_give_up(const struct sp__child *child)
{
    if (child->reason == NULL)
        return sp_reason_shutdown();
    return sp__reason_with_cause(sp_reason_shutdown(), child->reason);
}

enum sp__child_verdict sp__child_judge(const struct sp__child *child,
                                       const struct sp_reason *reason)
{
    switch (child->def->spec.restart) {
    case SP_RESTART_TEMPORARY:
        return SP__CHILD_FORGET;
    case SP_RESTART_TRANSIENT:
        return sp_reason_is_normal(reason) ? SP__CHILD_KEEP : SP__CHILD_RESTART;
    default:
        return SP__CHILD_RESTART;
    }
}

bool sp__child_counts(const struct sp__child *child)
{
    const struct sp_backoff *backoff = &child->def->spec.backoff;
    return backoff->min.ns == 0 || backoff->count_restarts;
}

sp_duration sp__child_delay(struct sp__child *child)
{
    const struct sp_backoff *settings = &child->def->spec.backoff;
    if (settings->min.ns == 0)
        return sp_ns(0);
    return sp__backoff_next(&child->backoff, settings, sp_now(), sp_random());
}

/* Only a server that is started by its class can be stood in for: who else has a name gives it to
 * itself, and would find it taken. */
static sp_err child_open_stash(struct sp__child *child)
{
    const struct sp_child_spec *spec = &child->def->spec;
    if (spec->server == NULL || spec->options.spawn.name == NULL ||
        spec->backoff.stash_max == SP_STASH_NONE || !sp_pid_is_none(child->stash.pid))
        return SP_OK;
    return sp__stash_open(spec->options.spawn.name, spec->server, spec->backoff.stash_max,
                          &child->stash);
}

sp_err sp__child_retry_after(struct sp__child *child, sp_duration delay, const struct sp_op *retry,
                             uint64_t key)
{
    struct sp__child_retry message = { .key = key, .attempt = ++child->attempt };
    sp_err err;
    child->retry_at = sp_time_add(sp_now(), delay);
    child->timer = (sp_timer){ 0 };
    if (delay.ns == 0) {
        err = sp_server_cast(sp_self(), retry, &message);
    } else {
        err = child_open_stash(child);
        if (err == SP_OK)
            err = sp_timer_start(sp_self(), &retry->in, &message,
                                 &(struct sp_timer_options){ .after = delay }, &child->timer);
    }
    child->waiting = err == SP_OK;
    return err;
}

bool sp__child_retry_due(struct sp__child *child, uint32_t attempt)
{
    if (!child->waiting || child->attempt != attempt)
        return false;
    child->waiting = false;
    return true;
}

void sp__child_retry_settle(struct sp__child *child)
{
    if (child->waiting && child->timer.id != 0)
        sp_ignore(sp_timer_cancel(child->timer, NULL));
    child->waiting = false;
}

void sp__child_retry_cancel(struct sp__child *child)
{
    sp__child_retry_settle(child);
    sp__stash_drop(&child->stash);
}

void sp__child_describe(const struct sp__child *child, struct sp_child_info *out_info)
{
    sp__child_def_describe(child->def, out_info);
    out_info->pid = child->pid;
    out_info->status = child->status;
    out_info->restarts = child->restarts;
    if (child->waiting) {
        int64_t left = sp_time_diff(child->retry_at, sp_now()).ns;
        out_info->retry_in = sp_ns(left > 0 ? left : 0);
    }
}

void sp__child_count(const struct sp__child *child, struct sp_supervisor_info *info)
{
    info->specs++;
    info->active += child->status == SP_CHILD_RUNNING;
    info->restarting += child->status == SP_CHILD_RESTARTING;
    if (child->def->spec.type == SP_CHILD_SUPERVISOR)
        info->supervisors++;
    else
        info->workers++;
}
