/* The coordinator: a server, found by its name, that knows the plan and answers while it runs. */
#include "behaviour/shutdown.h"

#include "base/alloc.h"
#include "base/text.h"
#include "behaviour/deadline.h"
#include "runtime/log.h"
#include "spawned/os_signal.h"

#include <signal.h>
#include <string.h>

#define SHUTDOWN_NAME "sp.shutdown"

/* An order to add a task, or to take one out. */
struct shutdown_order {
    char phase[SP_SHUTDOWN_NAME_MAX + 1];
    char name[SP_SHUTDOWN_NAME_MAX + 1];
    sp_shutdown_fn run;
    void *arg;
    sp_pid pid;
};

struct shutdown_text {
    char text[SP_SHUTDOWN_TEXT_MAX];
};

struct shutdown_steps {
    struct sp_shutdown_step *steps;
    size_t count;
};

static void shutdown_steps_finish(struct shutdown_steps *steps)
{
    sp__free(steps->steps);
}

static void shutdown_nothing_finish(sp_empty *nothing)
{
    (void)nothing;
}

SP_CALL(sp__shutdown, add, struct shutdown_order, sp_empty);
SP_CALL(sp__shutdown, remove, struct shutdown_order, sp_empty);
SP_CALL(sp__shutdown, begin, struct shutdown_text, sp_empty);
SP_CALL_MOVED(sp__shutdown, list, sp_empty, shutdown_nothing_finish, struct shutdown_steps,
              shutdown_steps_finish);
SP_STATE(sp__shutdown, struct sp__shutdown);

/* ---- the server ---- */

static struct sp__shutdown_task *shutdown_task(struct sp__shutdown *self, size_t phase,
                                               const char *name)
{
    for (struct sp__list *at = sp__list_first(&self->tasks); at != NULL;
         at = sp__list_next(&self->tasks, at)) {
        struct sp__shutdown_task *task = sp__container_of(at, struct sp__shutdown_task, link);
        if (task->phase == phase && strcmp(task->name, name) == 0)
            return task;
    }
    return NULL;
}

static sp_err sp__shutdown_on_add(struct sp__shutdown *self, const struct shutdown_order *in,
                                  sp_empty *out)
{
    (void)out;
    size_t phase = sp__shutdown_plan_find(&self->plan, in->phase);
    if (self->stage != SP__SHUTDOWN_IDLE)
        return SP_ERR_SHUTDOWN;
    if (phase == self->plan.count)
        return SP_ERR_NOTFOUND;
    struct sp__shutdown_task *task = shutdown_task(self, phase, in->name);
    if (task == NULL && self->task_count == SP_SHUTDOWN_TASKS_MAX)
        return SP_ERR_LIMIT;
    if (task == NULL) {
        task = sp_try_alloc(sizeof(*task));
        if (task == NULL)
            return SP_ERR_NOMEM;
        *task = (struct sp__shutdown_task){ .phase = phase };
        memcpy(task->name, in->name, sizeof(task->name));
        sp__list_push_back(&self->tasks, &task->link);
        self->task_count++;
    }
    task->run = in->run;
    task->arg = in->arg;
    task->pid = in->pid;
    return SP_OK;
}
SP_ON_CALL(sp__shutdown, add);

static sp_err sp__shutdown_on_remove(struct sp__shutdown *self, const struct shutdown_order *in,
                                     sp_empty *out)
{
    (void)out;
    if (self->stage != SP__SHUTDOWN_IDLE)
        return SP_ERR_SHUTDOWN;
    struct sp__shutdown_task *task =
        shutdown_task(self, sp__shutdown_plan_find(&self->plan, in->phase), in->name);
    if (task == NULL)
        return SP_ERR_NOTFOUND;
    sp__list_remove(&task->link);
    sp_free(task);
    self->task_count--;
    return SP_OK;
}
SP_ON_CALL(sp__shutdown, remove);

/* The lines of one phase, into `steps`; returns how many. */
static size_t shutdown_list_phase(const struct sp__shutdown *self, size_t phase,
                                  struct sp_shutdown_step *steps)
{
    const struct sp__shutdown_phase *of = &self->plan.phases[phase];
    size_t count = 0;
    for (struct sp__list *at = sp__list_first(&self->tasks); at != NULL;
         at = sp__list_next(&self->tasks, at)) {
        const struct sp__shutdown_task *task = sp__container_of(at, struct sp__shutdown_task, link);
        if (task->phase == phase)
            memcpy(steps[count++].task, task->name, sizeof(task->name));
    }
    count += count == 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(steps[i].phase, of->name, sizeof(of->name));
        steps[i].budget = of->budget;
    }
    return count;
}

