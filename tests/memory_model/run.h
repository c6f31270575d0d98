/* One execution while it is played: threads stand at requests, the graph says what they get.
 *
 * Neighbours: model.c drives, explore.c decides where the graph ends, hooks.c makes the requests.
 */
#ifndef SP_TEST_MEMORY_MODEL_RUN_H
#define SP_TEST_MEMORY_MODEL_RUN_H

#include "graph.h"

enum request_kind {
    REQUEST_LOAD,
    REQUEST_STORE,
    REQUEST_UPDATE,  /* exchange, fetch_add and so on */
    REQUEST_COMPARE, /* compare and swap */
    REQUEST_FENCE,
    REQUEST_WAIT,
    REQUEST_SLEEP,
};

enum update_op { UPDATE_EXCHANGE, UPDATE_ADD, UPDATE_SUB, UPDATE_AND, UPDATE_OR, UPDATE_XOR };

/** What a thread asks for. */
struct request {
    enum request_kind kind;
    enum update_op op;
    int order;
    int fail_order;
    bool weak;
    int size;
    void *at;
    uint64_t operand;
    uint64_t expected;
    /* filled in */
    int location;
    uint16_t site;
    uint64_t result; /* what was read */
    bool success;
};

enum thread_state {
    THREAD_READY, /* at a request */
    THREAD_RETRIES,
    THREAD_WAITS,
    THREAD_SLEEPS,
    THREAD_ENDED,
};

struct site {
    const char *file;
    int line;
    const char *function;
    const char *operation;
    const char *operand;
    unsigned orders; /* seen there, as bits */
};

enum { RUN_SITES_MAX = 512, RUN_LOG_MAX = MODEL_THREADS_MAX * GRAPH_EVENTS_MAX };

struct run {
    const struct model *model;
    const struct model_options *options;
    struct model_result *result;
    int thread_count;
    struct graph graph;
    struct play play;
    struct request requests[MODEL_THREADS_MAX];
    enum thread_state states[MODEL_THREADS_MAX];
    bool half[MODEL_THREADS_MAX]; /* an update has read, and is to write */
    event_ref log[RUN_LOG_MAX];   /* in the order played */
    int log_count;
    int current; /* the thread that runs, from 1; 0: none */
    /* Locations keep their numbers through all executions. */
    void *locations[GRAPH_LOCATIONS_MAX];
    int location_sizes[GRAPH_LOCATIONS_MAX];
    const char *location_names[GRAPH_LOCATIONS_MAX];
    int location_count;
    bool touched[GRAPH_LOCATIONS_MAX];
    uint64_t initial[GRAPH_LOCATIONS_MAX];
    struct site sites[RUN_SITES_MAX];
    int site_count;
    struct site site; /* of the operation that comes */
    bool failed;      /* in this execution; what and where: */
    char what[400];
};

extern struct run model_run;

/** The value that a read from `ref` gets. */
uint64_t run_value(const struct run *run, int location, event_ref ref);

/** Start the model's threads afresh: each goes to its first request. */
void run_start(struct run *run);

/** Play what the graph holds. */
void run_replay(struct run *run);

/** The next event of the thread is in the graph by now: play it. */
void run_step(struct run *run, int thread);

/** The thread whose turn it is to add an event, or -1. */
int run_next(const struct run *run);

/** Ends the execution with this finding; does not return where a thread calls it. */
void run_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** All have come to their end, or wait: what does it say? */
void run_finish(struct run *run);

/** Does the thread's last read see the newest value? */
bool run_is_stuck(const struct run *run, int thread);

/** Called by a thread: stand at this request until it is played. Returns what was read. */
uint64_t run_request(struct request *request);

/** A plain access by the running thread. */
void race_plain(const void *at, size_t size, bool write);

/** An atomic one of `thread` (from 0), about to be played as its event number `index`. */
void race_atomic(const struct run *run, int thread, int index, const struct request *request,
                 bool write);

/** Forget all accesses: another execution begins. */
void race_reset(void);

/** Writes the execution and the finding into the result. */
void report_write(struct run *run);

/** The name of an order, of the checker's own too. */
const char *report_order(int order);

/* ---- explore.c ---- */

/** Add the next event of the thread, and note the alternatives. False: this execution cannot be. */
bool explore_extend(struct run *run, int thread);

/** Every event that any thread may add, each as a graph of its own. */
void explore_all(struct run *run);

/** The graphs noted: true and the next one in run->graph, or false. */
bool explore_next(struct run *run);
void explore_begin(bool naive);
void explore_end(void);

#endif
