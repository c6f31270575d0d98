/* Hand-off: a handler that spins or blocks its thread holds up nobody else.
 * docs/decisions/0015-hand-off.md says how.
 *
 * Whatever spins here does so until something else has happened, so a case that ends shows
 * that it could happen.
 */
#include "support/puppet.h"

#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Faults by itself, not by a check that a sanitizer put there. */
#ifdef __clang__
#define NOINLINE __attribute__((noinline, no_sanitize("undefined")))
#else
#define NOINLINE __attribute__((noipa, no_sanitize("undefined")))
#endif

/* ---- what is stuck -------------------------------------------------------------------- */

/* A gate that is waited at without giving way. */
struct gate {
    _Atomic bool reached;
    _Atomic bool open;
};

static void spin_at(void *arg)
{
    struct gate *gate = arg;
    atomic_store_explicit(&gate->reached, true, memory_order_release);
    /* acquire: what was done before it was opened is seen. */
    while (!atomic_load_explicit(&gate->open, memory_order_acquire))
        continue;
}

static void gate_open(struct gate *gate)
{
    atomic_store_explicit(&gate->open, true, memory_order_release);
}

/* The case's own thread waits for it. */
static void gate_await(struct gate *gate)
{
    while (!atomic_load_explicit(&gate->reached, memory_order_acquire))
        sp_yield();
}

static void do_nothing(void *arg)
{
    (void)arg;
}

/* At most 1 ms of a handler is not stuck: what the cases here wait for is short. */
static struct sp_runtime_options quick(uint32_t workers)
{
    return (struct sp_runtime_options){ .workers = workers, .stuck_after = sp_ms(1) };
}

static uint64_t handoffs(void)
{
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    return stats.handoffs;
}

/* ---- spinning ------------------------------------------------------------------------- */

static void spinners_stop_nobody(uint32_t workers)
{
    struct sp_runtime_options options = quick(workers);
    struct gate gates[2] = { 0 };
    sp_pid spinners[2];
    world_open(&options);
    sp_pid other = puppet_start(NULL);
    for (uint32_t i = 0; i < workers; i++) {
        spinners[i] = puppet_start(NULL);
        puppet_tell(spinners[i], spin_at, &gates[i]);
        gate_await(&gates[i]);
    }
    puppet_do(other, do_nothing, NULL);
    CHECK(handoffs() >= 1); /* the last to spin leaves a worker for the other */
    for (uint32_t i = 0; i < workers; i++) {
        gate_open(&gates[i]);
        puppet_do(spinners[i], do_nothing, NULL); /* it goes on as if nothing had been */
    }
    world_close();
}

TEST(a_spinner_stops_nobody_with_one_worker)
{
    spinners_stop_nobody(1);
}

TEST(spinners_stop_nobody_with_two_workers)
{
    spinners_stop_nobody(2);
}

struct waker {
    sp_pid other;
    struct gate gate;
};

static void open_gate(void *arg)
{
    gate_open(arg);
}

/* Makes another process ready, which nobody can steal, and spins until that has run. */
static void wake_and_spin(void *arg)
{
    struct waker *waker = arg;
    puppet_tell(waker->other, open_gate, &waker->gate);
    spin_at(&waker->gate);
}

TEST(what_a_spinner_made_ready_runs)
{
    struct sp_runtime_options options = quick(1);
    world_open(&options);
    struct waker waker = { .other = puppet_start(NULL) };
    sp_pid spinner = puppet_start(NULL);
    puppet_do(spinner, wake_and_spin, &waker);
    /* And after it has lost its worker in the same handler, too. */
    waker.gate = (struct gate){ 0 };
    puppet_do(spinner, wake_and_spin, &waker);
    world_close();
}

static void wake_twice(void *arg)
{
    struct waker *wakers = arg;
    wake_and_spin(&wakers[0]);
    wake_and_spin(&wakers[1]); /* without a worker by now */
}

TEST(a_handler_without_a_worker_still_wakes_others)
{
    struct sp_runtime_options options = quick(1);
    world_open(&options);
    sp_pid other = puppet_start(NULL);
    struct waker wakers[2] = { { .other = other }, { .other = other } };
    puppet_do(puppet_start(NULL), wake_twice, wakers);
    world_close();
}

static void spin_and_suspend(void *arg)
{
    struct waker *waker = arg;
    wake_and_spin(waker);
    sp_yield();
    sp_sleep(sp_us(10));
    puppet_do(waker->other, do_nothing, NULL);
}

