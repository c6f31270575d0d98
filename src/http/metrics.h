/* The text of /metrics.
 *
 * Threads: the endpoint's. Neighbours: request.c.
 */
#ifndef SPAWNED_HTTP_METRICS_H
#define SPAWNED_HTTP_METRICS_H

#include "base/buf.h"
#include "spawned/metrics.h"

/** The format for who sends this header, or NULL: none. */
enum sp_metrics_format sp__http_metrics_format(const char *accept);

/** Its media type. */
const char *sp__http_metrics_type(enum sp_metrics_format format);

/** Append it. Errors: NOMEM, TOOBIG. Context: a process. */
SP_NODISCARD sp_err sp__http_metrics(struct sp_runtime *runtime, enum sp_metrics_format format,
                                     struct sp__buf *out) SP_NONNULL;

#endif
