/* Servers: how they start and how they end.
 * Acceptance cases 33, 34 (without a supervisor), 37, 39.
 */
#include "support/lab.h"

/** A deadline that is meant to pass. */
#define SHORTLY sp_after_ms(20)

static struct sp_call_outcome outcome(void)
{
    struct sp_call_outcome out;
    sp_call_outcome(&out);
    return out;
}

static void expect_name_free(const char *name)
{
    sp_pid pid;
    CHECK_ERR(sp_whereis(name, &pid), SP_ERR_NOTFOUND);
}

/** Living ones, this one included. */
static size_t processes(void)
{
    sp_pid pids[16];
    size_t cursor = 0;
    return sp_process_list(&cursor, pids, 16);
}

/* ---- start ---- */

TEST(start_returns_when_init_has)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, &(struct sp_server_options){ .spawn = { .name = "lab" } });
    sp_pid holder;
    CHECK_OK(sp_whereis("lab", &holder));
    CHECK(sp_pid_equal(holder, lab.pid));
    CHECK_OK(lab_stop(lab, WORLD_PATIENCE));
    world_close();
}

TEST(case_33_a_failed_init_leaves_nothing_behind)
{
    world_open(NULL);
    (void)sp_trap_exit(true);
    struct sp_server_options options = { .spawn = { .name = "lab", .link = true } };
    lab_ref lab = { SP_PID_NONE };
    struct lab_args args = { .how = LAB_FAILS, .init_err = SP_ERR_ACCESS };
    CHECK_ERR(lab_start(&args, &options, &lab), SP_ERR_ACCESS);
    CHECK(sp_pid_is_none(lab.pid));
    expect_name_free("lab");
    CHECK_INT(processes(), 1);

    struct sp_message *message = expect_message();
    const struct sp_exit_notice *notice = sp_message_exit(message);
    CHECK(notice != NULL);
    CHECK_INT(sp_reason_code(notice->reason), SP_ERR_ACCESS);
    sp_message_free(message);
    expect_nothing();

    lab = lab_begin(NULL, &options);
    CHECK_OK(sp_whereis("lab", &lab.pid));
    world_close();
}

static void start_failing(void *arg)
{
    struct sp_server_options options = { .spawn = { .link = true } };
    sp_ignore(lab_start(&(struct lab_args){ .how = LAB_FAILS, .init_err = SP_ERR_ACCESS }, &options,
                        NULL));
    send_note(*(sp_pid *)arg, 1); /* not reached: the link brings it down */
    sp_yield();
}

TEST(case_33_a_linked_starter_that_does_not_trap_dies_with_it)
{
    world_open(NULL);
    sp_pid self = sp_self();
    sp_monitor_ref ref;
    sp_pid starter;
    CHECK_OK(sp_spawn(start_failing, &self,
                      &(struct sp_spawn_options){ .arg_size = sizeof self, .out_monitor = &ref },
                      &starter));
    struct sp_message *message = expect_message();
    if (note_of(message) != NULL) { /* it may get that far before the signal does */
        sp_message_free(message);
        message = expect_message();
    }
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL && down->ref.id == ref.id);
    CHECK_INT(sp_reason_code(down->reason), SP_ERR_ACCESS);
    sp_message_free(message);
    world_close();
}

TEST(case_33_an_init_that_exits_or_faults)
{
    world_open(NULL);
    struct sp_server_options options = { .spawn = { .name = "lab" } };
    struct lab_args args = { .how = LAB_EXITS };
    CHECK_ERR(lab_start(&args, &options, NULL), SP_ERR_INITFAILED);
    CHECK_STR(sp_reason_text(outcome().reason), "init boom");
    expect_name_free("lab");
    args.how = LAB_FAULTS;
    CHECK_ERR(lab_start(&args, &options, NULL), SP_ERR_INITFAILED);
    CHECK_INT(sp_reason_kind(outcome().reason), SP_REASON_FAULT);
    CHECK_STR(sp_reason_fault(outcome().reason)->handler, "init");
    expect_name_free("lab");
    CHECK_INT(processes(), 1);
    expect_nothing(); /* no farewell: terminate belongs to servers that have started */
    world_close();
}

