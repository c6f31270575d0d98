/* Whom a process is tied to: links, monitors, watchers, as pids.
 *
 * Read under the process's lock, for an instant; what is told is how it was then.
 *
 * Threads: the endpoint's, attached. Neighbours: process/relation.h; api_processes.c, api_graph.c.
 */
#ifndef SPAWNED_HTTP_RELATIONS_H
#define SPAWNED_HTTP_RELATIONS_H

#include "spawned/err.h"
#include "spawned/pid.h"

/** Pids of one list at most; more are counted by sp_process_info(), not listed. */
enum { SP__HTTP_RELATIONS_MAX = 100 };

enum sp__http_relation {
    SP__HTTP_LINKS,
    SP__HTTP_MONITORS, /* that it holds */
    SP__HTTP_WATCHERS, /* that hold it */
};

/** Fills `pids` and returns how many; none where it has ended. Context: an attached thread. */
size_t sp__http_relations_read(sp_pid pid, enum sp__http_relation which,
                               sp_pid pids[SP__HTTP_RELATIONS_MAX]) SP_NONNULL;

#endif
