/* COMMAND: what the server says of its own commands. See session_commands.h. */
#include "session_commands.h"

#include "glob.h"

#include <stdlib.h>

/* Bits with names, listed in this order. */
struct introspect_bit {
    uint32_t bit;
    const char *name;
};

static const struct introspect_bit flag_names[] = {
    { KV_WRITE, "write" },           { KV_READONLY, "readonly" },
    { KV_DENYOOM, "denyoom" },       { KV_ADMIN, "admin" },
    { KV_PUBSUB, "pubsub" },         { KV_NOSCRIPT, "noscript" },
    { KV_BLOCKING, "blocking" },     { KV_LOADING, "loading" },
    { KV_STALE, "stale" },           { KV_FAST, "fast" },
    { KV_NO_AUTH, "no_auth" },       { KV_NO_MULTI, "no_multi" },
    { KV_ALLOW_BUSY, "allow_busy" }, { 0, NULL },
};

static const struct introspect_bit key_use_names[] = {
    { KV_KEY_RO, "RO" },
    { KV_KEY_RW, "RW" },
    { KV_KEY_OW, "OW" },
    { KV_KEY_RM, "RM" },
    { KV_KEY_ACCESS, "access" },
    { KV_KEY_UPDATE, "update" },
    { KV_KEY_INSERT, "insert" },
    { KV_KEY_DELETE, "delete" },
    { KV_KEY_VARIABLE, "variable_flags" },
    { 0, NULL },
};

/* Categories as bits of their own, because they come from both flags and groups. */
enum {
    CATEGORY_KEYSPACE = 1 << 0,
    CATEGORY_READ = 1 << 1,
    CATEGORY_WRITE = 1 << 2,
    CATEGORY_LIST = 1 << 3,
    CATEGORY_HASH = 1 << 4,
    CATEGORY_STRING = 1 << 5,
    CATEGORY_PUBSUB = 1 << 6,
    CATEGORY_ADMIN = 1 << 7,
    CATEGORY_FAST = 1 << 8,
    CATEGORY_SLOW = 1 << 9,
    CATEGORY_BLOCKING = 1 << 10,
    CATEGORY_DANGEROUS = 1 << 11,
    CATEGORY_CONNECTION = 1 << 12,
};

static const struct introspect_bit category_names[] = {
    { CATEGORY_KEYSPACE, "@keyspace" },
    { CATEGORY_READ, "@read" },
    { CATEGORY_WRITE, "@write" },
    { CATEGORY_LIST, "@list" },
    { CATEGORY_HASH, "@hash" },
    { CATEGORY_STRING, "@string" },
    { CATEGORY_PUBSUB, "@pubsub" },
    { CATEGORY_ADMIN, "@admin" },
    { CATEGORY_FAST, "@fast" },
    { CATEGORY_SLOW, "@slow" },
    { CATEGORY_BLOCKING, "@blocking" },
    { CATEGORY_DANGEROUS, "@dangerous" },
    { CATEGORY_CONNECTION, "@connection" },
    { 0, NULL },
};

static uint32_t introspect_categories(const struct kv_command *command)
{
    static const uint32_t from_flags[][2] = {
        { KV_WRITE, CATEGORY_WRITE },       { KV_READONLY, CATEGORY_READ },
        { KV_PUBSUB, CATEGORY_PUBSUB },     { KV_ADMIN, CATEGORY_ADMIN | CATEGORY_DANGEROUS },
        { KV_BLOCKING, CATEGORY_BLOCKING },
    };
    static const uint32_t from_groups[][2] = {
        { KV_KEYSPACE, CATEGORY_KEYSPACE },   { KV_STRINGS, CATEGORY_STRING },
        { KV_LISTS, CATEGORY_LIST },          { KV_HASHES, CATEGORY_HASH },
        { KV_DANGEROUS, CATEGORY_DANGEROUS }, { KV_CONNECTION, CATEGORY_CONNECTION },
    };
    uint32_t categories = command->flags & KV_FAST ? CATEGORY_FAST : CATEGORY_SLOW;
    for (size_t i = 0; i < sizeof(from_flags) / sizeof(from_flags[0]); i++)
        if (command->flags & from_flags[i][0])
            categories |= from_flags[i][1];
    for (size_t i = 0; i < sizeof(from_groups) / sizeof(from_groups[0]); i++)
        if (command->groups & from_groups[i][0])
            categories |= from_groups[i][1];
    return categories;
}

static void introspect_bits(struct resp_out *out, uint32_t bits, const struct introspect_bit *names)
{
    resp_set(out, (size_t)__builtin_popcount(bits));
    for (; names->name != NULL; names++)
        if (bits & names->bit)
            resp_simple(out, names->name);
}

static void introspect_tips(struct resp_out *out, const char *const *tips)
{
    size_t count = 0;
    while (tips != NULL && tips[count] != NULL)
        count++;
    resp_set(out, count);
    for (size_t i = 0; i < count; i++)
        resp_text(out, tips[i]);
}

