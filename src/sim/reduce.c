#include "sim/reduce.h"

#include "base/alloc.h"
#include "process/process.h"
#include "runtime/sim/node.h"

#include <string.h>

enum {
    REDUCE_LANES = 64,
    REDUCE_EVENTS = 65535,
    REDUCE_ACCESSES = 8,
    REDUCE_MAILBOX_DEFAULT = 65536,
    REDUCE_NOBODY = UINT32_MAX,
};

/* What is touched, and how. */
enum reduce_access_kind {
    REDUCE_PUSH,    /* a mailbox gets a message */
    REDUCE_RUN,     /* a process makes a step */
    REDUCE_TAKE,    /* the same, and goes on with what is in its mailbox */
    REDUCE_PEEK,    /* the same, and it matters what is not in it */
    REDUCE_WAKE,    /* an answer is given */
    REDUCE_LOOK,    /* at a life: link, monitor, is it alive */
    REDUCE_MEASURE, /* a mailbox's length is asked for */
    REDUCE_END,     /* of a life, or a signal or notice, which ends or interrupts */
    REDUCE_NAME_READ,
    REDUCE_NAME_WRITE,
    REDUCE_KINDS
};

/* An object: all connections are one. */
#define REDUCE_NETWORK UINT64_C(0x6e6574)

#define REDUCE_BIT(kind) (1U << REDUCE_##kind)

/* With which others each kind does not commute, on the same object. */
static const uint16_t reduce_conflicts[REDUCE_KINDS] = {
    [REDUCE_PUSH] = REDUCE_BIT(PUSH) | REDUCE_BIT(PEEK) | REDUCE_BIT(MEASURE) | REDUCE_BIT(END),
    [REDUCE_RUN] = REDUCE_BIT(END),
    [REDUCE_TAKE] = REDUCE_BIT(WAKE) | REDUCE_BIT(MEASURE) | REDUCE_BIT(END),
    [REDUCE_PEEK] = REDUCE_BIT(PUSH) | REDUCE_BIT(WAKE) | REDUCE_BIT(MEASURE) | REDUCE_BIT(END),
    [REDUCE_WAKE] = REDUCE_BIT(TAKE) | REDUCE_BIT(PEEK) | REDUCE_BIT(WAKE) | REDUCE_BIT(END),
    [REDUCE_LOOK] = REDUCE_BIT(END),
    [REDUCE_MEASURE] = REDUCE_BIT(PUSH) | REDUCE_BIT(TAKE) | REDUCE_BIT(PEEK) | REDUCE_BIT(END),
    [REDUCE_END] = REDUCE_BIT(PUSH) | REDUCE_BIT(RUN) | REDUCE_BIT(TAKE) | REDUCE_BIT(PEEK) |
                   REDUCE_BIT(WAKE) | REDUCE_BIT(LOOK) | REDUCE_BIT(MEASURE) | REDUCE_BIT(END),
    [REDUCE_NAME_READ] = REDUCE_BIT(NAME_WRITE),
    [REDUCE_NAME_WRITE] = REDUCE_BIT(NAME_READ) | REDUCE_BIT(NAME_WRITE),
};

struct reduce_access {
    uint64_t object;
    enum reduce_access_kind kind;
};

/* What a step touches. */
struct reduce_touched {
    uint32_t count;
    bool all; /* everything */
    struct reduce_access access[REDUCE_ACCESSES];
};

/* So many steps of each lane are before, or at it. */
struct reduce_clock {
    uint16_t of[REDUCE_LANES];
};

struct reduce_event {
    uint32_t lane;
    uint32_t nth;     /* of the lane, from 1 */
    uint32_t node;    /* where it was chosen */
    uint32_t barrier; /* all events before that one come before this one */
    uint32_t fetched; /* messages it took out of its mailbox */
    uint64_t woke;    /* lanes it made ready */
    uint64_t pushed;  /* lanes whose mailbox got a message */
    struct reduce_clock clock;
    struct reduce_touched touched;
};

