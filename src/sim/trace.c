#include "sim/trace.h"

#include "base/alloc.h"
#include "process/process.h"
#include "process/reply.h"
#include "runtime/real/fault_code.h"
#include "runtime/sim/host.h"
#include "runtime/sim/node.h"
#include "sim/inside.h"

#include <stdio.h>
#include <string.h>
#include <unwind.h>

enum {
    TRACE_NO_EVENT = UINT32_MAX,
};

/* A message in a mailbox. */
struct trace_message {
    const struct sp_message *message;
    uint32_t event; /* that put it there */
    uint32_t lane;  /* whose mailbox */
    struct sim_value value;
    char type[SIM_NAME_MAX];
};

struct trace_messages {
    struct trace_message *items;
    size_t count;
    size_t capacity;
    struct sp__map by_address; /* to index + 1 */
};

/* What is known of a lane's task between its steps. */
struct trace_task {
    bool ready;
    bool signalled;
    uint32_t last;  /* its last event */
    uint32_t since; /* that made it ready */
    uint32_t cause_count;
    uint32_t causes[SIM_CAUSES_MAX]; /* of its next event */
    int frame_count;
    void *frames[SIM_FRAMES_MAX];
};

struct trace_state {
    struct trace_task *tasks; /* by lane */
    size_t capacity;
    struct trace_messages messages[2]; /* before the step, after it */
    int current;
    uint32_t running; /* lane of who makes the step */
    uint64_t steps;
};

static void *trace_grow(void *items, size_t *capacity, size_t size)
{
    size_t wanted = *capacity == 0 ? 64 : 2 * *capacity;
    void *more = sp__realloc(items, wanted * size);
    if (more != NULL)
        *capacity = wanted;
    return more;
}

static struct trace_state *trace_state(struct sim_trace *trace)
{
    if (trace->state != NULL)
        return trace->state;
    trace->state = sp__calloc(1, sizeof(*trace->state));
    for (int i = 0; trace->state != NULL && i < 2; i++)
        sp__map_init(&trace->state->messages[i].by_address, (struct sp__hash_seed){ 0 });
    return trace->state;
}

static struct sp_process *trace_process(const struct sp__task *task)
{
    return (struct sp_process *)(void *)task->actor;
}

/* The same slot and serial in two nodes are two objects. */
static uint64_t trace_object(const struct sp__task *task, uint64_t object)
{
    return object ^ (task->node == NULL ? 0 : task->node->label);
}

/* ---- lanes ---- */

static void lane_name(struct sim_lane *lane, const struct sp__task *task,
                      const struct sim_trace_names *names)
{
    char text[64];
    char net[SP__NET_TEXT_MAX];
    const char *name = names == NULL ? "thread" : names->main;
    if (task->kind == SP__TASK_TIMERS)
        name = "timers";
    else if (task->kind == SP__TASK_JOB)
        name = "blocking job";
    else if (task->kind == SP__TASK_NET)
        name = sp__net_task_name(task, net);
    else if (task->kind == SP__TASK_ACTOR) {
        name = sp__process_text(trace_process(task), text);
        if (name[0] == '<' && lane->name[0] != '\0')
            return; /* it had a better one */
        if (name[0] == '<')
            name = sp__process_label(trace_process(task));
        lane->entry = sp__process_entry(trace_process(task));
    } else if (lane->name[0] != '\0') {
        return;
    }
    (void)snprintf(lane->name, sizeof(lane->name), "%s", name);
    lane->name_object = trace_object(task, sp__point_name_hash(name));
}

/* Where it runs; or of the network, from where to where it goes. */
static void lane_machines(struct sim_lane *lane, const struct sp__task *task,
                          const struct sim_trace_names *names)
{
    struct sp__net_step step = { .from = names->node, .to = "" };
    if (task->kind == SP__TASK_NET)
        sp__net_task_step(task, &step);
    (void)snprintf(lane->node, sizeof(lane->node), "%s", step.from);
    (void)snprintf(lane->to_node, sizeof(lane->to_node), "%s", step.to);
}

static bool lane_room(struct sim_trace *trace, struct trace_state *state)
{
    if (trace->lane_count == trace->lane_capacity) {
        void *lanes = trace_grow(trace->lanes, &trace->lane_capacity, sizeof(*trace->lanes));
        if (lanes == NULL)
            return false;
        trace->lanes = lanes;
    }
    if (trace->lane_count == state->capacity) {
        void *tasks = trace_grow(state->tasks, &state->capacity, sizeof(*state->tasks));
        if (tasks == NULL)
            return false;
        state->tasks = tasks;
    }
    return true;
}

