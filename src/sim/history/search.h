/* The search for an order: which operation is the next one in the model?
 *
 *     events by their stamps    call 0  call 1  ret 1  call 2  ret 0  ret 2
 *     may be next               those called before the first return that is left
 *
 * A depth-first search takes one of these, lets the model do it, takes its two events out of
 * the list, and goes on; when none fits it puts the last one back. It has been at a
 * configuration (which operations are done, which state the model is in) before: then it need not
 * go on there. Two things make it fast: operations that only read are done at once where they
 * fit, since doing them later gains nothing; and states are kept once and have numbers, so that
 * configurations are a few words.
 *
 * Open operations, of which nobody knows whether they happened, have a call and no return: the
 * search may leave them out.
 *
 * Threads: none of its own. Neighbours: configs.h (where it has been), check.c (which calls it).
 */
#ifndef SPAWNED_SIM_HISTORY_SEARCH_H
#define SPAWNED_SIM_HISTORY_SEARCH_H

#include "spawned/history.h"

/** An operation with the stamps that the search goes by. */
struct sim_search_op {
    const struct sp_operation *operation;
    uint64_t call;
    uint64_t ret;
    size_t index; /* the caller's */
};

struct sim_search {
    const struct sp_model *model;
    const struct sim_search_op *known; /* by call */
    size_t known_count;
    const struct sim_search_op *open; /* by call */
    size_t open_count;
    bool repeat;         /* open operations may happen more than once: more histories are legal */
    uint64_t states_max; /* configurations */
    size_t memory_max;
};

struct sim_search_result {
    enum sp_history_end end;
    uint64_t states;
    /* Of ILLEGAL: the order that came furthest, of the caller's indices, and who had to be next:
     * operations called behind its return do not matter. */
    size_t *order;
    size_t order_count;
    size_t stuck;
};

/** Search. Errors: NOMEM. Ownership: `order` is the caller's, sp__free(). Context: any. */
SP_NODISCARD sp_err sim_search(const struct sim_search *input, struct sim_search_result *out_result)
    SP_NONNULL;

#endif
