/* The registry of clients. See clients.h. */
#include "clients.h"

#include "connection.h"

#include <stdlib.h>

enum { CLIENTS_ROUND_KEY = 1 }; /* of the timer */

#define CLIENTS_ROUND_TIME sp_ms(250)

struct client {
    struct dict_node node;
    uint64_t key;        /* of the pid; the key of the node */
    struct client *next; /* in order of registration */
    struct client **link;
    uint64_t id;
    sp_pid pid;
    uint64_t answered; /* the last round it answered */
    size_t len;
    char *line;
};

struct clients {
    struct kv_world *world;
    struct kv_heap heap;
    struct dict by_pid;
    struct client *first;
    struct client **last;
    uint64_t round;
    uint64_t awaited;   /* answers that are missing in this round */
    sp_request *askers; /* of this round; process memory */
    size_t asker_count;
    size_t asker_cap;
};

void kv_client_line_drop(struct kv_client_line *line)
{
    free(line->line);
    line->line = NULL;
}

void kv_client_lines_drop(struct kv_client_lines *lines)
{
    free(lines->text);
    lines->text = NULL;
}

/* --- clients ----------------------------------------------------------------------------- */

static uint32_t clients_hash(const struct clients *self, uint64_t key)
{
    return (uint32_t)kv_hash(&self->world->seed, &key, sizeof(key));
}

static struct dict_node **clients_find(struct clients *self, sp_pid pid)
{
    uint64_t key = sp_pid_key(pid);
    return dict_find(&self->by_pid, &key, sizeof(key), clients_hash(self, key));
}

/* Without memory the client is not listed. */
static struct client *clients_add(struct clients *self, const struct kv_client_line *in)
{
    struct client *client = kv_heap_alloc(&self->heap, sizeof(*client));
    sp_monitor_ref monitor;
    if (client == NULL)
        return NULL;
    uint64_t key = sp_pid_key(in->pid);
    *client = (struct client){
        .node = { .hash = clients_hash(self, key), .key_len = sizeof(key) },
        .key = key,
        .id = in->id,
        .pid = in->pid,
        .link = self->last,
    };
    if (dict_insert(&self->by_pid, &client->node) != SP_OK) {
        kv_heap_free(&self->heap, client, sizeof(*client));
        return NULL;
    }
    *self->last = client;
    self->last = &client->next;
    sp_ignore(sp_monitor(in->pid, &monitor));
    return client;
}

static void clients_remove(struct clients *self, struct client *client)
{
    *client->link = client->next;
    if (client->next != NULL)
        client->next->link = client->link;
    else
        self->last = client->link;
    free(client->line);
    kv_heap_free(&self->heap, client, sizeof(*client));
}

/* --- rounds ------------------------------------------------------------------------------ */

static bool clients_round_runs(const struct clients *self)
{
    return self->asker_count > 0;
}

static sp_err clients_collect(const struct clients *self, struct kv_client_lines *out)
{
    size_t len = 0;
    for (const struct client *client = self->first; client != NULL; client = client->next)
        len += client->len + 1;
    *out = (struct kv_client_lines){ .len = len, .text = malloc(len + 1) };
    if (out->text == NULL)
        return SP_ERR_NOMEM;
    char *at = out->text;
    for (const struct client *client = self->first; client != NULL; client = client->next) {
        memcpy(at, client->line, client->len);
        at += client->len;
        *at++ = '\n';
    }
    return SP_OK;
}

static void clients_round_end(struct clients *self)
{
    for (size_t i = 0; i < self->asker_count; i++) {
        struct kv_client_lines lines;
        if (clients_collect(self, &lines) == SP_OK)
            sp_ignore(kv_clients_list_reply(self->askers[i], &lines));
        else
            sp_ignore(sp_request_fail(self->askers[i], SP_ERR_NOMEM));
    }
    self->asker_count = 0;
    sp_ignore(sp_timer_cancel_key(CLIENTS_ROUND_KEY, NULL));
}

static void clients_answered(struct clients *self, struct client *client)
{
    if (!clients_round_runs(self) || client->answered == self->round)
        return;
    client->answered = self->round;
    if (--self->awaited == 0)
        clients_round_end(self);
}

