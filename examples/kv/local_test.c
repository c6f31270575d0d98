/* The store from outside, without a network: what clients see where a reference server cannot
 * be asked (time, limits, lost shards), and the basics where none is installed. */
#include "local.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

struct client {
    struct kv_local local;
    struct resp_out out;
};

static void client_open(struct client *client, uint32_t shards, size_t memory_max)
{
    struct kv_local_options options = { .shards = shards,
                                        .seed = { 8, 9 },
                                        .memory_max = memory_max };
    CHECK_OK(kv_local_init(&client->local, &options));
    resp_out_init(&client->out, 2, 0);
}

static void client_close(struct client *client)
{
    resp_out_finish(&client->out);
    kv_local_finish(&client->local);
}

/* Sends text and returns the replies as a string. */
static const char *ask(struct client *client, const char *text)
{
    client->out.len = 0;
    CHECK_OK(kv_local_feed(&client->local, text, strlen(text), &client->out));
    resp_raw(&client->out, "", 1);
    return client->out.data;
}

TEST(local_answers_the_basics)
{
    struct client client;
    client_open(&client, 4, 0);
    CHECK_STR(ask(&client, "PING\r\n"), "+PONG\r\n");
    CHECK_STR(ask(&client, "set a 1\r\nget a\r\nincr a\r\n"), "+OK\r\n$1\r\n1\r\n:2\r\n");
    CHECK_STR(ask(&client, "mset a 1 b 2 c 3\r\nmget a b c d\r\n"),
              "+OK\r\n*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$-1\r\n");
    CHECK_STR(ask(&client, "del a b nosuch\r\ndbsize\r\n"), ":2\r\n:1\r\n");
    CHECK_STR(ask(&client, "rpush l a b c\r\nlrange l 0 -1\r\nlpop l\r\n"),
              ":3\r\n*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\na\r\n");
    CHECK_STR(ask(&client, "hset h f 1 g 2\r\nhgetall h\r\nget h\r\n"),
              ":2\r\n*4\r\n$1\r\nf\r\n$1\r\n1\r\n$1\r\ng\r\n$1\r\n2\r\n"
              "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    CHECK_STR(ask(&client, "foo a\r\nget\r\n"),
              "-ERR unknown command 'foo', with args beginning with: 'a' \r\n"
              "-ERR wrong number of arguments for 'get' command\r\n");
    CHECK_STR(ask(&client, "flushall\r\ndbsize\r\nrandomkey\r\n"), "+OK\r\n:0\r\n$-1\r\n");
    CHECK_STR(ask(&client, "blpop l 1\r\n"), "*-1\r\n");
    client_close(&client);
}

TEST(local_time_is_the_callers)
{
    struct client client;
    client_open(&client, 2, 0);
    client.local.now_ms = 1000000;
    ask(&client, "set k v px 1500\r\n");
    CHECK_STR(ask(&client, "pttl k\r\nttl k\r\npexpiretime k\r\n"), ":1500\r\n:2\r\n:1001500\r\n");
    client.local.now_ms += 1001;
    CHECK_STR(ask(&client, "ttl k\r\nexpiretime k\r\n"), ":0\r\n:1002\r\n");
    client.local.now_ms += 499;
    CHECK_STR(ask(&client, "get k\r\npttl k\r\n"), "$1\r\nv\r\n:0\r\n");
    client.local.now_ms += 1;
    CHECK_STR(ask(&client, "get k\r\nttl k\r\nkeys *\r\nscan 0\r\n"),
              "$-1\r\n:-2\r\n*0\r\n*2\r\n$1\r\n0\r\n*0\r\n");
    ask(&client, "set a 1 px 10\r\nset b 1\r\n");
    client.local.now_ms += 11;
    CHECK_STR(ask(&client, "randomkey\r\nrandomkey\r\nkeys *\r\n"),
              "$1\r\nb\r\n$1\r\nb\r\n*1\r\n$1\r\nb\r\n");
    client_close(&client);
}

