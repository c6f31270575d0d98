#include "spawned/runtime.h"

#include "base/alloc.h"
#include "process/busy.h"
#include "process/trace.h"
#include "process/dead_letter.h"
#include "process/exits.h"
#include "process/give_up.h"
#include "process/debugger.h"
#include "process/group.h"
#include "process/living.h"
#include "process/log.h"
#include "process/registry.h"
#include "process/relation.h"
#include "process/reply.h"
#include "process/signal.h"
#include "process/starvation.h"
#include "process/timer.h"
#include "runtime/log.h"
#include "runtime/meter.h"
#include "runtime/recorder.h"
#include "runtime/slab.h"
#include "spawned/property.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RUNTIME_WORKERS_MAX = 1024,
    RUNTIME_PROCESSES_MAX = SP__SLAB_MAX,
    RUNTIME_TIMERS_MAX = SP__SLAB_MAX,
    RUNTIME_MAILBOX_MAX = 65536,
    RUNTIME_THROUGHPUT = 100,
    RUNTIME_THROUGHPUT_MAX = UINT16_MAX,
    RUNTIME_SLICE_MS = 5,
    RUNTIME_AGING_MS = 1,
    RUNTIME_AGING_MAX_S = 60,
    RUNTIME_BLOCKING_MAX = 64,
    /* Of messages and slots: a simulated runtime is small, and made thousands of times a second. */
    RUNTIME_SIM_FILL = 4,
    RUNTIME_POLL_SPIN_US = 20,
    RUNTIME_STUCK_MS = 10,
    RUNTIME_STUCK_THREADS = 64,
#ifdef SPAWNED_LEAK_REPORTS
    RUNTIME_LEAK_REPORT = SP_LEAK_REPORT_ON,
#else
    RUNTIME_LEAK_REPORT = SP_LEAK_REPORT_OFF,
#endif
    RUNTIME_STUCK_THREADS_MAX = 4096,
    /* How often a stop looks for processes that have become roots, or were just being born. */
    RUNTIME_LOOK_MS = 10,
};

/* ---- creating ---- */

static void options_default(struct sp_runtime_options *options)
{
    if (options->workers == 0)
        options->workers = sp__backend_chosen()->cpus();
    if (options->processes_max == 0)
        options->processes_max = RUNTIME_PROCESSES_MAX;
    if (options->timers_max == 0)
        options->timers_max = RUNTIME_TIMERS_MAX;
    if (options->mailbox_max == 0)
        options->mailbox_max = RUNTIME_MAILBOX_MAX;
    if (options->throughput == 0)
        options->throughput = RUNTIME_THROUGHPUT;
    if (options->throughput > RUNTIME_THROUGHPUT_MAX)
        options->throughput = RUNTIME_THROUGHPUT_MAX;
    if (options->slice.ns == 0)
        options->slice = sp_ms(RUNTIME_SLICE_MS);
    if (options->aging.ns == 0)
        options->aging = sp_ms(RUNTIME_AGING_MS);
    /* In simulation each message is a step of its own. */
    if (sp__backend_chosen() != &sp__backend_real)
        options->throughput = 1;
    if (options->blocking_threads_max == 0)
        options->blocking_threads_max = RUNTIME_BLOCKING_MAX;
    if (options->stuck_after.ns == 0)
        options->stuck_after = sp_ms(RUNTIME_STUCK_MS);
    if (options->poll_spin.ns == 0)
        options->poll_spin = sp_us(RUNTIME_POLL_SPIN_US);
    if (options->leak_report == SP_LEAK_REPORT_DEFAULT)
        options->leak_report = (enum sp_leak_report)RUNTIME_LEAK_REPORT;
    if (options->stuck_threads_max == 0)
        options->stuck_threads_max = RUNTIME_STUCK_THREADS;
}

static bool options_choices_valid(const struct sp_runtime_options *options)
{
    return (unsigned)options->leak_report <= SP_LEAK_REPORT_OFF &&
           (options->on_fault == SP_FAULT_CONTAIN || options->on_fault == SP_FAULT_ABORT);
}

