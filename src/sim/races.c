#include "sim/races.h"

#include "base/alloc.h"
#include "sim/fault.h"
#include "sim/inside.h"

#include <stdlib.h>
#include <string.h>

/* ---- clocks ---- */

static uint32_t *clock_of(const struct sim_races *races, uint32_t event)
{
    return &races->clocks[event * races->lanes];
}

static void clock_join(struct sim_races *races, uint32_t event, uint32_t cause)
{
    uint32_t *mine = clock_of(races, event);
    const uint32_t *other = clock_of(races, cause);
    for (size_t lane = 0; lane < races->lanes; lane++)
        if (other[lane] > mine[lane])
            mine[lane] = other[lane];
}

/* Own position in its lane, from 1: what others have of it in their clocks. */
static sp_err clocks_make(struct sim_races *races, const struct sim_trace *trace)
{
    races->lanes = trace->lane_count;
    if (trace->count * races->lanes > SIM_RACES_CLOCKS_MAX) {
        races->too_long = true;
        return SP_OK;
    }
    races->clocks = sp__calloc(trace->count * races->lanes + 1, sizeof(*races->clocks));
    uint32_t *last = sp__calloc(races->lanes + 1, sizeof(*last)); /* event + 1 */
    if (races->clocks == NULL || last == NULL) {
        sp__free(last);
        return SP_ERR_NOMEM;
    }
    for (uint32_t event = 0; event < trace->count; event++) {
        const struct sim_event *at = &trace->events[event];
        if (last[at->lane] != 0)
            clock_join(races, event, last[at->lane] - 1);
        for (uint32_t i = 0; i < at->cause_count; i++)
            if (at->causes[i] < event)
                clock_join(races, event, at->causes[i]);
        clock_of(races, event)[at->lane]++;
        last[at->lane] = event + 1;
    }
    sp__free(last);
    return SP_OK;
}

bool sim_races_before(const struct sim_races *races, const struct sim_trace *trace, uint32_t a,
                      uint32_t b)
{
    if (races->clocks == NULL || a >= b)
        return false;
    uint32_t lane = trace->events[a].lane;
    return clock_of(races, a)[lane] <= clock_of(races, b)[lane];
}

/* ---- pairs ---- */

/* How much it says that these two touched the same thing: 0 the most, 3: they do not race. */
static uint8_t kinds_rank(enum sim_access_kind a, enum sim_access_kind b)
{
    static const uint8_t ranks[8][8] = {
        /*               push take wake measure look end read write */
        [SIM_PUSH] = { 0, 2, 1, 0, 3, 0, 3, 3 },      [SIM_TAKE] = { 2, 3, 3, 1, 3, 1, 3, 3 },
        [SIM_WAKE] = { 1, 3, 0, 3, 3, 0, 3, 3 },      [SIM_MEASURE] = { 0, 1, 3, 3, 3, 0, 3, 3 },
        [SIM_LOOK] = { 3, 3, 3, 3, 3, 0, 3, 3 },      [SIM_END] = { 0, 1, 0, 0, 0, 0, 3, 3 },
        [SIM_NAME_READ] = { 3, 3, 3, 3, 3, 3, 3, 0 }, [SIM_NAME_WRITE] = { 3, 3, 3, 3, 3, 3, 0, 0 },
    };
    return ranks[a][b];
}

static uint8_t events_rank(const struct sim_event *a, const struct sim_event *b)
{
    uint8_t best = 3;
    for (uint32_t i = 0; i < a->access_count; i++)
        for (uint32_t j = 0; j < b->access_count; j++) {
            if (a->accesses[i].object != b->accesses[j].object)
                continue;
            uint8_t rank = kinds_rank(a->accesses[i].kind, b->accesses[j].kind);
            best = rank < best ? rank : best;
        }
    return best;
}

static sp_err pairs_add(struct sim_races *races, size_t *capacity, struct sim_race pair)
{
    if (races->count == *capacity) {
        size_t wanted = *capacity == 0 ? 64 : 2 * *capacity;
        void *pairs = sp__realloc(races->pairs, wanted * sizeof(*races->pairs));
        if (pairs == NULL)
            return SP_ERR_NOMEM;
        races->pairs = pairs;
        *capacity = wanted;
    }
    races->pairs[races->count++] = pair;
    return SP_OK;
}

/* Does event e go behind `second` when it is flipped with `first`? */
static bool flip_delays(const struct sim_races *races, const struct sim_trace *trace,
                        const struct sim_race *pair, uint32_t e)
{
    return e == pair->first || sim_races_before(races, trace, pair->first, e);
}

/* How many touching pairs change their order. */
static uint32_t flip_turns(const struct sim_races *races, const struct sim_trace *trace,
                           const struct sim_race *pair)
{
    uint32_t turned = 0;
    for (uint32_t i = pair->first; i < pair->second; i++) {
        if (!flip_delays(races, trace, pair, i))
            continue;
        for (uint32_t j = i + 1; j <= pair->second; j++)
            turned += !flip_delays(races, trace, pair, j) &&
                      events_rank(&trace->events[i], &trace->events[j]) < 3;
    }
    return turned;
}

