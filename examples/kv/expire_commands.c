/* When keys expire. See key_commands.h. */
#include "key_commands.h"

enum { EXPIRE_NX = 1, EXPIRE_XX = 2, EXPIRE_GT = 4, EXPIRE_LT = 8 };

static unsigned expire_option(const struct kv_arg *arg)
{
    static const char *const words[] = { "nx", "xx", "gt", "lt" };
    for (unsigned i = 0; i < 4; i++)
        if (kv_arg_is(arg, words[i]))
            return 1U << i;
    return 0;
}

static bool expire_options(struct kv_call *call, unsigned *out_options)
{
    unsigned options = 0;
    for (size_t i = 3; i < call->argc; i++) {
        const struct kv_arg *arg = &call->argv[i];
        unsigned option = expire_option(arg);
        if (option == 0) {
            resp_errorf(call->out, "ERR Unsupported option %.*s",
                        (int)(arg->len < 256 ? arg->len : 256), arg->ptr);
            return false;
        }
        options |= option;
    }
    if ((options & EXPIRE_NX) && (options & (EXPIRE_XX | EXPIRE_GT | EXPIRE_LT))) {
        resp_error(call->out,
                   "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((options & EXPIRE_GT) && (options & EXPIRE_LT)) {
        resp_error(call->out, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    *out_options = options;
    return true;
}

/* Whether the options let `at_ms` take the place of `now_at`; -1 is "never expires". */
static bool expire_allowed(unsigned options, int64_t now_at, int64_t at_ms)
{
    if ((options & EXPIRE_NX) && now_at != -1)
        return false;
    if ((options & EXPIRE_XX) && now_at == -1)
        return false;
    if ((options & EXPIRE_GT) && (now_at == -1 || at_ms <= now_at))
        return false;
    return !(options & EXPIRE_LT) || now_at == -1 || at_ms < now_at;
}

static void expire_set(struct kv_call *call, struct kv_when when)
{
    unsigned options;
    int64_t value, at_ms;
    if (!expire_options(call, &options) || !kv_arg_int(&call->argv[2], call->out, &value) ||
        !kv_call_when(call, value, when, false, &at_ms))
        return;
    struct kv_entry *entry = kv_store_find(call->store, &call->key, call->now_ms);
    if (entry == NULL ||
        !expire_allowed(options, kv_expiry_at(&call->store->expiry, entry), at_ms)) {
        resp_int(call->out, 0);
        return;
    }
    sp_err err = SP_OK;
    if (at_ms <= call->now_ms)
        kv_store_remove(call->store, entry);
    else
        err = kv_expiry_set(&call->store->expiry, entry, at_ms);
    if (err == SP_OK)
        resp_int(call->out, 1);
    else
        kv_reply_failure(call->out, err);
}

void kv_cmd_expire(struct kv_call *call)
{
    expire_set(call, (struct kv_when){ .seconds = true });
}

void kv_cmd_pexpire(struct kv_call *call)
{
    expire_set(call, (struct kv_when){ 0 });
}

void kv_cmd_expireat(struct kv_call *call)
{
    expire_set(call, (struct kv_when){ .seconds = true, .absolute = true });
}

void kv_cmd_pexpireat(struct kv_call *call)
{
    expire_set(call, (struct kv_when){ .absolute = true });
}

static void expire_reply(struct kv_call *call, struct kv_when when)
{
    struct kv_entry *entry = kv_store_read(call->store, &call->key, call->now_ms);
    int64_t at = entry == NULL ? -2 : kv_expiry_at(&call->store->expiry, entry);
    if (at < 0) {
        resp_int(call->out, at);
        return;
    }
    if (!when.absolute)
        at = at > call->now_ms ? at - call->now_ms : 0;
    /* Rounded to the nearest second, not down. */
    resp_int(call->out, when.seconds ? at / 1000 + (at % 1000 >= 500) : at);
}

void kv_cmd_ttl(struct kv_call *call)
{
    expire_reply(call, (struct kv_when){ .seconds = true });
}

void kv_cmd_pttl(struct kv_call *call)
{
    expire_reply(call, (struct kv_when){ 0 });
}

void kv_cmd_expiretime(struct kv_call *call)
{
    expire_reply(call, (struct kv_when){ .seconds = true, .absolute = true });
}

void kv_cmd_pexpiretime(struct kv_call *call)
{
    expire_reply(call, (struct kv_when){ .absolute = true });
}

void kv_cmd_persist(struct kv_call *call)
{
    struct kv_entry *entry = kv_store_find(call->store, &call->key, call->now_ms);
    resp_int(call->out, entry != NULL && kv_expiry_remove(&call->store->expiry, entry));
}
