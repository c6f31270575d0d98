#include "sim/campaign.h"

#include "runtime/random.h"
#include "sim/fault.h"

#include <string.h>

void sim_campaign_init(struct sim_campaign *campaign, const struct sim_campaign_options *options)
{
    *campaign = (struct sim_campaign){ .options = *options };
}

void sim_campaign_finish(struct sim_campaign *campaign)
{
    for (int lane = 0; lane < SIM_LANES; lane++) {
        sim_strategy_destroy(campaign->lanes[lane].strategy);
        campaign->lanes[lane].strategy = NULL;
    }
}

unsigned sim_campaign_lane(const struct sim_campaign *campaign)
{
    bool turns = !campaign->options.exhaust && campaign->options.strategy == NULL;
    return turns ? (unsigned)(campaign->runs % SIM_LANES) : 0;
}

void sim_campaign_skip(struct sim_campaign *campaign)
{
    campaign->runs++;
}

static enum sim_strategy_kind campaign_kind(const struct sim_campaign *campaign)
{
    const struct sim_campaign_options *options = &campaign->options;
    /* In abstract time a timer touches everything and may always go first: nothing to reduce. */
    bool plain = options->plain || options->test->options.abstract_time;
    if (options->exhaust)
        return options->depth != 0 ? SIM_DELAYS : plain ? SIM_EXHAUST : SIM_DPOR;
    for (int kind = 0; options->strategy != NULL && kind < SIM_STRATEGIES; kind++)
        if (strcmp(options->strategy, sim_strategy_name((enum sim_strategy_kind)kind)) == 0)
            return (enum sim_strategy_kind)kind;
    /* The first schedule of delays is the reference, so that is the first of all. */
    static const enum sim_strategy_kind turns[SIM_LANES] = { SIM_DELAYS, SIM_RANDOM, SIM_PCT,
                                                             SIM_POS, SIM_URW };
    unsigned lane = sim_campaign_lane(campaign);
    return campaign->lanes[lane].spent ? SIM_RANDOM : turns[lane];
}

/* The strategy of the next run, begun. */
static sp_err campaign_strategy(struct sim_campaign *campaign, uint64_t seed,
                                struct sim_strategy **out)
{
    struct sim_turn *lane = &campaign->lanes[sim_campaign_lane(campaign)];
    for (;;) {
        campaign->kind = campaign_kind(campaign);
        if (lane->strategy == NULL)
            lane->strategy = sim_strategy_create(campaign->kind, campaign->options.depth);
        if (lane->strategy == NULL)
            return SP_ERR_NOMEM;
        if (campaign->options.exhaust)
            sim_strategy_set_exact(lane->strategy);
        sim_strategy_set_abstract(lane->strategy, campaign->options.test->options.abstract_time);
        if (sim_strategy_begin(lane->strategy, seed)) {
            *out = lane->strategy;
            return SP_OK;
        }
        bool again = lane->spent;
        lane->spent = true;
        campaign->refused = sim_strategy_refused(lane->strategy);
        campaign->complete = campaign->options.exhaust && campaign->refused == NULL;
        if (again || campaign->options.exhaust || campaign->options.strategy != NULL)
            return SP_ERR_NOTFOUND;
        sim_strategy_destroy(lane->strategy);
        lane->strategy = NULL;
    }
}

static uint64_t campaign_seed(const struct sim_campaign *campaign)
{
    uint64_t seed = campaign->options.seed;
    if (campaign->options.seed_of_run && campaign->runs == 0)
        return seed;
    if (campaign->options.exhaust)
        return seed; /* what the program draws from its own generator is the same in all */
    uint64_t state = sp__random_start(seed, campaign->runs);
    return sp__random_next(&state);
}

/* The first run has none, and is measured; exhaustive ones have none either. */
static void campaign_faults(const struct sim_campaign *campaign, struct sim_plan *plan)
{
    const struct sim_campaign_options *options = &campaign->options;
    plan->faults_given = true;
    if (options->exhaust)
        return;
    plan->faults = options->test->options.faults | SIM_FAULTS_HARMLESS;
    if (options->faults != NULL)
        sp_ignore(sim_faults_parse(options->faults, &plan->faults));
    const struct sim_turn *lane = &campaign->lanes[sim_campaign_lane(campaign)];
    plan->length = lane->length != 0 ? lane->length : campaign->first_length;
    plan->allocations = lane->allocations != 0 ? lane->allocations : campaign->first_allocations;
}

/* About the mean of the last few, and no less than the first, which had no faults: else runs that
 * faults cut short would draw the next ones ever nearer to the beginning. */
static uint64_t campaign_usual(uint64_t *first, uint64_t usual, uint64_t now)
{
    if (*first == 0)
        *first = now;
    uint64_t mean = (3 * usual + now + 3) / 4;
    return mean > *first ? mean : *first;
}

sp_err sim_campaign_next(struct sim_campaign *campaign, struct sim_plan *out_plan,
                         struct sim_result *out_result)
{
    uint64_t seed = campaign_seed(campaign);
    struct sim_strategy *strategy = NULL;
    sp_err err = campaign_strategy(campaign, seed, &strategy);
    if (err != SP_OK)
        return err;
    *out_plan = (struct sim_plan){ .test = campaign->options.test,
                                   .seed = seed,
                                   .strategy = strategy,
                                   .chance = !campaign->options.exhaust };
    campaign_faults(campaign, out_plan);
    err = sim_run(out_plan, out_result);
    if (err != SP_OK)
        return err;
    sim_strategy_end(strategy, out_result->choices);
    struct sim_turn *lane = &campaign->lanes[sim_campaign_lane(campaign)];
    lane->length = campaign_usual(&campaign->first_length, lane->length, out_result->window);
    lane->allocations =
        campaign_usual(&campaign->first_allocations, lane->allocations, out_result->allocations);
    campaign->runs += !out_result->cut;
    campaign->cuts += out_result->cut;
    campaign->steps += out_result->steps;
    campaign->time_ns += out_result->time_ns;
    return SP_OK;
}