/* The lane of a task, which gets one when it is first seen. */
static uint32_t lane_of(struct sim_trace *trace, struct trace_state *state, struct sp__task *task,
                        const struct sim_trace_names *names)
{
    if (task->mind == 0) {
        if (!lane_room(trace, state))
            return SIM_NO_LANE;
        struct sim_lane *lane = &trace->lanes[trace->lane_count];
        *lane =
            (struct sim_lane){ .task = task->label, .kind = task->kind, .waits_for = SIM_NO_LANE };
        state->tasks[trace->lane_count] = (struct trace_task){ .last = TRACE_NO_EVENT };
        task->mind = ++trace->lane_count;
    }
    struct sim_lane *lane = &trace->lanes[task->mind - 1];
    if (task->kind == SP__TASK_ACTOR && lane->own == 0)
        lane->own = trace_object(task, sp__point_pid(sp__process_pid(trace_process(task))));
    if (names != NULL) {
        lane_name(lane, task, names);
        lane_machines(lane, task, names);
        trace->several_nodes =
            trace->several_nodes || (lane->node[0] != '\0' && trace->lanes[0].node[0] != '\0' &&
                                     strcmp(lane->node, trace->lanes[0].node) != 0);
    }
    return (uint32_t)task->mind - 1;
}

static uint32_t lane_find(const struct sim_trace *trace, uint64_t own)
{
    for (size_t i = 0; i < trace->lane_count; i++)
        if (trace->lanes[i].own == own)
            return (uint32_t)i;
    return SIM_NO_LANE;
}

/* ---- events ---- */

static void event_cause(struct sim_event *event, uint32_t cause)
{
    for (uint32_t i = 0; i < event->cause_count; i++)
        if (event->causes[i] == cause)
            return;
    if (event->cause_count < SIM_CAUSES_MAX)
        event->causes[event->cause_count++] = cause;
}

static void task_cause(struct trace_task *task, uint32_t cause)
{
    if (task->cause_count < SIM_CAUSES_MAX)
        task->causes[task->cause_count++] = cause;
}

static void event_access(struct sim_event *event, enum sim_access_kind kind, uint64_t object)
{
    for (uint32_t i = 0; i < event->access_count; i++)
        if (event->accesses[i].kind == kind && event->accesses[i].object == object)
            return;
    if (event->access_count < SIM_ACCESSES_MAX)
        event->accesses[event->access_count++] = (struct sim_access){ kind, object };
}

static bool what_is_one_of(const char *what, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(what, words[i]) == 0)
            return true;
    return false;
}

/* What the operation at the step's beginning says of itself. */
static void event_operation(struct sim_event *event, const struct sim_lane *lane)
{
    static const char *const writes[] = { "register", "unregister", "join group", "leave group" };
    static const char *const ends[] = { "signal", "kill", "stop" };
    switch (event->point) {
    case SP__POINT_SEND:
        event_access(event, SIM_PUSH, event->object);
        break;
    case SP__POINT_REPLY:
        event_access(event, SIM_WAKE, event->object);
        break;
    case SP__POINT_PROCESS:
        if (strcmp(event->what, "info") == 0)
            event_access(event, SIM_MEASURE, event->object);
        event_access(event,
                     what_is_one_of(event->what, ends, sizeof(ends) / sizeof(ends[0])) ? SIM_END
                                                                                       : SIM_LOOK,
                     event->object);
        break;
    case SP__POINT_EXIT:
        event_access(event, SIM_END, lane->own);
        break;
    case SP__POINT_NAME:
        event_access(event,
                     what_is_one_of(event->what, writes, sizeof(writes) / sizeof(writes[0]))
                         ? SIM_NAME_WRITE
                         : SIM_NAME_READ,
                     event->object);
        break;
    case SP__POINT_TURN:
        event_access(event, SIM_TAKE, lane->own);
        break;
    default:
        break;
    }
}

static bool point_names_a_process(enum sp__point point)
{
    return point == SP__POINT_SEND || point == SP__POINT_REPLY || point == SP__POINT_PROCESS;
}

