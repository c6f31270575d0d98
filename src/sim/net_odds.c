#include "sim/net_odds.h"

#include "runtime/random.h"

/* What any network does at any time, without breaking anything. */
static bool odds_harmless(enum sp__choice kind)
{
    return kind == SP__CHOICE_NET_LATENCY || kind == SP__CHOICE_NET_READ ||
           kind == SP__CHOICE_NET_WRITE;
}

/* One in so many: in a third of the runs never, else often or now and then. */
static uint64_t odds_of_run(uint64_t seed, enum sp__choice kind)
{
    static const uint64_t one_in[] = { 0, 2, 16 };
    uint64_t state = sp__random_start(seed, kind + 64U);
    return one_in[sp__random_next(&state) % 3];
}

uint32_t sim_net_odds(uint64_t seed, enum sp__choice kind, uint64_t random, uint32_t count)
{
    if (!odds_harmless(kind))
        return 0;
    uint64_t one_in = odds_of_run(seed, kind);
    if (one_in == 0 || random % one_in != 0)
        return 0;
    return 1 + (uint32_t)((random >> 32) % (count - 1));
}
