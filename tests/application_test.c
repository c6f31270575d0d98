/* Applications: start and stop of a tree, several of them, and a whole program. */
#include "spawned/application.h"
#include "spawned/os_signal.h"
#include "support/run.h"
#include "support/supervision.h"
#include "support/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void record_prep(void *arg)
{
    sv_record("prep_%s", (const char *)arg);
}

static void record_stopped(void *arg)
{
    sv_record("stopped_%s", (const char *)arg);
}

/* An application with one probe of that tag, and hooks that say so. */
struct app {
    struct sp_child_spec child;
    struct sp_supervisor_spec top;
    struct sp_application_spec spec;
};

static void app_init(struct app *app, const char *name, const char *starts)
{
    app->child = sv_child_starting(name, starts);
    app->top = (struct sp_supervisor_spec){ .max_restarts = SP_RESTARTS_NONE,
                                            .children = &app->child,
                                            .child_count = 1 };
    app->spec = (struct sp_application_spec){
        .name = name,
        .supervisor = &app->top,
        .prep_stop = record_prep,
        .stopped = record_stopped,
        .hook_arg = (void *)(uintptr_t)name,
    };
}

static sp_pid top_of(const char *name)
{
    sp_pid top;
    CHECK_OK(sp_application_whereis(name, sp_never(), &top));
    return top;
}

static bool collect_name(const char *name, void *arg)
{
    char *text = arg;
    size_t length = strlen(text);
    snprintf(text + length, 64 - length, "%s ", name);
    return true;
}

static void check_running(const char *expected)
{
    char text[64] = "";
    CHECK_OK(sp_application_each(collect_name, text));
    CHECK_STR(text, expected);
}

TEST(application_starts_and_stops_in_order)
{
    sv_begin();
    size_t before = sv_processes();
    struct sp_child_spec children[] = { sv_child("a"), sv_child("b"), sv_child("c") };
    struct sp_supervisor_spec top = { .children = children, .child_count = COUNT(children) };
    struct sp_application_spec spec = { .name = "shop",
                                        .supervisor = &top,
                                        .prep_stop = record_prep,
                                        .stopped = record_stopped,
                                        .hook_arg = (void *)(uintptr_t) "shop" };
    CHECK_OK(sp_application_start(&spec, sp_never()));
    CHECK_EVENTS("+a +b +c");
    check_running("shop ");
    CHECK(sp_is_alive(top_of("shop")));
    CHECK_ERR(sp_application_start(&spec, sp_never()), SP_ERR_EXISTS);
    CHECK_OK(sp_application_stop("shop", sp_never()));
    CHECK_EVENTS("+a +b +c prep_shop -c -b -a stopped_shop");
    check_running("");
    sp_pid pid;
    CHECK_ERR(sp_application_whereis("shop", sp_never(), &pid), SP_ERR_NOTFOUND);
    CHECK_ERR(sp_application_stop("shop", sp_never()), SP_ERR_NOTFOUND);
    sv_await_processes(before);
    CHECK_OK(sp_application_start(&spec, sp_never()));
    CHECK_OK(sp_application_stop("shop", sp_never()));
    sv_end();
}

TEST(application_that_fails_to_start_leaves_nothing)
{
    sv_begin();
    size_t before = sv_processes();
    struct app app;
    app_init(&app, "x", "b");
    CHECK_ERR(sp_application_start(&app.spec, sp_never()), SP_ERR_INITFAILED);
    CHECK_EVENTS("!x");
    CHECK_CONTAINS(sv_log(), "failed_to_start_child(x, boom)");
    check_running("");
    sv_await_processes(before);
    sv_end();
}

TEST(application_that_does_not_start_in_time_is_killed)
{
    sv_begin();
    sp_pid gate = sv_gate(0);
    size_t before = sv_processes();
    struct app app;
    app_init(&app, "g", "g");
    sv_args(&app.child)->gate = gate;
    CHECK_ERR(sp_application_start(&app.spec, sp_after_ms(20)), SP_ERR_TIMEOUT);
    check_running("");
    sv_gate_open(gate); /* its supervisor hears of the kill when the start of the child is done */
    sv_await_processes(before);
    sv_stop(gate);
    sv_end();
}

static void careless_run(void *arg)
{
    sp_ignore(sp_application_start(arg, sp_never()));
}

/* Whoever starts an application may die while it starts: it starts all the same. */
TEST(application_outlives_its_starter)
{
    sv_begin();
    sp_pid gate = sv_gate(0), starter;
    struct app app;
    app_init(&app, "g", "g");
    sv_args(&app.child)->gate = gate;
    CHECK_OK(sp_spawn(careless_run, &app.spec, NULL, &starter));
    sv_gate_await(gate, 1);
    CHECK_OK(sp_kill(starter));
    CHECK_OK(sp_join(starter, sp_never(), NULL));
    sv_gate_open(gate);
    sv_await("+g", 1);
    CHECK_OK(sp_application_stop("g", sp_never()));
    CHECK_EVENTS("+g prep_g -g stopped_g");
    sv_stop(gate);
    sv_end();
}

