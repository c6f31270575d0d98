#include "sim/fault.h"

#include "base/alloc.h"
#include "process/process.h"
#include "runtime/random.h"
#include "sim/inside.h"
#include "sim/memory.h"

#include <stdio.h>
#include <string.h>

enum {
    FAULT_MAX = 3,           /* of a run, where the test does not say */
    FAULT_VICTIMS_MAX = 256, /* candidates that are looked at */
    FAULT_NET_ODDS_LOG = 12,
};

static const struct fault_kind {
    const char *name;
    uint64_t bit;
    enum sp__choice choice;
} fault_kinds[] = {
    { "net-latency", SP_SIM_NET_LATENCY, SP__CHOICE_NET_LATENCY },
    { "net-read", SP_SIM_NET_READ, SP__CHOICE_NET_READ },
    { "net-write", SP_SIM_NET_WRITE, SP__CHOICE_NET_WRITE },
    { "net-stretch", SP_SIM_NET_STRETCH, SP__CHOICE_NET_STRETCH },
    { "net-slow", SP_SIM_NET_SLOW, SP__CHOICE_NET_SLOW },
    { "net-clog", SP_SIM_NET_CLOG, SP__CHOICE_NET_CLOG },
    { "net-cut", SP_SIM_NET_CUT, SP__CHOICE_NET_CUT },
    { "net-break", SP_SIM_NET_BREAK, SP__CHOICE_NET_BREAK },
    { "net-refuse", SP_SIM_NET_REFUSE, SP__CHOICE_NET_REFUSE },
    { "net-nofile", SP_SIM_NET_NOFILE, SP__CHOICE_NET_NOFILE },
    { "kill", SP_SIM_KILL, SP__CHOICE_KILL },
    { "crash", SP_SIM_CRASH, SP__CHOICE_CRASH },
    { "stop", SP_SIM_STOP, SP__CHOICE_STOP },
    { "pause", SP_SIM_PAUSE, SP__CHOICE_PAUSE },
    { "clock-step", SP_SIM_CLOCK_STEP, SP__CHOICE_STEP },
    { "clock-drift", SP_SIM_CLOCK_DRIFT, SP__CHOICE_DRIFT },
    { "clock-freeze", SP_SIM_CLOCK_FREEZE, SP__CHOICE_FREEZE },
    { "memory", SP_SIM_MEMORY, SP__CHOICE_MEMORY },
    /* Several at once. */
    { "net", SP_SIM_NET_ALL, SP__CHOICE_COUNT },
    { "clock", SP_SIM_CLOCK, SP__CHOICE_COUNT },
    { "all", SP_SIM_ALL, SP__CHOICE_COUNT },
};

enum {
    FAULT_KINDS = sizeof(fault_kinds) / sizeof(fault_kinds[0]),
};

static uint64_t fault_bit(enum sp__choice choice)
{
    for (size_t i = 0; i < FAULT_KINDS; i++)
        if (fault_kinds[i].choice == choice)
            return fault_kinds[i].bit;
    return 0;
}

bool sim_choice_is_fault(enum sp__choice kind)
{
    return (fault_bit(kind) & ~SIM_FAULTS_HARMLESS) != 0;
}

/* ---- which ---- */

static bool fault_word(const char *word, size_t length, uint64_t *faults)
{
    bool off = length > 0 && *word == '-';
    word += off;
    length -= off;
    if (length == 4 && strncmp(word, "none", length) == 0) {
        *faults = 0;
        return !off;
    }
    for (size_t i = 0; i < FAULT_KINDS; i++) {
        if (strlen(fault_kinds[i].name) != length ||
            strncmp(fault_kinds[i].name, word, length) != 0)
            continue;
        *faults = off ? *faults & ~fault_kinds[i].bit : *faults | fault_kinds[i].bit;
        return true;
    }
    return false;
}