struct reduce_node {
    bool draw;
    uint32_t index; /* draw: what, of how many */
    uint32_t count;
    uint32_t lane;  /* who goes; for a draw, whose step it is in */
    uint32_t event; /* number of its event */
    uint64_t enabled;
    uint64_t backtrack; /* who has to go here in some run */
    uint64_t done;      /* who did */
    bool drew;          /* in its step */
    uint32_t before;    /* node of the step before, or NOBODY */
    uint32_t sleepers;  /* the first, in reduce.sleepers; and how many */
    uint32_t sleeper_count;
};

struct reduce_sleeper {
    uint32_t lane;
    struct reduce_touched touched; /* by the step it would make */
};

/* A task, as far as the present run has come. */
struct reduce_lane {
    uint64_t label;            /* it was born with */
    uint32_t born_at;          /* events made when its birth was over */
    uint32_t count;            /* its events */
    uint32_t last;             /* the last one, or NOBODY */
    struct reduce_clock cause; /* of what made it ready */
    uint32_t *pushes;          /* events that sent to it, in order */
    uint32_t push_count;
    uint32_t push_capacity;
    uint32_t fetched; /* so many of them it has taken */
    /* As they were when it was last looked at. */
    bool ready;
    uint32_t length; /* messages it ever got */
    const void *signals;
};

struct sim_reduce {
    struct reduce_node *nodes;
    size_t node_count;
    size_t node_capacity;
    struct reduce_event *events;
    size_t event_capacity;
    struct reduce_sleeper *sleepers;
    size_t sleeper_count;
    size_t sleeper_capacity;
    struct reduce_lane lanes[REDUCE_LANES];
    uint32_t lane_count;
    struct reduce_clock barrier_clock;
    uint32_t barrier;
    uint32_t made;            /* events of this run that are over */
    uint32_t kept;            /* events that are as in the run before */
    uint32_t at;              /* node that comes next */
    uint32_t present;         /* node of the present step */
    uint32_t before;          /* node of the last step, or NOBODY */
    struct sp__task *running; /* makes a step; may have ended when that is over */
    struct sp__actor *actor;  /* its */
    enum sp__point point;     /* of that step */
    uint32_t fetched;         /* messages it had taken before */
    bool begun;
    bool jumped;
    bool looked; /* the lanes are as they were left */
    bool groups; /* the program uses groups of processes */
    bool cut;
    const char *refused;
};

static const char reduce_differs[] =
    "two runs of the same decisions differ; try --check-determinism";

struct sim_reduce *sim_reduce_create(void)
{
    return sp__calloc(1, sizeof(struct sim_reduce));
}

void sim_reduce_destroy(struct sim_reduce *moved_reduce)
{
    if (moved_reduce == NULL)
        return;
    for (uint32_t lane = 0; lane < REDUCE_LANES; lane++)
        sp__free(moved_reduce->lanes[lane].pushes);
    sp__free(moved_reduce->nodes);
    sp__free(moved_reduce->events);
    sp__free(moved_reduce->sleepers);
    sp__free(moved_reduce);
}

/* Room for one more, or it is refused. */
static bool reduce_room(struct sim_reduce *reduce, void *items, size_t count, size_t *capacity,
                        size_t size)
{
    void **place = items;
    if (count < *capacity)
        return true;
    size_t wanted = *capacity == 0 ? 64 : 2 * *capacity;
    void *more = sp__realloc(*place, wanted * size);
    if (more == NULL) {
        reduce->refused = "there is not the memory for it";
        return false;
    }
    *place = more;
    *capacity = wanted;
    return true;
}

static uint64_t lane_bit(uint32_t lane)
{
    return UINT64_C(1) << lane;
}

/* ---- clocks ---- */

