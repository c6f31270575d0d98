#include "waiters.h"

#include "support/test.h"

#include <stdio.h>

/* A shard with clients that wait; what they are told is written down as text. */
struct shard {
    struct kv_store store;
    struct kv_waiters waiters;
    char log[4096];
};

static const struct kv_store_options test_options = { .seed = { 1, 2 } };

static bool shard_wake(void *arg, uint64_t client, const struct kv_arg *key,
                       const struct kv_arg *value)
{
    struct shard *shard = arg;
    size_t len = strlen(shard->log);
    snprintf(shard->log + len, sizeof(shard->log) - len, "%d:%.*s=%.*s ", (int)client,
             (int)key->len, key->ptr, value != NULL ? (int)value->len : 1,
             value != NULL ? value->ptr : "?");
    return true;
}

static void shard_open(struct shard *shard, size_t memory_max)
{
    struct kv_store_options options = test_options;
    options.memory_max = memory_max;
    kv_store_init(&shard->store, &options);
    kv_waiters_init(&shard->waiters, &shard->store, shard_wake, shard);
    shard->log[0] = '\0';
}

static struct kv_key key_of(const char *text)
{
    size_t len = strlen(text);
    return (struct kv_key){ text, len, kv_hash(&test_options.seed, text, len) };
}

static void push(struct shard *shard, const char *name, const char *text)
{
    struct kv_key key = key_of(name);
    struct kv_arg value = { text, strlen(text) };
    struct kv_entry *entry = kv_store_find(&shard->store, &key, 0);
    if (entry == NULL)
        CHECK_OK(kv_store_create(&shard->store, &key, KV_LIST, &entry));
    CHECK_OK(kv_list_push(entry->list, &value, false));
}

static void push_and_serve(struct shard *shard, const char *name, const char *text)
{
    struct kv_key key = key_of(name);
    push(shard, name, text);
    kv_waiters_serve(&shard->waiters, &key, 0);
}

static sp_err await(struct shard *shard, uint64_t client, const char *first, const char *second,
                    bool shared)
{
    struct kv_key keys[2] = { key_of(first), key_of(second != NULL ? second : "") };
    struct kv_wait wait = { .client = client,
                            .keys = keys,
                            .key_count = second != NULL ? 2 : 1,
                            .front = true,
                            .shared = shared };
    return kv_waiters_add(&shard->waiters, &wait, 0);
}

/* Pops as a shared client does when its turn has come. */
static void pop(struct shard *shard, const char *name)
{
    struct kv_key key = key_of(name);
    struct kv_entry *entry = kv_store_find(&shard->store, &key, 0);
    CHECK(entry != NULL);
    kv_list_drop(entry->list, true);
    if (entry->list->count == 0)
        kv_store_remove(&shard->store, entry);
}

static void shard_close(struct shard *shard)
{
    CHECK_INT(kv_waiters_count(&shard->waiters), 0);
    CHECK_INT(shard->waiters.queues.count, 0);
    dict_finish(&shard->waiters.queues);
    dict_finish(&shard->waiters.clients);
    kv_store_clear(&shard->store);
    CHECK_INT(shard->store.heap.used, 0);
    kv_store_finish(&shard->store);
}

TEST(waiters_are_served_in_the_order_they_came)
{
    struct shard shard;
    shard_open(&shard, 0);
    CHECK_OK(await(&shard, 1, "l", NULL, false));
    CHECK_OK(await(&shard, 2, "m", "l", false));
    CHECK_OK(await(&shard, 3, "l", NULL, false));
    CHECK_ERR(await(&shard, 3, "l", NULL, false), SP_ERR_EXISTS);
    push(&shard, "l", "a");
    push_and_serve(&shard, "l", "b");
    CHECK_STR(shard.log, "1:l=a 2:l=b ");
    push_and_serve(&shard, "m", "c");
    push_and_serve(&shard, "l", "d");
    push_and_serve(&shard, "l", "e");
    CHECK_STR(shard.log, "1:l=a 2:l=b 3:l=d ");
    CHECK_ERR(kv_waiters_remove(&shard.waiters, 1, 0), SP_ERR_NOTFOUND);
    shard_close(&shard);
}

