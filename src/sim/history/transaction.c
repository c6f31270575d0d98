/* Transactions judged by the circles of their graph: spawned/transaction.h.
 *
 * Threads: none of its own. Neighbours: infer.h (the graph), graph.h (its circles).
 */
#include "spawned/transaction.h"

#include "base/alloc.h"
#include "base/text.h"
#include "sim/history/infer.h"

#include <inttypes.h>

enum {
    TXN_VISITS_MAX = 5000000, /* edges looked at for one kind of circle */
    TXN_ABOVE_COMMITTED = SP_TXN_SNAPSHOT_ISOLATION | SP_TXN_SERIALIZABLE |
                          SP_TXN_SESSION_SERIALIZABLE | SP_TXN_STRICT_SERIALIZABLE,
    TXN_COMMITTED = SP_TXN_READ_COMMITTED | TXN_ABOVE_COMMITTED,
    TXN_ALL = SP_TXN_READ_UNCOMMITTED | TXN_COMMITTED,
    TXN_SERIAL = SP_TXN_SERIALIZABLE | SP_TXN_SESSION_SERIALIZABLE | SP_TXN_STRICT_SERIALIZABLE,
    TXN_EDGES_DATA = SIM_EDGE_WW | SIM_EDGE_WR | SIM_EDGE_RW,
};

static const struct {
    const char *name;
    unsigned rules_out;
} txn_anomalies[SP_ANOMALIES] = {
    [SP_ANOMALY_G0] = { "G0", TXN_ALL },
    [SP_ANOMALY_G1A] = { "G1a", TXN_COMMITTED },
    [SP_ANOMALY_G1B] = { "G1b", TXN_COMMITTED },
    [SP_ANOMALY_G1C] = { "G1c", TXN_COMMITTED },
    [SP_ANOMALY_G_SINGLE] = { "G-single", TXN_ABOVE_COMMITTED },
    [SP_ANOMALY_G2_ITEM] = { "G2-item", TXN_SERIAL },
    [SP_ANOMALY_LOST_UPDATE] = { "lost update", TXN_ABOVE_COMMITTED },
    [SP_ANOMALY_INTERNAL] = { "internal", TXN_ABOVE_COMMITTED },
    [SP_ANOMALY_GARBAGE] = { "garbage read", TXN_COMMITTED },
    [SP_ANOMALY_DUPLICATE] = { "duplicate element", TXN_COMMITTED },
    [SP_ANOMALY_INCOMPATIBLE] = { "incompatible order", TXN_COMMITTED },
};

const char *sp_anomaly_name(enum sp_anomaly anomaly)
{
    return (unsigned)anomaly < SP_ANOMALIES ? txn_anomalies[anomaly].name : "unknown";
}

const char *sp_txn_model_name(enum sp_txn_model model)
{
    switch (model) {
    case SP_TXN_READ_UNCOMMITTED:
        return "read uncommitted";
    case SP_TXN_READ_COMMITTED:
        return "read committed";
    case SP_TXN_SNAPSHOT_ISOLATION:
        return "snapshot isolation";
    case SP_TXN_SERIALIZABLE:
        return "serializable";
    case SP_TXN_SESSION_SERIALIZABLE:
        return "session serializable";
    case SP_TXN_STRICT_SERIALIZABLE:
        return "strict serializable";
    }
    return "unknown";
}

/* ---- circles in words ---- */

/* Is the key a list? Whoever wrote the value knows. */
static bool edge_is_list(const struct sp_txn *writer, const struct sim_edge *edge)
{
    for (size_t i = 0; i < writer->op_count; i++)
        if (writer->ops[i].key == edge->key && writer->ops[i].code == SP_TXN_APPEND)
            return true;
    return false;
}

static void words_data(struct sp__text *out, const struct sp_txn *txns, const struct sim_edge *edge)
{
    uint32_t writer = edge->kind == SIM_EDGE_WR ? edge->from : edge->to;
    bool list = edge_is_list(&txns[writer], edge);
    if (edge->kind == SIM_EDGE_WW)
        sp__text_add(out, "T%u wrote key %" PRIu64 " before T%u %s %" PRId64, edge->from, edge->key,
                     edge->to, list ? "appended" : "wrote", edge->value);
    else if (edge->kind == SIM_EDGE_WR)
        sp__text_add(out, "T%u %s %" PRId64 " to key %" PRIu64 ", which T%u read", edge->from,
                     list ? "appended" : "wrote", edge->value, edge->key, edge->to);
    else
        sp__text_add(out, "T%u read key %" PRIu64 " without %" PRId64 ", which T%u %s", edge->from,
                     edge->key, edge->value, edge->to, list ? "appended" : "wrote");
}

/* Edges of clocks lead over nodes between: only from and to transactions are told. */
static void circle_words(struct sp_txn_anomaly *anomaly, const struct sp_txn *txns, size_t count,
                         const struct sim_edge *const *edges, size_t edge_count)
{
    struct sp__text out;
    uint32_t from = 0;
    sp__text_init(&out, anomaly->text, sizeof(anomaly->text));
    for (size_t i = 0; i < edge_count; i++) {
        const struct sim_edge *edge = edges[i];
        if (edge->from < count) {
            from = edge->from;
            if (anomaly->cycle_count < SP_TXN_CYCLE_MAX)
                anomaly->cycle[anomaly->cycle_count] = from;
            anomaly->cycle_count++;
        }
        if (edge->to >= count)
            continue;
        if (edge->kind == SIM_EDGE_TIME)
            sp__text_add(&out, "T%u had ended when T%u began", from, edge->to);
        else if (edge->kind == SIM_EDGE_PROCESS)
            sp__text_add(&out, "client %u did T%u before T%u", txns[from].client, from, edge->to);
        else
            words_data(&out, txns, edge);
        sp__text_add(&out, "; ");
    }
    sp__text_add(&out, "so T%zu comes before itself", anomaly->cycle[0]);
}

