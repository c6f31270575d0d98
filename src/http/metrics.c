/* /metrics: all metrics as text, in the format that is asked for. See request.h.
 *
 * Source: Prometheus, Exposition formats, 0.0.4; OpenMetrics 1.0: a scraper names what it takes in `Accept`.
 */
#include "http/metrics.h"

#include <string.h>

struct metrics_text {
    struct sp__buf *out;
    sp_err err;
};

static bool metrics_append(void *arg, const char *text, size_t size)
{
    struct metrics_text *to = arg;
    to->err = sp__buf_append(to->out, text, size);
    return to->err == SP_OK;
}

enum sp_metrics_format sp__http_metrics_format(const char *accept)
{
    return accept != NULL && strstr(accept, "application/openmetrics-text") != NULL
               ? SP_METRICS_OPENMETRICS
               : SP_METRICS_PROMETHEUS;
}

const char *sp__http_metrics_type(enum sp_metrics_format format)
{
    return format == SP_METRICS_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

sp_err sp__http_metrics(struct sp_runtime *runtime, enum sp_metrics_format format,
                        struct sp__buf *out)
{
    struct metrics_text to = { .out = out, .err = SP_OK };
    sp_err err = sp_metrics_write(runtime, format, metrics_append, &to);
    return to.err != SP_OK ? to.err : err;
}