TEST(case_34_init_can_decline)
{
    world_open(NULL);
    struct sp_server_options options = { .spawn = { .name = "lab", .link = true } };
    struct lab_args args = { .how = LAB_FAILS, .init_err = SP_ERR_IGNORED };
    lab_ref lab = { SP_PID_NONE };
    CHECK_ERR(lab_start(&args, &options, &lab), SP_ERR_IGNORED);
    CHECK(sp_pid_is_none(lab.pid));
    expect_name_free("lab");
    CHECK_INT(processes(), 1);
    struct sp_message *message = expect_message(); /* a link sees it, as any end */
    const struct sp_exit_notice *notice = sp_message_exit(message);
    CHECK(notice != NULL);
    CHECK_INT(sp_reason_kind(notice->reason), SP_REASON_NORMAL);
    sp_message_free(message);
    expect_nothing();
    world_close();
}

TEST(a_start_that_takes_too_long_leaves_nothing_behind)
{
    world_open(NULL);
    struct sp_server_options options = { .spawn = { .name = "lab" }, .start_deadline = SHORTLY };
    struct lab_args args = { .how = LAB_WAITS,
                             .waits_for = puppet_start(NULL),
                             .reports_to = sp_self() };
    CHECK_ERR(lab_start(&args, &options, NULL), SP_ERR_TIMEOUT);
    expect_name_free("lab");
    CHECK_INT(expect_note(), LAB_WAITING);
    CHECK_INT(processes(), 2); /* the puppet and this one */
    expect_nothing();
    world_close();
}

TEST(starting_under_a_taken_name_says_who_has_it)
{
    world_open(NULL);
    sp_pid existing = SP_PID_NONE;
    struct sp_server_options options = { .spawn = { .name = "lab" }, .out_existing = &existing };
    lab_ref first = lab_begin(NULL, &options);
    CHECK_ERR(lab_start(&(struct lab_args){ 0 }, &options, NULL), SP_ERR_EXISTS);
    CHECK(sp_pid_equal(existing, first.pid));
    CHECK_INT(processes(), 2);
    world_close();
}

TEST(a_start_is_refused_like_a_spawn)
{
    world_open(&(struct sp_runtime_options){ .workers = 1, .processes_max = 2 });
    struct sp_server_options options = { .spawn = { .name = "" } };
    CHECK_ERR(lab_start(&(struct lab_args){ 0 }, &options, NULL), SP_ERR_INVALID);
    lab_ref lab = lab_begin(NULL, NULL);
    CHECK_ERR(lab_start(&(struct lab_args){ 0 }, NULL, NULL), SP_ERR_LIMIT);
    CHECK_OK(lab_stop(lab, WORLD_PATIENCE));
    while (lab_start(&(struct lab_args){ 0 }, NULL, NULL) == SP_ERR_LIMIT)
        sp_yield(); /* its place is free in a moment */
    world_close();
}

/** Finds the lab by name as soon as it is registered and reports to it. */
static void early_bird(void *arg)
{
    lab_ref lab;
    (void)arg;
    while (lab_whereis("lab", &lab) != SP_OK)
        sp_yield();
    CHECK_OK(lab_report(lab, &(int64_t){ 1 }));
}

TEST(on_continue_comes_before_any_message)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    for (int i = 0; i < 20; i++) {
        sp_pid bird;
        CHECK_OK(sp_spawn(early_bird, NULL, NULL, &bird));
        struct sp_server_options options = { .spawn = { .name = "lab" } };
        lab_ref lab = lab_begin(&(struct lab_args){ .continues = true, .gate = gate }, &options);
        CHECK_INT(expect_note(), LAB_CONTINUED);
        CHECK_INT(expect_note(), 1);
        CHECK_OK(lab_stop(lab, WORLD_PATIENCE));
        expect_farewell("normal");
    }
    expect_nothing();
    world_close();
}

