#include "runtime/watch.h"

#include "base/alloc.h"
#include "runtime/backend.h"
#include "runtime/message.h"
#include "runtime/random.h"
#include "runtime/recorder.h"

#include <string.h>

enum {
    WATCH_PROBES = 8,        /* places of a table that are tried */
    WATCH_SKIP_MAX = 64,     /* sends between a sample and the stamp that goes with it */
    WATCH_KINDS_OTHERS = 64, /* on threads that are not workers: they run one process */
    WATCH_WAITED = 1,        /* bit of a stamp; the rest is the instant */
};

/* What a context has while the recorder wants to see its messages: nobody writes to them, as none is
 * of any type. */
static const struct sp__watch_cell watch_no_cells[SP__WATCH_OWN];

/* Of the thread's own: no read-modify-write. relaxed: a statistic. */
static inline void watch_raise(_Atomic uint64_t *count, uint64_t by)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

/* ---- how often to measure ---- */

/* A number whose mean is `interval`, from 1 on: so that nothing that repeats itself is always, or
 * never, measured. */
static uint32_t watch_distance(struct sp__watch *watch, uint32_t interval)
{
    return 1 + (uint32_t)sp__random_below(&watch->random, 2 * interval - 1);
}

/* The next interval, after a sample that came `elapsed_ns` after the last. */
static uint32_t watch_interval(const struct sp__watch *watch, uint32_t interval, int64_t elapsed_ns)
{
    /* relaxed: a setting. */
    int64_t gap_ns = atomic_load_explicit(&watch->gap_ns, memory_order_relaxed);
    if (elapsed_ns < gap_ns)
        return interval < SP__WATCH_INTERVAL_MAX ? interval * 2 : interval;
    return elapsed_ns / 4 > gap_ns && interval > 1 ? interval / 2 : interval;
}

/* ---- cells ---- */

static bool cell_is(const struct sp__watch_cell *cell, const struct sp_msg_type *type,
                    const char *process)
{
    /* relaxed: our own store. */
    return atomic_load_explicit(&cell->type, memory_order_relaxed) == type &&
           cell->detail->process == process;
}

/* False: no memory. */
static bool cell_claim(struct sp__watch_cell *cell, const struct sp_msg_type *type,
                       const char *process)
{
    struct sp__watch_detail *detail = sp__calloc(1, sizeof(*detail));
    if (detail == NULL)
        return false;
    detail->process = process;
    detail->message = type->name;
    detail->interval = 1;
    cell->detail = detail;
    cell->next = 1;
    /* release: pairs with the acquire of readers; the detail is complete. */
    atomic_store_explicit(&cell->type, type, memory_order_release);
    return true;
}

/* One of a table, claimed where it is new; NULL: there is no place. */
static struct sp__watch_cell *table_cell(struct sp__watch_cell *cells, uintptr_t mask,
                                         uintptr_t slot, const struct sp_msg_type *type,
                                         const char *process)
{
    for (uint32_t i = 0; i < WATCH_PROBES; i++) {
        struct sp__watch_cell *cell = &cells[(slot + i) & mask];
        if (cell_is(cell, type, process))
            return cell;
        if (atomic_load_explicit(&cell->type, memory_order_relaxed) == NULL)
            return cell_claim(cell, type, process) ? cell : NULL;
    }
    return NULL;
}

static struct sp__watch_cell *watch_cell(struct sp__watch *watch, const char *process, bool own,
                                         const struct sp_msg_type *type)
{
    uintptr_t slot = sp__watch_slot(type);
    struct sp__watch_cell *cell = NULL;
    if (own)
        cell = table_cell(watch->own, SP__WATCH_OWN - 1, slot, type, process);
    if (cell == NULL)
        cell =
            table_cell(watch->other, watch->mask, slot + ((uintptr_t)process >> 3), type, process);
    return cell == NULL ? &watch->rest : cell;
}

/* ---- what is handled ---- */

