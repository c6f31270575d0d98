/* Histories of a run: written down in memory that is not the world's, judged at its end.
 *
 * Threads: one. Neighbours: inside.h (a run has a list of them), history/ (the judgement).
 */
#include "spawned/sim_history.h"

#include "base/alloc.h"
#include "base/text.h"
#include "sim/history/model.h"
#include "sim/inside.h"

enum {
    HISTORY_TEXT = 8192,
    HISTORY_SVG = 65536,
    HISTORY_DRAW_MAX = 40, /* operations of a core; of more, the last ones */
    HISTORY_ORDER_MAX = 4, /* of the furthest order, its last ones */
    HISTORY_WORDS = 64,
};

struct sp_sim_history {
    struct sp_sim_history *next;
    struct sp_sim *sim;
    const struct sp_model *model;
    sp_history *history;
    uint64_t last; /* stamp that was given */
};

static void history_no_memory(struct sp_sim *s)
{
    sp_sim_fail(s, "the simulation has no memory for a history");
}

sp_sim_history *sp_sim_history_new(sp_sim *s, const struct sp_model *model)
{
    struct sim_own own = sim_own_begin(s);
    struct sp_sim_history *h = sp__calloc(1, sizeof(*h));
    if (h != NULL && sp_history_create(&h->history) != SP_OK) {
        sp__free(h);
        h = NULL;
    }
    sim_own_end(s, own);
    if (h == NULL)
        history_no_memory(s);
    h->sim = s;
    h->model = model;
    h->next = s->histories;
    s->histories = h;
    return h;
}

void sim_histories_finish(struct sp_sim *s)
{
    while (s->histories != NULL) {
        struct sp_sim_history *h = s->histories;
        s->histories = h->next;
        sp_history_destroy(h->history);
        sp__free(h);
    }
}

/* ---- writing down ---- */

static uint64_t history_stamp(struct sp_sim_history *h)
{
    uint64_t step = sp_sim_steps(h->sim);
    h->last = step > h->last ? step : h->last + 1;
    return h->last;
}

size_t sp_sim_invoke(sp_sim_history *h, const struct sp_operation *operation)
{
    size_t id = 0;
    struct sim_own own = sim_own_begin(h->sim);
    sp_err err = sp_history_invoke(h->history, operation, history_stamp(h), &id);
    sim_own_end(h->sim, own);
    if (err != SP_OK)
        history_no_memory(h->sim);
    return id;
}

static void history_return(sp_sim_history *h, size_t id, enum sp_outcome outcome, sp_value out)
{
    struct sim_own own = sim_own_begin(h->sim);
    sp_err err = sp_history_return(h->history, id, outcome, out, history_stamp(h));
    sim_own_end(h->sim, own);
    if (err == SP_ERR_NOMEM)
        history_no_memory(h->sim);
    if (err != SP_OK)
        sp_sim_fail(h->sim, "the end of operation %zu of a history: %s", id, sp_err_text(err));
}

void sp_sim_ok(sp_sim_history *h, size_t id, sp_value out)
{
    history_return(h, id, SP_OUTCOME_OK, out);
}

void sp_sim_failed(sp_sim_history *h, size_t id)
{
    history_return(h, id, SP_OUTCOME_FAIL, sp_value_none());
}

void sp_sim_unknown(sp_sim_history *h, size_t id)
{
    history_return(h, id, SP_OUTCOME_UNKNOWN, sp_value_none());
}

const struct sp_operation *sp_sim_history_operations(const sp_sim_history *h, size_t *out_count)
{
    return sp_history_operations(h->history, out_count);
}

/* ---- judging ---- */

static void detail_words(struct sp__text *out, const sp_sim_history *h, size_t id)
{
    char words[HISTORY_WORDS];
    size_t count;
    const struct sp_operation *operation = &sp_history_operations(h->history, &count)[id];
    sim__describe(h->model, operation, words, sizeof(words));
    sp__text_add(out, "%s (client %u)", words, operation->client);
}

