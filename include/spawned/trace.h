/* Tracing: which operation led to which, across processes, and how long each took.
 *
 *     err = sp_trace_start(runtime, &(struct sp_trace_options){ .ratio = 0.01 });
 *
 * From then on one request of a hundred is followed: it gets a trace id, which messages carry along through
 * calls, casts, timers and tasks, and each operation that handles one of these messages is a span: which
 * server, which operation, on whose behalf, how long it waited in the mailbox, how long it took, and
 * what became of it. Operations that fail are told of whether their request was followed or not.
 *
 * A request begins where a process sends something without handling a message of another one: a plain
 * process, an attached thread, a connection's data, a timer set outside of a trace. One that comes from
 * another program brings its trace as the text `traceparent`: sp_trace_adopt().
 *
 * The spans lie in a bounded buffer until somebody takes them: the library libspawned-otlp sends them to
 * an OpenTelemetry collector (spawned/otlp.h); sp_trace_read() is for all else. See docs/tracing.md.
 *
 * Source: W3C Recommendation "Trace Context" (2021); OpenTelemetry Specification 1.
 */
#ifndef SPAWNED_TRACE_H
#define SPAWNED_TRACE_H

#include "spawned/err.h"
#include "spawned/pid.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

struct sp_runtime;

/** Bytes of a `traceparent`, the final zero included. */
#define SP_TRACE_PARENT_SIZE 56
/** Bytes of a `tracestate`, at most, without the final zero; a longer one is dropped. */
#define SP_TRACE_STATE_MAX 512
/** Attributes of a span, and bytes of one's value, at most. More are dropped, a longer one is cut. */
#define SP_TRACE_ATTRIBUTES_MAX 32
#define SP_TRACE_VALUE_MAX 255
/** Spans of its own that a process has open, at most. */
#define SP_TRACE_OPEN_MAX 32

/** Of sp_trace_context.flags: its spans are recorded. */
#define SP_TRACE_SAMPLED 1

/** Identifies a trace; the zero value is none. Written high first, in hexadecimal. */
typedef struct sp_trace_id {
    uint64_t high;
    uint64_t low;
} sp_trace_id;

/** Where in a trace one is. */
struct sp_trace_context {
    sp_trace_id trace;
    uint64_t span;  /**< 0: none */
    uint32_t flags; /**< SP_TRACE_SAMPLED, and what came in a `traceparent`; 8 bits */
};

/** Zero is the default. */
struct sp_trace_options {
    double ratio; /**< of the requests that are followed, 0 to 1; default 0 */
    bool
        errors_dropped; /**< operations that fail in requests that are not followed are not told of */
    uint32_t
        buffer; /**< spans that wait to be taken; default 8192, 8 to 1,048,576. 144 bytes each */
};

/* ---- switching ---- */

/** Begin to trace. Where it was on before, only `ratio` and `errors_dropped` are set.
 *  Errors: INVALID (an option, or another `buffer` than the first time); NOMEM.
 *  Ownership: the buffer is the runtime's until its end.
 *  Context: any thread; the runtime must live. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_trace_start(struct sp_runtime *runtime,
                                                     const struct sp_trace_options *options);

/** Nothing new is recorded; what was is still there to be taken. Context: as above. */
SP_API SP_NONNULL void sp_trace_stop(struct sp_runtime *runtime);

/** Is it on? Context: as above. */
SP_API SP_NONNULL bool sp_trace_started(struct sp_runtime *runtime);

/** Follow another share of the requests that begin from now on.
 *  Errors: INVALID (not between 0 and 1); NOTFOUND (tracing was never started). Context: as above. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_trace_sample(struct sp_runtime *runtime, double ratio);

/** What became of the spans. */
struct sp_trace_stats {
    uint64_t recorded; /**< put into the buffer */
    uint64_t taken;    /**< of these, read */
    uint64_t lost;     /**< not recorded: the buffer was full, or there was no memory */
    uint64_t failed;   /**< of those recorded: operations that failed in requests not followed */
};

/** Numbers since the start; zero where there was none. Context: as above. */
SP_API SP_NONNULL void sp_trace_stats(struct sp_runtime *runtime, struct sp_trace_stats *out);

/* ---- where one is ---- */

/** The innermost span of the running process. False: it is in no trace; `*out` is then all zero. In
 *  a request that is not followed the ids are those that a failure would be recorded under.
 *  Context: any. */
SP_API SP_NONNULL bool sp_trace_current(struct sp_trace_context *out);

