#include "sim/strategy.h"

#include "base/alloc.h"
#include "runtime/random.h"
#include "sim/reduce.h"

#include <string.h>

enum {
    STRATEGY_DEPTH = 3,
    STRATEGY_DEPTH_MAX = 8,
    STRATEGY_LENGTH_MIN = 16,  /* guess of a run's decisions before one was seen */
    STRATEGY_FAIR_AFTER = 4,   /* pct: after so many times the usual length, random */
    STRATEGY_LABELS = 1 << 12, /* urw: tasks it remembers; a power of two */
    STRATEGY_FIRES_MAX = 3,    /* abstract time: timers that go first in a run */
    STRATEGY_TASKS_MAX = 256,  /* abstract time: ready tasks of which timers are told apart */
};

/* urw: what a task did in this run, and in the longest one. */
struct strategy_label {
    uint64_t label;
    uint32_t now;
    uint32_t most;
    struct strategy_label *before; /* the one that was added before it */
};

/* exhaust: what was chosen at a decision, of how many. */
struct strategy_branch {
    uint32_t index;
    uint32_t count;
};

struct sim_strategy {
    enum sim_strategy_kind kind;
    unsigned depth;
    uint64_t random;
    uint64_t decision; /* number of the next one */
    uint64_t length;   /* decisions of the longest run */
    uint64_t runs;
    bool abstract;
    bool begun;
    /* abstract time: from which decisions on a timer goes first, ascending */
    unsigned fires;
    unsigned fired;
    uint64_t fire_at[STRATEGY_FIRES_MAX];
    /* delays: how many there are in this run, and at which decisions, ascending */
    unsigned delays;
    uint64_t at[STRATEGY_DEPTH_MAX];
    /* switches: as many as `delays`, where `at` says, strictly ascending; how far from the
     * reference, and how many tasks there were in this run */
    size_t to[STRATEGY_DEPTH_MAX];
    size_t of[STRATEGY_DEPTH_MAX];
    /* pct: how many priorities fall; where, `at` again; how many have */
    unsigned falls;
    unsigned fallen;
    struct strategy_label *labels;
    struct strategy_label *latest; /* of those that are in use */
    uint32_t label_count;
    struct strategy_branch *branches;
    size_t branch_capacity;
    size_t branch_count;
    bool shallow;      /* no memory for more: what is deeper is not searched */
    bool exact;        /* delays: draws are branches */
    uint64_t branched; /* exhaust, and delays that are exact: branches of this run */
    struct sim_reduce *reduce;
};

static const char *const strategy_names[SIM_STRATEGIES] = {
    "delays", "random", "pct", "pos", "urw", "exhaust", "dpor", "switches",
};

const char *sim_strategy_name(enum sim_strategy_kind kind)
{
    return kind < SIM_STRATEGIES ? strategy_names[kind] : NULL;
}

struct sim_strategy *sim_strategy_create(enum sim_strategy_kind kind, unsigned depth)
{
    struct sim_strategy *strategy = sp__calloc(1, sizeof(*strategy));
    if (strategy == NULL)
        return NULL;
    strategy->kind = kind;
    strategy->depth = depth == 0 && kind != SIM_PCT ? STRATEGY_DEPTH : depth;
    if (strategy->depth > STRATEGY_DEPTH_MAX)
        strategy->depth = STRATEGY_DEPTH_MAX;
    strategy->length = STRATEGY_LENGTH_MIN;
    if (kind == SIM_URW)
        strategy->labels = sp__calloc(STRATEGY_LABELS, sizeof(struct strategy_label));
    if (kind == SIM_DPOR)
        strategy->reduce = sim_reduce_create();
    if ((kind == SIM_URW && strategy->labels == NULL) ||
        (kind == SIM_DPOR && strategy->reduce == NULL)) {
        sp__free(strategy);
        return NULL;
    }
    return strategy;
}

void sim_strategy_destroy(struct sim_strategy *moved_strategy)
{
    if (moved_strategy == NULL)
        return;
    sim_reduce_destroy(moved_strategy->reduce);
    sp__free(moved_strategy->branches);
    sp__free(moved_strategy->labels);
    sp__free(moved_strategy);
}

void sim_strategy_set_exact(struct sim_strategy *strategy)
{
    strategy->exact = strategy->kind == SIM_DELAYS;
}

void sim_strategy_set_abstract(struct sim_strategy *strategy, bool abstract)
{
    strategy->abstract = abstract;
}

/* ---- delays ---- */

