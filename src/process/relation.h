/* Relations: links, monitors, watchers and timers of a process.
 *
 * A link is two entries, one in each map, each with the signal that will tell its owner. A
 * monitor is one object: in the map of the watcher, and on the list of the watched.
 *
 * Invariants, with both locks held: A has a link to B iff B has one to A; a monitor is in
 * the map iff it is on the list. A process that ends takes its relations apart one by one,
 * under both locks, pushing the signal while it holds them: so whoever unlinks or
 * demonitors sees either the relation or the signal. When none is left it sets `closed`
 * under its lock: so whoever is refused a relation comes after all of the end.
 *
 * Threads: any, under the locks. Neighbours: signal.h, exit.c.
 */
#ifndef SPAWNED_PROCESS_RELATION_H
#define SPAWNED_PROCESS_RELATION_H

#include "process/signal.h"

struct sp__pending_slot;

/** One half of a link: owner's entry for `peer`. */
struct sp__link {
    struct sp__process_signal signal; /* first; tells the owner that the peer ended */
    struct sp_process *peer;
    sp_pid peer_pid;
};

struct sp__monitor {
    struct sp__process_signal signal; /* first; tells the watcher */
    uint64_t id;
    struct sp_process *watcher;
    struct sp_process *target;       /* NULL: there was none, only the signal is left */
    struct sp_message *down;         /* the notice, made ready */
    struct sp__pending_slot *joiner; /* told instead of the mailbox, or NULL; of a join: on the
                                        owner's stack, and its `pending` */
    char *name;                      /* monitored by name, or NULL */
    struct sp__list link;            /* target's watchers */
};

struct sp__relations {
    struct sp__map links;     /* key of the peer's pid -> struct sp__link */
    struct sp__map monitors;  /* id -> struct sp__monitor, that this process holds */
    struct sp__list watchers; /* struct sp__monitor.link, that others hold on this one */
    uint32_t watcher_count;
    uint32_t timers; /* the newest that will send to this process: number + 1, or 0 */
    uint32_t timer_count;
};

/** Lock two processes (may be the same). */
void sp__relation_lock2(struct sp_process *a, struct sp_process *b) SP_NONNULL;
void sp__relation_unlock2(struct sp_process *a, struct sp_process *b) SP_NONNULL;

/** Link two processes. Errors: NOPROC (`b` is closed), NOMEM. Linked already: SP_OK.
 *  Context: `a` is the owner's; inside an epoch section. */
SP_NODISCARD sp_err sp__relation_link(struct sp_process *a, struct sp_process *b) SP_NONNULL;

/** Undo the link of two processes, where there is one; nobody is told.
 *  Context: inside an epoch section, or `a` the owner's and `b` not running yet. */
void sp__relation_unlink(struct sp_process *a, struct sp_process *b) SP_NONNULL;

/** Has it a link to `peer`? Context: any, inside an epoch section. */
bool sp__relation_linked(struct sp_process *process, sp_pid peer) SP_NONNULL;

/** Monitor `target` (NULL: there is none, DOWN comes at once). `name`, `joiner` may be NULL.
 *  Errors: NOMEM. Context: `watcher` is the owner's; inside an epoch section. */
SP_NODISCARD sp_err sp__relation_monitor(struct sp_process *watcher, struct sp_process *target,
                                         sp_pid target_pid, const char *name,
                                         struct sp__pending_slot *joiner, uint64_t *out_id)
    SP_NONNULL_ARGS(1, 6);

/** End a monitor of the running process. True: it was active. Context: the owner. */
bool sp__relation_demonitor(struct sp_process *self, uint64_t id) SP_NONNULL;

/** Take all apart, tell everybody, and close it. Context: the owner, at its end. */
void sp__relation_tell(struct sp_process *self, sp_pid pid, const struct sp_reason *reason)
    SP_NONNULL;

/** Free the signal of a link or a monitor that was told. */
void sp__link_free(struct sp__link *link) SP_NONNULL;
void sp__monitor_free(struct sp__monitor *monitor) SP_NONNULL;

#endif