static sp_err sp__shutdown_on_list(struct sp__shutdown *self, const sp_empty *in,
                                   struct shutdown_steps *out)
{
    (void)in;
    out->steps = sp__calloc(self->task_count + self->plan.count, sizeof(*out->steps));
    if (out->steps == NULL)
        return SP_ERR_NOMEM;
    for (size_t i = 0; i < self->plan.count; i++)
        out->count += shutdown_list_phase(self, self->plan.order[i], &out->steps[out->count]);
    return SP_OK;
}
SP_ON_CALL(sp__shutdown, list);

static sp_err sp__shutdown_on_begin(struct sp__shutdown *self, const struct shutdown_text *in,
                                    sp_empty *out)
{
    (void)out;
    sp__shutdown_run(self, in->text);
    return SP_OK;
}
SP_ON_CALL(sp__shutdown, begin);

/* Those who have given up. */
static void shutdown_forget_waiters(struct sp__shutdown *self)
{
    for (struct sp__list *at = sp__list_first(&self->waiters), *next; at != NULL; at = next) {
        struct sp__shutdown_waiter *waiter = sp__container_of(at, struct sp__shutdown_waiter, link);
        next = sp__list_next(&self->waiters, at);
        if (!sp_request_expired(waiter->request))
            continue;
        sp__list_remove(at);
        sp_request_drop(waiter->request);
        sp_free(waiter);
    }
}

static sp_err sp__shutdown_on_wait(struct sp__shutdown *self, const sp_empty *in,
                                   struct sp_shutdown_report *out)
{
    (void)in;
    if (self->stage == SP__SHUTDOWN_OVER) {
        *out = self->report;
        return SP_OK;
    }
    shutdown_forget_waiters(self);
    struct sp__shutdown_waiter *waiter = sp_try_alloc(sizeof(*waiter));
    if (waiter == NULL)
        return SP_ERR_NOMEM;
    sp_err err = sp_request_take(&waiter->request);
    if (err != SP_OK) {
        sp_free(waiter);
        return err;
    }
    sp__list_init(&waiter->link);
    sp__list_push_back(&self->waiters, &waiter->link);
    return SP_ERR_DEFERRED;
}
SP_ON_CALL(sp__shutdown, wait);

static void sp__shutdown_on_late(struct sp__shutdown *self, const struct sp__shutdown_late *in)
{
    sp__shutdown_phase_late(self, in->at);
}
SP_ON_CAST(sp__shutdown, late);

static void sp__shutdown_down(struct sp__shutdown *self, const struct sp_down *down)
{
    sp__shutdown_task_ended(self, down);
}
SP_ON_DOWN(sp__shutdown);

static void sp__shutdown_message(struct sp__shutdown *self, struct sp_message *message)
{
    const struct sp_os_signal *signal = sp_os_signal_of(message);
    if (signal != NULL)
        sp__shutdown_run(self, signal->signo == SIGTERM ? "SIGTERM" : "SIGINT");
}
SP_ON_MESSAGE(sp__shutdown);

static sp_err sp__shutdown_init(struct sp__shutdown *self, const struct sp_shutdown_options *args)
{
    sp__list_init(&self->tasks);
    sp__list_init(&self->waiters);
    self->total = args->total;
    sp_err err = sp__shutdown_plan_init(&self->plan, args, NULL);
    struct shutdown_order stop = { .phase = "stop",
                                   .name = "applications",
                                   .run = sp__shutdown_stop_applications };
    if (err == SP_OK)
        err = sp__shutdown_on_add(self, &stop, NULL);
    if (err == SP_OK && !args->no_signals)
        err = sp_os_signal_subscribe(SP_OS_SIGNAL_ONCE, (sp_deadline){ 0 });
    return err;
}
SP_ON_INIT(sp__shutdown);

/* Written out for the name that inspection and the log show. The arguments are borrowed: who
 * starts it waits for its init. */
const struct sp_server_class sp__shutdown_class = {
    .name = "shutdown",
    .state_size = sizeof(struct sp__shutdown),
    .init = sp__shutdown__init,
    .on_down = sp__shutdown__down,
    .on_message = sp__shutdown__message,
};

/* ---- the public functions ---- */

