/* Faults of a run: which may happen, where, and what they are.
 *
 * Faults are not tasks that a strategy chooses: those would happen in the first steps of nearly
 * every run. Like pct's changes they are drawn before a run, uniformly over the steps that
 * earlier runs made while faults were allowed (allocations, for those), at most .faults_max of
 * them. Each run is a swarm: every allowed kind is off with probability 1/2, and what is
 * asked for where it could happen (the network's) gets odds of one in 2 to 4096, log-uniformly.
 *
 * A fault that happens is an entry of the schedule: before task A makes its n-th step, B is
 * killed. How long it lasts is a hash of the seed and that entry, so replay and shrinking need no
 * strategy. Each is mended after a while; at .faults_until everything is.
 *
 *   campaign   measures, says how long runs are      sim_plan.length, .allocations
 *   fault.c    draws, lets happen, mends             hook `before`, sp__alloc_asked
 *   node.c     what befalls a node
 *
 * Threads: one. Neighbours: inside.h, run.c, node.c.
 * Source: A. Groce et al., "Swarm Testing" (2012).
 */
#ifndef SPAWNED_SIM_FAULT_H
#define SPAWNED_SIM_FAULT_H

#include "runtime/sim/world.h"
#include "spawned/sim.h"

enum {
    SIM_FAULTS_MAX = 16,
};

/** What any network does at any time, without breaking anything. */
#define SIM_FAULTS_HARMLESS \
    ((uint64_t)SP_SIM_NET_LATENCY | (uint64_t)SP_SIM_NET_READ | (uint64_t)SP_SIM_NET_WRITE)

/** Of one run. */
struct sim_faults {
    bool drawn;      /* a strategy's run: faults and draws are by chance */
    uint64_t on;     /* kinds of this run's swarm */
    uint64_t random; /* stream of who is befallen */
    unsigned count;  /* faults before steps */
    unsigned next;
    uint64_t at[SIM_FAULTS_MAX]; /* before these steps, ascending */
    unsigned failures;           /* allocations that fail */
    unsigned failed;
    uint64_t fail_at[SIM_FAULTS_MAX];
    uint64_t allocations; /* of the run so far */
    uint64_t window;      /* steps while faults were allowed */
    uint32_t followed;    /* bits of the kinds of faults in the schedule that is followed */
    unsigned open;        /* that happened and are not mended */
    int64_t until;        /* on the world's clock; INT64_MAX: never */
    int64_t mended;       /* when everything was; INT64_MAX: not yet */
};

/** Begin a run: draw its swarm. */
void sim_faults_begin(struct sp_sim *s) SP_NONNULL;

/** No more faults, nowhere. */
void sim_faults_finish(struct sp_sim *s) SP_NONNULL;

/** `task` is about to make a step. False: it is gone, or stands still. Hook of the world. */
bool sim_faults_before(void *arg, struct sp__task *task);

/** .faults_until has come: everything is mended. */
void sim_faults_end(struct sp_sim *s) SP_NONNULL;

/** A fault's time is over. */
void sim_faults_mended(struct sp_sim *s) SP_NONNULL;

/** The answer to a draw of the network, where it is by chance. `random` is the draw's own. */
uint32_t sim_faults_net(const struct sp_sim *s, enum sp__choice kind, uint64_t random,
                        uint32_t count) SP_NONNULL;

/** Which kinds are allowed: of the options of a test, changed by the text of --faults
 *  ("net,-crash,..."; "none", "all"). False: it has a word that is no kind. */
bool sim_faults_parse(const char *text, uint64_t *faults) SP_NONNULL;

/** Ask before every allocation. */
void sim_faults_watch_memory(struct sp_sim *s) SP_NONNULL;

/** The next allocation of the run: 1, by chance it fails. */
uint32_t sim_faults_memory(struct sp_sim *s) SP_NONNULL;

/** Is it one of a schedule's faults? */
bool sim_choice_is_fault(enum sp__choice kind);

#endif
