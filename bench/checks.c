/* How long the checks of histories take: linearizability, and circles of transactions.
 *
 * The histories are made from a seed: clients ask for things that overlap, a store does each at a
 * moment between question and answer. Some have a planted fault.
 *
 *   check_linearizable  etcd_ms      102 histories of 5 clients and 170 operations of a register with
 *                                    compare and set; a third have a stale read, 1 in 30 operations
 *                                    has no known end. etcd_illegal of them are found to be illegal;
 *                                    etcd_cores_ms is the time with the cores of these.
 *                       c50_ms       50 clients, 5,000 reads, writes and appends of 50 keys
 *                       c10_whole_ms 10 clients, 1,000 operations of 10 keys, not taken apart by key
 *   check_cycles        100,000 transactions of 20 clients: lists_ms, registers_ms without a fault;
 *                       faulty_ms with one in 1,000 that read too early a state
 *
 * Neighbours: bench.h; src/sim/history/, which is linked in alone, without the simulation.
 */
#include "bench.h"

#include "runtime/random.h"
#include "spawned/history.h"
#include "spawned/transaction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ETCD_HISTORIES = 102,
    KEYS = 10,
    TEXT_MAX = 65536,
    LIST_MAX = 64, /* elements, then a key is not used any more */
    TXN_OPS = 4,
    TXN_CLIENTS = 20,
    FAULTY_MIN = 20000, /* transactions, so that a fault has been seen */
};

struct request {
    struct sp_operation operation;
    uint64_t effect;
};

struct load {
    uint32_t clients;
    uint32_t count;
    bool registers; /* else a map of texts */
    bool faulty;
    uint32_t unknown; /* 1 in so many; 0: none */
};

static void *bench_alloc(size_t count, size_t size)
{
    void *block = calloc(count, size);
    if (block == NULL)
        bench_fail("out of memory");
    return block;
}

/* ---- a store and its clients -------------------------------------------------------------- */

static int request_compare(const void *a, const void *b)
{
    const struct request *x = a;
    const struct request *y = b;
    if (x->effect != y->effect)
        return x->effect < y->effect ? -1 : 1;
    return (x->operation.client > y->operation.client) -
           (x->operation.client < y->operation.client);
}

static void request_ask(struct request *request, const struct load *load, uint64_t *random,
                        uint32_t number)
{
    static const uint16_t texts[] = { SP_OP_READ, SP_OP_READ, SP_OP_APPEND, SP_OP_APPEND,
                                      SP_OP_WRITE };
    static const uint16_t registers[] = { SP_OP_READ, SP_OP_WRITE, SP_OP_CAS };
    struct sp_operation *op = &request->operation;
    if (load->registers) {
        op->code = registers[sp__random_below(random, 3)];
        op->in[0] = sp_value_int((int64_t)sp__random_below(random, 5));
        op->in[1] = sp_value_int((int64_t)sp__random_below(random, 5));
        return;
    }
    char *text = bench_alloc(24, 1);
    (void)snprintf(text, 24, "x %u %u y", op->client, number);
    op->code = texts[sp__random_below(random, 5)];
    op->key = sp_value_int((int64_t)sp__random_below(random, load->clients));
    op->in[0] = sp_value_text(text);
}

/* Each client one after the other; clients beside each other. */
static struct request *requests_make(const struct load *load, uint64_t *random)
{
    struct request *requests = bench_alloc(load->count, sizeof(*requests));
    uint64_t *free_at = bench_alloc(load->clients, sizeof(*free_at));
    for (uint32_t i = 0; i < load->count; i++) {
        struct sp_operation *op = &requests[i].operation;
        op->client = i % load->clients;
        op->invoked = free_at[op->client] + 1 + sp__random_below(random, 100);
        op->returned = op->invoked + 2 + sp__random_below(random, 200);
        free_at[op->client] = op->returned;
        requests[i].effect =
            op->invoked + 1 + sp__random_below(random, op->returned - op->invoked - 1);
        request_ask(&requests[i], load, random, i);
    }
    qsort(requests, load->count, sizeof(*requests), request_compare);
    free(free_at);
    return requests;
}

static void register_do(struct sp_operation *op, sp_value *value, sp_value stale, bool fault)
{
    if (op->code == SP_OP_READ)
        op->out = fault ? stale : *value;
    else if (op->code == SP_OP_WRITE)
        *value = op->in[0];
    else {
        bool equal = sp_value_equal(*value, op->in[0]);
        op->out = sp_value_int(equal);
        *value = equal ? op->in[1] : *value;
    }
}

