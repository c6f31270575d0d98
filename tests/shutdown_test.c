/* The end of a whole program on real threads: phases, signals, and that nothing is left (case 134). */
#include "spawned/application.h"
#include "spawned/listener.h"
#include "spawned/serve.h"
#include "spawned/shutdown.h"
#include "support/lab.h"
#include "support/test.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Entries of a folder of /proc/self. */
static int entries(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;
    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* ---- case 134 ---- */

enum { ACTORS = 1000 };

static _Atomic bool released;
static _Atomic int is_stuck;

SP_MESSAGE(tick, int);

static void with_timer(void *arg)
{
    const struct sp_timer_options often = { .after = sp_ms(1), .period = sp_ms(1) };
    (void)arg;
    CHECK_OK(sp_timer_start(sp_self(), &tick_type, &(int){ 1 }, &often, NULL));
    struct sp_message *message;
    while (sp_receive(sp_never(), &message) == SP_OK)
        sp_message_free(message);
}

static void with_socket(void *arg)
{
    struct sp_listener *listener;
    struct sp_stream *stream;
    (void)arg;
    CHECK_OK(sp_listen("127.0.0.1:0", NULL, &listener));
    sp_ignore(sp_accept(listener, sp_never(), &stream));
}

static void deaf(void *arg)
{
    (void)arg;
    (void)sp_trap_exit(true);
    struct sp_message *message;
    while (sp_receive(sp_never(), &message) == SP_OK)
        sp_message_free(message);
}

static void stuck(void *arg)
{
    (void)arg;
    atomic_store(&is_stuck, 1);
    while (!atomic_load(&released))
        sched_yield();
}

/* Case 134: one is stuck; the stop returns in time, names it, and when it has come back nothing is
 * left: no thread, no descriptor, no byte (under the address sanitizer). */
TEST(case_134_a_stop_leaves_nothing)
{
    struct sp_runtime *runtime;
    /* What the C library and sanitizers make at their first thread stays. */
    CHECK_OK(sp_runtime_create(NULL, &runtime));
    CHECK_OK(sp_runtime_destroy(runtime, sp_never(), NULL));
    int threads = entries("/proc/self/task");
    int descriptors = entries("/proc/self/fd");
    struct sp_stop_report report;
    atomic_store(&released, false);
    atomic_store(&is_stuck, 0);
    CHECK_OK(sp_runtime_create(&(struct sp_runtime_options){ .workers = 2 }, &runtime));
    CHECK_OK(sp_thread_attach(runtime));
    for (int i = 0; i < ACTORS; i++)
        CHECK_OK(sp_spawn(i % 10 == 0 ? with_timer : deaf, NULL, NULL, NULL));
    for (int i = 0; i < 20; i++)
        CHECK_OK(sp_spawn(with_socket, NULL, NULL, NULL));
    CHECK_OK(sp_spawn(stuck, NULL, &(struct sp_spawn_options){ .name = "the stuck one" }, NULL));
    while (atomic_load(&is_stuck) == 0)
        sp_yield();
    CHECK_ERR(sp_runtime_destroy(runtime, sp_after_sec(2), &report), SP_ERR_TIMEOUT);
    CHECK_INT(report.stuck, 1);
    CHECK_STR(report.stuck_name, "the stuck one");
    atomic_store(&released, true);
    /* The harness's watchdog ends a case that does not come to its end. */
    while (entries("/proc/self/task") > threads || entries("/proc/self/fd") > descriptors)
        sched_yield();
    CHECK_INT(entries("/proc/self/task"), threads);
    CHECK_INT(entries("/proc/self/fd"), descriptors);
}

/* ---- the whole of a program ---- */

static const struct sp_application_spec no_application;
static char order[64];

static sp_err note(void *arg, sp_deadline deadline)
{
    (void)deadline;
    strcat(order, arg);
    return SP_OK;
}

static sp_err fail(void *arg, sp_deadline deadline)
{
    (void)arg;
    (void)deadline;
    return SP_ERR_IO;
}

static int main_of_case(void *arg)
{
    struct sp_shutdown_report report;
    const int *signo = arg;
    order[0] = '\0';
    CHECK_OK(sp_shutdown_start(NULL, NULL));
    CHECK_OK(sp_shutdown_add("flush", "second", note, (void *)(uintptr_t) "2"));
    CHECK_OK(sp_shutdown_add("drain", "first", note, (void *)(uintptr_t) "1"));
    CHECK_INT(kill(getpid(), *signo), 0);
    CHECK_OK(sp_shutdown_wait(sp_never(), &report));
    CHECK_STR(report.reason, *signo == SIGTERM ? "SIGTERM" : "SIGINT");
    CHECK_STR(order, "12");
    CHECK_INT(report.problem_count, 0);
    CHECK(sp_draining());
    return 7;
}

static void leave_signals_to_others(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &signals, NULL), 0);
}

TEST(a_signal_begins_the_shutdown)
{
    leave_signals_to_others();
    CHECK_INT(sp_main(main_of_case, &(int){ SIGTERM }, NULL), 7);
    CHECK_INT(sp_main(main_of_case, &(int){ SIGINT }, NULL), 7);
}

static void add_and_begin(void *arg)
{
    order[0] = '\0';
    CHECK_OK(sp_shutdown_add("drain", "first", note, (void *)(uintptr_t) "1"));
    if (arg != NULL)
        CHECK_OK(sp_shutdown_add("drain", "fails", fail, NULL));
    CHECK_OK(sp_shutdown_begin("the case is over"));
}

static void app_ends(void *arg)
{
    (void)arg;
    strcat(order, "s");
}

TEST(an_application_shuts_down_in_phases)
{
    struct sp_supervisor_spec nothing = { 0 };
    struct sp_application_spec app = { .name = "app", .supervisor = &nothing, .stopped = app_ends };
    struct sp_application_run_options options = { .on_started = add_and_begin };
    CHECK_INT(sp_application_run(&app, 1, &options), EXIT_SUCCESS);
    CHECK_STR(order, "1s");
    options.on_started_arg = order;
    CHECK_INT(sp_application_run(&app, 1, &options), EXIT_FAILURE);
    CHECK_STR(order, "1s");
    CHECK_INT(
        sp_application_run(&no_application, 0,
                           &(struct sp_application_run_options){ .on_started = add_and_begin }),
        EXIT_SUCCESS);
}

TEST(a_plan_of_a_program_that_is_wrong)
{
    const struct sp_shutdown_phase bad = { .name = "x",
                                           .after = (const char *const[]){ "nobody", NULL } };
    const struct sp_shutdown_options plan = { .phases = &bad, .phase_count = 1 };
    struct sp_shutdown_fault fault;
    CHECK_ERR(sp_shutdown_start(&plan, &fault), SP_ERR_NOTCONTEXT);
    CHECK_INT(sp_application_run(&no_application, 0,
                                 &(struct sp_application_run_options){ .plan = &plan }),
              EXIT_FAILURE);
    world_open(NULL);
    CHECK_ERR(sp_shutdown_start(&plan, &fault), SP_ERR_INVALID);
    CHECK_STR(fault.text, "unknown phase: nobody");
    CHECK_ERR(sp_shutdown_begin("nothing is set up"), SP_ERR_NOTFOUND);
    CHECK_ERR(sp_shutdown_add_drain("drain", "x", sp_self()), SP_ERR_NOTFOUND);
    CHECK_ERR(sp_drain(sp_self(), sp_never()), SP_ERR_DEADLOCK);
    world_close();
}
