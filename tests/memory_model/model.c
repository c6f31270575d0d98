/* The driver: plays one execution after the other, each from the same state.
 *
 * Threads are fibers. One runs up to its next atomic operation, stands at it, and goes on when the
 * graph says what it gets. Plain accesses happen at once: in an execution without data races a
 * read gets the last write that happens before it, whatever the order of the threads' turns.
 */
#include "run.h"

#include "support/test.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

enum { MODEL_STACK = 64 * 1024, MODEL_EXECUTIONS_MAX = 20 * 1000 * 1000 };

struct fiber {
    jmp_buf here;
    ucontext_t start;
    _Alignas(64) char stack[MODEL_STACK];
};

struct run model_run;
static struct fiber model_fibers[MODEL_THREADS_MAX];
static jmp_buf model_driver;
static void *model_snapshot;

/* ---- futexes ---- */

enum { MODEL_FUTEXES = 8 };

static struct {
    const void *word;
    _Atomic uint32_t wakes;
} model_futexes[MODEL_FUTEXES];

_Atomic uint32_t *model_futex(const void *word);

_Atomic uint32_t *model_futex(const void *word)
{
    int i = 0;
    while (model_futexes[i].word != NULL && model_futexes[i].word != word)
        i++;
    assert(i < MODEL_FUTEXES - 1);
    model_futexes[i].word = word;
    return &model_futexes[i].wakes;
}

/* Which word has which place stays as it is. */
static void model_futex_reset(void)
{
    for (int i = 0; i < MODEL_FUTEXES; i++)
        atomic_init(&model_futexes[i].wakes, 0);
}

/* ---- fibers ---- */

/* Stands at its request, until the driver goes on with it. */
static void fiber_yield(int thread)
{
    if (_setjmp(model_fibers[thread].here) == 0)
        _longjmp(model_driver, 1);
}

static void fiber_main(void)
{
    int thread = model_run.current - 1;
    model_run.model->threads[thread]();
    thread = model_run.current - 1;
    model_run.states[thread] = THREAD_ENDED;
    _longjmp(model_driver, 1);
}

/* Runs the thread up to its next request; `first` from its beginning. */
static void fiber_go(struct run *run, int thread, bool first)
{
    struct fiber *fiber = &model_fibers[thread];
    if (run->model->enter != NULL)
        run->model->enter(thread + 1);
    run->current = thread + 1;
    if (_setjmp(model_driver) == 0) {
        if (!first)
            _longjmp(fiber->here, 1);
        getcontext(&fiber->start);
        fiber->start.uc_stack.ss_sp = fiber->stack;
        fiber->start.uc_stack.ss_size = sizeof(fiber->stack);
        fiber->start.uc_link = NULL;
        makecontext(&fiber->start, fiber_main, 0);
        setcontext(&fiber->start);
    }
    model_run.current = 0;
}

void run_start(struct run *run)
{
    memcpy(run->model->state, model_snapshot, run->model->state_size);
    memset(&run->play.views, 0, sizeof(run->play.views));
    memset(run->play.done, 0, sizeof(run->play.done));
    memset(run->half, 0, sizeof(run->half));
    memset(run->touched, 0, sizeof(run->touched));
    run->log_count = 0;
    run->failed = false;
    race_reset();
    model_futex_reset();
    for (int t = 0; t < run->thread_count && !run->failed; t++)
        fiber_go(run, t, true);
}

/* ---- findings ---- */

void run_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(model_run.what, sizeof(model_run.what), format, arguments);
    va_end(arguments);
    model_run.failed = true;
    if (model_run.current != 0)
        _longjmp(model_driver, 1);
}

void model_fail(const char *what, const char *detail, const char *file, int line)
{
    const char *name = strrchr(file, '/');
    run_fail("%s: %s (%s:%d)", what, detail, name != NULL ? name + 1 : file, line);
}

int model_thread(void)
{
    return model_run.current;
}

