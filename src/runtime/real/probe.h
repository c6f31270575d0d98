/* What can be told of a thread from outside: its time, its state, its stack, its priority.
 *
 * The stack comes from a signal to the thread, whose handler walks its frames: a realtime
 * signal that nobody else uses, chosen by the first runtime. A sleeping system call of the
 * thread would end with EINTR, so only threads that compute are asked.
 *
 * Threads: as marked. Neighbours: handoff.c, fault.h (the walk). Source: proc(5), sched(7).
 */
#ifndef SPAWNED_RUNTIME_REAL_PROBE_H
#define SPAWNED_RUNTIME_REAL_PROBE_H

#include "spawned/err.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

enum { SP__PROBE_FRAMES_MAX = 16 };

/** A thread, for those who look at it. It must not end meanwhile. */
struct sp__thread_id {
    pid_t tid;
    clockid_t cpu; /* the time it used */
};

/** A request for the frames of a thread, and the answer. */
struct sp__probe {
    _Atomic uint32_t wanted; /* number of the request */
    _Atomic uint32_t done;   /* that was answered last */
    int count;
    void *frames[SP__PROBE_FRAMES_MAX]; /* innermost first */
};

/** How a thread was scheduled before it was demoted. */
struct sp__priority {
    bool demoted;
    bool nice_only; /* SCHED_IDLE was refused */
    int policy;
    int level; /* of SCHED_FIFO and SCHED_RR */
    int nice;
};

/** Choose the signal and install its handler, once per runtime. Without a free signal there are
 *  no stacks. Context: startup. */
void sp__probe_install(void);

/** Undo one install. Context: the runtime's end. */
void sp__probe_uninstall(void);

/** Let the calling thread be asked, and fill `out_id`. Context: startup of the thread. */
void sp__probe_thread_start(struct sp__thread_id *out_id);

/** Time the thread used on processors. Units: nanoseconds. Context: any. */
int64_t sp__thread_cpu_ns(const struct sp__thread_id *id);

/** Does it sleep in the system? True also where the system does not tell. Context: any. */
bool sp__thread_sleeps(const struct sp__thread_id *id);

/** Ask for its frames and wait up to `timeout_ns`. True: they are in `probe`. Context: one at a
 *  time. */
bool sp__probe_ask(struct sp__probe *probe, const struct sp__thread_id *id, int64_t timeout_ns);

/** "name+0x12 (module)", or as much of it as is known. Context: any. */
void sp__probe_frame_text(const void *frame, char *out, size_t size);

/** Give it what processors are left over with. Context: any. */
void sp__thread_demote(const struct sp__thread_id *id, struct sp__priority *out_before);

/** Undo it. False: the system refuses, and it stays. Context: the thread. */
bool sp__thread_promote(struct sp__priority *before);

#endif
