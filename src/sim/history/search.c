#include "sim/history/search.h"

#include "base/alloc.h"
#include "sim/history/configs.h"
#include "sim/history/model.h"

#include <stdlib.h>
#include <string.h>

#define SEARCH_NONE UINT32_MAX

enum {
    SEARCH_BITS = 64,
};

/* What was done last, to be put back. */
struct search_frame {
    uint32_t op;
    uint32_t state; /* before it */
    uint32_t high;  /* before it */
    bool open;
    bool forced; /* it reads and fitted: nothing else is to be tried in its place */
};

/* Where a configuration goes on to look. */
struct search_cursor {
    uint32_t at; /* event of a known operation, or number of an open one, behind which */
    bool open;
};

/* Events: call i of a known operation is i, its return is n + i, and 2n the head of the list. */
struct search {
    const struct sim_search *input;
    uint32_t known;
    uint32_t *next;
    uint32_t *prev;
    uint32_t *place; /* of known operations: which return in time is theirs */
    uint64_t *bits;  /* done: known operations, then open ones */
    size_t known_words;
    size_t open_words;
    bool *reads;    /* of known operations */
    uint32_t *twin; /* of open operations: the one before that is just the same */
    struct search_frame *frames;
    size_t depth;
    size_t frames_capacity;
    size_t left;   /* known operations that are not done */
    uint32_t high; /* no known operation behind this one is done */
    uint32_t state;
    uint64_t hash;   /* of what is done */
    uint64_t *words; /* scratch: a configuration */
    struct sp_state scratch;
    struct sim_configs configs;
    uint64_t stuck_ret; /* of the kept order: the first return that was left */
    size_t best;        /* and how many known operations were done */
    struct sim_search_result *result;
};

/* ---- the list of events ---- */

static void event_out(struct search *s, uint32_t event)
{
    s->next[s->prev[event]] = s->next[event];
    s->prev[s->next[event]] = s->prev[event];
}

static void event_back(struct search *s, uint32_t event)
{
    s->next[s->prev[event]] = event;
    s->prev[s->next[event]] = event;
}

static bool event_is_call(const struct search *s, uint32_t event)
{
    return event < s->known;
}

/* The first return that is left. There is one, while something is left. */
static uint32_t search_first_return(const struct search *s)
{
    uint32_t event = s->next[2 * s->known];
    while (event_is_call(s, event))
        event = s->next[event];
    return event - s->known;
}

struct search_event {
    uint64_t stamp;
    uint32_t event;
};

/* Of the same stamp, calls come first: the two operations then overlap. */
static int event_compare(const void *a, const void *b)
{
    const struct search_event *x = a;
    const struct search_event *y = b;
    if (x->stamp != y->stamp)
        return x->stamp < y->stamp ? -1 : 1;
    return (x->event > y->event) - (x->event < y->event);
}

static sp_err search_link(struct search *s)
{
    uint32_t n = s->known;
    struct search_event *events = sp__malloc((2 * (size_t)n + 1) * sizeof(*events));
    if (events == NULL)
        return SP_ERR_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        events[i] = (struct search_event){ s->input->known[i].call, i };
        events[n + i] = (struct search_event){ s->input->known[i].ret, n + i };
    }
    if (n > 0)
        qsort(events, 2 * (size_t)n, sizeof(*events), event_compare);
    uint32_t last = 2 * n;
    for (uint32_t i = 0; i < 2 * n; i++) {
        if (!event_is_call(s, events[i].event))
            s->place[events[i].event - n] = i;
        s->next[last] = events[i].event;
        s->prev[events[i].event] = last;
        last = events[i].event;
    }
    s->next[last] = 2 * n;
    s->prev[2 * n] = last;
    sp__free(events);
    return SP_OK;
}

/* ---- the start ---- */

static bool search_same(const struct sp_operation *a, const struct sp_operation *b)
{
    return a->code == b->code && a->outcome == b->outcome && sp_value_equal(a->key, b->key) &&
           sp_value_equal(a->in[0], b->in[0]) && sp_value_equal(a->in[1], b->in[1]) &&
           sp_value_equal(a->out, b->out);
}

static bool search_reads(const struct search *s, const struct sp_operation *operation)
{
    return s->input->model->reads != NULL && s->input->model->reads(operation);
}