/* Where it came from, how long it was under way. */
static void watch_arrived(struct sp__watch *watch, struct sp__watch_cell *cell, uint64_t stamp,
                          int64_t now_ns)
{
    int64_t delay_ns = now_ns - (int64_t)(stamp >> 1);
    if (delay_ns < 0)
        delay_ns = 0;
    sp__histogram_add(&cell->detail->delay, (uint64_t)delay_ns, 1);
    if (stamp & WATCH_WAITED)
        sp__histogram_add(&watch->wakes, (uint64_t)delay_ns, 1);
}

void sp__point_nothing(struct sp__context *context, enum sp__point kind, uint64_t object,
                       const char *what)
{
    (void)context;
    (void)kind;
    (void)object;
    (void)what;
}

void sp__point_ids(struct sp__context *context, enum sp__point kind, uint64_t object,
                   const char *what)
{
    sp__point_nothing(context, kind, object, what);
}

/* What the point is to be where nothing acts there. seq_cst: see settle. */
static sp__point_fn watch_point(struct sp__context *context)
{
    struct sp__watch *watch = atomic_load_explicit(&context->counting, memory_order_seq_cst);
    if (atomic_load_explicit(&context->deviates, memory_order_seq_cst) != NULL)
        return sp__point_nothing;
    if (watch != NULL &&
        (watch->always || atomic_load_explicit(&watch->armed, memory_order_seq_cst)))
        return sp__point_nothing;
    return atomic_load_explicit(&context->runtime->traces, memory_order_seq_cst) ? sp__point_ids
                                                                                 : NULL;
}

/* Something that watch_point() looks at has changed. Its thread and others may be here at once: who is
 * the last to set the point sees what the others have changed before they came. All are seq_cst for it. */
static void watch_settle(struct sp__context *context)
{
    for (;;) {
        sp__point_fn old = atomic_load_explicit(&context->point, memory_order_seq_cst);
        sp__point_fn wanted = watch_point(context);
        bool ours = old == NULL || old == sp__point_nothing || old == sp__point_ids;
        if (!ours || old == wanted)
            return;
        (void)atomic_compare_exchange_strong_explicit(&context->point, &old, wanted,
                                                      memory_order_seq_cst, memory_order_seq_cst);
    }
}

static void watch_arm_now(struct sp__context *context, struct sp__watch *watch, bool armed)
{
    atomic_store_explicit(&watch->armed, armed, memory_order_seq_cst); /* see settle */
    watch_settle(context);
}

/* One of the next sends passes the point. */
static void watch_arm(struct sp__context *context, struct sp__watch *watch)
{
    if (watch->always || atomic_load_explicit(&watch->armed, memory_order_relaxed))
        return;
    uint32_t bound = watch->interval < WATCH_SKIP_MAX ? watch->interval : WATCH_SKIP_MAX;
    watch->skip = (uint32_t)sp__random_below(&watch->random, bound);
    watch_arm_now(context, watch, true);
}

void sp__watch_deviate(struct sp__context *context, struct sp__actor *actor)
{
    atomic_store_explicit(&context->deviates, actor, memory_order_seq_cst); /* see settle */
    watch_settle(context);
}

/* It is this message's turn to be measured. */
static void watch_sample(struct sp__context *context, struct sp__watch *watch,
                         struct sp__watch_cell *cell, int64_t now_ns)
{
    struct sp__watch_detail *detail = cell->detail;
    uint64_t count = atomic_load_explicit(&cell->count, memory_order_relaxed);
    if (detail->sampled != 0)
        detail->interval = watch_interval(watch, detail->interval, now_ns - detail->sampled_ns);
    detail->sampled = count;
    detail->sampled_ns = now_ns;
    cell->next = count + watch_distance(watch, detail->interval);
    watch_arm(context, watch);
}

