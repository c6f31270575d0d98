/* Servers for tests of servers: a lab that does what its operations say, and a gate that
 * holds whoever calls it until it is opened.
 *
 *     gate_ref gate = gate_open_world();              // tells this process who arrives
 *     lab_ref lab = lab_begin(&(struct lab_args){ .gate = gate });
 *     lab_wait_cast(lab);                             // its handler now waits at the gate
 *     CHECK_INT(expect_note(), GATE_ARRIVED);         // and it is there by now
 *     gate_open(gate, &(sp_empty){ 0 });              // it goes on
 *
 * Threads: as puppet.h.
 */
#ifndef SP_TEST_SUPPORT_LAB_H
#define SP_TEST_SUPPORT_LAB_H

#include "support/puppet.h"

/* ---- gate ---- */

SP_SERVER(gate, sp_pid);
/** Returns when the gate is open. */
SP_CALL(gate, pass, sp_empty, sp_empty);
/** Opens it for good. */
SP_CAST(gate, open, sp_empty);

/** What the gate sends to the process it was started with, for each call that has to wait. */
#define GATE_ARRIVED INT64_C(-1000)

/** A closed gate that reports to this process. */
gate_ref gate_begin(void);

/* ---- lab ---- */

/** What the init of a lab does. */
enum lab_init_how {
    LAB_STARTS = 0,
    LAB_FAILS, /* returns `init_err` */
    LAB_EXITS, /* with error "init boom" */
    LAB_FAULTS,
    LAB_WAITS, /* for the end of `waits_for`, then starts */
};

struct lab_args {
    enum lab_init_how how;
    sp_err init_err;
    sp_pid reports_to; /* gets a farewell from terminate, and notes */
    gate_ref gate;
    sp_pid waits_for;
    bool continues;       /* calls sp_server_continue() */
    bool terminate_waits; /* terminate waits at the gate */
    bool terminate_faults;
    sp_duration idle_after;
};

SP_SERVER(lab, struct lab_args);
/** Adds and returns the sum. */
SP_CALL(lab, add, int64_t, int64_t);
/** Returns the error it is given. */
SP_CALL(lab, fail, sp_err, int64_t);
/** Reports LAB_WAITING, and answers when the process in the argument has ended: not a call, which
 *  would end with this one's deadline. */
SP_CALL(lab, wait, sp_pid, int64_t);
/** Waits at the gate, without an answer. */
SP_CAST(lab, wait_cast, sp_empty);
/** Ends with error `boom`. */
SP_CALL(lab, crash, sp_empty, sp_empty);
/** Writes where nothing is. */
SP_CALL(lab, fault, sp_empty, sp_empty);
/** Stops itself with error `enough` and returns the sum. */
SP_CALL(lab, leave, sp_empty, int64_t);
/** Takes its request and sends it to the process in the argument. */
SP_CALL(lab, defer, sp_pid, int64_t);
/** Calls itself; the error it gets. */
SP_CALL(lab, self_call, sp_empty, sp_err);
/** Tries to receive; the error it gets. */
SP_CALL(lab, receive, sp_empty, sp_err);
/** Who calls? */
SP_CALL(lab, caller, sp_empty, sp_pid);
/** Sends the number to `reports_to`. */
SP_CAST(lab, report, int64_t);
/** Links with, or monitors, that process. */
SP_CALL(lab, link, sp_pid, sp_empty);
SP_CALL(lab, watch, sp_pid, sp_empty);
/** Calls on_timeout after that much of silence. */
SP_CALL(lab, idle, sp_duration, sp_empty);

/** A request that somebody else will answer. */
SP_MESSAGE(lab_request, sp_request);

/** What terminate reports. */
struct farewell {
    char text[64]; /* of the reason */
};
SP_MESSAGE(farewell, struct farewell);

/* Numbers of the notes that a lab sends to `reports_to`. */
#define LAB_WAITING INT64_C(-1999)
#define LAB_CONTINUED INT64_C(-2000)
#define LAB_TIMED_OUT INT64_C(-2001)
#define LAB_DOWN INT64_C(-2002)
#define LAB_EXIT INT64_C(-2003)
#define LAB_MESSAGE INT64_C(-2004)

/** A lab that reports to this process; `args` and `options` may be NULL. */
lab_ref lab_begin(const struct lab_args *args, const struct sp_server_options *options);
/** The next message is its farewell, with that reason. */
void expect_farewell(const char *text);

#endif
