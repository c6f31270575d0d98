#include "sim/history/infer.h"

#include "base/alloc.h"
#include "base/text.h"
#include "sim/history/model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define INFER_NONE UINT32_MAX

enum {
    /* Writes of a key of which nobody read the order: so many are told apart. */
    INFER_FAN_MAX = 16,
};

/* Transactions, as a list that grows at its head. */
struct infer_link {
    uint32_t txn;
    uint32_t next;
    int64_t value; /* that it wrote */
};

struct infer_version {
    uint32_t key; /* index */
    uint32_t writer;
    int64_t value;
    bool last;         /* of its writer's to the key */
    uint32_t position; /* in the longest list, from 1; 0: nobody read it */
    uint32_t readers;  /* links: who read it, who read it and then wrote the key */
    uint32_t updates;
};

struct infer_key {
    uint64_t key;
    bool is_list;
    const int64_t *list; /* the longest that was read */
    size_t list_count;
    uint32_t list_reader;
    /* Of the version before all: readers, updates, and who wrote without reading; of a list, who
     * appended what nobody read. */
    uint32_t readers;
    uint32_t updates;
    uint32_t blind;
};

struct infer {
    const struct sp_txn *txns;
    size_t count;
    struct sim_graph *graph;
    struct sp_txn_verdict *verdict;
    struct infer_key *keys;
    size_t key_count;
    uint32_t *key_slots; /* tables: 1 + index */
    struct infer_version *versions;
    size_t version_count;
    uint32_t *version_slots;
    size_t slots; /* of both tables, a power of two */
    struct infer_link *links;
    size_t link_count;
    size_t link_capacity;
};

/* ---- tables ---- */

static uint32_t infer_key(struct infer *in, uint64_t key, bool is_list)
{
    size_t at = sim__mix(UINT64_C(0x9e3779b97f4a7c15), key) & (in->slots - 1);
    for (; in->key_slots[at] != 0; at = (at + 1) & (in->slots - 1))
        if (in->keys[in->key_slots[at] - 1].key == key)
            return in->key_slots[at] - 1;
    in->keys[in->key_count] = (struct infer_key){ .key = key,
                                                  .is_list = is_list,
                                                  .readers = INFER_NONE,
                                                  .updates = INFER_NONE,
                                                  .blind = INFER_NONE };
    in->key_slots[at] = (uint32_t)++in->key_count;
    return in->key_slots[at] - 1;
}

static size_t version_slot(const struct infer *in, uint32_t key, int64_t value)
{
    size_t at = sim__mix(sim__mix(key + 1U, (uint64_t)value), 7) & (in->slots - 1);
    for (; in->version_slots[at] != 0; at = (at + 1) & (in->slots - 1)) {
        const struct infer_version *version = &in->versions[in->version_slots[at] - 1];
        if (version->key == key && version->value == value)
            break;
    }
    return at;
}

/* Who wrote the value, or NULL: nobody. */
static struct infer_version *infer_version(const struct infer *in, uint32_t key, int64_t value)
{
    uint32_t slot = in->version_slots[version_slot(in, key, value)];
    return slot == 0 ? NULL : &in->versions[slot - 1];
}

static sp_err infer_link(struct infer *in, uint32_t *head, uint32_t txn, int64_t value)
{
    if (in->link_count == in->link_capacity) {
        size_t capacity = in->link_capacity == 0 ? 256 : 2 * in->link_capacity;
        struct infer_link *links = sp__realloc(in->links, capacity * sizeof(*links));
        if (links == NULL)
            return SP_ERR_NOMEM;
        in->links = links;
        in->link_capacity = capacity;
    }
    in->links[in->link_count] = (struct infer_link){ .txn = txn, .next = *head, .value = value };
    *head = (uint32_t)in->link_count++;
    return SP_OK;
}

/* ---- what is wrong without a circle ---- */

SP_PRINTF(3, 4)
static void infer_wrong(struct infer *in, enum sp_anomaly anomaly, const char *format, ...)
{
    struct sp_txn_anomaly *one = &in->verdict->anomalies[anomaly];
    struct sp__text text;
    va_list args;
    if (one->count++ > 0)
        return;
    sp__text_init(&text, one->text, sizeof(one->text));
    va_start(args, format);
    sp__text_addv(&text, format, args);
    va_end(args);
}

