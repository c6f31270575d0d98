/* What was drawn about the network, in words. */
#ifndef SPAWNED_SIM_NET_WORDS_H
#define SPAWNED_SIM_NET_WORDS_H

#include "sim/schedule.h"

enum { SIM_NET_WORDS_MAX = 96 };

/** Is it about the network? */
static inline bool sim_is_of_network(enum sp__choice kind)
{
    return kind >= SP__CHOICE_NET_LATENCY && kind <= SP__CHOICE_NET_NOFILE;
}

/** "breaks; neither side learns of it": what befalls whom it was drawn about. */
const char *sim_net_words(const struct sim_choice *drawn, char text[SIM_NET_WORDS_MAX]) SP_NONNULL;

#endif
