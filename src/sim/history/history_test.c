/* Collecting a history, drawing one, and the limits of a check. */
#include "spawned/history.h"

#include "support/test.h"

#include <stdlib.h>
#include <string.h>

enum {
    TEXT = 4096,
};

static struct sp_operation write_of(uint32_t client, int64_t in, uint64_t invoked,
                                    uint64_t returned)
{
    return (struct sp_operation){ .client = client,
                                  .code = SP_OP_WRITE,
                                  .key = sp_value_text("x"),
                                  .in = { sp_value_int(in) },
                                  .invoked = invoked,
                                  .returned = returned };
}

static struct sp_operation read_of(uint32_t client, int64_t out, uint64_t invoked,
                                   uint64_t returned)
{
    return (struct sp_operation){ .client = client,
                                  .code = SP_OP_READ,
                                  .key = sp_value_text("x"),
                                  .out = sp_value_int(out),
                                  .invoked = invoked,
                                  .returned = returned };
}

TEST(history_collected_has_copies_of_all_bytes)
{
    char bytes[6000];
    sp_history *history;
    size_t count = 0;
    size_t id = 0;
    CHECK_OK(sp_history_create(&history));
    for (int i = 0; i < 300; i++) {
        memset(bytes, 'a' + i % 26, sizeof(bytes));
        struct sp_operation operation = { .client = 7,
                                          .code = SP_OP_CAS,
                                          .key = sp_value_bytes(bytes, (size_t)i),
                                          .in = { sp_value_bytes(bytes, 6000), sp_value_int(i) } };
        CHECK_OK(sp_history_invoke(history, &operation, (uint64_t)(10 * i), &id));
        CHECK_INT(id, i);
        CHECK_OK(sp_history_return(history, id, i % 2 == 0 ? SP_OUTCOME_OK : SP_OUTCOME_UNKNOWN,
                                   sp_value_bytes(bytes, 3), (uint64_t)(10 * i + 5)));
    }
    memset(bytes, 0, sizeof(bytes));
    const struct sp_operation *operations = sp_history_operations(history, &count);
    CHECK_INT(count, 300);
    CHECK_INT(operations[28].key.size, 28);
    CHECK(((const char *)operations[28].in[0].bytes)[5999] == 'c');
    CHECK(sp_value_equal(operations[28].out, sp_value_text("ccc")));
    CHECK_INT(operations[28].in[1].number, 28);
    CHECK_INT(operations[28].returned, 285);
    CHECK_INT(operations[28].outcome, SP_OUTCOME_OK);
    CHECK(operations[29].returned == SP_HISTORY_OPEN);
    CHECK_INT(operations[29].outcome, SP_OUTCOME_UNKNOWN);
    CHECK_ERR(sp_history_return(history, 28, SP_OUTCOME_OK, sp_value_none(), 999), SP_ERR_EXISTS);
    CHECK_ERR(sp_history_return(history, 300, SP_OUTCOME_OK, sp_value_none(), 999),
              SP_ERR_NOTFOUND);
    sp_history_destroy(history);
    sp_history_destroy(NULL);
}

/* The read began when `write 2` was over; what else there is has nothing to do with it. */
static const uint64_t stale_core[] = { 1, 3, 5 };

static size_t stale_history(struct sp_operation *operations)
{
    size_t count = 0;
    operations[count++] = write_of(4, 7, 0, 5);
    operations[count++] = write_of(1, 1, 10, 20);
    operations[count++] = read_of(3, 1, 12, 25);
    operations[count++] = write_of(2, 2, 22, 30);
    operations[count++] = read_of(4, 2, 31, 40);
    operations[count++] = read_of(3, 1, 33, 45);
    operations[count++] = write_of(1, 9, 50, 60);
    for (uint64_t i = 0; i < 20; i++) {
        operations[count] = write_of(5, (int64_t)(100 + i), 2 * i, 2 * i + 1);
        operations[count++].key = sp_value_text("y");
    }
    return count;
}