bool sim_faults_parse(const char *text, uint64_t *faults)
{
    for (;;) {
        size_t length = strcspn(text, ",");
        if (!fault_word(text, length, faults))
            return false;
        if (text[length] == '\0')
            return true;
        text += length + 1;
    }
}

/* ---- a run's swarm ---- */

static uint64_t fault_allowed(const struct sp_sim *s)
{
    if (s->plan->faults_given)
        return s->plan->faults;
    return s->plan->test->options.faults | SIM_FAULTS_HARMLESS;
}

static void fault_sort(uint64_t *at, unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        for (unsigned k = i; k > 0 && at[k - 1] > at[k]; k--) {
            uint64_t swapped = at[k];
            at[k] = at[k - 1];
            at[k - 1] = swapped;
        }
}

/* How many of `max`, and where below `length`. */
static unsigned fault_points(struct sim_faults *faults, uint64_t *at, unsigned max, uint64_t length)
{
    unsigned count = 1 + (unsigned)sp__random_below(&faults->random, max);
    for (unsigned i = 0; i < count; i++)
        at[i] = sp__random_below(&faults->random, length);
    fault_sort(at, count);
    return count;
}

static void fault_draw(struct sp_sim *s)
{
    struct sim_faults *faults = &s->swarm;
    uint64_t allowed = fault_allowed(s);
    uint32_t max = s->plan->test->options.faults_max;
    max = max == 0 ? FAULT_MAX : max;
    max = max > SIM_FAULTS_MAX ? SIM_FAULTS_MAX : max;
    faults->drawn = true;
    faults->random = sp__random_start(s->plan->seed, 5);
    faults->on = allowed & sp__random_next(&faults->random);
    /* A test with one or two kinds does not spend most of its runs without; some have none. */
    if ((faults->on & ~SIM_FAULTS_HARMLESS) == 0 && sp__random_below(&faults->random, 4) != 0)
        faults->on |= allowed & ~SIM_FAULTS_HARMLESS;
    if (s->plan->length != 0 && (faults->on & ~(uint64_t)(SP_SIM_NET_ALL | SP_SIM_MEMORY)) != 0)
        faults->count = fault_points(faults, faults->at, max, s->plan->length);
    if (s->plan->allocations != 0 && (faults->on & SP_SIM_MEMORY) != 0)
        faults->failures = fault_points(faults, faults->fail_at, max, s->plan->allocations);
}

static bool fault_asked(void);

static void fault_time_is_over(struct sp_sim *s, void *unused)
{
    (void)unused;
    sim_faults_end(s);
}

void sim_faults_begin(struct sp_sim *s)
{
    struct sim_faults *faults = &s->swarm;
    int64_t until = s->plan->test->options.faults_until.ns;
    faults->until = until == 0 ? INT64_MAX : until;
    faults->mended = INT64_MAX;
    const struct sim_schedule *schedule = sim_followed(s);
    for (size_t i = 0; schedule != NULL && i < schedule->count; i++)
        if (schedule->choices[i].kind != SP__CHOICE_TASK)
            faults->followed |= UINT32_C(1) << schedule->choices[i].kind;
    if (schedule == NULL && s->plan->chance)
        fault_draw(s);
    if ((fault_allowed(s) & SP_SIM_MEMORY) != 0 || faults->followed >> SP__CHOICE_MEMORY != 0)
        sim_faults_watch_memory(s);
    if (faults->until == INT64_MAX)
        faults->mended = 0;
    else
        sim_at(s, faults->until, fault_time_is_over, NULL);
}

void sim_faults_watch_memory(struct sp_sim *s)
{
    sp__world_set_exact_memory(s->world);
    sp__alloc_asked = fault_asked;
}

void sim_faults_finish(struct sp_sim *s)
{
    (void)s;
    sp__alloc_asked = NULL;
}

