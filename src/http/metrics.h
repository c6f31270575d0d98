/* The text of /metrics.
 *
 * Threads: the endpoint's. Neighbours: request.c.
 */
#ifndef SPAWNED_HTTP_METRICS_H
#define SPAWNED_HTTP_METRICS_H

#include "base/buf.h"
#include "spawned/runtime.h"

/** Append it. Errors: NOMEM, TOOBIG. Context: any. */
SP_NODISCARD sp_err sp__http_metrics(struct sp_runtime *runtime, struct sp__buf *out) SP_NONNULL;

#endif
