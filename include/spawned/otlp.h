/* Spans to an OpenTelemetry collector, by OTLP over HTTP.
 *
 *     struct sp_otlp *otlp;
 *     err = sp_otlp_start(runtime, &(struct sp_otlp_options){ .service = "shop" }, &otlp);
 *     ...
 *     sp_otlp_stop(otlp);
 *
 * A thread of its own takes the spans that tracing (spawned/trace.h) recorded and sends them, up to
 * `batch` at a time. It sleeps while there are none. What cannot be sent now is tried again; what
 * cannot be sent at all is counted. When the runtime ends, what is left is sent first.
 *
 * In the library libspawned-otlp, which needs libcurl; not in simulation.
 * Source: OpenTelemetry Protocol Specification 1, "OTLP/HTTP", binary protobuf.
 */
#ifndef SPAWNED_OTLP_H
#define SPAWNED_OTLP_H

#include "spawned/err.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

struct sp_runtime;
struct sp_otlp;

/** Headers and attributes in struct sp_otlp_options, at most of each. */
#define SP_OTLP_TEXTS_MAX 32

/** Zero is the default everywhere. All of it is copied. */
struct sp_otlp_options {
    const char *url;            /**< http or https; default "http://127.0.0.1:4318/v1/traces" */
    const char *service;        /**< `service.name`; default "unknown_service" */
    const char *const *headers; /**< "Authorization: Bearer ..."; default: none */
    size_t header_count;
    const char *const *attributes; /**< of the resource: "deployment.environment=test" */
    size_t attribute_count;
    uint32_t batch;           /**< spans in a request, up to 8192; default 512 */
    sp_duration delay;        /**< how long the first of a batch waits for others; default 1 s */
    sp_duration request_time; /**< for a request and its answer; default 10 s */
    sp_duration retry_first;  /**< before the second attempt, then twice as long; default 1 s */
    sp_duration retry_most;   /**< between two attempts; default 30 s */
    sp_duration retry_total;  /**< a batch is tried for; default 1 min */
    sp_duration flush;        /**< to send what is left at the end; default 5 s */
};

/** What became of the spans that were taken. */
struct sp_otlp_stats {
    uint64_t exported; /**< the collector accepted them */
    uint64_t dropped;  /**< it did not, or could not be reached for too long */
    uint64_t requests; /**< sent, or tried to send */
    uint64_t failed;   /**< of these, without success */
};

/** Begin to export. Tracing is started and stopped for itself, before or after.
 *  Errors: INVALID (an option; tracing was never started); EXISTS (somebody exports already); NOTSUP
 *  (in simulation); LIMIT (no thread); NOMEM.
 *  Ownership: ends with sp_otlp_stop().
 *  Context: any thread; the runtime must live. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_otlp_start(struct sp_runtime *runtime,
                                                    const struct sp_otlp_options *options,
                                                    struct sp_otlp **out_otlp);

/** Numbers so far. Context: any. */
SP_API SP_NONNULL void sp_otlp_stats(struct sp_otlp *otlp, struct sp_otlp_stats *out);

/** Send what is left, for no longer than `flush` and a second, and end. Also after the runtime has
 *  ended, which sent what was left. NULL is accepted. Blocks the thread.
 *  Context: any thread; a process calls it through sp_blocking(). */
SP_API void sp_otlp_stop(struct sp_otlp *moved_otlp);

SP_EXTERN_C_END

#endif
