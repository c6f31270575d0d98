/* Command lookup, and what the commands have in common. See command.h. */
#include "command.h"

#include "number.h"

#include <assert.h>

static size_t command_slot(const char *name, size_t len)
{
    /* Bit 5 makes letters lower case; all names are letters, digits and dashes. */
    unsigned first = (unsigned char)name[0] | 0x20U;
    unsigned last = (unsigned char)name[len - 1] | 0x20U;
    unsigned middle = (unsigned char)name[len / 2] | 0x20U;
    return (first * 7 + last * 31 + middle * 113 + (unsigned)len * 61) % KV_COMMAND_SLOTS;
}

static void command_index_add(struct kv_command_index *index, const struct kv_command *command)
{
    assert(index->count < KV_COMMANDS_MAX);
    size_t len = strlen(command->name);
    index->name_len[index->count] = (uint8_t)len;
    index->command[index->count++] = command;
    size_t slot = command_slot(command->name, len);
    while (index->slot[slot] != 0)
        slot = (slot + 1) % KV_COMMAND_SLOTS;
    index->slot[slot] = (uint8_t)index->count;
}

void kv_command_index_init(struct kv_command_index *index)
{
    memset(index, 0, sizeof(*index));
    const struct kv_command *const tables[] = { kv_key_commands, kv_container_commands,
                                                kv_session_commands };
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (const struct kv_command *command = tables[i]; command->name != NULL; command++)
            command_index_add(index, command);
}

const struct kv_command *kv_command_find(const struct kv_command_index *index,
                                         const struct kv_arg *name)
{
    if (name->len == 0)
        return NULL;
    size_t slot = command_slot(name->ptr, name->len);
    for (; index->slot[slot] != 0; slot = (slot + 1) % KV_COMMAND_SLOTS) {
        size_t at = index->slot[slot] - (size_t)1;
        if (index->name_len[at] == name->len &&
            strncasecmp(index->command[at]->name, name->ptr, name->len) == 0)
            return index->command[at];
    }
    return NULL;
}

const struct kv_command *kv_subcommand_find(const struct kv_command *command,
                                            const struct kv_arg *name)
{
    const struct kv_command *sub = command->subcommands;
    for (; sub != NULL && sub->name != NULL; sub++)
        if (kv_arg_is(name, strchr(sub->name, '|') + 1))
            return sub;
    return NULL;
}

bool kv_command_takes(const struct kv_command *command, size_t argc)
{
    return command->arity >= 0 ? argc == (size_t)command->arity : argc >= (size_t)-command->arity;
}

void kv_call_run(struct kv_call *call)
{
    const struct kv_heap *heap = &call->store->heap;
    if ((call->command->flags & KV_DENYOOM) && heap->max != 0 && heap->used >= heap->max) {
        kv_reply_failure(call->out, SP_ERR_NOMEM);
        return;
    }
    call->command->run(call);
}

void kv_reply_syntax(struct resp_out *out)
{
    resp_error(out, "ERR syntax error");
}

void kv_reply_not_int(struct resp_out *out)
{
    resp_error(out, "ERR value is not an integer or out of range");
}

void kv_reply_arity(struct resp_out *out, const char *name)
{
    resp_errorf(out, "ERR wrong number of arguments for '%s' command", name);
}

void kv_reply_failure(struct resp_out *out, sp_err err)
{
    if (err == SP_ERR_NOMEM)
        resp_error(out, "OOM command not allowed when used memory > 'maxmemory'.");
    else if (err == SP_ERR_TOOBIG)
        resp_error(out, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    else
        resp_errorf(out, "ERR %s", sp_err_text(err));
}

bool kv_arg_int(const struct kv_arg *arg, struct resp_out *out, int64_t *out_value)
{
    if (kv_int_parse(arg->ptr, arg->len, out_value))
        return true;
    kv_reply_not_int(out);
    return false;
}

static bool call_typed(struct kv_call *call, struct kv_entry *entry, enum kv_type type,
                       struct kv_entry **out_entry)
{
    if (entry != NULL && entry->type != type) {
        resp_error(call->out, "WRONGTYPE Operation against a key holding the wrong kind of value");
        return false;
    }
    *out_entry = entry;
    return true;
}

bool kv_call_read(struct kv_call *call, enum kv_type type, struct kv_entry **out_entry)
{
    struct kv_entry *entry = kv_store_read(call->store, &call->key, call->now_ms);
    return call_typed(call, entry, type, out_entry);
}

bool kv_call_write(struct kv_call *call, enum kv_type type, struct kv_entry **out_entry)
{
    struct kv_entry *entry = kv_store_find(call->store, &call->key, call->now_ms);
    return call_typed(call, entry, type, out_entry);
}

bool kv_call_when(struct kv_call *call, int64_t value, struct kv_when when, bool positive,
                  int64_t *out_at_ms)
{
    int64_t at = value;
    bool bad = positive && value <= 0;
    if (when.seconds)
        bad = bad || __builtin_mul_overflow(value, (int64_t)1000, &at);
    if (!when.absolute)
        bad = bad || __builtin_add_overflow(at, call->now_ms, &at);
    if (bad) {
        resp_errorf(call->out, "ERR invalid expire time in '%s' command", call->command->name);
        return false;
    }
    *out_at_ms = at;
    return true;
}
