/* Inside a run: what run.c (decisions), control.c and node.c (the body's side), property.c (the program's
 * side), fault.c and liveness.c share.
 *
 * Threads: one. Neighbours: run.h.
 */
#ifndef SPAWNED_SIM_INSIDE_H
#define SPAWNED_SIM_INSIDE_H

#include "runtime/sim/machine.h"
#include "sim/fault.h"
#include "sim/liveness.h"
#include "sim/memory.h"
#include "sim/run.h"

#include <stdio.h>

enum {
    SIM_INVARIANTS_MAX = 64,
    SIM_ORDERS = 256, /* a power of two */
};

struct sp_sim_node {
    struct sp_sim_node *next;
    struct sp_sim *sim;
    void (*fn)(void *arg);
    void *arg;
    struct sp__host *host; /* the machine it runs on */
    void (*thread)(void *node);
    int status; /* of a program's main() */
    int argc;   /* its arguments, or 0 */
    char **argv;
    int (*program)(int argc, char **argv);
    uint64_t label;
    uint64_t main;   /* label of its main process, or 0 */
    uint64_t starts; /* how often it was started */
    uint64_t allocations_left;
    bool ended;      /* its main function came back */
    bool down;       /* it crashed */
    bool stopped;    /* a fault told it to end; mending starts it again */
    bool comes_back; /* it is started again when it has ended */
    bool allocation_fails;
    bool allocation_failed;
    char name[SIM_NAME_MAX];
};

/** Something that happens at a moment, on the loop. */
struct sim_later {
    struct sim_later *next;
    int64_t at;
    void (*fn)(struct sp_sim *s, void *arg);
    void *arg;
};

struct sim_invariant {
    const char *name;
    bool (*holds)(sp_sim *s, void *arg);
    void *arg;
};

struct sp_sim {
    const struct sim_plan *plan;
    struct sim_result *result;
    struct sp__world *world;
    struct sp_sim_node *nodes;
    size_t invariant_count;
    struct sp_sim_history *histories;
    struct sp_sim_txns *txns;
    struct sim_follower follower; /* of sim_followed() */
    struct sim_faults swarm;
    struct sim_later *later;     /* in the order of their moments */
    const char *stop_label;      /* sp_sim_stop_at() waits for it */
    uint64_t last;               /* label of who made the last step */
    uint32_t streak;             /* steps since the longest ready was taken */
    uint64_t chance;             /* random stream of entropy */
    uint64_t orders[SIM_ORDERS]; /* of what was done to each object, by a hash of it */
    uint64_t order;              /* the sum of all that is in `orders` */
    uint64_t faults;
    bool crashed; /* a fault happened; the next line of the log says which */
    bool left;    /* the decision just made left the reference */
    bool draining;
    bool looks;  /* the strategy is told what steps do */
    bool counts; /* it is told of each step */
    FILE *real_stdout;
    bool asking; /* the harness allocates in the middle of a step */
    bool armed;  /* the sp_buggify() that draws is armed in this run */
    bool stop_label_came;
    /* Zero at first is all before this, and `live` up to its own arrays. */
    jmp_buf out;
    struct sim_invariant invariants[SIM_INVARIANTS_MAX];
    struct sim_liveness live;
};

/** The run that is being made, or NULL. */
extern struct sp_sim *sim_current;

/** What the program calls (spawned/property.h). */
extern const struct sp__property_ops sim_properties;

/** The run has failed, unless it had already; the world stops after this step. */
void sim_fail(struct sp_sim *s, const char *format, ...) SP_PRINTF(2, 3);

/** Out of the body: the run is over. Context: the loop, below the body. */
void sim_leave(struct sp_sim *s) SP_NORETURN;

/** Who failed the run does not go on. Context: the body, or a process. */
void sim_halt(struct sp_sim *s);

/** Nothing can go on but by a timer: fails where processes wait for each other (circle.c). Hook of
 *  the world. */
void sim_quiet(void *arg);

/** Who can end the wait of `waiting`, or NULL; out_taken: the operation of its request, if that was
 *  taken (sp_request_take()), else NULL. */
struct sp_process *sim_wait_end(struct sp_process *waiting, const char **out_taken) SP_NONNULL;