/* ---- writes ---- */

static bool op_writes(const struct sp_txn_op *op)
{
    return op->code == SP_TXN_WRITE || op->code == SP_TXN_APPEND;
}

static bool op_is_list(const struct sp_txn_op *op)
{
    return op->code == SP_TXN_READ_LIST || op->code == SP_TXN_APPEND;
}

static sp_err infer_write(struct infer *in, uint32_t txn, size_t at)
{
    const struct sp_txn_op *ops = in->txns[txn].ops;
    uint32_t key = infer_key(in, ops[at].key, op_is_list(&ops[at]));
    if (in->keys[key].is_list != op_is_list(&ops[at]))
        return SP_ERR_INVALID;
    if (!op_writes(&ops[at]))
        return SP_OK;
    size_t slot = version_slot(in, key, ops[at].value);
    if (in->version_slots[slot] != 0)
        return SP_ERR_INVALID;
    for (size_t i = 0; i < at; i++)
        if (op_writes(&ops[i]) && ops[i].key == ops[at].key)
            infer_version(in, key, ops[i].value)->last = false;
    in->versions[in->version_count] = (struct infer_version){ .key = key,
                                                              .writer = txn,
                                                              .value = ops[at].value,
                                                              .last = true,
                                                              .readers = INFER_NONE,
                                                              .updates = INFER_NONE };
    in->version_slots[slot] = (uint32_t)++in->version_count;
    return SP_OK;
}

static sp_err infer_writes(struct infer *in)
{
    sp_err err = SP_OK;
    for (uint32_t txn = 0; txn < in->count && err == SP_OK; txn++) {
        const struct sp_txn *one = &in->txns[txn];
        if (one->outcome == SP_OUTCOME_OK && one->invoked > one->returned)
            return SP_ERR_INVALID;
        for (size_t i = 0; i < one->op_count && err == SP_OK; i++)
            err = infer_write(in, txn, i);
    }
    return err;
}

static sp_err infer_edge(struct infer *in, uint32_t from, uint32_t to, enum sim_edge_kind kind,
                         uint32_t key, int64_t value)
{
    return sim_graph_add(
        in->graph,
        (struct sim_edge){
            .from = from, .to = to, .kind = kind, .key = in->keys[key].key, .value = value });
}

/* Does the transaction write the key behind operation `at`? Its last value, then. */
static bool txn_writes_later(const struct sp_txn *txn, size_t at, int64_t *out_value)
{
    bool writes = false;
    for (size_t i = at + 1; i < txn->op_count; i++) {
        if (!op_writes(&txn->ops[i]) || txn->ops[i].key != txn->ops[at].key)
            continue;
        writes = true;
        *out_value = txn->ops[i].value;
    }
    return writes;
}

/* Two that read the same version and write the key: one of the writes is lost. */
static sp_err infer_update(struct infer *in, uint32_t *head, uint32_t txn, uint32_t key,
                           int64_t value)
{
    if (*head != INFER_NONE && in->links[*head].txn == txn)
        return SP_OK;
    if (*head != INFER_NONE)
        infer_wrong(in, SP_ANOMALY_LOST_UPDATE,
                    "T%u and T%u read the same version of key %" PRIu64 ", and wrote %" PRId64
                    " and %" PRId64 " there",
                    in->links[*head].txn, txn, in->keys[key].key, in->links[*head].value, value);
    return infer_link(in, head, txn, value);
}

/* ---- lists ---- */

static void infer_longest(struct infer *in)
{
    for (uint32_t txn = 0; txn < in->count; txn++) {
        const struct sp_txn *one = &in->txns[txn];
        for (size_t i = 0; i < one->op_count && one->outcome == SP_OUTCOME_OK; i++) {
            const struct sp_txn_op *op = &one->ops[i];
            if (op->code != SP_TXN_READ_LIST)
                continue;
            struct infer_key *key = &in->keys[infer_key(in, op->key, true)];
            if (op->list_count <= key->list_count)
                continue;
            key->list = op->list;
            key->list_count = op->list_count;
            key->list_reader = txn;
        }
    }
}

