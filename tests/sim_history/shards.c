/* Two lists on two shards, and transactions over both, which nothing keeps apart: what one of them saw
 * and what another wrote make a circle. Corrected: one after the other, through a gate.
 */
#include <spawned/sim_transaction.h>
#include <spawned/spawned.h>

enum {
    SHARDS = 2,
    WRITERS = 2,
    CLIENTS = 3, /* the last one reads */
    ROUNDS = 2,
    LIST_MAX = WRITERS * ROUNDS,
};

struct list {
    int64_t values[LIST_MAX];
    size_t count;
};

SP_SERVER(shard, sp_empty);
SP_CALL(shard, append, int64_t, sp_empty);
SP_CALL(shard, read, sp_empty, struct list);

SP_SERVER(gate, sp_empty);
SP_CALL(gate, enter, sp_empty, sp_empty);
SP_CALL(gate, leave, sp_empty, sp_empty);

static struct {
    shard_ref shards[SHARDS];
    gate_ref gate;
    bool fixed;
    sp_sim_txns *txns;
} lists;

static sp_err shard_on_append(struct list *list, const int64_t *in, sp_empty *out)
{
    (void)out;
    list->values[list->count++] = *in;
    return SP_OK;
}

static sp_err shard_on_read(struct list *list, const sp_empty *in, struct list *out)
{
    (void)in;
    *out = *list;
    return SP_OK;
}

SP_STATE(shard, struct list);
SP_ON_CALL(shard, append);
SP_ON_CALL(shard, read);
SP_CLASS(shard, .init = NULL);

/* Who is inside, and who waits: there are three clients at most. */
struct gate {
    bool taken;
    sp_request waiting[CLIENTS];
    size_t count;
};

static sp_err gate_on_enter(struct gate *gate, const sp_empty *in, sp_empty *out)
{
    (void)in;
    (void)out;
    if (gate->taken)
        return sp_request_take(&gate->waiting[gate->count++]) == SP_OK ? SP_ERR_DEFERRED
                                                                       : SP_ERR_NOMEM;
    gate->taken = true;
    return SP_OK;
}

static sp_err gate_on_leave(struct gate *gate, const sp_empty *in, sp_empty *out)
{
    (void)out;
    gate->taken = gate->count > 0;
    return gate->taken ? gate_enter_reply(gate->waiting[--gate->count], in) : SP_OK;
}

SP_STATE(gate, struct gate);
SP_ON_CALL(gate, enter);
SP_ON_CALL(gate, leave);
SP_CLASS(gate, .init = NULL);

static bool client_append(size_t id, int shard, int64_t value)
{
    sp_empty done;
    sp_sim_txn_add(
        lists.txns, id,
        &(struct sp_txn_op){ .code = SP_TXN_APPEND, .key = (uint64_t)shard, .value = value });
    return shard_append(lists.shards[shard], &value, &done, sp_never()) == SP_OK;
}

static bool client_read(size_t id, int shard)
{
    struct list list;
    if (shard_read(lists.shards[shard], &(sp_empty){ 0 }, &list, sp_never()) != SP_OK)
        return false;
    sp_sim_txn_add(lists.txns, id,
                   &(struct sp_txn_op){ .code = SP_TXN_READ_LIST,
                                        .key = (uint64_t)shard,
                                        .list = list.values,
                                        .list_count = list.count });
    return true;
}

static void client_main(void *arg)
{
    int client = *(int *)arg;
    sp_empty none = { 0 };
    for (int round = 0; round < ROUNDS; round++) {
        size_t id = sp_sim_txn_begin(lists.txns, (uint32_t)client);
        bool good = !lists.fixed || gate_enter(lists.gate, &none, &none, sp_never()) == SP_OK;
        for (int shard = 0; shard < SHARDS; shard++)
            good = good && (client < WRITERS ? client_append(id, shard, 10 * client + round)
                                             : client_read(id, shard));
        if (good)
            sp_sim_txn_end(lists.txns, id, SP_OUTCOME_OK);
        if (lists.fixed)
            sp_ignore(gate_leave(lists.gate, &none, &none, sp_never()));
    }
}

static void lists_main(void *arg)
{
    static const char *const names[CLIENTS] = { "ann", "bob", "cleo" };
    sp_monitor_ref down;
    struct sp_message *message;
    struct sp_spawn_options options = { .arg_size = sizeof(int), .out_monitor = &down };
    (void)arg;
    sp_empty none = { 0 };
    for (int shard = 0; shard < SHARDS; shard++)
        if (shard_start(&none, NULL, &lists.shards[shard]) != SP_OK)
            return;
    if (gate_start(&none, NULL, &lists.gate) != SP_OK)
        return;
    for (int client = 0; client < CLIENTS; client++) {
        options.name = names[client];
        sp_ignore(sp_spawn(client_main, &client, &options, NULL));
    }
    for (int client = 0; client < CLIENTS; client++)
        if (sp_receive(sp_never(), &message) == SP_OK)
            sp_message_free(message);
}

static void lists_run(sp_sim *s, bool fixed)
{
    size_t count;
    lists.fixed = fixed;
    lists.txns = sp_sim_txns_new(s);
    sp_sim_start(s, "lists", lists_main, NULL);
    sp_sim_run(s);
    sp_ignore(sp_sim_txns_all(lists.txns, &count));
    sp_sim_check(s, count == (size_t)CLIENTS * ROUNDS, "%zu transactions", count);
    sp_sim_check_transactions(lists.txns, SP_TXN_SERIALIZABLE);
}

SP_SIM_TEST(transactions_see_halves_of_each_other)
{
    lists_run(s, false);
}

SP_SIM_TEST(transactions_come_one_after_the_other)
{
    lists_run(s, true);
}

/* An end that nobody said, and registers: both writers may have been first. */
SP_SIM_TEST(unknown_transactions_accuse_nobody)
{
    lists.txns = sp_sim_txns_new(s);
    size_t id = sp_sim_txn_begin(lists.txns, 1);
    sp_sim_txn_add(lists.txns, id, &(struct sp_txn_op){ .code = SP_TXN_WRITE, .value = 1 });
    id = sp_sim_txn_begin(lists.txns, 2);
    sp_sim_txn_add(lists.txns, id, &(struct sp_txn_op){ .code = SP_TXN_READ, .none = true });
    sp_sim_txn_add(lists.txns, id, &(struct sp_txn_op){ .code = SP_TXN_WRITE, .value = 2 });
    sp_sim_txn_end(lists.txns, id, SP_OUTCOME_OK);
    sp_sim_check_transactions(lists.txns, SP_TXN_STRICT_SERIALIZABLE);
}

/* Not a bug of a program but of a test: the run fails. */
SP_SIM_TEST(a_transaction_ends_twice)
{
    lists.txns = sp_sim_txns_new(s);
    size_t id = sp_sim_txn_begin(lists.txns, 1);
    sp_sim_txn_end(lists.txns, id, SP_OUTCOME_FAIL);
    sp_sim_txn_end(lists.txns, id, SP_OUTCOME_OK);
}