/* In a run with a swarm the odds are drawn for the whole of it. */
uint32_t sim_faults_net(const struct sp_sim *s, enum sp__choice kind, uint64_t random,
                        uint32_t count)
{
    uint64_t bit = fault_bit(kind);
    if ((s->swarm.on & bit) == 0 ||
        (sp__world_now(s->world) >= s->swarm.until && (bit & SIM_FAULTS_HARMLESS) == 0))
        return 0;
    uint64_t state = sp__random_start(s->plan->seed, kind + 64U);
    uint64_t one_in = UINT64_C(2) << sp__random_next(&state) % FAULT_NET_ODDS_LOG;
    if ((bit & SIM_FAULTS_HARMLESS) != 0)
        one_in = one_in > 16 ? 16 : one_in;
    return random % one_in != 0 ? 0 : 1 + (uint32_t)((random >> 32) % (count - 1));
}

/* ---- memory ---- */

/* An allocation in a step of a node: does it fail? */
static bool fault_asked(void)
{
    struct sp_sim *s = sim_current;
    if (s == NULL || s->asking || s->draining)
        return false;
    struct sp__task *task = sp__world_running(s->world);
    if (task == NULL || task->host == NULL || sp__world_own_memory(s->world) ||
        !sim_memory_inside())
        return false;
    uint64_t nth = task->allocations++;
    s->asking = true;
    bool fails = sim_node_allocates(s, task->host);
    if (!fails)
        fails = sp__world_draw(s->world, SP__CHOICE_MEMORY, task->label, nth, 2) != 0;
    s->asking = false;
    return fails;
}

uint32_t sim_faults_memory(struct sp_sim *s)
{
    struct sim_faults *faults = &s->swarm;
    uint64_t number = faults->allocations++;
    if (faults->failed == faults->failures || faults->fail_at[faults->failed] > number ||
        sp__world_now(s->world) >= faults->until)
        return 0;
    faults->failed++;
    return 1;
}

/* ---- faults before a step ---- */

/* A number of the fault's own. */
static uint64_t fault_random(const struct sp_sim *s, const struct sim_choice *fault)
{
    uint64_t state = sp__random_start(s->plan->seed, fault->kind + 16U);
    state = sim_mix(sim_mix(state, fault->at), fault->step);
    return sp__random_next(&state);
}

/* From 2 us to 17 s, log-uniformly. */
static sp_duration fault_time(uint64_t random)
{
    unsigned log = 11 + (unsigned)(random % 23);
    return (sp_duration){ (int64_t)((UINT64_C(1) << log) +
                                    ((random >> 8) & ((UINT64_C(1) << log) - 1))) };
}

static void fault_mends(struct sp_sim *s, void *arg)
{
    struct sp_sim_node *node = arg;
    sim_node_mend(node);
    sim_faults_mended(s);
}

/* What is drawn of it besides: how long, how much, and one of two ways. */
struct fault_how {
    sp_duration time;
    int64_t ppm;
    bool odd;
};

static void fault_tells(struct sp_sim *s, const struct sp_sim_node *node,
                        const struct sim_choice *fault, const struct fault_how *how)
{
    double ms = (double)how->time.ns / 1e6;
    switch (fault->kind) {
    case SP__CHOICE_CRASH:
        sim_tell_fault(s, fault, "%.40s %s, and starts again %.3f ms later", node->name,
                       how->odd ? "loses its power" : "crashes", ms);
        break;
    case SP__CHOICE_STOP:
        sim_tell_fault(s, fault, "%.40s gets SIGTERM, and starts again %.3f ms later", node->name,
                       ms);
        break;
    case SP__CHOICE_PAUSE:
        sim_tell_fault(s, fault, "%.40s stands still for %.3f ms", node->name, ms);
        break;
    case SP__CHOICE_STEP:
        sim_tell_fault(s, fault, "the wall clock of %.40s is set %s by %.3f ms", node->name,
                       how->odd ? "back" : "forth", ms + 1);
        break;
    case SP__CHOICE_DRIFT:
        sim_tell_fault(s, fault, "the clocks of %.40s go %lld ppm too %s for %.3f ms", node->name,
                       (long long)how->ppm, how->odd ? "slowly" : "fast", ms);
        break;
    default:
        sim_tell_fault(s, fault, "the wall clock of %.40s stands for %.3f ms", node->name, ms);
        break;
    }
}

