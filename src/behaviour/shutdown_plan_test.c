#include "behaviour/shutdown_plan.h"

#include "support/test.h"

#include <stdio.h>
#include <string.h>

static struct sp__shutdown_plan plan;
static struct sp_shutdown_fault fault;

static sp_err plan_of(const struct sp_shutdown_phase *phases, size_t count)
{
    struct sp_shutdown_options options = { .phases = phases, .phase_count = count };
    fault.text[0] = '\0';
    return sp__shutdown_plan_init(&plan, &options, &fault);
}

static const char *order(void)
{
    static char text[SP_SHUTDOWN_PHASES_MAX * 8];
    text[0] = '\0';
    for (size_t i = 0; i < plan.count; i++) {
        strcat(text, i == 0 ? "" : " ");
        strcat(text, plan.phases[plan.order[i]].name);
    }
    return text;
}

#define NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })

TEST(a_plan_has_the_standard_phases)
{
    CHECK_OK(plan_of(NULL, 0));
    CHECK_STR(order(), "unready drain handover flush stop");
    CHECK_INT(plan.phases[1].budget.ns, sp_sec(5).ns);
}

TEST(phases_come_after_and_before_others)
{
    const struct sp_shutdown_phase phases[] = {
        { .name = "c", .after = NAMES("b") },
        { .name = "b", .after = NAMES("a") },
        { .name = "a", .before = NAMES("unready", "flush") },
        { .name = "flush", .after = NAMES("c"), .budget = sp_sec(9) },
    };
    CHECK_OK(plan_of(phases, 4));
    CHECK_STR(order(), "a unready drain handover b c flush stop");
    CHECK_INT(plan.phases[sp__shutdown_plan_find(&plan, "flush")].budget.ns, sp_sec(9).ns);
}

/* Case 133: a cycle is refused, and named. */
TEST(a_cycle_is_refused)
{
    const struct sp_shutdown_phase phases[] = {
        { .name = "aside" },
        { .name = "a", .after = NAMES("b") },
        { .name = "b", .after = NAMES("c") },
        { .name = "c", .after = NAMES("a", "aside") },
        { .name = "behind", .after = NAMES("a") },
    };
    CHECK_ERR(plan_of(phases, 5), SP_ERR_INVALID);
    CHECK(strncmp(fault.text, "cycle: ", 7) == 0);
    CHECK_CONTAINS(fault.text, "a after b");
    CHECK_CONTAINS(fault.text, "b after c");
    CHECK_CONTAINS(fault.text, "c after a");
    const struct sp_shutdown_phase early = { .name = "drain", .after = NAMES("stop") };
    CHECK_ERR(plan_of(&early, 1), SP_ERR_INVALID);
    const struct sp_shutdown_phase self = { .name = "x", .after = NAMES("x") };
    CHECK_ERR(plan_of(&self, 1), SP_ERR_INVALID);
    CHECK_STR(fault.text, "cycle: x after x");
}

TEST(a_plan_that_is_wrong)
{
    char longer[SP_SHUTDOWN_NAME_MAX + 2];
    memset(longer, 'n', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    const struct sp_shutdown_phase bad[] = {
        { .name = NULL },
        { .name = "" },
        { .name = longer },
        { .name = "late", .budget = sp_sec(-1) },
        { .name = "x", .after = NAMES("nobody") },
        { .name = "x", .before = NAMES("nobody") },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_ERR(plan_of(&bad[i], 1), SP_ERR_INVALID);
        CHECK(fault.text[0] != '\0');
    }
    const struct sp_shutdown_phase twice[] = { { .name = "x" }, { .name = "x" } };
    CHECK_ERR(plan_of(twice, 2), SP_ERR_INVALID);
    struct sp_shutdown_options total = { .total = sp_ms(-1) };
    CHECK_ERR(sp__shutdown_plan_init(&plan, &total, NULL), SP_ERR_INVALID);
}

TEST(as_many_phases_as_fit)
{
    char names[SP_SHUTDOWN_PHASES_MAX][8];
    struct sp_shutdown_phase phases[SP_SHUTDOWN_PHASES_MAX];
    memset(phases, 0, sizeof(phases));
    for (int i = 0; i < SP_SHUTDOWN_PHASES_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "p%d", i);
        phases[i].name = names[i];
    }
    CHECK_OK(plan_of(phases, SP_SHUTDOWN_PHASES_MAX - 5));
    CHECK_INT(plan.count, SP_SHUTDOWN_PHASES_MAX);
    CHECK_ERR(plan_of(phases, SP_SHUTDOWN_PHASES_MAX - 4), SP_ERR_INVALID);
}