static void clients_round_begin(struct clients *self)
{
    struct sp_timer_options options = { .after = CLIENTS_ROUND_TIME, .key = CLIENTS_ROUND_KEY };
    kv_clients_ref ref = { sp_self() };
    self->round++;
    self->awaited = 0;
    for (struct client *client = self->first; client != NULL; client = client->next) {
        kv_connection_ref connection = { client->pid };
        client->answered = 0;
        self->awaited++;
        /* Who cannot be told is waited for until the time is over, or its DOWN. */
        sp_ignore(kv_connection_describe(connection, &self->round));
    }
    if (kv_clients_round_over_timer(ref, &self->round, &options, NULL) != SP_OK)
        clients_round_end(self);
}

static void kv_clients_on_round_over(struct clients *self, const uint64_t *in)
{
    if (clients_round_runs(self) && *in == self->round)
        clients_round_end(self);
}

/* --- operations -------------------------------------------------------------------------- */

/* Takes the line. NULL: not listed, for want of memory. */
static struct client *clients_update(struct clients *self, const struct kv_client_line *in)
{
    struct dict_node **link = clients_find(self, in->pid);
    struct client *client = link != NULL ? (struct client *)*link : clients_add(self, in);
    if (client == NULL)
        return NULL;
    free(client->line);
    client->line = in->line;
    client->len = in->len;
    ((struct kv_client_line *)(uintptr_t)in)->line = NULL; /* moved here */
    return client;
}

static void kv_clients_on_described(struct clients *self, const struct kv_client_line *in)
{
    struct client *client = clients_update(self, in);
    if (client != NULL && in->round == self->round)
        clients_answered(self, client);
}

static sp_err kv_clients_on_list(struct clients *self, const struct kv_client_line *in,
                                 struct kv_client_lines *out)
{
    (void)out;
    if (self->asker_count == self->asker_cap) {
        self->asker_cap = self->asker_cap == 0 ? 4 : self->asker_cap * 2;
        self->askers = sp_realloc(self->askers, self->asker_cap * sizeof(*self->askers));
    }
    struct client *client = clients_update(self, in);
    bool runs = clients_round_runs(self);
    sp_err err = sp_request_take(&self->askers[self->asker_count]);
    if (err != SP_OK)
        return err;
    self->asker_count++;
    if (!runs)
        clients_round_begin(self);
    if (client != NULL)
        clients_answered(self, client);
    return SP_ERR_DEFERRED;
}

static sp_err kv_clients_on_kill(struct clients *self, const uint64_t *in, sp_empty *out)
{
    (void)out;
    for (const struct client *client = self->first; client != NULL; client = client->next)
        if (client->id == *in)
            return sp_signal(client->pid, sp_reason_shutdown()) == SP_OK ? SP_OK : SP_ERR_NOTFOUND;
    return SP_ERR_NOTFOUND;
}

static void kv_clients_down(struct clients *self, const struct sp_down *down)
{
    struct dict_node **link = clients_find(self, down->pid);
    if (link == NULL)
        return;
    struct client *client = (struct client *)dict_remove(&self->by_pid, link);
    clients_answered(self, client);
    clients_remove(self, client);
}

/* --- life -------------------------------------------------------------------------------- */

static void clients_release(void *arg)
{
    struct clients *self = arg;
    for (struct client *client = self->first; client != NULL; client = client->next)
        free(client->line);
    kv_heap_finish(&self->heap);
}

static sp_err kv_clients_init(struct clients *self, const struct kv_clients_args *args)
{
    self->world = args->world;
    self->last = &self->first;
    kv_heap_init(&self->heap, 0);
    dict_init(&self->by_pid, &self->heap, offsetof(struct client, key));
    return sp_defer(clients_release, self);
}

SP_STATE(kv_clients, struct clients);
SP_ON_INIT(kv_clients);
SP_ON_DOWN(kv_clients);
SP_ON_CAST(kv_clients, described);
SP_ON_CAST(kv_clients, round_over);
SP_ON_CALL(kv_clients, list);
SP_ON_CALL(kv_clients, kill);
SP_CLASS(kv_clients, .init = kv_clients__init, .on_down = kv_clients__down);