/* The next set of decisions with as many delays, or the first with one more. */
static bool delays_next(struct sim_strategy *strategy)
{
    for (unsigned i = strategy->delays; i-- > 0;) {
        if (strategy->at[i] + 1 >= strategy->length)
            continue;
        uint64_t position = strategy->at[i] + 1;
        for (unsigned k = i; k < strategy->delays; k++)
            strategy->at[k] = position;
        return true;
    }
    if (strategy->delays == strategy->depth)
        return false;
    strategy->delays++;
    memset(strategy->at, 0, sizeof(strategy->at));
    return true;
}

static size_t delays_choose(struct sim_strategy *strategy, size_t count, size_t reference)
{
    size_t index = reference;
    for (unsigned i = 0; i < strategy->delays; i++)
        index += strategy->at[i] == strategy->decision;
    return index % count;
}

/* ---- switches ---- */

/* Those from `first` on at the earliest places. */
static void switches_reset(struct sim_strategy *strategy, unsigned first)
{
    for (unsigned i = first; i < strategy->delays; i++) {
        strategy->at[i] = i == 0 ? 0 : strategy->at[i - 1] + 1;
        strategy->to[i] = 1;
    }
}

static bool switches_next(struct sim_strategy *strategy)
{
    for (unsigned i = strategy->delays; i-- > 0;) {
        if (strategy->to[i] + 1 < strategy->of[i])
            strategy->to[i]++;
        else if (strategy->at[i] + strategy->delays - i < strategy->length) {
            strategy->at[i]++;
            strategy->to[i] = 1;
        } else {
            continue;
        }
        switches_reset(strategy, i + 1);
        return true;
    }
    if (strategy->delays == strategy->depth || strategy->delays == strategy->length)
        return false;
    strategy->delays++;
    switches_reset(strategy, 0);
    return true;
}

static size_t switches_choose(struct sim_strategy *strategy, size_t count, size_t reference)
{
    for (unsigned i = 0; i < strategy->delays; i++)
        if (strategy->at[i] == strategy->decision) {
            strategy->of[i] = count;
            return (reference + strategy->to[i]) % count;
        }
    return reference;
}

/* ---- priorities ---- */

static uint64_t strategy_priority(struct sim_strategy *strategy)
{
    return sp__random_next(&strategy->random) | (UINT64_C(1) << 63);
}

static size_t highest(struct sp__task *const *tasks, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (tasks[i]->mind > tasks[best]->mind)
            best = i;
    return best;
}

static void pct_begin(struct sim_strategy *strategy)
{
    static const unsigned depths[] = { 2, 3, 1, 5 };
    unsigned depth = strategy->depth;
    if (depth == 0)
        depth = depths[strategy->runs % (sizeof(depths) / sizeof(depths[0]))];
    strategy->falls = depth - 1;
    strategy->fallen = 0;
    for (unsigned i = 0; i < strategy->falls; i++)
        strategy->at[i] = sp__random_below(&strategy->random, strategy->length);
}

static size_t pct_choose(struct sim_strategy *strategy, struct sp__task *const *tasks, size_t count)
{
    if (strategy->decision > STRATEGY_FAIR_AFTER * strategy->length)
        return (size_t)sp__random_below(&strategy->random, count);
    for (unsigned i = 0; i < strategy->falls; i++)
        if (strategy->at[i] == strategy->decision)
            tasks[highest(tasks, count)]->mind = STRATEGY_DEPTH_MAX - strategy->fallen++;
    return highest(tasks, count);
}

static bool pos_races(const struct sp__task *a, const struct sp__task *b)
{
    return a->object == b->object || a->point == SP__POINT_EXIT || b->point == SP__POINT_EXIT;
}

static size_t pos_choose(struct sim_strategy *strategy, struct sp__task *const *tasks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tasks[i]->mind == 0)
            tasks[i]->mind = strategy_priority(strategy);
    size_t best = highest(tasks, count);
    for (size_t i = 0; i < count; i++)
        if (i != best && pos_races(tasks[i], tasks[best]))
            tasks[i]->mind = 0;
    return best;
}

/* ---- weights ---- */

/* NULL: the table is full, or `add` is false and it is unknown. */
static struct strategy_label *urw_find(struct sim_strategy *strategy, uint64_t label, bool add)
{
    for (uint32_t probe = 0; probe < STRATEGY_LABELS; probe++) {
        struct strategy_label *entry = &strategy->labels[(label + probe) & (STRATEGY_LABELS - 1)];
        if (entry->label == label)
            return entry;
        if (entry->label != 0)
            continue;
        if (!add || strategy->label_count > STRATEGY_LABELS / 2)
            return NULL;
        strategy->label_count++;
        entry->label = label;
        entry->before = strategy->latest;
        strategy->latest = entry;
        return entry;
    }
    return NULL;
}