/* The order of the elements of one key. */
static sp_err infer_list(struct infer *in, uint32_t key)
{
    const struct infer_key *list = &in->keys[key];
    uint32_t before = INFER_NONE;
    sp_err err = SP_OK;
    for (size_t i = 0; i < list->list_count && err == SP_OK; i++) {
        struct infer_version *version = infer_version(in, key, list->list[i]);
        if (version == NULL) {
            infer_wrong(in, SP_ANOMALY_GARBAGE,
                        "T%u read %" PRId64 " in key %" PRIu64 ", which nobody appended",
                        list->list_reader, list->list[i], list->key);
            continue;
        }
        if (version->position != 0) {
            infer_wrong(in, SP_ANOMALY_DUPLICATE,
                        "T%u read %" PRId64 " in key %" PRIu64 " twice; T%u appended it once",
                        list->list_reader, list->list[i], list->key, version->writer);
            continue;
        }
        version->position = (uint32_t)i + 1;
        if (in->txns[version->writer].outcome == SP_OUTCOME_FAIL) {
            infer_wrong(
                in, SP_ANOMALY_G1A,
                "T%u read %" PRId64 " in key %" PRIu64 ", which T%u appended, and T%u failed",
                list->list_reader, list->list[i], list->key, version->writer, version->writer);
            continue;
        }
        if (before != INFER_NONE)
            err = infer_edge(in, before, version->writer, SIM_EDGE_WW, key, version->value);
        before = version->writer;
    }
    return err;
}

/* Appended, and not in the longest list: behind all that is. */
static sp_err infer_unread(struct infer *in, uint32_t txn, const struct sp_txn_op *op)
{
    uint32_t at = infer_key(in, op->key, true);
    struct infer_key *key = &in->keys[at];
    if (infer_version(in, at, op->value)->position != 0)
        return SP_OK;
    const struct infer_version *last =
        key->list_count == 0 ? NULL : infer_version(in, at, key->list[key->list_count - 1]);
    sp_err err = infer_link(in, &key->blind, txn, op->value);
    if (err == SP_OK && last != NULL && in->txns[last->writer].outcome != SP_OUTCOME_FAIL)
        err = infer_edge(in, last->writer, txn, SIM_EDGE_WW, at, op->value);
    return err;
}

/* How many elements at the end the transaction appended itself, before operation `at`. False: they
 * are not there. */
static bool read_list_own(const struct sp_txn *txn, size_t at, size_t *out_own)
{
    const struct sp_txn_op *read = &txn->ops[at];
    size_t own = 0;
    for (size_t i = at; i-- > 0;) {
        const struct sp_txn_op *op = &txn->ops[i];
        if (op->code != SP_TXN_APPEND || op->key != read->key)
            continue;
        own++;
        if (own > read->list_count || read->list[read->list_count - own] != op->value)
            return false;
    }
    *out_own = own;
    return true;
}

/* The transaction saw the first `seen` elements: before whom does it come? */
static sp_err read_list_before(struct infer *in, uint32_t txn, uint32_t key, size_t seen)
{
    const struct infer_key *list = &in->keys[key];
    sp_err err = SP_OK;
    if (seen < list->list_count) {
        const struct infer_version *next = infer_version(in, key, list->list[seen]);
        if (next == NULL || in->txns[next->writer].outcome == SP_OUTCOME_FAIL)
            return SP_OK;
        return infer_edge(in, txn, next->writer, SIM_EDGE_RW, key, next->value);
    }
    uint32_t link = list->blind;
    for (int i = 0; i < INFER_FAN_MAX && link != INFER_NONE && err == SP_OK; i++) {
        err = infer_edge(in, txn, in->links[link].txn, SIM_EDGE_RW, key, in->links[link].value);
        link = in->links[link].next;
    }
    return err;
}

static sp_err read_list_after(struct infer *in, uint32_t txn, uint32_t key,
                              struct infer_version *last)
{
    const struct sp_txn *writer = &in->txns[last->writer];
    if (!last->last && last->writer != txn)
        infer_wrong(in, SP_ANOMALY_G1B,
                    "T%u read key %" PRIu64 " up to %" PRId64 ", and T%u appended more to it", txn,
                    in->keys[key].key, last->value, last->writer);
    if (writer->outcome == SP_OUTCOME_FAIL)
        return SP_OK;
    return infer_edge(in, last->writer, txn, SIM_EDGE_WR, key, last->value);
}