static uint64_t search_same_hash(const struct sp_operation *operation)
{
    uint64_t hash = sim__mix(operation->code, operation->outcome);
    hash = sim__mix(hash, sim__hash_value(operation->key));
    hash = sim__mix(hash, sim__hash_value(operation->in[0]));
    hash = sim__mix(hash, sim__hash_value(operation->in[1]));
    return sim__mix(hash, sim__hash_value(operation->out));
}

/* Of open operations that are just the same only the first that is left need be tried. */
static sp_err search_twins(struct search *s)
{
    size_t capacity = 16;
    while (capacity < 2 * s->input->open_count)
        capacity *= 2;
    uint32_t *last = sp__calloc(capacity, sizeof(*last)); /* 1 + the last of its kind */
    if (last == NULL)
        return SP_ERR_NOMEM;
    for (uint32_t i = 0; i < s->input->open_count; i++) {
        const struct sp_operation *operation = s->input->open[i].operation;
        size_t at = search_same_hash(operation) & (capacity - 1);
        while (last[at] != 0 && !search_same(operation, s->input->open[last[at] - 1].operation))
            at = (at + 1) & (capacity - 1);
        s->twin[i] = last[at] == 0 ? SEARCH_NONE : last[at] - 1;
        if (search_reads(s, operation))
            s->twin[i] = i; /* itself: never */
        last[at] = i + 1;
    }
    sp__free(last);
    return SP_OK;
}

static void *search_array(size_t count, size_t size, bool *failed)
{
    void *array = sp__calloc(count + 1, size);
    *failed = *failed || array == NULL;
    return array;
}

static sp_err search_init(struct search *s, const struct sim_search *input)
{
    bool failed = false;
    size_t n = input->known_count;
    size_t m = input->open_count;
    *s = (struct search){ .input = input, .known = (uint32_t)n, .left = n };
    s->configs.model = input->model;
    s->known_words = n / SEARCH_BITS + 1;
    s->open_words = (m + SEARCH_BITS - 1) / SEARCH_BITS;
    s->next = search_array(2 * n, sizeof(*s->next), &failed);
    s->prev = search_array(2 * n, sizeof(*s->prev), &failed);
    s->place = search_array(n, sizeof(*s->place), &failed);
    s->bits = search_array(s->known_words + s->open_words, sizeof(*s->bits), &failed);
    s->words = search_array(s->known_words + s->open_words + 1, sizeof(*s->words), &failed);
    s->reads = search_array(n, sizeof(*s->reads), &failed);
    s->twin = search_array(m, sizeof(*s->twin), &failed);
    if (failed || search_link(s) != SP_OK)
        return SP_ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        s->reads[i] = search_reads(s, input->known[i].operation);
    sp_err err = search_twins(s);
    if (err != SP_OK)
        return err;
    return sim_configs_state(&s->configs, &(struct sp_state){ .size = 0 }, &s->state);
}

static void search_finish(struct search *s)
{
    sp__free(s->next);
    sp__free(s->prev);
    sp__free(s->place);
    sp__free(s->bits);
    sp__free(s->words);
    sp__free(s->reads);
    sp__free(s->twin);
    sp__free(s->frames);
    sp__free(s->scratch.bytes);
    sim_configs_finish(&s->configs);
}

/* ---- doing an operation and putting it back ---- */

static void search_flip(struct search *s, uint32_t op, bool open)
{
    size_t bit = open ? s->known_words * SEARCH_BITS + op : op;
    s->bits[bit / SEARCH_BITS] ^= UINT64_C(1) << (bit % SEARCH_BITS);
    s->hash ^= sim__mix(UINT64_C(0x2545f4914f6cdd1d), bit + 1);
}

static bool search_done(const struct search *s, uint32_t op)
{
    size_t bit = s->known_words * SEARCH_BITS + op;
    return (s->bits[bit / SEARCH_BITS] >> (bit % SEARCH_BITS)) & 1;
}

