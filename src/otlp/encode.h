/* Spans as bytes: the message ExportTraceServiceRequest of OTLP.
 *
 * Written here and not by a generator: it is one message, written and never read, of fields that do not change
 * any more. A nested message's length goes before it in five bytes, filled in afterwards, with leading
 * zeroes, which the format allows.
 *
 * Threads: none of its own. Neighbours: export.c.
 * Source: Protocol Buffers, "Encoding"; OpenTelemetry Protocol 1, trace.proto, common.proto.
 */
#ifndef SPAWNED_OTLP_ENCODE_H
#define SPAWNED_OTLP_ENCODE_H

#include "base/buf.h"
#include "spawned/trace.h"

/** What all spans of a program have in common. */
struct sp__otlp_resource {
    const char *service;
    const char *const *attributes; /* "key=value" */
    size_t attribute_count;
    int64_t epoch_ns; /* what is to be added to an instant of the runtime for one since 1970 */
};

/** Append the request with these spans. Errors: NOMEM, TOOBIG (of the buffer's limit). */
SP_NODISCARD sp_err sp__otlp_encode(struct sp__buf *out, const struct sp__otlp_resource *resource,
                                    const struct sp_trace_record *records, size_t count) SP_NONNULL;

#endif
