/* Transactions: each anomaly by hand, and against trying every order on small random histories. */
#include "spawned/transaction.h"

#include "runtime/random.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

enum {
    TXNS_MAX = 6,
    OPS_MAX = 4,
    KEYS = 2,
    LIST_MAX = TXNS_MAX * OPS_MAX,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LIST(...) (const int64_t[]){ __VA_ARGS__ }, sizeof((int64_t[]){ __VA_ARGS__ }) / 8

static struct sp_txn_op append_of(uint64_t key, int64_t value)
{
    return (struct sp_txn_op){ .code = SP_TXN_APPEND, .key = key, .value = value };
}

static struct sp_txn_op write_of(uint64_t key, int64_t value)
{
    return (struct sp_txn_op){ .code = SP_TXN_WRITE, .key = key, .value = value };
}

static struct sp_txn_op read_of(uint64_t key, int64_t value)
{
    return (
        struct sp_txn_op){ .code = SP_TXN_READ, .key = key, .value = value, .none = value == 0 };
}

static struct sp_txn_op list_of(uint64_t key, const int64_t *list, size_t count)
{
    return (struct sp_txn_op){
        .code = SP_TXN_READ_LIST, .key = key, .list = list, .list_count = count
    };
}

/* Transactions that all overlap. */
static struct sp_txn txn_of(const struct sp_txn_op *ops, size_t count)
{
    return (struct sp_txn){ .ops = ops, .op_count = count, .invoked = 0, .returned = 100 };
}

#define TXN(...)                                      \
    txn_of((const struct sp_txn_op[]){ __VA_ARGS__ }, \
           sizeof((struct sp_txn_op[]){ __VA_ARGS__ }) / sizeof(struct sp_txn_op))

static struct sp_txn_verdict verdict;

static unsigned check(struct sp_txn *txns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        txns[i].client = (uint32_t)i;
    CHECK_OK(sp_txn_check(txns, count, &verdict));
    return verdict.ruled_out;
}

#define SERIAL (SP_TXN_SERIALIZABLE | SP_TXN_SESSION_SERIALIZABLE | SP_TXN_STRICT_SERIALIZABLE)
#define ABOVE_COMMITTED (SERIAL | SP_TXN_SNAPSHOT_ISOLATION)
#define COMMITTED (ABOVE_COMMITTED | SP_TXN_READ_COMMITTED)

/* ---- by hand ---- */

TEST(transactions_one_after_the_other_rule_nothing_out)
{
    struct sp_txn txns[] = {
        TXN(append_of(1, 1), append_of(2, 2)),
        TXN(list_of(1, LIST(1)), append_of(1, 3)),
        TXN(list_of(1, LIST(1, 3)), list_of(2, LIST(2)), write_of(3, 7)),
        TXN(read_of(3, 7), write_of(3, 8), read_of(3, 8)),
    };
    CHECK_INT(check(txns, COUNT(txns)), 0);
    CHECK_INT(check(txns, 0), 0);
}

TEST(transactions_whose_writes_cross_are_g0)
{
    struct sp_txn txns[] = {
        TXN(append_of(1, 1), append_of(2, 1)),
        TXN(append_of(1, 2), append_of(2, 2)),
        TXN(list_of(1, LIST(1, 2))),
        TXN(list_of(2, LIST(2, 1))),
    };
    CHECK_INT(check(txns, COUNT(txns)), COMMITTED | SP_TXN_READ_UNCOMMITTED);
    CHECK_INT(verdict.anomalies[SP_ANOMALY_G0].cycle_count, 2);
    CHECK_STR(verdict.anomalies[SP_ANOMALY_G0].text,
              "T0 wrote key 1 before T1 appended 2; T1 wrote key 2 before T0 appended 1; "
              "so T0 comes before itself");
}

TEST(a_read_of_what_failed_is_g1a)
{
    struct sp_txn txns[] = { TXN(append_of(1, 1)), TXN(list_of(1, LIST(1))) };
    struct sp_txn others[] = { TXN(write_of(1, 1)), TXN(read_of(1, 1)) };
    txns[0].outcome = SP_OUTCOME_FAIL;
    others[0].outcome = SP_OUTCOME_FAIL;
    CHECK_INT(check(txns, COUNT(txns)), COMMITTED);
    CHECK_INT(verdict.anomalies[SP_ANOMALY_G1A].count, 1);
    CHECK_STR(verdict.anomalies[SP_ANOMALY_G1A].text,
              "T1 read 1 in key 1, which T0 appended, and T0 failed");
    CHECK_INT(check(others, COUNT(others)), COMMITTED);
    CHECK_INT(verdict.anomalies[SP_ANOMALY_G1A].count, 1);
    others[0].outcome = SP_OUTCOME_UNKNOWN;
    CHECK_INT(check(others, COUNT(others)), 0);
}

TEST(a_read_of_what_was_overwritten_is_g1b)
{
    struct sp_txn txns[] = { TXN(append_of(1, 1), append_of(1, 2)), TXN(list_of(1, LIST(1))),
                             TXN(list_of(1, LIST(1, 2))) };
    struct sp_txn others[] = { TXN(write_of(1, 1), write_of(1, 2)), TXN(read_of(1, 1)) };
    CHECK((check(txns, COUNT(txns)) & COMMITTED) == COMMITTED);
    CHECK_INT(verdict.anomalies[SP_ANOMALY_G1B].count, 1);
    CHECK_INT(check(others, COUNT(others)), COMMITTED);
    CHECK_INT(verdict.anomalies[SP_ANOMALY_G1B].count, 1);
}

TEST(transactions_that_read_each_other_are_g1c)
{
    struct sp_txn txns[] = { TXN(write_of(1, 1), read_of(2, 2)),
                             TXN(write_of(2, 2), read_of(1, 1)) };
    CHECK_INT(check(txns, COUNT(txns)), COMMITTED);
    CHECK_INT(verdict.anomalies[SP_ANOMALY_G1C].cycle_count, 2);
    CHECK_STR(verdict.anomalies[SP_ANOMALY_G1C].text,
              "T0 wrote 1 to key 1, which T1 read; T1 wrote 2 to key 2, which T0 read; "
              "so T0 comes before itself");
}

TEST(half_of_a_transaction_read_is_g_single)
{
    struct sp_txn txns[] = { TXN(append_of(1, 3), append_of(2, 4)),
                             TXN(list_of(1, NULL, 0), list_of(2, LIST(4))),
                             TXN(list_of(1, LIST(3))) };
    CHECK_INT(check(txns, COUNT(txns)), ABOVE_COMMITTED);
    CHECK_INT(verdict.anomalies[SP_ANOMALY_G_SINGLE].cycle_count, 2);
    CHECK_STR(verdict.anomalies[SP_ANOMALY_G_SINGLE].text,
              "T1 read key 1 without 3, which T0 appended; T0 appended 4 to key 2, which T1 read; "
              "so T1 comes before itself");
}

TEST(two_that_read_what_the_other_writes_are_g2_item)
{
    struct sp_txn txns[] = { TXN(read_of(1, 0), write_of(2, 2)),
                             TXN(read_of(2, 0), write_of(1, 1)) };
    struct sp_txn lists[] = { TXN(list_of(1, NULL, 0), append_of(2, 2)),
                              TXN(list_of(2, NULL, 0), append_of(1, 1)) };
    CHECK_INT(check(txns, COUNT(txns)), SERIAL);
    CHECK_INT(verdict.anomalies[SP_ANOMALY_G2_ITEM].cycle_count, 2);
    CHECK_INT(check(lists, COUNT(lists)), SERIAL);
    CHECK_INT(verdict.anomalies[SP_ANOMALY_G2_ITEM].cycle_count, 2);
}

TEST(two_updates_of_one_version_are_a_lost_update)
{
    struct sp_txn txns[] = { TXN(read_of(1, 0), write_of(1, 1)),
                             TXN(read_of(1, 0), write_of(1, 2)) };
    struct sp_txn lists[] = { TXN(append_of(1, 9)), TXN(list_of(1, LIST(9)), append_of(1, 1)),
                              TXN(list_of(1, LIST(9)), append_of(1, 2)),
                              TXN(list_of(1, LIST(9, 1, 2))) };
    CHECK_INT(check(txns, COUNT(txns)), ABOVE_COMMITTED);
    CHECK_STR(verdict.anomalies[SP_ANOMALY_LOST_UPDATE].text,
              "T0 and T1 read the same version of key 1, and wrote 1 and 2 there");
    CHECK_INT(check(lists, COUNT(lists)), ABOVE_COMMITTED);
    CHECK_INT(verdict.anomalies[SP_ANOMALY_LOST_UPDATE].count, 1);
    CHECK_INT(verdict.anomalies[SP_ANOMALY_G_SINGLE].count, 1);
}

TEST(lists_that_cannot_be_are_named)
{
    struct sp_txn twice[] = { TXN(append_of(1, 1)), TXN(list_of(1, LIST(1, 1))) };
    struct sp_txn apart[] = { TXN(append_of(1, 1)), TXN(append_of(1, 2)),
                              TXN(list_of(1, LIST(1, 2))), TXN(list_of(1, LIST(2))) };
    struct sp_txn nobody[] = { TXN(list_of(1, LIST(5))), TXN(read_of(2, 5)) };
    struct sp_txn own[] = { TXN(append_of(1, 1), list_of(1, NULL, 0)),
                            TXN(write_of(2, 1), read_of(2, 0)) };
    CHECK_INT(check(twice, COUNT(twice)), COMMITTED);
    CHECK_INT(verdict.anomalies[SP_ANOMALY_DUPLICATE].count, 1);
    CHECK_INT(check(apart, COUNT(apart)), COMMITTED);
    CHECK_INT(verdict.anomalies[SP_ANOMALY_INCOMPATIBLE].count, 1);
    CHECK_INT(check(nobody, COUNT(nobody)), COMMITTED);
    CHECK_INT(verdict.anomalies[SP_ANOMALY_GARBAGE].count, 2);
    CHECK_INT(check(own, COUNT(own)), ABOVE_COMMITTED);
    CHECK_INT(verdict.anomalies[SP_ANOMALY_INTERNAL].count, 2);
}

TEST(a_stale_read_rules_out_what_clients_and_clocks_say)
{
    struct sp_txn txns[] = { TXN(write_of(1, 1)), TXN(read_of(1, 0)), TXN(read_of(1, 1)) };
    txns[0].returned = 10;
    txns[1].invoked = 20;
    CHECK_INT(check(txns, COUNT(txns)), SP_TXN_STRICT_SERIALIZABLE);
    CHECK_STR(verdict.anomalies[SP_ANOMALY_G_SINGLE].text,
              "T1 read key 1 without 1, which T0 wrote; T0 had ended when T1 began; "
              "so T1 comes before itself");
    for (size_t i = 0; i < COUNT(txns); i++)
        txns[i].client = 1;
    CHECK_OK(sp_txn_check(txns, COUNT(txns), &verdict));
    CHECK_INT(verdict.ruled_out, SP_TXN_SESSION_SERIALIZABLE | SP_TXN_STRICT_SERIALIZABLE);
    CHECK_CONTAINS(verdict.anomalies[SP_ANOMALY_G_SINGLE].text, "client 1 did T0 before T1");
    txns[0].returned = 20; /* at the very moment: they overlap */
    CHECK_INT(check(txns, COUNT(txns)), 0);
}

TEST(transactions_that_cannot_be_judged_give_invalid)
{
    struct sp_txn twice[] = { TXN(write_of(1, 1)), TXN(write_of(1, 1)) };
    struct sp_txn both[] = { TXN(write_of(1, 1)), TXN(append_of(1, 2)) };
    struct sp_txn late[] = { TXN(write_of(1, 1)) };
    late[0].invoked = 101;
    CHECK_ERR(sp_txn_check(twice, COUNT(twice), &verdict), SP_ERR_INVALID);
    CHECK_ERR(sp_txn_check(both, COUNT(both), &verdict), SP_ERR_INVALID);
    CHECK_ERR(sp_txn_check(late, COUNT(late), &verdict), SP_ERR_INVALID);
}

TEST(anomalies_and_models_have_names)
{
    for (int i = 0; i < SP_ANOMALIES; i++)
        CHECK(strcmp(sp_anomaly_name((enum sp_anomaly)i), "unknown") != 0);
    CHECK_STR(sp_anomaly_name(SP_ANOMALIES), "unknown");
    CHECK_STR(sp_txn_model_name(SP_TXN_SNAPSHOT_ISOLATION), "snapshot isolation");
    CHECK_STR(sp_txn_model_name((enum sp_txn_model)0), "unknown");
}

/* ---- against every order ---- */

/* The values of all keys: lists, of which registers see the last element. */
struct store {
    int64_t values[KEYS][LIST_MAX];
    size_t counts[KEYS];
};

struct random_history {
    struct sp_txn txns[TXNS_MAX + 1];
    struct sp_txn_op ops[TXNS_MAX + 1][OPS_MAX];
    int64_t lists[TXNS_MAX + 1][OPS_MAX][LIST_MAX];
    size_t count;
};

static bool store_does(struct store *store, const struct sp_txn *txn)
{
    for (size_t i = 0; i < txn->op_count; i++) {
        const struct sp_txn_op *op = &txn->ops[i];
        size_t count = store->counts[op->key];
        int64_t *values = store->values[op->key];
        bool same = true;
        if (op->code == SP_TXN_READ_LIST)
            same = op->list_count == count &&
                   (count == 0 || memcmp(op->list, values, count * sizeof(*values)) == 0);
        else if (op->code == SP_TXN_READ)
            same = op->none ? count == 0 : count > 0 && values[count - 1] == op->value;
        else
            values[store->counts[op->key]++] = op->value;
        if (!same && txn->outcome == SP_OUTCOME_OK)
            return false;
    }
    return true;
}

static bool brute(const struct random_history *h, unsigned done, const struct store *store,
                  bool strict)
{
    bool all = true;
    for (size_t i = 0; i < h->count; i++)
        all = all && ((done & 1U << i) || h->txns[i].outcome != SP_OUTCOME_OK);
    if (all)
        return true;
    for (size_t i = 0; i < h->count; i++) {
        struct store next = *store;
        bool may = !(done & 1U << i) && h->txns[i].outcome != SP_OUTCOME_FAIL;
        for (size_t j = 0; j < h->count && strict; j++)
            may = may && ((done & 1U << j) || h->txns[j].outcome != SP_OUTCOME_OK ||
                          h->txns[j].returned >= h->txns[i].invoked);
        if (may && store_does(&next, &h->txns[i]) && brute(h, done | 1U << i, &next, strict))
            return true;
    }
    return false;
}

/* Steps of transactions in a random order, with or without a lock around each. */
static void random_step(struct random_history *h, struct store *store, struct store *stale,
                        size_t txn, uint64_t *random, bool lists)
{
    struct sp_txn *one = &h->txns[txn];
    struct sp_txn_op *op = &h->ops[txn][one->op_count];
    uint64_t key = sp__random_below(random, KEYS);
    struct store *from = sp__random_below(random, 12) == 0 ? stale : store;
    size_t count = from->counts[key];
    bool write = sp__random_below(random, 2) == 0;
    *op = (struct sp_txn_op){ .key = key, .value = (int64_t)(txn * OPS_MAX + one->op_count + 1) };
    op->code =
        lists ? (write ? SP_TXN_APPEND : SP_TXN_READ_LIST) : (write ? SP_TXN_WRITE : SP_TXN_READ);
    if (write) {
        if (one->outcome != SP_OUTCOME_FAIL)
            store->values[key][store->counts[key]++] = op->value;
    } else if (lists) {
        memcpy(h->lists[txn][one->op_count], from->values[key], count * sizeof(int64_t));
        op->list = h->lists[txn][one->op_count];
        op->list_count = count;
    } else {
        op->none = count == 0;
        op->value = count == 0 ? 0 : from->values[key][count - 1];
    }
    one->op_count++;
}

static void random_history(struct random_history *h, uint64_t *random, bool lists)
{
    struct store store = { .counts = { 0 } };
    struct store stale;
    bool locked = sp__random_below(random, 2) == 0;
    *h = (struct random_history){ .count = 2 + sp__random_below(random, TXNS_MAX - 1) };
    stale = store;
    for (size_t i = 0; i < h->count; i++) {
        uint64_t outcome = sp__random_below(random, 10);
        h->txns[i] = (struct sp_txn){ .client = (uint32_t)i, .ops = h->ops[i] };
        h->txns[i].outcome = outcome == 0   ? SP_OUTCOME_FAIL
                             : outcome == 1 ? SP_OUTCOME_UNKNOWN
                                            : SP_OUTCOME_OK;
        h->txns[i].invoked = sp__random_below(random, 20);
        h->txns[i].returned = h->txns[i].invoked + sp__random_below(random, 20);
    }
    for (size_t i = 0; i < h->count * 3; i++) {
        size_t txn = locked ? i / 3 : sp__random_below(random, h->count);
        if (h->txns[txn].op_count < OPS_MAX - 1)
            random_step(h, &store, &stale, txn, random, lists);
        if (sp__random_below(random, 6) == 0)
            stale = store;
    }
    if (!lists)
        return;
    struct sp_txn *last = &h->txns[h->count]; /* reads all, so that every order is known */
    *last = (struct sp_txn){ .client = 99, .ops = h->ops[h->count], .op_count = KEYS };
    last->invoked = last->returned = 1000;
    for (uint64_t key = 0; key < KEYS; key++) {
        memcpy(h->lists[h->count][key], store.values[key], store.counts[key] * sizeof(int64_t));
        h->ops[h->count][key] = list_of(key, h->lists[h->count][key], store.counts[key]);
    }
    h->count++;
}

struct tally {
    int serializable;
    int strict;
    int seen;
    int strict_seen;
};

/* Never does it rule out what there is an order for; and with lists it misses nothing. */
static void check_against_brute(bool lists)
{
    static struct random_history h;
    struct tally tally = { 0 };
    uint64_t random = sp__random_start(21, lists);
    int rounds = sp_test_slow() ? 1000 : 8000;
    for (int i = 0; i < rounds; i++) {
        struct store empty = { .counts = { 0 } };
        random_history(&h, &random, lists);
        CHECK_OK(sp_txn_check(h.txns, h.count, &verdict));
        bool serializable = brute(&h, 0, &empty, false);
        bool strict = brute(&h, 0, &empty, true);
        bool seen = verdict.ruled_out & SP_TXN_SERIALIZABLE;
        bool strict_seen = verdict.ruled_out & SP_TXN_STRICT_SERIALIZABLE;
        if ((seen && serializable) || (strict_seen && strict))
            FAIL("round %d: %u is ruled out, and there is an order", i, verdict.ruled_out);
        if (lists && (seen == serializable || strict_seen == strict))
            FAIL("round %d: %u is ruled out, and there is no order", i, verdict.ruled_out);
        tally.serializable += serializable;
        tally.strict += strict;
        tally.seen += seen;
        tally.strict_seen += strict_seen;
    }
    CHECK(tally.serializable > rounds / 20 && tally.serializable < rounds - rounds / 20);
    CHECK(tally.strict < tally.serializable);
    CHECK(2 * tally.seen > rounds - tally.serializable);
    CHECK(tally.strict_seen > tally.seen);
}

TEST(transactions_on_lists_as_every_order_says)
{
    check_against_brute(true);
}

TEST(transactions_on_registers_never_ruled_out_where_there_is_an_order)
{
    check_against_brute(false);
}
