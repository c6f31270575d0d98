/* Every order of a part's code made weaker, one at a time: which model notices?
 *
 * What none notices is either stronger than need be, or needed for something that no model does.
 */
#include "run.h"

#include "support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { WEAKEN_MAX = 256, WEAKEN_RUNS_MAX = 400000 };

struct weaken_case {
    struct model_fault fault;
    int from;
};

static struct {
    struct weaken_case cases[WEAKEN_MAX];
    int count;
    int missed;
    struct model_result result;
} weaken;

static bool weaken_same(const struct model_fault *a, const struct model_fault *b)
{
    return strcmp(a->function, b->function) == 0 && strcmp(a->operand, b->operand) == 0 &&
           strcmp(a->operation, b->operation) == 0 && a->order == b->order;
}

static void weaken_add(const struct site *site, int from, memory_order order)
{
    struct weaken_case one = {
        .fault = { .function = site->function,
                   .operation = site->operation,
                   .operand = site->operand,
                   .order = order },
        .from = from,
    };
    for (int i = 0; i < weaken.count; i++)
        if (weaken_same(&weaken.cases[i].fault, &one.fault))
            return;
    if (weaken.count < WEAKEN_MAX)
        weaken.cases[weaken.count++] = one;
}

static void weaken_add_seq_cst(const struct site *site, int from)
{
    if (strstr(site->operation, "fence") != NULL)
        weaken_add(site, from, memory_order_relaxed);
    else if (strcmp(site->operation, "load") == 0)
        weaken_add(site, from, memory_order_acquire);
    else if (strcmp(site->operation, "store") == 0)
        weaken_add(site, from, memory_order_release);
    else
        weaken_add(site, from, memory_order_acq_rel);
}

static void weaken_add_order(const struct site *site, int from)
{
    switch (from) {
    case memory_order_acquire:
    case memory_order_release:
        weaken_add(site, from, memory_order_relaxed);
        break;
    case memory_order_acq_rel:
        weaken_add(site, from, memory_order_acquire);
        weaken_add(site, from, memory_order_release);
        break;
    case memory_order_seq_cst:
    case ORDER_HEAVY:
    case ORDER_LIGHT:
        weaken_add_seq_cst(site, from);
        break;
    default:
        break;
    }
}

static bool weaken_is_file(const struct model_part *part, const struct site *site)
{
    const char *name = strrchr(site->file, '/');
    name = name != NULL ? name + 1 : site->file;
    for (const char *const *file = part->files; *file != NULL; file++)
        if (strcmp(*file, name) == 0)
            return true;
    return false;
}

static void weaken_collect(const struct model_part *part)
{
    for (const struct model *const *model = part->models; *model != NULL; model++) {
        model_explore(*model, NULL, &weaken.result);
        CHECK_INT(weaken.result.verdict, MODEL_COMPLETE);
        for (int i = 0; i < model_run.site_count; i++)
            for (int order = 0; order < 8; order++)
                if ((model_run.sites[i].orders >> order & 1) &&
                    weaken_is_file(part, &model_run.sites[i]))
                    weaken_add_order(&model_run.sites[i], order);
    }
}

/* Which model finds it, or NULL. */
static const struct model *weaken_try(const struct model_part *part,
                                      const struct model_fault *fault)
{
    struct model_options options = { .fault = fault, .executions_max = WEAKEN_RUNS_MAX };
    for (const struct model *const *model = part->models; *model != NULL; model++) {
        model_explore(*model, &options, &weaken.result);
        if (weaken.result.verdict == MODEL_FOUND)
            return *model;
    }
    return NULL;
}

static const char *weaken_spared(const struct model_part *part, const struct model_fault *fault)
{
    const struct model_spared *one = part->spared;
    for (; one != NULL && one->fault.operation != NULL; one++)
        if (weaken_same(&one->fault, fault))
            return one->why;
    return NULL;
}

static void weaken_case(const struct model_part *part, const struct weaken_case *one)
{
    const struct model_fault *fault = &one->fault;
    const struct model *found = weaken_try(part, fault);
    const char *why = weaken_spared(part, fault);
    bool right = (found == NULL) == (why != NULL);
    weaken.missed += !right;
    printf("%s %s() %s %s: %s -> %s: ", right ? "ok  " : "FAIL", fault->function, fault->operation,
           fault->operand, report_order(one->from), report_order((int)fault->order));
    if (found != NULL)
        printf("found by %s after %" PRIu64 " runs\n", found->name, weaken.result.runs);
    else
        printf("not found%s%s\n", why != NULL ? ": " : "", why != NULL ? why : "");
    fflush(stdout);
}

void model_weaken_each(const struct model_part *part)
{
    memset(&weaken, 0, sizeof(weaken));
    weaken_collect(part);
    CHECK(weaken.count > 0 && weaken.count < WEAKEN_MAX);
    for (int i = 0; i < weaken.count; i++)
        weaken_case(part, &weaken.cases[i]);
    CHECK_INT(weaken.missed, 0);
}
