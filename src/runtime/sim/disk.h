/* The disk of a simulated machine: files in memory, which outlive the node.
 *
 *   names now        path ─> node ─ bytes: what readers see
 *   names that last  path ─┘        synced: what is there after a loss of power
 *
 * A name comes into the second list when its folder is synced, bytes into the second place when
 * their file is. So what a loss of power may take is known at any time: all that differs.
 *
 * Invariants: both lists are sorted by the bytes of the paths, each path once; a node lives while a
 * name or an open file refers to it.
 *
 * Threads: the world's. Neighbours: runtime/file.h, host.h.
 */
#ifndef SPAWNED_RUNTIME_SIM_DISK_H
#define SPAWNED_RUNTIME_SIM_DISK_H

#include "runtime/file.h"

struct sp__disk;

/** Files of the simulated machine that the runtime's node runs on. */
extern const struct sp__file_ops sp__file_sim;

/** The power is gone: what was not synced is lost, all of it. Open files are closed with the
 *  programs that had them, before. NULL: a machine that never had files. Context: any. */
void sp__disk_lose(struct sp__disk *disk);

/** Free it; NULL does nothing. Context: any. */
void sp__disk_destroy(struct sp__disk *moved_disk);

#endif