/** What came as `tracestate` with the current trace, into `text`, zero at its end. Returns its length
 *  (0: nothing, or no room). Context: any. */
SP_API SP_NONNULL size_t sp_trace_state(char *text, size_t size);

/** The running process works for a request from outside, whose `traceparent` this is (NULL: for none
 *  any more); `tracestate` may be NULL. A server: until the message that it handles is done; else
 *  until the next call. Whether it is followed, the request says.
 *  Errors: INVALID (no `traceparent`: nothing changes); NOMEM; LIMIT (SP_TRACE_OPEN_MAX);
 *  NOTFOUND (tracing is off); NOTCONTEXT.
 *  Context: process. */
SP_API SP_NODISCARD sp_err sp_trace_adopt(const char *traceparent, const char *tracestate);

/** Read a `traceparent`.
 *  Errors: INVALID. Context: any. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_trace_parse(const char *text,
                                                     struct sp_trace_context *out);

/** Write a `traceparent` to `text` and return it. Context: any. */
SP_API SP_NONNULL const char *sp_trace_format(const struct sp_trace_context *context,
                                              char text[SP_TRACE_PARENT_SIZE]);

/* ---- spans of the program's own ---- */

/** A span that is open; the zero value is none, on which nothing has an effect. */
typedef struct sp_trace_span {
    uint64_t id;
} sp_trace_span;

/** Begin a span beneath the current one, which it is until it ends: by sp_trace_span_end(), with the
 *  handling of the message, or with the process. Outside of a trace it begins one. None is begun
 *  where the request is not followed; none, and it counts as lost, without memory or with
 *  SP_TRACE_OPEN_MAX open.
 *  Ownership: `name` stays the caller's and lives as long as the runtime.
 *  Context: process; else none is begun. */
SP_API SP_NONNULL sp_trace_span sp_trace_span_start(const char *name);

/** Give a span an attribute. Ownership: copies. Context: the process that began it. */
SP_API SP_NONNULL void sp_trace_span_set(sp_trace_span span, const char *key, const char *value);

/** The same with a number. Context: the process that began it. */
SP_API SP_NONNULL void sp_trace_span_set_int(sp_trace_span span, const char *key, int64_t value);

/** End it, and those begun within it. One that has ended is ignored. Context: the process that began
 *  it. */
SP_API void sp_trace_span_end(sp_trace_span span, sp_err result);

/* ---- what was recorded ---- */

/** What a span is of. */
enum sp_trace_kind {
    SP_TRACE_OPERATION, /**< a message that was handled, or was in a plain process's hands */
    SP_TRACE_TASK,      /**< a task, from its start to its end */
    SP_TRACE_OWN,       /**< sp_trace_span_start() */
};

/** How it ended. */
enum sp_trace_outcome {
    SP_TRACE_OK,
    SP_TRACE_ERROR,   /**< `err` */
    SP_TRACE_FAULT,   /**< a contained fault ended the process */
    SP_TRACE_EXPIRED, /**< it was not handled: its caller had given up */
};

/** A key and its value. */
struct sp_trace_attribute {
    struct sp_trace_attribute *next; /**< or NULL */
    const char *key;
    const char *text; /**< NULL: it is a number */
    int64_t number;
};

/** A span. */
struct sp_trace_record {
    struct sp_trace_context context;
    uint64_t parent; /**< 0: it is the first of its trace */
    enum sp_trace_kind kind;
    enum sp_trace_outcome outcome;
    sp_err err;
    const char *service; /**< of which server, or which label */
    const char *name;    /**< operation, type of the message, or the program's own */
    sp_pid pid;
    sp_pid from;        /**< who sent the message; or none */
    sp_duration queued; /**< how long it was in the mailbox */
    sp_time start;      /**< as `end`, where the request is not followed */
    sp_time end;
    struct sp_trace_attribute *attributes;
    char *state; /**< `tracestate`, or NULL */
};

/** Take up to `max` spans out of the buffer, in no particular order. Returns how many.
 *  Ownership: give them back with sp_trace_release().
 *  Context: any thread; the runtime must live. */
SP_API SP_NONNULL size_t sp_trace_read(struct sp_runtime *runtime, struct sp_trace_record *records,
                                       size_t max);

/** Frees what the records own. Context: any. */
SP_API SP_NONNULL void sp_trace_release(struct sp_trace_record *records, size_t count);

/** Name of an outcome: "ok", "error". Static. Context: any. */
SP_API const char *sp_trace_outcome_name(enum sp_trace_outcome outcome);

SP_EXTERN_C_END

#endif
