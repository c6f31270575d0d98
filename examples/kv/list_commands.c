/* Lists. See list_commands.h. */
#include "list_commands.h"

#include "number.h"

static void list_push(struct kv_call *call, bool front)
{
    struct kv_entry *entry;
    sp_err err = SP_OK;
    if (!kv_call_write(call, KV_LIST, &entry))
        return;
    if (entry == NULL)
        err = kv_store_create(call->store, &call->key, KV_LIST, &entry);
    for (size_t i = 2; i < call->argc && err == SP_OK; i++)
        err = kv_list_push(entry->list, &call->argv[i], front);
    call->fed = entry != NULL && entry->list->count > 0;
    if (err == SP_OK) {
        resp_int(call->out, (int64_t)entry->list->count);
        return;
    }
    if (entry != NULL && entry->list->count == 0)
        kv_store_remove(call->store, entry);
    kv_reply_failure(call->out, err);
}

void kv_cmd_lpush(struct kv_call *call)
{
    list_push(call, true);
}

void kv_cmd_rpush(struct kv_call *call)
{
    list_push(call, false);
}

/* Replies with `count` elements and removes them, and the key with the last one. */
static void list_take(struct kv_call *call, struct kv_entry *entry, size_t count, bool front)
{
    struct kv_list *list = entry->list;
    for (; count > 0; count--) {
        struct kv_arg value = kv_list_at(list, front ? 0 : list->count - 1);
        resp_bulk(call->out, value.ptr, value.len);
        kv_list_drop(list, front);
    }
    if (list->count == 0)
        kv_store_remove(call->store, entry);
}

static void list_pop_many(struct kv_call *call, bool front)
{
    int64_t count;
    const struct kv_arg *arg = &call->argv[2];
    if (!kv_int_parse(arg->ptr, arg->len, &count) || count < 0) {
        resp_error(call->out, "ERR value is out of range, must be positive");
        return;
    }
    struct kv_entry *entry;
    if (!kv_call_write(call, KV_LIST, &entry))
        return;
    if (entry == NULL) {
        resp_null_array(call->out);
        return;
    }
    size_t have = entry->list->count;
    size_t take = (uint64_t)count < have ? (size_t)count : have;
    resp_array(call->out, take);
    list_take(call, entry, take, front);
}

static void list_pop(struct kv_call *call, bool front)
{
    if (call->argc > 3) {
        kv_reply_arity(call->out, call->command->name);
        return;
    }
    if (call->argc == 3) {
        list_pop_many(call, front);
        return;
    }
    struct kv_entry *entry;
    if (!kv_call_write(call, KV_LIST, &entry))
        return;
    if (entry == NULL)
        resp_null(call->out);
    else
        list_take(call, entry, 1, front);
}

void kv_cmd_lpop(struct kv_call *call)
{
    list_pop(call, true);
}

void kv_cmd_rpop(struct kv_call *call)
{
    list_pop(call, false);
}

void kv_cmd_llen(struct kv_call *call)
{
    struct kv_entry *entry;
    if (kv_call_read(call, KV_LIST, &entry))
        resp_int(call->out, entry == NULL ? 0 : (int64_t)entry->list->count);
}

void kv_cmd_lrange(struct kv_call *call)
{
    struct kv_entry *entry;
    int64_t start, end;
    if (!kv_arg_int(&call->argv[2], call->out, &start) ||
        !kv_arg_int(&call->argv[3], call->out, &end) || !kv_call_read(call, KV_LIST, &entry))
        return;
    int64_t count = entry == NULL ? 0 : (int64_t)entry->list->count;
    start = start < 0 ? start + count : start;
    start = start < 0 ? 0 : start;
    end = end < 0 ? end + count : end;
    end = end >= count ? count - 1 : end;
    if (start > end || start >= count) {
        resp_array(call->out, 0);
        return;
    }
    resp_array(call->out, (size_t)(end - start + 1));
    for (int64_t i = start; i <= end; i++) {
        struct kv_arg value = kv_list_at(entry->list, (size_t)i);
        resp_bulk(call->out, value.ptr, value.len);
    }
}

static void list_pop_named(struct kv_call *call, bool front)
{
    struct kv_entry *entry;
    call->number = 1;
    if (!kv_call_write(call, KV_LIST, &entry))
        return;
    if (entry == NULL) {
        call->number = 0;
        return;
    }
    resp_array(call->out, 2);
    resp_bulk(call->out, call->key.ptr, call->key.len);
    list_take(call, entry, 1, front);
}

void kv_cmd_blpop(struct kv_call *call)
{
    list_pop_named(call, true);
}

void kv_cmd_brpop(struct kv_call *call)
{
    list_pop_named(call, false);
}

bool kv_block_timeout(const struct kv_arg *arg, struct resp_out *out, int64_t *out_ms)
{
    long double seconds;
    if (!kv_float_parse(arg->ptr, arg->len, &seconds)) {
        resp_error(out, "ERR timeout is not a float or out of range");
        return false;
    }
    long double ms = seconds * 1000;
    /* Numbers past the range of the clock are refused with the same words as negative ones. */
    if (ms <= -1 || ms >= (long double)INT64_MAX) {
        resp_error(out, "ERR timeout is negative");
        return false;
    }
    /* A part of a millisecond counts as one, so that a short timeout is not "without end". */
    int64_t whole = (int64_t)ms;
    *out_ms = (long double)whole < ms ? whole + 1 : whole;
    return true;
}

bool kv_check_block(const struct kv_arg *argv, size_t argc, struct resp_out *out)
{
    int64_t ms;
    return kv_block_timeout(&argv[argc - 1], out, &ms);
}