TEST(history_with_a_stale_read_has_the_two_writes_and_the_read_as_its_core)
{
    struct sp_operation operations[32];
    char text[TEXT];
    struct sp_history_verdict verdict;
    size_t count = stale_history(operations);
    CHECK_OK(sp_history_check(operations, count, &sp_model_register, NULL, &verdict));
    CHECK_INT(verdict.end, SP_HISTORY_ILLEGAL);
    CHECK(sp_value_equal(verdict.key, sp_value_text("x")));
    CHECK_INT(verdict.stuck, 5);
    CHECK_INT(verdict.core_count, 3);
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(verdict.core[i], stale_core[i]);
    CHECK_OK(sp_history_draw(operations, verdict.core, verdict.core_count, &sp_model_register, text,
                             sizeof(text)));
    CHECK_STR(text, "client 1    | write 1 |\n"
                    "client 2               | write 2 |\n"
                    "client 3                          | read: 1 |\n");
    CHECK_OK(sp_history_draw_svg(operations, verdict.core, verdict.core_count, &sp_model_register,
                                 text, sizeof(text)));
    CHECK_CONTAINS(text, "<svg ");
    CHECK_CONTAINS(text, "write 2</text>");
    CHECK_CONTAINS(text, "</svg>");
    sp_history_verdict_finish(&verdict);
}

TEST(history_without_the_stale_read_is_linearizable)
{
    struct sp_operation operations[32];
    struct sp_history_verdict verdict;
    size_t count = stale_history(operations);
    operations[5].out = sp_value_int(2);
    CHECK_OK(sp_history_check(operations, count, &sp_model_register, NULL, &verdict));
    CHECK_INT(verdict.end, SP_HISTORY_OK);
    CHECK_INT(verdict.core_count, 0);
    sp_history_verdict_finish(&verdict);
}

TEST(history_drawn_with_long_words_has_numbers)
{
    struct sp_operation operations[8];
    size_t which[8];
    char text[TEXT];
    for (size_t i = 0; i < 8; i++) {
        operations[i] =
            (struct sp_operation){ .client = (uint32_t)(i % 2),
                                   .code = SP_OP_APPEND,
                                   .outcome = i == 5 ? SP_OUTCOME_UNKNOWN : SP_OUTCOME_OK,
                                   .in = { sp_value_text("some <long> words") },
                                   .invoked = 4 * i,
                                   .returned = 4 * i + 6 };
        which[i] = i;
    }
    CHECK_OK(sp_history_draw(operations, which, 8, &sp_model_map, text, sizeof(text)));
    CHECK_STR(text, "client 0    | 1 || 2 || 3 || 4 |\n"
                    "client 1     | 5 -|| 6 ||-- 7 --->\n"
                    "client 1                    | 8 |\n"
                    "  1  client 0: append \"some <long> words\"\n"
                    "  2  client 0: append \"some <long> words\"\n"
                    "  3  client 0: append \"some <long> words\"\n"
                    "  4  client 0: append \"some <long> words\"\n"
                    "  5  client 1: append \"some <long> words\"\n"
                    "  6  client 1: append \"some <long> words\"\n"
                    "  7  client 1: append \"some <long> words\"\n"
                    "  8  client 1: append \"some <long> words\"\n");
    CHECK_OK(sp_history_draw_svg(operations, which, 8, &sp_model_map, text, sizeof(text)));
    CHECK_CONTAINS(text, "append &quot;some &lt;long&gt; words&quot;");
    CHECK_OK(sp_history_draw(operations, which, 8, &sp_model_map, text, 20));
    CHECK_STR(text, "client 0    | 1 ...");
}

/* Increments that overlap and reads that fit none of their orders: many states. */
static size_t hard_history(struct sp_operation *operations)
{
    size_t count = 0;
    for (int i = 0; i < 16; i++) {
        operations[count] = write_of((uint32_t)i, 1 << i, (uint64_t)i, 100);
        operations[count++].code = SP_OP_ADD;
    }
    operations[count++] = read_of(99, -1, 200, 201);
    return count;
}

