/* Queues of clients that wait for list elements. See waiters.h. */
#include "waiters.h"

struct wait_client;

/* The clients that wait for one key. */
struct wait_queue {
    struct dict_node node;
    struct wait_link *first;
    struct wait_link *last;
    uint64_t hash;
    char key[];
};

/* One client in one queue. */
struct wait_link {
    struct wait_client *client;
    struct wait_queue *queue; /* NULL: the key was named twice, this is the second */
    struct wait_link *next;
    struct wait_link *prev;
};

struct wait_client {
    struct dict_node node;
    uint64_t id; /* the key of the node */
    bool front;
    bool shared;
    bool told; /* shared: its turn has come, and it has not answered yet */
    size_t link_count;
    struct wait_link link[];
};

void kv_waiters_init(struct kv_waiters *waiters, struct kv_store *store, kv_wake_fn wake, void *arg)
{
    *waiters = (struct kv_waiters){ .store = store, .wake = wake, .arg = arg };
    dict_init(&waiters->queues, &store->heap, offsetof(struct wait_queue, key));
    dict_init(&waiters->clients, &store->heap, offsetof(struct wait_client, id));
}

size_t kv_waiters_count(const struct kv_waiters *waiters)
{
    return waiters->clients.count;
}

/* --- queues ------------------------------------------------------------------------------ */

static size_t queue_size(size_t key_len)
{
    return offsetof(struct wait_queue, key) + key_len;
}

static struct wait_queue *queue_find(struct kv_waiters *waiters, const struct kv_key *key)
{
    struct dict_node **link = dict_find(&waiters->queues, key->ptr, key->len, (uint32_t)key->hash);
    return link == NULL ? NULL : (struct wait_queue *)*link;
}

static struct wait_queue *queue_create(struct kv_waiters *waiters, const struct kv_key *key)
{
    struct kv_heap *heap = &waiters->store->heap;
    if (key->len > UINT32_MAX)
        return NULL;
    struct wait_queue *queue = kv_heap_alloc(heap, queue_size(key->len));
    if (queue == NULL)
        return NULL;
    *queue = (struct wait_queue){
        .node = { .hash = (uint32_t)key->hash, .key_len = (uint32_t)key->len },
        .hash = key->hash,
    };
    memcpy(queue->key, key->ptr, key->len);
    if (dict_insert(&waiters->queues, &queue->node) != SP_OK) {
        kv_heap_free(heap, queue, queue_size(key->len));
        return NULL;
    }
    return queue;
}

static void queue_push(struct wait_queue *queue, struct wait_link *link)
{
    link->queue = queue;
    link->next = NULL;
    link->prev = queue->last;
    if (queue->last != NULL)
        queue->last->next = link;
    else
        queue->first = link;
    queue->last = link;
}

/* Takes a link out of its queue, and drops the queue with its last one. */
static void queue_unlink(struct kv_waiters *waiters, struct wait_link *link)
{
    struct wait_queue *queue = link->queue;
    if (queue == NULL)
        return;
    if (link->next != NULL)
        link->next->prev = link->prev;
    else
        queue->last = link->prev;
    if (link->prev != NULL)
        link->prev->next = link->next;
    else
        queue->first = link->next;
    link->queue = NULL;
    if (queue->first != NULL)
        return;
    size_t key_len = queue->node.key_len;
    dict_remove(&waiters->queues,
                dict_find(&waiters->queues, queue->key, key_len, queue->node.hash));
    kv_heap_free(&waiters->store->heap, queue, queue_size(key_len));
}

/* --- clients ----------------------------------------------------------------------------- */

static uint32_t client_hash(const struct kv_waiters *waiters, uint64_t id)
{
    return (uint32_t)kv_hash(&waiters->store->seed, &id, sizeof(id));
}

static struct dict_node **client_find(struct kv_waiters *waiters, uint64_t id)
{
    return dict_find(&waiters->clients, &id, sizeof(id), client_hash(waiters, id));
}

static size_t client_size(size_t links)
{
    return sizeof(struct wait_client) + links * sizeof(struct wait_link);
}

static void client_destroy(struct kv_waiters *waiters, struct wait_client *client)
{
    for (size_t i = 0; i < client->link_count; i++)
        queue_unlink(waiters, &client->link[i]);
    struct dict_node **link = client_find(waiters, client->id);
    if (link != NULL)
        dict_remove(&waiters->clients, link);
    kv_heap_free(&waiters->store->heap, client, client_size(client->link_count));
}

static bool client_waits_in(const struct wait_client *client, const struct wait_queue *queue)
{
    for (size_t i = 0; i < client->link_count; i++)
        if (client->link[i].queue == queue)
            return true;
    return false;
}

/* Puts the client in the queue of each of its keys, once. */
static bool client_enqueue(struct kv_waiters *waiters, struct wait_client *client,
                           const struct kv_wait *wait)
{
    for (size_t i = 0; i < wait->key_count; i++) {
        struct wait_link *link = &client->link[i];
        *link = (struct wait_link){ .client = client };
        struct wait_queue *queue = queue_find(waiters, &wait->keys[i]);
        if (queue == NULL)
            queue = queue_create(waiters, &wait->keys[i]);
        if (queue == NULL)
            return false;
        if (!client_waits_in(client, queue))
            queue_push(queue, link);
        client->link_count++;
    }
    return true;
}