static sp_err search_push(struct search *s, uint32_t op, bool open, bool forced)
{
    /* With `repeat` an order may be longer than there are operations. */
    if (s->depth == s->frames_capacity) {
        size_t capacity = s->depth == 0 ? 64 : 2 * s->depth;
        struct search_frame *frames = sp__realloc(s->frames, capacity * sizeof(*frames));
        if (frames == NULL)
            return SP_ERR_NOMEM;
        s->frames = frames;
        s->frames_capacity = capacity;
    }
    s->frames[s->depth++] = (struct search_frame){
        .op = op, .state = s->state, .high = s->high, .open = open, .forced = forced
    };
    if (!open) {
        event_out(s, s->known + op); /* first, so that next[op] is in the list */
        event_out(s, op);
        s->left--;
        s->high = op > s->high ? op : s->high;
    }
    if (!open || !s->input->repeat)
        search_flip(s, op, open);
    return SP_OK;
}

static struct search_frame search_pop(struct search *s)
{
    struct search_frame frame = s->frames[--s->depth];
    if (!frame.open || !s->input->repeat)
        search_flip(s, frame.op, frame.open);
    if (!frame.open) {
        event_back(s, frame.op);
        event_back(s, s->known + frame.op);
        s->left++;
    }
    s->state = frame.state;
    s->high = frame.high;
    return frame;
}

/* ---- the model ---- */

static sp_err search_step(struct search *s, const struct sp_operation *operation,
                          enum sp_step *out_step, uint32_t *out_state)
{
    struct sp_state now = sim_configs_state_get(&s->configs, s->state);
    s->scratch.size = 0;
    *out_step = s->input->model->step(&now, operation, &s->scratch);
    *out_state = s->state;
    if (s->scratch.failed)
        return SP_ERR_NOMEM;
    return *out_step == SP_STEP_NEXT ? sim_configs_state(&s->configs, &s->scratch, out_state)
                                     : SP_OK;
}

/* All that only reads and fits. */
static sp_err search_absorb(struct search *s)
{
    uint32_t state;
    enum sp_step step;
    for (uint32_t event = s->next[2 * s->known]; event_is_call(s, event); event = s->next[event]) {
        if (!s->reads[event])
            continue;
        sp_err err = search_step(s, s->input->known[event].operation, &step, &state);
        if (err == SP_OK && step == SP_STEP_SAME)
            err = search_push(s, event, false, true);
        if (err != SP_OK)
            return err;
    }
    return SP_OK;
}

/* Known operations are by their calls: all before the first that is left are done, and none
 * behind `high`. What lies between says which are. */
static sp_err search_remember(struct search *s, bool *out_new)
{
    size_t first = s->next[2 * s->known] / SEARCH_BITS;
    size_t last = s->high / SEARCH_BITS;
    size_t count = 0;
    s->words[count++] = s->state | (uint64_t)first << 32;
    for (size_t i = first; i <= last; i++)
        s->words[count++] = s->bits[i];
    for (size_t i = 0; i < s->open_words && !s->input->repeat; i++)
        s->words[count++] = s->bits[s->known_words + i];
    sp_err err =
        sim_configs_add(&s->configs, sim__mix(s->hash, s->state), s->words, count, out_new);
    s->result->states += err == SP_OK && *out_new;
    return err;
}

static sp_err search_try(struct search *s, uint32_t op, bool open, bool *out_moved)
{
    uint32_t state;
    enum sp_step step;
    const struct sim_search_op *ops = open ? s->input->open : s->input->known;
    sp_err err = search_step(s, ops[op].operation, &step, &state);
    if (err != SP_OK || step == SP_STEP_NO || (open && state == s->state))
        return err;
    err = search_push(s, op, open, false);
    s->state = err == SP_OK ? state : s->state;
    *out_moved = err == SP_OK;
    return err;
}

static bool search_may_open(const struct search *s, uint32_t op)
{
    uint32_t twin = s->twin[op];
    if (s->input->repeat)
        return twin == SEARCH_NONE;
    return !search_done(s, op) && (twin == SEARCH_NONE || (twin != op && search_done(s, twin)));
}

/* Of the known operations that may be next, that whose return comes next behind that of `before`:
 * what has to be done soon is tried first. */
static uint32_t search_next(const struct search *s, uint32_t before)
{
    uint32_t best = SEARCH_NONE;
    uint32_t least = before == 2 * s->known ? 0 : s->place[before] + 1;
    for (uint32_t event = s->next[2 * s->known]; event_is_call(s, event); event = s->next[event])
        if (!s->reads[event] && s->place[event] >= least &&
            (best == SEARCH_NONE || s->place[event] < s->place[best]))
            best = event;
    return best;
}