/* The greater of each; without a branch and without a doubt about what overlaps, eight at a time. */
static void clock_join(struct reduce_clock *restrict clock,
                       const struct reduce_clock *restrict other)
{
    for (uint32_t lane = 0; lane < REDUCE_LANES; lane++)
        clock->of[lane] = clock->of[lane] > other->of[lane] ? clock->of[lane] : other->of[lane];
}

/* Is the event before what has that clock? */
static bool clock_has(const struct reduce_clock *clock, const struct reduce_event *event)
{
    return clock->of[event->lane] >= event->nth;
}

/* ---- what is touched ---- */

static void touched_add(struct reduce_touched *touched, enum reduce_access_kind kind,
                        uint64_t object)
{
    if (touched->count == REDUCE_ACCESSES)
        touched->all = true;
    else
        touched->access[touched->count++] = (struct reduce_access){ object, kind };
}

static bool touched_conflict(const struct reduce_touched *a, const struct reduce_touched *b)
{
    if (a->all || b->all)
        return true;
    for (uint32_t i = 0; i < a->count; i++)
        for (uint32_t k = 0; k < b->count; k++)
            if (a->access[i].object == b->access[k].object &&
                (reduce_conflicts[a->access[i].kind] >> b->access[k].kind & 1))
                return true;
    return false;
}

/* Of a process, or of a thread that has attached itself; else NULL. */
static struct sp__actor *task_actor(const struct sp__task *task)
{
    if (task->kind != SP__TASK_MAIN)
        return task->actor;
    return task->context == NULL ? NULL : task->context->current;
}

/* The same number in two nodes is two objects. */
static uint64_t task_object(const struct sp__task *task, uint64_t object)
{
    struct sp__actor *actor = task_actor(task);
    return actor == NULL ? object : object ^ sp__sim_node(actor->runtime)->label;
}

static uint64_t task_own(const struct sp__task *task)
{
    struct sp__actor *actor = task_actor(task);
    struct sp__node *node = sp__sim_node(actor->runtime);
    return actor->runtime->actor_object(actor) ^ node->label;
}

static void touched_name(struct reduce_touched *touched, const struct sp__task *task)
{
    const struct sp_process *process = (struct sp_process *)(void *)task_actor(task);
    const struct sp__extra *extra = atomic_load_explicit(&process->extra, memory_order_relaxed);
    const char *name = extra == NULL ? NULL : extra->name;
    if (name != NULL)
        touched_add(touched, REDUCE_NAME_WRITE, task_object(task, sp__point_name_hash(name)));
}

/* All groups of a node are one. */
static uint64_t groups_object(const struct sp__task *task)
{
    return task_object(task, UINT64_C(0x67726f757073));
}

/* How a process goes on that looks into its mailbox, where it matters what is not there: at a
 * deadline; where senders find no room; where a notice goes behind what is there by now. */
static enum reduce_access_kind turn_kind(const struct sp__task *task)
{
    const struct sp__actor *actor = task_actor(task);
    bool late = task->what != NULL && strcmp(task->what, "receive or time out") == 0;
    bool small = actor->mailbox_max < REDUCE_MAILBOX_DEFAULT;
    bool told = atomic_load_explicit(&actor->signals, memory_order_relaxed) != NULL;
    return late || small || told ? REDUCE_PEEK : REDUCE_TAKE;
}

static bool what_is(const struct sp__task *task, const char *word)
{
    return task->what != NULL && strcmp(task->what, word) == 0;
}

static void touched_of_name(struct sim_reduce *reduce, struct reduce_touched *touched,
                            const struct sp__task *task)
{
    bool writes = what_is(task, "register") || what_is(task, "unregister") ||
                  what_is(task, "join group") || what_is(task, "leave group");
    touched_add(touched, writes ? REDUCE_NAME_WRITE : REDUCE_NAME_READ,
                task_object(task, task->object));
    if (task->what == NULL || strstr(task->what, "group") == NULL)
        return;
    reduce->groups = true;
    touched_add(touched, REDUCE_NAME_READ, groups_object(task));
}

