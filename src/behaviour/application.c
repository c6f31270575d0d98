/* Applications: two processes above each tree.
 *
 *     main ──start──> master "application.NAME" ──link──> root ──link──> top supervisor ─> ...
 *                     settings, questions               starts, stops, hooks
 *
 * The root starts and stops the tree, which may last; meanwhile the master answers, so that a
 * process of the tree can read its settings while it starts. The registry is the list of
 * applications: its order is the order of their starts.
 *
 * A stop is an ordinary stop of the master, whose terminate stops the root, whose terminate stops
 * the top. A kill goes down the same way by deferred functions, which run even then.
 *
 * Threads: each function names its process. Neighbours: supervisor_child.c (the top is a child of
 * the root), application_run.c.
 */
#include "behaviour/application.h"

#include "base/alloc.h"
#include "base/strmap.h"
#include "behaviour/deadline.h"
#include "behaviour/supervisor_child.h"
#include "runtime/log.h"

#include <stdio.h>
#include <string.h>

#define APPLICATION_PREFIX "application."
/* For what only has to notice that it is killed, or that its start has failed. */
#define APPLICATION_GRACE sp_after_sec(5)
_Static_assert(sizeof(APPLICATION_PREFIX) + SP_APPLICATION_NAME_MAX <= SP_NAME_MAX, "fits a name");

/** A text that a message owns. */
struct application_text {
    char *text;
};

/** How the start of the top went. */
struct application_started {
    sp_err err;
    sp_pid top;
};

/* The specification itself: the master, which has it in its start's message, may be gone before the
 * root has read it. */
struct application_root_args {
    struct sp_application_spec spec;
    sp_pid master;
};

static void application_text_finish(struct application_text *text)
{
    sp__free(text->text);
}

SP_SERVER(sp__application, struct sp_application_spec);
SP_CALL(sp__application, begin, sp_empty, sp_empty);
SP_CALL(sp__application, top, sp_empty, sp_pid);
SP_CALL_MOVED(sp__application, setting, struct application_text, application_text_finish,
              struct application_text, application_text_finish);
SP_CAST(sp__application, started, struct application_started);
SP_SERVER(sp__application_root, struct application_root_args);
SP_CAST(sp__application_root, go, sp_empty);

static bool application_name_valid(const char *name)
{
    size_t size = name == NULL ? 0 : strnlen(name, SP_APPLICATION_NAME_MAX + 1);
    return size > 0 && size <= SP_APPLICATION_NAME_MAX;
}

/* The master's name. False: no application can be called so. */
static bool application_master_name(const char *name, char text[SP_NAME_MAX + 1])
{
    if (!application_name_valid(name))
        return false;
    snprintf(text, SP_NAME_MAX + 1, APPLICATION_PREFIX "%s", name);
    return true;
}

static sp_err application_find(const char *name, sp__application_ref *out_ref)
{
    char text[SP_NAME_MAX + 1];
    if (sp_runtime_current() == NULL)
        return SP_ERR_NOTCONTEXT;
    if (!application_master_name(name, text))
        return SP_ERR_NOTFOUND;
    return sp__application_whereis(text, out_ref) == SP_OK ? SP_OK : SP_ERR_NOTFOUND;
}

/* ---- the root ---- */

struct application_root {
    sp__application_ref master;
    struct sp__child *top;
    void (*prep_stop)(void *arg);
    void (*stopped)(void *arg);
    void *hook_arg;
    bool started; /* the top ran: `stopped` is due */
};
SP_STATE(sp__application_root, struct application_root);

/* On every way out; after an orderly one the top is dead already. */
static void application_root_release(void *state)
{
    struct application_root *self = state;
    if (self->top != NULL && self->top->status == SP_CHILD_RUNNING)
        sp_ignore(sp_kill(self->top->pid));
    sp__child_destroy(self->top);
}

static sp_err sp__application_root_init(struct application_root *self,
                                        const struct application_root_args *args)
{
    const struct sp_application_spec *spec = &args->spec;
    struct sp_child_spec top = {
        .supervisor = spec->supervisor,
        .start = spec->start,
        .args = spec->start_args,
        .type = SP_CHILD_SUPERVISOR,
        .restart = SP_RESTART_TEMPORARY,
        .shutdown = spec->shutdown,
    };
    struct sp__child_def *def;
    *self = (struct application_root){
        .master = { args->master },
        .prep_stop = spec->prep_stop,
        .stopped = spec->stopped,
        .hook_arg = spec->hook_arg,
    };
    sp_err err = sp_defer(application_root_release, self);
    if (err == SP_OK)
        err = sp__child_def_create(&top, SP__CHILD_DYNAMIC, &def);
    if (err == SP_OK)
        err = sp__child_create(def, NULL, 0, &self->top);
    return err;
}
SP_ON_INIT(sp__application_root);