void sp__watch_took(struct sp__context *context, const char *process, bool own, uint32_t length,
                    struct sp_message *message, struct sp__watch_span *out_span)
{
    struct sp__watch *watch = sp__watch_of(context);
    uint16_t stamped = message->flags & SP__MESSAGE_STAMPED;
    uint64_t stamp = message->aux;
    message->flags &= (uint16_t)~SP__MESSAGE_STAMPED;
    if (stamped)
        message->aux =
            0; /* without the flag it would be the number of a request: process/trace.h */
    if (watch == NULL || (message->flags & SP__MESSAGE_NOTICE))
        return;
    struct sp__watch_cell *cell = watch_cell(watch, process, own, message->type);
    struct sp__watch_detail *detail = cell->detail;
    uint64_t count = atomic_load_explicit(&cell->count, memory_order_relaxed) + 1;
    bool due = count >= cell->next;
    /* relaxed: a statistic. */
    atomic_store_explicit(&cell->count, count, memory_order_relaxed);
    if (length > atomic_load_explicit(&detail->longest, memory_order_relaxed))
        atomic_store_explicit(&detail->longest, length, memory_order_relaxed);
    if (!due && !stamped)
        return;
    int64_t now_ns = sp__now(context->runtime);
    if (stamped)
        watch_arrived(watch, cell, stamp, now_ns);
    if (!due)
        return;
    if (out_span != NULL)
        *out_span = (struct sp__watch_span){ .type = message->type,
                                             .process = process,
                                             .own = own,
                                             .weight = count - detail->sampled,
                                             .since_ns = now_ns };
    watch_sample(context, watch, cell, now_ns);
}

uint64_t sp__watch_done(const struct sp__watch_span *span)
{
    struct sp__context *context = sp__context();
    struct sp__watch *watch = sp__watch_of(context);
    if (watch == NULL)
        return 0;
    struct sp__watch_cell *cell = watch_cell(watch, span->process, span->own, span->type);
    int64_t passed_ns = sp__now(context->runtime) - span->since_ns;
    uint64_t took_ns = passed_ns < 0 ? 0 : (uint64_t)passed_ns;
    sp__histogram_add(&cell->detail->handler, took_ns, span->weight);
    return took_ns * span->weight;
}

/* ---- examples ---- */

/* As watch_cell(), of a message that was counted: which table it is in is not known any more. */
static struct sp__watch_cell *watch_cell_again(struct sp__watch *watch, const char *process,
                                               const struct sp_msg_type *type)
{
    uintptr_t slot = sp__watch_slot(type);
    for (uint32_t i = 0; i < WATCH_PROBES; i++) {
        struct sp__watch_cell *cell = &watch->own[(slot + i) % SP__WATCH_OWN];
        /* relaxed: our own store. An operation has one class. */
        if (atomic_load_explicit(&cell->type, memory_order_relaxed) == type)
            return cell;
    }
    return watch_cell(watch, process, false, type);
}

/* NULL: no memory. */
static struct sp__watch_examples *examples_of(struct sp__watch_detail *detail)
{
    /* relaxed: our own store. */
    struct sp__watch_examples *examples =
        atomic_load_explicit(&detail->examples, memory_order_relaxed);
    if (examples != NULL)
        return examples;
    examples = sp__calloc(1, sizeof(*examples));
    if (examples == NULL)
        return NULL;
    sp__lock_init(&examples->lock);
    /* release: pairs with the acquire of readers. */
    atomic_store_explicit(&detail->examples, examples, memory_order_release);
    return examples;
}

static void example_keep(struct sp__watch_example *kept, int64_t value_ns,
                         const struct sp__watch_example *example)
{
    uint64_t value = value_ns < 0 ? 0 : (uint64_t)value_ns;
    kept += value == 0 ? 0 : 63 - (unsigned)__builtin_clzll(value);
    *kept = *example;
    kept->value = value;
}