static void touched_of_process(struct reduce_touched *touched, const struct sp__task *task)
{
    /* A "kill" only says so; its "signal" comes next. */
    bool ends = what_is(task, "signal") || what_is(task, "stop");
    bool measures = what_is(task, "info");
    touched_add(touched,
                ends       ? REDUCE_END
                : measures ? REDUCE_MEASURE
                           : REDUCE_LOOK,
                task_object(task, task->object));
}

/* What the step says it is about to do. */
static void touched_begin(struct sim_reduce *reduce, struct reduce_touched *touched,
                          const struct sp__task *task)
{
    *touched = (struct reduce_touched){ .count = 0 };
    if (task->point == SP__POINT_NET)
        touched_add(touched, REDUCE_END, REDUCE_NETWORK);
    if (task_actor(task) == NULL)
        return;
    touched_add(touched, task->point == SP__POINT_TURN ? turn_kind(task) : REDUCE_RUN,
                task_own(task));
    switch (task->point) {
    case SP__POINT_SEND:
        touched_add(touched, REDUCE_PUSH, task_object(task, task->object));
        break;
    case SP__POINT_REPLY:
        touched_add(touched, REDUCE_WAKE, task_object(task, task->object));
        break;
    case SP__POINT_PROCESS:
        touched_of_process(touched, task);
        break;
    case SP__POINT_EXIT:
        touched_add(touched, REDUCE_END, task_own(task));
        touched_name(touched, task);
        if (reduce->groups)
            touched_add(touched, REDUCE_NAME_WRITE, groups_object(task));
        break;
    case SP__POINT_NAME:
        touched_of_name(reduce, touched, task);
        break;
    default:
        break;
    }
}

/* ---- lanes ---- */

static uint32_t lane_of(const struct sp__task *task)
{
    return (uint32_t)task->mind - 1;
}

void sim_reduce_born(struct sim_reduce *reduce, struct sp__task *task)
{
    task->mind = 1; /* some lane, where it is refused */
    if (reduce->refused != NULL || reduce->cut)
        return;
    uint32_t lane = 0;
    while (lane < reduce->lane_count && reduce->lanes[lane].label != task->label)
        lane++;
    if (lane == REDUCE_LANES) {
        reduce->refused = "more than 64 processes, timers and jobs take part";
        return;
    }
    struct reduce_lane *at = &reduce->lanes[lane];
    if (lane == reduce->lane_count) {
        reduce->lane_count++;
        uint32_t *pushes = at->pushes;
        uint32_t capacity = at->push_capacity;
        *at = (struct reduce_lane){ .label = task->label,
                                    .born_at = reduce->running == NULL ? 0 : reduce->made + 1,
                                    .last = REDUCE_NOBODY,
                                    .pushes = pushes,
                                    .push_capacity = capacity };
    }
    at->ready = false;
    at->length = 0;
    at->signals = NULL;
    task->mind = lane + 1;
}

static void lane_pushed(struct sim_reduce *reduce, struct reduce_lane *lane, uint32_t event)
{
    size_t capacity = lane->push_capacity;
    if (!reduce_room(reduce, &lane->pushes, lane->push_count, &capacity, sizeof(*lane->pushes)))
        return;
    lane->push_capacity = (uint32_t)capacity;
    lane->pushes[lane->push_count++] = event;
}

/* The lanes after the event. */
static void lanes_apply(struct sim_reduce *reduce, uint32_t index)
{
    const struct reduce_event *event = &reduce->events[index];
    struct reduce_lane *own = &reduce->lanes[event->lane];
    own->last = index;
    own->count = event->nth;
    own->fetched += event->fetched;
    own->cause = (struct reduce_clock){ { 0 } };
    for (uint64_t rest = event->woke; rest != 0; rest &= rest - 1)
        clock_join(&reduce->lanes[__builtin_ctzll(rest)].cause, &event->clock);
    for (uint64_t rest = event->pushed; rest != 0; rest &= rest - 1)
        lane_pushed(reduce, &reduce->lanes[__builtin_ctzll(rest)], index);
}