static void sp__application_root_on_go(struct application_root *self, const sp_empty *in)
{
    struct sp__child_failure failure;
    (void)in;
    struct application_started started = { .err = sp__child_start(self->top, &failure) };
    if (started.err == SP_OK) {
        self->started = true;
        started.top = self->top->pid;
    } else {
        sp__log(sp_runtime_current(), SP_LOG_ERROR, "application failed to start: %s",
                sp__child_failure_text(&failure));
    }
    sp_err err = sp__application_started(self->master, &started);
    /* A master that is gone, or cannot be told, will not miss it. */
    if (started.err != SP_OK || err != SP_OK)
        sp_server_stop_self(sp_reason_shutdown());
}
SP_ON_CAST(sp__application_root, go);

static void sp__application_root_exit(struct application_root *self,
                                      const struct sp_exit_notice *notice)
{
    if (!sp_pid_equal(notice->pid, self->top->pid))
        return;
    self->top->status = SP_CHILD_STOPPED;
    sp_server_stop_self(sp_reason_ref(notice->reason));
}
SP_ON_EXIT(sp__application_root);

static void sp__application_root_terminate(struct application_root *self,
                                           const struct sp_reason *reason)
{
    (void)reason;
    if (self->top->status == SP_CHILD_RUNNING) {
        if (self->prep_stop != NULL)
            self->prep_stop(self->hook_arg);
        sp__child_stop(self->top);
    }
    if (self->started && self->stopped != NULL)
        self->stopped(self->hook_arg);
}
SP_ON_TERMINATE(sp__application_root);

const struct sp_server_class sp__application_root_class = {
    .name = "application_root",
    .state_size = sizeof(struct application_root),
    .args_size = sizeof(struct application_root_args),
    .init = sp__application_root__init,
    .terminate = sp__application_root__terminate,
    .on_exit = sp__application_root__exit,
};

/* ---- the master ---- */

struct application {
    struct sp__strmap settings; /* key -> text, ours */
    sp__application_root_ref root;
    sp_pid top;             /* none: not yet started */
    sp_monitor_ref starter; /* until it has told us to begin */
    sp_request waiter;      /* the starter, until the tree runs */
};
SP_STATE(sp__application, struct application);

/* On every way out; after an orderly one the root is dead already. */
static void application_release(void *state)
{
    struct application *self = state;
    uint32_t cursor = 0;
    sp__strmap_item item;
    if (!sp_pid_is_none(self->root.pid))
        sp_ignore(sp_kill(self->root.pid));
    while (sp__strmap_next(&self->settings, &cursor, &item))
        sp__free(item.value);
    sp__strmap_finish(&self->settings);
}

/* INVALID: a key twice. */
static sp_err application_set(struct application *self,
                              const struct sp_application_setting *setting)
{
    if (setting->key == NULL || setting->value == NULL)
        return SP_ERR_INVALID;
    char *value = sp__strdup(setting->value);
    if (value == NULL)
        return SP_ERR_NOMEM;
    sp_err err = sp__strmap_add(&self->settings, setting->key, strlen(setting->key), value);
    if (err != SP_OK)
        sp__free(value);
    return err == SP_ERR_EXISTS ? SP_ERR_INVALID : err;
}

/* NOTFOUND: one that it depends on does not run. */
static sp_err application_check_depends(const char *const *depends_on)
{
    for (; depends_on != NULL && *depends_on != NULL; depends_on++) {
        sp_pid top;
        sp_err err = sp_application_whereis(*depends_on, (sp_deadline){ 0 }, &top);
        if (err != SP_OK)
            return err;
    }
    return SP_OK;
}

/* A starter that dies before it says `begin` never will. */
static sp_err application_watch_starter(struct application *self)
{
    struct sp_process_info info;
    sp_err err = sp_process_info(sp_self(), &info);
    return err == SP_OK ? sp_monitor(info.parent, &self->starter) : err;
}

static sp_err sp__application_init(struct application *self, const struct sp_application_spec *spec)
{
    struct application_root_args args = { .spec = *spec, .master = sp_self() };
    *self = (struct application){ 0 };
    sp__strmap_init(&self->settings, (struct sp__hash_seed){ sp_random(), sp_random() });
    sp_err err = sp_defer(application_release, self);
    for (size_t i = 0; err == SP_OK && i < spec->setting_count; i++)
        err = application_set(self, &spec->settings[i]);
    if (err == SP_OK)
        err = application_check_depends(spec->depends_on);
    if (err == SP_OK)
        err = application_watch_starter(self);
    if (err == SP_OK)
        err = sp__application_root_start(
            &args, &(struct sp_server_options){ .spawn.link = true, .spawn.trap_exit = true },
            &self->root);
    return err;
}
SP_ON_INIT(sp__application);

