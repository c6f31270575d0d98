/* Lanes: in order within a class; who goes first among classes, and that nobody starves. */
#include "runtime/real/lanes.h"

#include "support/test.h"

enum {
    LOW = 1 << SP__RANK_LOW,
    NORMAL = 1 << SP__RANK_NORMAL,
    HIGH = 1 << SP__RANK_HIGH,
    MAX = 1 << SP__RANK_MAX,
    AGING = 1000,
};

TEST(a_lane_is_first_in_first_out)
{
    struct sp__lanes lanes = { 0 };
    struct sp__actor actors[3] = { { .lane = SP__LANE_LOW },
                                   { .lane = SP__LANE_MAX },
                                   { .lane = SP__LANE_LOW } };
    CHECK(sp__lanes_empty(&lanes));
    for (int i = 0; i < 3; i++)
        sp__lanes_push(&lanes, &actors[i]);
    CHECK(!sp__lanes_empty(&lanes));
    CHECK_INT(sp__lanes_waiting(&lanes), LOW | MAX);
    CHECK(sp__lanes_pop(&lanes, SP__RANK_HIGH) == NULL);
    CHECK(sp__lanes_pop(&lanes, SP__RANK_LOW) == &actors[0]);
    CHECK(sp__lanes_pop(&lanes, SP__RANK_MAX) == &actors[1]);
    CHECK_INT(sp__lanes_waiting(&lanes), LOW);
    CHECK(sp__lanes_pop(&lanes, SP__RANK_LOW) == &actors[2]);
    CHECK(sp__lanes_pop(&lanes, SP__RANK_LOW) == NULL);
    CHECK(sp__lanes_empty(&lanes));
}

TEST(the_highest_class_goes_first)
{
    struct sp__share share = { 0 };
    CHECK_INT(sp__share_choose(&share, LOW | NORMAL | HIGH | MAX, 0, AGING), SP__RANK_MAX);
    CHECK_INT(sp__share_choose(&share, LOW | NORMAL | HIGH, 1, AGING), SP__RANK_HIGH);
    CHECK_INT(sp__share_choose(&share, LOW | NORMAL, 2, AGING), SP__RANK_NORMAL);
    CHECK_INT(sp__share_choose(&share, LOW, 3, AGING), SP__RANK_LOW);
    CHECK(!share.charged);
}

TEST(a_class_that_waits_no_longer_begins_to_wait_anew)
{
    struct sp__share share = { 0 };
    CHECK_INT(sp__share_choose(&share, LOW | NORMAL, 0, AGING), SP__RANK_NORMAL);
    CHECK_INT(sp__share_choose(&share, NORMAL, AGING - 1, AGING), SP__RANK_NORMAL);
    CHECK_INT(sp__share_choose(&share, LOW | NORMAL, AGING, AGING), SP__RANK_NORMAL);
    CHECK_INT(sp__share_choose(&share, LOW | NORMAL, 2 * AGING - 1, AGING), SP__RANK_NORMAL);
    CHECK_INT(sp__share_choose(&share, LOW | NORMAL, 2 * AGING, AGING), SP__RANK_LOW);
}

/* Turns of all classes take `turn` ns; how much of the time does each get? */
static void share_run(unsigned waiting, int64_t turn, int64_t got[SP__RANK_COUNT])
{
    struct sp__share share = { 0 };
    for (int64_t now = 0; now < 1000000; now += turn)
        got[sp__share_choose(&share, waiting, now, AGING)] += turn;
}

TEST(a_lower_class_gets_its_share_of_the_time)
{
    static const int64_t turns[] = { 10, 100, 3000 };
    for (size_t i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
        int64_t got[SP__RANK_COUNT] = { 0 };
        share_run(LOW | HIGH, turns[i], got);
        /* A turn of the others may end late. */
        CHECK(got[SP__RANK_LOW] >= 1000000 / 17 - 2 * turns[i]);
        CHECK(got[SP__RANK_LOW] <= 1000000 / 15);
        CHECK_INT(got[SP__RANK_NORMAL], 0);
    }
}

TEST(all_lower_classes_get_a_share)
{
    int64_t got[SP__RANK_COUNT] = { 0 };
    share_run(LOW | NORMAL | HIGH | MAX, 100, got);
    for (int rank = SP__RANK_LOW; rank < SP__RANK_MAX; rank++)
        CHECK(got[rank] > 1000000 / 20);
    CHECK(got[SP__RANK_MAX] > 1000000 * 3 / 4);
}