TEST(waiters_added_where_something_is_are_served_at_once)
{
    struct shard shard;
    shard_open(&shard, 0);
    push(&shard, "m", "a");
    CHECK_OK(await(&shard, 1, "l", "m", false));
    CHECK_STR(shard.log, "1:m=a ");
    CHECK_INT(shard.store.keys.count, 0);
    CHECK_OK(await(&shard, 1, "l", "l", false));
    CHECK_OK(kv_waiters_remove(&shard.waiters, 1, 0));
    shard_close(&shard);
}

TEST(waiters_pop_from_their_end)
{
    struct shard shard;
    shard_open(&shard, 0);
    struct kv_key key = key_of("l");
    struct kv_wait wait = { .client = 1, .keys = &key, .key_count = 1 };
    push(&shard, "l", "a");
    push(&shard, "l", "b");
    CHECK_OK(kv_waiters_add(&shard.waiters, &wait, 0));
    CHECK_STR(shard.log, "1:l=b ");
    shard_close(&shard);
}

TEST(waiters_shared_are_told_once_and_hold_their_place)
{
    struct shard shard;
    shard_open(&shard, 0);
    CHECK_OK(await(&shard, 1, "l", NULL, true));
    CHECK_OK(await(&shard, 2, "l", NULL, false));
    push_and_serve(&shard, "l", "a");
    push_and_serve(&shard, "l", "b");
    CHECK_STR(shard.log, "1:l=? ");
    pop(&shard, "l");
    CHECK_OK(kv_waiters_remove(&shard.waiters, 1, 0));
    CHECK_STR(shard.log, "1:l=? 2:l=b ");
    shard_close(&shard);
}

TEST(waiters_shared_that_found_nothing_wait_on)
{
    struct shard shard;
    shard_open(&shard, 0);
    CHECK_OK(await(&shard, 1, "l", "m", true));
    push_and_serve(&shard, "l", "a");
    CHECK_STR(shard.log, "1:l=? ");
    pop(&shard, "l");
    CHECK_OK(kv_waiters_rearm(&shard.waiters, 1, 0));
    CHECK_STR(shard.log, "1:l=? ");
    push_and_serve(&shard, "m", "b");
    CHECK_STR(shard.log, "1:l=? 1:m=? ");
    CHECK_OK(kv_waiters_rearm(&shard.waiters, 1, 0));
    CHECK_STR(shard.log, "1:l=? 1:m=? 1:m=? ");
    CHECK_OK(kv_waiters_remove(&shard.waiters, 1, 0));
    CHECK_ERR(kv_waiters_rearm(&shard.waiters, 1, 0), SP_ERR_NOTFOUND);
    shard_close(&shard);
}

/* One that hangs up in the middle: those behind it get what lies there. */
TEST(waiters_that_leave_let_the_next_one_in)
{
    struct shard shard;
    shard_open(&shard, 0);
    CHECK_OK(await(&shard, 1, "l", "m", true));
    CHECK_OK(await(&shard, 2, "m", NULL, false));
    CHECK_OK(await(&shard, 3, "l", NULL, false));
    push(&shard, "m", "x");
    push_and_serve(&shard, "l", "a");
    push_and_serve(&shard, "m", "b");
    CHECK_STR(shard.log, "1:l=? ");
    CHECK_OK(kv_waiters_remove(&shard.waiters, 1, 0));
    CHECK_STR(shard.log, "1:l=? 3:l=a 2:m=x ");
    shard_close(&shard);
}

TEST(waiters_without_memory_do_not_wait)
{
    size_t waiting = 0;
    for (size_t max = 0; max < 1500; max += 16) {
        struct shard shard;
        shard_open(&shard, max + 1);
        waiting = 0;
        for (uint64_t client = 0; client < 6; client++) {
            sp_err err = await(&shard, client, client % 2 == 0 ? "l" : "m", "another key", false);
            CHECK(err == SP_OK || err == SP_ERR_NOMEM);
            waiting += err == SP_OK;
            CHECK_INT(kv_waiters_count(&shard.waiters), waiting);
        }
        for (uint64_t client = 0; client < 6; client++) {
            sp_err err = kv_waiters_remove(&shard.waiters, client, 0);
            CHECK(err == SP_OK || err == SP_ERR_NOTFOUND);
        }
        shard_close(&shard);
    }
    CHECK_INT(waiting, 6);
}
