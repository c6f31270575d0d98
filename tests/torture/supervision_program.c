/* Supervisors, dynamic ones, and applications. */
#include "torture.h"

#include "spawned/application.h"
#include "spawned/dynamic_supervisor.h"
#include "spawned/supervisor.h"

SP_SERVER(worker, int);
SP_CAST(worker, crash, int);
SP_CALL(worker, number, sp_empty, int);

static sp_err worker_init(int *self, const int *number)
{
    *self = *number;
    return SP_OK;
}

static void worker_on_crash(int *self, const int *in)
{
    (void)self;
    sp_exit_error(SP_ERR_IO, "told to, by %d", *in);
}

static sp_err worker_on_number(int *self, const sp_empty *in, int *out)
{
    (void)in;
    *out = *self;
    return SP_OK;
}

SP_STATE(worker, int);
SP_ON_INIT(worker);
SP_ON_CAST(worker, crash);
SP_ON_CALL(worker, number);
SP_CLASS(worker, .init = worker__init);

static struct sp_child_spec worker_spec(const char *id, const int *number)
{
    return (struct sp_child_spec){
        .id = id, .server = &worker_class, .args = number, .args_size = sizeof(*number)
    };
}

/* Its child crashes, and answers again; or the supervisor has given up. */
static void crash_child(sp_pid supervisor)
{
    struct sp_child_info info;
    int number = 0;
    if (!DID(sp_supervisor_get_child(supervisor, "a", TORTURE_PATIENCE, &info)) ||
        !DID(worker_crash((worker_ref){ info.pid }, &(int){ 1 })))
        return;
    sp_pid before = info.pid;
    sp_err err;
    do {
        err = sp_supervisor_get_child(supervisor, "a", TORTURE_PATIENCE, &info);
        sp_yield();
    } while (err == SP_OK && (info.status != SP_CHILD_RUNNING || sp_pid_equal(info.pid, before)));
    if (DID(err) &&
        DID(worker_number((worker_ref){ info.pid }, &(sp_empty){ 0 }, &number, TORTURE_PATIENCE)))
        MUST(number == 1);
}

static void part_supervisor(void)
{
    int numbers[] = { 1, 2, 3 };
    struct sp_child_spec leaf = worker_spec("x", &numbers[2]);
    struct sp_supervisor_spec nested = { .children = &leaf, .child_count = 1 };
    struct sp_child_spec children[] = {
        worker_spec("a", &numbers[0]),
        { .id = "sub", .supervisor = &nested },
        worker_spec("c", &numbers[1]),
    };
    struct sp_supervisor_spec spec = {
        .strategy = SP_ONE_FOR_ALL, .max_restarts = 100, .children = children, .child_count = 3
    };
    struct sp_child_info *infos;
    size_t count;
    sp_pid supervisor;
    struct sp_child_spec late = worker_spec("l", &numbers[1]);
    if (!DID(sp_supervisor_start(&spec, NULL, &supervisor)))
        return;
    crash_child(supervisor);
    if (DID(sp_supervisor_which_children(supervisor, TORTURE_PATIENCE, &infos, &count))) {
        MUST(count == 3);
        sp_free(infos);
    }
    if (DID(sp_supervisor_start_child(supervisor, &late, TORTURE_PATIENCE, NULL)))
        if (DID(sp_supervisor_terminate_child(supervisor, "l", TORTURE_PATIENCE)))
            DID(sp_supervisor_delete_child(supervisor, "l", TORTURE_PATIENCE));
    sp_unlink(supervisor);
    if (DID(sp_stop(supervisor, sp_reason_shutdown(), TORTURE_PATIENCE)))
        MUST(!sp_is_alive(supervisor));
}

static void part_dynamic(void)
{
    int number = 4;
    struct sp_child_spec kind = worker_spec("k", &number);
    struct sp_dynamic_supervisor_spec spec = { .child = &kind, .max_restarts = 100 };
    sp_pid supervisor;
    sp_pid child;
    int got = 0;
    if (!DID(sp_dynamic_supervisor_start(&spec, NULL, &supervisor)))
        return;
    if (DID(sp_dynamic_supervisor_start_child(supervisor, &(struct sp_dynamic_child){ 0 },
                                              TORTURE_PATIENCE, &child))) {
        if (DID(worker_number((worker_ref){ child }, &(sp_empty){ 0 }, &got, TORTURE_PATIENCE)))
            MUST(got == 4);
        DID(sp_dynamic_supervisor_terminate_child(supervisor, child, TORTURE_PATIENCE));
    }
    /* Stopped with its children when the runtime stops. */
    DID(sp_dynamic_supervisor_start_child(supervisor, &(struct sp_dynamic_child){ 0 },
                                          TORTURE_PATIENCE, &child));
    sp_unlink(supervisor);
}

static void part_applications(void)
{
    static const char *const on_a[] = { "a", NULL };
    static const struct sp_application_setting settings[] = { { "k", "v" }, { "l", "w" } };
    int number = 5;
    struct sp_child_spec child = worker_spec("a", &number);
    struct sp_supervisor_spec top = { .children = &child, .child_count = 1 };
    const struct sp_application_spec specs[] = {
        { .name = "b", .supervisor = &top, .depends_on = on_a },
        { .name = "a", .supervisor = &top, .settings = settings, .setting_count = 2 },
    };
    char value[8];
    if (DID(sp_application_start_all(specs, 2, TORTURE_PATIENCE, NULL)) &&
        DID(sp_application_setting("a", "k", value, sizeof(value))))
        MUST(value[0] == 'v');
    sp_err err;
    while ((err = sp_application_stop_all(TORTURE_PATIENCE)) == SP_ERR_NOMEM)
        sp_yield();
    DID(err);
}

void supervision_body(void *unused)
{
    (void)unused;
    (void)sp_trap_exit(true);
    part_supervisor();
    part_dynamic();
    part_applications();
}