TEST(a_handler_that_lost_its_worker_can_suspend)
{
    struct sp_runtime_options options = quick(1);
    world_open(&options);
    struct waker waker = { .other = puppet_start(NULL) };
    sp_pid spinner = puppet_start(NULL);
    for (int i = 0; i < 20; i++) {
        waker.gate = (struct gate){ 0 };
        puppet_do(spinner, spin_and_suspend, &waker);
    }
    CHECK(handoffs() > 0);
    world_close();
}

TEST(timers_go_on_beside_a_spinner)
{
    struct sp_runtime_options options = quick(1);
    struct gate gate = { 0 };
    world_open(&options);
    sp_pid spinner = puppet_start(NULL);
    puppet_tell(spinner, spin_at, &gate);
    gate_await(&gate);
    sp_sleep(sp_ms(1)); /* fired by a worker */
    gate_open(&gate);
    world_close();
}

/* ---- ends ----------------------------------------------------------------------------- */

TEST(a_spinner_is_killed_when_it_returns)
{
    struct sp_runtime_options options = quick(1);
    struct gate gate = { 0 };
    world_open(&options);
    sp_pid spinner = puppet_start(NULL);
    sp_pid other = puppet_start(NULL);
    puppet_tell(spinner, spin_at, &gate);
    gate_await(&gate);
    puppet_do(other, do_nothing, NULL);
    CHECK_OK(sp_kill(spinner));
    puppet_do(other, do_nothing, NULL);
    CHECK(sp_is_alive(spinner)); /* nothing can end it before */
    gate_open(&gate);
    expect_death(spinner, "killed");
    puppet_do(other, do_nothing, NULL);
    world_close();
}

static int *volatile nowhere;

static NOINLINE void spin_and_fault(void *arg)
{
    wake_and_spin(arg);
    *nowhere = 1;
}

TEST(a_fault_of_a_handler_without_a_worker_is_contained)
{
    struct sp_runtime_options options = quick(1);
    world_open(&options);
    struct waker waker = { .other = puppet_start(NULL) };
    sp_pid spinner = puppet_start(NULL);
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(spinner, &ref));
    puppet_tell(spinner, spin_and_fault, &waker);
    struct sp_message *message = expect_message();
    const struct sp_down *down = sp_message_down(message);
    CHECK(down != NULL && sp_reason_kind(down->reason) == SP_REASON_FAULT);
    sp_message_free(message);
    puppet_do(waker.other, do_nothing, NULL);
    world_close();
}

static void spin_and_exit(void *arg)
{
    wake_and_spin(arg);
    sp_exit_error(SP_OK, "enough");
}

TEST(a_handler_without_a_worker_can_exit)
{
    struct sp_runtime_options options = quick(1);
    world_open(&options);
    struct waker waker = { .other = puppet_start(NULL) };
    sp_pid spinner = puppet_start(NULL);
    puppet_tell(spinner, spin_and_exit, &waker);
    expect_death(spinner, "enough");
    world_close();
}

static void open_at_exit(void *arg)
{
    CHECK_OK(sp_defer(open_gate, arg));
}

TEST(a_runtime_stops_when_its_spinner_returns)
{
    struct sp_runtime_options options = quick(1);
    struct gate gate = { 0 };
    world_open(&options);
    puppet_do(puppet_start(NULL), open_at_exit, &gate); /* when the runtime has begun to stop */
    sp_pid spinner = puppet_start(NULL);
    puppet_tell(spinner, spin_at, &gate);
    gate_await(&gate);
    world_close();
}

/* ---- blocking ------------------------------------------------------------------------- */

static void write_byte(void *arg)
{
    CHECK_INT(write(*(int *)arg, "x", 1), 1);
}

/* Does not come back before somebody writes; and not because of a signal either. */
static void block_on(void *arg)
{
    struct pollfd wait = { .fd = *(int *)arg, .events = POLLIN };
    CHECK_INT(poll(&wait, 1, -1), 1);
}

TEST(a_handler_that_blocks_its_thread_stops_nobody)
{
    struct sp_runtime_options options = quick(1);
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    world_open(&options);
    sp_pid blocked = puppet_start(NULL);
    sp_pid other = puppet_start(NULL);
    puppet_tell(blocked, block_on, &ends[0]);
    puppet_do(other, do_nothing, NULL);
    puppet_do(other, write_byte, &ends[1]);
    puppet_do(blocked, do_nothing, NULL);
    world_close();
}

/* ---- the limit ------------------------------------------------------------------------ */

enum { MANY = 12 };

