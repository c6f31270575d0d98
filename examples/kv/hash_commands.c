/* Hashes. See hash_commands.h. */
#include "hash_commands.h"

#include "number.h"

/* Finds the hash of the call for writing, creating it if absent. */
static bool hash_open(struct kv_call *call, struct kv_entry **out_entry)
{
    if (!kv_call_write(call, KV_HASH, out_entry))
        return false;
    if (*out_entry != NULL)
        return true;
    sp_err err = kv_store_create(call->store, &call->key, KV_HASH, out_entry);
    if (err != SP_OK)
        kv_reply_failure(call->out, err);
    return err == SP_OK;
}

/* Replies a failure to write and leaves no empty hash behind. */
static void hash_failed(struct kv_call *call, struct kv_entry *entry, sp_err err)
{
    if (entry->hash->count == 0)
        kv_store_remove(call->store, entry);
    kv_reply_failure(call->out, err);
}

void kv_cmd_hset(struct kv_call *call)
{
    if (call->argc % 2 == 1) {
        kv_reply_arity(call->out, call->command->name);
        return;
    }
    struct kv_entry *entry;
    if (!hash_open(call, &entry))
        return;
    int64_t created = 0;
    for (size_t i = 2; i < call->argc; i += 2) {
        bool is_new;
        sp_err err = kv_hash_set(entry->hash, &call->argv[i], &call->argv[i + 1], &is_new);
        if (err != SP_OK) {
            hash_failed(call, entry, err);
            return;
        }
        created += is_new;
    }
    resp_int(call->out, created);
}

static void hash_reply_field(struct kv_call *call, struct kv_entry *entry,
                             const struct kv_arg *field)
{
    struct kv_arg value;
    if (entry != NULL && kv_hash_get(entry->hash, field, &value))
        resp_bulk(call->out, value.ptr, value.len);
    else
        resp_null(call->out);
}

void kv_cmd_hget(struct kv_call *call)
{
    struct kv_entry *entry;
    if (kv_call_read(call, KV_HASH, &entry))
        hash_reply_field(call, entry, &call->argv[2]);
}

void kv_cmd_hmget(struct kv_call *call)
{
    struct kv_entry *entry;
    if (!kv_call_read(call, KV_HASH, &entry))
        return;
    resp_array(call->out, call->argc - 2);
    for (size_t i = 2; i < call->argc; i++)
        hash_reply_field(call, entry, &call->argv[i]);
}

void kv_cmd_hdel(struct kv_call *call)
{
    struct kv_entry *entry;
    if (!kv_call_write(call, KV_HASH, &entry))
        return;
    int64_t removed = 0;
    for (size_t i = 2; i < call->argc && entry != NULL; i++) {
        removed += kv_hash_remove(entry->hash, &call->argv[i]);
        if (entry->hash->count == 0) {
            kv_store_remove(call->store, entry);
            entry = NULL;
        }
    }
    resp_int(call->out, removed);
}

static void hash_reply_pair(const struct kv_arg *field, const struct kv_arg *value, void *arg)
{
    struct resp_out *out = arg;
    resp_bulk(out, field->ptr, field->len);
    resp_bulk(out, value->ptr, value->len);
}

void kv_cmd_hgetall(struct kv_call *call)
{
    struct kv_entry *entry;
    if (!kv_call_read(call, KV_HASH, &entry))
        return;
    resp_map(call->out, entry == NULL ? 0 : entry->hash->count);
    if (entry != NULL)
        kv_hash_each(entry->hash, hash_reply_pair, call->out);
}

void kv_cmd_hlen(struct kv_call *call)
{
    struct kv_entry *entry;
    if (kv_call_read(call, KV_HASH, &entry))
        resp_int(call->out, entry == NULL ? 0 : (int64_t)entry->hash->count);
}

void kv_cmd_hexists(struct kv_call *call)
{
    struct kv_entry *entry;
    struct kv_arg value;
    if (kv_call_read(call, KV_HASH, &entry))
        resp_int(call->out, entry != NULL && kv_hash_get(entry->hash, &call->argv[2], &value));
}

/* The number in the call's field plus `delta`; false, with an error replied, without one. */
static bool hash_sum(struct kv_call *call, struct kv_entry *entry, int64_t delta,
                     int64_t *out_value)
{
    struct kv_arg old;
    int64_t value = 0;
    if (entry != NULL && kv_hash_get(entry->hash, &call->argv[2], &old) &&
        !kv_int_parse(old.ptr, old.len, &value)) {
        resp_error(call->out, "ERR hash value is not an integer");
        return false;
    }
    if (__builtin_add_overflow(value, delta, out_value)) {
        resp_error(call->out, "ERR increment or decrement would overflow");
        return false;
    }
    return true;
}

void kv_cmd_hincrby(struct kv_call *call)
{
    struct kv_entry *entry;
    int64_t delta, value;
    if (!kv_arg_int(&call->argv[3], call->out, &delta) || !kv_call_write(call, KV_HASH, &entry) ||
        !hash_sum(call, entry, delta, &value) || !hash_open(call, &entry))
        return;
    char text[KV_INT_TEXT_MAX];
    struct kv_arg arg = { text, kv_int_format(text, value) };
    bool created;
    sp_err err = kv_hash_set(entry->hash, &call->argv[2], &arg, &created);
    if (err == SP_OK)
        resp_int(call->out, value);
    else
        hash_failed(call, entry, err);
}