TEST(application_spec_that_is_wrong)
{
    sv_begin();
    struct sp_supervisor_spec top = { 0 };
    char longer[SP_APPLICATION_NAME_MAX + 2];
    memset(longer, 'n', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    static const struct sp_application_setting twice[] = { { "k", "1" }, { "k", "2" } };
    static const struct sp_application_setting no_value[] = { { "k", NULL } };
    const struct sp_application_spec bad[] = {
        { .supervisor = &top },
        { .name = "", .supervisor = &top },
        { .name = longer, .supervisor = &top },
        { .name = "no top" },
        { .name = "settings", .supervisor = &top, .setting_count = 1 },
        { .name = "settings", .supervisor = &top, .settings = twice, .setting_count = 2 },
        { .name = "settings", .supervisor = &top, .settings = no_value, .setting_count = 1 },
        { .name = "budget", .supervisor = &top, .shutdown = sp_after_ms(-1) },
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        CHECK_ERR(sp_application_start(&bad[i], sp_never()), SP_ERR_INVALID);
    sp_pid pid;
    CHECK_ERR(sp_application_whereis(longer, sp_never(), &pid), SP_ERR_NOTFOUND);
    CHECK_ERR(sp_application_stop("", sp_never()), SP_ERR_NOTFOUND);
    sv_end();
}

/* ---- settings ---- */

SP_SERVER(reader, sp_empty);

/* Reads them while the application is still starting. */
static sp_err reader_init(sp_empty *self, const sp_empty *args)
{
    char value[8];
    (void)self;
    (void)args;
    CHECK_OK(sp_application_setting("conf", "port", value, sizeof(value)));
    sv_record("port=%s", value);
    return SP_OK;
}

SP_STATE(reader, sp_empty);
SP_ON_INIT(reader);
SP_CLASS(reader, .init = reader__init);

TEST(application_settings_are_there_from_the_start)
{
    sv_begin();
    char port[] = "7379";
    struct sp_application_setting settings[] = { { "port", port }, { "long", "0123456789" } };
    struct sp_child_spec child = { .id = "reader", .server = &reader_class };
    struct sp_supervisor_spec top = { .children = &child, .child_count = 1 };
    struct sp_application_spec spec = {
        .name = "conf", .supervisor = &top, .settings = settings, .setting_count = COUNT(settings)
    };
    char value[8];
    CHECK_ERR(sp_application_setting("conf", "port", value, sizeof(value)), SP_ERR_NOTFOUND);
    CHECK_OK(sp_application_start(&spec, sp_never()));
    CHECK_EVENTS("port=7379");
    port[0] = '?';
    CHECK_OK(sp_application_setting("conf", "port", value, sizeof(value)));
    CHECK_STR(value, "7379");
    CHECK_ERR(sp_application_setting("conf", "none", value, sizeof(value)), SP_ERR_NOTFOUND);
    CHECK_ERR(sp_application_setting("conf", "long", value, sizeof(value)), SP_ERR_TOOBIG);
    CHECK_OK(sp_application_stop("conf", sp_never()));
    sv_end();
}

/* ---- the end of a tree ---- */

TEST(application_ends_with_its_tree)
{
    sv_begin();
    size_t before = sv_processes();
    struct app app;
    app_init(&app, "a", "o");
    CHECK_OK(sp_application_start(&app.spec, sp_never()));
    sv_act(sv_child_pid(top_of("a"), "a"), PROBE_CRASH);
    sv_await("stopped_a", 1);
    CHECK_EVENTS("+a -a(boom) stopped_a"); /* no prep_stop: there is nothing to prepare */
    sv_await_processes(before);
    check_running("");
    sv_end();
}

TEST(application_budget_ends_a_tree_that_does_not)
{
    sv_begin();
    sp_pid gate = sv_gate(0);
    size_t before = sv_processes();
    struct app app;
    app_init(&app, "a", "o");
    app.child.shutdown = sp_never();
    sv_args(&app.child)->terminate_gate = gate;
    app.spec.shutdown = sp_after_ms(50);
    CHECK_OK(sp_application_start(&app.spec, sp_never()));
    CHECK_OK(sp_application_stop("a", sp_never()));
    CHECK_EVENTS("+a prep_a stopped_a");
    sv_gate_open(gate);
    sv_await_processes(before);
    sv_stop(gate);
    sv_end();
}

TEST(application_that_does_not_stop_is_killed_by_stop_all)
{
    sv_begin();
    sp_pid gate = sv_gate(0);
    size_t before = sv_processes();
    struct app good, bad;
    app_init(&good, "g", "o");
    app_init(&bad, "b", "o");
    bad.child.shutdown = sp_never();
    sv_args(&bad.child)->terminate_gate = gate;
    CHECK_OK(sp_application_start(&good.spec, sp_never()));
    CHECK_OK(sp_application_start(&bad.spec, sp_never()));
    sp_monitor_ref ref = sv_watch(sv_child_pid(top_of("b"), "b"));
    CHECK_ERR(sp_application_stop_all(sp_after_ms(50)), SP_ERR_TIMEOUT);
    check_running("");
    sv_gate_open(gate); /* the killed supervisor's child ends its terminate */
    CHECK_STR(sv_reason(ref), "shutdown");
    sv_await_processes(before);
    sv_stop(gate);
    sv_end();
}

/* ---- several ---- */

TEST(application_needs_what_it_depends_on)
{
    sv_begin();
    static const char *const on_a[] = { "a", NULL };
    struct app a, b;
    app_init(&a, "a", "o");
    app_init(&b, "b", "o");
    b.spec.depends_on = on_a;
    CHECK_ERR(sp_application_start(&b.spec, sp_never()), SP_ERR_NOTFOUND);
    CHECK_OK(sp_application_start(&a.spec, sp_never()));
    CHECK_OK(sp_application_start(&b.spec, sp_never()));
    CHECK_OK(sp_application_stop_all(sp_never()));
    CHECK_EVENTS("+a +b prep_b -b stopped_b prep_a -a stopped_a");
    sv_end();
}

TEST(applications_start_after_what_they_depend_on_and_stop_before_it)
{
    sv_begin();
    static const char *const on_b_and_d[] = { "b", "d", NULL };
    static const char *const on_c[] = { "c", NULL };
    struct app a, b, c, d;
    app_init(&a, "a", "o");
    app_init(&b, "b", "o");
    app_init(&c, "c", "o");
    app_init(&d, "d", "o");
    a.spec.depends_on = on_b_and_d;
    b.spec.depends_on = on_c;
    const struct sp_application_spec specs[] = { a.spec, b.spec, c.spec, d.spec };
    CHECK_OK(sp_application_start_all(specs, COUNT(specs), sp_never(), NULL));
    CHECK_EVENTS("+c +b +d +a");
    check_running("c b d a ");
    sv_clear();
    CHECK_OK(sp_application_stop_all(sp_never()));
    CHECK_EVENTS("prep_a -a stopped_a prep_d -d stopped_d prep_b -b stopped_b prep_c -c stopped_c");
    sv_end();
}

TEST(applications_that_fail_midway_are_stopped_in_reverse)
{
    sv_begin();
    size_t before = sv_processes();
    struct app a, b, c;
    size_t failed = 99;
    app_init(&a, "a", "o");
    app_init(&b, "b", "o");
    app_init(&c, "c", "e");
    const struct sp_application_spec specs[] = { a.spec, b.spec, c.spec };
    CHECK_ERR(sp_application_start_all(specs, COUNT(specs), sp_never(), &failed),
              SP_ERR_INITFAILED);
    CHECK_INT(failed, 2);
    CHECK_EVENTS("+a +b !c prep_b -b stopped_b prep_a -a stopped_a");
    sv_await_processes(before);
    sv_end();
}

TEST(applications_that_need_each_other_are_refused)
{
    sv_begin();
    static const char *const on_a[] = { "a", NULL }, *const on_b[] = { "b", NULL };
    struct app a, b;
    app_init(&a, "a", "o");
    app_init(&b, "b", "o");
    a.spec.depends_on = on_b;
    b.spec.depends_on = on_a;
    const struct sp_application_spec cycle[] = { a.spec, b.spec };
    const struct sp_application_spec twice[] = { b.spec, b.spec };
    CHECK_ERR(sp_application_start_all(cycle, 2, sp_never(), NULL), SP_ERR_INVALID);
    CHECK_ERR(sp_application_start_all(twice, 2, sp_never(), NULL), SP_ERR_INVALID);
    CHECK_EVENTS("");
    sv_end();
}

/* ---- a whole program ---- */

static void raise_signal(void *arg)
{
    CHECK_INT(kill(getpid(), *(const int *)arg), 0);
}

/* A signal for the program goes to the thread that waits for signals, not to this one: the thread
 * sanitizer would keep it here until the end of the wait that it is to end. */
static void leave_signals_to_others(void)
{
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &both, NULL), 0);
}

