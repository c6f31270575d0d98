/* The process table as the endpoint tells it: pages of rows, and a row's members.
 *
 * What a page is made of is spawned/inspect.h's; here is the order `pid`, forwards and backwards
 * from any place, with the number of all that match.
 *
 * Threads: the endpoint's. Neighbours: api_processes.c, api_graph.c, observe/page.c.
 */
#ifndef SPAWNED_HTTP_TABLE_H
#define SPAWNED_HTTP_TABLE_H

#include "http/json.h"
#include "spawned/inspect.h"

/** offset + limit at most; any offset where the order is that of the table. */
enum { SP__HTTP_TABLE_MAX = SP_INSPECT_SORTED_MAX };

struct sp__http_table {
    struct sp_inspect *rows; /* NULL: none */
    size_t count;
    uint64_t total;
    uint64_t matched;
};

/** Read a page of `limit` rows. In the order of the table `query->descending` may be set, too, and
 *  `matched` counts all that match.
 *  Errors: NOMEM. Ownership: the caller finishes `out`, also on failure. Context: an attached
 *  thread. */
SP_NODISCARD sp_err sp__http_table_read(const struct sp_inspect_query *query, size_t limit,
                                        struct sp__http_table *out) SP_NONNULL;
void sp__http_table_finish(struct sp__http_table *table) SP_NONNULL;

/** The members of a process. */
void sp__http_table_members(struct sp__json *json, const struct sp_inspect *row) SP_NONNULL;

/** Their words. */
const char *sp__http_status_text(enum sp_process_status status);
const char *sp__http_kind_text(enum sp_process_kind kind);

#endif