static sp_err infer_read_list(struct infer *in, uint32_t txn, size_t at)
{
    const struct sp_txn *one = &in->txns[txn];
    const struct sp_txn_op *op = &one->ops[at];
    uint32_t key = infer_key(in, op->key, true);
    size_t own = 0;
    int64_t value = 0;
    if (op->list_count > 0 &&
        memcmp(op->list, in->keys[key].list, op->list_count * sizeof(*op->list)) != 0) {
        infer_wrong(in, SP_ANOMALY_INCOMPATIBLE,
                    "T%u and T%u read key %" PRIu64 ", and neither list begins with the other", txn,
                    in->keys[key].list_reader, op->key);
        return SP_OK;
    }
    if (!read_list_own(one, at, &own)) {
        infer_wrong(in, SP_ANOMALY_INTERNAL,
                    "T%u appended to key %" PRIu64 " and did not read it at the end", txn, op->key);
        return SP_OK;
    }
    size_t seen = op->list_count - own;
    struct infer_version *last = seen == 0 ? NULL : infer_version(in, key, op->list[seen - 1]);
    sp_err err = last == NULL ? SP_OK : read_list_after(in, txn, key, last);
    if (err == SP_OK)
        err = read_list_before(in, txn, key, seen);
    if (err == SP_OK && own == 0 && (last != NULL || seen == 0) &&
        txn_writes_later(one, at, &value))
        err = infer_update(in, last == NULL ? &in->keys[key].updates : &last->updates, txn, key,
                           value);
    return err;
}

/* ---- registers ---- */

/* What the transaction did with the key before operation `at`: its last write, or a read. */
static const struct sp_txn_op *txn_earlier(const struct sp_txn *txn, size_t at)
{
    const struct sp_txn_op *found = NULL;
    for (size_t i = 0; i < at; i++)
        if (txn->ops[i].key == txn->ops[at].key &&
            (found == NULL || op_writes(&txn->ops[i]) || !op_writes(found)))
            found = &txn->ops[i];
    return found;
}

static sp_err read_version(struct infer *in, uint32_t txn, uint32_t key,
                           struct infer_version *version)
{
    if (in->txns[version->writer].outcome == SP_OUTCOME_FAIL) {
        infer_wrong(in, SP_ANOMALY_G1A,
                    "T%u read key %" PRIu64 " = %" PRId64 ", which T%u wrote, and T%u failed", txn,
                    in->keys[key].key, version->value, version->writer, version->writer);
        return SP_OK;
    }
    if (!version->last && version->writer != txn)
        infer_wrong(in, SP_ANOMALY_G1B,
                    "T%u read key %" PRIu64 " = %" PRId64 ", and T%u wrote another value after it",
                    txn, in->keys[key].key, version->value, version->writer);
    return infer_edge(in, version->writer, txn, SIM_EDGE_WR, key, version->value);
}

/* The version that was read is known, or NULL: the one before all. */
static sp_err infer_saw(struct infer *in, uint32_t txn, size_t at, uint32_t key,
                        struct infer_version *version)
{
    int64_t value = 0;
    const struct sp_txn *one = &in->txns[txn];
    struct infer_key *first = &in->keys[key];
    sp_err err = version == NULL ? SP_OK : read_version(in, txn, key, version);
    if (err == SP_OK)
        err = infer_link(in, version == NULL ? &first->readers : &version->readers, txn, 0);
    if (err != SP_OK || !txn_writes_later(one, at, &value))
        return err;
    err = infer_update(in, version == NULL ? &first->updates : &version->updates, txn, key, value);
    if (err == SP_OK && version != NULL && in->txns[version->writer].outcome != SP_OUTCOME_FAIL)
        err = infer_edge(in, version->writer, txn, SIM_EDGE_WW, key, value);
    return err;
}

static sp_err infer_read(struct infer *in, uint32_t txn, size_t at)
{
    const struct sp_txn_op *op = &in->txns[txn].ops[at];
    const struct sp_txn_op *earlier = txn_earlier(&in->txns[txn], at);
    uint32_t key = infer_key(in, op->key, false);
    struct infer_version *version = op->none ? NULL : infer_version(in, key, op->value);
    if (earlier != NULL && op_writes(earlier)) {
        if (op->none || op->value != earlier->value)
            infer_wrong(in, SP_ANOMALY_INTERNAL,
                        "T%u wrote key %" PRIu64 " = %" PRId64 " and then read something else", txn,
                        op->key, earlier->value);
        return SP_OK;
    }
    if (op->none || version != NULL)
        return infer_saw(in, txn, at, key, version);
    infer_wrong(in, SP_ANOMALY_GARBAGE,
                "T%u read key %" PRIu64 " = %" PRId64 ", which nobody wrote", txn, op->key,
                op->value);
    return SP_OK;
}