/** The schedule whose draws and faults are followed, or NULL. */
const struct sim_schedule *sim_followed(const struct sp_sim *s);

/** It was decided: an entry of the run's schedule, and of its hash. */
void sim_remember(struct sp_sim *s, struct sim_choice choice);

/** Its main function came back. */
void sim_node_ended(struct sp_sim_node *node);

/* node.c: what is planned, and what befalls nodes and processes. */
void sim_at(struct sp_sim *s, int64_t at_ns, void (*fn)(struct sp_sim *s, void *arg), void *arg);
void sim_later_run(void *arg); /* hook of the world */
void sim_later_finish(struct sp_sim *s);
bool sim_node_runs(const struct sp_sim_node *node);
void sim_node_crash(struct sp_sim_node *node, enum sp__net_gone how);
void sim_node_stop(struct sp_sim_node *node);
/** Whatever befell it is over: it runs, and its clock is right. */
void sim_node_mend(struct sp_sim_node *node);
/** A node on `host` allocates. True: sp_sim_fail_allocation() wants that to fail. */
bool sim_node_allocates(struct sp_sim *s, const struct sp__host *host);
/** The task of a label, or NULL. */
struct sp__task *sim_task(struct sp_sim *s, uint64_t label);
/** Is it a living process, and not a node's main one? */
bool sim_task_mortal(const struct sp_sim *s, const struct sp__task *task);
void sim_task_kill(struct sp__task *task);
void sim_task_name(const struct sp_sim *s, const struct sp__task *task, char name[SIM_NAME_MAX]);
/** Kill every process. Context: the runtime's, inside an epoch section. */
void sim_kill_all(struct sp_runtime *runtime);

/** A process is at sp_label(). */
void sim_label(struct sp_sim *s, const char *label);

/** A fault happens: tell whom it befalls and what it is, where the plan has a trace (tell.c). */
void sim_tell_fault(struct sp_sim *s, const struct sim_choice *fault, const char *format, ...)
    SP_PRINTF(3, 4);
void sim_tell_allocation(struct sp_sim *s, uint64_t task, uint64_t nth);
void sim_tell_network(struct sp_sim *s, const struct sim_choice *drawn);

/** Every process of every node is killed, so that the nodes' main functions come back. */
void sim_drain(struct sp_sim *s);

/* tell.c, where the plan has a trace: before a step, after it, where a task stands
 * aside (hook of the world), and when the run has failed. */
void sim_tell_step(struct sp_sim *s, struct sp__task *task);
void sim_tell_stepped(struct sp_sim *s);
void sim_tell_aside(void *arg, struct sp__task *task);
void sim_tell_failed(struct sp_sim *s);

/** A node of the run, not started yet. Without memory the run fails. */
struct sp_sim_node *sim_node_add(struct sp_sim *s, const char *name);

/** Let `thread(node)` run on a machine of that name. Without memory the run fails. */
void sim_node_start(struct sp_sim_node *node, void (*thread)(void *node));

/** What the system's source of randomness gives in this run. */
void sim_entropy(struct sp_sim *s, void *bytes, size_t size);

/** Free what a node of a program has. */
void sim_program_free(struct sp_sim_node *node);

/** Free the histories of a run, and its transactions. */
void sim_histories_finish(struct sp_sim *s);
void sim_txns_finish(struct sp_sim *s);

/** What is allocated between the two is not the program's: it outlives the run, and is no allocation
 *  that could fail by chance. Where a step is in the middle of something, too. */
struct sim_own {
    bool inside;
    bool asking;
};

static inline struct sim_own sim_own_begin(struct sp_sim *s)
{
    struct sim_own before = { .inside = sim_memory_switch(false), .asking = s->asking };
    s->asking = true;
    return before;
}

static inline void sim_own_end(struct sp_sim *s, struct sim_own before)
{
    s->asking = before.asking;
    (void)sim_memory_switch(before.inside);
}

/** Counts of sp_sometimes() from here on. Errors: NOMEM. */
SP_NODISCARD sp_err sim_property_start(void);
void sim_property_finish(void);

/** One more value in a hash. */
uint64_t sim_mix(uint64_t hash, uint64_t value);

#endif