static sp_err options_check(const struct sp_runtime_options *options)
{
    if (options->workers > RUNTIME_WORKERS_MAX || options->processes_max > RUNTIME_PROCESSES_MAX ||
        options->timers_max > RUNTIME_TIMERS_MAX || !sp__mailbox_max_valid(options->mailbox_max) ||
        options->stuck_threads_max > RUNTIME_STUCK_THREADS_MAX ||
        (options->stuck_after.ns > 0 && options->stuck_after.ns < SP_NS_PER_MS) ||
        options->stuck_after.ns > 3600 * SP_NS_PER_S || options->poll_spin.ns > SP_NS_PER_MS ||
        (options->slice.ns > 0 && options->slice.ns < SP_NS_PER_MS) || options->aging.ns < 0 ||
        options->aging.ns > RUNTIME_AGING_MAX_S * SP_NS_PER_S || !options_choices_valid(options))
        return SP_ERR_INVALID;
    return SP_OK;
}

static sp_err runtime_seed(struct sp_runtime *runtime)
{
    uint64_t seed = runtime->options.seed;
    if (seed == 0) {
        sp_err err = runtime->ops->entropy(runtime, &runtime->seed, sizeof(runtime->seed));
        if (err != SP_OK)
            return err;
        runtime->options.seed = runtime->seed.k0 ^ runtime->seed.k1;
        return SP_OK;
    }
    uint64_t state = sp__random_start(seed, 0);
    runtime->seed.k0 = sp__random_next(&state);
    runtime->seed.k1 = sp__random_next(&state);
    return SP_OK;
}

/* What stays with a slot over all its users. */
static void runtime_free_slots(struct sp_runtime *runtime)
{
    uint32_t high = runtime->processes == NULL ? 0 : sp__slab_high(runtime->processes);
    for (uint32_t slot = 0; slot < high; slot++) {
        struct sp_process *process = sp__slab_get(runtime->processes, slot);
        sp__free(process->actor.timer);
    }
}

static void runtime_free(struct sp_runtime *runtime)
{
    sp__debugger_remove(runtime);
    sp__epoch_finish(&runtime->epoch);
    sp__log_close(runtime);
    if (runtime->forgets)
        return;
    sp__trace_free(runtime);
    sp__recorder_free(runtime);
    sp__busy_free(runtime);
    sp__meters_free(runtime);
    sp__dead_letters_destroy(runtime);
    sp__exits_destroy(runtime);
    sp__groups_destroy(runtime->groups);
    sp__registry_destroy(runtime->registry);
    sp__slab_destroy(runtime->timer_slots);
    /* relaxed: nobody else is there any more. */
    sp__slab_destroy(atomic_load_explicit(&runtime->task_slots, memory_order_relaxed));
    runtime_free_slots(runtime);
    sp__slab_destroy(runtime->processes);
    sp__fiber_pool_destroy(runtime->fibers);
    sp__msg_pool_finish(&runtime->messages);
    sp__free(runtime);
}

/* Room for `max` and for what each thread keeps. */
static uint32_t runtime_slots(const struct sp_runtime_options *options, uint64_t max,
                              uint64_t thread)
{
    uint64_t slots = max + thread * (options->workers + options->stuck_threads_max + 64);
    return slots < SP__SLAB_MAX ? (uint32_t)slots : SP__SLAB_MAX;
}

static sp_err runtime_slabs(struct sp_runtime *runtime)
{
    const struct sp_runtime_options *options = &runtime->options;
    /* The dead that wait for their grace period, and the free ones in its cache. */
    uint64_t dead = 4 * SP__EPOCH_BATCH + SP__SLAB_CACHE_MAX;
    sp_err err =
        sp__slab_create(sizeof(struct sp_process), _Alignof(struct sp_process),
                        runtime_slots(options, options->processes_max, dead), &runtime->processes);
    if (err == SP_OK)
        err = sp__slab_create(sp__timer_slot_size(), 64,
                              runtime_slots(options, options->timers_max, SP__SLAB_CACHE_MAX),
                              &runtime->timer_slots);
    if (err == SP_OK && !runtime->real) {
        sp__slab_set_fill(runtime->processes, RUNTIME_SIM_FILL);
        sp__slab_set_fill(runtime->timer_slots, RUNTIME_SIM_FILL);
    }
    return err;
}

