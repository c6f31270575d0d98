/* A state machine for tests of state machines: it does in its handlers what the case wants,
 * and writes down what happens.
 *
 *     rig_ref rig = rig_begin(NULL);            // in state a
 *     rig_do(rig, rig_to_b, NULL);              // an order: rig_to_b() in a handler
 *     rig_put_number(rig, 1);                   // b postpones it
 *     rig_do(rig, rig_to_a, NULL);
 *     rig_expect(rig, "+ab0 +ba0 a1");          // entered b from a, a from b; in a: put 1
 *
 * Threads: as puppet.h.
 */
#ifndef SP_TEST_SUPPORT_RIG_H
#define SP_TEST_SUPPORT_RIG_H

#include "spawned/statem.h"
#include "support/lab.h"

struct rig;

/** What a handler of the rig does. */
struct rig_order {
    void (*fn)(struct rig *self, void *arg);
    void *arg;
};

struct rig_trace {
    char text[256];
};

SP_SERVER(rig, sp_pid);
/** Run the order in a handler. */
SP_CALL(rig, run, struct rig_order, sp_empty);
/** The same without an answer. */
SP_CAST(rig, go, struct rig_order);
/** In a: traced. In b: postponed. In c: odd ones are traced, even ones postponed. */
SP_CAST(rig, put, int);
/** In a: answered. In b: postponed. In c: an error. */
SP_CALL(rig, ask, int, int);
/** What happened so far. */
SP_CALL(rig, trace, sp_empty, struct rig_trace);

SP_STATEM(rig, struct rig);
/** Its states. bad_enter tries to go on to a while it is entered; c has no timeouts. */
extern const struct rig_state rig_a, rig_b, rig_c, rig_bad_enter;

/** Notes it sends to who started it: its timeouts, and LAB_DOWN, LAB_EXIT. An alarm sends its
 *  number. */
#define RIG_STATE_TIMEOUT 1
#define RIG_EVENT_TIMEOUT 2

/** Started by this process, in state a, its trace empty. `options` may be NULL. */
rig_ref rig_begin(const struct sp_server_options *options);
/** Run `fn(self, arg)` in a handler and wait for it. */
void rig_do(rig_ref rig, void (*fn)(struct rig *self, void *arg), void *arg);
/** The same without waiting. */
void rig_tell(rig_ref rig, void (*fn)(struct rig *self, void *arg), void *arg);
/** rig_put() that must succeed. */
void rig_put_number(rig_ref rig, int number);
/** What was written down since the last time. */
void rig_expect(rig_ref rig, const char *text);

/* Orders, and what orders are made of. */

/** Go to a, b, c. */
void rig_to_a(struct rig *self, void *arg);
void rig_to_b(struct rig *self, void *arg);
void rig_to_c(struct rig *self, void *arg);
/** Enter the current state again. */
void rig_repeat(struct rig *self, void *arg);
/** Wait at the gate in `arg`, then go to a and raise the marks 1 and 2. */
void rig_wait_and_to_a(struct rig *self, void *arg);
/** Raise marks without end. */
void rig_run_wild(struct rig *self, void *arg);
/** Write something down. */
void rig_write(struct rig *self, const char *what, int number);
/** Forget what was written down. */
void rig_forget(struct rig *self);
/** Raise an event that is written down, or that runs an order. */
void rig_raise_mark(int number);
void rig_raise_order(void (*fn)(struct rig *self, void *arg), void *arg);
/** The named timeout. */
void rig_set_alarm(sp_duration after, int number);
bool rig_stop_alarm(void);

#endif
