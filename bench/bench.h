/* What the workloads of spawned-bench share.
 *
 * A workload runs in a child process of its own, once per repetition, so that neither memory
 * nor threads of one run are in the way of the next. It says its figures with bench_out(); the
 * parent (main.c) takes the median over the repetitions and prints.
 *
 * Neighbours: messages.c, calls.c, processes.c, timing.c, services.c, echo.c hold the workloads,
 * sim.c those of simulated worlds, scaling.c compares numbers of workers, floor.c measures the machine without a runtime.
 */
#ifndef SP_BENCH_BENCH_H
#define SP_BENCH_BENCH_H

#include "spawned/spawned.h"

/** How a run is asked for. */
struct bench_options {
    uint32_t workers;
    uint64_t size;    /* of the workload's work; 0: its default */
    uint64_t seconds; /* of workloads that take a time; 0: their default */
    uint16_t connect; /* port of a server to measure instead of our own; 0: ours */
};

/** One workload. Exactly one of `run` and `raw` is set. */
struct bench_workload {
    const char *name;
    const char *about;
    /** In the process "main" of a runtime with `workers` workers. */
    void (*run)(const struct bench_options *options);
    /** On the program's own thread: it makes its runtime itself. */
    void (*raw)(const struct bench_options *options);
    bool quiet; /* processes end abnormally on purpose: no log */
    bool apart; /* not part of "all" */
    bool alone; /* has no workers: measured once, whatever their numbers */
};

/** Tables of workloads, each ended by one without a name. */
extern const struct bench_workload bench_messages[];
extern const struct bench_workload bench_calls[];
extern const struct bench_workload bench_processes[];
extern const struct bench_workload bench_timing[];
extern const struct bench_workload bench_services[];
extern const struct bench_workload bench_scaling[];
extern const struct bench_workload bench_floor[];
extern const struct bench_workload bench_soak[];
extern const struct bench_workload bench_echo[];
extern const struct bench_workload bench_checks[];
extern const struct bench_workload bench_sim[];
extern const struct bench_workload bench_tasks[];
extern const struct bench_workload bench_observe[];
extern const struct bench_workload bench_log[];
extern const struct bench_workload bench_traces[];
extern const struct bench_workload bench_metrics[];
extern const struct bench_workload bench_endpoint[];
extern const struct bench_workload bench_routers[];
extern const struct bench_workload bench_pools[];
extern const struct bench_workload bench_stop[];
extern const struct bench_workload bench_nested[];
extern const struct bench_workload bench_readers[];

/** The workload of that name, or NULL. */
const struct bench_workload *bench_workload_find(const char *name);

/** A figure of this run. */
void bench_out(const char *metric, double value);
/** A figure that is a word: "starved". */
void bench_out_word(const char *metric, const char *word);

/** End the run as failed unless `err` is SP_OK; `what` says what was tried. */
void bench_must(sp_err err, const char *what);
/** End the run as failed. */
void bench_fail(const char *what) SP_NORETURN;

/** `options->size`, or the default. */
uint64_t bench_size(const struct bench_options *options, uint64_t normal);

/** Nanoseconds of the system's monotonic clock. */
int64_t bench_now_ns(void);
/** Seconds of processor time, all threads. */
double bench_cpu_s(void);
/** `count` players in a circle, `hops` hops of one token. Nanoseconds. */
double bench_players(uint32_t count, int64_t hops);
/** One client's calls of a server, one after the other. Nanoseconds. */
double bench_calls_ns(int64_t calls);

/** Memory in bytes by its name in /proc/self/status: "VmRSS:", "VmHWM:". */
double bench_memory(const char *key);

/** Tells the main process that the work is done. */
struct bench_done {
    int64_t value;
};
SP_MESSAGE(bench_done, struct bench_done);

/** Wait in the main process for `count` of them; returns the sum of their values. */
int64_t bench_await(uint64_t count);

/** A fault: write through a null pointer. */
void bench_write_nowhere(void);

/** Wait in a process until only `count` processes are left. */
void bench_await_processes(uint64_t count);

#endif
