/* The state of one client. See session.h. */
#include "session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SESSION_LINE_MAX = 1024 };

/* A subscription: the name is its key. */
struct session_name {
    struct dict_node node;
    char bytes[];
};

sp_err kv_session_init(struct kv_session *session, const struct kv_session_options *options)
{
    *session = (struct kv_session){
        .id = options->id,
        .protocol = 2,
        .address = strdup(options->address != NULL ? options->address : "?:0"),
        .local = strdup(options->local != NULL ? options->local : "?:0"),
        .created_ms = options->now_ms,
        .active_ms = options->now_ms,
    };
    kv_heap_init(&session->heap, 0);
    dict_init(&session->channels, &session->heap, offsetof(struct session_name, bytes));
    dict_init(&session->patterns, &session->heap, offsetof(struct session_name, bytes));
    if (session->address != NULL && session->local != NULL)
        return SP_OK;
    kv_session_finish(session);
    return SP_ERR_NOMEM;
}

void kv_session_finish(struct kv_session *session)
{
    free(session->name);
    free(session->address);
    free(session->local);
    kv_heap_finish(&session->heap);
    *session = (struct kv_session){ 0 };
}

size_t kv_session_subscriptions(const struct kv_session *session)
{
    return session->channels.count + session->patterns.count;
}

bool kv_session_hears(struct kv_session *session, const struct kv_arg *channel)
{
    static const struct kv_seed seed = { 0 };
    return dict_find(&session->channels, channel->ptr, channel->len,
                     (uint32_t)kv_hash(&seed, channel->ptr, channel->len)) != NULL;
}

void kv_session_describe(const struct kv_session *session, int64_t now_ms, struct resp_out *out)
{
    char line[SESSION_LINE_MAX];
    char flags[3] = "N";
    if (session->channels.count + session->patterns.count > 0)
        flags[0] = 'P';
    if (session->closing)
        flags[1] = 'c';
    int len = snprintf(
        line, sizeof(line),
        "id=%" PRIu64 " addr=%.256s laddr=%.256s fd=-1 name=%.256s age=%" PRId64 " idle=%" PRId64
        " flags=%s db=0 sub=%zu psub=%zu ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0"
        " multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 events=r cmd=%s user=default"
        " redir=-1 resp=%d",
        session->id, session->address, session->local, session->name != NULL ? session->name : "",
        (now_ms - session->created_ms) / 1000, (now_ms - session->active_ms) / 1000, flags,
        session->channels.count, session->patterns.count,
        session->last != NULL ? session->last->name : "NULL", session->protocol);
    if (len > 0)
        resp_raw(out, line, (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1);
}

void kv_session_message(const struct kv_session *session, const struct kv_arg *pattern,
                        const struct kv_arg *channel, const struct kv_arg *message,
                        struct resp_out *out)
{
    out->protocol = (uint8_t)session->protocol;
    resp_push(out, pattern == NULL ? 3 : 4);
    resp_text(out, pattern == NULL ? "message" : "pmessage");
    if (pattern != NULL)
        resp_bulk(out, pattern->ptr, pattern->len);
    resp_bulk(out, channel->ptr, channel->len);
    resp_bulk(out, message->ptr, message->len);
}
