#include "behaviour/shutdown_plan.h"

#include "base/text.h"

#include <string.h>

#define PLAN_BUDGET sp_sec(5)
_Static_assert(SP_SHUTDOWN_PHASES_MAX <= 64, "a set of phases is a word");

static const char *const plan_standard[] = { "unready", "drain", "handover", "flush", "stop" };
enum { PLAN_STANDARD = sizeof(plan_standard) / sizeof(plan_standard[0]) };

/* INVALID, with a text that says why. */
static sp_err plan_fault(struct sp_shutdown_fault *out_fault, const char *what, const char *name)
{
    struct sp__text text;
    if (out_fault != NULL) {
        sp__text_init(&text, out_fault->text, sizeof(out_fault->text));
        sp__text_add(&text, "%s: %s", what, name == NULL ? "(none)" : name);
    }
    return SP_ERR_INVALID;
}

bool sp__shutdown_name_valid(const char *name)
{
    size_t size = name == NULL ? 0 : strnlen(name, SP_SHUTDOWN_NAME_MAX + 1);
    return size > 0 && size <= SP_SHUTDOWN_NAME_MAX;
}

size_t sp__shutdown_plan_find(const struct sp__shutdown_plan *plan, const char *name)
{
    size_t place = 0;
    while (place < plan->count && strcmp(plan->phases[place].name, name) != 0)
        place++;
    return place;
}

static struct sp__shutdown_phase *plan_add(struct sp__shutdown_plan *plan, const char *name)
{
    struct sp__shutdown_phase *phase = &plan->phases[plan->count++];
    *phase = (struct sp__shutdown_phase){ .budget = PLAN_BUDGET };
    memcpy(phase->name, name, strlen(name) + 1);
    return phase;
}

/* Was it given before? The standard ones were not. */
static bool plan_given(const struct sp_shutdown_options *options, size_t i)
{
    for (size_t other = 0; other < i; other++)
        if (strcmp(options->phases[other].name, options->phases[i].name) == 0)
            return true;
    return false;
}

static sp_err plan_collect(struct sp__shutdown_plan *plan,
                           const struct sp_shutdown_options *options,
                           struct sp_shutdown_fault *out_fault)
{
    for (size_t i = 0; i < PLAN_STANDARD; i++)
        plan_add(plan, plan_standard[i])->after = i == 0 ? 0 : UINT64_C(1) << (i - 1);
    for (size_t i = 0; i < options->phase_count; i++) {
        const struct sp_shutdown_phase *given = &options->phases[i];
        if (!sp__shutdown_name_valid(given->name) || given->budget.ns < 0)
            return plan_fault(out_fault, "name or budget of a phase", given->name);
        if (plan_given(options, i))
            return plan_fault(out_fault, "phase given twice", given->name);
        size_t place = sp__shutdown_plan_find(plan, given->name);
        if (place == SP_SHUTDOWN_PHASES_MAX)
            return plan_fault(out_fault, "too many phases", given->name);
        if (place == plan->count)
            (void)plan_add(plan, given->name);
        if (given->budget.ns != 0)
            plan->phases[place].budget = given->budget;
    }
    return SP_OK;
}

/* Note the neighbours of one that was given. */
static sp_err plan_relate(struct sp__shutdown_plan *plan, const struct sp_shutdown_phase *given,
                          struct sp_shutdown_fault *out_fault)
{
    size_t place = sp__shutdown_plan_find(plan, given->name);
    for (const char *const *name = given->after; name != NULL && *name != NULL; name++) {
        size_t other = sp__shutdown_plan_find(plan, *name);
        if (other == plan->count)
            return plan_fault(out_fault, "unknown phase", *name);
        plan->phases[place].after |= UINT64_C(1) << other;
    }
    for (const char *const *name = given->before; name != NULL && *name != NULL; name++) {
        size_t other = sp__shutdown_plan_find(plan, *name);
        if (other == plan->count)
            return plan_fault(out_fault, "unknown phase", *name);
        plan->phases[other].after |= UINT64_C(1) << place;
    }
    return SP_OK;
}

/* Some are left, and each waits for another: who goes back from one to one it comes after, as many
 * times as there are phases, is on a cycle. */
static sp_err plan_cycle(const struct sp__shutdown_plan *plan, uint64_t left,
                         struct sp_shutdown_fault *out_fault)
{
    struct sp__text text;
    size_t at = (size_t)__builtin_ctzll(left);
    if (out_fault == NULL)
        return SP_ERR_INVALID;
    for (size_t i = 0; i < plan->count; i++)
        at = (size_t)__builtin_ctzll(plan->phases[at].after & left);
    sp__text_init(&text, out_fault->text, sizeof(out_fault->text));
    sp__text_add(&text, "cycle: %s", plan->phases[at].name);
    size_t start = at;
    do {
        at = (size_t)__builtin_ctzll(plan->phases[at].after & left);
        sp__text_add(&text, " after %s", plan->phases[at].name);
    } while (at != start);
    return SP_ERR_INVALID;
}

static sp_err plan_sort(struct sp__shutdown_plan *plan, struct sp_shutdown_fault *out_fault)
{
    uint64_t placed = 0;
    uint64_t all = plan->count == 64 ? UINT64_MAX : (UINT64_C(1) << plan->count) - 1;
    for (size_t i = 0; i < plan->count; i++) {
        size_t place = 0;
        while (place < plan->count &&
               ((placed >> place & 1) != 0 || (plan->phases[place].after & ~placed) != 0))
            place++;
        if (place == plan->count)
            return plan_cycle(plan, all & ~placed, out_fault);
        placed |= UINT64_C(1) << place;
        plan->order[i] = (uint8_t)place;
    }
    return SP_OK;
}

sp_err sp__shutdown_plan_init(struct sp__shutdown_plan *plan,
                              const struct sp_shutdown_options *options,
                              struct sp_shutdown_fault *out_fault)
{
    plan->count = 0;
    sp_err err = options->total.ns < 0 ? plan_fault(out_fault, "total", "negative") : SP_OK;
    if (err == SP_OK)
        err = plan_collect(plan, options, out_fault);
    for (size_t i = 0; err == SP_OK && i < options->phase_count; i++)
        err = plan_relate(plan, &options->phases[i], out_fault);
    return err == SP_OK ? plan_sort(plan, out_fault) : err;
}
