/* The check of histories against one that tries every order, on small random histories; and its
 * limits, its cores, its drawings. */
#include "spawned/history.h"

#include "runtime/random.h"
#include "support/test.h"

#include <string.h>

enum {
    OPS_MAX = 8,
    STAMPS = 12,
};

#define KEY sp_value_none()

/* ---- against every order ---- */

/* What is free may happen whenever or never. */
static bool brute_may(const struct sp_operation *ops, size_t count, unsigned free, unsigned done,
                      size_t next)
{
    for (size_t i = 0; i < count; i++)
        if (!((done | free) & 1U << i) && !(free & 1U << next) && ops[i].outcome == SP_OUTCOME_OK &&
            i != next && ops[i].returned < ops[next].invoked)
            return false;
    return true;
}

static bool brute(const struct sp_operation *ops, size_t count, const struct sp_model *model,
                  unsigned free, unsigned done, const struct sp_state *state)
{
    bool all = true;
    for (size_t i = 0; i < count; i++)
        all = all && (((done | free) & 1U << i) || ops[i].outcome != SP_OUTCOME_OK);
    if (all)
        return true;
    for (size_t i = 0; i < count; i++) {
        unsigned char bytes[256];
        struct sp_state next = { .bytes = bytes, .capacity = sizeof(bytes) };
        if ((done & 1U << i) || ops[i].outcome == SP_OUTCOME_FAIL ||
            !brute_may(ops, count, free, done, i))
            continue;
        enum sp_step step = model->step(state, &ops[i], &next);
        CHECK(!next.failed && next.bytes == bytes);
        if (step != SP_STEP_NO &&
            brute(ops, count, model, free, done | 1U << i, step == SP_STEP_NEXT ? &next : state))
            return true;
    }
    return false;
}

static bool brute_legal(const struct sp_operation *ops, size_t count, const struct sp_model *model,
                        unsigned free)
{
    return brute(ops, count, model, free, 0, &(struct sp_state){ .size = 0 });
}

static const uint16_t codes_register[] = { SP_OP_READ, SP_OP_WRITE, SP_OP_CAS };
static const uint16_t codes_counter[] = { SP_OP_READ, SP_OP_ADD };
static const uint16_t codes_queue[] = { SP_OP_ENQUEUE, SP_OP_DEQUEUE };
static const uint16_t codes_set[] = { SP_OP_INSERT, SP_OP_REMOVE, SP_OP_CONTAINS };
static const uint16_t codes_map[] = { SP_OP_READ,   SP_OP_WRITE,  SP_OP_APPEND,
                                      SP_OP_DELETE, SP_OP_APPEND, SP_OP_CAS };

static const char *const texts[] = { "a", "b", "ab", "ba", "aa", "bb" };

static sp_value random_value(uint64_t *random, bool text)
{
    uint64_t number = sp__random_below(random, 7);
    if (number == 6)
        return sp_value_none();
    return text ? sp_value_text(texts[number]) : sp_value_int((int64_t)number % 3);
}

static void random_operation(struct sp_operation *op, uint64_t *random, const uint16_t *codes,
                             size_t code_count)
{
    bool text = codes == codes_map;
    uint64_t outcome = sp__random_below(random, 12);
    *op = (struct sp_operation){ .client = (uint32_t)sp__random_below(random, 3) };
    op->outcome = outcome == 0   ? SP_OUTCOME_FAIL
                  : outcome <= 2 ? SP_OUTCOME_UNKNOWN
                                 : SP_OUTCOME_OK;
    op->code = codes[sp__random_below(random, code_count)];
    op->key = sp_value_int((int64_t)sp__random_below(random, 4) / 3);
    op->in[0] = random_value(random, text);
    op->in[1] = random_value(random, text);
    op->out = op->code == SP_OP_READ || op->code == SP_OP_DEQUEUE
                  ? random_value(random, text)
                  : sp_value_int((int64_t)sp__random_below(random, 2));
    if (op->code == SP_OP_ADD)
        op->out = random_value(random, false);
    if (op->code == SP_OP_APPEND && op->in[0].kind == SP_VALUE_NONE)
        op->in[0] = sp_value_text("");
    op->invoked = sp__random_below(random, STAMPS);
    op->returned = op->invoked + sp__random_below(random, STAMPS / 2);
    if (op->outcome == SP_OUTCOME_UNKNOWN)
        op->returned = SP_HISTORY_OPEN;
}

