/* CLIENT and its subcommands. See session_commands.h. */
#include "session_commands.h"

#include "number.h"

#include <stdlib.h>

bool kv_session_rename(struct kv_session *session, const struct kv_arg *name, struct resp_out *out)
{
    for (size_t i = 0; i < name->len; i++)
        if (name->ptr[i] < '!' || name->ptr[i] > '~') {
            resp_error(out, "ERR Client names cannot contain spaces, newlines or special "
                            "characters.");
            return false;
        }
    char *copy = NULL;
    if (name->len > 0 && (copy = strndup(name->ptr, name->len)) == NULL) {
        kv_reply_failure(out, SP_ERR_NOMEM);
        return false;
    }
    free(session->name);
    session->name = copy;
    return true;
}

void kv_cmd_client_id(struct kv_session_call *call)
{
    resp_int(call->out, (int64_t)call->session->id);
}

void kv_cmd_client_getname(struct kv_session_call *call)
{
    if (call->session->name != NULL)
        resp_text(call->out, call->session->name);
    else
        resp_null(call->out);
}

void kv_cmd_client_setname(struct kv_session_call *call)
{
    if (kv_session_rename(call->session, &call->argv[2], call->out))
        resp_simple(call->out, "OK");
}

static void client_reply_lines(struct kv_session_call *call, struct resp_out *lines)
{
    if (lines->failed)
        kv_reply_failure(call->out, SP_ERR_NOMEM);
    else
        resp_verbatim(call->out, "txt", lines->len != 0 ? lines->data : "", lines->len);
    resp_out_finish(lines);
}

void kv_cmd_client_info(struct kv_session_call *call)
{
    struct resp_out lines;
    resp_out_init(&lines, 2, 0);
    kv_session_describe(call->session, call->env->now_ms(call->env->arg), &lines);
    resp_raw(&lines, "\n", 1);
    client_reply_lines(call, &lines);
}

enum client_type { CLIENT_ANY, CLIENT_NORMAL, CLIENT_PUBSUB, CLIENT_NONE };

/* The kind of client asked for; false, with an error replied, for an unknown word. */
static bool client_type(const struct kv_arg *arg, struct resp_out *out, enum client_type *type)
{
    if (kv_arg_is(arg, "normal"))
        *type = CLIENT_NORMAL;
    else if (kv_arg_is(arg, "pubsub"))
        *type = CLIENT_PUBSUB;
    else if (kv_arg_is(arg, "master") || kv_arg_is(arg, "replica") || kv_arg_is(arg, "slave"))
        *type = CLIENT_NONE;
    else {
        resp_errorf(out, "ERR Unknown client type '%.*s'", (int)(arg->len < 128 ? arg->len : 128),
                    arg->ptr);
        return false;
    }
    return true;
}

/* What CLIENT LIST was asked to list. */
struct client_filter {
    enum client_type type;
    const struct kv_arg *ids; /* NULL: all */
    size_t id_count;
};

static bool client_list_filter(struct kv_session_call *call, struct client_filter *filter)
{
    *filter = (struct client_filter){ 0 };
    if (call->argc == 4 && kv_arg_is(&call->argv[2], "type"))
        return client_type(&call->argv[3], call->out, &filter->type);
    if (call->argc > 3 && kv_arg_is(&call->argv[2], "id")) {
        filter->ids = &call->argv[3];
        filter->id_count = call->argc - 3;
        for (size_t i = 0; i < filter->id_count; i++) {
            int64_t id;
            if (!kv_int_parse(filter->ids[i].ptr, filter->ids[i].len, &id)) {
                resp_error(call->out, "ERR Invalid client ID");
                return false;
            }
        }
        return true;
    }
    if (call->argc == 2)
        return true;
    kv_reply_syntax(call->out);
    return false;
}

