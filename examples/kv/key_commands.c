/* Keys of any type, and the walk over all of them. See key_commands.h. */
#include "key_commands.h"

#include "glob.h"
#include "number.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

enum {
    SCAN_COUNT = 10,
    SCAN_VISITS = 10, /* buckets looked at per key wanted: a sparse table must not stall */
};

static const char *const key_type_names[] = {
    [KV_STRING] = "string",
    [KV_LIST] = "list",
    [KV_HASH] = "hash",
};

void kv_cmd_del(struct kv_call *call)
{
    struct kv_entry *entry = kv_store_find(call->store, &call->key, call->now_ms);
    if (entry != NULL)
        kv_store_remove(call->store, entry);
    call->number = entry != NULL;
}

void kv_cmd_exists(struct kv_call *call)
{
    call->number = kv_store_read(call->store, &call->key, call->now_ms) != NULL;
}

void kv_cmd_type(struct kv_call *call)
{
    struct kv_entry *entry = kv_store_read(call->store, &call->key, call->now_ms);
    resp_simple(call->out, entry == NULL ? "none" : key_type_names[entry->type]);
}

void kv_cmd_dbsize(struct kv_call *call)
{
    call->number = (int64_t)call->store->keys.count;
}

bool kv_check_flush(const struct kv_arg *argv, size_t argc, struct resp_out *out)
{
    if (argc == 1 || (argc == 2 && (kv_arg_is(&argv[1], "async") || kv_arg_is(&argv[1], "sync"))))
        return true;
    kv_reply_syntax(out);
    return false;
}

void kv_cmd_flush(struct kv_call *call)
{
    kv_store_clear(call->store);
}

void kv_cmd_randomkey(struct kv_call *call)
{
    struct kv_entry *entry = kv_store_pick(call->store, call->now_ms);
    call->number = (int64_t)call->store->keys.count;
    if (entry != NULL)
        resp_bulk(call->out, entry->key, entry->node.key_len);
}

/* --- KEYS and SCAN --------------------------------------------------------------------- */

/* What a key must be like to be listed. */
struct key_filter {
    struct kv_call *call;
    const struct kv_arg *pattern; /* NULL: any */
    const struct kv_arg *type;    /* NULL: any */
    int64_t seen;                 /* keys looked at, listed or not */
};

static void key_list(struct dict_node *node, void *arg)
{
    struct key_filter *filter = arg;
    struct kv_call *call = filter->call;
    const struct kv_entry *entry = (const struct kv_entry *)node;
    filter->seen++;
    int64_t at = kv_expiry_at(&call->store->expiry, entry);
    if (at != -1 && at < call->now_ms)
        return;
    if (filter->type != NULL && !kv_arg_is(filter->type, key_type_names[entry->type]))
        return;
    if (filter->pattern != NULL && !kv_glob_match(filter->pattern->ptr, filter->pattern->len,
                                                  entry->key, node->key_len, false))
        return;
    resp_bulk(call->out, entry->key, node->key_len);
    call->number++;
}

/* "*" lists everything, the empty key included, which no pattern matches. */
static const struct kv_arg *key_pattern(const struct kv_arg *pattern)
{
    return pattern != NULL && pattern->len == 1 && pattern->ptr[0] == '*' ? NULL : pattern;
}

void kv_cmd_keys(struct kv_call *call)
{
    struct key_filter filter = { .call = call, .pattern = key_pattern(&call->argv[1]) };
    dict_each(&call->store->keys, key_list, &filter);
}

static bool scan_cursor(const struct kv_arg *arg, uint64_t *out_cursor)
{
    char text[KV_INT_TEXT_MAX + 3];
    if (arg->len >= sizeof(text))
        return false;
    memcpy(text, arg->ptr, arg->len);
    text[arg->len] = '\0';
    char *end;
    errno = 0;
    *out_cursor = strtoull(text, &end, 10);
    return !isspace((unsigned char)text[0]) && *end == '\0' && errno == 0;
}

struct scan_args {
    uint64_t cursor;
    int64_t count;
    const struct kv_arg *pattern;
    const struct kv_arg *type;
};

/* The value of one option; false, with an error replied, when it is wrong. */
static bool scan_option(const struct kv_arg *option, struct resp_out *out, struct scan_args *args)
{
    const struct kv_arg *value = option + 1;
    if (kv_arg_is(option, "match")) {
        args->pattern = value;
        return true;
    }
    if (kv_arg_is(option, "type")) {
        args->type = value;
        return true;
    }
    if (kv_arg_is(option, "count")) {
        if (!kv_arg_int(value, out, &args->count))
            return false;
        if (args->count > 0)
            return true;
    }
    kv_reply_syntax(out);
    return false;
}

static bool scan_parse(const struct kv_arg *argv, size_t argc, struct resp_out *out,
                       struct scan_args *args)
{
    *args = (struct scan_args){ .count = SCAN_COUNT };
    if (!scan_cursor(&argv[1], &args->cursor)) {
        resp_error(out, "ERR invalid cursor");
        return false;
    }
    for (size_t i = 2; i < argc; i += 2) {
        if (argc - i < 2) {
            kv_reply_syntax(out);
            return false;
        }
        if (!scan_option(&argv[i], out, args))
            return false;
    }
    return true;
}

bool kv_check_scan(const struct kv_arg *argv, size_t argc, struct resp_out *out)
{
    struct scan_args args;
    return scan_parse(argv, argc, out, &args);
}

void kv_scan_begin(const struct kv_arg *argv, size_t argc, uint64_t *out_cursor, int64_t *out_count)
{
    struct scan_args args;
    struct resp_out ignored = { .protocol = 2, .failed = true };
    (void)scan_parse(argv, argc, &ignored, &args);
    *out_cursor = args.cursor;
    *out_count = args.count;
}

void kv_cmd_scan(struct kv_call *call)
{
    struct scan_args args;
    if (!scan_parse(call->argv, call->argc, call->out, &args))
        return;
    struct key_filter filter = { .call = call,
                                 .pattern = key_pattern(args.pattern),
                                 .type = args.type };
    int64_t visits =
        call->budget > INT64_MAX / SCAN_VISITS ? INT64_MAX : call->budget * SCAN_VISITS;
    do
        call->cursor = dict_scan(&call->store->keys, call->cursor, key_list, &filter);
    while (call->cursor != 0 && --visits > 0 && filter.seen < call->budget);
    call->budget = filter.seen < call->budget ? call->budget - filter.seen : 0;
    if (call->cursor != 0)
        call->budget = 0;
}
