/* The flight recorder: what the last thousands of events on each thread were.
 *
 * While it is on, every thread of a runtime writes into a ring of its own which process went on,
 * which message it began to handle, whom it sent to, whom it linked, and when it slept; the oldest event is
 * overwritten. No lock and no memory is taken for that, about 10 ns an event. What is in the rings can be
 * read at any time, also while everything is busy or stuck, and written as a trace that
 * chrome://tracing and https://ui.perfetto.dev show. When a process faults, the events before
 * it go to the log.
 *
 * Off, it costs one test of a pointer for each message. In simulation there is no recorder:
 * the simulation's own reports say more.
 */
#ifndef SPAWNED_RECORDER_H
#define SPAWNED_RECORDER_H

#include "spawned/err.h"
#include "spawned/pid.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

struct sp_runtime;

/** What happened. `process` is who did it, `other` whom it concerned, `what` which. */
enum sp_record_kind {
    SP_RECORD_RUN,     /**< goes on on this thread; what: its label */
    SP_RECORD_HANDLE,  /**< a server begins with a message of `other`; what: its type */
    SP_RECORD_SEND,    /**< sends to `other`; what: the type */
    SP_RECORD_REPLY,   /**< answers `other` */
    SP_RECORD_PROCESS, /**< links, monitors, signals or looks at `other`; what: which of these */
    SP_RECORD_SPAWN,   /**< spawns a process */
    SP_RECORD_EXIT,    /**< begins to end */
    SP_RECORD_NAME,    /**< registers, looks up or releases a name; what: which of these */
    SP_RECORD_YIELD,   /**< gives way */
    SP_RECORD_NET,     /**< uses a socket */
    SP_RECORD_FAULT,   /**< faulted; what: in which handler */
    SP_RECORD_PARK,    /**< the thread has nothing to do and sleeps */
    SP_RECORD_COUNT
};

/** Name of a kind: "run", "send". Static. Context: any. */
SP_API const char *sp_record_name(enum sp_record_kind kind);

/** An event. */
struct sp_record {
    uint64_t order;  /**< larger: later, on any thread; of a counter of the machine */
    sp_time at;      /**< may differ by a microsecond from one reading to the next */
    uint32_t thread; /**< number of its ring */
    enum sp_record_kind kind;
    sp_pid process; /**< none: the thread itself */
    sp_pid other;
    const char *what; /**< static text of the program or the library, or NULL */
};

/** Zero is the default. */
struct sp_recorder_options {
    uint32_t events; /**< of each thread; rounded up to a power of two; default 4096, at most
                          1,048,576. 32 bytes each */
};

/** Begin to record. Recording again after a stop goes on in the same rings.
 *  Errors: NOTSUP (in simulation); RUNNING (it is on); INVALID (too many events, or another number
 *  than the first time); NOMEM.
 *  Ownership: the rings are the runtime's until its end, 128 KiB a thread by default.
 *  Context: any thread; the runtime must live. `options` may be NULL. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_recorder_start(struct sp_runtime *runtime, const struct sp_recorder_options *options);

/** Stop; what was recorded stays to be read. Context: as above. */
SP_API SP_NONNULL void sp_recorder_stop(struct sp_runtime *runtime);

/** Events whose `order` is larger than `*cursor` (0: all that are left), of all threads, in order: fills up
 *  to `max`, sets `*cursor` to the last one's, and returns how many. What a thread is writing at the moment
 *  of the call is left out, for good if later events of others are returned.
 *  Units: `at` is of the runtime's monotonic clock, within a microsecond.
 *  Context: as above; takes time and memory in proportion to the rings. 0 also without memory. */
SP_API SP_NONNULL size_t sp_recorder_read(struct sp_runtime *runtime, uint64_t *cursor,
                                          struct sp_record *records, size_t max);

/** Takes a piece of text. False: no more, the export ends. */
typedef bool (*sp_recorder_write_fn)(void *arg, const char *text, size_t size);

/** Write all that is left as a trace in JSON, as Chrome and Perfetto read it: a row for each thread,
 *  in it the processes as they ran and the messages they handled.
 *  Errors: NOMEM; IO (`write` said false).
 *  Source: the Trace Event Format of the Chromium project.
 *  Context: as above; `write` may suspend where the caller is a process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1, 2) sp_err
    sp_recorder_export(struct sp_runtime *runtime, sp_recorder_write_fn write, void *arg);

SP_EXTERN_C_END

#endif
