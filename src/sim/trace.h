/* What happened in a run, step by step, with what made each step possible and what it touched.
 *
 *   event   a step of a task: an operation, then what the code does until its next one
 *   cause   an event of somebody else without which this one could not have been: who sent the
 *           message it takes, who answered, who woke it
 *   access  what others could have noticed: a mailbox grew, a name was looked up, ...
 *
 * A trace costs much more than a run (it looks at every mailbox after every step), so only the
 * run that is reported has one. It uses sp__task.mind, so there is no strategy in such a run.
 *
 * Threads: one. Neighbours: run.c calls it; races.c, story.c, report.c, svg.c read it.
 */
#ifndef SPAWNED_SIM_TRACE_H
#define SPAWNED_SIM_TRACE_H

#include "base/map.h"
#include "runtime/sim/world.h"
#include "sim/schedule.h"

enum {
    SIM_NAME_MAX = 48,
    SIM_TOLD_MAX = 32, /* faults; later ones are not told */
    SIM_FRAMES_MAX = 8,
    SIM_CAUSES_MAX = 8,
    SIM_ACCESSES_MAX = 8,
    SIM_VALUE_MAX = 16,
    SIM_TRACE_MAX = 200000, /* events; a longer story ends early */
    SIM_MATTERS_MAX = 12,   /* events that a judgement is about */
};

enum sim_access_kind {
    SIM_PUSH,       /* a mailbox got a message */
    SIM_TAKE,       /* the owner looked into its mailbox */
    SIM_WAKE,       /* a wait was ended: an answer, or its deadline */
    SIM_MEASURE,    /* a mailbox's length was asked for */
    SIM_LOOK,       /* at another's life: link, monitor, is it alive */
    SIM_END,        /* of a life: an exit, or a signal that asks for it */
    SIM_NAME_READ,  /* a name was looked up */
    SIM_NAME_WRITE, /* registered, given up */
};

struct sim_access {
    enum sim_access_kind kind;
    uint64_t object; /* unique in the world */
};

/** Bytes of a request or an answer, the first of them. */
struct sim_value {
    uint32_t size; /* 0: none */
    unsigned char bytes[SIM_VALUE_MAX];
};

struct sim_event {
    int64_t time_ns;
    uint64_t task;
    uint64_t step; /* of the task, from 0 */
    uint64_t object;
    enum sp__point point;
    enum sp__task_kind kind;
    bool left_reference;
    bool ended;     /* the task, with this step */
    bool took;      /* a message, which is `what` */
    bool carries;   /* of the network: bytes, or the news that a connection broke */
    uint32_t lane;  /* in sim_trace.lanes */
    uint32_t to;    /* lane of whose mailbox, life or wait it was about, or SIM_NO_LANE */
    uint32_t since; /* event after which it could have been made */
    uint32_t cause_count;
    uint32_t access_count;
    int frame_count;
    uint32_t causes[SIM_CAUSES_MAX]; /* events before it */
    struct sim_access accesses[SIM_ACCESSES_MAX];
    void *frames[SIM_FRAMES_MAX]; /* return addresses in the program, innermost first */
    struct sim_value value;
    char what[SIM_NAME_MAX];
};

#define SIM_NO_LANE UINT32_MAX

/** A task that made a step. */
struct sim_lane {
    uint64_t task;
    enum sp__task_kind kind;
    uint64_t own;         /* object of its process, or 0 */
    uint64_t name_object; /* of its name, in its node */
    const void *entry;    /* its function, of a plain process; or NULL */
    char name[SIM_NAME_MAX];
    char shown[SIM_NAME_MAX];   /* what a report calls it, or "": by its name */
    char node[SIM_NAME_MAX];    /* its machine; of the network: whose bytes they are, */
    char to_node[SIM_NAME_MAX]; /* and for whom */
    /* Of a process that still waited when the run ended. */
    int frame_count;
    void *frames[SIM_FRAMES_MAX];
    uint32_t mailbox; /* messages in it */
    char first_message[SIM_NAME_MAX];
    bool alive;
    bool waits;
    uint32_t waits_for;       /* lane whose answer a call waits for, or SIM_NO_LANE */
    char taken[SIM_NAME_MAX]; /* the request that one took and did not answer, or "" */
};

/** A fault that happened before an event. */
struct sim_told {
    size_t event;
    int64_t time_ns;
    struct sim_choice fault;
    char text[160]; /* whom, and what */
};

struct sim_trace {
    struct sim_event *events;
    size_t count;
    size_t capacity;
    struct sim_lane *lanes;
    size_t lane_count;
    size_t lane_capacity;
    struct sim_told told[SIM_TOLD_MAX];
    size_t told_count;
    bool several_nodes;
    char *detail;                      /* of a history that was judged, or NULL: for the report */
    char *picture;                     /* the same, SVG */
    uint32_t matters[SIM_MATTERS_MAX]; /* events that the judgement is about */
    size_t matter_count;
    bool cut;                  /* it is longer than what is here */
    struct trace_state *state; /* while the run lasts */
};

/** What the trace cannot know of a task by itself. */
struct sim_trace_names {
    const char *node; /* "": unknown */
    const char *main; /* of a MAIN that is a node's */
};

/** Before the step of `task`. Context: the loop's step hook. */
void sim_trace_step(struct sim_trace *trace, struct sp__world *world, struct sp__task *task,
                    const struct sim_trace_names *names, bool left) SP_NONNULL;

/** After it. Context: the loop. */
void sim_trace_stepped(struct sim_trace *trace, struct sp__world *world) SP_NONNULL;

/** `task` stands aside or parks: where is it? Context: the task. */
void sim_trace_aside(struct sim_trace *trace, struct sp__task *task) SP_NONNULL;

/** The run is over; what is in the world is looked at once more. Context: the loop. */
void sim_trace_end(struct sim_trace *trace, struct sp__world *world) SP_NONNULL;

/** Free it. */
void sim_trace_finish(struct sim_trace *trace) SP_NONNULL;

#endif