/* The pool knows its default, and rounds: others go by what the option says then. */
static sp_err runtime_fibers(struct sp_runtime *runtime)
{
    struct sp__fiber_pool_stats stats;
    sp_err err = sp__fiber_pool_create(
        &(struct sp__fiber_options){ .stack_size = runtime->options.stack_size }, &runtime->fibers);
    if (err != SP_OK)
        return err;
    sp__fiber_pool_read(runtime->fibers, &stats);
    runtime->options.stack_size = stats.stack_size;
    return SP_OK;
}

static sp_err runtime_parts(struct sp_runtime *runtime)
{
    sp_err err = runtime_fibers(runtime);
    if (err == SP_OK)
        err = runtime_slabs(runtime);
    if (err == SP_OK)
        err = sp__registry_create(runtime->seed, &runtime->registry);
    if (err == SP_OK)
        err = sp__groups_create(runtime->seed, &runtime->groups);
    if (err == SP_OK)
        err = runtime->ops->start(runtime);
    return err;
}

uint64_t sp__process_object(const struct sp__actor *actor)
{
    return sp__point_pid(sp__process_pid((const struct sp_process *)(const void *)actor));
}

/* It may have ended meanwhile, and its slot be anybody's. Inside an epoch section, which keeps what
 * is found alive. */
static void runtime_describe(struct sp__actor *actor, char *text, size_t size)
{
    struct sp_process *process = (struct sp_process *)(void *)actor;
    /* acquire: as in lookup. */
    uint64_t serial = atomic_load_explicit(&process->serial, memory_order_acquire);
    const char *label = NULL;
    char name[64];
    if (serial != 0 && !(serial & SP__SERIAL_DEAD)) {
        sp__lock_lock(&process->lock);
        label = process->closed ? NULL : sp__process_label(process);
        sp__lock_unlock(&process->lock);
    }
    if (label == NULL)
        snprintf(text, size, "a process that has ended");
    else
        snprintf(text, size, "%s (%s)", sp__process_text(process, name), label);
}

static const char *runtime_label(struct sp__actor *actor)
{
    struct sp_process *process = (struct sp_process *)(void *)actor;
    return process->stage > SP__EXIT_LOG ? "ending" : sp__process_label(process);
}

sp_err sp_runtime_create(const struct sp_runtime_options *options, struct sp_runtime **out_runtime)
{
    struct sp_runtime *runtime = sp__aligned_alloc(SP__CACHE_LINE, sizeof(*runtime));
    if (runtime == NULL)
        return SP_ERR_NOMEM;
    memset(runtime, 0, sizeof(*runtime));
    runtime->ops = sp__backend_chosen();
    runtime->real = runtime->ops == &sp__backend_real;
    if (options != NULL)
        runtime->options = *options;
    options_default(&runtime->options);
    sp__epoch_init(&runtime->epoch, runtime->real);
    sp__msg_pool_init(&runtime->messages, &(struct sp__msg_pool_options){
                                              .fill = runtime->real ? 0 : RUNTIME_SIM_FILL });
    sp__lock_init(&runtime->contexts_lock);
    sp__list_init(&runtime->contexts);
    runtime->actor_object = sp__process_object;
    runtime->describe = runtime_describe;
    runtime->starvation.tell = sp__starvation_tell;
    runtime->label = runtime_label;
    runtime->log_level = sp__process_log_level;
    runtime->log_who = sp__process_log_who;
    runtime->log_trace = sp__process_log_trace;
    runtime->on_fault = sp__process_on_fault;
    runtime->on_timers = sp__timers_fire;
    runtime->timer_actor = sp__timer_actor;
    runtime->on_no_fiber = sp__process_on_no_fiber;
    runtime->on_no_stack = sp__process_on_no_stack;
    sp_err err = options_check(&runtime->options);
    if (err == SP_OK)
        err = runtime_seed(runtime);
    if (err == SP_OK)
        err = sp__log_open(runtime);
    if (err == SP_OK)
        err = runtime_parts(runtime);
    if (err != SP_OK) {
        runtime_free(runtime);
        return err;
    }
    sp__debugger_add(runtime);
    *out_runtime = runtime;
    return SP_OK;
}

/* ---- foreign threads ---- */

static enum sp__turn foreign_turn(struct sp__actor *actor)
{
    (void)actor;
    return SP__TURN_DEAD; /* its thread runs it, no worker does */
}