TEST(as_many_spinners_as_there_are_threads_for)
{
    struct sp_runtime_options options = quick(2);
    struct gate gates[MANY] = { 0 };
    sp_pid spinners[MANY];
    options.stuck_threads_max = MANY;
    world_open(&options);
    sp_pid other = puppet_start(NULL);
    for (int i = 0; i < MANY; i++) {
        spinners[i] = puppet_start(NULL);
        puppet_tell(spinners[i], spin_at, &gates[i]);
        gate_await(&gates[i]);
    }
    puppet_do(other, do_nothing, NULL);
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    CHECK(stats.threads > MANY && stats.threads <= MANY + 2);
    for (int i = 0; i < MANY; i++)
        gate_open(&gates[i]);
    for (int i = 0; i < MANY; i++)
        puppet_do(spinners[i], do_nothing, NULL);
    world_close();
}

static _Atomic int limit_lines;
static _Atomic int stuck_lines;
static char stuck_line[1000];

static void keep_lines(void *context, const struct sp_log_record *record)
{
    (void)context;
    const char *line = record->text;
    enum sp_log_level level = record->level;
    if (strstr(line, "stuck_threads_max") != NULL && level == SP_LOG_ERROR)
        limit_lines++;
    if (strstr(line, "is stuck") == NULL || level != SP_LOG_WARNING)
        return;
    if (stuck_lines == 0)
        snprintf(stuck_line, sizeof(stuck_line), "%s", line);
    stuck_lines++;
}

TEST(at_the_limit_all_waits_for_a_spinner_to_return)
{
    struct sp_runtime_options options = quick(1);
    struct gate gates[2] = { 0 };
    sp_pid spinners[2];
    options.stuck_threads_max = 1;
    options.log.fn = keep_lines;
    world_open(&options);
    sp_pid other = puppet_start(NULL);
    for (int i = 0; i < 2; i++) {
        spinners[i] = puppet_start(NULL);
        puppet_tell(spinners[i], spin_at, &gates[i]);
        gate_await(&gates[i]);
    }
    while (limit_lines == 0)
        sp_yield(); /* this thread is no worker */
    gate_open(&gates[0]);
    gate_open(&gates[1]);
    puppet_do(other, do_nothing, NULL);
    CHECK_INT(limit_lines, 1);
    world_close();
}

TEST(at_the_limit_others_run_what_waits_behind_a_spinner)
{
    struct sp_runtime_options options = quick(2);
    struct gate gate = { 0 };
    options.stuck_threads_max = 1;
    options.log.fn = keep_lines;
    world_open(&options);
    struct waker waker = { .other = puppet_start(NULL) };
    puppet_tell(puppet_start(NULL), spin_at, &gate);
    while (handoffs() == 0)
        sp_yield();
    /* Of three threads one spins; the second that does keeps its worker, but not what it woke. */
    puppet_do(puppet_start(NULL), wake_and_spin, &waker);
    CHECK_INT(handoffs(), 1);
    gate_open(&gate);
    world_close();
}

/* ---- reports -------------------------------------------------------------------------- */

TEST(a_report_names_the_process_and_the_place)
{
    struct sp_runtime_options options = quick(1);
    struct gate gate = { 0 };
    options.log.fn = keep_lines;
    world_open(&options);
    sp_pid spinner = puppet_start(&(struct sp_spawn_options){ .name = "dervish" });
    puppet_tell(spinner, spin_at, &gate);
    while (stuck_lines == 0)
        sp_yield();
    CHECK_CONTAINS(stuck_line, "dervish (");
    CHECK_CONTAINS(stuck_line, "computes for");
    gate_open(&gate);
    world_close();
}

/* ---- what a handler of lowest priority starts ------------------------------------------ */

struct starts {
    _Atomic int lowest; /* of the threads that it started, how many are as it is */
    _Atomic int normal;
    _Atomic bool done;
};

static bool is_lowest(void)
{
    return sched_getscheduler(0) == SCHED_IDLE || getpriority(PRIO_PROCESS, 0) == 19;
}

static void count_priority(void *arg)
{
    struct starts *starts = *(struct starts **)arg;
    atomic_fetch_add(is_lowest() ? &starts->lowest : &starts->normal, 1);
}

static void start_when_demoted(void *arg)
{
    struct starts *starts = arg;
    struct sp_spawn_options own = { .own_thread = true, .arg_size = sizeof(starts) };
    sp_pid pid;
    while (!is_lowest())
        continue;
    CHECK_OK(sp_spawn(count_priority, &starts, &own, &pid));
    CHECK(is_lowest());
    CHECK_OK(sp_blocking(count_priority, &starts, sizeof(starts), WORLD_PATIENCE));
    wait_gone(pid);
    starts->done = true;
}