/* Each of the readers before each of the writers. */
static sp_err infer_before(struct infer *in, uint32_t key, uint32_t readers, uint32_t writers)
{
    sp_err err = SP_OK;
    for (; readers != INFER_NONE; readers = in->links[readers].next) {
        uint32_t writer = writers;
        for (int i = 0; i < INFER_FAN_MAX && writer != INFER_NONE && err == SP_OK; i++) {
            err = infer_edge(in, in->links[readers].txn, in->links[writer].txn, SIM_EDGE_RW, key,
                             in->links[writer].value);
            writer = in->links[writer].next;
        }
    }
    return err;
}

static sp_err infer_registers(struct infer *in)
{
    sp_err err = SP_OK;
    for (uint32_t key = 0; key < in->key_count && err == SP_OK; key++) {
        const struct infer_key *one = &in->keys[key];
        if (one->is_list)
            continue;
        err = infer_before(in, key, one->readers, one->updates);
        if (err == SP_OK)
            err = infer_before(in, key, one->readers, one->blind);
    }
    for (size_t i = 0; i < in->version_count && err == SP_OK; i++)
        if (!in->keys[in->versions[i].key].is_list)
            err = infer_before(in, in->versions[i].key, in->versions[i].readers,
                               in->versions[i].updates);
    return err;
}

/* ---- all operations ---- */

/* Writes that tell nothing about what was before them. */
static sp_err infer_blind(struct infer *in)
{
    sp_err err = SP_OK;
    for (uint32_t txn = 0; txn < in->count && err == SP_OK; txn++) {
        const struct sp_txn *one = &in->txns[txn];
        for (size_t i = 0; i < one->op_count && one->outcome == SP_OUTCOME_OK && err == SP_OK;
             i++) {
            const struct sp_txn_op *op = &one->ops[i];
            if (op->code == SP_TXN_APPEND)
                err = infer_unread(in, txn, op);
            else if (op->code == SP_TXN_WRITE && txn_earlier(one, i) == NULL)
                err =
                    infer_link(in, &in->keys[infer_key(in, op->key, false)].blind, txn, op->value);
        }
    }
    return err;
}

static sp_err infer_reads(struct infer *in)
{
    sp_err err = SP_OK;
    for (uint32_t txn = 0; txn < in->count && err == SP_OK; txn++) {
        const struct sp_txn *one = &in->txns[txn];
        for (size_t i = 0; i < one->op_count && one->outcome == SP_OUTCOME_OK && err == SP_OK;
             i++) {
            if (one->ops[i].code == SP_TXN_READ_LIST)
                err = infer_read_list(in, txn, i);
            else if (one->ops[i].code == SP_TXN_READ)
                err = infer_read(in, txn, i);
        }
    }
    return err;
}

/* ---- clients and clocks ---- */

struct infer_event {
    uint64_t stamp;
    uint32_t txn;
    bool end;
};

/* Of one stamp, begins come first: those transactions overlap. */
static int event_compare(const void *a, const void *b)
{
    const struct infer_event *x = a;
    const struct infer_event *y = b;
    if (x->stamp != y->stamp)
        return x->stamp < y->stamp ? -1 : 1;
    if (x->end != y->end)
        return x->end ? 1 : -1;
    return (x->txn > y->txn) - (x->txn < y->txn);
}

/* All that ended before the node, and the node before all that begin then; a new node where
 * something ends after something began. */
static sp_err infer_clock(struct infer *in, const struct infer_event *events, size_t count)
{
    sp_err err = SP_OK;
    uint32_t node = 0; /* 0: none yet */
    bool began = true;
    for (size_t i = 0; i < count && err == SP_OK; i++) {
        struct sim_edge edge = { .kind = SIM_EDGE_TIME, .from = node, .to = events[i].txn };
        if (!events[i].end) {
            if (node != 0)
                err = sim_graph_add(in->graph, edge);
            began = true;
            continue;
        }
        if (began) {
            edge.to = in->graph->nodes++;
            if (node != 0)
                err = sim_graph_add(in->graph, edge);
            node = edge.to;
            began = false;
        }
        edge = (struct sim_edge){ .kind = SIM_EDGE_TIME, .from = events[i].txn, .to = node };
        if (err == SP_OK)
            err = sim_graph_add(in->graph, edge);
    }
    return err;
}

