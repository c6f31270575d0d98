/* How a process is scheduled, and the deadline of its handlers.
 *
 * Throughput and priority are two fields of the actor. The rest needs a record, made at first use
 * and kept in `extra`: then SP__ATTEND_SCHEDULE is set, and a server's turn asks between its
 * messages; those without a record pay nothing.
 *
 *   begin -> handler runs -> between            owner
 *              timer at began + deadline        whoever fires it: acts where the handler still runs
 *
 * The timer stays armed when a handler returns: the next one finds it earlier than its own deadline,
 * and it arms itself again when it fires too early. So a handler costs a look at the clock and a
 * lock that nobody else wants.
 *
 * Invariants: what the owner and the timer share is under the record's lock; a record that has left
 * arms no timer any more, and stays until the process's slot is retired.
 * Threads: as said. Neighbours: behaviour/server.c asks, exit.c leaves, runtime/actor.h.
 */
#ifndef SPAWNED_PROCESS_SCHEDULING_H
#define SPAWNED_PROCESS_SCHEDULING_H

#include "process/process.h"
#include "spawned/scheduling.h"

struct sp__schedule {
    struct sp__timer_entry timer;
    struct sp_process *process;
    struct sp_scheduling set; /* owner; changed under the lock, by which the timer reads it */
    int64_t turn_since;       /* owner */
    int64_t told_ns;          /* owner: when a slow handler was told last; 0: never */
    uint64_t omitted;         /* owner */
    struct sp__lock lock;
    bool left SP__GUARDED_BY(lock);
    bool armed SP__GUARDED_BY(lock);
    bool running SP__GUARDED_BY(lock);
    bool overran SP__GUARDED_BY(lock);   /* this handler was late, and that was acted upon */
    bool cancelled SP__GUARDED_BY(lock); /* and so cancelled */
    bool giving_up SP__GUARDED_BY(lock); /* somebody gives the process up, */
    bool given_up SP__GUARDED_BY(lock);  /* and has done so */
    int64_t began SP__GUARDED_BY(lock);
    const char *operation SP__GUARDED_BY(lock);
};

/** Is it valid for processes of this behaviour? Errors: INVALID, NOTSUP. Context: any. */
SP_NODISCARD sp_err sp__schedule_check(const struct sp_scheduling *scheduling,
                                       const struct sp__behaviour *behaviour) SP_NONNULL;

/** Schedule `process` so, which was checked.
 *  Errors: NOMEM. Context: the owner, or who makes it and alone knows of it. */
SP_NODISCARD sp_err sp__schedule_set(struct sp_process *process,
                                     const struct sp_scheduling *scheduling) SP_NONNULL;

/** A handler begins. Context: the owner, with SP__ATTEND_SCHEDULE. */
void sp__schedule_begin(struct sp_process *self, const char *operation) SP_NONNULL;

/** It has ended, where one had begun. May run the user's on_slow. Context: as above. */
void sp__schedule_end(struct sp_process *self) SP_NONNULL;

/** The slow half of sp__schedule_enter(). */
bool sp__schedule_enter_alone(struct sp_process *self, const char *operation) SP_NONNULL;

/** A callback that is for no message begins, which `operation` names for good. True: it is measured,
 *  and ends with sp__schedule_exit(). Inside a handler it is a part of that. Context: the owner. */
static inline bool sp__schedule_enter(struct sp_process *self, const char *operation)
{
    return (self->attention & SP__ATTEND_SCHEDULE) != 0 &&
           sp__schedule_enter_alone(self, operation);
}

/** It has ended; where it was to be stopped, so does the process. Context: as above. */
void sp__schedule_exit(struct sp_process *self) SP_NONNULL;

/** Is what runs late, and to be stopped? Context: the owner, with a record or without. */
bool sp__schedule_stops(struct sp_process *self) SP_NONNULL;

/** The exit begins, or goes on: what ran is over, the next callback of the exit may begin. Context: the owner, with
 *  SP__ATTEND_SCHEDULE. */
void sp__schedule_break(struct sp_process *self) SP_NONNULL;

/** Between two messages, or at the begin of a turn (`fresh`). True: the process's own slice is over.
 *  Context: as above. */
bool sp__schedule_between(struct sp_process *self, bool fresh) SP_NONNULL;

/** The process ends: no deadline any more. Context: the owner, with SP__ATTEND_SCHEDULE. */
void sp__schedule_leave(struct sp_process *self) SP_NONNULL;

#endif
