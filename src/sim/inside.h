/* Inside a run: what run.c (decisions), control.c (the body's side) and property.c (the program's
 * side) share.
 *
 * Threads: one. Neighbours: run.h.
 */
#ifndef SPAWNED_SIM_INSIDE_H
#define SPAWNED_SIM_INSIDE_H

#include "runtime/sim/host.h"
#include "sim/run.h"

#include <stdio.h>

enum {
    SIM_INVARIANTS_MAX = 64,
};

struct sp_sim_node {
    struct sp_sim_node *next;
    struct sp_sim *sim;
    void (*fn)(void *arg);
    void *arg;
    struct sp__host *host; /* the machine it runs on */
    void (*thread)(void *node);
    bool ended;
    int status; /* of a program's main() */
    int argc;   /* its arguments, or 0 */
    char **argv;
    int (*program)(int argc, char **argv);
    char name[SIM_NAME_MAX];
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
    struct sim_invariant invariants[SIM_INVARIANTS_MAX];
    size_t invariant_count;
    struct sim_follower follower;
    uint64_t last;   /* label of who made the last step */
    uint32_t streak; /* steps since the longest ready was taken */
    uint64_t chance; /* random stream of entropy */
    uint64_t faults;
    bool crashed; /* a fault happened; the next line of the log says which */
    bool left;    /* the decision just made left the reference */
    bool draining;
    FILE *real_stdout;
    jmp_buf out;
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

/** Nothing can go on but by a timer: fails where calls wait for each other. Hook of the world. */
void sim_quiet(void *arg);

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

/** Counts of sp_sometimes() from here on. Errors: NOMEM. */
SP_NODISCARD sp_err sim_property_start(void);
void sim_property_finish(void);

/** One more value in a hash. */
uint64_t sim_mix(uint64_t hash, uint64_t value);

#endif