static bool pair_races(const struct sim_races *races, const struct sim_trace *trace, uint32_t i,
                       uint32_t j, uint8_t *out_rank)
{
    const struct sim_event *a = &trace->events[i];
    const struct sim_event *b = &trace->events[j];
    if (a->lane == b->lane)
        return false;
    *out_rank = events_rank(a, b);
    return *out_rank < 3 && !sim_races_before(races, trace, i, j);
}

/* Those of the last one of `touching` with what touched something before it. */
static sp_err pairs_find_of(struct sim_races *races, const struct sim_trace *trace,
                            const uint32_t *touching, size_t last, size_t *capacity)
{
    sp_err err = SP_OK;
    size_t begin = last > SIM_RACES_BACK_MAX ? last - SIM_RACES_BACK_MAX : 0;
    uint32_t tried = 0;
    for (size_t i = last; i-- > begin && err == SP_OK && tried < 16;) {
        struct sim_race pair = { .first = touching[i], .second = touching[last] };
        if (!pair_races(races, trace, pair.first, pair.second, &pair.rank))
            continue;
        tried++; /* those further back are turned with these */
        err = pairs_add(races, capacity, pair);
    }
    return err;
}

static sp_err pairs_find(struct sim_races *races, const struct sim_trace *trace, size_t *capacity)
{
    sp_err err = SP_OK;
    size_t count = 0;
    uint32_t *touching = sp__calloc(trace->count + 1, sizeof(*touching));
    if (touching == NULL)
        return SP_ERR_NOMEM;
    for (uint32_t e = 0; e < trace->count && err == SP_OK; e++)
        if (trace->events[e].access_count != 0) {
            touching[count++] = e;
            err = pairs_find_of(races, trace, touching, count - 1, capacity);
        }
    sp__free(touching);
    return err;
}

static int pair_compare(const void *one, const void *two)
{
    const struct sim_race *a = one;
    const struct sim_race *b = two;
    if (a->passes != b->passes)
        return a->passes ? -1 : 1;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->turned != b->turned)
        return a->turned < b->turned ? -1 : 1;
    uint32_t gap_a = a->second - a->first;
    uint32_t gap_b = b->second - b->first;
    if (gap_a != gap_b)
        return gap_a < gap_b ? -1 : 1;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return 0;
}

/* ---- turns that could have come before the message they took ---- */

/* Is `b` the next step of a's task, or caused by a? */
static bool follows(const struct sim_trace *trace, uint32_t a, uint32_t b)
{
    const struct sim_event *event = &trace->events[b];
    if (trace->events[a].lane == event->lane)
        return true;
    for (uint32_t i = 0; i < event->cause_count; i++)
        if (event->causes[i] == a)
            return true;
    return false;
}

/* Write to `needed`, by event - first, what `second` needs even if it goes before `first`.
 * False: it needs the first. */
static bool early_needs(const struct sim_trace *trace, const struct sim_race *pair, bool *needed)
{
    needed[pair->second - pair->first] = true;
    for (uint32_t e = pair->second; e-- > pair->first;)
        for (uint32_t later = e + 1; later <= pair->second; later++) {
            if (!needed[later - pair->first] || !follows(trace, e, later))
                continue;
            if (e != pair->first)
                needed[e - pair->first] = true;
            else if (later != pair->second)
                return false;
        }
    return true;
}

static sp_err pairs_find_early(struct sim_races *races, const struct sim_trace *trace,
                               size_t *capacity)
{
    sp_err err = SP_OK;
    for (uint32_t j = 0; j < trace->count && err == SP_OK; j++) {
        const struct sim_event *event = &trace->events[j];
        for (uint32_t i = 0; i < event->cause_count && err == SP_OK && event->took; i++) {
            uint32_t sent = event->causes[i];
            if (sent > event->since && j - sent <= SIM_RACES_EARLY_MAX &&
                trace->events[sent].lane != event->lane)
                err = pairs_add(
                    races, capacity,
                    (struct sim_race){ .first = sent, .second = j, .rank = 1, .early = true });
        }
    }
    return err;
}

/* ---- flips ---- */

static sp_err script_step(struct sim_script *script, const struct sim_trace *trace, uint32_t event)
{
    return sim_script_add(script, trace->events[event].task, trace->events[event].step);
}

/* What the second needs, and itself; then the rest. INVALID: it needs the first. */
static sp_err script_early(const struct sim_trace *trace, const struct sim_race *pair,
                           struct sim_script *script)
{
    bool needed[SIM_RACES_EARLY_MAX + 1] = { false };
    sp_err err = early_needs(trace, pair, needed) ? SP_OK : SP_ERR_INVALID;
    for (int rest = 0; rest < 2; rest++)
        for (uint32_t e = pair->first; e <= pair->second && err == SP_OK; e++)
            if (needed[e - pair->first] == (rest == 0))
                err = script_step(script, trace, e);
    return err;
}

