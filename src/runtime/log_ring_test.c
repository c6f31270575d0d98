#include "runtime/log_ring.h"
#include "support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const struct sp_kv none[] = { { .type = SP_KV_END } };

static struct sp_log_record record_of(enum sp_log_level level, const char *text,
                                      const struct sp_kv *pairs)
{
    return (struct sp_log_record){
        .level = level, .process = "p", .module = "m", .text = text, .pairs = pairs
    };
}

static bool put(struct sp__log_ring *ring, enum sp_log_level level, const char *text)
{
    struct sp_log_record record = record_of(level, text, none);
    return sp__log_ring_put(ring, &record);
}

static const struct sp__log_slot *first(struct sp__log_ring *ring)
{
    return sp__log_ring_peek(ring, atomic_load(&ring->head));
}

TEST(lines_come_out_as_they_went_in)
{
    struct sp__log_ring ring = { 0 };
    char text[] = "text";
    char value[] = "value";
    CHECK_OK(sp__log_ring_init(&ring, 8, 512));
    const struct sp_kv pairs[] = { sp_kv_str("key", value), sp_kv_str("none", NULL), none[0] };
    struct sp_log_record record = record_of(SP_LOG_INFO, text, pairs);
    for (int lap = 0; lap < 40; lap++) {
        CHECK(sp__log_ring_put(&ring, &record));
        text[0] = value[0] = 'x'; /* what is the caller's may change */
        const struct sp__log_slot *slot = first(&ring);
        CHECK(slot != NULL && !slot->record.cut && slot->lost == 0);
        CHECK_STR(slot->record.text, "text");
        CHECK_STR(slot->record.process, "p");
        CHECK_STR(slot->record.module, "m");
        CHECK_STR(slot->record.pairs[0].key, "key");
        CHECK_STR(slot->record.pairs[0].value.text.bytes, "value");
        CHECK(slot->record.pairs[1].value.text.bytes == NULL);
        CHECK_INT(slot->record.pairs[2].type, SP_KV_END);
        sp__log_ring_release(&ring, 1);
        CHECK(first(&ring) == NULL);
        text[0] = 't';
        value[0] = 'v';
    }
    sp__log_ring_finish(&ring);
}

TEST(a_full_ring_loses_lines_and_says_how_many)
{
    struct sp__log_ring ring = { 0 };
    CHECK_OK(sp__log_ring_init(&ring, 8, 512));
    for (int i = 0; i < 6; i++)
        CHECK(put(&ring, SP_LOG_INFO, "x"));
    CHECK(!put(&ring, SP_LOG_INFO, "x")); /* the last quarter is for what matters */
    CHECK(put(&ring, SP_LOG_WARNING, "w"));
    CHECK(put(&ring, SP_LOG_ERROR, "e"));
    CHECK(!put(&ring, SP_LOG_ERROR, "e"));
    CHECK(!put(&ring, SP_LOG_ERROR, "e"));
    sp__log_ring_release(&ring, 6);
    CHECK_INT(first(&ring)->lost, 1);
    sp__log_ring_release(&ring, 2);
    CHECK(put(&ring, SP_LOG_INFO, "x"));
    CHECK_INT(first(&ring)->lost, 2);
    sp__log_ring_finish(&ring);
}

TEST(what_does_not_fit_is_cut)
{
    struct sp__log_ring ring = { 0 };
    char text[4000];
    struct sp_kv pairs[21];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    CHECK_OK(sp__log_ring_init(&ring, 8, 2048));
    for (int i = 0; i < 20; i++)
        pairs[i] = sp_kv_int("i", i);
    pairs[20] = none[0];
    struct sp_log_record record = record_of(SP_LOG_INFO, "many", pairs);
    CHECK(sp__log_ring_put(&ring, &record));
    CHECK(first(&ring)->record.cut);
    CHECK_INT(first(&ring)->record.pairs[15].value.integer, 15);
    CHECK_INT(first(&ring)->record.pairs[16].type, SP_KV_END);
    sp__log_ring_release(&ring, 1);
    pairs[0] = sp_kv_str("long", text);
    pairs[1] = none[0];
    record.text = text;
    CHECK(sp__log_ring_put(&ring, &record));
    const struct sp_log_record *got = &first(&ring)->record;
    CHECK(got->cut && strlen(got->text) > 1000 && strlen(got->text) < 2048);
    CHECK_STR(got->pairs[0].key, "long");
    CHECK_INT(got->pairs[0].value.text.size, 0);
    sp__log_ring_finish(&ring);
}

enum { WRITERS = 4, LINES = 20000 };

static struct sp__log_ring shared;

static void *writes(void *arg)
{
    char text[32];
    for (int i = 0; i < LINES; i++) {
        (void)snprintf(text, sizeof(text), "%d %d", *(int *)arg, i);
        put(&shared, SP_LOG_ERROR, text);
    }
    return NULL;
}

/* Each writer's lines come in their order, and written + lost = put. */
TEST(many_writers_lose_nothing_uncounted)
{
    pthread_t threads[WRITERS];
    int numbers[WRITERS];
    int last[WRITERS];
    uint64_t got = 0;
    uint64_t lost = 0;
    memset(&shared, 0, sizeof(shared));
    CHECK_OK(sp__log_ring_init(&shared, 64, 512));
    for (int i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        last[i] = -1;
        CHECK_INT(pthread_create(&threads[i], NULL, writes, &numbers[i]), 0);
    }
    while (got + lost + atomic_load(&shared.lost) < (uint64_t)WRITERS * LINES) {
        const struct sp__log_slot *slot = first(&shared);
        if (slot == NULL)
            continue;
        int writer;
        int line;
        CHECK_INT(sscanf(slot->record.text, "%d %d", &writer, &line), 2);
        CHECK(line > last[writer]);
        last[writer] = line;
        got++;
        lost += slot->lost;
        sp__log_ring_release(&shared, 1);
    }
    for (int i = 0; i < WRITERS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK(got > 0);
    sp__log_ring_finish(&shared);
}
