/* Strings: SET and its relatives, ranges, MGET and MSET. See string_commands.h. */
#include "string_commands.h"

/* --- options of SET and GETEX ---------------------------------------------------------- */

enum {
    SET_NX = 1 << 0,
    SET_XX = 1 << 1,
    SET_GET = 1 << 2,
    SET_KEEPTTL = 1 << 3,
    SET_PERSIST = 1 << 4,
    SET_EX = 1 << 5,
    SET_PX = 1 << 6,
    SET_EXAT = 1 << 7,
    SET_PXAT = 1 << 8,
    SET_TIMES = SET_EX | SET_PX | SET_EXAT | SET_PXAT,
};

struct set_option {
    const char *word;
    unsigned flag;
    unsigned excludes; /* options it cannot stand with */
};

static const struct set_option set_options[] = {
    { "nx", SET_NX, SET_XX },
    { "xx", SET_XX, SET_NX },
    { "get", SET_GET, 0 },
    { "keepttl", SET_KEEPTTL, SET_TIMES },
    { "ex", SET_EX, SET_KEEPTTL | (SET_TIMES & ~SET_EX) },
    { "px", SET_PX, SET_KEEPTTL | (SET_TIMES & ~SET_PX) },
    { "exat", SET_EXAT, SET_KEEPTTL | (SET_TIMES & ~SET_EXAT) },
    { "pxat", SET_PXAT, SET_KEEPTTL | (SET_TIMES & ~SET_PXAT) },
    { NULL, 0, 0 },
};

static const struct set_option getex_options[] = {
    { "persist", SET_PERSIST, SET_TIMES },
    { "ex", SET_EX, SET_PERSIST | (SET_TIMES & ~SET_EX) },
    { "px", SET_PX, SET_PERSIST | (SET_TIMES & ~SET_PX) },
    { "exat", SET_EXAT, SET_PERSIST | (SET_TIMES & ~SET_EXAT) },
    { "pxat", SET_PXAT, SET_PERSIST | (SET_TIMES & ~SET_PXAT) },
    { NULL, 0, 0 },
};

struct set_args {
    unsigned flags;
    const struct kv_arg *time; /* the number after EX and the like, or NULL */
};

static const struct set_option *set_option_find(const struct set_option *options,
                                                const struct kv_arg *arg)
{
    for (; options->word != NULL; options++)
        if (kv_arg_is(arg, options->word))
            return options;
    return NULL;
}

static bool set_parse(const struct kv_call *call, size_t first, const struct set_option *options,
                      struct set_args *args)
{
    *args = (struct set_args){ 0 };
    for (size_t i = first; i < call->argc; i++) {
        const struct set_option *option = set_option_find(options, &call->argv[i]);
        if (option == NULL || (args->flags & option->excludes)) {
            kv_reply_syntax(call->out);
            return false;
        }
        args->flags |= option->flag;
        if (!(option->flag & SET_TIMES))
            continue;
        if (++i == call->argc) {
            kv_reply_syntax(call->out);
            return false;
        }
        args->time = &call->argv[i];
    }
    return true;
}

static bool set_when(struct kv_call *call, const struct set_args *args, int64_t *out_at_ms)
{
    int64_t value;
    struct kv_when when = { .seconds = (args->flags & (SET_EX | SET_EXAT)) != 0,
                            .absolute = (args->flags & (SET_EXAT | SET_PXAT)) != 0 };
    return kv_arg_int(args->time, call->out, &value) &&
           kv_call_when(call, value, when, true, out_at_ms);
}

/* --- SET, GET -------------------------------------------------------------------------- */

static void string_reply(struct kv_call *call, const struct kv_entry *entry)
{
    if (entry == NULL)
        resp_null(call->out);
    else
        resp_bulk(call->out, entry->string.ptr, entry->string.len);
}

sp_err kv_string_store(struct kv_call *call, struct kv_entry *entry, const struct kv_arg *value,
                       bool keep_expiry, int64_t at_ms)
{
    sp_err err = kv_store_put(call->store, &call->key, entry, value, keep_expiry);
    if (err != SP_OK || at_ms < 0)
        return err;
    entry = kv_store_find(call->store, &call->key, call->now_ms);
    err = kv_expiry_set(&call->store->expiry, entry, at_ms);
    if (err != SP_OK)
        kv_store_remove(call->store, entry);
    return err;
}

static void string_set(struct kv_call *call, const struct set_args *args)
{
    int64_t at_ms = -1;
    if (args->time != NULL && !set_when(call, args, &at_ms))
        return;
    bool get = (args->flags & SET_GET) != 0;
    struct kv_entry *entry;
    if (!get)
        entry = kv_store_find(call->store, &call->key, call->now_ms);
    else if (!kv_call_read(call, KV_STRING, &entry))
        return;
    bool refused = entry != NULL ? args->flags & SET_NX : args->flags & SET_XX;
    size_t before = call->out->len;
    if (get)
        string_reply(call, entry);
    else if (refused)
        resp_null(call->out);
    else
        resp_raw(call->out, "+OK\r\n", 5);
    if (refused)
        return;
    bool keep = (args->flags & SET_KEEPTTL) != 0;
    sp_err err = kv_string_store(call, entry, &call->argv[2], keep, at_ms);
    if (err != SP_OK) {
        call->out->len = before;
        kv_reply_failure(call->out, err);
    }
}

void kv_cmd_set(struct kv_call *call)
{
    struct set_args args = { 0 };
    if (call->argc == 3 || set_parse(call, 3, set_options, &args))
        string_set(call, &args);
}