static void text_do(struct sp_operation *op, char **texts)
{
    char *text = texts[op->key.number];
    size_t length = strlen(text);
    if (op->code == SP_OP_WRITE)
        length = 0;
    if (op->code != SP_OP_READ) {
        memcpy(text + length, op->in[0].bytes, op->in[0].size);
        text[length + op->in[0].size] = '\0';
        return;
    }
    if (length == 0)
        return;
    op->out = (sp_value){ .kind = SP_VALUE_BYTES, .size = (uint32_t)length, .bytes = strdup(text) };
    if (op->out.bytes == NULL)
        bench_fail("out of memory");
}

static struct sp_operation *load_make(const struct load *load, uint64_t *random)
{
    struct request *requests = requests_make(load, random);
    struct sp_operation *operations = bench_alloc(load->count, sizeof(*operations));
    char **texts = bench_alloc(load->clients, sizeof(*texts));
    sp_value value = sp_value_none();
    sp_value stale = value;
    for (uint32_t i = 0; i < load->clients; i++)
        texts[i] = bench_alloc(TEXT_MAX, 1);
    for (uint32_t i = 0; i < load->count; i++) {
        struct sp_operation *op = &requests[i].operation;
        sp_value before = value;
        if (load->unknown != 0 && sp__random_below(random, load->unknown) == 0)
            op->outcome = SP_OUTCOME_UNKNOWN;
        if (!load->registers)
            text_do(op, texts);
        else if (op->outcome == SP_OUTCOME_OK || sp__random_below(random, 2) == 0)
            register_do(op, &value, stale, load->faulty && sp__random_below(random, 40) == 0);
        if (!sp_value_equal(before, value) && sp__random_below(random, 3) == 0)
            stale = before;
        if (op->outcome == SP_OUTCOME_UNKNOWN)
            op->returned = SP_HISTORY_OPEN;
        operations[i] = *op;
    }
    for (uint32_t i = 0; i < load->clients; i++)
        free(texts[i]);
    free(texts);
    free(requests);
    return operations;
}

/* ---- linearizability ---------------------------------------------------------------------- */

static double check_ms(const struct sp_operation *operations, size_t count,
                       const struct sp_model *model, bool core, enum sp_history_end *out_end)
{
    struct sp_history_verdict verdict;
    struct sp_history_options options = { .no_core = !core };
    int64_t since = bench_now_ns();
    bench_must(sp_history_check(operations, count, model, &options, &verdict), "checking");
    *out_end = verdict.end;
    sp_history_verdict_finish(&verdict);
    return (double)(bench_now_ns() - since) / 1e6;
}

static void check_etcd(void)
{
    uint64_t random = sp__random_start(1, 1);
    double plain = 0;
    double cores = 0;
    int illegal = 0;
    for (int i = 0; i < ETCD_HISTORIES; i++) {
        enum sp_history_end end;
        struct load load = {
            .clients = 5, .count = 170, .registers = true, .faulty = i % 3 == 0, .unknown = 30
        };
        struct sp_operation *operations = load_make(&load, &random);
        plain += check_ms(operations, load.count, &sp_model_cas_register, false, &end);
        cores += check_ms(operations, load.count, &sp_model_cas_register, true, &end);
        if (end == SP_HISTORY_UNKNOWN || (end == SP_HISTORY_ILLEGAL && !load.faulty))
            bench_fail("a history was judged wrongly");
        illegal += end == SP_HISTORY_ILLEGAL;
        free(operations);
    }
    bench_out("etcd_ms", plain);
    bench_out("etcd_cores_ms", cores);
    bench_out("etcd_illegal", illegal);
}

static void check_texts(const char *metric, uint32_t clients, uint32_t count, bool whole)
{
    enum sp_history_end end;
    uint64_t random = sp__random_start(2, clients);
    struct load load = { .clients = clients, .count = count };
    struct sp_model model = sp_model_map;
    struct sp_operation *operations = load_make(&load, &random);
    if (whole)
        model.key = NULL;
    double ms = check_ms(operations, count, &model, false, &end);
    if (end != SP_HISTORY_OK)
        bench_fail("a history was judged wrongly");
    bench_out(metric, ms);
    free(operations);
}

