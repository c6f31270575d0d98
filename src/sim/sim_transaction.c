/* Transactions of a run: written down in memory that is not the world's, judged at its end.
 *
 * Threads: one. Neighbours: inside.h (a run has a list of them), history/transaction.c (the
 * judgement), sim_history.c (the same for single operations).
 */
#include "spawned/sim_transaction.h"

#include "base/alloc.h"
#include "base/text.h"
#include "sim/inside.h"

#include <inttypes.h>
#include <string.h>

enum {
    TXNS_TEXT = 4096,
    TXNS_FIRST = 16,    /* transactions, and operations of each, for which there is room at first */
    TXNS_TOLD_LIST = 8, /* last elements of a list that are told */
};

struct txns_one {
    struct sp_txn_op *ops; /* those of the same transaction in `all` */
    size_t room;
    uint32_t from; /* events of the run that is told: what it did lies behind this one, */
    uint32_t to;   /* and ends with this */
    uint32_t lane; /* of the process that began it, or SIM_NO_LANE */
    bool ended;
};

struct sp_sim_txns {
    struct sp_sim_txns *next;
    struct sp_sim *sim;
    struct sp_txn *all;
    struct txns_one *parts;
    size_t count;
    size_t room;
    uint64_t last; /* stamp that was given */
};

static void txns_no_memory(struct sp_sim *s)
{
    sp_sim_fail(s, "the simulation has no memory for transactions");
}

sp_sim_txns *sp_sim_txns_new(sp_sim *s)
{
    struct sim_own own = sim_own_begin(s);
    struct sp_sim_txns *txns = sp__calloc(1, sizeof(*txns));
    sim_own_end(s, own);
    if (txns == NULL)
        txns_no_memory(s);
    txns->sim = s;
    txns->next = s->txns;
    s->txns = txns;
    return txns;
}

static void txns_free(struct sp_sim_txns *txns)
{
    for (size_t id = 0; id < txns->count; id++) {
        for (size_t i = 0; i < txns->all[id].op_count; i++)
            sp__free((void *)(uintptr_t)txns->parts[id].ops[i].list);
        sp__free(txns->parts[id].ops);
    }
    sp__free(txns->all);
    sp__free(txns->parts);
    sp__free(txns);
}

void sim_txns_finish(struct sp_sim *s)
{
    while (s->txns != NULL) {
        struct sp_sim_txns *txns = s->txns;
        s->txns = txns->next;
        txns_free(txns);
    }
}

/* ---- writing down ---- */

static uint64_t txns_stamp(struct sp_sim_txns *txns)
{
    uint64_t step = sp_sim_steps(txns->sim);
    txns->last = step > txns->last ? step : txns->last + 1;
    return txns->last;
}

/* Where the run that is told is. False: nowhere yet, or farther than is kept. */
static bool txns_event(const struct sp_sim_txns *txns, uint32_t *out)
{
    const struct sim_trace *trace = txns->sim->plan->trace;
    if (trace == NULL || trace->count == 0 || trace->cut)
        return false;
    *out = (uint32_t)trace->count - 1;
    return true;
}

static struct txns_one txns_part(const struct sp_sim_txns *txns)
{
    struct txns_one part = { .lane = SIM_NO_LANE };
    if (sp__world_running(txns->sim->world) != NULL && txns_event(txns, &part.from))
        part.lane = txns->sim->plan->trace->events[part.from].lane;
    part.to = part.from;
    return part;
}

static bool txns_grow(struct sp_sim_txns *txns)
{
    size_t room = txns->room == 0 ? TXNS_FIRST : 2 * txns->room;
    struct sp_txn *all = sp__realloc(txns->all, room * sizeof(*all));
    if (all == NULL)
        return false;
    txns->all = all;
    struct txns_one *parts = sp__realloc(txns->parts, room * sizeof(*parts));
    if (parts == NULL)
        return false;
    txns->parts = parts;
    txns->room = room;
    return true;
}

