/* Inside a simulated world: what world.c (tasks and the loop), turn.c (actors on fibers) and
 * backend.c (what a runtime asks for) share.
 *
 * Threads: the world's. Neighbours: world.h.
 */
#ifndef SPAWNED_RUNTIME_SIM_NODE_H
#define SPAWNED_RUNTIME_SIM_NODE_H

#include "runtime/sim/host.h"
#include "runtime/timers.h"

enum {
    /** Bytes of a MAIN's stack. */
    SP__SIM_MAIN_STACK = 256 * 1024,
};

/** One runtime. */
struct sp__node {
    struct sp__list link; /* of the world's nodes */
    struct sp__world *world;
    struct sp__host *host;
    struct sp_runtime *runtime;
    struct sp__context context; /* in which its actors run */
    struct sp__task *timers;
    struct sp__fiber *idle; /* its turn is over; the next one runs on it */
    uint64_t label;
    uint32_t jobs;                     /* that are not done */
    uint32_t foreign;                  /* MAINs attached to it */
    uint32_t actors;                   /* its tasks of that kind */
    struct sp__task *stopper;          /* waits until there is none of these, or */
    struct sp__timer_entry stop_timer; /* its time is over */
    void (*notify)(void *arg, int signo);
    void *notify_arg;
};

struct sp__world {
    struct sp__world_hooks hooks;
    struct sp__list tasks;
    struct sp__list nodes;
    struct sp__list hosts;       /* machines */
    struct sp__list paths;       /* between them */
    struct sp__list connections; /* see net.h */
    struct sp__list due;         /* wires, by when something happens on them */
    uint32_t host_count;
    uint32_t paused;         /* machines that stand still */
    struct sp__task **ready; /* oldest first */
    size_t ready_count;
    size_t ready_capacity;
    size_t task_count;        /* `ready` has room for all */
    struct sp__task **awake;  /* as large as `ready`: those that may go on */
    struct sp__task *running; /* NULL: the loop */
    struct sp__fiber *loop;   /* the thread's own stack */
    struct sp__fiber *spent;  /* put back by the loop: who was on it has ended */
    struct sp__node *spent_of;
    struct sp__fiber_pool *mains; /* stacks of MAINs */
    struct sp__context fault;     /* holds the thread's alternate stack, nothing else */
    int64_t now;
    uint64_t steps;
    uint64_t children; /* MAINs and nodes made by nobody */
    uint64_t draws;    /* where no task ran */
    int64_t alarm;     /* when hooks.alarm is to be called */
    bool own_memory;   /* it allocates for itself */
    bool exact_memory; /* nodes allocate each object apart */
    uint64_t faults;   /* contained */
    bool stop;
    bool abstract;
    bool priorities;        /* some actor has another priority than normal */
    unsigned char scribble; /* not 0: on stacks, before each turn */
    bool forgets;
};

/* ---- world.c ---- */

/** A task of `kind`, not ready; its label from `parent` (NULL: the world).
 *  Errors: NULL, no memory. Ownership: the caller's, sp__task_delete(). */
SP_NODISCARD struct sp__task *sp__task_new(struct sp__world *world, struct sp__node *node,
                                           enum sp__task_kind kind, struct sp__task *parent)
    SP_NONNULL_ARGS(1);

/** It is over. */
void sp__task_delete(struct sp__world *world, struct sp__task *moved_task) SP_NONNULL;

/** It can go on, with `point` on `object`. Nothing if it is ready already. */
void sp__task_ready(struct sp__world *world, struct sp__task *task, enum sp__point point,
                    uint64_t object, const char *what) SP_NONNULL_ARGS(1, 2);

/** It cannot go on after all. Nothing if it is not ready. */
void sp__task_unready(struct sp__world *world, struct sp__task *task) SP_NONNULL;

/** Has it jobs, threads or actors? */
static inline bool sp__node_busy(const struct sp__node *node)
{
    return node->jobs != 0 || node->foreign != 0 || node->actors != 0;
}

/** One of them is gone: who stops the node goes on when it was the last. Context: any in the
 *  world. */
void sp__node_left(struct sp__node *node) SP_NONNULL;

/** Make a step of `task`, which is no longer among the ready. Context: the loop. */
void sp__world_step(struct sp__world *world, struct sp__task *task) SP_NONNULL;

/** The timers of `node` are ready if something is due on its clock. */
void sp__node_look_at_timers(struct sp__world *world, struct sp__node *node) SP_NONNULL;

/** Leave the running task's fiber for the loop; returns when the task goes on, with its context
 *  set. */
void sp__task_leave(struct sp__world *world, struct sp__fiber *from) SP_NONNULL;

/** Mix two labels. */
uint64_t sp__task_label(uint64_t parent, uint64_t child);

/* ---- turn.c ---- */

/** A stack for an actor without one; NULL: there is none, and the actor has ended.
 *  Context: the loop, in the node's context. */
struct sp__fiber *sp__turn_fiber(struct sp__world *world, struct sp__task *task) SP_NONNULL;

/** Put back whose actor has ended on it, and keep a spare at hand. Context: the loop, after a
 *  turn. */
void sp__turn_tidy(struct sp__world *world, struct sp__node *node) SP_NONNULL;

/** Stacks that the node keeps at hand. Errors: NOMEM. Context: the node's start. */
SP_NODISCARD sp_err sp__turn_prepare(struct sp__node *node) SP_NONNULL;

/** Undo it. Context: the node's end. */
void sp__turn_finish(struct sp__node *node) SP_NONNULL;

/* The operations of the backend that have to do with turns; see backend.h. */
void sp__sim_ready(struct sp__actor *actor) SP_NONNULL;
void sp__sim_park(struct sp__actor *actor, bool receiving) SP_NONNULL;
void sp__sim_yield(struct sp__actor *actor) SP_NONNULL;
void sp__sim_detach(struct sp__actor *actor, struct sp__fiber **out_fiber) SP_NONNULL;
void sp__sim_abandon(struct sp__actor *actor) SP_NORETURN;
/** The hook of points. */
void sp__sim_point(struct sp__context *context, enum sp__point kind, uint64_t object,
                   const char *what) SP_NONNULL;

/* ---- net.c ---- */

extern const struct sp__io_ops sp__io_sim;

static inline struct sp__node *sp__sim_node(const struct sp_runtime *runtime)
{
    return runtime->backend;
}

#endif
