/* The transactions of a simulated run, written down by its clients and judged at its end.
 *
 *     sp_sim_txns *txns;                  // the clients find it in a static variable
 *
 *     static void client(void *arg)       // a process in the world
 *     {
 *         size_t id = sp_sim_txn_begin(txns, number);
 *         sp_sim_txn_add(txns, id, &(struct sp_txn_op){ SP_TXN_APPEND, .key = 1, .value = 7 });
 *         if (bank_append(bank, ...) == SP_OK)
 *             sp_sim_txn_end(txns, id, SP_OUTCOME_OK);
 *     }                                   // else nobody knows, which is the default
 *
 *     SP_SIM_TEST(the_bank_is_serializable)
 *     {
 *         txns = sp_sim_txns_new(s);
 *         sp_sim_start(s, "bank", bank_main, NULL);
 *         sp_sim_run(s);
 *         sp_sim_check_transactions(txns, SP_TXN_SERIALIZABLE);
 *     }
 *
 * Write down a write before it is asked for, and a read when its answer is there. Of each key, a
 * value is written once. Stamps and memory are as those of spawned/sim_history.h.
 */
#ifndef SPAWNED_SIM_TRANSACTION_H
#define SPAWNED_SIM_TRANSACTION_H

#include "spawned/sim.h"
#include "spawned/transaction.h"

SP_EXTERN_C_BEGIN

typedef struct sp_sim_txns sp_sim_txns;

/** What a run's clients do. Ends with the run.
 *  Errors: without memory the run fails. Ownership: the world's. Context: the test's body. */
SP_API SP_NONNULL sp_sim_txns *sp_sim_txns_new(sp_sim *s);

/** A client begins a transaction. Returns what the others want. Until its end is said, nobody knows it.
 *  Errors: without memory the run fails. Context: the test's body, or a process in the world. */
SP_API SP_NONNULL size_t sp_sim_txn_begin(sp_sim_txns *txns, uint32_t client);

/** The next thing that the transaction does; it and its list are copied.
 *  Errors: without memory, or where it has ended, the run fails. Context: as sp_sim_txn_begin(). */
SP_API SP_NONNULL void sp_sim_txn_add(sp_sim_txns *txns, size_t id, const struct sp_txn_op *op);

/** It was done, was not and will not be, or nobody knows. Once for each.
 *  Errors: where it has ended, the run fails. Context: as sp_sim_txn_begin(). */
SP_API SP_NONNULL void sp_sim_txn_end(sp_sim_txns *txns, size_t id, enum sp_outcome outcome);

/** What was written down, by its beginning.
 *  Ownership: the run's, until the next call. Context: as sp_sim_txn_begin(). */
SP_API SP_NONNULL const struct sp_txn *sp_sim_txns_all(const sp_sim_txns *txns, size_t *out_count);

/** Fail the run where one of these models of consistency (bits, enum sp_txn_model) is ruled out; the
 *  report then tells the anomaly, and what the transactions in it did. What sp_txn_check() does not take
 *  fails it, too.
 *  Context: the test's body. */
SP_API SP_NONNULL void sp_sim_check_transactions(sp_sim_txns *txns, unsigned models);

SP_EXTERN_C_END

#endif