/* The next operation behind `from` that fits. */
static sp_err search_advance(struct search *s, struct search_cursor from, bool *out_moved)
{
    sp_err err = SP_OK;
    *out_moved = false;
    uint32_t op = 0;
    if (from.open) {
        op = from.at + 1;
    } else {
        uint32_t event = search_next(s, from.at);
        for (; event != SEARCH_NONE && err == SP_OK && !*out_moved; event = search_next(s, event))
            err = search_try(s, event, false, out_moved);
    }
    if (err != SP_OK || *out_moved || s->input->open_count == 0)
        return err;
    uint64_t deadline = s->input->known[search_first_return(s)].ret;
    for (; op < s->input->open_count && s->input->open[op].call <= deadline; op++) {
        if (search_may_open(s, op))
            err = search_try(s, op, true, out_moved);
        if (err != SP_OK || *out_moved)
            break;
    }
    return err;
}

/* Nothing goes on here: the order that came furthest in time, and of these the longest, is kept.
 * No order gets past the return of `stuck`, so what begins behind it does not matter. */
static sp_err search_keep(struct search *s)
{
    size_t done = s->known - s->left;
    const struct sim_search_op *stuck = &s->input->known[search_first_return(s)];
    if (s->result->order != NULL &&
        (stuck->ret < s->stuck_ret || (stuck->ret == s->stuck_ret && done <= s->best)))
        return SP_OK;
    size_t *order = sp__realloc(s->result->order, (s->depth + 1) * sizeof(*order));
    if (order == NULL)
        return SP_ERR_NOMEM;
    s->best = done;
    s->stuck_ret = stuck->ret;
    s->result->order = order;
    s->result->order_count = s->depth;
    for (size_t i = 0; i < s->depth; i++) {
        const struct search_frame *frame = &s->frames[i];
        order[i] = (frame->open ? s->input->open : s->input->known)[frame->op].index;
    }
    s->result->stuck = stuck->index;
    return SP_OK;
}

/* Back to where something else can be tried. False: there is no such place. */
static bool search_retreat(struct search *s, struct search_cursor *out_from)
{
    while (s->depth > 0) {
        struct search_frame frame = search_pop(s);
        if (frame.forced)
            continue;
        *out_from = (struct search_cursor){ .at = frame.op, .open = frame.open };
        return true;
    }
    return false;
}

static bool search_exhausted(const struct search *s)
{
    return s->result->states > s->input->states_max || s->configs.memory > s->input->memory_max;
}

/* At a configuration that has just been reached: `*out_open` where it is to be gone on from. */
static sp_err search_arrive(struct search *s, bool *out_open)
{
    sp_err err = search_absorb(s);
    *out_open = err == SP_OK && s->left > 0;
    return *out_open ? search_remember(s, out_open) : err;
}

static sp_err search_run(struct search *s)
{
    const struct search_cursor start = { .at = 2 * s->known };
    struct search_cursor from = start;
    bool arrived = true;
    for (;;) {
        bool moved = true;
        sp_err err = arrived ? search_arrive(s, &moved) : SP_OK;
        if (err == SP_OK && (s->left == 0 || search_exhausted(s))) {
            s->result->end = s->left == 0 ? SP_HISTORY_OK : SP_HISTORY_UNKNOWN;
            return SP_OK;
        }
        if (err == SP_OK && moved)
            err = search_advance(s, from, &moved);
        if (err == SP_OK && !moved)
            err = search_keep(s);
        if (err != SP_OK)
            return err;
        arrived = moved;
        from = start;
        if (!moved && !search_retreat(s, &from)) {
            s->result->end = SP_HISTORY_ILLEGAL;
            return SP_OK;
        }
    }
}

sp_err sim_search(const struct sim_search *input, struct sim_search_result *out_result)
{
    struct search s;
    *out_result = (struct sim_search_result){ .end = SP_HISTORY_OK };
    sp_err err = search_init(&s, input);
    s.result = out_result;
    if (err == SP_OK)
        err = search_run(&s);
    if (err != SP_OK || out_result->end != SP_HISTORY_ILLEGAL) {
        sp__free(out_result->order);
        out_result->order = NULL;
        out_result->order_count = 0;
    }
    search_finish(&s);
    return err;
}
