/* The exchange of published messages. See pubsub.h. */
#include "pubsub.h"

#include "connection.h"
#include "glob.h"

#include <stdlib.h>

/* A channel or a pattern somebody listens to. */
struct topic {
    struct dict_node node;
    struct subscription *first;
    size_t size; /* of the allocation */
    char name[];
};

struct subscriber {
    struct dict_node node;
    uint64_t key; /* of the pid; the key of the node */
    sp_pid pid;
    sp_monitor_ref monitor;
    struct subscription *first;
};

/* One subscriber's interest in one topic, in the lists of both. */
struct subscription {
    struct topic *topic;
    struct subscriber *subscriber;
    struct subscription *topic_next;
    struct subscription **topic_link;
    struct subscription *subscriber_next;
    struct subscription **subscriber_link;
    bool pattern;
};

struct pubsub {
    struct kv_world *world;
    struct kv_heap heap;
    struct dict channels;
    struct dict patterns;
    struct dict subscribers;
};

void kv_listen_drop(struct kv_listen *order)
{
    free(order->name);
    order->name = NULL;
}

void kv_listen_result_drop(struct kv_listen_result *result)
{
    (void)result;
}

void kv_publish_order_drop(struct kv_publish_order *order)
{
    free(order->bytes);
    order->bytes = NULL;
}

void kv_published_drop(struct kv_published *published)
{
    (void)published;
}

static uint32_t pubsub_hash(const struct pubsub *self, const void *data, size_t len)
{
    return (uint32_t)kv_hash(&self->world->seed, data, len);
}

/* --- topics ------------------------------------------------------------------------------ */

static struct dict *pubsub_topics(struct pubsub *self, bool pattern)
{
    return pattern ? &self->patterns : &self->channels;
}

static struct topic *topic_find(struct pubsub *self, bool pattern, const struct kv_arg *name)
{
    struct dict_node **link = dict_find(pubsub_topics(self, pattern), name->ptr, name->len,
                                        pubsub_hash(self, name->ptr, name->len));
    return link == NULL ? NULL : (struct topic *)*link;
}

static struct topic *topic_create(struct pubsub *self, bool pattern, const struct kv_arg *name)
{
    size_t size = sizeof(struct topic) + name->len;
    struct topic *topic = name->len > UINT32_MAX ? NULL : kv_heap_alloc(&self->heap, size);
    if (topic == NULL)
        return NULL;
    *topic = (struct topic){ .node = { .hash = pubsub_hash(self, name->ptr, name->len),
                                       .key_len = (uint32_t)name->len },
                             .size = size };
    if (name->len > 0)
        memcpy(topic->name, name->ptr, name->len);
    if (dict_insert(pubsub_topics(self, pattern), &topic->node) == SP_OK)
        return topic;
    kv_heap_free(&self->heap, topic, size);
    return NULL;
}

static void topic_drop_unheard(struct pubsub *self, struct topic *topic, bool pattern)
{
    struct dict *topics = pubsub_topics(self, pattern);
    if (topic->first != NULL)
        return;
    dict_remove(topics, dict_find(topics, topic->name, topic->node.key_len, topic->node.hash));
    kv_heap_free(&self->heap, topic, topic->size);
}

/* --- subscribers ------------------------------------------------------------------------- */

static struct subscriber *subscriber_find(struct pubsub *self, sp_pid pid)
{
    uint64_t key = sp_pid_key(pid);
    struct dict_node **link =
        dict_find(&self->subscribers, &key, sizeof(key), pubsub_hash(self, &key, sizeof(key)));
    return link == NULL ? NULL : (struct subscriber *)*link;
}

static struct subscriber *subscriber_create(struct pubsub *self, sp_pid pid)
{
    uint64_t key = sp_pid_key(pid);
    struct subscriber *subscriber = kv_heap_alloc(&self->heap, sizeof(*subscriber));
    if (subscriber == NULL)
        return NULL;
    *subscriber = (struct subscriber){
        .node = { .hash = pubsub_hash(self, &key, sizeof(key)), .key_len = sizeof(key) },
        .key = key,
        .pid = pid,
    };
    if (sp_monitor(pid, &subscriber->monitor) == SP_OK) {
        if (dict_insert(&self->subscribers, &subscriber->node) == SP_OK)
            return subscriber;
        sp_demonitor(subscriber->monitor, SP_DEMONITOR_FLUSH);
    }
    kv_heap_free(&self->heap, subscriber, sizeof(*subscriber));
    return NULL;
}