static void lanes_barrier(struct sim_reduce *reduce, uint32_t index)
{
    reduce->barrier = index;
    for (uint32_t lane = 0; lane < reduce->lane_count; lane++)
        reduce->barrier_clock.of[lane] = (uint16_t)reduce->lanes[lane].count;
}

/* As they are after the events that are kept. */
static void lanes_rebuild(struct sim_reduce *reduce)
{
    while (reduce->lane_count > 0 && reduce->lanes[reduce->lane_count - 1].born_at > reduce->kept)
        reduce->lane_count--;
    for (uint32_t lane = 0; lane < reduce->lane_count; lane++) {
        struct reduce_lane *at = &reduce->lanes[lane];
        at->count = 0;
        at->last = REDUCE_NOBODY;
        at->push_count = 0;
        at->fetched = 0;
        at->cause = (struct reduce_clock){ { 0 } };
    }
    reduce->barrier = 0;
    reduce->barrier_clock = (struct reduce_clock){ { 0 } };
    for (uint32_t index = 0; index < reduce->kept; index++) {
        if (reduce->events[index].barrier == index)
            lanes_barrier(reduce, index);
        lanes_apply(reduce, index);
    }
}

static uint32_t actor_fetched(const struct sp__actor *actor)
{
    return atomic_load_explicit(&actor->fetched, memory_order_relaxed);
}

/* What the clock brings on did not have to come here, unless all else waited for the clock. */
static bool task_is_timed(const struct sp__task *task)
{
    return task->kind == SP__TASK_TIMERS || task->kind == SP__TASK_NET;
}

/* What the present event did to a task; without an event it is only remembered. */
static void lane_look(struct sim_reduce *reduce, const struct sp__task *task,
                      struct reduce_event *event)
{
    struct reduce_lane *lane = &reduce->lanes[lane_of(task)];
    bool other = event != NULL && lane_of(task) != event->lane;
    if (other && task->ready && !lane->ready && !task_is_timed(task))
        event->woke |= lane_bit(lane_of(task));
    lane->ready = task->ready;
    const struct sp__actor *actor = task_actor(task);
    if (actor == NULL)
        return;
    uint32_t length = (uint32_t)(atomic_load_explicit(&actor->state, memory_order_relaxed) >> 32);
    const void *signals = atomic_load_explicit(&actor->signals, memory_order_relaxed);
    if (event != NULL && length != lane->length) {
        event->pushed |= lane_bit(lane_of(task));
        if (other)
            touched_add(&event->touched, REDUCE_PUSH, task_own(task));
    }
    if (other && signals != NULL && signals != lane->signals)
        touched_add(&event->touched, REDUCE_END, task_own(task));
    lane->length = length;
    lane->signals = signals;
}

static void lanes_look(struct sim_reduce *reduce, struct sp__world *world,
                       struct reduce_event *event)
{
    struct sp__list *tasks = sp__world_tasks(world);
    for (struct sp__list *at = sp__list_first(tasks); at != NULL; at = sp__list_next(tasks, at))
        lane_look(reduce, sp__container_of(at, struct sp__task, link), event);
}

/* ---- nodes ---- */

static uint64_t node_asleep(const struct sim_reduce *reduce, const struct reduce_node *node)
{
    uint64_t asleep = 0;
    for (uint32_t i = 0; i < node->sleeper_count; i++)
        asleep |= lane_bit(reduce->sleepers[node->sleepers + i].lane);
    return asleep;
}

static bool node_lull(struct sim_reduce *reduce, struct reduce_node *node, uint32_t lane,
                      const struct reduce_touched *touched)
{
    if (!reduce_room(reduce, &reduce->sleepers, reduce->sleeper_count, &reduce->sleeper_capacity,
                     sizeof(*reduce->sleepers)))
        return false;
    reduce->sleepers[reduce->sleeper_count++] =
        (struct reduce_sleeper){ .lane = lane, .touched = *touched };
    node->sleeper_count++;
    return true;
}

