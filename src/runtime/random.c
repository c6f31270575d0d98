/* splitmix64. See random.h. */
#include "runtime/random.h"

/* The golden ratio in 64 bits, odd: adding it visits every state once. */
#define RANDOM_STEP UINT64_C(0x9e3779b97f4a7c15)

static uint64_t random_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t sp__random_next(uint64_t *state)
{
    *state += RANDOM_STEP;
    return random_mix(*state);
}

uint64_t sp__random_start(uint64_t seed, uint64_t stream)
{
    return random_mix(random_mix(seed) + stream * RANDOM_STEP);
}

uint64_t sp__random_below(uint64_t *state, uint64_t bound)
{
    if (bound == 0)
        return sp__random_next(state);
    unsigned __int128 product = (unsigned __int128)sp__random_next(state) * bound;
    if ((uint64_t)product < bound) {
        /* 2^64 modulo bound: so many of the low halves would make some results likelier. */
        uint64_t excess = -bound % bound;
        while ((uint64_t)product < excess)
            product = (unsigned __int128)sp__random_next(state) * bound;
    }
    return (uint64_t)(product >> 64);
}