static void subscriber_drop_silent(struct pubsub *self, struct subscriber *subscriber)
{
    if (subscriber->first != NULL)
        return;
    sp_demonitor(subscriber->monitor, SP_DEMONITOR_FLUSH);
    dict_remove(&self->subscribers, dict_find(&self->subscribers, &subscriber->key,
                                              sizeof(subscriber->key), subscriber->node.hash));
    kv_heap_free(&self->heap, subscriber, sizeof(*subscriber));
}

/* --- subscriptions ----------------------------------------------------------------------- */

static struct subscription *subscription_find(const struct topic *topic,
                                              const struct subscriber *subscriber)
{
    /* A client has few subscriptions, a channel may have many subscribers. */
    struct subscription *at = subscriber->first;
    while (at != NULL && at->topic != topic)
        at = at->subscriber_next;
    return at;
}

static sp_err subscription_add(struct pubsub *self, struct topic *topic,
                               struct subscriber *subscriber, bool pattern)
{
    struct subscription *new = kv_heap_alloc(&self->heap, sizeof(*new));
    if (new == NULL)
        return SP_ERR_NOMEM;
    *new = (struct subscription){ .topic = topic,
                                  .subscriber = subscriber,
                                  .topic_next = topic->first,
                                  .topic_link = &topic->first,
                                  .subscriber_next = subscriber->first,
                                  .subscriber_link = &subscriber->first,
                                  .pattern = pattern };
    if (topic->first != NULL)
        topic->first->topic_link = &new->topic_next;
    if (subscriber->first != NULL)
        subscriber->first->subscriber_link = &new->subscriber_next;
    topic->first = new;
    subscriber->first = new;
    return SP_OK;
}

/* The topic goes with its last subscription; the subscriber is left to the caller. */
static void subscription_remove(struct pubsub *self, struct subscription *old)
{
    *old->topic_link = old->topic_next;
    if (old->topic_next != NULL)
        old->topic_next->topic_link = old->topic_link;
    *old->subscriber_link = old->subscriber_next;
    if (old->subscriber_next != NULL)
        old->subscriber_next->subscriber_link = old->subscriber_link;
    topic_drop_unheard(self, old->topic, old->pattern);
    kv_heap_free(&self->heap, old, sizeof(*old));
}

static sp_err pubsub_begin(struct pubsub *self, const struct kv_listen *in,
                           const struct kv_arg *name)
{
    struct subscriber *subscriber = subscriber_find(self, in->pid);
    if (subscriber == NULL && (subscriber = subscriber_create(self, in->pid)) == NULL)
        return SP_ERR_NOMEM;
    struct topic *topic = topic_find(self, in->pattern, name);
    if (topic == NULL)
        topic = topic_create(self, in->pattern, name);
    sp_err err = topic == NULL ? SP_ERR_NOMEM : SP_OK;
    if (topic != NULL && subscription_find(topic, subscriber) == NULL)
        err = subscription_add(self, topic, subscriber, in->pattern);
    if (topic != NULL)
        topic_drop_unheard(self, topic, in->pattern);
    subscriber_drop_silent(self, subscriber);
    return err;
}

static void pubsub_end(struct pubsub *self, const struct kv_listen *in, const struct kv_arg *name)
{
    struct subscriber *subscriber = subscriber_find(self, in->pid);
    struct topic *topic = topic_find(self, in->pattern, name);
    if (subscriber == NULL || topic == NULL)
        return;
    struct subscription *subscription = subscription_find(topic, subscriber);
    if (subscription != NULL)
        subscription_remove(self, subscription);
    subscriber_drop_silent(self, subscriber);
}

static sp_err kv_pubsub_on_listen(struct pubsub *self, const struct kv_listen *in,
                                  struct kv_listen_result *out)
{
    struct kv_arg name = { in->name, in->name_len };
    (void)out;
    if (in->on)
        return pubsub_begin(self, in, &name);
    pubsub_end(self, in, &name);
    return SP_OK;
}