static void introspect_pair(struct resp_out *out, const char *name, int value)
{
    resp_text(out, name);
    resp_int(out, value);
}

static void introspect_key_spec(struct resp_out *out, const struct kv_command *command)
{
    resp_map(out, command->key_notes != NULL ? 4 : 3);
    if (command->key_notes != NULL) {
        resp_text(out, "notes");
        resp_text(out, command->key_notes);
    }
    resp_text(out, "flags");
    introspect_bits(out, command->key_use, key_use_names);
    resp_text(out, "begin_search");
    resp_map(out, 2);
    resp_text(out, "type");
    resp_text(out, "index");
    resp_text(out, "spec");
    resp_map(out, 1);
    introspect_pair(out, "index", command->first_key);
    resp_text(out, "find_keys");
    resp_map(out, 2);
    resp_text(out, "type");
    resp_text(out, "range");
    resp_text(out, "spec");
    resp_map(out, 3);
    /* The range counts from the first key, or from the end. */
    int last = command->last_key;
    introspect_pair(out, "lastkey", last > 0 ? last - command->first_key : last);
    introspect_pair(out, "keystep", command->key_step);
    introspect_pair(out, "limit", 0);
}

static size_t introspect_sub_count(const struct kv_command *command)
{
    size_t count = 0;
    while (command->subcommands != NULL && command->subcommands[count].name != NULL)
        count++;
    return count;
}

/* A command without its subcommands, which have none of their own. */
static void introspect_facts(struct resp_out *out, const struct kv_command *command)
{
    resp_array(out, 10);
    resp_text(out, command->name);
    resp_int(out, command->arity);
    introspect_bits(out, command->flags, flag_names);
    resp_int(out, command->first_key);
    resp_int(out, command->last_key);
    resp_int(out, command->key_step);
    introspect_bits(out, introspect_categories(command), category_names);
    introspect_tips(out, command->tips);
    resp_set(out, command->first_key != 0 ? 1 : 0);
    if (command->first_key != 0)
        introspect_key_spec(out, command);
    resp_set(out, introspect_sub_count(command));
}

static void introspect_command(struct resp_out *out, const struct kv_command *command)
{
    introspect_facts(out, command);
    for (size_t i = 0; i < introspect_sub_count(command); i++)
        introspect_facts(out, &command->subcommands[i]);
}

/* Finds "get" or "client|id"; NULL when there is no such command. */
static const struct kv_command *introspect_find(const struct kv_session_call *call,
                                                const struct kv_arg *name)
{
    const char *bar = memchr(name->ptr, '|', name->len);
    if (bar == NULL)
        return kv_command_find(call->index, name);
    struct kv_arg outer = { name->ptr, (size_t)(bar - name->ptr) };
    struct kv_arg inner = { bar + 1, name->len - outer.len - 1 };
    const struct kv_command *command = kv_command_find(call->index, &outer);
    return command == NULL ? NULL : kv_subcommand_find(command, &inner);
}

void kv_cmd_command(struct kv_session_call *call)
{
    resp_array(call->out, call->index->count);
    for (size_t i = 0; i < call->index->count; i++)
        introspect_command(call->out, call->index->command[i]);
}

void kv_cmd_command_count(struct kv_session_call *call)
{
    resp_int(call->out, (int64_t)call->index->count);
}

void kv_cmd_command_info(struct kv_session_call *call)
{
    if (call->argc == 2) {
        kv_cmd_command(call);
        return;
    }
    resp_array(call->out, call->argc - 2);
    for (size_t i = 2; i < call->argc; i++) {
        const struct kv_command *command = introspect_find(call, &call->argv[i]);
        if (command != NULL)
            introspect_command(call->out, command);
        else
            resp_null(call->out);
    }
}

static const char *introspect_group(const struct kv_command *command)
{
    if (command->flags & KV_PUBSUB)
        return "pubsub";
    if (command->groups & KV_STRINGS)
        return "string";
    if (command->groups & KV_LISTS)
        return "list";
    if (command->groups & KV_HASHES)
        return "hash";
    if (command->groups & KV_CONNECTION || strcmp(command->name, "client") == 0)
        return "connection";
    bool of_server = command->route == KV_ROUTE_ALONE || strncmp(command->name, "flush", 5) == 0 ||
                     strcmp(command->name, "dbsize") == 0;
    return of_server ? "server" : "generic";
}

static void introspect_docs(struct resp_out *out, const struct kv_command *command)
{
    resp_text(out, command->name);
    resp_map(out, 3);
    resp_text(out, "summary");
    resp_text(out, command->summary);
    resp_text(out, "since");
    resp_text(out, command->since);
    resp_text(out, "group");
    resp_text(out, introspect_group(command));
}

void kv_cmd_command_docs(struct kv_session_call *call)
{
    size_t found = 0;
    if (call->argc == 2) {
        resp_map(call->out, call->index->count);
        for (size_t i = 0; i < call->index->count; i++)
            introspect_docs(call->out, call->index->command[i]);
        return;
    }
    for (size_t i = 2; i < call->argc; i++)
        found += introspect_find(call, &call->argv[i]) != NULL;
    resp_map(call->out, found);
    for (size_t i = 2; i < call->argc; i++) {
        const struct kv_command *command = introspect_find(call, &call->argv[i]);
        if (command != NULL)
            introspect_docs(call->out, command);
    }
}