static void fault_befalls_node(struct sp_sim *s, struct sp_sim_node *node,
                               const struct sim_choice *fault, uint64_t random)
{
    struct fault_how how = { .time = fault_time(random),
                             .ppm = 16LL << (random >> 41) % 15,
                             .odd = (random >> 40) & 1 };
    fault_tells(s, node, fault, &how);
    switch (fault->kind) {
    case SP__CHOICE_CRASH:
        sim_node_crash(node, how.odd ? SP__NET_GONE_DARK : SP__NET_GONE_KILLED);
        break;
    case SP__CHOICE_STOP:
        node->stopped = true;
        sim_node_stop(node);
        break;
    case SP__CHOICE_PAUSE:
        sp__host_pause(node->host, true);
        break;
    case SP__CHOICE_STEP:
        sp__clock_step(node->host, (how.odd ? -1 : 1) * (how.time.ns + SP_NS_PER_MS));
        sim_faults_mended(s); /* a clock may show anything */
        return;
    case SP__CHOICE_DRIFT:
        sp__clock_drift(node->host, how.odd ? -how.ppm : how.ppm);
        break;
    default:
        sp__clock_freeze(node->host, true);
        break;
    }
    sim_at(s, sp__world_now(s->world) + how.time.ns, fault_mends, node);
}

static void fault_opens(struct sp_sim *s)
{
    s->swarm.open++;
    if (s->swarm.until == INT64_MAX)
        s->swarm.mended = INT64_MAX;
    sim_eventually_again(s);
}

/* False: whom it would befall is not there. */
static bool fault_happens(struct sp_sim *s, const struct sim_choice *fault)
{
    uint64_t random = fault_random(s, fault);
    struct sp_sim_node *node = NULL;
    char name[SIM_NAME_MAX];
    if (fault->kind == SP__CHOICE_KILL) {
        struct sp__task *task = sim_task(s, fault->to);
        if (task == NULL || !sim_task_mortal(s, task))
            return false;
        sim_task_name(s, task, name);
        fault_opens(s);
        sim_tell_fault(s, fault, "%s is killed", name);
        sim_task_kill(task);
        sim_faults_mended(s);
        return true;
    }
    for (node = s->nodes; node != NULL && node->label != fault->to; node = node->next)
        continue;
    if (node == NULL || !sim_node_runs(node))
        return false;
    fault_opens(s);
    fault_befalls_node(s, node, fault, random);
    return true;
}

/* One of the kinds that are on, at random; COUNT: none. */
static enum sp__choice fault_choose_kind(struct sim_faults *faults)
{
    enum sp__choice kinds[FAULT_KINDS];
    size_t count = 0;
    for (size_t i = 0; i < FAULT_KINDS; i++)
        if (fault_kinds[i].choice >= SP__CHOICE_KILL && fault_kinds[i].choice < SP__CHOICE_MEMORY &&
            (faults->on & fault_kinds[i].bit) != 0)
            kinds[count++] = fault_kinds[i].choice;
    return count == 0 ? SP__CHOICE_COUNT : kinds[sp__random_below(&faults->random, count)];
}