/* A line begins "id=N " and says flags=P for a subscriber. */
static bool client_line_wanted(const struct client_filter *filter, const char *line, size_t len)
{
    const char *flags = memmem(line, len, " flags=", 7);
    bool subscriber = flags != NULL && flags[7] == 'P';
    if (filter->type == CLIENT_NONE || (filter->type == CLIENT_NORMAL && subscriber) ||
        (filter->type == CLIENT_PUBSUB && !subscriber))
        return false;
    if (filter->ids == NULL)
        return true;
    const char *id = line + 3;
    size_t id_len = (size_t)((const char *)memchr(line, ' ', len) - id);
    for (size_t i = 0; i < filter->id_count; i++)
        if (filter->ids[i].len == id_len && memcmp(filter->ids[i].ptr, id, id_len) == 0)
            return true;
    return false;
}

static void client_filter_lines(const struct client_filter *filter, const struct resp_out *lines,
                                struct resp_out *wanted)
{
    for (size_t at = 0; at < lines->len;) {
        const char *line = lines->data + at;
        const char *end = memchr(line, '\n', lines->len - at);
        size_t len = end == NULL ? lines->len - at : (size_t)(end - line) + 1;
        if (client_line_wanted(filter, line, len))
            resp_raw(wanted, line, len);
        at += len;
    }
}

void kv_cmd_client_list(struct kv_session_call *call)
{
    struct client_filter filter;
    struct resp_out lines, wanted;
    if (!client_list_filter(call, &filter))
        return;
    resp_out_init(&lines, 2, 0);
    resp_out_init(&wanted, 2, 0);
    sp_err err = call->env->clients(call->env->arg, &lines);
    if (err == SP_OK && !lines.failed) {
        client_filter_lines(&filter, &lines, &wanted);
        client_reply_lines(call, &wanted);
    } else {
        kv_reply_failure(call->out, err != SP_OK ? err : SP_ERR_NOMEM);
    }
    resp_out_finish(&lines);
}

/* Which clients CLIENT KILL means; what is not set means any. */
struct client_victims {
    int64_t id;
    enum client_type type;
    const struct kv_arg *address, *local;
    bool self_too;
};

static bool client_victims_option(struct kv_session_call *call, const struct kv_arg *option,
                                  struct client_victims *victims)
{
    const struct kv_arg *value = option + 1;
    if (kv_arg_is(option, "id")) {
        if (kv_int_parse(value->ptr, value->len, &victims->id) && victims->id > 0)
            return true;
        resp_error(call->out, "ERR client-id should be greater than 0");
        return false;
    }
    if (kv_arg_is(option, "type"))
        return client_type(value, call->out, &victims->type);
    if (kv_arg_is(option, "addr"))
        victims->address = value;
    else if (kv_arg_is(option, "laddr"))
        victims->local = value;
    else if (kv_arg_is(option, "skipme") && (kv_arg_is(value, "yes") || kv_arg_is(value, "no")))
        victims->self_too = kv_arg_is(value, "no");
    else if (kv_arg_is(option, "user") && value->len == 7 && memcmp(value->ptr, "default", 7) == 0)
        return true; /* that is everybody */
    else if (kv_arg_is(option, "user")) {
        resp_errorf(call->out, "ERR No such user '%.*s'",
                    (int)(value->len < 128 ? value->len : 128), value->ptr);
        return false;
    } else {
        kv_reply_syntax(call->out);
        return false;
    }
    return true;
}

/* False: an error is replied. */
static bool client_victims_read(struct kv_session_call *call, struct client_victims *victims)
{
    *victims = (struct client_victims){ 0 };
    if (call->argc == 3) { /* CLIENT KILL ip:port */
        victims->address = &call->argv[2];
        victims->self_too = true;
        return true;
    }
    for (size_t i = 2; i < call->argc; i += 2) {
        if (i + 1 == call->argc) {
            kv_reply_syntax(call->out);
            return false;
        }
        if (!client_victims_option(call, &call->argv[i], victims))
            return false;
    }
    return true;
}

