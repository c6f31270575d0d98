/* Where a search has been: states of the model, each kept once under a number, and
 * configurations, which are short lists of words. Both are tables of hashes with the content in
 * one growing block behind.
 *
 * Threads: none of its own. Neighbours: search.c.
 */
#ifndef SPAWNED_SIM_HISTORY_CONFIGS_H
#define SPAWNED_SIM_HISTORY_CONFIGS_H

#include "spawned/history.h"

struct sim_slot {
    uint64_t hash;
    uint64_t place; /* 0: free; else 1 + where the content is */
};

struct sim_table {
    struct sim_slot *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

struct sim_state {
    size_t offset;
    size_t size;
};

struct sim_configs {
    const struct sp_model *model;
    size_t memory; /* bytes in use */
    struct sim_table states;
    struct sim_table configs;
    struct sim_state *list; /* of states, by their numbers */
    size_t list_capacity;
    unsigned char *bytes; /* of states */
    size_t bytes_used;
    size_t bytes_capacity;
    uint64_t *words; /* of configurations */
    size_t words_used;
    size_t words_capacity;
};

/** Free all. Context: any. */
void sim_configs_finish(struct sim_configs *configs) SP_NONNULL;

/** The number of the state with these bytes, which are copied.
 *  Errors: NOMEM. Context: any. */
SP_NODISCARD sp_err sim_configs_state(struct sim_configs *configs, const struct sp_state *state,
                                      uint32_t *out_id) SP_NONNULL;

/** The state of that number. Ownership: until the next one is added. Context: any. */
struct sp_state sim_configs_state_get(const struct sim_configs *configs, uint32_t id) SP_NONNULL;

/** Add a configuration; `*out_new` is false where it was there.
 *  Errors: NOMEM. Context: any. */
SP_NODISCARD sp_err sim_configs_add(struct sim_configs *configs, uint64_t hash,
                                    const uint64_t *words, size_t count, bool *out_new) SP_NONNULL;

#endif
