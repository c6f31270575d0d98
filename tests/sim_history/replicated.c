/* A store on two replicas, with a bug that only its history shows: the primary says that a value
 * is written while somebody else is still on the way to the backup, which answers reads.
 * Corrected: the primary waits until the backup has it. */
#include <spawned/sim_history.h>
#include <spawned/spawned.h>

enum {
    CLIENTS = 3,
    ROUNDS = 2,
    KEYS = 2,
};

struct item {
    int key;
    int value;
};

SP_SERVER(replica, int);
SP_CALL(replica, get, int, int);
SP_CALL(replica, put, struct item, int);
SP_CALL(replica, store, struct item, int);
SP_CAST(replica, copy, struct item);

SP_SERVER(shipper, int);
SP_CAST(shipper, ship, struct item);

/* Of one run; the next one finds it empty again. */
static struct {
    replica_ref primary;
    replica_ref backup;
    shipper_ref shipper;
    bool fixed;
    sp_sim_history *history;
} store;

struct replica {
    int values[KEYS];
};

static sp_err replica_on_get(struct replica *replica, const int *key, int *out)
{
    *out = replica->values[*key];
    return SP_OK;
}

static sp_err replica_on_store(struct replica *replica, const struct item *item, int *out)
{
    *out = replica->values[item->key] = item->value;
    return SP_OK;
}

static void replica_on_copy(struct replica *replica, const struct item *item)
{
    replica->values[item->key] = item->value;
}

static sp_err replica_on_put(struct replica *replica, const struct item *item, int *out)
{
    replica->values[item->key] = item->value;
    *out = item->value;
    if (store.fixed)
        return replica_store(store.backup, item, out, sp_never());
    return shipper_ship(store.shipper, item);
}

SP_STATE(replica, struct replica);
SP_ON_CALL(replica, get);
SP_ON_CALL(replica, put);
SP_ON_CALL(replica, store);
SP_ON_CAST(replica, copy);
SP_CLASS(replica, .init = NULL);

static void shipper_on_ship(int *unused, const struct item *item)
{
    (void)unused;
    sp_ignore(replica_copy(store.backup, item));
}

SP_STATE(shipper, int);
SP_ON_CAST(shipper, ship);
SP_CLASS(shipper, .init = NULL);

static sp_value key_of(int key)
{
    return sp_value_text(key == 0 ? "x" : "y");
}

static void client_put(int client, int key, int value)
{
    struct item item = { key, value };
    size_t id =
        sp_sim_invoke(store.history, &(struct sp_operation){ .client = (uint32_t)client,
                                                             .code = SP_OP_WRITE,
                                                             .key = key_of(key),
                                                             .in = { sp_value_int(value) } });
    if (replica_put(store.primary, &item, &value, sp_after_sec(5)) == SP_OK)
        sp_sim_ok(store.history, id, sp_value_none());
}

static void client_get(int client, int key)
{
    int value = 0;
    size_t id = sp_sim_invoke(store.history, &(struct sp_operation){ .client = (uint32_t)client,
                                                                     .code = SP_OP_READ,
                                                                     .key = key_of(key) });
    if (replica_get(store.backup, &key, &value, sp_after_sec(5)) == SP_OK)
        sp_sim_ok(store.history, id, value == 0 ? sp_value_none() : sp_value_int(value));
}

static void client_main(void *arg)
{
    int client = *(int *)arg;
    for (int round = 0; round < ROUNDS; round++) {
        client_put(client, round, 10 * client + round + 1);
        sp_sleep(sp_ms(1)); /* the shipper is through by then, as a rule */
        client_get(client, (client + round) % KEYS);
    }
}

static void store_main(void *arg)
{
    static const char *const names[CLIENTS] = { "ann", "bob", "cleo" };
    sp_monitor_ref down;
    struct sp_message *message;
    struct sp_spawn_options options = { .arg_size = sizeof(int), .out_monitor = &down };
    (void)arg;
    int none = 0;
    if (replica_start(&none, NULL, &store.backup) != SP_OK ||
        replica_start(&none, NULL, &store.primary) != SP_OK ||
        shipper_start(&none, NULL, &store.shipper) != SP_OK)
        return;
    for (int client = 1; client <= CLIENTS; client++) {
        options.name = names[client - 1];
        sp_ignore(sp_spawn(client_main, &client, &options, NULL));
    }
    for (int client = 0; client < CLIENTS; client++)
        if (sp_receive(sp_never(), &message) == SP_OK)
            sp_message_free(message);
}

static void store_run(sp_sim *s, bool fixed)
{
    store.fixed = fixed;
    store.history = sp_sim_history_new(s, &sp_model_register);
    sp_sim_start(s, "store", store_main, NULL);
    sp_sim_run(s);
    sp_sim_check_linearizable(store.history);
}

SP_SIM_TEST(a_value_is_said_to_be_written_before_it_can_be_read, .abstract_time = true)
{
    store_run(s, false);
}

SP_SIM_TEST(a_value_can_be_read_before_it_is_said_to_be_written, .abstract_time = true)
{
    store_run(s, true);
}