static uint64_t urw_weight(struct sim_strategy *strategy, const struct sp__task *task)
{
    const struct strategy_label *entry = urw_find(strategy, task->label, false);
    return entry != NULL && entry->most > entry->now ? entry->most - entry->now : 1;
}

static size_t urw_choose(struct sim_strategy *strategy, struct sp__task *const *tasks, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += urw_weight(strategy, tasks[i]);
    uint64_t left = sp__random_below(&strategy->random, sum);
    for (size_t i = 0; i < count; i++) {
        uint64_t weight = urw_weight(strategy, tasks[i]);
        if (left < weight)
            return i;
        left -= weight;
    }
    return count - 1;
}

static void urw_end(struct sim_strategy *strategy)
{
    for (struct strategy_label *entry = strategy->latest; entry != NULL; entry = entry->before) {
        if (entry->now > entry->most)
            entry->most = entry->now;
        entry->now = 0;
    }
}

/* ---- every schedule ---- */

/* Back to the last decision with something left to choose. */
static bool exhaust_next(struct sim_strategy *strategy)
{
    while (strategy->branch_count > 0) {
        struct strategy_branch *last = &strategy->branches[strategy->branch_count - 1];
        if (++last->index < last->count)
            return true;
        strategy->branch_count--;
    }
    return false;
}

static size_t exhaust_choose(struct sim_strategy *strategy, size_t count, size_t reference)
{
    size_t at = (size_t)strategy->branched++;
    if (strategy->shallow && at >= strategy->branch_count)
        return reference;
    if (at == strategy->branch_count) {
        if (at == strategy->branch_capacity) {
            size_t capacity = at == 0 ? 256 : 2 * at;
            struct strategy_branch *branches =
                sp__realloc(strategy->branches, capacity * sizeof(*branches));
            if (branches == NULL) {
                strategy->shallow = true; /* this far and no farther */
                return reference;
            }
            strategy->branches = branches;
            strategy->branch_capacity = capacity;
        }
        strategy->branches[at] = (struct strategy_branch){ .count = (uint32_t)count };
        strategy->branch_count++;
    }
    return (reference + strategy->branches[at].index) % count;
}

/* ---- timers in abstract time ---- */

static void fires_begin(struct sim_strategy *strategy)
{
    strategy->fired = 0;
    strategy->fires = (unsigned)sp__random_below(&strategy->random, STRATEGY_FIRES_MAX + 1);
    for (unsigned i = 0; i < strategy->fires; i++) {
        uint64_t at = sp__random_below(&strategy->random, strategy->length);
        unsigned place = i;
        for (; place > 0 && strategy->fire_at[place - 1] > at; place--)
            strategy->fire_at[place] = strategy->fire_at[place - 1];
        strategy->fire_at[place] = at;
    }
}

static bool fires_now(const struct sim_strategy *strategy)
{
    return strategy->fired < strategy->fires &&
           strategy->fire_at[strategy->fired] <= strategy->decision;
}

/* ---- all ---- */

/* To what is tried next. False: all was. */
static bool strategy_next(struct sim_strategy *strategy)
{
    switch (strategy->kind) {
    case SIM_DELAYS:
        return (strategy->exact && exhaust_next(strategy)) || delays_next(strategy);
    case SIM_SWITCHES:
        return switches_next(strategy);
    case SIM_EXHAUST:
        return exhaust_next(strategy);
    default:
        return true;
    }
}

bool sim_strategy_begin(struct sim_strategy *strategy, uint64_t seed)
{
    strategy->random = sp__random_start(seed, 1);
    strategy->decision = 0;
    strategy->branched = 0;
    if (strategy->reduce != NULL && !sim_reduce_begin(strategy->reduce))
        return false;
    if (strategy->begun && !strategy_next(strategy))
        return false;
    strategy->begun = true;
    memset(strategy->of, 0, sizeof(strategy->of));
    if (strategy->kind == SIM_PCT)
        pct_begin(strategy);
    fires_begin(strategy);
    strategy->runs++;
    return true;
}

void sim_strategy_born(struct sim_strategy *strategy, struct sp__task *task)
{
    if (strategy->kind == SIM_PCT)
        task->mind = strategy_priority(strategy);
    if (strategy->reduce != NULL)
        sim_reduce_born(strategy->reduce, task);
}

