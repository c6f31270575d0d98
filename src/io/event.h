/* Events: what happens outside, told to a process between two of its messages.
 *
 *   arm ──> source (poller, timer) fires ──> callback posted ──> run, in the process
 *
 * A source is on another thread. Between its decision to fire and its last access to the
 * event lie some instructions, so the process may free the event only when the source either
 * was stopped in time or has said that it is done (`fired`). It waits for those instructions,
 * never for anything longer.
 *
 * Invariants: an event is armed on at most one source at a time, and posted by its own
 * process only while it is not armed. Every arm leads to one run or is stopped.
 *
 * Threads: sp__event_fire() by the source; the rest by the process that owns the event.
 * Neighbours: process/callback.h, runtime/io.h, runtime/timers.h; attach.c, serve.c.
 */
#ifndef SPAWNED_IO_EVENT_H
#define SPAWNED_IO_EVENT_H

#include "process/callback.h"
#include "runtime/io.h"
#include "runtime/timers.h"

struct sp__event {
    struct sp__callback callback;
    struct sp_process *process;
    void (*run)(struct sp__event *event);
    _Atomic bool fired; /* the source that fired does not touch the event any more */
    bool armed;         /* a source may fire, or has, and the run is still to come */
};

/** An event of the running process. `anytime`: run also while a handler is suspended; it may
 *  then not suspend, nor run code of the user.
 *  Errors: NOMEM. Context: process. */
SP_NODISCARD sp_err sp__event_init(struct sp__event *event, struct sp_process *self,
                                   void (*run)(struct sp__event *event), bool anytime) SP_NONNULL;

/** A source fires. Context: any with a context, inside an epoch section; the event is armed. */
void sp__event_fire(struct sp__event *event) SP_NONNULL;

/** Run without a source, soon. Does nothing when a run is coming anyway. Context: its process. */
void sp__event_post(struct sp__event *event) SP_NONNULL;

/* ---- a direction of a socket ---- */

struct sp__io_event {
    struct sp__io_waiter waiter; /* first */
    struct sp__event event;
    const struct sp__io_ops *ops;
    struct sp__io *io;
    enum sp__io_way way;
};

/** Errors: NOMEM. Context: process. */
SP_NODISCARD sp_err sp__io_event_init(struct sp__io_event *event, struct sp_process *self,
                                      struct sp__io *io, enum sp__io_way way,
                                      void (*run)(struct sp__event *event)) SP_NONNULL;

/** Wait for a direction that was found not ready. False: it is ready now. Context: its process. */
SP_NODISCARD bool sp__io_event_arm(struct sp__io_event *event) SP_NONNULL;

/** Neither armed nor posted afterwards, so it can be freed. Context: its process. */
void sp__io_event_stop(struct sp__io_event *event) SP_NONNULL;

/* ---- an instant ---- */

struct sp__time_event {
    struct sp__timer_entry entry; /* first */
    struct sp__event event;
};

/** Errors: NOMEM. Context: process. */
SP_NODISCARD sp_err sp__time_event_init(struct sp__time_event *event, struct sp_process *self,
                                        void (*run)(struct sp__event *event)) SP_NONNULL;

/** Run at `at_ns`; it is not armed. Context: its process. */
void sp__time_event_arm(struct sp__time_event *event, int64_t at_ns) SP_NONNULL;

/** Neither armed nor posted afterwards. Context: its process. */
void sp__time_event_stop(struct sp__time_event *event) SP_NONNULL;

#endif
