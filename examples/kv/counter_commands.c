/* Counters: strings that are numbers. See string_commands.h. */
#include "string_commands.h"

#include "number.h"

#include <math.h>

static void counter_add(struct kv_call *call, int64_t delta)
{
    struct kv_entry *entry;
    int64_t value = 0;
    if (!kv_call_write(call, KV_STRING, &entry))
        return;
    if (entry != NULL && !kv_int_parse(entry->string.ptr, entry->string.len, &value)) {
        kv_reply_not_int(call->out);
        return;
    }
    if (__builtin_add_overflow(value, delta, &value)) {
        resp_error(call->out, "ERR increment or decrement would overflow");
        return;
    }
    char text[KV_INT_TEXT_MAX];
    struct kv_arg arg = { text, kv_int_format(text, value) };
    sp_err err = kv_string_store(call, entry, &arg, true, -1);
    if (err == SP_OK)
        resp_int(call->out, value);
    else
        kv_reply_failure(call->out, err);
}

void kv_cmd_incr(struct kv_call *call)
{
    counter_add(call, 1);
}

void kv_cmd_decr(struct kv_call *call)
{
    counter_add(call, -1);
}

void kv_cmd_incrby(struct kv_call *call)
{
    int64_t delta;
    if (kv_arg_int(&call->argv[2], call->out, &delta))
        counter_add(call, delta);
}

void kv_cmd_decrby(struct kv_call *call)
{
    int64_t delta;
    if (!kv_arg_int(&call->argv[2], call->out, &delta))
        return;
    if (delta == INT64_MIN)
        resp_error(call->out, "ERR decrement would overflow");
    else
        counter_add(call, -delta);
}

void kv_cmd_incrbyfloat(struct kv_call *call)
{
    struct kv_entry *entry;
    long double value = 0, delta;
    if (!kv_call_write(call, KV_STRING, &entry))
        return;
    if ((entry != NULL && !kv_float_parse(entry->string.ptr, entry->string.len, &value)) ||
        !kv_float_parse(call->argv[2].ptr, call->argv[2].len, &delta)) {
        resp_error(call->out, "ERR value is not a valid float");
        return;
    }
    value += delta;
    if (!isfinite(value)) {
        resp_error(call->out, "ERR increment would produce NaN or Infinity");
        return;
    }
    char text[KV_FLOAT_TEXT_MAX];
    struct kv_arg arg = { text, kv_float_format(text, value) };
    sp_err err = kv_string_store(call, entry, &arg, true, -1);
    if (err == SP_OK)
        resp_bulk(call->out, arg.ptr, arg.len);
    else
        kv_reply_failure(call->out, err);
}