TEST(run_ends_on_a_signal_in_order)
{
    static const int signals[] = { SIGTERM, SIGINT };
    leave_signals_to_others();
    for (size_t i = 0; i < COUNT(signals); i++) {
        struct app a, b;
        app_init(&a, "a", "o");
        app_init(&b, "b", "o");
        const struct sp_application_spec specs[] = { a.spec, b.spec };
        int signo = signals[i];
        struct sp_application_run_options options = { .on_started = raise_signal,
                                                      .on_started_arg = &signo };
        sv_clear();
        CHECK_INT(sp_application_run(specs, COUNT(specs), &options), EXIT_SUCCESS);
        CHECK_EVENTS("+a +b prep_b -b stopped_b prep_a -a stopped_a");
    }
}

static void crash_child(void *arg)
{
    sv_act(sv_child_pid(top_of(arg), arg), PROBE_CRASH);
}

static void end_child(void *arg)
{
    sv_act(sv_child_pid(top_of(arg), arg), PROBE_NORMAL);
}

TEST(run_fails_when_a_supervisor_gives_up)
{
    struct app a, b;
    app_init(&a, "a", "o");
    app_init(&b, "b", "o");
    const struct sp_application_spec specs[] = { a.spec, b.spec };
    struct sp_application_run_options options = { .on_started = crash_child,
                                                  .on_started_arg = (void *)(uintptr_t) "a" };
    CHECK_INT(sp_application_run(specs, COUNT(specs), &options), EXIT_FAILURE);
    CHECK_EVENTS("+a +b -a(boom) stopped_a prep_b -b stopped_b");
}

