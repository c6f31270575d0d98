/* The history of a simulated run, written down by its clients and judged at its end.
 *
 *     sp_sim_history *history;            // the clients find it in a static variable
 *
 *     static void client(void *arg)       // a process in the world
 *     {
 *         size_t id = sp_sim_invoke(history, &(struct sp_operation){
 *             .client = number, .code = SP_OP_READ, .key = sp_value_text("x") });
 *         if (kv_get(kv, "x", &value, deadline) == SP_OK)
 *             sp_sim_ok(history, id, sp_value_int(value));
 *     }                                   // else nobody knows, which is the default
 *
 *     SP_SIM_TEST(kv_is_linearizable)
 *     {
 *         history = sp_sim_history_new(s, &sp_model_register);
 *         sp_sim_start(s, "kv", kv_main, NULL);
 *         sp_sim_run(s);
 *         sp_sim_check_linearizable(history);
 *     }
 *
 * Stamps are steps of the world; where two things happen in one step, the later has the next
 * number. Writing it down is not a step, so it changes no schedule. The memory is not the
 * world's: a node that crashes takes nothing of it along.
 */
#ifndef SPAWNED_SIM_HISTORY_H
#define SPAWNED_SIM_HISTORY_H

#include "spawned/history.h"
#include "spawned/sim.h"

SP_EXTERN_C_BEGIN

typedef struct sp_sim_history sp_sim_history;

/** A history of this run, of a service that should be like `model`. Ends with the run.
 *  Errors: without memory the run fails. Ownership: the world's; borrows the model.
 *  Context: the test's body. */
SP_API SP_NONNULL sp_sim_history *sp_sim_history_new(sp_sim *s, const struct sp_model *model);

/** A client asks for `operation`: its client, code, key and in, which are copied. Returns what
 *  sp_sim_ok() wants. Until the end is said, nobody knows it.
 *  Errors: without memory the run fails. Context: the test's body, or a process in the world. */
SP_API SP_NONNULL size_t sp_sim_invoke(sp_sim_history *history,
                                       const struct sp_operation *operation);

/** The operation happened, and gave `out`, which is copied. Once for each.
 *  Errors: without memory, or where it had ended, the run fails. Context: as sp_sim_invoke(). */
SP_API SP_NONNULL void sp_sim_ok(sp_sim_history *history, size_t id, sp_value out);

/** The operation did not happen, and will not. Errors, Context: as sp_sim_ok(). */
SP_API SP_NONNULL void sp_sim_failed(sp_sim_history *history, size_t id);

/** Nobody knows whether the operation happened, or will: its call timed out. May be left out.
 *  Errors, Context: as sp_sim_ok(). */
SP_API SP_NONNULL void sp_sim_unknown(sp_sim_history *history, size_t id);

/** What was written down, by its invocation.
 *  Ownership: the history's, until the next call. Context: as sp_sim_invoke(). */
SP_API SP_NONNULL const struct sp_operation *sp_sim_history_operations(
    const sp_sim_history *history, size_t *out_count);

/** Fail the run unless the history is linearizable; the report then draws its core. Where that is
 *  not found out within the limits of sp_history_check(), the run fails, too, and says so.
 *  Context: the test's body. */
SP_API SP_NONNULL void sp_sim_check_linearizable(sp_sim_history *history);

SP_EXTERN_C_END

#endif