static const struct sp__behaviour foreign_behaviour = {
    .label = "thread",
    .turn = foreign_turn,
};

static const struct sp__behaviour stopper_behaviour = {
    .label = "runtime stop",
    .turn = foreign_turn,
    .always = true,
};

static sp_err runtime_attach(struct sp_runtime *runtime, const struct sp__behaviour *behaviour)
{
    struct sp__context *context;
    sp_err err = runtime->ops->thread_attach(runtime, &context);
    if (err != SP_OK)
        return err;
    struct sp_process *process;
    err = sp__process_create(runtime, behaviour, NULL, NULL, &process);
    if (err != SP_OK) {
        runtime->ops->thread_detach(context);
        return err;
    }
    /* A thread cannot be ended by a signal, so it gets notices. */
    process->flags |= SP__PROCESS_FOREIGN | SP__PROCESS_TRAP_EXIT;
    atomic_fetch_or_explicit(&process->shared, SP__SHARED_TRAPS, memory_order_relaxed);
    process->actor.bound = context;
    process->actor.lane = SP__LANE_BOUND;
    context->current = &process->actor;
    if (!sp__scheduler_prepare_deadline(&process->actor)) {
        sp_thread_detach();
        return SP_ERR_NOMEM;
    }
    return SP_OK;
}

sp_err sp_thread_attach(struct sp_runtime *runtime)
{
    return sp__context() != NULL ? SP_ERR_INVALID : runtime_attach(runtime, &foreign_behaviour);
}

void sp_thread_detach(void)
{
    struct sp__context *context = sp__context();
    if (context == NULL || context->kind != SP__CONTEXT_FOREIGN)
        return;
    if (context->current != NULL)
        sp__process_exit((struct sp_process *)(void *)context->current, sp_reason_normal());
    context->current = NULL;
    context->runtime->ops->thread_detach(context);
}

/* ---- stopping ---- */

static bool runtime_alone(struct sp_runtime *runtime)
{
    return sp__living_count(runtime) <= 1;
}

/* Is it linked to a parent that lives? Then that one will end it, or take it along. */
static bool process_has_parent(struct sp_runtime *runtime, struct sp_process *process, sp_pid self)
{
    sp_pid parent = sp__process_parent(process);
    return !sp_pid_is_none(parent) && !sp_pid_equal(parent, self) &&
           sp__process_lookup(runtime, parent) != NULL && sp__relation_linked(process, parent);
}

/* What a stop does to everybody, once each. */
struct stop_step {
    enum sp__signal_kind kind;
    const struct sp_reason *reason;
    uint32_t told; /* bit of sp_process.shared */
    bool only_roots;
};

static void runtime_signal_one(struct sp_runtime *runtime, struct sp_process *process, sp_pid self,
                               const struct stop_step *step)
{
    /* acquire: as in lookup. */
    uint64_t serial = atomic_load_explicit(&process->serial, memory_order_acquire);
    if (serial == 0 || (serial & SP__SERIAL_DEAD) || process->slot == self.slot ||
        (atomic_load_explicit(&process->shared, memory_order_relaxed) & step->told) ||
        (step->only_roots && process_has_parent(runtime, process, self)))
        return;
    /* Without memory it is tried again at the next look. */
    if (sp__signal_send(process, step->kind, self, sp_reason_ref(step->reason)) == SP_OK)
        atomic_fetch_or_explicit(&process->shared, step->told, memory_order_relaxed);
}

/* Tell all whom it concerns, until this process is the only one, or the deadline. Looks again now
 * and then: children whose parents have ended are roots now, and a process may have been on its
 * way while the stop began. */
static bool runtime_end(struct sp_runtime *runtime, struct sp_process *self,
                        const struct stop_step *step, int64_t until)
{
    while (!runtime_alone(runtime)) {
        uint32_t high = sp__slab_high(runtime->processes);
        for (uint32_t slot = 0; slot < high; slot++) {
            struct sp_process *process = sp__slab_get(runtime->processes, slot);
            /* relaxed: many slots were never anybody's; of the others it is read again inside. */
            if (atomic_load_explicit(&process->serial, memory_order_relaxed) == 0)
                continue;
            sp__process_enter();
            runtime_signal_one(runtime, process, sp_self(), step);
            sp__process_leave();
        }
        sp_ignore(sp__process_check(self));
        int64_t now = sp__now(runtime);
        if (now >= until)
            return runtime_alone(runtime);
        int64_t look = now + RUNTIME_LOOK_MS * SP_NS_PER_MS;
        sp__scheduler_park_until(&self->actor, false, look < until ? look : until);
    }
    return true;
}