/* The label of somebody whom it can befall, or 0. */
static uint64_t fault_choose_victim(struct sp_sim *s, enum sp__choice kind)
{
    uint64_t labels[FAULT_VICTIMS_MAX];
    size_t count = 0;
    struct sp__list *tasks = sp__world_tasks(s->world);
    if (kind == SP__CHOICE_KILL) {
        for (struct sp__list *at = sp__list_first(tasks); at != NULL && count < FAULT_VICTIMS_MAX;
             at = sp__list_next(tasks, at)) {
            struct sp__task *task = sp__container_of(at, struct sp__task, link);
            if (sim_task_mortal(s, task))
                labels[count++] = task->label;
        }
    } else {
        for (struct sp_sim_node *node = s->nodes; node != NULL && count < FAULT_VICTIMS_MAX;
             node = node->next)
            if (sim_node_runs(node))
                labels[count++] = node->label;
    }
    return count == 0 ? 0 : labels[sp__random_below(&s->swarm.random, count)];
}

static void fault_drawn(struct sp_sim *s, const struct sp__task *task)
{
    struct sim_choice fault = { .kind = fault_choose_kind(&s->swarm),
                                .at = task->label,
                                .step = task->steps };
    if (fault.kind == SP__CHOICE_COUNT)
        return;
    fault.to = fault_choose_victim(s, fault.kind);
    if (fault.to != 0 && fault_happens(s, &fault))
        sim_remember(s, fault);
}

/* Each of the schedule's before this step. */
static void fault_followed(struct sp_sim *s, uint64_t label, uint64_t step)
{
    for (int kind = SP__CHOICE_KILL; kind < SP__CHOICE_MEMORY; kind++) {
        struct sim_choice fault = { .kind = (enum sp__choice)kind, .at = label, .step = step };
        if (!(s->swarm.followed & UINT32_C(1) << kind))
            continue;
        while (sim_follower_fault(&s->follower, fault.kind, fault.at, fault.step, &fault.to))
            if (fault_happens(s, &fault))
                sim_remember(s, fault);
    }
}

static bool fault_is_there(const struct sp_sim *s, const struct sp__task *task, uint64_t label)
{
    struct sp__list *tasks = sp__world_tasks(s->world);
    for (struct sp__list *at = sp__list_first(tasks); at != NULL; at = sp__list_next(tasks, at))
        if (sp__container_of(at, struct sp__task, link) == task)
            return task->label == label;
    return false;
}

/* False: `task` is gone. One whose machine stands still from now on makes this step: so there is
 * one step of each number, before which replay finds its faults. */
static bool fault_points_passed(struct sp_sim *s, const struct sp__task *task)
{
    struct sim_faults *faults = &s->swarm;
    uint64_t label = task->label;
    uint64_t step = task->steps;
    bool there = true;
    while (there && faults->next < faults->count &&
           faults->at[faults->next] <= sp__world_steps(s->world)) {
        faults->next++;
        fault_drawn(s, task);
        there = fault_is_there(s, task, label);
    }
    if (there && faults->followed >> SP__CHOICE_KILL != 0) {
        fault_followed(s, label, step);
        there = fault_is_there(s, task, label);
    }
    return there;
}

bool sim_faults_before(void *arg, struct sp__task *task)
{
    struct sp_sim *s = arg;
    struct sim_faults *faults = &s->swarm;
    if (s->draining || sp__world_now(s->world) >= faults->until)
        return true;
    faults->window++;
    bool due =
        faults->next < faults->count && faults->at[faults->next] <= sp__world_steps(s->world);
    if (!due && faults->followed >> SP__CHOICE_KILL == 0)
        return true;
    return fault_points_passed(s, task);
}

/* ---- mending ---- */

void sim_faults_mended(struct sp_sim *s)
{
    struct sim_faults *faults = &s->swarm;
    if (faults->open > 0)
        faults->open--;
    if (faults->open == 0 && faults->until == INT64_MAX)
        faults->mended = sp__world_now(s->world);
}

void sim_faults_end(struct sp_sim *s)
{
    for (struct sp_sim_node *node = s->nodes; node != NULL; node = node->next)
        sim_node_mend(node);
    sp__net_heal(s->world, NULL, NULL);
    s->swarm.open = 0;
    s->swarm.mended = sp__world_now(s->world);
}