static sp_err flip_script(const struct sim_races *races, const struct sim_trace *trace,
                          const struct sim_race *pair, struct sim_script *script)
{
    sp_err err = SP_OK;
    sim_script_init(script);
    /* Twice over the steps of the two: first those that stay ahead, then those put off. */
    for (uint32_t e = 0; e < pair->first && err == SP_OK; e++)
        err = script_step(script, trace, e);
    if (pair->early && err == SP_OK)
        err = script_early(trace, pair, script);
    for (int delayed = 0; delayed < 2 && !pair->early; delayed++)
        for (uint32_t e = pair->first; e <= pair->second && err == SP_OK; e++)
            if (flip_delays(races, trace, pair, e) == (delayed == 1))
                err = script_step(script, trace, e);
    for (uint32_t e = pair->second + 1; e < trace->count && err == SP_OK; e++)
        err = script_step(script, trace, e);
    return err;
}

static sp_err flip_try(const struct sim_plan *plan, const struct sim_trace *trace,
                       struct sim_races *races, struct sim_race *pair)
{
    struct sim_script script;
    struct sim_plan again = {
        .test = plan->test, .seed = plan->seed, .schedule = plan->schedule, .script = &script
    };
    struct sim_result result = { .failed = true };
    sp_err err = flip_script(races, trace, pair, &script);
    if (err == SP_ERR_INVALID) {
        sim_script_finish(&script);
        return SP_OK;
    }
    if (err == SP_OK)
        err = sim_run(&again, &result);
    races->runs++;
    pair->passes = err == SP_OK && !result.failed;
    sim_schedule_finish(&result.schedule);
    sim_script_finish(&script);
    return err;
}

/* The schedule of the first pair's flip: the nearest run that passes. */
static sp_err flip_keep(const struct sim_plan *plan, const struct sim_trace *trace,
                        struct sim_races *races)
{
    struct sim_script script;
    struct sim_plan again = {
        .test = plan->test, .seed = plan->seed, .schedule = plan->schedule, .script = &script
    };
    struct sim_result result = { .failed = true };
    sp_err err = flip_script(races, trace, &races->pairs[0], &script);
    if (err == SP_OK)
        err = sim_run(&again, &result);
    races->pass = result.schedule;
    sim_script_finish(&script);
    return err;
}

/* Where the run leaves the reference by faults alone, no order of steps is the bug: to turn two
 * round only moves what the fault hits. */
static bool races_are_of_faults(const struct sim_schedule *schedule)
{
    size_t faults = 0;
    for (size_t i = 0; schedule != NULL && i < schedule->count; i++)
        faults += sim_choice_is_fault(schedule->choices[i].kind);
    return faults != 0 && faults == schedule->count;
}

/* The pairs that are to be flipped. */
static sp_err races_look(const struct sim_plan *plan, const struct sim_trace *trace,
                         struct sim_races *out)
{
    size_t capacity = 0;
    sp_err err = clocks_make(out, trace);
    if (out->too_long || races_are_of_faults(plan->schedule))
        return err;
    if (err == SP_OK)
        err = pairs_find(out, trace, &capacity);
    if (err == SP_OK)
        err = pairs_find_early(out, trace, &capacity);
    if (err == SP_OK && out->count > SIM_RACES_FLIPS_MAX) {
        out->untried = out->count - SIM_RACES_FLIPS_MAX;
        /* Those near the failure say more than those at the start. */
        memmove(out->pairs, out->pairs + out->untried, SIM_RACES_FLIPS_MAX * sizeof(*out->pairs));
        out->count = SIM_RACES_FLIPS_MAX;
    }
    return err;
}

sp_err sim_races_find(const struct sim_plan *plan, const struct sim_trace *trace,
                      struct sim_races *out)
{
    *out = (struct sim_races){ .count = 0 };
    sp_err err = races_look(plan, trace, out);
    for (size_t i = 0; i < out->count && err == SP_OK; i++) {
        err = flip_try(plan, trace, out, &out->pairs[i]);
        if (out->pairs[i].passes) {
            out->pairs[i].turned = out->pairs[i].early ? 1 : flip_turns(out, trace, &out->pairs[i]);
            out->passing++;
        }
    }
    if (out->count != 0)
        qsort(out->pairs, out->count, sizeof(*out->pairs), pair_compare);
    if (err == SP_OK && out->passing != 0)
        err = flip_keep(plan, trace, out);
    if (err != SP_OK)
        sim_races_finish(out);
    return err;
}

void sim_races_finish(struct sim_races *races)
{
    sim_schedule_finish(&races->pass);
    sp__free(races->pairs);
    sp__free(races->clocks);
    *races = (struct sim_races){ .count = 0 };
}
