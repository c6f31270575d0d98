/* Reading what strangers send: numbers, pids, paths, the name in a Host. Nothing here looks beyond
 * the 0 of its text, or allocates.
 *
 * Threads: none of its own. Neighbours: request.c, guard.c; fuzz/http_fuzz.c feeds it.
 */
#ifndef SPAWNED_HTTP_PARSE_H
#define SPAWNED_HTTP_PARSE_H

#include "spawned/pid.h"

/** Reads decimal digits, and goes on behind them. False: there are none, or the number is over
 *  `max`. Context: any. */
bool sp__http_parse_number(const char **text, uint64_t max, uint64_t *out) SP_NONNULL;

/** Reads "0.17.4", and goes on behind it. Context: any. */
bool sp__http_parse_pid(const char **text, sp_pid *out_pid) SP_NONNULL;

/** Is `path` what `pattern` describes, in which `*` stands for a pid? Context: any. */
bool sp__http_parse_path(const char *pattern, const char *path, sp_pid *out_pid) SP_NONNULL;

/** Cuts the port off a Host, and the brackets of an IPv6 address: `host` is changed, `*out_name` is
 *  in it. False: it is not well formed. Context: any. */
bool sp__http_parse_host(char *host, char **out_name) SP_NONNULL;

/** Is `origin` a page of this host, which is as in a Host? Context: any. */
bool sp__http_parse_origin(const char *origin, const char *host) SP_NONNULL;

#endif