static void check_linearizable(const struct bench_options *options)
{
    uint64_t size = bench_size(options, 5000);
    check_etcd();
    check_texts("c50_ms", 50, (uint32_t)size, false);
    check_texts("c10_whole_ms", 10, (uint32_t)(size / 5), true);
}

/* ---- transactions ------------------------------------------------------------------------- */

struct cycles {
    struct sp_txn *txns;
    struct sp_txn_op *ops;
    int64_t *lists; /* of all keys; a register is the last element */
    uint32_t *counts;
    uint64_t first; /* key in use; KEYS of them are */
    int64_t next;
    uint64_t random;
};

static void cycles_op(struct cycles *cycles, struct sp_txn_op *op, bool lists, uint32_t behind)
{
    uint64_t key = cycles->first + sp__random_below(&cycles->random, KEYS);
    uint32_t *count = &cycles->counts[key];
    int64_t *list = cycles->lists + key * LIST_MAX;
    op->key = key;
    if (*count < LIST_MAX && sp__random_below(&cycles->random, 2) == 0) {
        op->code = lists ? SP_TXN_APPEND : SP_TXN_WRITE;
        op->value = list[(*count)++] = ++cycles->next;
    } else {
        uint32_t seen = behind < *count ? *count - behind : 0;
        op->code = lists ? SP_TXN_READ_LIST : SP_TXN_READ;
        op->list = list;
        op->list_count = seen;
        op->none = seen == 0;
        op->value = seen == 0 ? 0 : list[seen - 1];
    }
    if (cycles->counts[cycles->first] == LIST_MAX)
        cycles->first++;
}

static void cycles_make(struct cycles *cycles, uint32_t count, bool lists, bool faulty)
{
    size_t keys = (size_t)count * TXN_OPS / LIST_MAX + 2 * KEYS + count / 100;
    *cycles = (struct cycles){ .random = sp__random_start(3, lists) };
    cycles->txns = bench_alloc(count, sizeof(*cycles->txns));
    cycles->ops = bench_alloc((size_t)count * TXN_OPS, sizeof(*cycles->ops));
    cycles->lists = bench_alloc(keys * LIST_MAX, sizeof(*cycles->lists));
    cycles->counts = bench_alloc(keys, sizeof(*cycles->counts));
    for (uint32_t i = 0; i < count; i++) {
        struct sp_txn *txn = &cycles->txns[i];
        bool late = faulty && i % 1000 == 999;
        *txn =
            (struct sp_txn){ .client = i % TXN_CLIENTS, .ops = cycles->ops + (size_t)i * TXN_OPS };
        txn->op_count = 1 + sp__random_below(&cycles->random, TXN_OPS);
        txn->invoked = (uint64_t)i * 10;
        txn->returned =
            txn->invoked + 10 + sp__random_below(&cycles->random, TXN_CLIENTS * 10 - 20);
        for (size_t j = 0; j < txn->op_count; j++)
            cycles_op(cycles, &cycles->ops[(size_t)i * TXN_OPS + j], lists, late ? 3 : 0);
    }
}

static void cycles_run(const char *metric, uint32_t count, bool lists, bool faulty)
{
    struct cycles cycles;
    static struct sp_txn_verdict verdict;
    cycles_make(&cycles, count, lists, faulty);
    int64_t since = bench_now_ns();
    bench_must(sp_txn_check(cycles.txns, count, &verdict), "checking");
    bench_out(metric, (double)(bench_now_ns() - since) / 1e6);
    if ((verdict.ruled_out != 0) != (faulty && count >= FAULTY_MIN))
        bench_fail("transactions were judged wrongly");
    free(cycles.txns);
    free(cycles.ops);
    free(cycles.lists);
    free(cycles.counts);
}

static void check_cycles(const struct bench_options *options)
{
    uint32_t count = (uint32_t)bench_size(options, 100000);
    cycles_run("lists_ms", count, true, false);
    cycles_run("registers_ms", count, false, false);
    cycles_run("faulty_ms", count, true, true);
}

const struct bench_workload bench_checks[] = {
    { .name = "check_linearizable",
      .about = "histories: is there an order that explains them?",
      .raw = check_linearizable },
    { .name = "check_cycles",
      .about = "histories: circles among 100,000 transactions",
      .raw = check_cycles },
    { 0 },
};