void kv_cmd_get(struct kv_call *call)
{
    struct kv_entry *entry;
    if (kv_call_read(call, KV_STRING, &entry))
        string_reply(call, entry);
}

void kv_cmd_setnx(struct kv_call *call)
{
    if (kv_store_find(call->store, &call->key, call->now_ms) != NULL) {
        resp_int(call->out, 0);
        return;
    }
    sp_err err = kv_string_store(call, NULL, &call->argv[2], false, -1);
    if (err == SP_OK)
        resp_int(call->out, 1);
    else
        kv_reply_failure(call->out, err);
}

void kv_cmd_getdel(struct kv_call *call)
{
    struct kv_entry *entry;
    if (!kv_call_read(call, KV_STRING, &entry))
        return;
    string_reply(call, entry);
    if (entry != NULL)
        kv_store_remove(call->store, entry);
}

void kv_cmd_getex(struct kv_call *call)
{
    struct set_args args;
    struct kv_entry *entry;
    int64_t at_ms = 0;
    if (!set_parse(call, 2, getex_options, &args) || !kv_call_read(call, KV_STRING, &entry))
        return;
    if (entry == NULL) {
        resp_null(call->out);
        return;
    }
    if (args.time != NULL && !set_when(call, &args, &at_ms))
        return;
    size_t before = call->out->len;
    string_reply(call, entry);
    if (args.flags & SET_PERSIST) {
        kv_expiry_remove(&call->store->expiry, entry);
    } else if (args.time != NULL && at_ms <= call->now_ms) {
        kv_store_remove(call->store, entry);
    } else if (args.time != NULL) {
        sp_err err = kv_expiry_set(&call->store->expiry, entry, at_ms);
        if (err != SP_OK) {
            call->out->len = before;
            kv_reply_failure(call->out, err);
        }
    }
}

/* --- parts of commands on several keys ------------------------------------------------- */

void kv_cmd_mget(struct kv_call *call)
{
    struct kv_entry *entry = kv_store_read(call->store, &call->key, call->now_ms);
    string_reply(call, entry != NULL && entry->type == KV_STRING ? entry : NULL);
    call->number = 1;
}

bool kv_check_mset(const struct kv_arg *argv, size_t argc, struct resp_out *out)
{
    (void)argv;
    if (argc % 2 == 1)
        return true;
    kv_reply_arity(out, "mset");
    return false;
}

void kv_cmd_mset(struct kv_call *call)
{
    struct kv_entry *entry = kv_store_find(call->store, &call->key, call->now_ms);
    sp_err err = kv_string_store(call, entry, &call->argv[2], false, -1);
    if (err != SP_OK)
        kv_reply_failure(call->out, err);
}

/* --- length, append, ranges ------------------------------------------------------------ */

void kv_cmd_strlen(struct kv_call *call)
{
    struct kv_entry *entry;
    if (kv_call_read(call, KV_STRING, &entry))
        resp_int(call->out, entry == NULL ? 0 : entry->string.len);
}

/* Writes `value` at `offset`, creating or growing the string. */
static void string_overwrite(struct kv_call *call, struct kv_entry *entry, size_t offset,
                             const struct kv_arg *value)
{
    sp_err err = SP_OK;
    bool created = entry == NULL;
    size_t end = offset + value->len;
    if (end > call->store->string_max)
        err = SP_ERR_TOOBIG;
    else if (entry == NULL)
        err = kv_store_create(call->store, &call->key, KV_STRING, &entry);
    if (err == SP_OK && end > entry->string.len) {
        err = kv_store_resize(call->store, entry, end);
        if (err != SP_OK && created)
            kv_store_remove(call->store, entry);
    }
    if (err != SP_OK) {
        kv_reply_failure(call->out, err);
        return;
    }
    memcpy(entry->string.ptr + offset, value->ptr, value->len);
    resp_int(call->out, entry->string.len);
}

void kv_cmd_append(struct kv_call *call)
{
    struct kv_entry *entry;
    if (kv_call_write(call, KV_STRING, &entry))
        string_overwrite(call, entry, entry == NULL ? 0 : entry->string.len, &call->argv[2]);
}

void kv_cmd_setrange(struct kv_call *call)
{
    struct kv_entry *entry;
    int64_t offset;
    const struct kv_arg *value = &call->argv[3];
    if (!kv_arg_int(&call->argv[2], call->out, &offset))
        return;
    if (offset < 0) {
        resp_error(call->out, "ERR offset is out of range");
        return;
    }
    if (!kv_call_write(call, KV_STRING, &entry))
        return;
    if (value->len == 0)
        resp_int(call->out, entry == NULL ? 0 : entry->string.len);
    else if ((uint64_t)offset > call->store->string_max)
        kv_reply_failure(call->out, SP_ERR_TOOBIG);
    else
        string_overwrite(call, entry, (size_t)offset, value);
}

void kv_cmd_getrange(struct kv_call *call)
{
    struct kv_entry *entry;
    int64_t start, end;
    if (!kv_arg_int(&call->argv[2], call->out, &start) ||
        !kv_arg_int(&call->argv[3], call->out, &end) || !kv_call_read(call, KV_STRING, &entry))
        return;
    int64_t len = entry == NULL ? 0 : entry->string.len;
    bool empty = len == 0 || (start < 0 && end < 0 && start > end);
    start = start < 0 ? start + len : start;
    end = end < 0 ? end + len : end;
    start = start < 0 ? 0 : start;
    end = end < 0 ? 0 : end;
    end = end >= len ? len - 1 : end;
    if (empty || start > end)
        resp_bulk(call->out, "", 0);
    else
        resp_bulk(call->out, entry->string.ptr + start, (size_t)(end - start + 1));
}