void sp__watch_example(struct sp__context *context, const char *process,
                       const struct sp_msg_type *type, int64_t handler_ns, int64_t delay_ns,
                       const struct sp__watch_example *example)
{
    struct sp__watch *watch = sp__watch_of(context);
    if (watch == NULL)
        return;
    struct sp__watch_examples *examples =
        examples_of(watch_cell_again(watch, process, type)->detail);
    if (examples == NULL)
        return; /* an example less */
    sp__lock_lock(&examples->lock);
    example_keep(examples->handler, handler_ns, example);
    example_keep(examples->delay, delay_ns, example);
    sp__lock_unlock(&examples->lock);
}

void sp__watch_put_back(struct sp__context *context)
{
    struct sp__watch *watch = sp__watch_of(context);
    if (watch != NULL)
        watch_raise(&watch->put_back, 1);
}

/* ---- what is sent ---- */

bool sp__watch_stamps(struct sp__context *context)
{
    struct sp__watch *watch = sp__watch_of(context);
    if (watch == NULL)
        return false;
    if (watch->skip == 0)
        return true;
    watch->skip--;
    return false;
}

void sp__watch_stamp(struct sp__context *context, struct sp_message *message, bool waited)
{
    struct sp__watch *watch = sp__watch_of(context);
    if (watch == NULL)
        return; /* it was stopped meanwhile */
    int64_t now_ns = sp__now(context->runtime);
    message->flags |= SP__MESSAGE_STAMPED;
    message->aux = (uint64_t)now_ns << 1 | (waited ? WATCH_WAITED : 0);
    if (watch->stamped_ns != 0)
        watch->interval = watch_interval(watch, watch->interval, now_ns - watch->stamped_ns);
    watch->stamped_ns = now_ns;
    watch->skip = watch_distance(watch, watch->interval) - 1;
    if (!watch->always)
        watch_arm_now(context, watch, false);
}

/* ---- what is counted where it is rare ---- */

static struct sp__watch_exits *watch_exits(struct sp__watch *watch, const char *process)
{
    for (uint32_t i = 0; i < SP__WATCH_EXITS; i++) {
        struct sp__watch_exits *exits = &watch->exits[i];
        /* relaxed: our own store. */
        const char *of = atomic_load_explicit(&exits->process, memory_order_relaxed);
        if (of == process)
            return exits;
        if (of != NULL)
            continue;
        atomic_store_explicit(&exits->process, process, memory_order_relaxed);
        return exits;
    }
    return &watch->exits[SP__WATCH_EXITS];
}

void sp__watch_exit(struct sp__context *context, const char *process, enum sp_reason_kind kind)
{
    struct sp__watch *watch = sp__watch_of(context);
    if (watch != NULL)
        watch_raise(&watch_exits(watch, process)->counts[kind], 1);
}

void sp__watch_restart(struct sp__context *context, const char *process)
{
    struct sp__watch *watch = sp__watch_of(context);
    if (watch != NULL)
        watch_raise(&watch_exits(watch, process)->restarts, 1);
}

void sp__watch_timer(struct sp__context *context, int64_t due_ns, int64_t now_ns)
{
    struct sp__watch *watch = sp__watch_of(context);
    if (watch != NULL)
        sp__histogram_add(&watch->lateness, now_ns < due_ns ? 0 : (uint64_t)(now_ns - due_ns), 1);
}

void sp__watch_idle(struct sp__context *context, bool idle)
{
    struct sp__watch *watch = sp__watch_of(context);
    if (watch == NULL)
        return;
    int64_t now_ns = sp__now(context->runtime);
    int64_t since_ns = atomic_load_explicit(&watch->idle_since, memory_order_relaxed);
    /* seq_cst: pairs with idle_ns(), whose two looks at `idle_since` have these between them or not. */
    if (!idle && since_ns != 0) {
        atomic_store_explicit(&watch->idle_since, 0, memory_order_seq_cst);
        int64_t before_ns = atomic_load_explicit(&watch->idle_ns, memory_order_relaxed);
        atomic_store_explicit(&watch->idle_ns, before_ns + now_ns - since_ns, memory_order_seq_cst);
    } else if (idle) {
        atomic_store_explicit(&watch->idle_since, now_ns, memory_order_seq_cst);
    }
}