/* A program whose work is done: the significant child ends, the tree with it. */
TEST(run_succeeds_when_the_work_is_done)
{
    struct app a;
    app_init(&a, "a", "o");
    a.child.restart = SP_RESTART_TRANSIENT;
    a.child.significant = true;
    a.top.auto_shutdown = SP_AUTO_SHUTDOWN_ANY;
    struct sp_application_run_options options = { .on_started = end_child,
                                                  .on_started_arg = (void *)(uintptr_t) "a" };
    CHECK_INT(sp_application_run(&a.spec, 1, &options), EXIT_SUCCESS);
    CHECK_EVENTS("+a -a(normal) stopped_a");
}

TEST(run_fails_when_an_application_does_not_start)
{
    struct app a, b;
    app_init(&a, "a", "o");
    app_init(&b, "b", "f");
    const struct sp_application_spec specs[] = { a.spec, b.spec };
    CHECK_INT(sp_application_run(specs, COUNT(specs), NULL), EXIT_FAILURE);
    CHECK_EVENTS("+a !b prep_a -a stopped_a");
}

static void hang(void *arg)
{
    (void)arg;
    sp_sleep(sp_sec(3600));
}

TEST(run_fails_when_its_budget_is_exceeded)
{
    struct app a;
    app_init(&a, "a", "o");
    a.spec.prep_stop = hang;
    int signo = SIGTERM;
    leave_signals_to_others();
    struct sp_application_run_options options = { .on_started = raise_signal,
                                                  .on_started_arg = &signo,
                                                  .shutdown = sp_after_ms(50) };
    CHECK_INT(sp_application_run(&a.spec, 1, &options), EXIT_FAILURE);
    CHECK_CONTAINS(sv_events(2), "+a -a"); /* of killed, or of the runtime's own shutdown */
    CHECK_INT(sv_count("stopped_a"), 0);
}

/* The program of the next case. */
static void say_ready(void *arg)
{
    (void)arg;
    printf("ready\n");
    fflush(stdout);
}

static void say_stopping(void *arg)
{
    printf("stopping\n");
    fflush(stdout);
    hang(arg);
}

TEST(fixture_program_that_hangs_when_stopped)
{
    if (getenv("SP_APPLICATION_FIXTURE") == NULL)
        SKIP("a part of run_ends_at_once_on_the_second_signal");
    struct app a;
    app_init(&a, "a", "o");
    a.spec.prep_stop = say_stopping;
    struct sp_application_run_options options = { .on_started = say_ready };
    sp_ignore(sp_application_run(&a.spec, 1, &options));
}

TEST(run_ends_at_once_on_the_second_signal)
{
    static const char *const args[] = { "--no-fork", "--filter", "fixture_program", NULL };
    static const char *const env[] = { "SP_APPLICATION_FIXTURE=1", NULL };
#ifdef __SANITIZE_THREAD__
    SKIP("the sanitizer keeps signals of a thread that waits");
#endif
    struct sp_test_command command = { .program = SP_TEST_BIN_DIR "/test_system_application",
                                       .args = args,
                                       .env = env };
    struct sp_test_output output;
    struct sp_test_program *program = sp_test_program_start(&command);
    sp_test_program_await(program, "ready");
    sp_test_program_signal(program, SIGINT);
    sp_test_program_await(program, "stopping");
    sp_test_program_signal(program, SIGINT);
    sp_test_program_finish(program, &output);
    CHECK_INT(output.signal, SIGINT);
    sp_test_output_free(&output);
}
