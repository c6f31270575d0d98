/* As nomem.c: state machines, tasks and groups of them, work that blocks, dynamic supervisors and
 * applications. What succeeded must be right. */
#include "nomem.h"

#include <spawned/application.h>
#include <spawned/dynamic_supervisor.h>
#include <spawned/sim.h>
#include <spawned/spawned.h>
#include <spawned/statem.h>
#include <spawned/task.h>

/* The library's promise is broken. */
static void must(bool held)
{
    if (!held)
        __builtin_trap();
}

/* ---- state machines ---- */

SP_SERVER(lamp, int);
SP_CALL(lamp, press, int, int);

SP_STATEM(lamp, int);
SP_EVENT(lamp, blink, int);
struct lamp_state {
    SP_STATE_FIELDS(lamp);
    SP_STATE_CALL_FIELD(lamp, press);
    SP_STATE_CAST_FIELD(lamp, blink);
};
static const struct lamp_state lamp_off, lamp_on;

static sp_err lamp_init(int *presses, const int *first, const struct lamp_state **out_first)
{
    *presses = *first;
    *out_first = &lamp_off;
    return SP_OK;
}

static sp_err lamp_off_press(int *presses, const int *in, int *out)
{
    *presses += *in;
    *out = *presses;
    lamp_blink_raise(in);
    lamp_next(&lamp_on);
    return SP_OK;
}

static void lamp_on_enter(int *presses, const struct lamp_state *old)
{
    (void)presses;
    (void)old;
    sp_statem_state_timeout(sp_ms(2));
}

static sp_err lamp_on_press(int *presses, const int *in, int *out)
{
    (void)presses;
    (void)in;
    (void)out;
    return sp_statem_postpone();
}

static void lamp_on_timeout(int *presses)
{
    (void)presses;
    lamp_next(&lamp_off);
}

static void lamp_on_blink(int *presses, const int *in)
{
    (void)presses;
    lamp_blink_after(sp_sec(1), in);
}

static const struct lamp_state lamp_off = { .name = "off", .press = lamp_off_press };
static const struct lamp_state lamp_on = { .name = "on",
                                           .enter = lamp_on_enter,
                                           .press = lamp_on_press,
                                           .state_timeout = lamp_on_timeout,
                                           .blink = lamp_on_blink };

SP_STATEM_ON_INIT(lamp);
SP_STATEM_ON_CALL(lamp, press);
SP_STATEM_ON_EVENT(lamp, blink);
SP_STATEM_CLASS(lamp, .init = lamp__init);

NOMEM_TEST(state_machines)
{
    lamp_ref lamp;
    int presses;
    (void)arg;
    if (lamp_start(&(int){ 0 }, NULL, &lamp) != SP_OK)
        return;
    for (int i = 1; i <= 3; i++)
        if (lamp_press(lamp, &(int){ 1 }, &presses, sp_after_sec(5)) == SP_OK)
            must(presses >= 1 && presses <= i);
    sp_ignore(sp_stop(lamp.pid, sp_reason_shutdown(), sp_after_sec(5)));
}

/* ---- tasks ---- */

SP_TASK(square, int, int);
static sp_err square_run(const int *in, int *out)
{
    *out = *in * *in;
    return SP_OK;
}
SP_ON_TASK(square);

SP_TASK(idle, int, int);
static sp_err idle_run(const int *in, int *out)
{
    *out = *in;
    return sp_sleep(sp_sec(2)) ? SP_OK : SP_ERR_CANCELLED;
}
SP_ON_TASK(idle);

NOMEM_TEST(tasks)
{
    square_task task;
    idle_task slow;
    int out;
    int ins[4] = { 1, 2, 3, 4 };
    int outs[4];
    sp_err errs[4];
    (void)arg;
    if (square_spawn(&ins[2], NULL, &task) == SP_OK &&
        square_join(task, &out, sp_after_sec(5)) == SP_OK)
        must(out == 9);
    if (idle_spawn(&ins[0], NULL, &slow) == SP_OK) {
        sp_ignore(sp_task_cancel(slow.task));
        sp_ignore(idle_join(slow, &out, sp_after_sec(5)));
    }
    sp_ignore(square_map(ins, 4, outs, errs, NULL, sp_after_sec(5)));
    for (int i = 0; i < 4; i++)
        must(errs[i] != SP_OK || outs[i] == ins[i] * ins[i]);
}

