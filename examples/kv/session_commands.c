/* The connection itself: greeting, authentication, PING. See session_commands.h. */
#include "session_commands.h"

#include "number.h"

#include <stdlib.h>

void kv_cmd_ping(struct kv_session_call *call)
{
    if (call->argc > 2) {
        kv_reply_arity(call->out, call->command->name);
        return;
    }
    const struct kv_arg none = { "", 0 };
    const struct kv_arg *text = call->argc == 2 ? &call->argv[1] : NULL;
    if (call->session->protocol == 2 && kv_session_subscriptions(call->session) > 0) {
        text = text != NULL ? text : &none;
        resp_array(call->out, 2);
        resp_text(call->out, "pong");
    }
    if (text != NULL)
        resp_bulk(call->out, text->ptr, text->len);
    else
        resp_simple(call->out, "PONG");
}

void kv_cmd_echo(struct kv_session_call *call)
{
    resp_bulk(call->out, call->argv[1].ptr, call->argv[1].len);
}

void kv_cmd_select(struct kv_session_call *call)
{
    int64_t database;
    if (!kv_arg_int(&call->argv[1], call->out, &database))
        return;
    if (database < INT32_MIN || database > INT32_MAX)
        resp_error(call->out, "ERR value is out of range, value must between -2147483648 and "
                              "2147483647");
    else if (database != 0)
        resp_error(call->out, "ERR DB index is out of range");
    else
        resp_simple(call->out, "OK");
}

void kv_cmd_quit(struct kv_session_call *call)
{
    resp_simple(call->out, "OK");
    call->session->closing = true;
}

void kv_cmd_reset(struct kv_session_call *call)
{
    struct kv_session *session = call->session;
    kv_session_unsubscribe_all(session, call->env);
    free(session->name);
    session->name = NULL;
    session->protocol = 2;
    session->reply_mode = KV_REPLY_ON;
    session->no_evict = false;
    call->out->protocol = 2;
    resp_simple(call->out, "RESET");
}

/* There is one user, without a password: any password will do, and no other user. */
static bool auth_allows(const struct kv_arg *user, struct resp_out *out)
{
    if (user->len == 7 && memcmp(user->ptr, "default", 7) == 0)
        return true;
    resp_error(out, "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

void kv_cmd_auth(struct kv_session_call *call)
{
    if (call->argc > 3)
        kv_reply_syntax(call->out);
    else if (call->argc == 2)
        resp_error(call->out, "ERR AUTH <password> called without any password configured for the "
                              "default user. Are you sure your configuration is correct?");
    else if (auth_allows(&call->argv[1], call->out))
        resp_simple(call->out, "OK");
}

static void hello_reply(struct kv_session_call *call)
{
    struct resp_out *out = call->out;
    resp_map(out, 7);
    resp_text(out, "server");
    resp_text(out, "redis");
    resp_text(out, "version");
    resp_text(out, KV_COMPATIBLE_VERSION);
    resp_text(out, "proto");
    resp_int(out, call->session->protocol);
    resp_text(out, "id");
    resp_int(out, (int64_t)call->session->id);
    resp_text(out, "mode");
    resp_text(out, "standalone");
    resp_text(out, "role");
    resp_text(out, "master");
    resp_text(out, "modules");
    resp_array(out, 0);
}

/* The options take effect one by one, those before a wrong one too. */
static bool hello_options(struct kv_session_call *call)
{
    for (size_t i = 2; i < call->argc; i++) {
        const struct kv_arg *option = &call->argv[i];
        size_t left = call->argc - i - 1;
        if (kv_arg_is(option, "auth") && left >= 2) {
            if (!auth_allows(&call->argv[i + 1], call->out))
                return false;
            i += 2;
        } else if (kv_arg_is(option, "setname") && left >= 1) {
            if (!kv_session_rename(call->session, &call->argv[++i], call->out))
                return false;
        } else {
            resp_errorf(call->out, "ERR Syntax error in HELLO option '%.*s'",
                        (int)(option->len < 128 ? option->len : 128), option->ptr);
            return false;
        }
    }
    return true;
}

static bool hello_version(struct kv_session_call *call, int *out_version)
{
    int64_t version;
    if (!kv_int_parse(call->argv[1].ptr, call->argv[1].len, &version)) {
        resp_error(call->out, "ERR Protocol version is not an integer or out of range");
        return false;
    }
    if (version < 2 || version > 3) {
        resp_error(call->out, "NOPROTO unsupported protocol version");
        return false;
    }
    *out_version = (int)version;
    return true;
}

void kv_cmd_hello(struct kv_session_call *call)
{
    int version = call->session->protocol;
    if ((call->argc >= 2 && !hello_version(call, &version)) || !hello_options(call))
        return;
    call->session->protocol = version;
    call->out->protocol = (uint8_t)version;
    hello_reply(call);
}