/* ---- case 37: terminate, when it is called ---- */

static lab_ref watched_lab(sp_monitor_ref *ref, bool trap)
{
    return lab_begin(
        NULL, &(struct sp_server_options){ .spawn = { .trap_exit = trap, .out_monitor = ref } });
}

TEST(case_37_terminate_after_the_handler_stops)
{
    world_open(NULL);
    sp_monitor_ref ref;
    lab_ref lab = watched_lab(&ref, false);
    int64_t sum = -1;
    CHECK_OK(lab_leave(lab, &(sp_empty){ 0 }, &sum, WORLD_PATIENCE));
    CHECK_INT(sum, 0); /* stop with a reply */
    expect_farewell("enough");
    expect_down(ref, lab.pid, "enough");
    expect_nothing();
    world_close();
}

TEST(case_37_terminate_after_the_handler_crashes)
{
    world_open(NULL);
    sp_monitor_ref ref;
    lab_ref lab = watched_lab(&ref, false);
    CHECK_ERR(lab_crash(lab, &(sp_empty){ 0 }, &(sp_empty){ 0 }, WORLD_PATIENCE), SP_ERR_DIED);
    expect_farewell("boom");
    expect_down(ref, lab.pid, "boom");
    expect_nothing();
    world_close();
}

TEST(case_37_terminate_after_the_handler_faults)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    CHECK_ERR(lab_fault(lab, &(sp_empty){ 0 }, &(sp_empty){ 0 }, WORLD_PATIENCE), SP_ERR_DIED);
    struct sp_message *message = expect_message();
    CHECK(farewell_of(message) != NULL);
    CHECK_CONTAINS(farewell_of(message)->text, "fault");
    sp_message_free(message);
    expect_nothing();
    world_close();
}

TEST(case_37_terminate_after_stop_from_outside)
{
    world_open(NULL);
    for (int trap = 0; trap < 2; trap++) {
        sp_monitor_ref ref;
        lab_ref lab = watched_lab(&ref, trap != 0);
        CHECK_OK(sp_stop(lab.pid, sp_reason_error(SP_OK, "asked"), WORLD_PATIENCE));
        expect_farewell("asked");
        expect_down(ref, lab.pid, "asked");
        expect_nothing();
    }
    world_close();
}

struct parent_job {
    sp_pid reports_to;
    lab_ref lab;
};

/** A parent's order: start a linked lab that traps. */
static void order_start_child(void *arg)
{
    struct parent_job *job = arg;
    struct lab_args args = { .reports_to = job->reports_to };
    struct sp_server_options options = { .spawn = { .link = true, .trap_exit = true } };
    CHECK_OK(lab_start(&args, &options, &job->lab));
}

TEST(case_37_terminate_when_the_parent_dies_while_trapping)
{
    static const char *const reasons[] = { "boom", NULL };
    world_open(NULL);
    for (size_t i = 0; i < 2; i++) {
        struct parent_job job = { .reports_to = sp_self() };
        sp_pid parent = puppet_start(NULL);
        puppet_do(parent, order_start_child, &job);
        sp_monitor_ref ref;
        CHECK_OK(sp_monitor(job.lab.pid, &ref));
        puppet_exit(parent, reasons[i]);
        expect_farewell(reasons[i] == NULL ? "normal" : reasons[i]);
        expect_down(ref, job.lab.pid, reasons[i] == NULL ? "normal" : reasons[i]);
        expect_nothing();
    }
    world_close();
}

TEST(case_37_no_terminate_after_kill)
{
    world_open(NULL);
    for (int trap = 0; trap < 2; trap++) {
        sp_monitor_ref ref;
        lab_ref lab = watched_lab(&ref, trap != 0);
        CHECK_OK(sp_kill(lab.pid));
        expect_down(ref, lab.pid, "killed");
        expect_nothing();
    }
    world_close();
}