static void kv_pubsub_down(struct pubsub *self, const struct sp_down *down)
{
    struct subscriber *subscriber = subscriber_find(self, down->pid);
    if (subscriber == NULL)
        return;
    while (subscriber->first != NULL)
        subscription_remove(self, subscriber->first);
    subscriber_drop_silent(self, subscriber);
}

/* --- publishing -------------------------------------------------------------------------- */

struct publication {
    struct pubsub *pubsub;
    sp_pid from;
    struct kv_arg channel;
    struct kv_arg message;
    uint64_t heard;
};

static void publication_tell(struct publication *sent, const struct subscriber *subscriber,
                             struct kv_note *note)
{
    struct kv_delivery delivery = kv_note_share(note);
    kv_connection_ref connection = { subscriber->pid };
    sp_err err = kv_connection_deliver(connection, &delivery);
    if (err == SP_OK) {
        sent->heard++;
    } else if (err == SP_ERR_FULL) {
        kv_count(&sent->pubsub->world->counters.slow_readers);
        sp_ignore(sp_kill(subscriber->pid));
    }
}

/* To all that listen to `topic`; the note is made for the first one that is told. */
static void publication_send(struct publication *sent, const struct topic *topic, bool pattern)
{
    struct kv_arg name = { topic->name, topic->node.key_len };
    struct kv_delivery note = { NULL };
    for (struct subscription *at = topic->first; at != NULL; at = at->topic_next) {
        if (sp_pid_equal(at->subscriber->pid, sent->from))
            continue;
        if (note.note == NULL)
            note.note = kv_note_create(pattern ? &name : NULL, &sent->channel, &sent->message);
        if (note.note == NULL)
            return;
        publication_tell(sent, at->subscriber, note.note);
    }
    kv_delivery_drop(&note);
}

static void publication_match(struct dict_node *node, void *arg)
{
    struct topic *topic = (struct topic *)node;
    struct publication *sent = arg;
    if (kv_glob_match(topic->name, topic->node.key_len, sent->channel.ptr, sent->channel.len,
                      false))
        publication_send(sent, topic, true);
}

static sp_err kv_pubsub_on_publish(struct pubsub *self, const struct kv_publish_order *in,
                                   struct kv_published *out)
{
    struct publication sent = { .pubsub = self,
                                .from = in->from,
                                .channel = { in->bytes, in->channel_len },
                                .message = { in->bytes + in->channel_len, in->message_len } };
    const struct topic *topic = topic_find(self, false, &sent.channel);
    if (topic != NULL)
        publication_send(&sent, topic, false);
    dict_each(&self->patterns, publication_match, &sent);
    out->heard = sent.heard;
    return SP_OK;
}

static sp_err kv_pubsub_on_figures(struct pubsub *self, const sp_empty *in,
                                   struct kv_pubsub_figures *out)
{
    (void)in;
    *out = (struct kv_pubsub_figures){ self->channels.count, self->patterns.count };
    return SP_OK;
}

/* --- life -------------------------------------------------------------------------------- */

static void pubsub_release(void *arg)
{
    kv_heap_finish(&((struct pubsub *)arg)->heap);
}

static sp_err kv_pubsub_init(struct pubsub *self, const struct kv_pubsub_args *args)
{
    self->world = args->world;
    kv_heap_init(&self->heap, 0);
    dict_init(&self->channels, &self->heap, offsetof(struct topic, name));
    dict_init(&self->patterns, &self->heap, offsetof(struct topic, name));
    dict_init(&self->subscribers, &self->heap, offsetof(struct subscriber, key));
    return sp_defer(pubsub_release, self);
}

SP_STATE(kv_pubsub, struct pubsub);
SP_ON_INIT(kv_pubsub);
SP_ON_DOWN(kv_pubsub);
SP_ON_CALL(kv_pubsub, listen);
SP_ON_CALL(kv_pubsub, publish);
SP_ON_CALL(kv_pubsub, figures);
SP_CLASS(kv_pubsub, .init = kv_pubsub__init, .on_down = kv_pubsub__down);