int64_t sp__watch_idle_ns(struct sp__watch *watch, int64_t now_ns)
{
    int64_t idle_ns;
    int64_t since_ns;
    int64_t again_ns;
    do {
        since_ns = atomic_load_explicit(&watch->idle_since, memory_order_seq_cst);
        idle_ns = atomic_load_explicit(&watch->idle_ns, memory_order_seq_cst);
        again_ns = atomic_load_explicit(&watch->idle_since, memory_order_seq_cst);
    } while (since_ns != again_ns);
    return since_ns == 0 || now_ns < since_ns ? idle_ns : idle_ns + now_ns - since_ns;
}

/* ---- beginning and end; with contexts_lock held ---- */

static void watch_cells_finish(struct sp__watch_cell *cells, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct sp__watch_detail *detail = cells[i].detail;
        if (detail == NULL)
            continue;
        sp__histogram_finish(&detail->handler);
        sp__histogram_finish(&detail->delay);
        sp__free(atomic_load_explicit(&detail->examples, memory_order_relaxed));
        sp__free(detail);
    }
}

void sp__watch_free(struct sp__watch *watch)
{
    if (watch == NULL)
        return;
    watch_cells_finish(watch->own, SP__WATCH_OWN);
    watch_cells_finish(watch->other, watch->mask + 1);
    sp__free(watch->other);
    sp__histogram_finish(&watch->rest_detail.handler);
    sp__histogram_finish(&watch->rest_detail.delay);
    sp__free(atomic_load_explicit(&watch->rest_detail.examples, memory_order_relaxed));
    sp__histogram_finish(&watch->wakes);
    sp__histogram_finish(&watch->lateness);
    sp__free(watch);
}

/* NULL: no memory. */
static struct sp__watch *watch_new(const struct sp__meters *meters,
                                   const struct sp__context *context)
{
    uint32_t kinds = meters->kinds;
    if (context->kind != SP__CONTEXT_WORKER && kinds > WATCH_KINDS_OTHERS)
        kinds = WATCH_KINDS_OTHERS;
    uint32_t size = 16;
    while (size < kinds)
        size *= 2;
    struct sp__watch *watch = sp__aligned_alloc(SP__CACHE_LINE, sizeof(*watch));
    struct sp__watch_cell *cells = sp__calloc(size, sizeof(*cells));
    if (watch == NULL || cells == NULL) {
        sp__free(watch);
        sp__free(cells);
        return NULL;
    }
    memset(watch, 0, sizeof(*watch));
    watch->mask = size - 1;
    watch->other = cells;
    watch->always = context->kind != SP__CONTEXT_WORKER || !context->runtime->real;
    watch->random = sp__random_start(context->runtime->options.seed, (uintptr_t)context->shard);
    watch->interval = 1;
    atomic_init(&watch->armed, true);
    watch->rest.next = 1;
    watch->rest.detail = &watch->rest_detail;
    watch->rest_detail.process = "other";
    watch->rest_detail.message = "other";
    watch->rest_detail.interval = 1;
    return watch;
}

void sp__watch_refresh(struct sp__context *context)
{
    struct sp__meter *meter = atomic_load_explicit(&context->meter, memory_order_relaxed);
    struct sp__meters *meters = sp__meters_of(context->runtime);
    bool recorded = atomic_load_explicit(&context->record, memory_order_relaxed) != NULL;
    struct sp__watch *watch = NULL;
    struct sp__watch_cell *cells = NULL;
    if (meter != NULL && meters->watching)
        watch = atomic_load_explicit(&meter->watch, memory_order_relaxed);
    if (recorded)
        cells = (struct sp__watch_cell *)(uintptr_t)watch_no_cells;
    else if (watch != NULL)
        cells = watch->own;
    /* seq_cst: see settle; pairs with the acquire in sp__watch_of() too. */
    atomic_store_explicit(&context->counting, watch, memory_order_seq_cst);
    /* release: pairs with the acquire in sp__watch_pass(). */
    atomic_store_explicit(&context->watch, cells, memory_order_release);
    watch_settle(context);
}