/* Who slept before the last step and was not touched by it. */
static void node_inherit(struct sim_reduce *reduce, struct reduce_node *node)
{
    if (node->before == REDUCE_NOBODY)
        return;
    const struct reduce_node *before = &reduce->nodes[node->before];
    const struct reduce_touched *touched = &reduce->events[before->event].touched;
    for (uint32_t i = 0; i < before->sleeper_count; i++) {
        struct reduce_sleeper sleeper = reduce->sleepers[before->sleepers + i];
        if (!touched_conflict(&sleeper.touched, touched) &&
            !node_lull(reduce, node, sleeper.lane, &sleeper.touched))
            return;
    }
}

/* A timer may be disarmed and never come: there is no race then that tells of it. As it touches
 * everything, it goes first wherever it could. */
static uint64_t node_timed(struct sp__task *const *tasks, size_t count)
{
    uint64_t timed = 0;
    for (size_t i = 0; i < count; i++)
        timed |= task_is_timed(tasks[i]) ? lane_bit(lane_of(tasks[i])) : 0;
    return timed;
}

/* A new place of the search, at the end of the stack. */
static void node_new(struct sim_reduce *reduce, struct sp__task *const *tasks, size_t count,
                     size_t reference)
{
    if (!reduce_room(reduce, &reduce->nodes, reduce->node_count, &reduce->node_capacity,
                     sizeof(*reduce->nodes)))
        return;
    struct reduce_node *node = &reduce->nodes[reduce->node_count];
    *node = (struct reduce_node){ .event = reduce->made,
                                  .before = reduce->before,
                                  .sleepers = (uint32_t)reduce->sleeper_count };
    node_inherit(reduce, node);
    for (size_t i = 0; i < count; i++)
        node->enabled |= lane_bit(lane_of(tasks[i]));
    uint64_t awake = node->enabled & ~node_asleep(reduce, node);
    reduce->cut = awake == 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t lane = lane_of(tasks[(reference + i) % count]);
        if (!(awake & lane_bit(lane)))
            continue;
        node->lane = lane;
        node->done = lane_bit(lane);
        node->backtrack = node->done | node_timed(tasks, count);
        reduce->node_count++;
        return;
    }
    reduce->sleeper_count = node->sleepers;
}

static bool reduce_idle(const struct sim_reduce *reduce)
{
    return reduce->cut || reduce->refused != NULL;
}

size_t sim_reduce_choose(struct sim_reduce *reduce, struct sp__task *const *tasks, size_t count,
                         size_t reference)
{
    if (!reduce_idle(reduce) && reduce->at == reduce->node_count)
        node_new(reduce, tasks, count, reference);
    if (reduce_idle(reduce))
        return reference;
    for (size_t i = 0; i < count; i++)
        if (lane_of(tasks[i]) == reduce->nodes[reduce->at].lane && !reduce->nodes[reduce->at].draw)
            return i;
    reduce->refused = reduce_differs;
    return reference;
}

uint32_t sim_reduce_draw(struct sim_reduce *reduce, uint32_t count)
{
    if (reduce_idle(reduce))
        return 0;
    if (reduce->at == reduce->node_count) {
        if (!reduce_room(reduce, &reduce->nodes, reduce->node_count, &reduce->node_capacity,
                         sizeof(*reduce->nodes)))
            return 0;
        reduce->nodes[reduce->node_count++] =
            (struct reduce_node){ .draw = true,
                                  .count = count,
                                  .event = reduce->made,
                                  .before = reduce->before,
                                  .sleepers = (uint32_t)reduce->sleeper_count };
    }
    if (!reduce->nodes[reduce->at].draw) {
        reduce->refused = reduce_differs;
        return 0;
    }
    if (reduce->running != NULL)
        reduce->nodes[reduce->present].drew = true;
    return reduce->nodes[reduce->at++].index;
}