bool model_sleeps(int thread)
{
    return model_run.states[thread - 1] == THREAD_SLEEPS;
}

/* ---- requests ---- */

void model_site(const char *file, int line, const char *function, const char *operation,
                const char *operand)
{
    model_run.site = (struct site){ file, line, function, operation, operand, 0 };
}

static uint16_t run_site(struct run *run)
{
    const struct site *site = &run->site;
    for (int i = 0; i < run->site_count; i++)
        if (run->sites[i].line == site->line && run->sites[i].operation == site->operation &&
            run->sites[i].function == site->function)
            return (uint16_t)i;
    assert(run->site_count < RUN_SITES_MAX);
    run->sites[run->site_count] = *site;
    return (uint16_t)run->site_count++;
}

static uint64_t memory_read(const void *at, int size)
{
    uint64_t value = 0;
    memcpy(&value, at, (size_t)size);
    return value;
}

static void memory_write(void *at, int size, uint64_t value)
{
    memcpy(at, &value, (size_t)size);
}

static int run_location(struct run *run, const struct request *request)
{
    int i = 0;
    while (i < run->location_count && run->locations[i] != request->at)
        i++;
    if (i == run->location_count) {
        assert(i < GRAPH_LOCATIONS_MAX);
        run->locations[i] = request->at;
        run->location_sizes[i] = request->size;
        run->location_names[i] = run->site.operand;
        run->location_count++;
    }
    if (!run->touched[i]) {
        run->touched[i] = true;
        run->initial[i] = memory_read(request->at, request->size);
    }
    if (run->graph.writes[i] == 0) {
        run->graph.writes[i] = 1;
        run->graph.order[i][0] = EVENT_INIT;
    }
    return i;
}

static bool fault_part(const char *wanted, const char *is)
{
    return wanted == NULL || strcmp(wanted, is) == 0;
}

/* The planted bug's order, where this is its place. */
static void run_plant(struct run *run, struct request *request)
{
    const struct model_fault *fault = run->options->fault;
    if (fault == NULL || (fault->thread != 0 && fault->thread != run->current) ||
        !fault_part(fault->function, run->site.function) ||
        !fault_part(fault->operand, run->site.operand) ||
        strncmp(fault->operation, run->site.operation, strlen(fault->operation)) != 0)
        return;
    run->result->fault_hits++;
    request->order = (int)fault->order;
    bool keeps = fault->order == memory_order_acquire || fault->order == memory_order_acq_rel;
    if (!keeps || request->fail_order != memory_order_acquire)
        request->fail_order = memory_order_relaxed;
}

static uint64_t update_value(const struct request *request, uint64_t old)
{
    uint64_t mask = request->size == 8 ? UINT64_MAX : (UINT64_C(1) << (request->size * 8)) - 1;
    switch (request->op) {
    case UPDATE_EXCHANGE:
        return request->operand;
    case UPDATE_ADD:
        return (old + request->operand) & mask;
    case UPDATE_SUB:
        return (old - request->operand) & mask;
    case UPDATE_AND:
        return old & request->operand;
    case UPDATE_OR:
        return old | request->operand;
    case UPDATE_XOR:
        return old ^ request->operand;
    }
    return old;
}

/* Outside of the threads: on the memory as it is. */
static uint64_t request_direct(struct request *request)
{
    if (request->kind >= REQUEST_FENCE)
        return 0;
    uint64_t old = memory_read(request->at, request->size);
    request->success = request->kind == REQUEST_COMPARE && old == request->expected;
    if (request->kind == REQUEST_UPDATE)
        memory_write(request->at, request->size, update_value(request, old));
    else if (request->kind == REQUEST_STORE || request->success)
        memory_write(request->at, request->size, request->operand);
    return old;
}

