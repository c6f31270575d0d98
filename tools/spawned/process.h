/* A process as the node describes it: found by pid or name, shown as a row.
 *
 * Neighbours: ps.c, top.c, info.c, kill.c, tree.c.
 */
#ifndef SPAWNED_TOOL_PROCESS_H
#define SPAWNED_TOOL_PROCESS_H

#include "client.h"

enum { PROCESS_PID_MAX = 64, PROCESS_PATH_MAX = 512 };

/** What the node says about the process that `target` names: "0.17.4", "<0.17.4>" or a registered name.
 *  Errors: NOTFOUND and the client's. Ownership: the caller's, json_decref(). */
enum status process_find(struct client *client, const char *target, json_t **out_process);

/** The pid of `target`; of one that is given as a pid it is not asked whether it lives. Errors: as above. */
enum status process_pid(struct client *client, const char *target, char out[PROCESS_PID_MAX]);

/** "/api/processes?..." for the options' order and filters; `limit` and `offset` are put behind.
 *  Errors: USAGE (too long). */
enum status process_query(struct client *client, const struct options *options, const char *sort,
                          char out[PROCESS_PATH_MAX]);

/** The heading of rows of `columns` columns; 0: as many as it takes. Without the end of the line. */
void process_heading(size_t columns, const char *extra);
/** A row. `extra` is its last column before the uptime. */
void process_row(const json_t *process, size_t columns, const char *extra);

/** What a row tells of what it did, where nobody counts by the second: how many messages it handled, or by `sort`
 *  "busy" (NULL: another) how long that took. */
const char *process_done_title(const char *sort);
const char *process_done(const json_t *process, const char *sort, char out[24]);

/** A colour that tells how it is. */
enum print_color process_color(const json_t *process);

#endif