/* ---- steps ---- */

void sim_reduce_quiet(struct sim_reduce *reduce)
{
    reduce->jumped = true;
}

static void event_begin(struct sim_reduce *reduce, struct sp__task *task)
{
    struct reduce_event *event = &reduce->events[reduce->made];
    *event = (struct reduce_event){ .lane = lane_of(task), .node = reduce->present };
    if (reduce->jumped)
        lanes_barrier(reduce, reduce->made);
    event->barrier = reduce->barrier;
    touched_begin(reduce, &event->touched, task);
    event->touched.all = task_is_timed(task) && !reduce->jumped;
    if (!reduce->looked)
        lanes_look(reduce, sp__world_current(), NULL);
    reduce->looked = true;
    reduce->point = task->point;
    reduce->actor = task->kind == SP__TASK_ACTOR ? task->actor : NULL;
    reduce->fetched = reduce->actor == NULL ? 0 : actor_fetched(reduce->actor);
}

void sim_reduce_step(struct sim_reduce *reduce, struct sp__task *task)
{
    if (reduce_idle(reduce))
        return;
    if (reduce->at == reduce->node_count)
        node_new(reduce, &task, 1, 0);
    if (reduce->made == REDUCE_EVENTS)
        reduce->refused = "a run has more than 65,535 steps";
    if (reduce_idle(reduce) || !reduce_room(reduce, &reduce->events, reduce->made,
                                            &reduce->event_capacity, sizeof(*reduce->events)))
        return;
    reduce->present = reduce->at++;
    reduce->running = task;
    if (reduce->made >= reduce->kept)
        event_begin(reduce, task);
    reduce->jumped = false;
}

/* ---- races ---- */

/* Who could begin what comes between the two without following from the first: one of them has to
 * go where the first went. */
static uint64_t race_initials(const struct sim_reduce *reduce, uint32_t first, uint32_t second)
{
    const struct reduce_event *from = &reduce->events[first];
    uint16_t begins[REDUCE_LANES] = { 0 }; /* the lane's first of them */
    uint64_t lanes = 0;
    uint64_t initials = 0;
    for (uint32_t k = first + 1; k <= second; k++) {
        const struct reduce_event *event = &reduce->events[k];
        if (k != second && clock_has(&event->clock, from))
            continue;
        if (lanes & lane_bit(event->lane))
            continue;
        bool initial = true;
        for (uint64_t rest = lanes; rest != 0 && initial; rest &= rest - 1) {
            int lane = __builtin_ctzll(rest);
            initial = event->clock.of[lane] < begins[lane];
        }
        lanes |= lane_bit(event->lane);
        begins[event->lane] = (uint16_t)event->nth;
        initials |= initial ? lane_bit(event->lane) : 0;
    }
    return initials;
}

static void race_found(struct sim_reduce *reduce, uint32_t first, uint32_t second)
{
    struct reduce_node *node = &reduce->nodes[reduce->events[first].node];
    uint64_t initials = race_initials(reduce, first, second);
    if (initials & node->backtrack)
        return;
    uint64_t enabled = initials & node->enabled;
    /* Who was not ready there waits for the clock: whoever could go may bring it on. */
    node->backtrack |= enabled == 0 ? node->enabled : enabled & -enabled;
}

static void event_clock(struct sim_reduce *reduce, struct reduce_event *event)
{
    struct reduce_lane *lane = &reduce->lanes[event->lane];
    event->nth = lane->count + 1;
    event->clock = lane->cause;
    clock_join(&event->clock, &reduce->barrier_clock);
    if (lane->last != REDUCE_NOBODY)
        clock_join(&event->clock, &reduce->events[lane->last].clock);
    for (uint32_t i = lane->fetched; i < lane->fetched + event->fetched && i < lane->push_count;
         i++)
        clock_join(&event->clock, &reduce->events[lane->pushes[i]].clock);
}