static struct sim_event *trace_add(struct sim_trace *trace)
{
    if (trace->count == SIM_TRACE_MAX) {
        trace->cut = true;
        return NULL;
    }
    if (trace->count == trace->capacity) {
        void *events = trace_grow(trace->events, &trace->capacity, sizeof(*trace->events));
        if (events == NULL) {
            trace->cut = true; /* the story ends early */
            return NULL;
        }
        trace->events = events;
    }
    return &trace->events[trace->count++];
}

static void value_copy(struct sim_value *value, const void *bytes, size_t size)
{
    value->size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    if (size != 0)
        memcpy(value->bytes, bytes, size < SIM_VALUE_MAX ? size : SIM_VALUE_MAX);
}

/* In words; and what the network brings. */
static void event_what(struct sim_event *event, const struct sp__task *task)
{
    char text[SP__NET_TEXT_MAX];
    const char *what = task->what == NULL ? "" : task->what;
    if (task->kind == SP__TASK_NET) {
        struct sp__net_step step;
        sp__net_task_step(task, &step);
        value_copy(&event->value, step.bytes, step.size);
        event->carries = step.bytes != NULL || step.breaks;
        what = sp__net_task_text(task, text);
    }
    (void)snprintf(event->what, sizeof(event->what), "%.*s", SIM_NAME_MAX - 1, what);
}

void sim_trace_step(struct sim_trace *trace, struct sp__world *world, struct sp__task *task,
                    const struct sim_trace_names *names, bool left)
{
    struct trace_state *state = trace_state(trace);
    uint32_t lane = state == NULL ? SIM_NO_LANE : lane_of(trace, state, task, names);
    struct sim_event *event = lane == SIM_NO_LANE || trace->cut ? NULL : trace_add(trace);
    if (event == NULL) {
        trace->cut = true;
        return;
    }
    struct trace_task *known = &state->tasks[lane];
    state->running = lane;
    *event = (struct sim_event){ .time_ns = sp__world_now(world),
                                 .task = task->label,
                                 .step = task->steps,
                                 .object = trace_object(task, task->object),
                                 .point = task->point,
                                 .kind = task->kind,
                                 .left_reference = left,
                                 .lane = lane,
                                 .to = SIM_NO_LANE,
                                 .since = known->since,
                                 .frame_count = known->frame_count };
    memcpy(event->frames, known->frames, sizeof(event->frames));
    event_what(event, task);
    for (uint32_t i = 0; i < known->cause_count; i++)
        event_cause(event, known->causes[i]);
    known->cause_count = 0;
    known->frame_count = 0;
    known->last = (uint32_t)trace->count - 1;
    if (point_names_a_process(event->point))
        event->to = lane_find(trace, event->object);
    event_operation(event, &trace->lanes[lane]);
}

/* ---- where a task stands ---- */

struct trace_walk {
    void **frames;
    int count;
};

static _Unwind_Reason_Code walk_frame(struct _Unwind_Context *context, void *arg)
{
    struct trace_walk *walk = arg;
    uintptr_t pc = _Unwind_GetIP(context);
    if (pc == 0)
        return _URC_END_OF_STACK;
    if (sp__fault_code_of(pc - 1) == SP__FAULT_CODE_USER)
        walk->frames[walk->count++] = (void *)pc;
    return walk->count < SIM_FRAMES_MAX ? _URC_NO_REASON : _URC_END_OF_STACK;
}

void sim_trace_aside(struct sim_trace *trace, struct sp__task *task)
{
    struct trace_state *state = trace_state(trace);
    uint32_t lane = state == NULL ? SIM_NO_LANE : lane_of(trace, state, task, NULL);
    if (lane == SIM_NO_LANE)
        return;
    struct trace_walk walk = { .frames = state->tasks[lane].frames };
    (void)_Unwind_Backtrace(walk_frame, &walk);
    state->tasks[lane].frame_count = walk.count;
}

/* ---- mailboxes ---- */

static const struct trace_message *messages_find(const struct trace_messages *messages,
                                                 const struct sp_message *message)
{
    uintptr_t index = (uintptr_t)sp__map_get(&messages->by_address, (uint64_t)(uintptr_t)message);
    return index == 0 ? NULL : &messages->items[index - 1];
}

