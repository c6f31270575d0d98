/* Faults inside handlers: the process ends with what happened, all else goes on; and what is
 * not contained ends the program. The signal handler's own tests are beside it.
 */
#include "support/lab.h"
#include "support/puppet.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Stays as it is, at one address, and faults by itself. */
#ifdef __clang__
#define NOINLINE __attribute__((noinline, no_sanitize("undefined")))
#else
#define NOINLINE __attribute__((noipa, no_sanitize("undefined")))
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { FUNCTION_SIZE = 1000 }; /* of those below, at most, instrumented or not */

/* ---- faults ------------------------------------------------------------------------------ */

static int *volatile nowhere;
static volatile int sink;

static NOINLINE void write_nowhere(void *arg)
{
    (void)arg;
    *nowhere = 1;
    sink = 1;
}

static NOINLINE void call_abort(void *arg)
{
    (void)arg;
    abort();
}

static NOINLINE int recurse(int depth)
{
    volatile char frame[256];
    frame[depth % 256] = (char)depth;
    return depth < 0 ? 0 : recurse(depth + 1) + frame[(depth + 1) % 256];
}

static NOINLINE void overflow(void *arg)
{
    (void)arg;
    sink = recurse(0);
}

static void sleep_then_write(void *arg)
{
    for (int i = 0; i < 3; i++)
        sp_sleep(sp_us(50));
    write_nowhere(arg);
}

/* ---- what is seen of an end ---------------------------------------------------------------- */

/* Run `fn(NULL)` in a process; why it ended. */
static const struct sp_reason *reason_of(sp_process_fn fn, struct sp_spawn_options options)
{
    sp_monitor_ref ref;
    sp_pid pid;
    options.out_monitor = &ref;
    CHECK_OK(sp_spawn(fn, NULL, &options, &pid));
    struct sp_message *message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL);
    CHECK(down->ref.id == ref.id);
    CHECK(sp_pid_equal(down->pid, pid));
    const struct sp_reason *reason = sp_reason_ref(down->reason);
    sp_message_free(message);
    return reason;
}

static bool names(const struct sp_fault *fault, const void *function)
{
    for (int i = 0; i < fault->frame_count; i++) {
        uintptr_t at = (uintptr_t)fault->frames[i];
        if (at >= (uintptr_t)function && at <= (uintptr_t)function + FUNCTION_SIZE)
            return true;
    }
    return false;
}

static const struct sp_fault *check_fault(const struct sp_reason *reason, int signo)
{
    CHECK_INT(sp_reason_kind(reason), SP_REASON_FAULT);
    const struct sp_fault *fault = sp_reason_fault(reason);
    CHECK(fault != NULL);
    CHECK_INT(fault->signal, signo);
    return fault;
}

/* Messages, counters and stacks are in order: the runtime works as before. */
static void check_world_works(void)
{
    sp_pid a = puppet_start(NULL);
    CHECK_OK(note_send(a, &(struct note){ 1, sp_self() }));
    CHECK_INT(puppet_mailbox(a), 1);
    puppet_exit(a, NULL);
}

/* ---- contained ------------------------------------------------------------------------------ */

TEST(a_fault_ends_its_process_with_signal_handler_and_stack)
{
    world_open(NULL);
    const struct sp_reason *reason =
        reason_of(write_nowhere, (struct sp_spawn_options){ .label = "victim" });
    const struct sp_fault *fault = check_fault(reason, SIGSEGV);
    CHECK(!fault->stack_overflow);
    CHECK_PTR(fault->address, NULL);
    CHECK_STR(fault->handler, "victim");
    CHECK(names(fault, (const void *)(uintptr_t)write_nowhere));
    CHECK_CONTAINS(sp_reason_text(reason), "SIGSEGV");
    CHECK_CONTAINS(sp_reason_text(reason), "victim");
    CHECK(!sp_reason_is_normal(reason));
    sp_reason_unref(reason);
    check_world_works();
    world_close();
}