TEST(case_37_no_terminate_after_an_exit_signal_without_trapping)
{
    world_open(NULL);
    sp_monitor_ref ref;
    lab_ref lab = watched_lab(&ref, false);
    CHECK_OK(sp_signal(lab.pid, sp_reason_error(SP_OK, "boom")));
    expect_down(ref, lab.pid, "boom");
    expect_nothing();
    world_close();
}

TEST(an_exit_signal_to_a_trapping_server_is_shown_to_it)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, &(struct sp_server_options){ .spawn = { .trap_exit = true } });
    sp_pid stranger = puppet_start(NULL);
    CHECK_OK(lab_link(lab, &stranger, &(sp_empty){ 0 }, WORLD_PATIENCE));
    puppet_exit(stranger, "boom");
    CHECK_INT(expect_note(), LAB_EXIT);
    CHECK(sp_is_alive(lab.pid));
    world_close();
}

TEST(a_fault_in_terminate_does_not_run_it_again)
{
    world_open(NULL);
    sp_monitor_ref ref;
    struct lab_args args = { .terminate_faults = true };
    lab_ref lab = lab_begin(&args, &(struct sp_server_options){ .spawn = { .out_monitor = &ref } });
    CHECK_OK(sp_stop(lab.pid, sp_reason_error(SP_OK, "asked"), WORLD_PATIENCE));
    expect_farewell("asked");
    sp_message_free(expect_message()); /* DOWN */
    expect_nothing();
    world_close();
}

/* ---- case 39: stop ---- */

TEST(case_39_stop_is_synchronous)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, &(struct sp_server_options){ .spawn = { .name = "lab" } });
    CHECK_OK(lab_stop(lab, WORLD_PATIENCE));
    expect_name_free("lab");
    CHECK(!sp_is_alive(lab.pid));
    CHECK_ERR(lab_stop(lab, WORLD_PATIENCE), SP_ERR_NOPROC);
    expect_farewell("normal");
    expect_nothing();
    world_close();
}

TEST(case_39_stop_gives_up_when_terminate_takes_too_long)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    sp_monitor_ref ref;
    struct lab_args args = { .terminate_waits = true, .gate = gate };
    lab_ref lab = lab_begin(&args, &(struct sp_server_options){ .spawn = { .out_monitor = &ref } });
    CHECK_ERR(lab_stop(lab, SHORTLY), SP_ERR_TIMEOUT);
    expect_farewell("normal");
    CHECK_INT(expect_note(), GATE_ARRIVED);
    CHECK_OK(gate_open(gate, &(sp_empty){ 0 }));
    expect_down(ref, lab.pid, "normal"); /* it went on ending */
    expect_nothing();
    world_close();
}

TEST(case_39_stop_waits_for_the_running_handler)
{
    world_open(NULL);
    gate_ref gate = gate_begin();
    lab_ref lab = lab_begin(&(struct lab_args){ .gate = gate }, NULL);
    CHECK_OK(lab_wait_cast(lab, &(sp_empty){ 0 }));
    CHECK_OK(lab_report(lab, &(int64_t){ 1 })); /* queued behind: not handled any more */
    CHECK_INT(expect_note(), GATE_ARRIVED);
    CHECK_ERR(lab_stop(lab, SHORTLY), SP_ERR_TIMEOUT);
    CHECK_OK(gate_open(gate, &(sp_empty){ 0 }));
    wait_gone(lab.pid);
    expect_farewell("normal");
    expect_nothing();
    world_close();
}

static void order_join(void *arg)
{
    CHECK_OK(sp_join(*(sp_pid *)arg, WORLD_PATIENCE, NULL));
}

TEST(several_can_wait_for_the_same_end)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    sp_pid waiters[10];
    for (int i = 0; i < 10; i++) {
        waiters[i] = puppet_start(NULL);
        puppet_tell(waiters[i], order_join, &lab.pid);
    }
    CHECK_OK(lab_stop(lab, WORLD_PATIENCE));
    for (int i = 0; i < 10; i++)
        puppet_expect_quiet(waiters[i]);
    world_close();
}
