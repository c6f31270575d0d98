/* A simulated world: several nodes, one thread, one clock, and somebody who chooses.
 *
 *   loop, on the thread's own stack:
 *       what could go on?    tasks that are ready, and nodes with timers that are due
 *       which one does?      hooks.choose: the only place where anything is decided
 *       step:                switch to its fiber, until it comes to its next point
 *       nothing could?       the clock jumps to the next timer; no timer: the world is idle
 *
 *   task   MAIN    a thread of the program: runs sp_main() or attaches itself; own stack
 *          ACTOR   an actor that is runnable, or stands aside at a point
 *          JOB     blocking work: its run, then its done
 *          TIMERS  a node's wheel; ready while something is due
 *          NET     a direction of a connection; ready while what is first on it is due
 *
 * A task runs until it has something to do that others could notice (runtime/point.h), parks,
 * yields, or ends; nothing else runs meanwhile, so what lies between two points is one step.
 * A run is a function of the program and of the answers of the hooks: the clock moves by the
 * hooks' word, entropy comes from them, and no address decides anything.
 *
 * Each node is a runtime of its own on this backend. sp_runtime_create() makes one while
 * a world is current (sp__world_current()), so that the program's own main runs unchanged.
 *
 * Threads: one; a world belongs to the thread that created it.
 * Neighbours: runtime/backend.h (the seam), runtime/point.h; sim/ searches, replays, explains.
 */
#ifndef SPAWNED_RUNTIME_SIM_WORLD_H
#define SPAWNED_RUNTIME_SIM_WORLD_H

#include "base/list.h"
#include "runtime/backend.h"
#include "runtime/point.h"

struct sp__world;
struct sp__node;
struct sp__host;
struct sp__wire;

enum sp__task_kind {
    SP__TASK_MAIN,
    SP__TASK_ACTOR,
    SP__TASK_JOB,
    SP__TASK_TIMERS,
    SP__TASK_NET,
};

/** What is decided in a run. */
enum sp__choice {
    SP__CHOICE_TASK,    /* who goes on: hooks.choose */
    SP__CHOICE_DATA,    /* sp_choose() */
    SP__CHOICE_BUGGIFY, /* sp_buggify() */
    SP__CHOICE_TIMER,   /* abstract time: not the node's earliest timer fires but a later one */
    /* Of the network; each is asked where it could happen, and 0 says that it does not. */
    SP__CHOICE_NET_LATENCY, /* of something sent, from the path's least to its most */
    SP__CHOICE_NET_READ,    /* a read gets less than is there */
    SP__CHOICE_NET_WRITE,   /* a write takes less than there is room for */
    SP__CHOICE_NET_STRETCH, /* something sent takes longer than a timeout */
    SP__CHOICE_NET_SLOW,    /* a connection has little bandwidth */
    SP__CHOICE_NET_CLOG,    /* nothing moves for a while */
    SP__CHOICE_NET_CUT,     /* two machines are parted for a while */
    SP__CHOICE_NET_BREAK,   /* a connection is reset, or half of it is lost */
    SP__CHOICE_NET_REFUSE,  /* nobody seems to listen */
    SP__CHOICE_NET_NOFILE,  /* no descriptor is left */
    /* Faults, before a step (`at` is the label of whose, and which of its steps); the answer says
     * whom it befalls. */
    SP__CHOICE_KILL,
    SP__CHOICE_CRASH,
    SP__CHOICE_STOP,
    SP__CHOICE_PAUSE,
    SP__CHOICE_STEP,
    SP__CHOICE_DRIFT,
    SP__CHOICE_FREEZE,
    SP__CHOICE_MEMORY, /* this allocation of `at` fails */
    SP__CHOICE_COUNT
};

/** Something the world can let go on. */
struct sp__task {
    struct sp__list link;  /* of all tasks of the world */
    struct sp__node *node; /* NULL: a MAIN before its runtime */
    uint64_t label;        /* the same in every run in which it is born by the same operation */
    uint64_t children;     /* tasks it has made */
    uint64_t steps;        /* it has done */
    uint64_t draws;        /* it has asked for */
    uint32_t passed;       /* it was held back so often, for one of higher priority */
    uint64_t allocations;  /* it has made; counted where somebody wants to fail them */
    uint64_t mind;         /* the chooser's own */
    uint64_t object;       /* of what it does next */
    enum sp__point point;  /* what it does next */
    const char *what;      /* in words, or NULL */
    enum sp__task_kind kind;
    bool ready;
    struct sp__fiber *fiber;     /* suspended on it, or NULL: begins */
    struct sp__context *context; /* the thread's context when it goes on */
    struct sp__actor *actor;     /* ACTOR, and MAIN that is attached */
    struct sp__job *job;         /* JOB */
    struct sp__wire *wire;       /* NET */
    struct sp__host *host;       /* the machine it runs on; NULL: a MAIN without any */
    void (*fn)(void *arg);       /* MAIN */
    void *arg;
};

