/* The hook of a server: what stands between its mailbox and its operations.
 *
 * For behaviours built on servers that decide themselves which event is handled when, such
 * as state machines: they get each message instead of the class's callbacks, may keep it,
 * and hand it back for handling later. Everything else stays the server's: signals, stop,
 * deadlines, replies, faults.
 *
 * Threads: the server's process. Neighbours: server.c (implements), statem.c (uses).
 */
#ifndef SPAWNED_BEHAVIOUR_SERVER_HOOK_H
#define SPAWNED_BEHAVIOUR_SERVER_HOOK_H

#include "spawned/server.h"

struct sp__server_hook {
    /** Zeroed bytes behind the state, aligned to 16, handed to all functions below. */
    size_t extra_size;
    /** Instead of the class's init; same results. */
    sp_err (*init)(void *extra, const struct sp_server_class *server_class, void *state,
                   const void *args);
    /** Instead of the operations and callbacks, for every message that would be handled. */
    void (*dispatch)(void *extra, struct sp_message *moved_message);
    /** One event that goes before the next message; called until it returns false (it did
     *  nothing), with a look at the control lane in between. */
    bool (*step)(void *extra);
    /** NULL, or before a callback that does not come through dispatch(); may suspend. */
    void (*alone)(void *extra);
    /** NULL, or at the beginning of the exit, before anything of the server's own goes; `at_once`: it
     *  was killed. May suspend. Also where init has failed, or was not reached. */
    void (*quiesce)(void *extra, bool at_once);
    /** Once, on every way out, after terminate and deferred functions; may not suspend. */
    void (*finish)(void *extra);
    /** dispatch() gets operations of other classes, too; else those are refused before it. */
    bool any_operation;
};

/** `extra` of the running server if its class has this hook, else NULL. */
void *sp__server_extra(const struct sp__server_hook *hook) SP_NONNULL;

/** What handles a message: `out` is a zeroed reply for calls, NULL for others. The result
 *  answers a call unless it was taken or kept. */
typedef sp_err (*sp__server_run_fn)(void *arg, struct sp_message *message, void *out);

enum sp__server_handled {
    SP__HANDLED_DONE,
    SP__HANDLED_KEPT,    /* sp__server_keep() was called: the message is the hook's again */
    SP__HANDLED_SKIPPED, /* a call whose caller has given up; freed */
};

/** Handle a message as the server does. Ownership: takes it unless the result is KEPT. */
enum sp__server_handled sp__server_handle(struct sp_message *moved_message, sp__server_run_fn run,
                                          void *arg) SP_NONNULL_ARGS(1, 2);

/** Inside run: neither answer nor free it. False: its request was taken already. */
bool sp__server_keep(void);

/** Was sp_server_stop_self() called? */
bool sp__server_stopping(void);

/** The class's own handling of a message, as a run function (arg unused). */
sp_err sp__server_default_run(void *arg, struct sp_message *message, void *out);

#endif
