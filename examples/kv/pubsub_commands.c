/* Subscriptions. See session_commands.h.
 *
 * The session knows what it listens to; the environment brings the messages. A subscription
 * is confirmed when the environment has taken it, so that no message published after the
 * confirmation is missed.
 */
#include "session_commands.h"

static const struct kv_seed pubsub_seed = { 0 };

static struct dict *pubsub_set(struct kv_session *session, bool pattern)
{
    return pattern ? &session->patterns : &session->channels;
}

static struct dict_node **pubsub_find(struct kv_session *session, bool pattern,
                                      const struct kv_arg *name)
{
    return dict_find(pubsub_set(session, pattern), name->ptr, name->len,
                     (uint32_t)kv_hash(&pubsub_seed, name->ptr, name->len));
}

static size_t pubsub_node_size(size_t len)
{
    return sizeof(struct dict_node) + len;
}

static sp_err pubsub_add(struct kv_session *session, bool pattern, const struct kv_arg *name)
{
    if (name->len > UINT32_MAX)
        return SP_ERR_TOOBIG;
    struct dict_node *node = kv_heap_alloc(&session->heap, pubsub_node_size(name->len));
    if (node == NULL)
        return SP_ERR_NOMEM;
    *node = (struct dict_node){ .hash = (uint32_t)kv_hash(&pubsub_seed, name->ptr, name->len),
                                .key_len = (uint32_t)name->len };
    memcpy(node + 1, name->ptr, name->len);
    sp_err err = dict_insert(pubsub_set(session, pattern), node);
    if (err != SP_OK)
        kv_heap_free(&session->heap, node, pubsub_node_size(name->len));
    return err;
}

static void pubsub_remove(struct kv_session *session, bool pattern, struct dict_node **link)
{
    struct dict_node *node = dict_remove(pubsub_set(session, pattern), link);
    kv_heap_free(&session->heap, node, pubsub_node_size(node->key_len));
}

static void pubsub_confirm(struct kv_session_call *call, const char *kind,
                           const struct kv_arg *name)
{
    resp_push(call->out, 3);
    resp_text(call->out, kind);
    if (name != NULL)
        resp_bulk(call->out, name->ptr, name->len);
    else
        resp_null(call->out);
    resp_int(call->out, (int64_t)kv_session_subscriptions(call->session));
}

static void pubsub_on(struct kv_session_call *call, bool pattern)
{
    for (size_t i = 1; i < call->argc; i++) {
        const struct kv_arg *name = &call->argv[i];
        sp_err err = SP_OK;
        if (pubsub_find(call->session, pattern, name) == NULL) {
            err = pubsub_add(call->session, pattern, name);
            if (err == SP_OK) {
                err = call->env->subscribe(call->env->arg, name, pattern, true);
                if (err != SP_OK)
                    pubsub_remove(call->session, pattern,
                                  pubsub_find(call->session, pattern, name));
            }
        }
        if (err != SP_OK)
            kv_reply_failure(call->out, err);
        else
            pubsub_confirm(call, call->command->name, name);
    }
}

static void pubsub_off_one(struct kv_session_call *call, bool pattern, const struct kv_arg *name)
{
    struct dict_node **link = pubsub_find(call->session, pattern, name);
    if (link != NULL) {
        /* Forgotten here even if the environment fails: a stray message is then dropped. */
        (void)call->env->subscribe(call->env->arg, name, pattern, false);
        pubsub_remove(call->session, pattern, pubsub_find(call->session, pattern, name));
    }
}

static void pubsub_first(struct dict_node *node, void *arg)
{
    struct dict_node **first = arg;
    if (*first == NULL)
        *first = node;
}

/* Ends every subscription of a kind; `confirm` is called for each, or NULL. */
static size_t pubsub_off_all(struct kv_session_call *call, bool pattern, bool confirm)
{
    struct dict *set = pubsub_set(call->session, pattern);
    size_t ended = 0;
    for (uint64_t cursor = 0; set->count > 0; ended++) {
        struct dict_node *node = NULL;
        while (node == NULL) {
            cursor = dict_scan(set, cursor, pubsub_first, &node);
        }
        struct kv_arg name = { (const char *)(node + 1), node->key_len };
        (void)call->env->subscribe(call->env->arg, &name, pattern, false);
        struct dict_node *gone = dict_remove(set, pubsub_find(call->session, pattern, &name));
        if (confirm)
            pubsub_confirm(call, call->command->name, &name);
        kv_heap_free(&call->session->heap, gone, pubsub_node_size(gone->key_len));
    }
    return ended;
}

static void pubsub_off(struct kv_session_call *call, bool pattern)
{
    if (call->argc == 1) {
        if (pubsub_off_all(call, pattern, true) == 0)
            pubsub_confirm(call, call->command->name, NULL);
        return;
    }
    for (size_t i = 1; i < call->argc; i++) {
        pubsub_off_one(call, pattern, &call->argv[i]);
        pubsub_confirm(call, call->command->name, &call->argv[i]);
    }
}

void kv_session_unsubscribe_all(struct kv_session *session, const struct kv_env *env)
{
    struct kv_session_call call = { .session = session, .env = env };
    pubsub_off_all(&call, false, false);
    pubsub_off_all(&call, true, false);
}

void kv_cmd_subscribe(struct kv_session_call *call)
{
    pubsub_on(call, false);
}

void kv_cmd_psubscribe(struct kv_session_call *call)
{
    pubsub_on(call, true);
}

void kv_cmd_unsubscribe(struct kv_session_call *call)
{
    pubsub_off(call, false);
}

void kv_cmd_punsubscribe(struct kv_session_call *call)
{
    pubsub_off(call, true);
}

void kv_cmd_publish(struct kv_session_call *call)
{
    int64_t heard = call->env->publish(call->env->arg, &call->argv[1], &call->argv[2]);
    resp_int(call->out, heard);
}
