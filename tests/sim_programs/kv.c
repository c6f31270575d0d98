/* spawned-kv in a simulated world: its own main function runs as a node, and clients are others.
 *
 * Shards crash while several clients work. Nobody hangs, nobody gets an answer that does not
 * belong to his question, and what a client wrote is there or, after a crash of the shard that had
 * it, is gone; nothing else.
 */
#include <spawned/listener.h>
#include <spawned/sim.h>
#include <spawned/spawned.h>
#include <spawned/stream.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KV_CLIENTS = 3,
    KV_ROUNDS = 4,
    KV_SHARDS = 2,
    KV_LINE_MAX = 128,
    KV_BEAT_US = 20000,
    KV_WAY_US = 200,
};

struct client {
    sp_sim *s;
    struct sp_stream *stream;
    int number;
    int lost;      /* keys that were gone */
    bool tolerant; /* connections may break */
    bool broken;   /* this one has */
    bool beats;    /* it asks when all do */
    bool done;
    char input[512]; /* read and not looked at */
    size_t length;
};

static sp_deadline kv_patience(void)
{
    return sp_after_sec(3600);
}

static void kv_connect(struct client *self)
{
    self->broken = false;
    self->length = 0;
    for (int i = 0; i < 10000; i++) {
        if (sp_connect("kv:7379", NULL, kv_patience(), &self->stream) == SP_OK)
            return;
        sp_sleep(sp_ms(20));
    }
    sp_sim_fail(self->s, "client %d cannot connect", self->number);
}

/* What became of a connection. */
static void kv_check(struct client *self, sp_err err)
{
    self->broken = self->broken || err != SP_OK;
    sp_sim_check(self->s, err == SP_OK || self->tolerant, "client %d: %s", self->number,
                 sp_err_text(err));
}

/* The next line of a reply, without its end; empty where the connection is broken. */
static void kv_line(struct client *self, char line[KV_LINE_MAX])
{
    line[0] = '\0';
    for (;;) {
        char *end = memchr(self->input, '\n', self->length);
        if (end != NULL) {
            size_t size = (size_t)(end - self->input);
            sp_sim_check(self->s, size > 0 && size < KV_LINE_MAX, "a line of %zu bytes", size);
            memcpy(line, self->input, size - 1);
            line[size - 1] = '\0';
            self->length -= size + 1;
            memmove(self->input, end + 1, self->length);
            return;
        }
        size_t count = 0;
        kv_check(self, sp_stream_read(self->stream, self->input + self->length,
                                      sizeof(self->input) - self->length, kv_patience(), &count));
        if (self->broken)
            return;
        self->length += count;
    }
}

static void kv_send(struct client *self, const char *request)
{
    if (!self->broken)
        kv_check(self, sp_stream_write(self->stream, request, strlen(request), kv_patience()));
}

/* A reply of one line, or a string ("" for none: `null`). */
static void kv_reply(struct client *self, char text[KV_LINE_MAX], bool *null)
{
    if (!self->broken)
        kv_line(self, text);
    *null = strcmp(text, "$-1") == 0;
    if (text[0] == '$' && !*null && !self->broken) {
        int size = atoi(text + 1);
        kv_line(self, text);
        sp_sim_check(self->s, (int)strlen(text) == size || self->broken,
                     "a string of %d bytes is \"%s\"", size, text);
    }
}

/* Its shard has crashed while it was asked: that is an answer. */
static bool kv_is_loss(const char *text)
{
    return strncmp(text, "-ERR shard", 10) == 0;
}

static void kv_again(struct client *self)
{
    if (!self->broken)
        return;
    sp_sometimes(true, "a connection broke");
    sp_stream_drop(self->stream);
    kv_connect(self);
}

/* Until everybody asks at once: whatever crashes then is being asked. */
static void kv_beat(void)
{
    int64_t into = sp_now().ns / 1000 % KV_BEAT_US;
    sp_sleep(sp_us(KV_BEAT_US - into));
}