TEST(an_abort_ends_its_process)
{
    world_open(NULL);
    const struct sp_reason *reason = reason_of(call_abort, (struct sp_spawn_options){ 0 });
    const struct sp_fault *fault = check_fault(reason, SIGABRT);
    CHECK(names(fault, (const void *)(uintptr_t)call_abort));
    sp_reason_unref(reason);
    check_world_works();
    world_close();
}

TEST(a_stack_overflow_ends_its_process_and_is_told)
{
    world_open(NULL);
    const struct sp_reason *reason = reason_of(overflow, (struct sp_spawn_options){ 0 });
    const struct sp_fault *fault = check_fault(reason, SIGSEGV);
    CHECK(fault->stack_overflow);
    CHECK(names(fault, (const void *)(uintptr_t)recurse));
    CHECK_CONTAINS(sp_reason_text(reason), "stack overflow");
    sp_reason_unref(reason);
    check_world_works();
    world_close();
}

TEST(a_fault_after_a_suspension_ends_its_process)
{
    world_open(NULL);
    for (int i = 0; i < 100; i++) {
        const struct sp_reason *reason =
            reason_of(sleep_then_write, (struct sp_spawn_options){ 0 });
        CHECK(names(check_fault(reason, SIGSEGV), (const void *)(uintptr_t)write_nowhere));
        sp_reason_unref(reason);
    }
    check_world_works();
    world_close();
}

TEST(a_fault_on_a_thread_of_its_own_ends_its_process)
{
    world_open(NULL);
    sp_process_fn faults[] = { write_nowhere, call_abort, overflow, sleep_then_write };
    int signals[] = { SIGSEGV, SIGABRT, SIGSEGV, SIGSEGV };
    for (int i = 0; i < 4; i++) {
        const struct sp_reason *reason =
            reason_of(faults[i], (struct sp_spawn_options){ .own_thread = true });
        check_fault(reason, signals[i]);
        sp_reason_unref(reason);
    }
    check_world_works();
    world_close();
}

TEST(a_fault_in_a_call_reaches_the_caller_with_its_reason)
{
    world_open(NULL);
    lab_ref lab = lab_begin(NULL, NULL);
    CHECK_ERR(lab_fault(lab, &(sp_empty){ 0 }, &(sp_empty){ 0 }, WORLD_PATIENCE), SP_ERR_DIED);
    struct sp_call_outcome outcome;
    sp_call_outcome(&outcome);
    CHECK_INT(outcome.stage, SP_CALL_ENDED);
    CHECK(outcome.reason != NULL);
    CHECK_STR(check_fault(outcome.reason, SIGSEGV)->handler, "fault");
    world_close();
}

TEST(a_fault_reaches_linked_processes_as_the_cause)
{
    world_open(NULL);
    sp_pid linked = puppet_start(NULL);
    sp_pid victim = puppet_start(NULL);
    CHECK_OK(puppet_link(linked, victim));
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(linked, &ref));
    puppet_tell(victim, write_nowhere, NULL);
    struct sp_message *message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL);
    check_fault(down->reason, SIGSEGV);
    const struct sp_reason *cause = sp_reason_cause(down->reason);
    CHECK(cause != NULL);
    CHECK(sp_pid_equal(sp_reason_process(cause), victim));
    sp_message_free(message);
    world_close();
}

/* ---- on the way out ---------------------------------------------------------------------------- */

struct tally {
    int order[64];
    int count;
};

static struct tally tally; /* of the one process that writes it, read after its end */

static void tally_add(void *arg)
{
    tally.order[tally.count++] = *(const int *)arg;
}

static void tally_add_and_fault(void *arg)
{
    tally_add(arg);
    write_nowhere(NULL);
}

static void defer_and_fault(void *arg)
{
    int on_stack[3] = { 1, 2, 3 };
    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_OK(sp_defer(tally_add, &on_stack[i]));
    write_nowhere(NULL);
}

TEST(a_fault_runs_deferred_functions_last_first_with_the_stack_still_there)
{
    world_open(NULL);
    const struct sp_reason *reason = reason_of(defer_and_fault, (struct sp_spawn_options){ 0 });
    check_fault(reason, SIGSEGV);
    sp_reason_unref(reason);
    CHECK_INT(tally.count, 3);
    for (int i = 0; i < 3; i++)
        CHECK_INT(tally.order[i], 3 - i);
    world_close();
}

