#include "sim/summary.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    SEEN_MIN = 1024,
    SUMMARY_HOUR_S = 3600,
};

/* Where `value` is, or would be. */
static size_t seen_slot(const uint64_t *slots, size_t capacity, uint64_t value)
{
    size_t at = (size_t)(value * UINT64_C(0x9e3779b97f4a7c15)) & (capacity - 1);
    while (slots[at] != 0 && slots[at] != value)
        at = (at + 1) & (capacity - 1);
    return at;
}

static bool seen_grow(struct sim_seen *seen)
{
    size_t capacity = seen->capacity == 0 ? SEEN_MIN : 2 * seen->capacity;
    uint64_t *slots =
        capacity > 2 * (size_t)SIM_SEEN_MAX ? NULL : sp__calloc(capacity, sizeof(*slots));
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < seen->capacity; i++)
        if (seen->slots[i] != 0)
            slots[seen_slot(slots, capacity, seen->slots[i])] = seen->slots[i];
    sp__free(seen->slots);
    seen->slots = slots;
    seen->capacity = capacity;
    return true;
}

/* True: it was not there. */
static bool seen_add(struct sim_seen *seen, uint64_t value)
{
    value += value == 0;
    if (2 * seen->count >= seen->capacity && !seen_grow(seen))
        return false;
    size_t at = seen_slot(seen->slots, seen->capacity, value);
    if (seen->slots[at] != 0)
        return false;
    seen->slots[at] = value;
    seen->count++;
    return true;
}

void sim_summary_add(struct sim_summary *summary, struct sim_seen *seen,
                     enum sim_strategy_kind kind, const struct sim_result *result)
{
    bool fresh = seen_add(seen, result->order);
    seen->runs++;
    seen->window += fresh;
    if (seen->runs % SIM_SEEN_WINDOW == 0) {
        seen->lately = seen->window;
        seen->window = 0;
    }
    summary->runs[kind]++;
    summary->fresh[kind] += fresh;
    summary->found[kind] += result->failed;
    summary->steps += result->steps;
    summary->time_ns += result->time_ns;
    for (size_t i = 0; i < result->schedule.count; i++)
        summary->draws[result->schedule.choices[i].kind]++;
}

unsigned sim_seen_rate(const struct sim_seen *seen)
{
    if (seen->runs == 0)
        return 0;
    if (seen->runs < SIM_SEEN_WINDOW)
        return (unsigned)(seen->count * 100 / seen->runs);
    return (unsigned)(seen->lately * 100 / SIM_SEEN_WINDOW);
}

void sim_seen_finish(struct sim_seen *seen)
{
    sp__free(seen->slots);
    *seen = (struct sim_seen){ 0 };
}

static void summary_strategies(const struct sim_summary *summary)
{
    const char *before = "searched ";
    for (int kind = 0; kind < SIM_STRATEGIES; kind++) {
        if (summary->runs[kind] == 0)
            continue;
        printf("%s%s %" PRIu64 " (%" PRIu64 " %% new, %" PRIu64 " failed)", before,
               sim_strategy_name((enum sim_strategy_kind)kind), summary->runs[kind],
               summary->fresh[kind] * 100 / summary->runs[kind], summary->found[kind]);
        before = ", ";
    }
    putchar('\n');
}

void sim_summary_print(const struct sim_summary *summary)
{
    uint64_t runs = 0;
    const char *before = "injected ";
    for (int kind = 0; kind < SIM_STRATEGIES; kind++)
        runs += summary->runs[kind];
    if (runs == 0)
        return;
    printf("made %" PRIu64 " runs, %" PRIu64 " steps, %.2f hours on the worlds' clocks\n", runs,
           summary->steps, (double)summary->time_ns / (double)SP_NS_PER_S / SUMMARY_HOUR_S);
    summary_strategies(summary);
    for (int kind = 0; kind < SP__CHOICE_COUNT; kind++) {
        if (kind == SP__CHOICE_TASK || kind == SP__CHOICE_DATA || summary->draws[kind] == 0)
            continue;
        printf("%s%s %" PRIu64, before, sim_choice_name((enum sp__choice)kind),
               summary->draws[kind]);
        before = ", ";
    }
    if (before[0] == ',')
        putchar('\n');
}