static void report_stuck(struct sp_runtime *runtime, struct sp_stop_report *report)
{
    sp_pid self = sp_self();
    uint32_t high = sp__slab_high(runtime->processes);
    for (uint32_t slot = 0; slot < high; slot++) {
        sp__process_enter();
        struct sp_process *process = sp__slab_get(runtime->processes, slot);
        uint64_t serial = atomic_load_explicit(&process->serial, memory_order_acquire);
        bool lives = serial != 0 && slot != self.slot &&
                     (!(serial & SP__SERIAL_DEAD) || sp__process_given_up(process));
        if (lives && report->stuck++ == 0)
            sp__process_text(process, report->stuck_name);
        sp__process_leave();
    }
}

static void runtime_end_processes(struct sp_runtime *runtime, struct sp_process *self,
                                  int64_t until, struct sp_stop_report *report)
{
    int64_t left = until - sp__now(runtime);
    left = left < 0 ? 0 : left;
    /* Roots first, so that supervisors take their trees down in order; then whoever is left. */
    struct stop_step step = { .kind = SP__SIGNAL_SHUTDOWN,
                              .reason = sp_reason_shutdown(),
                              .told = SP__SHARED_SHUT_DOWN,
                              .only_roots = true };
    if (runtime_end(runtime, self, &step, until - left / 4 * 3))
        return;
    step.only_roots = false;
    if (runtime_end(runtime, self, &step, until - left / 2))
        return;
    report->killed = (uint32_t)sp__living_count(runtime) - 1;
    step = (struct stop_step){ .kind = SP__SIGNAL_EXIT,
                               .reason = sp_reason_kill(),
                               .told = SP__SHARED_SHOT_DEAD };
    if (!runtime_end(runtime, self, &step, until))
        report_stuck(runtime, report);
}

/* Make the calling thread the process that stops the runtime. Returns the context it has in
 * another runtime, or NULL. */
static struct sp__context *runtime_take_thread(struct sp_runtime *runtime)
{
    struct sp__context *context = sp__context();
    bool ours = context != NULL && context->runtime == runtime;
    assert(!ours || context->kind == SP__CONTEXT_FOREIGN); /* a worker would wait for itself */
    if (ours && context->current != NULL)
        return NULL;
    if (ours)
        sp_thread_detach(); /* its process was killed */
    sp__context_set(NULL);
    while (runtime_attach(runtime, &stopper_behaviour) != SP_OK)
        sp__scheduler_spin(UINT32_MAX); /* no memory for a moment: there is no way to fail */
    return ours ? NULL : context;
}

/* Nobody is left to send or to take. */
static bool runtime_balanced(struct sp_runtime *runtime)
{
    struct sp_stats stats;
    sp_runtime_stats(runtime, &stats);
    return stats.sent == stats.handled + stats.queued + stats.dead_noproc + stats.dropped_full +
                             stats.dropped_stale + stats.dropped_shed;
}

/* Become the process that stops the runtime, `end` all others, then the threads. False: something
 * does not end before `until`. */
static bool runtime_stop(struct sp_runtime *runtime, int64_t until, struct sp_stop_report *report,
                         void (*end)(struct sp_runtime *runtime, struct sp_process *self,
                                     int64_t until, struct sp_stop_report *report))
{
    struct sp__context *before = runtime_take_thread(runtime);
    struct sp_process *self = sp__process_self();
    atomic_store_explicit(&runtime->stopping, true, memory_order_seq_cst);
    atomic_store_explicit(&runtime->stopper, self, memory_order_seq_cst);
    /* Whoever counts its end from here on finds the stopper: pairs with living_exited(). */
    sp__epoch_fence(&runtime->epoch);
    end(runtime, self, until, report);
    /* seq_cst: pairs with sp__living_tell(), which wakes who it finds inside its section only. */
    atomic_store_explicit(&runtime->stopper, NULL, memory_order_seq_cst);
    sp_thread_detach();
    sp__context_set(before);
    return report->stuck == 0 &&
           runtime->ops->stop(runtime, sp_time_add((sp_time){ until }, sp_sec(1)).ns);
}