static void event_end(struct sim_reduce *reduce, uint32_t index)
{
    struct reduce_event *event = &reduce->events[index];
    event_clock(reduce, event);
    for (uint32_t k = index; k-- > event->barrier;) {
        const struct reduce_event *other = &reduce->events[k];
        if (other->lane == event->lane || clock_has(&event->clock, other) ||
            !touched_conflict(&other->touched, &event->touched))
            continue;
        race_found(reduce, k, index);
        clock_join(&event->clock, &other->clock);
    }
    event->clock.of[event->lane] = (uint16_t)event->nth;
    lanes_apply(reduce, index);
}

/* Whoever was born with a name has taken it; who wanted to spawn and did not, found it taken,
 * or something else that we do not know. */
static void event_births(const struct sim_reduce *reduce, struct sp__world *world,
                         struct reduce_event *event)
{
    struct sp__list *tasks = sp__world_tasks(world);
    bool born = false;
    for (struct sp__list *at = sp__list_first(tasks); at != NULL; at = sp__list_next(tasks, at)) {
        struct sp__task *task = sp__container_of(at, struct sp__task, link);
        if (task->kind != SP__TASK_ACTOR ||
            reduce->lanes[lane_of(task)].born_at != reduce->made + 1)
            continue;
        born = true;
        touched_name(&event->touched, task);
    }
    event->touched.all = event->touched.all || (reduce->point == SP__POINT_SPAWN && !born);
}

void sim_reduce_stepped(struct sim_reduce *reduce, struct sp__world *world)
{
    struct sp__task *task = reduce->running;
    if (reduce_idle(reduce) || task == NULL)
        return;
    reduce->running = NULL;
    reduce->before = reduce->present;
    if (reduce->made >= reduce->kept) {
        struct reduce_event *event = &reduce->events[reduce->made];
        /* The memory of an actor that has ended is there until its slot is used again. */
        if (reduce->actor != NULL)
            event->fetched = actor_fetched(reduce->actor) - reduce->fetched;
        lanes_look(reduce, world, event);
        event_births(reduce, world, event);
        event_end(reduce, reduce->made);
    }
    reduce->made++;
}

/* ---- runs ---- */

/* To the last place of the stack where something is left to try. False: nothing is. */
static bool reduce_backtrack(struct sim_reduce *reduce)
{
    for (; reduce->node_count > 0; reduce->node_count--) {
        struct reduce_node *node = &reduce->nodes[reduce->node_count - 1];
        reduce->kept = node->event;
        if (node->draw) {
            if (++node->index < node->count)
                return true;
            continue;
        }
        reduce->sleeper_count = node->sleepers + node->sleeper_count;
        struct reduce_touched touched = reduce->events[node->event].touched;
        touched.all = touched.all || node->drew;
        if (!node_lull(reduce, node, node->lane, &touched))
            return false;
        uint64_t left = node->backtrack & ~node->done & ~node_asleep(reduce, node);
        if (left != 0) {
            node->lane = (uint32_t)__builtin_ctzll(left);
            node->done |= lane_bit(node->lane);
            node->drew = false;
            return true;
        }
        reduce->sleeper_count = node->sleepers;
    }
    return false;
}

bool sim_reduce_begin(struct sim_reduce *reduce)
{
    if (reduce->refused != NULL || (reduce->begun && !reduce_backtrack(reduce)))
        return false;
    reduce->begun = true;
    lanes_rebuild(reduce);
    reduce->made = 0;
    reduce->at = 0;
    reduce->before = REDUCE_NOBODY;
    reduce->running = NULL;
    reduce->jumped = false;
    reduce->looked = false;
    reduce->cut = false;
    return true;
}

bool sim_reduce_cut(const struct sim_reduce *reduce)
{
    return reduce->cut;
}

const char *sim_reduce_refused(const struct sim_reduce *reduce)
{
    return reduce->refused;
}