size_t sp_sim_txn_begin(sp_sim_txns *txns, uint32_t client)
{
    struct sim_own own = sim_own_begin(txns->sim);
    bool good = txns->count < txns->room || txns_grow(txns);
    sim_own_end(txns->sim, own);
    if (!good)
        txns_no_memory(txns->sim);
    txns->all[txns->count] = (struct sp_txn){ .client = client,
                                              .outcome = SP_OUTCOME_UNKNOWN,
                                              .invoked = txns_stamp(txns) };
    txns->parts[txns->count] = txns_part(txns);
    return txns->count++;
}

/* The part of a transaction that goes on. */
static struct txns_one *txns_open(struct sp_sim_txns *txns, size_t id)
{
    if (id >= txns->count || txns->parts[id].ended)
        sp_sim_fail(txns->sim, "transaction %zu %s", id,
                    id >= txns->count ? "did not begin" : "has ended before");
    return &txns->parts[id];
}

static bool txns_push(struct sp_sim_txns *txns, size_t id, const struct sp_txn_op *op)
{
    struct sp_txn *txn = &txns->all[id];
    struct txns_one *part = &txns->parts[id];
    size_t size = op->list_count * sizeof(*op->list);
    int64_t *list = NULL;
    if (txn->op_count == part->room) {
        size_t room = part->room == 0 ? TXNS_FIRST : 2 * part->room;
        struct sp_txn_op *ops = sp__realloc(part->ops, room * sizeof(*ops));
        if (ops == NULL)
            return false;
        txn->ops = part->ops = ops;
        part->room = room;
    }
    if (size != 0 && (list = sp__malloc(size)) == NULL)
        return false;
    if (size != 0)
        memcpy(list, op->list, size);
    part->ops[txn->op_count] = *op;
    part->ops[txn->op_count++].list = list;
    return true;
}

void sp_sim_txn_add(sp_sim_txns *txns, size_t id, const struct sp_txn_op *op)
{
    (void)txns_open(txns, id);
    struct sim_own own = sim_own_begin(txns->sim);
    bool good = txns_push(txns, id, op);
    sim_own_end(txns->sim, own);
    if (!good)
        txns_no_memory(txns->sim);
}

void sp_sim_txn_end(sp_sim_txns *txns, size_t id, enum sp_outcome outcome)
{
    struct txns_one *part = txns_open(txns, id);
    part->ended = true;
    (void)txns_event(txns, &part->to);
    txns->all[id].outcome = outcome;
    txns->all[id].returned = txns_stamp(txns);
}

const struct sp_txn *sp_sim_txns_all(const sp_sim_txns *txns, size_t *out_count)
{
    *out_count = txns->count;
    return txns->all;
}

/* ---- judging ---- */

static void txns_list_text(struct sp__text *out, const struct sp_txn_op *op)
{
    size_t from = op->list_count > TXNS_TOLD_LIST ? op->list_count - TXNS_TOLD_LIST : 0;
    sp__text_add(out, "read %" PRIu64 ": [%s", op->key, from == 0 ? "" : "... ");
    for (size_t i = from; i < op->list_count; i++)
        sp__text_add(out, "%s%" PRId64, i == from ? "" : " ", op->list[i]);
    sp__text_add(out, "]");
}

static void txns_op_text(struct sp__text *out, const struct sp_txn_op *op)
{
    switch (op->code) {
    case SP_TXN_READ:
        sp__text_add(out, op->none ? "read %" PRIu64 ": nothing" : "read %" PRIu64 ": ", op->key);
        if (!op->none)
            sp__text_add(out, "%" PRId64, op->value);
        return;
    case SP_TXN_READ_LIST:
        txns_list_text(out, op);
        return;
    case SP_TXN_WRITE:
    case SP_TXN_APPEND:
        sp__text_add(out, "%s %" PRId64 " to %" PRIu64,
                     op->code == SP_TXN_WRITE ? "write" : "append", op->value, op->key);
        return;
    }
}