static void runtime_destroy(struct sp_runtime *runtime)
{
    sp_always(runtime_balanced(runtime), "messages sent = handled + queued + dead + dropped");
    runtime->ops->destroy(runtime);
    runtime_free(runtime);
}

/* All were told to end, and killed. */
static void runtime_await_processes(struct sp_runtime *runtime, struct sp_process *self,
                                    int64_t until, struct sp_stop_report *report)
{
    const struct stop_step step = { .kind = SP__SIGNAL_EXIT,
                                    .reason = sp_reason_kill(),
                                    .told = SP__SHARED_SHOT_DEAD };
    (void)report;
    (void)runtime_end(runtime, self, &step, until);
}

/* A thread that waits for what did not end in time, and frees the rest of the runtime then. */
static void *runtime_reap(void *arg)
{
    struct sp_runtime *runtime = arg;
    struct sp_stop_report report = { 0 };
    while (!runtime_stop(runtime, INT64_MAX, &report, runtime_await_processes))
        continue;
    runtime_destroy(runtime);
    return NULL;
}

static void runtime_log_report(struct sp_runtime *runtime, const struct sp_stop_report *report)
{
    if (report->stuck > 0)
        sp__log(runtime, SP_LOG_WARNING, "the end: %u processes had to be killed, %u are stuck: %s",
                report->killed, report->stuck, report->stuck_name);
    else if (report->killed > 0)
        sp__log(runtime, SP_LOG_WARNING, "the end: %u processes had to be killed", report->killed);
}

sp_err sp_runtime_destroy(struct sp_runtime *moved_runtime, sp_deadline deadline,
                          struct sp_stop_report *out_report)
{
    struct sp_runtime *runtime = moved_runtime;
    struct sp_stop_report report = { 0 };
    int64_t until = sp__scheduler_instant(runtime, deadline, sp_after_sec(5));
    bool stopped = runtime_stop(runtime, until, &report, runtime_end_processes);
    if (out_report != NULL)
        *out_report = report;
    runtime_log_report(runtime, &report);
    if (!stopped) /* or the program ends before it is written */
        sp_ignore(sp_log_flush(runtime, sp_after_sec(1)));
    if (stopped)
        runtime_destroy(runtime);
    else if (runtime->ops->reap != NULL)
        sp_ignore(runtime->ops->reap(runtime_reap, runtime)); /* without a thread it stays */
    return stopped ? SP_OK : SP_ERR_TIMEOUT;
}

/* ---- the whole of a main ---- */

struct main_call {
    sp_main_fn fn;
    void *arg;
    int status;
};

static void main_process(void *arg)
{
    struct main_call *call = arg;
    call->status = call->fn(call->arg);
}

static bool main_is_down(const struct sp_message *message, void *arg)
{
    const struct sp_down *down = sp_message_down(message);
    return down != NULL && down->ref.id == ((sp_monitor_ref *)arg)->id;
}

static int main_run(struct main_call *call)
{
    /* Monitored from birth: it may have ended before we come to wait for it. */
    sp_monitor_ref ref;
    struct sp_message *message;
    sp_err err = sp_spawn(main_process, call,
                          &(struct sp_spawn_options){ .name = "main", .out_monitor = &ref }, NULL);
    if (err == SP_OK)
        err = sp_receive_select(main_is_down, &ref, sp_never(), &message);
    if (err != SP_OK)
        return EXIT_FAILURE;
    bool normal = sp_reason_is_normal(sp_message_down(message)->reason);
    sp_message_free(message);
    return normal ? call->status : EXIT_FAILURE;
}

/* Who has no log and wants to see why a program ended asks for it in the environment. */
static bool main_log_env(struct sp_log_options *log)
{
    if (sp__backend_chosen() != &sp__backend_real || log->sink != SP_LOG_NOWHERE ||
        log->fn != NULL || !sp__log_env_asks())
        return false;
    log->sink = SP_LOG_STDERR;
    return true;
}

