#include "dict.h"

#include "siphash.h"

#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct kv_seed test_seed = { 1, 2 };

struct word {
    struct dict_node node;
    int seen;
    char bytes[16];
};

static uint32_t word_hash(const char *text)
{
    return (uint32_t)kv_hash(&test_seed, text, strlen(text));
}

static struct word *word_add(struct dict *dict, int number)
{
    struct word *word = calloc(1, sizeof(*word));
    snprintf(word->bytes, sizeof(word->bytes), "word-%d", number);
    word->node.hash = word_hash(word->bytes);
    word->node.key_len = (uint32_t)strlen(word->bytes);
    CHECK_OK(dict_insert(dict, &word->node));
    return word;
}

static struct dict_node **word_link(struct dict *dict, int number)
{
    char text[16];
    snprintf(text, sizeof(text), "word-%d", number);
    return dict_find(dict, text, strlen(text), word_hash(text));
}

static void word_free(struct dict_node *node, void *arg)
{
    (void)arg;
    free(node);
}

static void word_see(struct dict_node *node, void *arg)
{
    (void)arg;
    ((struct word *)node)->seen++;
}

static void dict_open(struct dict *dict, struct kv_heap *heap)
{
    kv_heap_init(heap, 0);
    dict_init(dict, heap, offsetof(struct word, bytes));
}

static void dict_close(struct dict *dict, struct kv_heap *heap)
{
    dict_clear(dict, word_free, NULL);
    CHECK_INT(heap->used, 0);
    kv_heap_finish(heap);
}

TEST(dict_finds_what_was_added_and_nothing_else)
{
    struct kv_heap heap;
    struct dict dict;
    dict_open(&dict, &heap);
    CHECK(word_link(&dict, 1) == NULL);
    for (int i = 0; i < 5000; i++) {
        word_add(&dict, i);
        CHECK(word_link(&dict, i) != NULL);
        CHECK(word_link(&dict, i + 1) == NULL);
    }
    for (int i = 0; i < 5000; i++)
        CHECK(word_link(&dict, i) != NULL);
    CHECK_INT(dict.count, 5000);
    dict_close(&dict, &heap);
}

TEST(dict_removes_and_shrinks)
{
    struct kv_heap heap;
    struct dict dict;
    dict_open(&dict, &heap);
    for (int i = 0; i < 4096; i++)
        word_add(&dict, i);
    size_t size = dict.table[0].size + dict.table[1].size;
    for (int i = 0; i < 4090; i++)
        free(dict_remove(&dict, word_link(&dict, i)));
    while (dict_step(&dict, 100))
        continue;
    CHECK_INT(dict.count, 6);
    CHECK(dict.table[0].size < size / 64);
    for (int i = 0; i < 4096; i++)
        CHECK((word_link(&dict, i) != NULL) == (i >= 4090));
    dict_close(&dict, &heap);
}

/* Each operation moves a bucket or two, so a resize never stops the caller for long. */
TEST(dict_resize_is_spread_over_operations)
{
    struct kv_heap heap;
    struct dict dict;
    dict_open(&dict, &heap);
    int number = 0;
    while (dict.table[1].size < 8192)
        word_add(&dict, number++);
    size_t moved = dict.moved;
    word_add(&dict, number++);
    CHECK(dict.moved > moved && dict.moved <= moved + 11);
    moved = dict.moved;
    CHECK(word_link(&dict, 0) != NULL);
    CHECK(dict.moved > moved && dict.moved <= moved + 11);
    dict_close(&dict, &heap);
}

/* Words present from begin to end of a scan are seen, while others come and go and the table
 * grows and shrinks below the scan. */
static void scan_under_change(int stay, int others, bool grow)
{
    struct kv_heap heap;
    struct dict dict;
    dict_open(&dict, &heap);
    for (int i = 0; i < stay + (grow ? 0 : others); i++)
        word_add(&dict, i);
    uint64_t cursor = 0;
    int next = stay;
    do {
        cursor = dict_scan(&dict, cursor, word_see, NULL);
        for (int n = 0; n < 20 && next < stay + others; n++, next++) {
            if (grow)
                word_add(&dict, next);
            else
                free(dict_remove(&dict, word_link(&dict, next)));
        }
    } while (cursor != 0);
    for (int i = 0; i < stay; i++)
        if (((struct word *)*word_link(&dict, i))->seen == 0)
            FAIL("word-%d was never visited", i);
    dict_close(&dict, &heap);
}

TEST(dict_scan_visits_all_while_the_table_grows)
{
    scan_under_change(100, 5000, true);
    scan_under_change(1000, 20000, true);
    scan_under_change(1, 50, true);
}

TEST(dict_scan_visits_all_while_the_table_shrinks)
{
    scan_under_change(100, 5000, false);
    scan_under_change(300, 20000, false);
    scan_under_change(1, 50, false);
}

TEST(dict_scan_of_a_table_at_rest_visits_each_once)
{
    struct kv_heap heap;
    struct dict dict;
    dict_open(&dict, &heap);
    CHECK_INT(dict_scan(&dict, 0, word_see, NULL), 0);
    for (int i = 0; i < 1000; i++)
        word_add(&dict, i);
    while (dict_step(&dict, 100))
        continue;
    uint64_t cursor = 0;
    do
        cursor = dict_scan(&dict, cursor, word_see, NULL);
    while (cursor != 0);
    for (int i = 0; i < 1000; i++)
        CHECK_INT(((struct word *)*word_link(&dict, i))->seen, 1);
    dict_close(&dict, &heap);
}

static uint64_t test_random(void *arg)
{
    uint64_t *state = arg;
    *state = *state * UINT64_C(6364136223846793005) + 1;
    return *state >> 33;
}

TEST(dict_pick_reaches_every_node)
{
    struct kv_heap heap;
    struct dict dict;
    uint64_t state = 7;
    dict_open(&dict, &heap);
    CHECK(dict_pick(&dict, test_random, &state) == NULL);
    for (int i = 0; i < 50; i++)
        word_add(&dict, i);
    for (int i = 0; i < 5000; i++)
        word_see(dict_pick(&dict, test_random, &state), NULL);
    for (int i = 0; i < 50; i++)
        CHECK(((struct word *)*word_link(&dict, i))->seen > 10);
    dict_close(&dict, &heap);
}

TEST(dict_without_memory_to_grow_works_on)
{
    struct kv_heap heap;
    struct dict dict;
    kv_heap_init(&heap, 256);
    dict_init(&dict, &heap, offsetof(struct word, bytes));
    for (int i = 0; i < 500; i++)
        word_add(&dict, i);
    for (int i = 0; i < 500; i++)
        CHECK(word_link(&dict, i) != NULL);
    dict_close(&dict, &heap);
    struct word word = { .node = { .key_len = 1 } };
    kv_heap_init(&heap, 8);
    dict_init(&dict, &heap, offsetof(struct word, bytes));
    CHECK_ERR(dict_insert(&dict, &word.node), SP_ERR_NOMEM);
    kv_heap_finish(&heap);
}