/** Who decides. All never suspend and may be NULL; but for one they
 *  are called on the loop. */
struct sp__world_hooks {
    /** Which of `count` (at least one) ready tasks, oldest first, goes on. NULL: the first. */
    size_t (*choose)(void *arg, struct sp__task *const *tasks, size_t count);
    /** A decision other than that: below `count`, at least 2; 0 is what happens when nothing
     *  special does. `at` and `nth` tell it from all others of its kind, in this run and in
     *  others. Called in the middle of a step. NULL: 0. */
    uint32_t (*draw)(void *arg, enum sp__choice kind, uint64_t at, uint64_t nth, uint32_t count);
    /** `task` was chosen and goes on next: faults happen here, on the loop. False: it does not go on
     *  after all, it may be gone even; choose again. NULL: true. */
    bool (*before)(void *arg, struct sp__task *task);
    /** The clock has come to what sp__world_set_alarm() said. NULL: nothing to do. */
    void (*alarm)(void *arg);
    /** `task` is about to make a step. Returns how long it takes, in nanoseconds.
     *  NULL: a microsecond. */
    int64_t (*step)(void *arg, struct sp__task *task);
    /** A step was made. NULL: nothing to look at. */
    void (*stepped)(void *arg);
    /** Nothing is ready, and the clock is about to jump. NULL: nothing to look at. */
    void (*quiet)(void *arg);
    /** `task` came into the world, or leaves it (`born` false). */
    void (*life)(void *arg, struct sp__task *task, bool born);
    /** `task` stands aside before an operation, or parks; the one hook that is called on the
     *  task's stack, so that it can be looked at. NULL: nothing to look at. */
    void (*aside)(void *arg, struct sp__task *task);
    /** Entropy of a node. NULL: zeros. */
    void (*entropy)(void *arg, struct sp__node *node, void *bytes, size_t size);
    /** Processes wait for each other in a circle; the running one closes it. */
    void (*circle)(void *arg, const char *text);
    void *arg;
};

/** Why a run came back. */
enum sp__world_end {
    SP__WORLD_IDLE,    /* nothing is ready, and no timer is armed */
    SP__WORLD_STOPPED, /* sp__world_stop() */
    SP__WORLD_TIME,    /* the clock reached the limit */
    SP__WORLD_STEPS,   /* as many steps as allowed */
};

/** A world without nodes, at time 0, current on this thread.
 *  Errors: NOMEM, NOTSUP (no handlers for faults), INVALID (there is a current one).
 *  Ownership: the caller's, sp__world_destroy(). Context: a thread without a context. */
SP_NODISCARD sp_err sp__world_create(const struct sp__world_hooks *hooks, struct sp__world **out)
    SP_NONNULL;

/** Begin again at time 0 with other hooks, what is costly kept. `taken_back`: what the world had
 *  allocated since it was created is gone, whatever state it was in. Else, false: tasks or nodes
 *  are left, and nothing was done. Context: the loop's thread. */
SP_NODISCARD bool sp__world_restart(struct sp__world *world, const struct sp__world_hooks *hooks,
                                    bool taken_back) SP_NONNULL;

/** End it. What its tasks had is lost with them, so where they did not come to their end this
 *  leaks; a caller that restores memory does not mind. Context: the creator. */
void sp__world_destroy(struct sp__world *moved_world) SP_NONNULL;

/** The world of the calling thread, or NULL. Context: any. */
struct sp__world *sp__world_current(void) SP_NOINLINE;

/** A thread of the program, ready to run fn(arg), on a machine (runtime/sim/host.h; NULL: on one
 *  of its own). `label` tells it from its siblings.
 *  Errors: NOMEM. Context: the loop's thread, or a task. */
SP_NODISCARD sp_err sp__world_main(struct sp__world *world, struct sp__host *host, uint64_t label,
                                   void (*fn)(void *arg), void *arg) SP_NONNULL_ARGS(1, 4);