sp_err sp_shutdown_start(const struct sp_shutdown_options *options,
                         struct sp_shutdown_fault *out_fault)
{
    static const struct sp_shutdown_options defaults;
    struct sp__shutdown_plan plan;
    options = options == NULL ? &defaults : options;
    if (sp_runtime_current() == NULL)
        return SP_ERR_NOTCONTEXT;
    sp_err err = sp__shutdown_plan_init(&plan, options, out_fault);
    if (err != SP_OK)
        return err;
    sp__shutdown_ref ref;
    return sp__shutdown_start(options, &(struct sp_server_options){ .spawn.name = SHUTDOWN_NAME },
                              &ref);
}

static sp_err shutdown_find(sp__shutdown_ref *out_ref)
{
    if (sp_runtime_current() == NULL)
        return SP_ERR_NOTCONTEXT;
    return sp__shutdown_whereis(SHUTDOWN_NAME, out_ref) == SP_OK ? SP_OK : SP_ERR_NOTFOUND;
}

/* It ended in between. */
static sp_err shutdown_result(sp_err err)
{
    return err == SP_ERR_NOPROC ? SP_ERR_NOTFOUND : err;
}

static sp_err shutdown_order(struct shutdown_order *order, const char *phase, const char *name)
{
    if (!sp__shutdown_name_valid(phase) || !sp__shutdown_name_valid(name))
        return SP_ERR_INVALID;
    memcpy(order->phase, phase, strlen(phase) + 1);
    memcpy(order->name, name, strlen(name) + 1);
    return SP_OK;
}

static sp_err shutdown_add(struct shutdown_order *order, const char *phase, const char *name)
{
    sp__shutdown_ref ref;
    sp_empty out;
    sp_err err = shutdown_order(order, phase, name);
    if (err == SP_OK)
        err = shutdown_find(&ref);
    if (err == SP_OK)
        err = sp__shutdown_add(ref, order, &out, (sp_deadline){ 0 });
    return shutdown_result(err);
}

sp_err sp_shutdown_add(const char *phase, const char *name, sp_shutdown_fn run, void *arg)
{
    struct shutdown_order order = { .run = run, .arg = arg };
    return shutdown_add(&order, phase, name);
}

sp_err sp_shutdown_add_drain(const char *phase, const char *name, sp_pid pid)
{
    struct shutdown_order order = { .pid = pid };
    return shutdown_add(&order, phase, name);
}

sp_err sp_shutdown_remove(const char *phase, const char *name)
{
    struct shutdown_order order = { .run = NULL };
    sp__shutdown_ref ref;
    sp_empty out;
    sp_err err = shutdown_order(&order, phase, name);
    if (err == SP_ERR_INVALID)
        return SP_ERR_NOTFOUND; /* nothing can be called so */
    err = shutdown_find(&ref);
    if (err == SP_OK)
        err = sp__shutdown_remove(ref, &order, &out, (sp_deadline){ 0 });
    return shutdown_result(err);
}

sp_err sp_shutdown_list(struct sp_shutdown_step *steps, size_t max, sp_deadline deadline,
                        size_t *out_count)
{
    struct shutdown_steps all;
    sp__shutdown_ref ref;
    sp_err err = shutdown_find(&ref);
    if (err == SP_OK)
        err = sp__shutdown_list(ref, &(sp_empty){ 0 }, &all, deadline);
    if (err != SP_OK)
        return shutdown_result(err);
    *out_count = all.count;
    size_t copied = all.count < max ? all.count : max;
    if (copied > 0)
        memcpy(steps, all.steps, copied * sizeof(*steps));
    shutdown_steps_finish(&all);
    return SP_OK;
}

sp_err sp_shutdown_begin(const char *reason)
{
    struct shutdown_text text;
    struct sp__text in;
    sp__shutdown_ref ref;
    sp_empty out;
    memset(&text, 0, sizeof(text));
    sp__text_init(&in, text.text, sizeof(text.text));
    sp__text_add(&in, "%s", reason);
    sp_err err = shutdown_find(&ref);
    if (err == SP_OK)
        err = sp__shutdown_begin(ref, &text, &out, (sp_deadline){ 0 });
    return shutdown_result(err);
}

sp_err sp_shutdown_wait(sp_deadline deadline, struct sp_shutdown_report *out_report)
{
    struct sp_shutdown_report report;
    sp__shutdown_ref ref;
    sp_err err = shutdown_find(&ref);
    if (err == SP_OK)
        err = sp__shutdown_wait(ref, &(sp_empty){ 0 }, &report,
                                sp__deadline_fix(deadline, sp_never()));
    if (err == SP_OK && out_report != NULL)
        *out_report = report;
    return shutdown_result(err);
}