void sim_strategy_step(struct sim_strategy *strategy, struct sp__task *task)
{
    if (strategy->kind == SIM_POS)
        task->mind = 0;
    if (strategy->reduce != NULL)
        sim_reduce_step(strategy->reduce, task);
    if (strategy->kind != SIM_URW)
        return;
    struct strategy_label *entry = urw_find(strategy, task->label, true);
    if (entry != NULL)
        entry->now++;
}

bool sim_strategy_counts(const struct sim_strategy *strategy)
{
    return strategy->kind == SIM_POS || strategy->kind == SIM_URW || strategy->reduce != NULL;
}

bool sim_strategy_looks(const struct sim_strategy *strategy)
{
    return strategy->reduce != NULL;
}

void sim_strategy_stepped(struct sim_strategy *strategy, struct sp__world *world)
{
    if (strategy->reduce != NULL)
        sim_reduce_stepped(strategy->reduce, world);
}

void sim_strategy_quiet(struct sim_strategy *strategy)
{
    if (strategy->reduce != NULL)
        sim_reduce_quiet(strategy->reduce);
}

bool sim_strategy_cut(const struct sim_strategy *strategy)
{
    return strategy->reduce != NULL && sim_reduce_cut(strategy->reduce);
}

const char *sim_strategy_refused(const struct sim_strategy *strategy)
{
    if (strategy->reduce != NULL)
        return sim_reduce_refused(strategy->reduce);
    return strategy->shallow ? "there is not the memory for it" : NULL;
}

static size_t strategy_sample(struct sim_strategy *strategy, struct sp__task *const *tasks,
                              size_t count)
{
    switch (strategy->kind) {
    case SIM_PCT:
        return pct_choose(strategy, tasks, count);
    case SIM_POS:
        return pos_choose(strategy, tasks, count);
    case SIM_URW:
        return urw_choose(strategy, tasks, count);
    default:
        return (size_t)sp__random_below(&strategy->random, count);
    }
}

/* Timers go first where they were drawn to, and otherwise when nothing else can. */
static size_t strategy_sample_abstract(struct sim_strategy *strategy, struct sp__task *const *tasks,
                                       size_t count)
{
    struct sp__task *others[STRATEGY_TASKS_MAX];
    size_t places[STRATEGY_TASKS_MAX];
    size_t timers[STRATEGY_TASKS_MAX];
    size_t other = 0;
    size_t timer = 0;
    size_t i = 0;
    do { /* there is at least one */
        if (tasks[i]->kind == SP__TASK_TIMERS && timer < STRATEGY_TASKS_MAX) {
            timers[timer++] = i;
        } else if (other < STRATEGY_TASKS_MAX) {
            others[other] = tasks[i];
            places[other++] = i;
        }
    } while (++i < count);
    if (timer > 0 && (other == 0 || fires_now(strategy))) {
        strategy->fired += other != 0;
        return timers[timer == 1 ? 0 : sp__random_below(&strategy->random, timer)];
    }
    return places[strategy_sample(strategy, others, other)];
}

static size_t strategy_choose(struct sim_strategy *strategy, struct sp__task *const *tasks,
                              size_t count, size_t reference)
{
    switch (strategy->kind) {
    case SIM_DELAYS:
        return delays_choose(strategy, count, reference);
    case SIM_SWITCHES:
        return switches_choose(strategy, count, reference);
    case SIM_EXHAUST:
        return exhaust_choose(strategy, count, reference);
    case SIM_DPOR:
        return sim_reduce_choose(strategy->reduce, tasks, count, reference);
    default:
        return strategy->abstract ? strategy_sample_abstract(strategy, tasks, count)
                                  : strategy_sample(strategy, tasks, count);
    }
}

size_t sim_strategy_choose(struct sim_strategy *strategy, struct sp__task *const *tasks,
                           size_t count, size_t reference)
{
    size_t index = strategy_choose(strategy, tasks, count, reference);
    strategy->decision++;
    return index;
}

bool sim_strategy_draws(const struct sim_strategy *strategy)
{
    return strategy->kind == SIM_EXHAUST || strategy->kind == SIM_DPOR || strategy->exact;
}

uint32_t sim_strategy_draw(struct sim_strategy *strategy, uint32_t count)
{
    if (strategy->reduce != NULL)
        return sim_reduce_draw(strategy->reduce, count);
    return (uint32_t)exhaust_choose(strategy, count, 0);
}

void sim_strategy_end(struct sim_strategy *strategy, uint64_t decisions)
{
    bool measures = strategy->kind == SIM_DELAYS || strategy->kind == SIM_SWITCHES;
    if (decisions > strategy->length || (measures && strategy->delays == 0))
        strategy->length = decisions;
    if (strategy->kind == SIM_URW)
        urw_end(strategy);
}