static void detail_order(struct sp__text *out, const sp_sim_history *h,
                         const struct sp_history_verdict *verdict)
{
    size_t count = verdict->furthest_count;
    size_t from = count > HISTORY_ORDER_MAX ? count - HISTORY_ORDER_MAX : 0;
    sp__text_add(out, count == 0 ? "at the start\n" : from > 0 ? "after ..., " : "after ");
    for (size_t i = from; i < count; i++) {
        detail_words(out, h, verdict->furthest[i]);
        sp__text_add(out, i + 1 < count ? ", " : "\n");
    }
    detail_words(out, h, verdict->stuck);
    sp__text_add(out, "\ndoes not fit, and no other order gets further\n");
}

static sp_err detail_text(const sp_sim_history *h, const struct sp_history_verdict *verdict,
                          char *text)
{
    char words[HISTORY_WORDS];
    size_t count;
    size_t shown = verdict->core_count > HISTORY_DRAW_MAX ? HISTORY_DRAW_MAX : verdict->core_count;
    const struct sp_operation *operations = sp_history_operations(h->history, &count);
    struct sp__text out;
    sp__text_init(&out, text, HISTORY_TEXT);
    sp__text_add(&out, "history, %zu operations;", count);
    if (verdict->key.kind != SP_VALUE_NONE) {
        sim__value_text(verdict->key, words, sizeof(words));
        sp__text_add(&out, " of key %s", words);
    }
    sp__text_add(&out, " these have no order that explains them%s:\n\n",
                 shown < verdict->core_count ? " (the last ones)" : "");
    sp_err err = sp_history_draw(operations, verdict->core + verdict->core_count - shown, shown,
                                 h->model, text + out.length, HISTORY_TEXT - out.length);
    if (err != SP_OK)
        return err;
    while (text[out.length] != '\0')
        out.length++;
    sp__text_add(&out, "\n");
    detail_order(&out, h, verdict);
    return SP_OK;
}

/* For the run that is told: what the report shows besides the story. */
static sp_err history_detail(const sp_sim_history *h, const struct sp_history_verdict *verdict)
{
    struct sim_trace *trace = h->sim->plan->trace;
    size_t count;
    const struct sp_operation *operations = sp_history_operations(h->history, &count);
    if (trace->detail != NULL)
        return SP_OK;
    trace->detail = sp__calloc(1, HISTORY_TEXT);
    trace->picture = sp__calloc(1, HISTORY_SVG);
    if (trace->detail == NULL || trace->picture == NULL)
        return SP_ERR_NOMEM;
    sp_err err = detail_text(h, verdict, trace->detail);
    return err != SP_OK ? err
                        : sp_history_draw_svg(operations, verdict->core, verdict->core_count,
                                              h->model, trace->picture, HISTORY_SVG);
}

void sp_sim_check_linearizable(sp_sim_history *h)
{
    size_t count;
    bool told = h->sim->plan->trace != NULL;
    struct sp_history_verdict verdict;
    struct sp_history_options options = { .no_core = !told };
    struct sim_own own = sim_own_begin(h->sim);
    const struct sp_operation *operations = sp_history_operations(h->history, &count);
    sp_err err = sp_history_check(operations, count, h->model, &options, &verdict);
    if (err == SP_OK && verdict.end == SP_HISTORY_ILLEGAL && told)
        err = history_detail(h, &verdict);
    enum sp_history_end end = err == SP_OK ? verdict.end : SP_HISTORY_OK;
    if (err == SP_OK)
        sp_history_verdict_finish(&verdict);
    sim_own_end(h->sim, own);
    if (err != SP_OK)
        history_no_memory(h->sim);
    if (end == SP_HISTORY_ILLEGAL)
        sp_sim_fail(h->sim, "the history is not linearizable (%s)", h->model->name);
    if (end == SP_HISTORY_UNKNOWN)
        sp_sim_fail(h->sim, "the history is too long to be judged (%zu operations)", count);
}