static void defer_faults(void *arg)
{
    int on_stack[20];
    (void)arg;
    for (int i = 0; i < 20; i++) {
        on_stack[i] = i;
        CHECK_OK(sp_defer(tally_add_and_fault, &on_stack[i]));
    }
    call_abort(NULL);
}

TEST(a_fault_in_a_deferred_function_goes_on_with_the_next)
{
    world_open(NULL);
    for (int round = 0; round < 20; round++) {
        tally.count = 0;
        const struct sp_reason *reason =
            reason_of(defer_faults, (struct sp_spawn_options){ .own_thread = round % 2 == 1 });
        check_fault(reason, SIGABRT); /* the first one counts */
        sp_reason_unref(reason);
        CHECK_INT(tally.count, 20);
        for (int i = 0; i < 20; i++)
            CHECK_INT(tally.order[i], 19 - i);
    }
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    CHECK_INT(stats.faults, 20 * 21);
    check_world_works();
    world_close();
}

static void defer_sleep(void *arg)
{
    sp_sleep(sp_us(100));
    tally_add(arg);
}

static void defer_sleeps_between_faults(void *arg)
{
    int on_stack[2] = { 1, 2 };
    (void)arg;
    CHECK_OK(sp_defer(defer_sleep, &on_stack[0]));
    CHECK_OK(sp_defer(tally_add_and_fault, &on_stack[1]));
    CHECK_OK(sp_defer(defer_sleep, &on_stack[1]));
    write_nowhere(NULL);
}

TEST(a_deferred_function_may_suspend_after_a_fault)
{
    world_open(NULL);
    for (int round = 0; round < 50; round++) {
        tally.count = 0;
        const struct sp_reason *reason =
            reason_of(defer_sleeps_between_faults, (struct sp_spawn_options){ 0 });
        check_fault(reason, SIGSEGV);
        sp_reason_unref(reason);
        CHECK_INT(tally.count, 3);
        CHECK_INT(tally.order[2], 1);
    }
    check_world_works();
    world_close();
}

TEST(a_fault_in_terminate_keeps_the_first_reason)
{
    world_open(NULL);
    struct lab_args args = { .terminate_faults = true, .reports_to = sp_self() };
    lab_ref lab = lab_begin(&args, NULL);
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(lab.pid, &ref));
    CHECK_OK(sp_stop(lab.pid, sp_reason_shutdown(), WORLD_PATIENCE));
    for (;;) { /* its farewell may come before */
        struct sp_message *message = expect_message();
        const struct sp_down *down = sp_message_down(message);
        bool is_down = down != NULL;
        if (is_down)
            CHECK_STR(sp_reason_text(down->reason), "shutdown");
        sp_message_free(message);
        if (is_down)
            break;
    }
    check_world_works();
    world_close();
}

/* ---- many ---------------------------------------------------------------------------------------- */

static long resident_pages(void)
{
    FILE *statm = fopen("/proc/self/statm", "r");
    CHECK(statm != NULL);
    long size = 0;
    long resident = 0;
    CHECK_INT(fscanf(statm, "%ld %ld", &size, &resident), 2);
    fclose(statm);
    return resident;
}

static void allocate_and_fault(void *arg)
{
    memset(sp_alloc(10000), 1, 10000);
    write_nowhere(arg);
}

TEST(ten_thousand_faults_leave_nothing_behind)
{
    world_open(NULL);
    static const sp_process_fn faults[] = { allocate_and_fault, call_abort, overflow,
                                            sleep_then_write };
    int rounds = sp_test_slow() ? 1000 : 10000;
    long warm = 0;
    for (int i = 0; i < rounds; i++) {
        sp_reason_unref(reason_of(faults[i % 4], (struct sp_spawn_options){ 0 }));
        if (i == rounds / 2)
            warm = resident_pages();
    }
    /* One reason forgotten each time, with its 32 frames, would be 500 pages. */
    long growth = resident_pages() - warm;
    CHECK(sp_test_slow() || growth < 300);
    struct sp_stats stats;
    do /* the last one has told of its end, and is about to be gone */
        sp_runtime_stats(world_runtime(), &stats);
    while (stats.processes > 1);
    CHECK_INT(stats.faults, rounds);
    check_world_works();
    world_close();
}