NOMEM_TEST(groups)
{
    sp_task_group group;
    struct sp_task_group_info info;
    int out;
    (void)arg;
    if (sp_task_group_open(&(struct sp_task_group_options){ .running_max = 2 }, &group) != SP_OK)
        return;
    sp_ignore(idle_add(group, &(int){ 1 }));
    for (int i = 3; i < 6; i++)
        sp_ignore(square_add(group, &i));
    if (square_race(group, &out, NULL, sp_after_sec(5)) == SP_OK) {
        must(out == 9 || out == 16 || out == 25);
        must(sp_task_group_info(group, &info) != SP_OK || info.running == 0);
    }
    sp_task_group_close(group);
    SP_SCOPE(scope, NULL);
    sp_ignore(idle_add(scope, &(int){ 1 }));
}

/* ---- work that blocks ---- */

static void add(void *data)
{
    *(int *)data += 1;
}

NOMEM_TEST(blocking)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        int number = i;
        if (sp_blocking(add, &number, sizeof(number), sp_after_sec(5)) == SP_OK)
            must(number == i + 1);
    }
}

/* ---- applications, and dynamic supervisors ---- */

SP_SERVER(worker, int);
SP_CALL(worker, number, sp_empty, int);

static sp_err worker_init(int *self, const int *number)
{
    *self = *number;
    return SP_OK;
}

static sp_err worker_on_number(int *self, const sp_empty *in, int *out)
{
    (void)in;
    *out = *self;
    return SP_OK;
}

SP_STATE(worker, int);
SP_ON_INIT(worker);
SP_ON_CALL(worker, number);
SP_CLASS(worker, .init = worker__init);

NOMEM_TEST(dynamic_supervisors)
{
    struct sp_child_spec kind = {
        .id = "k", .server = &worker_class, .args = &(int){ 4 }, .args_size = sizeof(int)
    };
    struct sp_dynamic_supervisor_spec spec = { .child = &kind, .max_restarts = 5 };
    sp_pid supervisor;
    sp_pid child;
    int number;
    (void)arg;
    (void)sp_trap_exit(true);
    if (sp_dynamic_supervisor_start(&spec, NULL, &supervisor) != SP_OK)
        return;
    for (int i = 0; i < 2; i++) {
        if (sp_dynamic_supervisor_start_child(supervisor, &(struct sp_dynamic_child){ 0 },
                                              sp_after_sec(5), &child) != SP_OK)
            continue;
        if (worker_number((worker_ref){ child }, &(sp_empty){ 0 }, &number, sp_after_sec(5)) ==
            SP_OK)
            must(number == 4);
        if (i == 0)
            sp_ignore(sp_kill(child));
        else
            sp_ignore(sp_dynamic_supervisor_terminate_child(supervisor, child, sp_after_sec(5)));
    }
    sp_ignore(sp_stop(supervisor, sp_reason_shutdown(), sp_after_sec(5)));
}

NOMEM_TEST(applications)
{
    static const char *const on_a[] = { "a", NULL };
    static const struct sp_application_setting settings[] = { { "k", "v" } };
    /* Static, for the caller may end in the middle. */
    static const int number = 5;
    static const struct sp_child_spec child = {
        .id = "a", .server = &worker_class, .args = &number, .args_size = sizeof(number)
    };
    static const struct sp_supervisor_spec top = { .children = &child, .child_count = 1 };
    static const struct sp_application_spec specs[] = {
        { .name = "b", .supervisor = &top, .depends_on = on_a },
        { .name = "a", .supervisor = &top, .settings = settings, .setting_count = 1 },
    };
    char value[8];
    (void)arg;
    if (sp_application_start_all(specs, 2, sp_after_sec(5), NULL) == SP_OK &&
        sp_application_setting("a", "k", value, sizeof(value)) == SP_OK)
        must(value[0] == 'v');
    sp_ignore(sp_application_stop_all(sp_after_sec(20)));
}