TEST(local_same_seed_gives_the_same_bytes)
{
    struct client one, two;
    char line[64];
    client_open(&one, 3, 0);
    client_open(&two, 3, 0);
    for (int i = 0; i < 300; i++) {
        snprintf(line, sizeof(line), "set key:%d %d\r\n", i, i);
        ask(&one, line);
        ask(&two, line);
    }
    for (int i = 0; i < 50; i++)
        CHECK_STR(ask(&one, "randomkey\r\nscan 7\r\nkeys *1*\r\n"),
                  ask(&two, "randomkey\r\nscan 7\r\nkeys *1*\r\n"));
    client_close(&one);
    client_close(&two);
}

/* Byte by byte, the replies are the same as for the whole. */
TEST(local_bytewise_input_gives_the_same_replies)
{
    static const char text[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nvalue\r\nGET k\r\n"
                               "*2\r\n$4\r\nMGET\r\n$1\r\nk\r\nHELLO 3\r\nGET nosuch\r\nQUIT\r\n";
    struct client whole, bytes;
    client_open(&whole, 4, 0);
    client_open(&bytes, 4, 0);
    CHECK_OK(kv_local_feed(&whole.local, text, sizeof(text) - 1, &whole.out));
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        CHECK_OK(kv_local_feed(&bytes.local, text + i, 1, &bytes.out));
    CHECK_INT(whole.out.len, bytes.out.len);
    CHECK_MEM(whole.out.data, bytes.out.data, whole.out.len);
    CHECK(whole.local.closed && bytes.local.closed);
    CHECK_ERR(kv_local_feed(&whole.local, "x", 1, &whole.out), SP_ERR_CLOSED);
    client_close(&whole);
    client_close(&bytes);
}

TEST(local_scan_returns_every_key_of_every_shard)
{
    struct client client;
    char line[64];
    static char seen[1000];
    client_open(&client, 7, 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(line, sizeof(line), "set %d x\r\n", i);
        ask(&client, line);
    }
    unsigned long long cursor = 0;
    do {
        snprintf(line, sizeof(line), "scan %llu count 13\r\n", cursor);
        const char *at = strchr(strchr(ask(&client, line), '$'), '\n') + 1;
        cursor = strtoull(at, NULL, 10);
        for (at = strchr(at, '$'); at != NULL; at = strchr(at + 1, '$'))
            seen[atoi(strchr(at, '\n') + 1)] = 1;
    } while (cursor != 0);
    for (int i = 0; i < 1000; i++)
        CHECK(seen[i]);
    CHECK_CONTAINS(ask(&client, "scan 0 count 100000\r\n"), "*2\r\n$1\r\n0\r\n*1000\r\n");
    client_close(&client);
}

TEST(local_over_its_memory_refuses_writes_and_goes_on)
{
    struct client client;
    char line[600];
    client_open(&client, 1, 20000);
    bool refused = false;
    for (int i = 0; i < 100 && !refused; i++) {
        snprintf(line, sizeof(line), "set key:%d %0500d\r\n", i, i);
        refused = strcmp(ask(&client, line), "-OOM command not allowed when used memory > "
                                             "'maxmemory'.\r\n") == 0;
    }
    CHECK(refused);
    CHECK_CONTAINS(ask(&client, "get key:0\r\n"), "$500\r\n");
    CHECK_CONTAINS(ask(&client, "setrange big 536870000 x\r\n"), "-OOM");
    CHECK_STR(ask(&client, "exists big\r\n"), ":0\r\n");
    CHECK_STR(ask(&client, "flushall\r\nset k v\r\n"), "+OK\r\n+OK\r\n");
    client_close(&client);
}

/* --- a pipeline whose shards do not all come back --------------------------------------- */

static void add_words(struct kv_pipeline *pipeline, const char *const *words)
{
    struct kv_arg argv[16];
    size_t argc = 0;
    for (; words[argc] != NULL; argc++)
        argv[argc] = (struct kv_arg){ words[argc], strlen(words[argc]) };
    CHECK_INT(kv_pipeline_add(pipeline, argv, argc), KV_ADDED);
}

#define ADD(pipeline, ...) add_words(pipeline, (const char *const[]){ __VA_ARGS__, NULL })

/* Runs a round in which the shard of `victim` is lost. */
static void run_without(struct client *client, const char *victim)
{
    struct kv_pipeline *pipeline = &client->local.pipeline;
    uint32_t lost = kv_shard_of(kv_hash(&pipeline->seed, victim, strlen(victim)), pipeline->shards);
    for (uint32_t shard = 0; shard < pipeline->shards; shard++) {
        struct kv_batch *batch = kv_pipeline_take(pipeline, shard);
        if (batch == NULL)
            continue;
        if (shard == lost) {
            kv_batch_destroy(batch);
            kv_pipeline_lose(pipeline, shard, "ERR the shard crashed");
        } else {
            kv_batch_run(batch, &client->local.store[shard], NULL, 0);
            kv_pipeline_done(pipeline, shard, batch);
        }
    }
    CHECK(!kv_pipeline_next(pipeline));
    client->out.len = 0;
    kv_pipeline_merge(pipeline, &client->out);
    resp_raw(&client->out, "", 1);
}

/* A key that lies in another shard than `other`. */
static const char *key_apart(const struct kv_pipeline *pipeline, const char *other, char text[32])
{
    uint32_t shard = kv_shard_of(kv_hash(&pipeline->seed, other, strlen(other)), pipeline->shards);
    for (int i = 0;; i++) {
        snprintf(text, 32, "other-%d", i);
        if (kv_shard_of(kv_hash(&pipeline->seed, text, strlen(text)), pipeline->shards) != shard)
            return text;
    }
}

TEST(config_set_switches_all_or_nothing)
{
    struct client client;
    client_open(&client, 1, 0);
    CHECK_STR(ask(&client, "config set metrics yes tracing no\r\nconfig get metrics\r\n"),
              "+OK\r\n*2\r\n$7\r\nmetrics\r\n$3\r\nyes\r\n");
    CHECK_STR(ask(&client, "config set tracing yes metrics maybe\r\n"),
              "-ERR CONFIG SET failed (possibly related to argument 'metrics') - argument must be "
              "'yes' or 'no'\r\n");
    CHECK_STR(ask(&client, "config set tracing yes tracing no\r\n"),
              "-ERR CONFIG SET failed (possibly related to argument 'tracing') - duplicate "
              "parameter\r\n");
    CHECK_STR(ask(&client, "config set tracing yes save x\r\n"),
              "-ERR CONFIG SET failed (possibly related to argument 'save') - can't set immutable "
              "config\r\n");
    CHECK_STR(ask(&client, "config set tracing yes nosuch x\r\n"),
              "-ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'\r\n");
    CHECK_STR(ask(&client, "config set tracing yes metrics\r\n"),
              "-ERR wrong number of arguments for 'config|set' command\r\n");
    CHECK_STR(ask(&client, "config get tracing\r\n"), "*2\r\n$7\r\ntracing\r\n$2\r\nno\r\n");
    client_close(&client);
}

TEST(pipeline_lost_shard_fails_only_its_own_requests)
{
    struct client client;
    char text[32];
    client_open(&client, 4, 0);
    struct kv_pipeline *pipeline = &client.local.pipeline;
    const char *other = key_apart(pipeline, "gone", text);
    ADD(pipeline, "set", other, "1");
    ADD(pipeline, "get", "gone");
    ADD(pipeline, "ping");
    ADD(pipeline, "mget", other, "gone");
    ADD(pipeline, "get", other);
    ADD(pipeline, "dbsize");
    run_without(&client, "gone");
    CHECK_STR(client.out.data,
              "+OK\r\n-ERR the shard crashed\r\n+PONG\r\n-ERR the shard crashed\r\n"
              "$1\r\n1\r\n-ERR the shard crashed\r\n");
    ADD(pipeline, "get", "gone");
    run_without(&client, "gone");
    CHECK_STR(client.out.data, "-ERR the shard crashed\r\n");
    ADD(pipeline, "get", other);
    run_without(&client, "gone");
    CHECK_STR(client.out.data, "$1\r\n1\r\n");
    client_close(&client);
}

TEST(pipeline_sends_one_batch_to_each_shard)
{
    struct client client;
    char text[32];
    client_open(&client, 2, 0);
    struct kv_pipeline *pipeline = &client.local.pipeline;
    const char *other = key_apart(pipeline, "a", text);
    for (int i = 0; i < 5; i++) {
        ADD(pipeline, "incr", "a");
        ADD(pipeline, "incr", other);
    }
    for (uint32_t shard = 0; shard < 2; shard++) {
        struct kv_batch *batch = kv_pipeline_take(pipeline, shard);
        CHECK_INT(batch->items, 5);
        CHECK(kv_pipeline_take(pipeline, shard) == NULL);
        kv_batch_run(batch, &client.local.store[shard], NULL, 0);
        kv_pipeline_done(pipeline, shard, batch);
        CHECK(kv_pipeline_take(pipeline, shard) == NULL);
    }
    kv_pipeline_merge(pipeline, &client.out);
    resp_raw(&client.out, "", 1);
    CHECK_STR(client.out.data, ":1\r\n:1\r\n:2\r\n:2\r\n:3\r\n:3\r\n:4\r\n:4\r\n:5\r\n:5\r\n");
    client_close(&client);
}

TEST(pipeline_runs_some_commands_alone)
{
    struct client client;
    client_open(&client, 2, 0);
    struct kv_pipeline *pipeline = &client.local.pipeline;
    struct kv_arg scan[] = { { "scan", 4 }, { "0", 1 } };
    struct kv_arg publish[] = { { "publish", 7 }, { "c", 1 }, { "m", 1 } };
    ADD(pipeline, "set", "k", "v");
    CHECK_INT(kv_pipeline_add(pipeline, scan, 2), KV_ALONE);
    CHECK_INT(kv_pipeline_add(pipeline, publish, 3), KV_ALONE);
    CHECK_INT(pipeline->steps, 1);
    client_close(&client);
}

TEST(pipeline_blocking_pop_says_when_it_found_nothing)
{
    struct client client;
    client_open(&client, 3, 0);
    struct kv_pipeline *pipeline = &client.local.pipeline;
    struct kv_arg argv[] = { { "blpop", 5 }, { "a", 1 }, { "b", 1 }, { "c", 1 }, { "0", 1 } };
    CHECK_INT(kv_pipeline_add(pipeline, argv, 5), KV_ADDED);
    int rounds = 0;
    do {
        rounds++;
        for (uint32_t shard = 0; shard < 3; shard++) {
            struct kv_batch *batch = kv_pipeline_take(pipeline, shard);
            if (batch != NULL) {
                kv_batch_run(batch, &client.local.store[shard], NULL, 0);
                kv_pipeline_done(pipeline, shard, batch);
            }
        }
    } while (kv_pipeline_next(pipeline));
    CHECK_INT(rounds, 3);
    CHECK(kv_pipeline_blocks(pipeline));
    kv_pipeline_merge(pipeline, &client.out);
    CHECK_INT(client.out.len, 0);
    client_close(&client);
}

/* A connection that had a burst of commands keeps little once it is idle. */
TEST(pipeline_gives_back_what_a_burst_took)
{
    struct client client;
    client_open(&client, 4, 0);
    char *text = malloc(200000);
    size_t len = 0;
    for (int i = 0; i < 4000; i++)
        len += (size_t)sprintf(text + len, "set key:%d %0*d\r\n", i, 20, i);
    CHECK_OK(kv_local_feed(&client.local, text, len, &client.out));
    const struct kv_batch *spare = client.local.pipeline.spare;
    CHECK(spare->item_cap * sizeof(*spare->item) + spare->span_cap * sizeof(*spare->span) +
              spare->bytes_cap + spare->out.cap <=
          5000);
    CHECK(client.local.pipeline.step_cap <= 256);
    free(text);
    client_close(&client);
}

TEST(index_finds_every_command_and_nothing_else)
{
    struct kv_command_index index;
    kv_command_index_init(&index);
    for (size_t i = 0; i < index.count; i++) {
        const char *name = index.command[i]->name;
        struct kv_arg arg = { name, strlen(name) };
        CHECK_PTR(kv_command_find(&index, &arg), index.command[i]);
        arg.len--;
        const struct kv_command *shorter = kv_command_find(&index, &arg);
        CHECK(shorter != index.command[i]);
    }
    struct kv_arg empty = { "", 0 };
    CHECK(kv_command_find(&index, &empty) == NULL);
}