static void messages_add(struct trace_messages *messages, struct sp_message *message, uint32_t lane,
                         const struct trace_message *before, uint32_t event)
{
    if (messages->count == messages->capacity) {
        void *items = trace_grow(messages->items, &messages->capacity, sizeof(*messages->items));
        if (items == NULL)
            return;
        messages->items = items;
    }
    struct trace_message *item = &messages->items[messages->count];
    if (sp__map_put(&messages->by_address, (uint64_t)(uintptr_t)message,
                    (void *)(messages->count + 1)) != SP_OK) /* NOLINT(performance-no-int-to-ptr) */
        return;
    messages->count++;
    if (before != NULL) {
        *item = *before;
        return;
    }
    *item = (struct trace_message){ .message = message, .event = event, .lane = lane };
    value_copy(&item->value, sp__message_payload(message), message->size);
    (void)snprintf(item->type, sizeof(item->type), "%s", message->type->name);
}

static void messages_clear(struct trace_messages *messages)
{
    sp__map_finish(&messages->by_address);
    sp__map_init(&messages->by_address, (struct sp__hash_seed){ 0 });
    messages->count = 0;
}

/* Call fn() for each message that lies in the mailbox of a task, or was put back there. */
static void mailbox_each(const struct sp__task *task,
                         void (*fn)(void *arg, struct sp_message *message), void *arg)
{
    struct sp_process *process = trace_process(task);
    if (process->stage != SP__EXIT_NOT)
        return; /* `saved` may be gone */
    if (process->saved != NULL) {
        struct sp_message *at = process->saved;
        do {
            at = sp__message_next(at);
            fn(arg, at);
        } while (at != process->saved);
    }
    if (task->actor->direct != NULL)
        fn(arg, task->actor->direct);
    struct sp_message *at = atomic_load_explicit(&task->actor->head, memory_order_relaxed);
    for (; at != NULL; at = sp__message_next(at))
        fn(arg, at);
}

struct trace_look {
    struct sim_trace *trace;
    struct sim_event *event;
    uint32_t index; /* of the event */
    uint32_t lane;  /* whose mailbox */
};

static void look_message(void *arg, struct sp_message *message)
{
    struct trace_look *look = arg;
    struct trace_state *state = look->trace->state;
    const struct trace_message *before = messages_find(&state->messages[state->current], message);
    /* The same address in another's mailbox is another message. */
    if (before != NULL && (before->lane != look->lane || before->message->type != message->type))
        before = NULL;
    struct trace_messages *after = &state->messages[1 - state->current];
    messages_add(after, message, look->lane, before, look->index);
    if (before != NULL)
        return;
    uint64_t own = look->trace->lanes[look->lane].own;
    event_access(look->event, SIM_PUSH, own);
    if (look->event->point == SP__POINT_SEND && look->event->object == own &&
        look->event->value.size == 0)
        look->event->value = after->items[after->count - 1].value;
    if (look->event->to == SIM_NO_LANE)
        look->event->to = look->lane;
}

static bool task_has_mailbox(const struct sp__task *task)
{
    return task->actor != NULL && (task->kind == SP__TASK_ACTOR || task->kind == SP__TASK_MAIN);
}

/* What was in the running process's mailbox, and is no longer, it took. */
static void look_taken(struct sim_trace *trace, struct trace_state *state, struct sim_event *event)
{
    const struct trace_messages *before = &state->messages[state->current];
    const struct trace_messages *after = &state->messages[1 - state->current];
    for (size_t i = 0; i < before->count && !event->ended; i++) {
        const struct trace_message *item = &before->items[i];
        if (item->lane != event->lane || messages_find(after, item->message) != NULL)
            continue;
        if (item->event != TRACE_NO_EVENT)
            event_cause(event, item->event);
        if (event->took)
            continue;
        event->took = true;
        if (event->point != SP__POINT_TURN)
            continue;
        event->value = item->value;
        (void)snprintf(event->what, sizeof(event->what), "%s", item->type);
    }
    (void)trace;
}

/* ---- after a step ---- */

/* The answer lies where the caller wants it. */
static void look_reply(struct sim_event *event, const struct sp__task *task)
{
    const struct sp__pending *pending = trace_process(task)->pending;
    if (pending != NULL && pending->count == 1 && pending->slots[0].done &&
        pending->slots[0].err == SP_OK)
        value_copy(&event->value, pending->slots[0].out, pending->slots[0].out_size);
}

/* A task other than the one that made the step was made ready by it. */
static void look_woken(struct trace_look *look, const struct trace_task *known)
{
    uint64_t own = look->trace->lanes[look->lane].own;
    if (own == 0)
        return;
    event_access(look->event, SIM_WAKE, own);
    /* A timeout follows from the wait that it ends. */
    if (look->event->kind == SP__TASK_TIMERS && known->last != TRACE_NO_EVENT)
        event_cause(look->event, known->last);
    if (look->event->to == SIM_NO_LANE)
        look->event->to = look->lane;
}