/* --- COMMAND LIST ------------------------------------------------------------------------ */

struct introspect_filter {
    const struct kv_arg *pattern; /* NULL: any */
    uint32_t category;            /* 0: any */
    bool none;                    /* a filter that nothing passes */
};

static bool introspect_filter_parse(struct kv_session_call *call, struct introspect_filter *filter)
{
    const struct kv_arg *argv = call->argv;
    *filter = (struct introspect_filter){ 0 };
    if (call->argc == 2)
        return true;
    if (call->argc != 5 || !kv_arg_is(&argv[2], "filterby"))
        return false;
    if (kv_arg_is(&argv[3], "pattern")) {
        filter->pattern = &argv[4];
        return true;
    }
    filter->none = true;
    if (!kv_arg_is(&argv[3], "aclcat"))
        return kv_arg_is(&argv[3], "module");
    for (const struct introspect_bit *name = category_names; name->name != NULL; name++)
        if (kv_arg_is(&argv[4], name->name + 1)) {
            filter->category = name->bit;
            filter->none = false;
        }
    return true;
}

static size_t introspect_list_one(const struct introspect_filter *filter,
                                  const struct kv_command *command, struct resp_out *out)
{
    if (filter->none ||
        (filter->category != 0 && !(introspect_categories(command) & filter->category)))
        return 0;
    if (filter->pattern != NULL && !kv_glob_match(filter->pattern->ptr, filter->pattern->len,
                                                  command->name, strlen(command->name), true))
        return 0;
    resp_text(out, command->name);
    return 1;
}

void kv_cmd_command_list(struct kv_session_call *call)
{
    struct introspect_filter filter;
    if (!introspect_filter_parse(call, &filter)) {
        kv_reply_syntax(call->out);
        return;
    }
    struct resp_out names;
    resp_out_init(&names, call->session->protocol, 0);
    size_t count = 0;
    for (size_t i = 0; i < call->index->count; i++) {
        const struct kv_command *command = call->index->command[i];
        count += introspect_list_one(&filter, command, &names);
        for (size_t j = 0; j < introspect_sub_count(command); j++)
            count += introspect_list_one(&filter, &command->subcommands[j], &names);
    }
    resp_array(call->out, count);
    resp_raw(call->out, names.data, names.len);
    call->out->failed = call->out->failed || names.failed;
    resp_out_finish(&names);
}

/* --- COMMAND GETKEYS --------------------------------------------------------------------- */

/* What SET does to its key depends on its options. */
static uint32_t introspect_key_use(const struct kv_command *command, const struct kv_arg *argv,
                                   size_t argc)
{
    if (!(command->key_use & KV_KEY_VARIABLE))
        return command->key_use;
    for (size_t i = 3; i < argc; i++)
        if (kv_arg_is(&argv[i], "get"))
            return KV_KEY_RW | KV_KEY_ACCESS | KV_KEY_UPDATE;
    return KV_KEY_OW | KV_KEY_UPDATE;
}

static const struct kv_command *introspect_keyed(struct kv_session_call *call)
{
    const struct kv_arg *argv = call->argv + 2;
    size_t argc = call->argc - 2;
    const struct kv_command *command = kv_command_find(call->index, &argv[0]);
    if (command != NULL && command->subcommands != NULL && argc > 1)
        command = kv_subcommand_find(command, &argv[1]);
    if (command == NULL)
        resp_error(call->out, "ERR Invalid command specified");
    else if (command->first_key == 0)
        resp_error(call->out, "ERR The command has no key arguments");
    else if (!kv_command_takes(command, argc))
        resp_error(call->out, "ERR Invalid number of arguments specified for command");
    else
        return command;
    return NULL;
}

static void introspect_getkeys(struct kv_session_call *call, bool with_use)
{
    const struct kv_command *command = introspect_keyed(call);
    if (command == NULL)
        return;
    const struct kv_arg *argv = call->argv + 2;
    size_t argc = call->argc - 2;
    size_t last =
        command->last_key < 0 ? argc - (size_t)-command->last_key : (size_t)command->last_key;
    size_t step = (size_t)command->key_step;
    resp_array(call->out, (last - 1) / step + 1);
    for (size_t i = 1; i <= last; i += step) {
        if (with_use)
            resp_array(call->out, 2);
        resp_bulk(call->out, argv[i].ptr, argv[i].len);
        if (with_use)
            introspect_bits(call->out, introspect_key_use(command, argv, argc), key_use_names);
    }
}

void kv_cmd_command_getkeys(struct kv_session_call *call)
{
    introspect_getkeys(call, false);
}

void kv_cmd_command_getkeysandflags(struct kv_session_call *call)
{
    introspect_getkeys(call, true);
}