/* Whether the field of a line, " addr=" say, has this value; any, where that is NULL. */
static bool client_line_says(const char *line, size_t len, const char *field,
                             const struct kv_arg *value)
{
    if (value == NULL)
        return true;
    const char *end = line + len;
    const char *at = memmem(line, len, field, strlen(field));
    if (at == NULL)
        return false;
    at += strlen(field);
    return (size_t)(end - at) > value->len && memcmp(at, value->ptr, value->len) == 0 &&
           at[value->len] == ' ';
}

static bool client_is_victim(const struct client_victims *victims, uint64_t id, const char *line,
                             size_t len)
{
    const struct client_filter filter = { .type = victims->type };
    return (victims->id == 0 || (uint64_t)victims->id == id) &&
           client_line_wanted(&filter, line, len) &&
           client_line_says(line, len, " addr=", victims->address) &&
           client_line_says(line, len, " laddr=", victims->local);
}

/* Ends one; counts it, if it was there. */
static sp_err client_kill(struct kv_session_call *call, const struct client_victims *victims,
                          uint64_t id, int64_t *count)
{
    if (id == call->session->id && !victims->self_too)
        return SP_OK;
    sp_err err = call->env->kill_client(call->env->arg, id);
    *count += err == SP_OK;
    return err == SP_ERR_NOTFOUND ? SP_OK : err;
}

/* Those of all lines that are meant. */
static sp_err client_kill_listed(struct kv_session_call *call, const struct client_victims *victims,
                                 int64_t *count)
{
    struct resp_out lines;
    resp_out_init(&lines, 2, 0);
    sp_err err = call->env->clients(call->env->arg, &lines);
    if (err == SP_OK && lines.failed)
        err = SP_ERR_NOMEM;
    for (size_t at = 0; at < lines.len && err == SP_OK;) {
        const char *line = lines.data + at;
        const char *end = memchr(line, '\n', lines.len - at);
        size_t len = end == NULL ? lines.len - at : (size_t)(end - line) + 1;
        uint64_t id = strtoull(line + strlen("id="), NULL, 10);
        if (client_is_victim(victims, id, line, len))
            err = client_kill(call, victims, id, count);
        at += len;
    }
    resp_out_finish(&lines);
    return err;
}

void kv_cmd_client_kill(struct kv_session_call *call)
{
    struct client_victims victims;
    int64_t count = 0;
    if (!client_victims_read(call, &victims))
        return;
    /* One that is known by its id alone is not looked for among all. */
    bool listed = victims.id == 0 || victims.type != CLIENT_ANY || victims.address != NULL ||
                  victims.local != NULL;
    sp_err err = listed ? client_kill_listed(call, &victims, &count)
                        : client_kill(call, &victims, (uint64_t)victims.id, &count);
    if (err != SP_OK)
        kv_reply_failure(call->out, err);
    else if (call->argc > 3)
        resp_int(call->out, count);
    else if (count > 0)
        resp_simple(call->out, "OK");
    else
        resp_error(call->out, "ERR No such client");
}

void kv_cmd_client_no_evict(struct kv_session_call *call)
{
    bool on = kv_arg_is(&call->argv[2], "on");
    if (!on && !kv_arg_is(&call->argv[2], "off")) {
        kv_reply_syntax(call->out);
        return;
    }
    call->session->no_evict = on;
    resp_simple(call->out, "OK");
}

void kv_cmd_client_reply(struct kv_session_call *call)
{
    struct kv_session *session = call->session;
    const struct kv_arg *mode = &call->argv[2];
    if (kv_arg_is(mode, "on")) {
        session->reply_mode = KV_REPLY_ON;
        resp_simple(call->out, "OK");
    } else if (kv_arg_is(mode, "off")) {
        session->reply_mode = KV_REPLY_OFF;
    } else if (kv_arg_is(mode, "skip")) {
        if (session->reply_mode != KV_REPLY_OFF)
            session->reply_mode = KV_REPLY_SKIP_NEXT;
    } else {
        kv_reply_syntax(call->out);
    }
}