static sp_err client_create(struct kv_waiters *waiters, const struct kv_wait *wait)
{
    struct kv_heap *heap = &waiters->store->heap;
    if (client_find(waiters, wait->client) != NULL)
        return SP_ERR_EXISTS;
    size_t size = client_size(wait->key_count);
    struct wait_client *client = kv_heap_alloc(heap, size);
    if (client == NULL)
        return SP_ERR_NOMEM;
    *client = (struct wait_client){
        .node = { .hash = client_hash(waiters, wait->client), .key_len = sizeof(client->id) },
        .id = wait->client,
        .front = wait->front,
        .shared = wait->shared,
    };
    bool ok = client_enqueue(waiters, client, wait) &&
              dict_insert(&waiters->clients, &client->node) == SP_OK;
    if (ok)
        return SP_OK;
    for (size_t i = 0; i < client->link_count; i++)
        queue_unlink(waiters, &client->link[i]);
    kv_heap_free(heap, client, size);
    return SP_ERR_NOMEM;
}

/* --- serving ----------------------------------------------------------------------------- */

/* Pops an element for the client, if it is there; it then waits no more. */
static void client_serve(struct kv_waiters *waiters, struct wait_client *client,
                         const struct kv_key *key, struct kv_entry *entry)
{
    struct kv_list *list = entry->list;
    struct kv_arg name = { key->ptr, key->len };
    struct kv_arg value = kv_list_at(list, client->front ? 0 : list->count - 1);
    if (waiters->wake(waiters->arg, client->id, &name, &value))
        kv_list_drop(list, client->front);
    if (list->count == 0)
        kv_store_remove(waiters->store, entry);
    client_destroy(waiters, client);
}

static void client_tell(struct kv_waiters *waiters, struct wait_client *client,
                        const struct kv_key *key)
{
    struct kv_arg name = { key->ptr, key->len };
    if (!client->told)
        (void)waiters->wake(waiters->arg, client->id, &name, NULL);
    client->told = true;
}

/* Serves the clients of a queue while there are elements. The queue ends with its last client,
 * and the key may be the queue's own. */
static void queue_serve(struct kv_waiters *waiters, struct wait_queue *queue,
                        const struct kv_key *key, int64_t now_ms)
{
    for (bool last = false; !last;) {
        struct kv_entry *entry = kv_store_find(waiters->store, key, now_ms);
        if (entry == NULL || entry->type != KV_LIST)
            return;
        struct wait_client *client = queue->first->client;
        if (client->shared) {
            client_tell(waiters, client, key);
            return;
        }
        last = queue->first == queue->last;
        client_serve(waiters, client, key, entry);
    }
}

void kv_waiters_serve(struct kv_waiters *waiters, const struct kv_key *key, int64_t now_ms)
{
    struct wait_queue *queue = waiters->queues.count == 0 ? NULL : queue_find(waiters, key);
    if (queue != NULL)
        queue_serve(waiters, queue, key, now_ms);
}

sp_err kv_waiters_add(struct kv_waiters *waiters, const struct kv_wait *wait, int64_t now_ms)
{
    sp_err err = client_create(waiters, wait);
    for (size_t i = 0; i < wait->key_count && err == SP_OK; i++) {
        kv_waiters_serve(waiters, &wait->keys[i], now_ms);
        if (client_find(waiters, wait->client) == NULL)
            break;
    }
    return err;
}

sp_err kv_waiters_rearm(struct kv_waiters *waiters, uint64_t client, int64_t now_ms)
{
    struct dict_node **link = client_find(waiters, client);
    if (link == NULL)
        return SP_ERR_NOTFOUND;
    struct wait_client *waiting = (struct wait_client *)*link;
    waiting->told = false;
    /* Serving never takes a shared client out of its queues, so the links stay valid. */
    for (size_t i = 0; i < waiting->link_count && waiting->shared; i++) {
        struct wait_queue *queue = waiting->link[i].queue;
        if (queue == NULL)
            continue;
        struct kv_key key = { queue->key, queue->node.key_len, queue->hash };
        queue_serve(waiters, queue, &key, now_ms);
    }
    return SP_OK;
}

sp_err kv_waiters_remove(struct kv_waiters *waiters, uint64_t client, int64_t now_ms)
{
    struct dict_node **link = client_find(waiters, client);
    if (link == NULL)
        return SP_ERR_NOTFOUND;
    struct wait_client *waiting = (struct wait_client *)*link;
    dict_remove(&waiters->clients, link);
    /* Out of one queue after the other; those behind it are served at once. */
    for (size_t i = 0; i < waiting->link_count; i++) {
        struct wait_queue *queue = waiting->link[i].queue;
        if (queue == NULL)
            continue;
        bool last = queue->first == queue->last;
        queue_unlink(waiters, &waiting->link[i]);
        if (last)
            continue;
        struct kv_key key = { queue->key, queue->node.key_len, queue->hash };
        queue_serve(waiters, queue, &key, now_ms);
    }
    kv_heap_free(&waiters->store->heap, waiting, client_size(waiting->link_count));
    return SP_OK;
}