uint64_t run_request(struct request *request)
{
    struct run *run = &model_run;
    if (run->current == 0)
        return request_direct(request);
    int thread = run->current - 1;
    run_plant(run, request);
    if (request->kind == REQUEST_FENCE && request->order == memory_order_relaxed)
        return 0;
    request->weak = strcmp(run->site.operation, "compare_exchange_weak") == 0;
    request->site = run_site(run);
    run->sites[request->site].orders |= 1U << request->order;
    if (request->kind < REQUEST_FENCE)
        request->location = run_location(run, request);
    run->states[thread] = request->kind == REQUEST_WAIT    ? THREAD_WAITS
                          : request->kind == REQUEST_SLEEP ? THREAD_SLEEPS
                                                           : THREAD_READY;
    run->requests[thread] = *request;
    fiber_yield(thread);
    *request = run->requests[thread];
    return request->result;
}

/* ---- playing ---- */

uint64_t run_value(const struct run *run, int location, event_ref ref)
{
    return ref == EVENT_INIT ? run->initial[location] : graph_look(&run->graph, ref)->value;
}

static int run_order(const struct request *request, const struct event *event)
{
    if (request->kind == REQUEST_COMPARE && !event->update)
        return request->fail_order;
    return request->order;
}

/* Fills in what follows from the request and from what is read. True: the thread goes on. */
static bool run_fill(struct run *run, int thread, struct event *event)
{
    struct request *request = &run->requests[thread];
    event->site = request->site;
    if (event->kind == EVENT_READ) {
        event->value = run_value(run, event->location, event->from);
        request->result = event->value;
        request->success = request->kind == REQUEST_COMPARE && event->value == request->expected;
        event->update = request->kind == REQUEST_UPDATE || request->success;
        event->order = (uint8_t)run_order(request, event);
        run->half[thread] = event->update;
        return !event->update;
    }
    event->order = (uint8_t)request->order;
    event->update = run->half[thread];
    run->half[thread] = false;
    if (event->kind == EVENT_WRITE) {
        bool computed = request->kind == REQUEST_UPDATE;
        event->value = computed ? update_value(request, request->result) : request->operand;
    }
    return true;
}

void run_step(struct run *run, int thread)
{
    int index = run->play.done[thread];
    struct event *event = &run->graph.events[thread][index];
    const struct request *request = &run->requests[thread];
    bool goes_on = run_fill(run, thread, event);
    if (event->kind == EVENT_WRITE || event->kind == EVENT_READ)
        race_atomic(run, thread, index, request, event->kind == EVENT_WRITE);
    play_event(&run->play, &run->graph, thread);
    run->log[run->log_count++] = event_make(thread, index);
    if (run->failed || !goes_on)
        return;
    if (run->model->retry_is_same && request->kind == REQUEST_COMPARE && request->weak &&
        !request->success)
        run->states[thread] = THREAD_RETRIES;
    else
        fiber_go(run, thread, false);
}

/* Can the next event of the thread be played, because what it reads was? */
static bool run_playable(const struct run *run, int thread)
{
    int index = run->play.done[thread];
    if (index >= run->graph.count[thread])
        return false;
    const struct event *event = &run->graph.events[thread][index];
    if (event->kind != EVENT_READ || event->from == EVENT_INIT)
        return true;
    return run->play.done[event_thread(event->from)] > event_index(event->from);
}

/* The model's threads must do the same again when they get the same. */
static void run_same(const struct run *run, int thread)
{
    const struct event *event = &run->graph.events[thread][run->play.done[thread]];
    const struct request *request = &run->requests[thread];
    bool same = run->states[thread] == THREAD_READY &&
                (event->kind == EVENT_FENCE
                     ? request->kind == REQUEST_FENCE
                     : request->kind < REQUEST_FENCE && request->location == event->location);
    if (!same)
        FAIL("%s: thread %d is not the same the second time", run->model->name, thread + 1);
}

void run_replay(struct run *run)
{
    bool moved = true;
    while (moved && !run->failed) {
        moved = false;
        for (int t = 0; t < run->thread_count && !run->failed; t++)
            while (!run->failed && run_playable(run, t)) {
                run_same(run, t);
                run_step(run, t);
                moved = true;
            }
    }
}