/* The end of the start, good or bad, for whoever waits for it. */
static void application_answer(struct application *self, sp_err err)
{
    /* STALE: nobody waits, or was answered before. */
    if (err != SP_OK)
        sp_ignore(sp_request_fail(self->waiter, err));
    else
        sp_ignore(sp__application_begin_reply(self->waiter, &(sp_empty){ 0 }));
}

/* Apart from the master's init, so that it answers questions while the tree starts. */
static sp_err sp__application_on_begin(struct application *self, const sp_empty *in, sp_empty *out)
{
    (void)out;
    if (self->starter.id == 0)
        return SP_ERR_INVALID;
    sp_err err = sp_request_take(&self->waiter);
    if (err == SP_OK)
        err = sp__application_root_go(self->root, in);
    if (err != SP_OK) {
        application_answer(self, err);
        return err;
    }
    (void)sp_demonitor(self->starter, SP_DEMONITOR_FLUSH);
    self->starter.id = 0;
    return SP_ERR_DEFERRED;
}
SP_ON_CALL(sp__application, begin);

static void sp__application_down(struct application *self, const struct sp_down *down)
{
    if (down->ref.id == self->starter.id)
        sp_server_stop_self(sp_reason_shutdown());
}
SP_ON_DOWN(sp__application);

static void sp__application_on_started(struct application *self,
                                       const struct application_started *in)
{
    if (in->err == SP_OK)
        self->top = in->top;
    else
        sp_server_stop_self(sp_reason_shutdown());
    application_answer(self, in->err);
}
SP_ON_CAST(sp__application, started);

static sp_err sp__application_on_top(struct application *self, const sp_empty *in, sp_pid *out)
{
    (void)in;
    if (sp_pid_is_none(self->top))
        return SP_ERR_NOTFOUND;
    *out = self->top;
    return SP_OK;
}
SP_ON_CALL(sp__application, top);

static sp_err sp__application_on_setting(struct application *self,
                                         const struct application_text *in,
                                         struct application_text *out)
{
    const char *value = sp__strmap_get(&self->settings, in->text, strlen(in->text));
    if (value == NULL)
        return SP_ERR_NOTFOUND;
    out->text = sp__strdup(value);
    return out->text == NULL ? SP_ERR_NOMEM : SP_OK;
}
SP_ON_CALL(sp__application, setting);

/* The root is gone, and with it the tree: of what the top died. */
static void sp__application_exit(struct application *self, const struct sp_exit_notice *notice)
{
    if (!sp_pid_equal(notice->pid, self->root.pid))
        return;
    self->root.pid = SP_PID_NONE;
    application_answer(self, SP_ERR_DIED);
    sp_server_stop_self(sp_reason_ref(notice->reason));
}
SP_ON_EXIT(sp__application);

static void sp__application_terminate(struct application *self, const struct sp_reason *reason)
{
    (void)reason;
    application_answer(self, SP_ERR_SHUTDOWN);
    if (sp_pid_is_none(self->root.pid))
        return;
    while (sp_signal(self->root.pid, sp_reason_shutdown()) == SP_ERR_NOMEM)
        sp__deadline_pause();
    while (sp_join(self->root.pid, sp_never(), NULL) == SP_ERR_NOMEM)
        sp__deadline_pause();
    self->root.pid = SP_PID_NONE;
}
SP_ON_TERMINATE(sp__application);

const struct sp_server_class sp__application_class = {
    .name = "application",
    .state_size = sizeof(struct application),
    .args_size = sizeof(struct sp_application_spec),
    .init = sp__application__init,
    .terminate = sp__application__terminate,
    .on_down = sp__application__down,
    .on_exit = sp__application__exit,
};

/* ---- the public functions ---- */

static bool application_spec_valid(const struct sp_application_spec *spec)
{
    return application_name_valid(spec->name) &&
           (spec->supervisor != NULL) + (spec->start != NULL) == 1 &&
           (spec->setting_count == 0 || spec->settings != NULL);
}

/* False: it did not end by itself in time. */
static bool application_stop_or_kill(sp_pid master, sp_deadline until)
{
    sp_err err;
    while ((err = sp_stop(master, sp_reason_shutdown(), until)) == SP_ERR_NOMEM)
        sp__deadline_pause();
    if (err == SP_OK || err == SP_ERR_NOPROC)
        return true;
    while (sp_kill(master) == SP_ERR_NOMEM)
        sp__deadline_pause();
    while (sp_join(master, APPLICATION_GRACE, NULL) == SP_ERR_NOMEM)
        sp__deadline_pause();
    return false;
}

