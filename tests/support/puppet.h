/* A runtime for a case, and processes that do what the case tells them, when it tells them.
 *
 *     world_open(NULL);
 *     sp_pid b = puppet_start(&(struct sp_spawn_options){ .trap_exit = true });
 *     puppet_do(b, link_to, &a);          // runs link_to(&a) in b, returns when it has
 *     puppet_exit(a, "boom");             // a ends with error "boom"
 *     puppet_expect_exit(b, a, "boom");   // the next message in b's mailbox is that notice
 *     world_close();
 *
 * A puppet takes only its orders out of its mailbox, in order; whatever else arrives stays
 * there for the case to look at. Nothing here sleeps: an order is answered when it is done,
 * and waits end with a failure after WORLD_PATIENCE. The case itself is a process too (its
 * thread is attached), so it can monitor, link and receive.
 *
 * Threads: each function in the case's thread, but puppet_order functions run in the puppet.
 */
#ifndef SP_TEST_SUPPORT_PUPPET_H
#define SP_TEST_SUPPORT_PUPPET_H

#include "spawned/spawned.h"
#include "support/test.h"

/** After this a wait has failed: a guard only. */
#define WORLD_PATIENCE sp_after_sec(60)

/** Start a runtime of two workers (or as `options` says) and attach this thread to it. */
void world_open(const struct sp_runtime_options *options);
/** Detach and stop it; every process must end on the shutdown signal, or after its kill. */
void world_close(void);
/** The runtime of world_open(). */
struct sp_runtime *world_runtime(void);

/** What a puppet can be told to do. */
typedef void (*puppet_order_fn)(void *arg);

/** Start a puppet. `options` may be NULL. */
sp_pid puppet_start(const struct sp_spawn_options *options);
/** Run `fn(arg)` in the puppet and return when it has returned. */
void puppet_do(sp_pid puppet, puppet_order_fn fn, void *arg);
/** Tell it to, and do not wait. `arg` must live until it is done. */
void puppet_tell(sp_pid puppet, puppet_order_fn fn, void *arg);
/** It ends with error(SP_OK, text); NULL: it returns. Waits until it is gone. */
void puppet_exit(sp_pid puppet, const char *text);
/** Messages and notices in its mailbox that are no orders. */
size_t puppet_mailbox(sp_pid puppet);
/** Link `puppet` with `pid`; the result of sp_link(). */
sp_err puppet_link(sp_pid puppet, sp_pid pid);
/** Its oldest message that is no order is an EXIT notice of `pid` with that text; takes it. */
void puppet_expect_exit(sp_pid puppet, sp_pid pid, const char *text);
/** It is alive and nothing but this order is in its mailbox. */
void puppet_expect_quiet(sp_pid puppet);

/** Messages and notices in this process's mailbox that are no orders. */
size_t queued(void);
/** The next message of this process. */
struct sp_message *expect_message(void);
/** It is a DOWN with that reference, pid and text. */
void expect_down(sp_monitor_ref ref, sp_pid pid, const char *text);
/** It is an EXIT notice with that pid and text. */
void expect_exit(sp_pid pid, const char *text);
/** This process's mailbox is empty. */
void expect_nothing(void);
/** Monitors, waits for the end and compares the reason's text. */
void expect_death(sp_pid pid, const char *text);
/** Waits until the process is gone. */
void wait_gone(sp_pid pid);
/** A pid that was alive once. */
sp_pid dead_pid(void);

/** A number and who sends it: what cases send each other. */
struct note {
    int64_t number;
    sp_pid from;
};
SP_MESSAGE(note, struct note);

/** Send a note from this process. */
void send_note(sp_pid to, int64_t number);
/** The next message is a note; its number. */
int64_t expect_note(void);

#endif
