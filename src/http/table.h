/* Reading the process table: those that match, the first n in an order.
 *
 * One walk over the table with a heap of what may be shown, so that a million processes need no
 * more memory than the page; nothing is stopped for it. Each row is as the process was at one moment.
 *
 * Threads: the endpoint's. Neighbours: api_processes.c, api_graph.c.
 */
#ifndef SPAWNED_HTTP_TABLE_H
#define SPAWNED_HTTP_TABLE_H

#include "http/json.h"
#include "spawned/process.h"

/** What rows are ordered by. */
enum sp__http_sort {
    SP__HTTP_SORT_PID, /* place in the table */
    SP__HTTP_SORT_NAME,
    SP__HTTP_SORT_MAILBOX,
    SP__HTTP_SORT_MEMORY,
    SP__HTTP_SORT_HANDLED,
    SP__HTTP_SORT_UPTIME,
    SP__HTTP_SORT_LINKS,
    SP__HTTP_SORT_WEIGHT, /* what a tree is made of first: named or trapping exits; then the oldest */
};

/** offset + limit at most; any offset where the order is that of the table. */
enum { SP__HTTP_TABLE_MAX = 10000 };

struct sp__http_query {
    enum sp__http_sort sort;
    bool descending;
    size_t offset;
    size_t limit;
    const char *search; /* part of name, label or pid; NULL: all */
    int status;         /* enum sp_process_status, or -1: all */
};

struct sp__http_table {
    struct sp_process_info *rows; /* NULL: none */
    size_t count;
    uint64_t total;
    uint64_t matched;
};

/** Errors: NOMEM. Ownership: the caller finishes `out`, also on failure. Context: an attached
 *  thread. */
SP_NODISCARD sp_err sp__http_table_read(const struct sp__http_query *query,
                                        struct sp__http_table *out) SP_NONNULL;
void sp__http_table_finish(struct sp__http_table *table) SP_NONNULL;

/** The members of a process. */
void sp__http_table_members(struct sp__json *json, const struct sp_process_info *info) SP_NONNULL;

/** Its word. */
const char *sp__http_status_text(enum sp_process_status status);

#endif
