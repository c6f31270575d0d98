#include "runtime/real/lanes.h"

/* ---- the lists ---- */

enum sp__rank sp__lane_rank(uint8_t lane)
{
    switch ((enum sp__lane)lane) {
    case SP__LANE_LOW:
        return SP__RANK_LOW;
    case SP__LANE_HIGH:
        return SP__RANK_HIGH;
    case SP__LANE_MAX:
        return SP__RANK_MAX;
    case SP__LANE_NORMAL:
    case SP__LANE_BOUND:
        break;
    }
    return SP__RANK_NORMAL;
}

static enum sp__lane lane_of(enum sp__rank rank)
{
    switch (rank) {
    case SP__RANK_LOW:
        return SP__LANE_LOW;
    case SP__RANK_HIGH:
        return SP__LANE_HIGH;
    case SP__RANK_MAX:
        return SP__LANE_MAX;
    default:
        return SP__LANE_NORMAL;
    }
}

void sp__lanes_push(struct sp__lanes *lanes, struct sp__actor *actor)
{
    uint8_t lane = actor->lane;
    actor->run_next = NULL;
    sp__lock_lock(&lanes->lock);
    if (lanes->first[lane] == NULL)
        lanes->first[lane] = actor;
    else
        lanes->last[lane]->run_next = actor;
    lanes->last[lane] = actor;
    /* relaxed: who wants to know for sure looks under the lock, or at `total`. */
    atomic_fetch_add_explicit(&lanes->count[lane], 1, memory_order_relaxed);
    /* seq_cst: pairs with sp__lanes_empty(). */
    atomic_fetch_add_explicit(&lanes->total, 1, memory_order_seq_cst);
    sp__lock_unlock(&lanes->lock);
}

struct sp__actor *sp__lanes_pop(struct sp__lanes *lanes, enum sp__rank rank)
{
    enum sp__lane lane = lane_of(rank);
    sp__lock_lock(&lanes->lock);
    struct sp__actor *actor = lanes->first[lane];
    if (actor != NULL) {
        lanes->first[lane] = actor->run_next;
        /* relaxed, both: it becomes less; who reads more looks in vain. */
        atomic_fetch_sub_explicit(&lanes->count[lane], 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&lanes->total, 1, memory_order_relaxed);
    }
    sp__lock_unlock(&lanes->lock);
    return actor;
}

unsigned sp__lanes_waiting(const struct sp__lanes *lanes)
{
    unsigned waiting = 0;
    for (int lane = SP__LANE_LOW; lane <= SP__LANE_MAX; lane++)
        /* relaxed: a recent value. */
        if (atomic_load_explicit(&lanes->count[lane], memory_order_relaxed) != 0)
            waiting |= 1U << sp__lane_rank((uint8_t)lane);
    return waiting;
}

/* ---- who goes first ---- */

static enum sp__rank rank_highest(unsigned waiting)
{
    unsigned rank = SP__RANK_MAX;
    while (rank > 0 && !(waiting & (1U << rank)))
        rank--;
    return (enum sp__rank)rank;
}

void sp__share_settle(struct sp__share *share, int64_t now_ns)
{
    if (!share->charged)
        return;
    share->charged = false;
    share->due[share->rank] = now_ns + (SP__SHARE_ONE_IN - 1) * (now_ns - share->began);
}

enum sp__rank sp__share_choose(struct sp__share *share, unsigned waiting, int64_t now_ns,
                               int64_t aging_ns)
{
    enum sp__rank top = rank_highest(waiting);
    unsigned before = share->passed;
    sp__share_settle(share, now_ns);
    share->passed = waiting & ((1U << top) - 1);
    for (unsigned rank = 0; rank < top; rank++) {
        unsigned bit = 1U << rank;
        if (!(share->passed & bit))
            continue;
        if (!(before & bit) && share->due[rank] < now_ns + aging_ns)
            share->due[rank] = now_ns + aging_ns; /* it begins to wait */
        if (now_ns < share->due[rank])
            continue;
        share->charged = true;
        share->began = now_ns;
        share->rank = (enum sp__rank)rank;
        return share->rank;
    }
    return top;
}