/* ---- looking for them ---- */

struct txn_check {
    const struct sp_txn *txns;
    size_t count;
    struct sim_graph graph;
    struct sp_txn_verdict *verdict;
};

/* Begin where a transaction does, not a node of the clock: the edge that was asked for does. */
static sp_err check_tell(struct txn_check *check, enum sp_anomaly kind, const size_t *list,
                         size_t list_count)
{
    const struct sim_edge **edges = sp__malloc(list_count * sizeof(const struct sim_edge *));
    if (edges == NULL)
        return SP_ERR_NOMEM;
    for (size_t i = 0; i < list_count; i++)
        edges[i] = &check->graph.edges[list[i]];
    check->verdict->anomalies[kind].count = 1;
    circle_words(&check->verdict->anomalies[kind], check->txns, check->count,
                 (const struct sim_edge *const *)edges, list_count);
    sp__free(edges);
    return SP_OK;
}

/* One kind of circle, with the orders of clients and clocks that are in `extra`. */
static sp_err check_kind(struct txn_check *check, enum sp_anomaly kind,
                         const struct sim_circle *wanted, unsigned extra, unsigned allowed)
{
    size_t *list = NULL;
    size_t count = 0;
    struct sp_txn_anomaly *anomaly = &check->verdict->anomalies[kind];
    struct sim_circle circle = *wanted;
    if (anomaly->count > 0 ||
        !sim_graph_components(&check->graph, circle.mask | circle.through | extra))
        return SP_OK;
    circle.mask |= extra;
    sp_err err = sim_graph_circle(&check->graph, &circle, TXN_VISITS_MAX, &list, &count);
    if (err == SP_OK && count > 0) {
        err = check_tell(check, kind, list, count);
        anomaly->rules_out = txn_anomalies[kind].rules_out & allowed;
    }
    sp__free(list);
    return err;
}

static sp_err check_circles(struct txn_check *check, unsigned extra, unsigned allowed)
{
    static const struct {
        enum sp_anomaly kind;
        struct sim_circle wanted;
    } kinds[] = {
        { SP_ANOMALY_G0, { SIM_EDGE_WW, SIM_EDGE_WW, 0 } },
        { SP_ANOMALY_G1C, { SIM_EDGE_WR, SIM_EDGE_WW | SIM_EDGE_WR, 0 } },
        { SP_ANOMALY_G_SINGLE, { SIM_EDGE_RW, SIM_EDGE_WW | SIM_EDGE_WR, 1 } },
        { SP_ANOMALY_G2_ITEM, { SIM_EDGE_RW, TXN_EDGES_DATA, 2 } },
    };
    sp_err err = SP_OK;
    if (!sim_graph_components(&check->graph, TXN_EDGES_DATA | extra))
        return SP_OK;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && err == SP_OK; i++)
        err = check_kind(check, kinds[i].kind, &kinds[i].wanted, extra, allowed);
    return err;
}

static bool check_has_circle(const struct txn_check *check)
{
    const struct sp_txn_anomaly *anomalies = check->verdict->anomalies;
    return anomalies[SP_ANOMALY_G0].count + anomalies[SP_ANOMALY_G1C].count +
               anomalies[SP_ANOMALY_G_SINGLE].count + anomalies[SP_ANOMALY_G2_ITEM].count >
           0;
}

/* Orders of clients and clocks say less, so they are looked at where the data make no circle. */
static sp_err check_run(struct txn_check *check)
{
    struct sp_txn_anomaly *anomalies = check->verdict->anomalies;
    sp_err err = sim_infer(check->txns, check->count, &check->graph, check->verdict);
    for (int i = 0; i < SP_ANOMALIES; i++)
        if (anomalies[i].count > 0)
            anomalies[i].rules_out = txn_anomalies[i].rules_out;
    if (err == SP_OK)
        err = sim_graph_close(&check->graph);
    if (err == SP_OK)
        err = check_circles(check, 0, TXN_ALL);
    if (err == SP_OK && !check_has_circle(check))
        err = check_circles(check, SIM_EDGE_PROCESS,
                            SP_TXN_SESSION_SERIALIZABLE | SP_TXN_STRICT_SERIALIZABLE);
    if (err == SP_OK && !check_has_circle(check))
        err = check_circles(check, SIM_EDGE_PROCESS | SIM_EDGE_TIME, SP_TXN_STRICT_SERIALIZABLE);
    for (int i = 0; i < SP_ANOMALIES; i++)
        check->verdict->ruled_out |= anomalies[i].rules_out;
    return err;
}

sp_err sp_txn_check(const struct sp_txn *txns, size_t count, struct sp_txn_verdict *out_verdict)
{
    struct txn_check check = { .txns = txns, .count = count };
    check.verdict = sp__calloc(1, sizeof(*check.verdict));
    sp_err err = check.verdict == NULL ? SP_ERR_NOMEM : check_run(&check);
    if (err == SP_OK)
        *out_verdict = *check.verdict;
    sim_graph_finish(&check.graph);
    sp__free(check.verdict);
    return err;
}