static void txns_one_text(struct sp__text *out, const struct sp_sim_txns *txns, size_t id)
{
    static const char *const outcomes[] = { "", " (failed)", " (nobody knows)" };
    const struct sp_txn *txn = &txns->all[id];
    sp__text_add(out, "      T%zu, client %u%s: ", id, txn->client, outcomes[txn->outcome]);
    for (size_t i = 0; i < txn->op_count; i++) {
        sp__text_add(out, i == 0 ? "" : ", ");
        txns_op_text(out, &txn->ops[i]);
    }
    sp__text_add(out, "\n");
}

/* What a transaction sent is what its judgement is about: `most` of it at most. */
static void txns_matter(struct sim_trace *trace, const struct txns_one *part, size_t most)
{
    uint32_t end = part->ended ? part->to + 1 : (uint32_t)trace->count;
    for (uint32_t e = part->from + 1; e < end && most > 0; e++) {
        if (trace->events[e].lane != part->lane || trace->events[e].point != SP__POINT_SEND ||
            trace->matter_count == SIM_MATTERS_MAX)
            continue;
        trace->matters[trace->matter_count++] = e;
        most--;
    }
}

/* For the run that is told: the anomaly in words, and what its transactions did. */
static bool txns_detail(const struct sp_sim_txns *txns, const struct sp_txn_anomaly *anomaly)
{
    struct sim_trace *trace = txns->sim->plan->trace;
    if (trace == NULL || trace->detail != NULL)
        return true;
    trace->detail = sp__calloc(1, TXNS_TEXT);
    if (trace->detail == NULL)
        return false;
    struct sp__text out;
    sp__text_init(&out, trace->detail, TXNS_TEXT);
    sp__text_add(&out, "%s\n", anomaly->text);
    for (size_t i = 0; i < anomaly->cycle_count && i < SP_TXN_CYCLE_MAX; i++) {
        txns_one_text(&out, txns, anomaly->cycle[i]);
        txns_matter(trace, &txns->parts[anomaly->cycle[i]], SIM_MATTERS_MAX / anomaly->cycle_count);
    }
    return true;
}

/* The first anomaly that rules one of these models out. */
static enum sp_anomaly txns_worst(const struct sp_txn_verdict *verdict, unsigned models)
{
    enum sp_anomaly anomaly = 0;
    while (anomaly < SP_ANOMALIES - 1 && (verdict->anomalies[anomaly].count == 0 ||
                                          (verdict->anomalies[anomaly].rules_out & models) == 0))
        anomaly++;
    return anomaly;
}

void sp_sim_check_transactions(sp_sim_txns *txns, unsigned models)
{
    struct sp_sim *s = txns->sim;
    struct sim_own own = sim_own_begin(s);
    struct sp_txn_verdict *verdict = sp__calloc(1, sizeof(*verdict));
    sp_err err = verdict == NULL ? SP_ERR_NOMEM : sp_txn_check(txns->all, txns->count, verdict);
    unsigned violated = err == SP_OK ? verdict->ruled_out & models : 0;
    enum sp_anomaly worst = SP_ANOMALIES;
    if (violated != 0) {
        worst = txns_worst(verdict, violated);
        err = txns_detail(txns, &verdict->anomalies[worst]) ? SP_OK : SP_ERR_NOMEM;
    }
    sp__free(verdict);
    sim_own_end(s, own);
    if (err == SP_ERR_NOMEM)
        txns_no_memory(s);
    if (err != SP_OK)
        sp_sim_fail(s, "these transactions cannot be judged: %s", sp_err_text(err));
    if (violated != 0)
        sp_sim_fail(s, "the transactions rule out: %s (%s)",
                    sp_txn_model_name((enum sp_txn_model)(violated & -violated)),
                    sp_anomaly_name(worst));
}
