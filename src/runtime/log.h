/* The log of a runtime: what decides whether a line is written, and hands it on.
 *
 *   sp_log() --> gate (one load) --> level of the process, of the module, or of all
 *            --> rate of the place --> ring --> real/log_writer.c --> sink, callback
 *                                  \-> (no threads: in simulation) --> callback
 *
 * Invariants: the gate is the lowest of all runtimes' floors; a floor is the lowest level that any
 * setting of its runtime lets pass.
 *
 * Threads: any; never with a process's lock held, which asks for the process's name.
 * Neighbours: log_levels.c, log_rate.c, log_ring.h, log_format.h.
 */
#ifndef SPAWNED_RUNTIME_LOG_H
#define SPAWNED_RUNTIME_LOG_H

#include "base/lock.h"
#include "runtime/log_rate.h"
#include "runtime/log_ring.h"
#include "spawned/runtime.h"

enum {
    SP__LOG_MODULES_MAX = 64,
    SP__LOG_MODULE_SIZE = 32,
    SP__LOG_NAME_SIZE = 64,
    SP__LOG_LINE_SIZE = 1000, /* of a line made printf-like */
};

struct sp__actor;
struct sp__log_writer;

/** A module with settings; once there it stays. */
struct sp__log_module {
    char name[SP__LOG_MODULE_SIZE];
    _Atomic uint8_t level; /* SP_LOG_DEFAULT: none */
    _Atomic uint32_t rate; /* lines a second; 0: any number */
    _Atomic bool rated;    /* `rate` was set */
};

struct sp__log {
    struct sp_runtime *runtime;
    struct sp_log_options options; /* defaults filled in */
    char journal[108];
    char identifier[SP__LOG_NAME_SIZE];
    _Atomic uint8_t level;
    _Atomic uint32_t rate;
    _Atomic uint32_t module_count;
    struct sp__log_module *modules; /* SP__LOG_MODULES_MAX; there once the count is not 0 */
    struct sp__lock lock;           /* of who changes settings */
    uint32_t processes[SP_LOG_OFF + 1] SP__GUARDED_BY(lock); /* with a level of their own */
    uint8_t floor SP__GUARDED_BY(lock);                      /* as the gate knows it */
    struct sp__log_rates *_Atomic rates;                     /* NULL: no rate was ever set */
    struct sp__log_ring ring;
    struct sp__log_writer *writer; /* NULL: lines go to the callback at once */
    _Atomic uint64_t written;
    _Atomic uint64_t lost; /* as far as the log itself has said so */
    _Atomic uint64_t suppressed;
    _Atomic uint64_t failed;
    _Atomic int failed_errno;
};

/** Who logs; filled in by the process layer. */
struct sp__log_who {
    sp_pid pid;
    char process[SP__LOG_NAME_SIZE];
};

/** What a backend does for logs. */
struct sp__log_ops {
    /** Start the thread that writes. Errors: NOMEM, LIMIT. */
    sp_err (*start)(struct sp__log *log);
    /** Something is in the ring. Any context; never waits. */
    void (*wake)(struct sp__log *log);
    /** Wait until all that is in the ring now is written. Errors: TIMEOUT. */
    sp_err (*flush)(struct sp__log *log, int64_t until);
    /** Write what is left, in the log's budget, and free it. What hangs in the callback frees it
     *  when it returns. */
    void (*stop)(struct sp__log *moved_log);
};

/** Make the runtime's log, if its options say so. Errors: NOMEM, LIMIT, INVALID.
 *  Context: startup. */
SP_NODISCARD sp_err sp__log_open(struct sp_runtime *runtime) SP_NONNULL;
/** End it: nobody logs any more. Without a log: nothing. Context: the runtime's end. */
void sp__log_close(struct sp_runtime *runtime) SP_NONNULL;
/** Free its memory. Context: sp__log_close(), or whoever writes, at the last. */
void sp__log_free(struct sp__log *moved_log) SP_NONNULL;

/** Is a line of the runtime's own written? For what is costly to say. Context: any. */
bool sp__log_on(struct sp_runtime *runtime, enum sp_log_level level) SP_NONNULL;

/** A line of the runtime's own, of module "spawned"; cut at 1,000 bytes. Context: any, without a
 *  process's lock. */
void sp__log(struct sp_runtime *runtime, enum sp_log_level level, const char *format, ...)
    SP_NONNULL_ARGS(1) SP_PRINTF(3, 4);

/** The same with named values. Context: the same. */
void sp__log_pairs(struct sp_runtime *runtime, enum sp_log_level level, const char *text,
                   const struct sp_kv *pairs) SP_NONNULL;

/** Does the environment ask for a log (SPAWNED_LOG)? Context: startup. */
bool sp__log_env_asks(void);

/* ---- log_levels.c ---- */

/** Is a line of `module`, `size` bytes, written? `own`: the level of the process. Context: any. */
bool sp__log_allows(struct sp__log *log, uint8_t own, const char *module, size_t size,
                    enum sp_log_level level) SP_NONNULL;
/** Lines a second of a place in it. Context: any. */
uint32_t sp__log_rate_of(struct sp__log *log, const char *module, size_t size) SP_NONNULL;
/** A process's own level changes; SP_LOG_DEFAULT: none. Context: any. */
void sp__log_process_changed(struct sp__log *log, uint8_t from, uint8_t to) SP_NONNULL;
/** The floor counts from here on, or not any more. Context: startup, the end. */
void sp__log_gate_join(struct sp__log *log) SP_NONNULL;
void sp__log_gate_leave(struct sp__log *log) SP_NONNULL;

#endif