static void kv_work(struct client *self)
{
    char request[KV_LINE_MAX];
    char reply[KV_LINE_MAX];
    char value[32];
    bool null;
    for (int round = 0; round < KV_ROUNDS; round++) {
        (void)snprintf(value, sizeof(value), "c%dr%d", self->number, round);
        /* Two requests at once, so that replies might be mixed up. */
        (void)snprintf(request, sizeof(request), "SET k%d-%d %s\r\nGET k%d-%d\r\n", self->number,
                       round, value, self->number, round);
        if (self->beats)
            kv_beat();
        kv_send(self, request);
        kv_reply(self, reply, &null);
        sp_sim_check(self->s, strcmp(reply, "+OK") == 0 || kv_is_loss(reply) || self->broken,
                     "SET says \"%s\"", reply);
        kv_reply(self, reply, &null);
        sp_sim_check(self->s,
                     strcmp(reply, value) == 0 || null || kv_is_loss(reply) || self->broken,
                     "client %d asks for \"%s\" and gets \"%s\"", self->number, value, reply);
        kv_again(self);
        self->lost += null || kv_is_loss(reply);
        sp_sometimes(null, "a key was lost between SET and GET");
        sp_sometimes(kv_is_loss(reply), "a shard crashed while it was asked");
    }
}

static void client_main(void *arg)
{
    struct client *self = arg;
    kv_connect(self);
    kv_work(self);
    sp_ignore(sp_stream_close(self->stream, kv_patience()));
    self->done = true;
}

/* Makes shards crash, one after another. */
static void trouble_main(void *arg)
{
    struct client *self = arg;
    char request[KV_LINE_MAX];
    char reply[KV_LINE_MAX];
    bool null;
    kv_connect(self);
    for (int i = 0; i < 2; i++) {
        for (uint32_t beats = 1 + sp_choose(KV_ROUNDS / 2); beats > 0; beats--)
            kv_beat();
        (void)snprintf(request, sizeof(request), "DEBUG CRASH-SHARD %u\r\n", sp_choose(KV_SHARDS));
        kv_send(self, request);
        kv_reply(self, reply, &null);
        kv_again(self);
    }
    sp_ignore(sp_stream_close(self->stream, kv_patience()));
    self->done = true;
}

static void all_done(void *arg)
{
    struct client *clients = arg;
    for (int i = 0; i < KV_CLIENTS + 1; i++)
        while (!clients[i].done)
            sp_sleep(sp_sec(1));
}

static void kv_test(sp_sim *s, bool trouble, bool tolerant)
{
    struct client clients[KV_CLIENTS + 1];
    const char *const args[] = { "--port", "7379",      "--bind", "0.0.0.0", "--shards",
                                 "2",      "--workers", "1",      NULL };
    sp_sim_node *kv = sp_sim_start_main(s, "kv", sp_sim_program, args);
    for (int i = 0; i < KV_CLIENTS; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "client%d", i);
        clients[i] = (struct client){ .s = s, .number = i, .tolerant = tolerant, .beats = trouble };
        sp_sim_node *client = sp_sim_start(s, name, client_main, &clients[i]);
        if (trouble)
            sp_sim_latency(s, client, kv, sp_us(KV_WAY_US), sp_us(KV_WAY_US));
    }
    clients[KV_CLIENTS] =
        (struct client){ .s = s, .number = KV_CLIENTS, .tolerant = tolerant, .done = !trouble };
    if (trouble) {
        sp_sim_node *client = sp_sim_start(s, "trouble", trouble_main, &clients[KV_CLIENTS]);
        sp_sim_latency(s, client, kv, sp_us(KV_WAY_US), sp_us(KV_WAY_US));
    }
    sp_sim_node *last = sp_sim_start(s, "last", all_done, clients);
    while (!sp_sim_ended(last))
        sp_sim_run_for(s, sp_sec(1));
    sp_sim_stop(kv);
    sp_sim_run(s);
    sp_sim_check(s, sp_sim_status(kv) == 0, "the program ends with %d", sp_sim_status(kv));
    for (int i = 0; i < KV_CLIENTS && !trouble && !tolerant; i++)
        sp_sim_check(s, clients[i].lost == 0, "client %d lost %d keys", i, clients[i].lost);
}

SP_SIM_TEST(kv_clients_get_what_they_set)
{
    kv_test(s, false, false);
}

SP_SIM_TEST(kv_a_crashing_shard_harms_nobody_else, .crashes = true)
{
    kv_test(s, true, false);
}

/* Clients whose connections break connect again; nobody gets what is not his, and the program ends
 * in good order. */
SP_SIM_TEST(kv_a_bad_network_mixes_up_nothing, .crashes = true, .faults = SP_SIM_NET_ALL,
            .faults_until = { 20 * SP_NS_PER_S })
{
    kv_test(s, true, true);
}
