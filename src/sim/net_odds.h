/* How often what is drawn about the network is something special. */
#ifndef SPAWNED_SIM_NET_ODDS_H
#define SPAWNED_SIM_NET_ODDS_H

#include "runtime/sim/world.h"

/** A value below `count` for a draw of this kind, in the run of this seed; `random` is the draw's
 *  own. Each run has a rate of its own for each kind, often 0. */
uint32_t sim_net_odds(uint64_t seed, enum sp__choice kind, uint64_t random, uint32_t count);

#endif