bool sp__watch_attach(struct sp_runtime *runtime, struct sp__context *context)
{
    struct sp__meters *meters = sp__meters_of(runtime);
    struct sp__meter *meter = atomic_load_explicit(&context->meter, memory_order_relaxed);
    if (meter == NULL)
        return false;
    struct sp__watch *watch = atomic_load_explicit(&meter->watch, memory_order_relaxed);
    if (watch == NULL) {
        watch = watch_new(meters, context);
        if (watch == NULL)
            return false;
        /* release: pairs with the acquire of readers. */
        atomic_store_explicit(&meter->watch, watch, memory_order_release);
    }
    atomic_store_explicit(&watch->gap_ns, meters->gap_ns, memory_order_relaxed);
    sp__watch_refresh(context);
    return true;
}

void sp__watch_detach(struct sp__context *context)
{
    /* relaxed: who is in the middle of something may end it. */
    atomic_store_explicit(&context->watch, NULL, memory_order_relaxed);
    atomic_store_explicit(&context->counting, NULL, memory_order_seq_cst); /* see settle */
    watch_settle(context);
}

static void watch_refresh_all(struct sp_runtime *runtime)
{
    struct sp__list *contexts = &runtime->contexts;
    for (struct sp__list *at = sp__list_first(contexts); at != NULL;
         at = sp__list_next(contexts, at))
        sp__watch_refresh(sp__container_of(at, struct sp__context, link));
}

sp_err sp__watch_start(struct sp_runtime *runtime, int64_t gap_ns, uint32_t kinds)
{
    struct sp__meters *meters;
    sp_err err = sp__meters_get(runtime, &meters);
    if (err != SP_OK)
        return err;
    sp__lock_lock(&runtime->contexts_lock);
    meters->gap_ns = gap_ns;
    meters->kinds = kinds;
    meters->watching = true;
    bool all = true;
    struct sp__list *contexts = &runtime->contexts;
    struct sp__list *at = sp__list_first(contexts);
    for (; at != NULL && all; at = sp__list_next(contexts, at)) {
        struct sp__context *context = sp__container_of(at, struct sp__context, link);
        if (atomic_load_explicit(&context->meter, memory_order_relaxed) == NULL)
            sp__meters_join(runtime, context);
        all = sp__watch_attach(runtime, context);
    }
    if (!all) {
        meters->watching = false;
        watch_refresh_all(runtime);
    }
    sp__lock_unlock(&runtime->contexts_lock);
    return all ? SP_OK : SP_ERR_NOMEM;
}

bool sp__watch_started(struct sp_runtime *runtime)
{
    struct sp__meters *meters = sp__meters_of(runtime);
    if (meters == NULL)
        return false;
    sp__lock_lock(&runtime->contexts_lock);
    bool watching = meters->watching;
    sp__lock_unlock(&runtime->contexts_lock);
    return watching;
}

void sp__watch_stop(struct sp_runtime *runtime)
{
    struct sp__meters *meters = sp__meters_of(runtime);
    if (meters == NULL)
        return;
    sp__lock_lock(&runtime->contexts_lock);
    meters->watching = false;
    watch_refresh_all(runtime);
    sp__lock_unlock(&runtime->contexts_lock);
}

void sp__watch_traces(struct sp_runtime *runtime, bool on)
{
    /* seq_cst: see settle. */
    atomic_store_explicit(&runtime->traces, on, memory_order_seq_cst);
    watch_refresh_all(runtime);
}