TEST(history_check_beyond_its_limits_says_unknown)
{
    struct sp_operation operations[32];
    struct sp_history_verdict verdict;
    size_t count = hard_history(operations);
    CHECK_OK(sp_history_check(operations, count, &sp_model_counter,
                              &(struct sp_history_options){ .states_max = 1000 }, &verdict));
    CHECK_INT(verdict.end, SP_HISTORY_UNKNOWN);
    CHECK(verdict.states > 900 && verdict.states < 1100);
    sp_history_verdict_finish(&verdict);
    CHECK_OK(sp_history_check(operations, count, &sp_model_counter,
                              &(struct sp_history_options){ .memory_max = 100000 }, &verdict));
    CHECK_INT(verdict.end, SP_HISTORY_UNKNOWN);
    sp_history_verdict_finish(&verdict);
    CHECK_OK(sp_history_check(operations, count, &sp_model_counter,
                              &(struct sp_history_options){ .no_core = true }, &verdict));
    CHECK_INT(verdict.end, SP_HISTORY_ILLEGAL);
    CHECK_INT(verdict.states, 65536);
    CHECK_INT(verdict.core_count, 0);
    CHECK_INT(verdict.furthest_count, 16);
    CHECK_INT(verdict.stuck, 16);
    sp_history_verdict_finish(&verdict);
}

TEST(history_check_of_an_answer_before_its_question_gives_invalid)
{
    struct sp_history_verdict verdict;
    struct sp_operation operations[] = { write_of(1, 1, 10, 9) };
    CHECK_ERR(sp_history_check(operations, 1, &sp_model_register, NULL, &verdict), SP_ERR_INVALID);
    operations[0].returned = SP_HISTORY_OPEN;
    CHECK_ERR(sp_history_check(operations, 1, &sp_model_register, NULL, &verdict), SP_ERR_INVALID);
    CHECK_OK(sp_history_check(operations, 0, &sp_model_register, NULL, &verdict));
    CHECK_INT(verdict.end, SP_HISTORY_OK);
}

/* ---- a model of one's own: a lock, with equality of its own ---- */

enum lock_code {
    LOCK_TAKE,
    LOCK_GIVE,
};

static enum sp_step lock_step(const struct sp_state *state, const struct sp_operation *operation,
                              struct sp_state *next)
{
    bool held = state->size > 0 && state->bytes[0] != 0;
    if (held != (operation->code == LOCK_GIVE))
        return SP_STEP_NO;
    sp_state_add(next, held ? "\0\1" : "\1\2", 2);
    return SP_STEP_NEXT;
}

static bool lock_held(const struct sp_state *state)
{
    return state->size > 0 && state->bytes[0] != 0;
}

static bool lock_equal(const struct sp_state *a, const struct sp_state *b)
{
    return lock_held(a) == lock_held(b);
}

static uint64_t lock_hash(const struct sp_state *state)
{
    return lock_held(state);
}

TEST(history_of_a_lock_that_two_have_is_illegal)
{
    static const struct sp_model lock = {
        .name = "lock", .step = lock_step, .equal = lock_equal, .hash = lock_hash
    };
    char text[TEXT];
    struct sp_history_verdict verdict;
    struct sp_operation operations[] = {
        { .client = 1, .code = LOCK_TAKE, .invoked = 0, .returned = 2 },
        { .client = 1, .code = LOCK_GIVE, .invoked = 4, .returned = 8 },
        { .client = 2, .code = LOCK_TAKE, .invoked = 3, .returned = 6 },
    };
    CHECK_OK(sp_history_check(operations, 3, &lock, NULL, &verdict));
    CHECK_INT(verdict.end, SP_HISTORY_OK);
    sp_history_verdict_finish(&verdict);
    operations[1].invoked = 7;
    CHECK_OK(sp_history_check(operations, 3, &lock, NULL, &verdict));
    CHECK_INT(verdict.end, SP_HISTORY_ILLEGAL);
    CHECK_INT(verdict.core_count, 2); /* the other gave it back when it was too late */
    CHECK_OK(sp_history_draw(operations, verdict.core, 1, &lock, text, sizeof(text)));
    CHECK_STR(text, "client 1    | op 0 (nothing, nothing): nothing |\n");
    sp_history_verdict_finish(&verdict);
}