int run_next(const struct run *run)
{
    for (int t = 0; t < run->thread_count; t++)
        if (run->half[t])
            return t;
    for (int t = 0; t < run->thread_count; t++)
        if (run->states[t] == THREAD_READY)
            return t;
    return -1;
}

/* ---- the end of an execution ---- */

bool run_is_stuck(const struct run *run, int thread)
{
    for (int i = run->graph.count[thread] - 1; i >= 0; i--) {
        const struct event *event = &run->graph.events[thread][i];
        if (event->kind == EVENT_READ)
            return graph_place(&run->graph, event->location, event->from) ==
                   run->graph.writes[event->location] - 1;
    }
    return true;
}

static void run_write_back(struct run *run)
{
    for (int i = 0; i < run->location_count; i++)
        if (run->touched[i])
            memory_write(run->locations[i], run->location_sizes[i],
                         run_value(run, i, run->graph.order[i][run->graph.writes[i] - 1]));
}

void run_finish(struct run *run)
{
    run->result->fingerprint += graph_hash(&run->graph, run->locations);
    for (int t = 0; t < run->thread_count; t++)
        if (run->states[t] == THREAD_RETRIES ||
            (run->states[t] != THREAD_ENDED && !run_is_stuck(run, t))) {
            run->result->blocked++;
            return;
        }
    for (int t = 0; t < run->thread_count; t++)
        if (run->states[t] == THREAD_WAITS) {
            run_fail("%s waits for ever", run->model->thread_names[t]);
            return;
        }
    run->result->executions++;
    run_write_back(run);
    if (run->model->final != NULL)
        run->model->final();
}

/* ---- all of them ---- */

/* A finding in the middle of a graph that cannot be is none: the plain accesses behind a read
 * happen before the graph is looked at as a whole. */
static bool run_is_possible(const struct run *run)
{
    static struct graph played;
    graph_restrict(&played, &run->graph, run->play.done);
    return graph_sc_consistent(&played, &run->play);
}

static void run_one(struct run *run)
{
    run_start(run);
    if (!run->failed)
        run_replay(run);
    if (run->failed || !graph_sc_consistent(&run->graph, &run->play))
        return;
    if (run->options->naive && run_next(run) >= 0) {
        explore_all(run);
        return;
    }
    for (int t; !run->failed && (t = run_next(run)) >= 0;)
        if (!explore_extend(run, t))
            return;
    if (!run->failed)
        run_finish(run);
}

static double model_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void model_begin(const struct model *model, const struct model_options *options,
                        struct model_result *result)
{
    memset(&model_run, 0, sizeof(model_run));
    memset(result, 0, sizeof(*result));
    model_run.model = model;
    model_run.options = options;
    model_run.result = result;
    while (model_run.thread_count < MODEL_THREADS_MAX &&
           model->threads[model_run.thread_count] != NULL)
        model_run.thread_count++;
    memset(model->state, 0, model->state_size);
    if (model->setup != NULL)
        model->setup();
    model_snapshot = malloc(model->state_size);
    assert(model_snapshot != NULL);
    memcpy(model_snapshot, model->state, model->state_size);
}

void model_explore(const struct model *model, const struct model_options *options,
                   struct model_result *result)
{
    static const struct model_options defaults;
    if (options == NULL)
        options = &defaults;
    uint64_t max = options->executions_max != 0 ? options->executions_max : MODEL_EXECUTIONS_MAX;
    double start = model_clock();
    model_begin(model, options, result);
    explore_begin(options->naive);
    while (result->verdict == MODEL_COMPLETE && explore_next(&model_run)) {
        result->runs++;
        run_one(&model_run);
        if (model_run.failed && run_is_possible(&model_run)) {
            result->verdict = MODEL_FOUND;
            report_write(&model_run);
        } else if (result->runs >= max) {
            result->verdict = MODEL_TOO_LARGE;
        }
    }
    explore_end();
    free(model_snapshot);
    result->seconds = model_clock() - start;
}
