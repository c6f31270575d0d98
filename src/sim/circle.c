/* Circles of waits that the waits themselves do not see, because a request in them was taken.
 *
 * A request that its server took (sp_request_take()) may be answered by anybody, so on threads
 * its wait closes no circle (process/deadlock.h). Here it can be known that nobody will: when
 * nothing is ready, and nothing is awaited but the ends of waits that lead into that very
 * circle. Whoever has the request then is the process that adopted it, or the server.
 *
 *   anna --ask--> bert has taken it, and waits himself --ask--> anna
 *
 * Threads: one. Neighbours: run.c (the hook), trace.c (the end), behaviour/request.c.
 */
#include "base/alloc.h"
#include "base/text.h"
#include "behaviour/server.h"
#include "process/deadlock.h"
#include "process/reply.h"
#include "runtime/core.h"
#include "runtime/timers.h"
#include "sim/inside.h"
#include "sim/memory.h"

/* An edge: the wait of `from`. */
struct circle_edge {
    struct sp_process *to;             /* who can end it */
    const struct sp__request *request; /* that was taken, or NULL: it was not */
};

static bool circle_edge(struct sp_process *from, struct circle_edge *out)
{
    struct sp_process *server = sp__wait_target(from);
    *out = (struct circle_edge){ .to = server };
    /* relaxed, all: one thread. */
    if (server == NULL ||
        !(atomic_load_explicit(&from->waits_slot, memory_order_relaxed) & SP__WAITS_DEFERRED))
        return server != NULL;
    uint64_t token = atomic_load_explicit(&from->actor.wait, memory_order_relaxed) >> 2;
    out->request = sp__request_of(server, sp__process_pid(from), token);
    if (out->request == NULL)
        return false; /* answered just now */
    if (!sp_pid_is_none(out->request->adopter))
        out->to = sp__process_lookup(sp__process_runtime(from), out->request->adopter);
    return out->to != NULL;
}

/* How many steps from `start` round to itself; 0: it is on no circle of at most `max`. */
static size_t circle_length(struct sp_process *start, size_t max, bool *out_taken)
{
    struct circle_edge edge = { .to = start };
    *out_taken = false;
    for (size_t length = 1; length <= max && circle_edge(edge.to, &edge); length++) {
        *out_taken = *out_taken || edge.request != NULL;
        if (edge.to == start)
            return length;
    }
    return 0;
}

/* Does it wait, of those who wait, of those ... for ever? */
static bool circle_ahead(struct sp_process *process, size_t max)
{
    struct circle_edge edge = { .to = process };
    for (size_t i = 0; i <= max; i++)
        if (!circle_edge(edge.to, &edge))
            return false;
    return true;
}

static struct sp_process *circle_process(const struct sp__task *task)
{
    return task->actor == NULL ? NULL : (struct sp_process *)(void *)task->actor;
}

struct circle_look {
    struct sp__list *tasks;
    size_t count;
    bool may_open;
};

/* A timer: is it the end of a wait that leads into a circle? */
static void circle_see_timer(void *arg, const void *owner)
{
    struct circle_look *look = arg;
    for (struct sp__list *at = sp__list_first(look->tasks); at != NULL;
         at = sp__list_next(look->tasks, at)) {
        const struct sp__task *task = sp__container_of(at, struct sp__task, link);
        if (task->actor != NULL && task->actor == owner &&
            circle_ahead(circle_process(task), look->count))
            return;
    }
    look->may_open = true;
}

/* Could anything come that is not the end of such a wait? */
static bool circle_may_open(struct sp_sim *s, size_t count)
{
    struct sp__list *tasks = sp__world_tasks(s->world);
    struct circle_look look = { .tasks = tasks,
                                .count = count,
                                .may_open = sp__world_expects(s->world) };
    for (struct sp__list *at = sp__list_first(tasks); at != NULL && !look.may_open;
         at = sp__list_next(tasks, at)) {
        const struct sp__task *task = sp__container_of(at, struct sp__task, link);
        if (task->kind == SP__TASK_TIMERS)
            sp__timers_each(sp__node_runtime(task->node), circle_see_timer, &look);
    }
    return look.may_open;
}

/* ---- telling ---- */

static void circle_text(struct sp_process *start, size_t length, struct sp__text *text)
{
    char from[64];
    char to[64];
    struct sp_process *at = start;
    for (size_t i = 0; i < length && !text->truncated; i++) {
        struct circle_edge edge;
        if (!circle_edge(at, &edge))
            return;
        sp__text_add(text, "%s%s waits for %s", i == 0 ? "" : ", ", sp__process_text(at, from),
                     sp__process_text(edge.to, to));
        if (edge.request != NULL)
            sp__text_add(text, " (%s, taken)", edge.request->op->in.name);
        else if (at->pending != NULL && at->pending->type != NULL)
            sp__text_add(text, " (%s)", at->pending->type->name);
        at = edge.to;
    }
}

static size_t circle_tasks(struct sp__list *tasks)
{
    size_t count = 0;
    for (struct sp__list *at = sp__list_first(tasks); at != NULL; at = sp__list_next(tasks, at))
        count++;
    return count;
}

void sim_quiet(void *arg)
{
    struct sp_sim *s = arg;
    struct sp__list *tasks = sp__world_tasks(s->world);
    size_t count = 0; /* not known yet */
    if (s->plan->test->options.deadlocks)
        return; /* who closed the circle may still be about to be told */
    for (struct sp__list *at = sp__list_first(tasks); at != NULL; at = sp__list_next(tasks, at)) {
        struct sp_process *process = circle_process(sp__container_of(at, struct sp__task, link));
        bool taken;
        if (process == NULL || sp__wait_target(process) == NULL)
            continue;
        count = count == 0 ? circle_tasks(tasks) : count;
        size_t length = circle_length(process, count, &taken);
        if (length == 0 || (taken && circle_may_open(s, count)))
            continue;
        char buffer[SIM_TEXT_MAX - 64];
        struct sp__text text;
        sp__text_init(&text, buffer, sizeof(buffer));
        circle_text(process, length, &text);
        sim_fail(s, "deadlock: %s", buffer);
        return;
    }
}

struct sp_process *sim_wait_end(struct sp_process *waiting, const char **out_taken)
{
    struct circle_edge edge;
    bool ends = circle_edge(waiting, &edge);
    *out_taken = ends && edge.request != NULL ? edge.request->op->in.name : NULL;
    return ends ? edge.to : NULL;
}