int sp_main(sp_main_fn fn, void *arg, const struct sp_runtime_options *options)
{
    struct sp_runtime *runtime;
    struct sp_runtime_options all = options == NULL ? (struct sp_runtime_options){ 0 } : *options;
    bool env = main_log_env(&all.log);
    if (sp_runtime_create(&all, &runtime) != SP_OK)
        return EXIT_FAILURE;
    if (env && sp_log_levels_env(runtime) != SP_OK)
        sp__log(runtime, SP_LOG_WARNING, "SPAWNED_LOG is not understood: info, or info,net=debug");
    struct main_call call = { .fn = fn, .arg = arg, .status = EXIT_FAILURE };
    int status = EXIT_FAILURE;
    if (sp_thread_attach(runtime) == SP_OK)
        status = main_run(&call);
    struct sp_stop_report report;
    sp_err err = sp_runtime_destroy(runtime, (sp_deadline){ 0 }, &report);
    return err == SP_OK ? status : EXIT_FAILURE;
}

/* ---- what the runtime tells ---- */

struct sp_runtime *sp_runtime_current(void)
{
    struct sp_process *self = sp__process_self();
    return self == NULL ? NULL : sp__process_runtime(self);
}

sp_time sp_now(void)
{
    struct sp_runtime *runtime = sp_runtime_current();
    return (sp_time){ runtime == NULL ? 0 : sp__now(runtime) };
}

int64_t sp_wall_ns(void)
{
    struct sp_runtime *runtime = sp_runtime_current();
    return runtime == NULL ? 0 : runtime->ops->wall(runtime);
}

uint64_t sp_random(void)
{
    struct sp__context *context = sp__context();
    return context == NULL ? 0 : sp__random_next(&context->random);
}

sp_err sp_random_bytes(void *bytes, size_t size)
{
    struct sp_runtime *runtime = sp_runtime_current();
    return runtime == NULL ? SP_ERR_NOTCONTEXT : runtime->ops->entropy(runtime, bytes, size);
}

static uint64_t runtime_queued(struct sp_runtime *runtime)
{
    uint64_t queued = 0;
    uint32_t high = sp__slab_high(runtime->processes);
    for (uint32_t slot = 0; slot < high; slot++) {
        struct sp_process *process = sp__slab_get(runtime->processes, slot);
        uint64_t serial = atomic_load_explicit(&process->serial, memory_order_acquire);
        /* One that was given up still has what is in its mailbox. */
        if (serial != 0 && (!(serial & SP__SERIAL_DEAD) || sp__process_given_up(process)))
            queued += sp__mailbox_length(&process->actor);
    }
    return queued;
}

void sp_runtime_stats(struct sp_runtime *runtime, struct sp_stats *out_stats)
{
    struct sp__counters sum = { 0 };
    sp__context_counters(runtime, &sum);
    *out_stats = (struct sp_stats){
        .processes = sp__living_count(runtime),
        .spawned = sum.spawned,
        .exited = sum.exited,
        .sent = sum.sent,
        .handled = sum.handled,
        .queued = runtime_queued(runtime),
        .dead_noproc = sum.dead_noproc,
        .dropped_full = sum.dropped_full,
        .dropped_stale = sum.dropped_stale,
        .dropped_shed = sum.dropped_shed,
        .late_replies = sum.late_replies,
        .expired = sum.expired,
        .faults = sum.faults,
        .steals = sum.steals,
        .parks = sum.parks,
        .timers = sp__timers_count(runtime->timers),
        .starvations = atomic_load_explicit(&runtime->starvation.warnings, memory_order_relaxed),
        .starvations_critical =
            atomic_load_explicit(&runtime->starvation.criticals, memory_order_relaxed),
        .overruns = atomic_load_explicit(&runtime->overruns, memory_order_relaxed),
        .polls = atomic_load_explicit(&runtime->polls, memory_order_relaxed),
        .poll_events = atomic_load_explicit(&runtime->poll_events, memory_order_relaxed),
        .poll_wakes = atomic_load_explicit(&runtime->poll_wakes, memory_order_relaxed),
        .abandoned = atomic_load_explicit(&runtime->abandoned, memory_order_relaxed),
        .abandoned_left = atomic_load_explicit(&runtime->abandoned_left, memory_order_relaxed),
        .handoffs = atomic_load_explicit(&runtime->handoffs, memory_order_relaxed),
        .threads = atomic_load_explicit(&runtime->worker_threads, memory_order_relaxed),
    };
}
