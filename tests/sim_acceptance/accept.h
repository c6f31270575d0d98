/* What the acceptance cases of this folder share: a node that must end with nothing left.
 *
 * Each case is a small program whose outcome must be right under every schedule. Its main
 * function runs in the process "main", which traps exits. When it returns, whoever is left is
 * killed, and then the books must balance: every message handled, dead or dropped, no process,
 * name, group or timer left (accept_close()). A case that allows no orphans says so itself, with
 * accept_alone().
 *
 * Between two points nothing else runs, so a case may keep a model in static variables next to
 * what it does, and compare. Neighbours: spawned/sim.h.
 */
#ifndef SPAWNED_TESTS_ACCEPT_H
#define SPAWNED_TESTS_ACCEPT_H

#include <spawned/sim.h>
#include <spawned/spawned.h>

#include <string.h>

/** Must hold whenever control comes here. */
#define EXPECT(condition) ((condition) ? (void)0 : accept_failed(#condition, __FILE__, __LINE__))

/** The test `name`: `main_fn(NULL)` on a node of its own. The rest are options of
 *  SP_SIM_TEST(). */
#define ACCEPT(name, main_fn, ...) \
    SP_SIM_TEST(name, __VA_ARGS__) \
    {                              \
        accept_run(s, main_fn);    \
    }                              \
    struct name##_is_an_acceptance_case

/** The run fails here. */
SP_NORETURN void accept_failed(const char *what, const char *file, int line);

/** Run one, and see that it has ended. */
void accept_run(sp_sim *s, void (*main_fn)(void *arg));

/** Start a process, or end the calling one. */
sp_pid accept_spawn(const char *name, void (*fn)(void *arg), void *arg);

/** End as abnormally as the text says. */
SP_NORETURN void accept_die(const char *text);

/** Is it this reason? */
bool accept_is(const struct sp_reason *reason, const char *text);

/** Wait until `pid` has ended; did it end with this reason? */
bool accept_ended_with(sp_pid pid, const char *text);

/** Wait until `pid` has ended. */
void accept_join(sp_pid pid);

/** Wait forever; whatever comes is freed. */
SP_NORETURN void accept_idle(void *unused);

/** Let everything else happen first. Not in abstract time, where a sleep may end at once. */
void accept_settle(void);

/** The next message of the mailbox, however long it takes. */
struct sp_message *accept_next(void);

/** What was found in a mailbox. */
struct accept_mail {
    int downs;
    int exits;
    int others;
    sp_pid from;   /* of the last notice */
    char text[64]; /* its reason */
};

/** Take all that is in the mailbox now. */
struct accept_mail accept_mail_now(void);

/** Settle, and take all that has come. */
struct accept_mail accept_mail_settled(void);

/** Nobody but the calling process lives. */
bool accept_alone(void);

/** End whoever is left and see that the books balance. Context: the last process of a node. */
void accept_close(void);

#endif
