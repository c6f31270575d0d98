/* Cycles in waits that are written down here: process n waits for process to[n]. */
#include "http/cycle.h"

#include "support/test.h"

#define NOBODY 99

struct waits {
    uint32_t to[8];
    uint32_t later[8]; /* after `looks` looks */
    int looks;
};

static sp_pid pid_of(uint32_t slot)
{
    return (sp_pid){ .serial = 1, .slot = slot };
}

static sp_pid waits_for(sp_pid pid, void *arg)
{
    struct waits *waits = arg;
    uint32_t to = waits->looks-- > 0 ? waits->to[pid.slot] : waits->later[pid.slot];
    return to == NOBODY ? SP_PID_NONE : pid_of(to);
}

static size_t cycle_from(uint32_t start, struct waits waits, sp_pid cycle[SP__HTTP_CYCLE_MAX])
{
    return sp__http_cycle(pid_of(start), waits_for, &waits, cycle);
}

TEST(cycle_is_told_once_in_its_order)
{
    sp_pid cycle[SP__HTTP_CYCLE_MAX];
    /* 1 -> 3 -> 2 -> 1, and 0 and 4 wait for some of them. */
    const struct waits waits = { .to = { 1, 3, 1, 2, 3 }, .looks = 100 };
    CHECK_INT(cycle_from(1, waits, cycle), 3);
    CHECK_INT(cycle[0].slot, 1);
    CHECK_INT(cycle[1].slot, 3);
    CHECK_INT(cycle[2].slot, 2);
    CHECK_INT(cycle_from(2, waits, cycle), 0);
    CHECK_INT(cycle_from(3, waits, cycle), 0);
    CHECK_INT(cycle_from(0, waits, cycle), 0); /* not in it, and it ends all the same */
    CHECK_INT(cycle_from(4, waits, cycle), 0);
}

TEST(cycle_of_one_and_none)
{
    sp_pid cycle[SP__HTTP_CYCLE_MAX];
    const struct waits waits = { .to = { 0, 2, NOBODY }, .looks = 100 };
    CHECK_INT(cycle_from(0, waits, cycle), 1);
    CHECK_INT(cycle_from(1, waits, cycle), 0);
    CHECK_INT(cycle_from(2, waits, cycle), 0);
}

TEST(cycle_that_is_gone_at_the_second_look_is_none)
{
    sp_pid cycle[SP__HTTP_CYCLE_MAX];
    const struct waits gone = { .to = { 1, 0 }, .later = { 1, NOBODY }, .looks = 2 };
    const struct waits other = { .to = { 1, 0 }, .later = { 2, 0, 0 }, .looks = 2 };
    CHECK_INT(cycle_from(0, gone, cycle), 0);
    CHECK_INT(cycle_from(0, other, cycle), 0);
}