TEST(threads_that_a_demoted_handler_starts_are_not_demoted)
{
    struct sp_runtime_options options = quick(1);
    struct starts starts = { .done = false };
    if (is_lowest())
        return; /* as is all of this program */
    world_open(&options);
    puppet_tell(puppet_start(NULL), start_when_demoted, &starts);
    while (!starts.done)
        sp_yield();
    CHECK_INT(starts.lowest, 0);
    CHECK_INT(starts.normal, 2);
    world_close();
}

/* ---- what stays as it was ------------------------------------------------------------- */

TEST(a_process_with_its_own_thread_may_spin)
{
    struct sp_runtime_options options = quick(1);
    struct gate own = { 0 };
    struct gate gate = { 0 };
    options.log.fn = keep_lines;
    world_open(&options);
    struct sp_spawn_options alone = { .own_thread = true, .name = "hermit" };
    sp_pid hermit = puppet_start(&alone);
    puppet_tell(hermit, spin_at, &own);
    gate_await(&own);
    puppet_tell(puppet_start(&(struct sp_spawn_options){ .name = "dervish" }), spin_at, &gate);
    while (stuck_lines == 0)
        sp_yield();
    CHECK_CONTAINS(stuck_line, "dervish");
    gate_open(&own);
    gate_open(&gate);
    world_close();
}

TEST(without_hand_off_a_worker_waits)
{
    struct sp_runtime_options options = { .workers = 2, .stuck_after = sp_ns(-1) };
    struct gate gate = { 0 };
    world_open(&options);
    puppet_tell(puppet_start(NULL), spin_at, &gate);
    gate_await(&gate);
    puppet_do(puppet_start(NULL), do_nothing, NULL); /* on the other worker */
    CHECK_INT(handoffs(), 0);
    gate_open(&gate);
    world_close();
}

TEST(options_out_of_range_are_refused)
{
    struct sp_runtime *runtime;
    struct sp_runtime_options options = { .stuck_after = sp_us(999) };
    CHECK_ERR(sp_runtime_create(&options, &runtime), SP_ERR_INVALID);
    options.stuck_after = sp_sec(3601);
    CHECK_ERR(sp_runtime_create(&options, &runtime), SP_ERR_INVALID);
    options = (struct sp_runtime_options){ .stuck_threads_max = 4097 };
    CHECK_ERR(sp_runtime_create(&options, &runtime), SP_ERR_INVALID);
    options = (struct sp_runtime_options){ .poll_spin = sp_us(1001) };
    CHECK_ERR(sp_runtime_create(&options, &runtime), SP_ERR_INVALID);
}

static void end_at_once(void *arg)
{
    (void)arg;
}

TEST(what_others_leave_is_reclaimed_beside_a_spinner)
{
    enum { ROUNDS = 5000 };
    struct sp_runtime_options options = quick(1);
    struct gate gate = { 0 };
    options.processes_max = 32;
    options.stuck_threads_max = 1;
    world_open(&options);
    sp_pid spinner = puppet_start(NULL);
    puppet_tell(spinner, spin_at, &gate);
    gate_await(&gate);
    for (int i = 0; i < ROUNDS; i++) {
        sp_monitor_ref ref;
        CHECK_OK(
            sp_spawn(end_at_once, NULL, &(struct sp_spawn_options){ .out_monitor = &ref }, NULL));
        sp_message_free(expect_message());
    }
    gate_open(&gate);
    world_close();
}

/* ---- all at once ---------------------------------------------------------------------- */

enum { CROWD = 8, TURNS = 40 };

struct crowd {
    sp_pid members[CROWD];
    _Atomic int done;
};

static void burn(unsigned rounds)
{
    for (volatile unsigned i = 0; i < rounds; i++)
        continue;
}

static void count_one(void *arg)
{
    struct crowd *crowd = arg;
    burn((unsigned)(sp_random() % 2000000)); /* up to some ms: sometimes stuck */
    crowd->done++;
}

static void tell_others(void *arg)
{
    struct crowd *crowd = arg;
    for (int i = 0; i < TURNS; i++) {
        burn((unsigned)(sp_random() % 500000));
        puppet_tell(crowd->members[sp_random() % CROWD], count_one, crowd);
        if (i % 4 == 0)
            sp_yield();
    }
    crowd->done++;
}

TEST(handlers_that_are_stuck_now_and_then_lose_nothing)
{
    struct sp_runtime_options options = quick(2);
    struct crowd crowd = { .done = 0 };
    int expected = CROWD / 2 * (TURNS + 1);
    world_open(&options);
    for (int i = 0; i < CROWD; i++)
        crowd.members[i] = puppet_start(NULL);
    for (int i = 0; i < CROWD / 2; i++)
        puppet_tell(puppet_start(NULL), tell_others, &crowd);
    while (crowd.done < expected)
        sp_yield();
    CHECK_INT(crowd.done, expected);
    world_close();
}
