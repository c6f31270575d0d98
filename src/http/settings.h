/* The options of an endpoint, checked and copied.
 *
 * Threads: made before the endpoint's thread starts, constant from then on.
 * Neighbours: endpoint.c makes them, guard.c and thread.c read them.
 */
#ifndef SPAWNED_HTTP_SETTINGS_H
#define SPAWNED_HTTP_SETTINGS_H

#include "spawned/http.h"

enum { SP__HTTP_PROGRAM_MAX = 63 };

struct sp__http_settings {
    struct sp_io_error *out_error;     /* or NULL */
    sp_address address;                /* family NONE: only the next */
    sp_address local;                  /* Unix-domain; family NONE: only the one before */
    char token[SP_HTTP_TOKEN_MAX + 1]; /* empty: none */
    char hosts[SP_HTTP_HOSTS_MAX][SP_HOST_MAX + 1];
    size_t host_count;
    bool control;
    char program[SP__HTTP_PROGRAM_MAX + 1];
    bool (*ready)(void *arg);
    void *ready_arg;
    uint32_t connections_max;
    int64_t request_ns;
};

/** Errors: INVALID; `out` is then not to be used. Context: any. */
SP_NODISCARD sp_err sp__http_settings_read(const struct sp_http_options *options,
                                           struct sp__http_settings *out) SP_NONNULL;

#endif