/* Let an operation's result be what it gives in the order in which they were made, as a rule. */
static void random_answer(struct sp_operation *ops, size_t count, const struct sp_model *model,
                          struct sp_state *state, unsigned char *bytes, uint64_t *random)
{
    static const int64_t numbers[] = { 0, 1, 2, 3, 4, 5 };
    struct sp_operation *op = &ops[count - 1];
    struct sp_operation kept = *op;
    unsigned char scratch[256];
    op->invoked = count == 1 ? 0 : ops[count - 2].invoked + sp__random_below(random, 3);
    op->returned = op->invoked + sp__random_below(random, STAMPS / 2);
    kept.invoked = op->invoked;
    kept.returned = op->returned;
    for (size_t i = 0; i < 14; i++) {
        struct sp_state next = { .bytes = scratch, .capacity = sizeof(scratch) };
        if (i > 0 && i < 7)
            op->out = i == 1 ? sp_value_none() : sp_value_int(numbers[i - 2]);
        if (i >= 7)
            op->out = sp_value_text(texts[(i - 7) % 6]);
        enum sp_step step = model->step(state, op, &next);
        if (step == SP_STEP_NO)
            continue;
        if (step == SP_STEP_NEXT && next.size > 0)
            memcpy(bytes, next.bytes, next.size);
        if (step == SP_STEP_NEXT)
            state->size = next.size;
        return;
    }
    *op = kept;
}

static size_t random_history(struct sp_operation *ops, uint64_t *random,
                             const struct sp_model *model, const uint16_t *codes, size_t code_count)
{
    unsigned char bytes[256];
    struct sp_state state = { .bytes = bytes };
    bool sane = sp__random_below(random, 4) != 0;
    size_t count = 1 + sp__random_below(random, OPS_MAX);
    for (size_t i = 0; i < count; i++) {
        random_operation(&ops[i], random, codes, code_count);
        if (sane && sp__random_below(random, 8) != 0)
            random_answer(ops, i + 1, model, &state, bytes, random);
        if (ops[i].outcome == SP_OUTCOME_UNKNOWN)
            ops[i].returned = SP_HISTORY_OPEN;
    }
    return count;
}

/* The core is illegal whatever the rest did, and without any one of it that is not so. */
static void check_core(const struct sp_operation *ops, size_t count,
                       const struct sp_history_verdict *verdict, const struct sp_model *model)
{
    struct sp_operation part[OPS_MAX];
    size_t size = 0;
    unsigned core = 0;
    for (size_t i = 0; i < count; i++) {
        if ((model->key != NULL && !sp_value_equal(ops[i].key, verdict->key)) ||
            ops[i].invoked > ops[verdict->stuck].returned)
            continue;
        for (size_t j = 0; j < verdict->core_count; j++)
            core |= verdict->core[j] == i ? 1U << size : 0;
        part[size++] = ops[i];
    }
    CHECK_INT(__builtin_popcount(core), verdict->core_count);
    CHECK(!brute_legal(part, size, model, ~core));
    for (size_t i = 0; i < size; i++)
        CHECK(!(core & 1U << i) || brute_legal(part, size, model, ~core | 1U << i));
}

static void check_against_brute(const struct sp_model *partitioned, const uint16_t *codes,
                                size_t code_count, bool whole)
{
    struct sp_operation ops[OPS_MAX];
    struct sp_model model = *partitioned;
    uint64_t random = sp__random_start(20, code_count);
    int legal = 0;
    int rounds = sp_test_slow() ? 1000 : 6000;
    if (whole)
        model.key = NULL;
    for (int i = 0; i < rounds; i++) {
        struct sp_history_verdict verdict;
        size_t count = random_history(ops, &random, &model, codes, code_count);
        bool expected = true;
        for (int64_t key = 0; key < (whole ? 1 : 2); key++) {
            struct sp_operation part[OPS_MAX];
            size_t size = 0;
            for (size_t j = 0; j < count; j++)
                if (whole || ops[j].key.number == key)
                    part[size++] = ops[j];
            expected = expected && brute_legal(part, size, &model, 0);
        }
        CHECK_OK(sp_history_check(ops, count, &model, NULL, &verdict));
        if (verdict.end != (expected ? SP_HISTORY_OK : SP_HISTORY_ILLEGAL))
            FAIL("round %d of %s: %d, expected %d", i, model.name, verdict.end, expected);
        if (!expected)
            check_core(ops, count, &verdict, &model);
        legal += expected;
        sp_history_verdict_finish(&verdict);
    }
    if (legal < rounds / 20 || legal > rounds - rounds / 20)
        FAIL("%s: %d of %d legal", model.name, legal, rounds);
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

TEST(history_register_as_every_order_says)
{
    check_against_brute(&sp_model_cas_register, codes_register, COUNT(codes_register), false);
}

TEST(history_register_without_keys_as_every_order_says)
{
    check_against_brute(&sp_model_register, codes_register, COUNT(codes_register) - 1, true);
}

TEST(history_counter_as_every_order_says)
{
    check_against_brute(&sp_model_counter, codes_counter, COUNT(codes_counter), false);
}

TEST(history_queue_as_every_order_says)
{
    check_against_brute(&sp_model_queue, codes_queue, COUNT(codes_queue), false);
}

TEST(history_set_as_every_order_says)
{
    check_against_brute(&sp_model_set, codes_set, COUNT(codes_set), false);
}

TEST(history_map_as_every_order_says)
{
    check_against_brute(&sp_model_map, codes_map, COUNT(codes_map), false);
}

TEST(history_map_of_all_keys_as_every_order_says)
{
    check_against_brute(&sp_model_map, codes_map, COUNT(codes_map), true);
}
