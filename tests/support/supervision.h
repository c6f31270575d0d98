/* What the tests of supervision share: a runtime, a record of what happened, and a probe.
 *
 * A probe is a server with a one-letter tag that writes into the record what happens to it:
 *
 *     +a          its init succeeded           !a          its init failed or declined
 *     -a          it was shut down             -a(boom)    it ended for another reason
 *     a=7         it handled note 7
 *
 * so that a whole story is one string: "+a +b +c -b(boom) -c +b +c". A test waits for a part of
 * the record to appear, or for a process to end, never for time to pass.
 *
 * Threads: the record may be written by any; the rest is for the case's own thread, which
 * sv_begin() attaches to the runtime.
 */
#ifndef SP_TEST_SUPPORT_SUPERVISION_H
#define SP_TEST_SUPPORT_SUPERVISION_H

#include "spawned/supervisor.h"

/** Starts a runtime with two workers, and attaches the calling thread. */
void sv_begin(void);

/** Detaches and stops the runtime; fails the case if anything had to be killed. */
void sv_end(void);

/** Appends to the record, printf-like. Any process or thread. */
void sv_record(const char *format, ...) SP_PRINTF(1, 2);

/** Waits until the record has at least `count` events, and returns all of them, separated by
 *  spaces. Valid until the next call. */
const char *sv_events(size_t count);

/** Waits until `event` is in the record `times` times. */
void sv_await(const char *event, size_t times);

/** How often `event` is in the record now. */
size_t sv_count(const char *event);

/** Empties the record. */
void sv_clear(void);

/** The record is exactly this. */
#define CHECK_EVENTS(expected) CHECK_STR(sv_events(sv_words(expected)), expected)

/** Words in a text. */
size_t sv_words(const char *text);

/** All log lines so far, one a line. Valid until the next call. */
const char *sv_log(void);

/* ---- probes ---- */

/** What a probe does when told to. */
enum probe_action {
    PROBE_CRASH = 0,     /* exits with error `boom` */
    PROBE_SEGV,          /* writes to NULL */
    PROBE_NORMAL,        /* ends with normal */
    PROBE_SHUTDOWN,      /* ends with shutdown */
    PROBE_SHUTDOWN_WITH, /* ends with shutdown(done) */
    PROBE_UNLINK,        /* unlinks itself from its parent */
};

struct probe_args {
    char tag;
    /* What its first, second, ... start does; the last letter holds for all further ones.
     *   o   succeeds                     e   init returns SP_ERR_INVALID
     *   b   init exits with error boom   i   init declines
     *   f   init writes to NULL          g   waits at `gate`, then succeeds */
    const char *starts;
    sp_pid gate;           /* for g */
    sp_pid terminate_gate; /* not none: terminate waits at it */
};

struct probe_command {
    enum probe_action action;
};

struct probe_note {
    int number;
};

struct probe_pong {
    char tag;
    int starts; /* of this tag, so far */
};

SP_SERVER(probe, struct probe_args);
SP_CAST(probe, act, struct probe_command);
SP_CAST(probe, note, struct probe_note);
SP_CALL(probe, ping, sp_empty, struct probe_pong);

/** A trapping probe as a child: id and tag are `tag`. Ends with `terminate` on shutdown. */
struct sp_child_spec sv_child(const char *tag);

/** The same, starting as said; see probe_args. */
struct sp_child_spec sv_child_starting(const char *tag, const char *starts);

/** The arguments of such a child, to be changed before it is started. */
struct probe_args *sv_args(const struct sp_child_spec *child);

/** Starts an unlinked supervisor. */
sp_pid sv_supervisor(const struct sp_supervisor_spec *spec);

/** One child as the supervisor sees it. */
struct sp_child_info sv_child_info(sp_pid supervisor, const char *id);

/** The pid of a running child. */
sp_pid sv_child_pid(sp_pid supervisor, const char *id);

/** Asks until the child is in that state. */
void sv_await_status(sp_pid supervisor, const char *id, enum sp_child_status status);

/** Tells a process to do something. */
void sv_act(sp_pid probe, enum probe_action action);

/** Tells the child `id` to do something, and waits until that process has ended. */
void sv_end_child(sp_pid supervisor, const char *id, enum probe_action action);

/** Stops a process with shutdown and waits for it. */
void sv_stop(sp_pid pid);

/** Waits for the end of a process; its reason as text, valid until the next call. Watch it first
 *  with sv_watch(). */
const char *sv_reason(sp_monitor_ref ref);

/** Monitors. */
sp_monitor_ref sv_watch(sp_pid pid);

/** Live processes of the runtime. */
size_t sv_processes(void);

/** Waits until so many processes are alive: for what ends by itself, through links. */
void sv_await_processes(size_t count);

/* ---- gates: where processes wait for each other ---- */

struct gate_args {
    unsigned count; /* it opens when so many wait; 0: when told to */
};

struct gate_waiting {
    unsigned count;
};

SP_SERVER(gate, struct gate_args);
SP_CALL(gate, pass, sp_empty, sp_empty);
SP_CALL(gate, waiting, sp_empty, struct gate_waiting);
SP_CAST(gate, open, sp_empty);

/** Starts one that opens for `count` at once, or (0) by sv_gate_open(). */
sp_pid sv_gate(unsigned count);
/** Waits at it. Any process. */
void sv_gate_pass(sp_pid gate);
/** Waits until `count` processes wait at it. */
void sv_gate_await(sp_pid gate, unsigned count);
/** Lets all pass, now and later. */
void sv_gate_open(sp_pid gate);

#endif