/* Was it made ready, or signalled, by this step? */
static void look_task(struct trace_look *look, struct sp__task *task)
{
    struct trace_state *state = look->trace->state;
    struct trace_task *known = &state->tasks[look->lane];
    bool other = look->lane != state->running;
    bool signalled = task->kind == SP__TASK_ACTOR &&
                     atomic_load_explicit(&task->actor->signals, memory_order_relaxed) != NULL;
    bool woken = task->ready && !known->ready;
    if (other && (woken || (signalled && !known->signalled)))
        task_cause(known, look->index);
    if (other && woken)
        look_woken(look, known);
    if (woken || !other)
        known->since = look->index;
    known->ready = task->ready;
    known->signalled = signalled;
    if (look->event->point == SP__POINT_REPLY &&
        look->trace->lanes[look->lane].own == look->event->object)
        look_reply(look->event, task);
}

void sim_trace_stepped(struct sim_trace *trace, struct sp__world *world)
{
    struct trace_state *state = trace->state;
    if (state == NULL || trace->cut || trace->count == 0)
        return;
    struct sim_event *event = &trace->events[trace->count - 1];
    event->ended = true;
    struct trace_look look = { .trace = trace,
                               .event = event,
                               .index = (uint32_t)trace->count - 1 };
    struct sp__list *tasks = sp__world_tasks(world);
    for (struct sp__list *at = sp__list_first(tasks); at != NULL; at = sp__list_next(tasks, at)) {
        struct sp__task *task = sp__container_of(at, struct sp__task, link);
        look.lane = lane_of(trace, state, task, NULL);
        if (look.lane == SIM_NO_LANE)
            continue;
        if (look.lane == state->running)
            event->ended = false;
        look_task(&look, task);
        if (task_has_mailbox(task))
            mailbox_each(task, look_message, &look);
    }
    look_taken(trace, state, event);
    messages_clear(&state->messages[state->current]);
    state->current = 1 - state->current;
}

/* ---- the end ---- */

struct trace_left {
    struct sim_lane *lane;
};

static void left_message(void *arg, struct sp_message *message)
{
    struct sim_lane *lane = arg;
    if (lane->mailbox++ == 0)
        (void)snprintf(lane->first_message, sizeof(lane->first_message), "%s", message->type->name);
}

static void left_wait(const struct sim_trace *trace, const struct sp__task *task,
                      struct sim_lane *lane)
{
    const char *taken;
    struct sp_process *other = sim_wait_end(trace_process(task), &taken);
    if (other == NULL)
        return;
    lane->waits_for = lane_find(trace, trace_object(task, sp__point_pid(sp__process_pid(other))));
    (void)snprintf(lane->taken, sizeof(lane->taken), "%s", taken == NULL ? "" : taken);
}

void sim_trace_end(struct sim_trace *trace, struct sp__world *world)
{
    struct trace_state *state = trace->state;
    if (state == NULL)
        return;
    struct sp__list *tasks = sp__world_tasks(world);
    for (struct sp__list *at = sp__list_first(tasks); at != NULL; at = sp__list_next(tasks, at)) {
        struct sp__task *task = sp__container_of(at, struct sp__task, link);
        if (task->mind == 0 || task->mind > trace->lane_count)
            continue;
        struct sim_lane *lane = &trace->lanes[task->mind - 1];
        const struct trace_task *known = &state->tasks[task->mind - 1];
        lane->alive = true;
        lane->waits = !task->ready;
        lane->frame_count = known->frame_count;
        memcpy(lane->frames, known->frames, sizeof(lane->frames));
        if (!task_has_mailbox(task))
            continue;
        mailbox_each(task, left_message, lane);
        left_wait(trace, task, lane);
    }
}

void sim_trace_finish(struct sim_trace *trace)
{
    if (trace->state != NULL) {
        for (int i = 0; i < 2; i++) {
            sp__map_finish(&trace->state->messages[i].by_address);
            sp__free(trace->state->messages[i].items);
        }
        sp__free(trace->state->tasks);
        sp__free(trace->state);
    }
    sp__free(trace->detail);
    sp__free(trace->picture);
    sp__free(trace->events);
    sp__free(trace->lanes);
    *trace = (struct sim_trace){ .count = 0 };
}