/** Let the world go on, for `steps_max` steps at most and until `until_ns` on its clock.
 *  Context: the loop's thread, not a task. */
enum sp__world_end sp__world_run(struct sp__world *world, uint64_t steps_max, int64_t until_ns)
    SP_NONNULL;

/** Come back from sp__world_run() after this step. Context: any in the world. */
void sp__world_stop(struct sp__world *world) SP_NONNULL;

/** Stop, in the middle of a task's step; comes back where the world is run again and chooses
 *  it. Context: a task. */
void sp__world_halt(struct sp__world *world) SP_NONNULL;

/** Decide something that is not who goes on: a number below `count`; 0 is the usual. `at` is the
 *  label of whom it is about, and `nth` how many of this kind it has asked for before.
 *  Context: any in the world. */
uint32_t sp__world_draw(struct sp__world *world, enum sp__choice kind, uint64_t at, uint64_t nth,
                        uint32_t count) SP_NONNULL;

/** The same about the running task, or about the world where none runs. */
uint32_t sp__world_draw_here(struct sp__world *world, enum sp__choice kind, uint32_t count)
    SP_NONNULL;

/** Call the hook `alarm` when the clock is at `at_ns`, once; INT64_MAX: never. It counts as
 *  something that is left to happen. Context: any in the world. */
void sp__world_set_alarm(struct sp__world *world, int64_t at_ns) SP_NONNULL;

/** The clock goes on, and nobody does anything. Units: nanoseconds, at least 0.
 *  Context: the loop's thread, not a task. */
void sp__world_advance(struct sp__world *world, int64_t by_ns) SP_NONNULL;

/** Every allocation of the nodes that are created from here on is one of the system's, so that
 *  each can be made to fail by its number. Context: the loop. */
void sp__world_set_exact_memory(struct sp__world *world) SP_NONNULL;

/** Does the world itself allocate just now? That is not the program's memory.
 *  Context: any in the world. */
bool sp__world_own_memory(const struct sp__world *world) SP_NONNULL;

/** In abstract time any armed timer may fire next; else only what is due. Context: the loop. */
void sp__world_set_abstract(struct sp__world *world, bool abstract) SP_NONNULL;

/** The world's memory will be taken back as a whole: runtimes that end free nothing.
 *  Context: the loop, before the first node. */
void sp__world_set_forgets(struct sp__world *world, bool forgets) SP_NONNULL;

/** Not 0: stacks have this in them when a turn begins, instead of what was there. Context: the
 *  loop. */
void sp__world_set_scribble(struct sp__world *world, unsigned char byte) SP_NONNULL;

/** Is something on its way, beside timers of nodes: an alarm, what was sent, a machine that stands
 *  still for a while? Context: any in the world. */
bool sp__world_expects(const struct sp__world *world) SP_NONNULL;

/** The world's clock, nanoseconds. Context: any in the world. */
int64_t sp__world_now(const struct sp__world *world) SP_NONNULL;

/** The wall clock of a machine, or the right one (NULL), nanoseconds since 1970.
 *  Context: any in the world. */
int64_t sp__world_wall(const struct sp__world *world, const struct sp__host *host)
    SP_NONNULL_ARGS(1);

/** Steps made so far. Context: any in the world. */
uint64_t sp__world_steps(const struct sp__world *world) SP_NONNULL;

/** Faults contained so far. Context: any in the world. */
uint64_t sp__world_faults(struct sp__world *world) SP_NONNULL;

/** The task that makes the present step, or NULL. Context: any in the world. */
struct sp__task *sp__world_running(const struct sp__world *world) SP_NONNULL;

/** All tasks, by sp__task.link. Context: any in the world. */
struct sp__list *sp__world_tasks(struct sp__world *world) SP_NONNULL;

/** The runtime of a node. Context: any in the world. */
struct sp_runtime *sp__node_runtime(struct sp__node *node) SP_NONNULL;

/** The context in which a node's actors run. Context: any in the world. */
struct sp__context *sp__node_context(struct sp__node *node) SP_NONNULL;

/** The simulated system sends SIGINT or SIGTERM to the node's program. Context: the loop. */
void sp__node_os_signal(struct sp__node *node, int signo) SP_NONNULL;

/** The backend: what sp_runtime_create() takes while a world is current. */
extern const struct sp__backend_ops sp__backend_sim;

#endif
