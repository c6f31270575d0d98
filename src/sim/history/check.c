/* The check of a history: parts by key, a search in each, the core of the first illegal one.
 *
 * Threads: none of its own. Neighbours: spawned/history.h, search.h, core.h.
 */
#include "base/alloc.h"
#include "sim/history/core.h"
#include "sim/history/model.h"
#include "sim/history/search.h"

#include <stdlib.h>
#include <string.h>

#define CHECK_STATES_MAX UINT64_C(20000000)
#define CHECK_MEMORY_MAX ((size_t)1 << 30)

/* An operation on its way into its part. */
struct check_item {
    struct sim_search_op op;
    size_t part;
};

struct check {
    const struct sp_model *model;
    struct sp_history_options options;
    struct check_item *items; /* by part, then by call */
    size_t count;
    size_t *parts; /* table: 1 + an item of the part */
    size_t parts_capacity;
    size_t part_count;
    struct sim_search_op *known;
    struct sim_search_op *open;
    struct sim_search_op *ops; /* of a part, all */
    struct sp_history_verdict verdict;
};

/* ---- parts ---- */

static sp_value check_key(const struct check *check, const struct sp_operation *operation)
{
    return check->model->key == NULL ? sp_value_none() : check->model->key(operation);
}

static size_t check_part(struct check *check, size_t item)
{
    sp_value key = check_key(check, check->items[item].op.operation);
    size_t at = sim__hash_value(key) & (check->parts_capacity - 1);
    for (; check->parts[at] != 0; at = (at + 1) & (check->parts_capacity - 1)) {
        const struct check_item *other = &check->items[check->parts[at] - 1];
        if (sp_value_equal(check_key(check, other->op.operation), key))
            return other->part;
    }
    check->parts[at] = item + 1;
    return check->part_count++;
}

static int item_compare(const void *a, const void *b)
{
    const struct check_item *x = a;
    const struct check_item *y = b;
    if (x->part != y->part)
        return x->part < y->part ? -1 : 1;
    if (x->op.call != y->op.call)
        return x->op.call < y->op.call ? -1 : 1;
    return (x->op.index > y->op.index) - (x->op.index < y->op.index);
}

static bool operation_valid(const struct sp_operation *operation)
{
    if (operation->outcome != SP_OUTCOME_OK)
        return true;
    return operation->invoked <= operation->returned && operation->returned != SP_HISTORY_OPEN;
}

/* Where nobody asks for an operation's result and it only reads, it does not matter. */
static sp_err check_sort(struct check *check, const struct sp_operation *operations, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct sp_operation *operation = &operations[i];
        if (!operation_valid(operation))
            return SP_ERR_INVALID;
        if (operation->outcome == SP_OUTCOME_FAIL)
            continue;
        bool known = operation->outcome == SP_OUTCOME_OK;
        struct check_item *item = &check->items[check->count];
        item->op = (struct sim_search_op){ .operation = operation,
                                           .call = operation->invoked,
                                           .ret = known ? operation->returned : SP_HISTORY_OPEN,
                                           .index = i };
        item->part = check_part(check, check->count);
        check->count++;
    }
    if (check->count > 0)
        qsort(check->items, check->count, sizeof(*check->items), item_compare);
    return SP_OK;
}

/* ---- one part ---- */

static sp_err part_core(struct check *check, size_t count, const struct sim_search_result *result,
                        const struct sp_operation *operations)
{
    if (check->options.no_core)
        return SP_OK;
    struct sim_core core = { .model = check->model,
                             .ops = check->ops,
                             .count = count,
                             .last = operations[result->stuck].returned,
                             .states = result->states,
                             .memory_max = check->options.memory_max };
    return sim_core_find(&core, &check->verdict.core, &check->verdict.core_count);
}

static sp_err part_check(struct check *check, size_t from, size_t to,
                         const struct sp_operation *operations)
{
    struct sp_history_verdict *verdict = &check->verdict;
    struct sim_search search = { .model = check->model,
                                 .known = check->known,
                                 .open = check->open,
                                 .states_max = check->options.states_max - verdict->states,
                                 .memory_max = check->options.memory_max };
    for (size_t i = from; i < to; i++) {
        const struct sim_search_op *op = &check->items[i].op;
        check->ops[i - from] = *op;
        if (op->ret == SP_HISTORY_OPEN)
            check->open[search.open_count++] = *op;
        else
            check->known[search.known_count++] = *op;
    }
    struct sim_search_result result;
    sp_err err = sim_search(&search, &result);
    if (err != SP_OK)
        return err;
    verdict->states += result.states;
    verdict->end = result.end == SP_HISTORY_OK ? verdict->end : result.end;
    if (result.end != SP_HISTORY_ILLEGAL)
        return SP_OK;
    verdict->key = check_key(check, check->ops[0].operation);
    verdict->furthest = result.order;
    verdict->furthest_count = result.order_count;
    verdict->stuck = result.stuck;
    return part_core(check, to - from, &result, operations);
}

static sp_err check_parts(struct check *check, const struct sp_operation *operations)
{
    sp_err err = SP_OK;
    for (size_t from = 0; from < check->count && err == SP_OK;) {
        size_t to = from;
        while (to < check->count && check->items[to].part == check->items[from].part)
            to++;
        if (check->verdict.states >= check->options.states_max)
            check->verdict.end = SP_HISTORY_UNKNOWN;
        else
            err = part_check(check, from, to, operations);
        if (check->verdict.end == SP_HISTORY_ILLEGAL)
            break;
        from = to;
    }
    return err;
}

static sp_err check_run(struct check *check, const struct sp_operation *operations, size_t count)
{
    check->parts_capacity = 16;
    while (check->parts_capacity < 2 * count)
        check->parts_capacity *= 2;
    check->items = sp__malloc((count + 1) * sizeof(*check->items));
    check->parts = sp__calloc(check->parts_capacity, sizeof(*check->parts));
    check->known = sp__malloc((count + 1) * sizeof(*check->known));
    check->open = sp__malloc((count + 1) * sizeof(*check->open));
    check->ops = sp__malloc((count + 1) * sizeof(*check->ops));
    if (check->items == NULL || check->parts == NULL || check->known == NULL ||
        check->open == NULL || check->ops == NULL)
        return SP_ERR_NOMEM;
    sp_err err = check_sort(check, operations, count);
    return err == SP_OK ? check_parts(check, operations) : err;
}

sp_err sp_history_check(const struct sp_operation *operations, size_t count,
                        const struct sp_model *model, const struct sp_history_options *options,
                        struct sp_history_verdict *out_verdict)
{
    struct check check = { .model = model };
    if (options != NULL)
        check.options = *options;
    if (check.options.states_max == 0)
        check.options.states_max = CHECK_STATES_MAX;
    if (check.options.memory_max == 0)
        check.options.memory_max = CHECK_MEMORY_MAX;
    sp_err err = check_run(&check, operations, count);
    sp__free(check.items);
    sp__free(check.parts);
    sp__free(check.known);
    sp__free(check.open);
    sp__free(check.ops);
    if (err == SP_OK)
        *out_verdict = check.verdict;
    else
        sp_history_verdict_finish(&check.verdict);
    return err;
}

void sp_history_verdict_finish(struct sp_history_verdict *verdict)
{
    sp__free(verdict->furthest);
    sp__free(verdict->core);
    verdict->furthest = NULL;
    verdict->core = NULL;
    verdict->furthest_count = 0;
    verdict->core_count = 0;
}