/* ---- not contained: in a child ---------------------------------------------------------------------- */

/* Does a child that runs `body` die of `signo`? A sanitizer reports the signal and exits. */
static bool child_dies(void (*body)(void), int signo)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct rlimit none = { 0, 0 };
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        body();
        _exit(0);
    }
    int status = 0;
    CHECK_INT(waitpid(child, &status, 0), child);
    if (SANITIZED && WIFEXITED(status))
        return WEXITSTATUS(status) != 0;
    return WIFSIGNALED(status) && WTERMSIG(status) == signo;
}

static void child_runs(sp_process_fn fn, struct sp_runtime_options options)
{
    options.workers = 2;
    world_open(&options);
    sp_reason_unref(reason_of(fn, (struct sp_spawn_options){ 0 }));
}

static void policy_abort(void)
{
    child_runs(write_nowhere, (struct sp_runtime_options){ .on_fault = SP_FAULT_ABORT });
}

static void policy_abort_abort(void)
{
    child_runs(call_abort, (struct sp_runtime_options){ .on_fault = SP_FAULT_ABORT });
}

TEST(the_policy_abort_ends_the_program)
{
    CHECK(child_dies(policy_abort, SIGSEGV));
    CHECK(child_dies(policy_abort_abort, SIGABRT));
}

static const char *volatile no_text;

static void use_libc(void *arg)
{
    (void)arg;
    sink = (int)strlen(no_text);
}

static void fault_in_libc(void)
{
    child_runs(use_libc, (struct sp_runtime_options){ 0 });
}

static void use_library(void *arg)
{
    (void)arg;
    sink = sp_reason_kind((const struct sp_reason *)(uintptr_t)16);
}

static void fault_in_library(void)
{
    child_runs(use_library, (struct sp_runtime_options){ 0 });
}

TEST(a_fault_in_the_runtime_or_the_c_library_ends_the_program)
{
    CHECK(child_dies(fault_in_libc, SIGSEGV));
    CHECK(child_dies(fault_in_library, SIGSEGV));
}

static void free_twice(void *arg)
{
    (void)arg;
    char *volatile memory = malloc(100);
    char *volatile again = memory;
    free(memory);
    free(again);
}

static void corrupt_heap(void)
{
    child_runs(free_twice, (struct sp_runtime_options){ 0 });
}

TEST(a_corrupt_heap_ends_the_program)
{
    if (SANITIZED)
        SKIP("the sanitizers have a heap of their own");
    CHECK(child_dies(corrupt_heap, SIGABRT));
}

static void fault_on_attached_thread(void)
{
    world_open(NULL);
    write_nowhere(NULL);
}

static void run_blocking_fault(void *arg)
{
    (void)arg;
    sp_ignore(sp_blocking(write_nowhere, NULL, 0, sp_never()));
}

static void fault_on_blocking_thread(void)
{
    child_runs(run_blocking_fault, (struct sp_runtime_options){ 0 });
}

TEST(a_fault_on_a_thread_that_is_no_process_of_its_own_ends_the_program)
{
    CHECK(child_dies(fault_on_attached_thread, SIGSEGV));
    CHECK(child_dies(fault_on_blocking_thread, SIGSEGV));
}

static void defer_too_many_faults(void *arg)
{
    static int number;
    (void)arg;
    for (int i = 0; i < 60; i++)
        CHECK_OK(sp_defer(tally_add_and_fault, &number));
    write_nowhere(NULL);
}

static void too_many_faults(void)
{
    child_runs(defer_too_many_faults, (struct sp_runtime_options){ 0 });
}

TEST(an_exit_that_faults_too_often_ends_the_program)
{
    CHECK(child_dies(too_many_faults, SIGSEGV));
}