static sp_err infer_process(struct infer *in, const struct infer_event *events, size_t count)
{
    sp_err err = SP_OK;
    for (size_t i = 0; i < in->slots; i++)
        in->key_slots[i] = 0; /* now: by client, 1 + its last transaction */
    for (size_t i = 0; i < count && err == SP_OK; i++) {
        if (!events[i].end)
            continue;
        uint32_t client = in->txns[events[i].txn].client;
        size_t at = sim__mix(UINT64_C(0x9e3779b97f4a7c15), client) & (in->slots - 1);
        while (in->key_slots[at] != 0 && in->txns[in->key_slots[at] - 1].client != client)
            at = (at + 1) & (in->slots - 1);
        uint32_t before = in->key_slots[at];
        if (before != 0 && in->txns[before - 1].returned < in->txns[events[i].txn].invoked)
            err = sim_graph_add(in->graph, (struct sim_edge){ .kind = SIM_EDGE_PROCESS,
                                                              .from = before - 1,
                                                              .to = events[i].txn });
        in->key_slots[at] = events[i].txn + 1;
    }
    return err;
}

static sp_err infer_time(struct infer *in)
{
    size_t count = 0;
    struct infer_event *events = sp__malloc((2 * in->count + 1) * sizeof(*events));
    if (events == NULL)
        return SP_ERR_NOMEM;
    for (uint32_t txn = 0; txn < in->count; txn++) {
        if (in->txns[txn].outcome == SP_OUTCOME_FAIL)
            continue;
        events[count++] = (struct infer_event){ in->txns[txn].invoked, txn, false };
        if (in->txns[txn].outcome == SP_OUTCOME_OK)
            events[count++] = (struct infer_event){ in->txns[txn].returned, txn, true };
    }
    if (count > 0)
        qsort(events, count, sizeof(*events), event_compare);
    in->graph->nodes = (uint32_t)in->count;
    sp_err err = infer_process(in, events, count);
    if (err == SP_OK)
        err = infer_clock(in, events, count);
    sp__free(events);
    return err;
}

/* ---- the whole ---- */

static sp_err infer_init(struct infer *in)
{
    size_t ops = 1;
    for (size_t i = 0; i < in->count; i++)
        ops += in->txns[i].op_count;
    in->slots = 16;
    while (in->slots < 2 * ops || in->slots < 2 * in->count)
        in->slots *= 2;
    in->keys = sp__malloc(ops * sizeof(*in->keys));
    in->key_slots = sp__calloc(in->slots, sizeof(*in->key_slots));
    in->versions = sp__malloc(ops * sizeof(*in->versions));
    in->version_slots = sp__calloc(in->slots, sizeof(*in->version_slots));
    if (in->keys == NULL || in->key_slots == NULL || in->versions == NULL ||
        in->version_slots == NULL)
        return SP_ERR_NOMEM;
    return SP_OK;
}

sp_err sim_infer(const struct sp_txn *txns, size_t count, struct sim_graph *graph,
                 struct sp_txn_verdict *verdict)
{
    struct infer in = { .txns = txns, .count = count, .graph = graph, .verdict = verdict };
    sp_err err = infer_init(&in);
    if (err == SP_OK)
        err = infer_writes(&in);
    if (err == SP_OK)
        infer_longest(&in);
    for (uint32_t key = 0; err == SP_OK && key < in.key_count; key++)
        err = infer_list(&in, key);
    if (err == SP_OK)
        err = infer_blind(&in);
    if (err == SP_OK)
        err = infer_reads(&in);
    if (err == SP_OK)
        err = infer_registers(&in);
    if (err == SP_OK)
        err = infer_time(&in); /* the last: it takes the table of keys */
    sp__free(in.keys);
    sp__free(in.key_slots);
    sp__free(in.versions);
    sp__free(in.version_slots);
    sp__free(in.links);
    return err;
}