sp_err sp__application_start_watched(const struct sp_application_spec *spec, sp_deadline deadline,
                                     sp_monitor_ref *out_monitor)
{
    char name[SP_NAME_MAX + 1];
    sp__application_ref master;
    sp_empty out;
    if (!application_spec_valid(spec) || !application_master_name(spec->name, name))
        return SP_ERR_INVALID;
    deadline = sp__deadline_fix(deadline, sp_never());
    sp_err err =
        sp__application_start(spec,
                              &(struct sp_server_options){ .spawn.name = name,
                                                           .spawn.trap_exit = true,
                                                           .spawn.out_monitor = out_monitor,
                                                           .start_deadline = deadline },
                              &master);
    if (err != SP_OK)
        return err;
    err = sp__application_begin(master, &(sp_empty){ 0 }, &out, deadline);
    if (err != SP_OK) /* whatever it was, the name is free when this returns */
        sp_ignore(application_stop_or_kill(master.pid, err == SP_ERR_TIMEOUT ? sp_nowait()
                                                                             : APPLICATION_GRACE));
    return err;
}

sp_err sp_application_start(const struct sp_application_spec *spec, sp_deadline deadline)
{
    return sp__application_start_watched(spec, deadline, NULL);
}

sp_err sp_application_stop(const char *name, sp_deadline deadline)
{
    sp__application_ref master;
    sp_err err = application_find(name, &master);
    if (err != SP_OK)
        return err;
    err = sp_stop(master.pid, sp_reason_shutdown(), deadline);
    return err == SP_ERR_NOPROC ? SP_ERR_NOTFOUND : err;
}

sp_err sp_application_whereis(const char *name, sp_deadline deadline, sp_pid *out_top)
{
    sp__application_ref master;
    sp_err err = application_find(name, &master);
    if (err != SP_OK)
        return err;
    err = sp__application_top(master, &(sp_empty){ 0 }, out_top, deadline);
    return err == SP_ERR_NOPROC || err == SP_ERR_DIED ? SP_ERR_NOTFOUND : err;
}

sp_err sp_application_setting(const char *name, const char *key, char *value, size_t size)
{
    sp__application_ref master;
    struct application_text in, out;
    sp_err err = application_find(name, &master);
    if (err != SP_OK)
        return err;
    in.text = sp__strdup(key);
    if (in.text == NULL)
        return SP_ERR_NOMEM;
    err = sp__application_setting(master, &in, &out, (sp_deadline){ 0 });
    if (err != SP_OK)
        return err == SP_ERR_NOPROC || err == SP_ERR_DIED ? SP_ERR_NOTFOUND : err;
    size_t length = strlen(out.text) + 1;
    if (length <= size)
        memcpy(value, out.text, length);
    else
        err = SP_ERR_TOOBIG;
    application_text_finish(&out);
    return err;
}

/* ---- all of them ---- */

struct application_walk {
    sp_application_fn fn;
    void *arg;
};

static bool application_walk_name(const char *name, sp_pid pid, void *arg)
{
    const struct application_walk *walk = arg;
    (void)pid;
    size_t prefix = sizeof(APPLICATION_PREFIX) - 1;
    if (strncmp(name, APPLICATION_PREFIX, prefix) != 0)
        return true;
    return walk->fn(name + prefix, walk->arg);
}

sp_err sp_application_each(sp_application_fn fn, void *arg)
{
    struct application_walk walk = { .fn = fn, .arg = arg };
    return sp_registered_each(application_walk_name, &walk);
}

/* The masters, oldest first. */
struct application_masters {
    sp_pid *pids;
    size_t count;
    size_t room;
};

static bool application_collect(const char *name, void *arg)
{
    struct application_masters *masters = arg;
    sp__application_ref master;
    if (masters->count < masters->room && application_find(name, &master) == SP_OK)
        masters->pids[masters->count++] = master.pid;
    return true;
}

sp_err sp_application_stop_all(sp_deadline deadline)
{
    struct application_masters masters = { .room = sp_registered_count() };
    deadline = sp__deadline_fix(deadline, sp_never());
    masters.pids = sp_try_alloc((masters.room + 1) * sizeof(*masters.pids));
    if (masters.pids == NULL)
        return SP_ERR_NOMEM;
    sp_err err = sp_application_each(application_collect, &masters);
    while (err != SP_ERR_NOMEM && masters.count > 0)
        if (!application_stop_or_kill(masters.pids[--masters.count], deadline))
            err = SP_ERR_TIMEOUT;
    sp_free(masters.pids);
    return err;
}
