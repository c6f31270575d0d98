/* Histories: what clients asked for and what they got, judged against a model of the service.
 *
 * A history is an array of operations. Each has a client, a code and a key, values that go in
 * and come out, and two stamps: when it was asked for and when it was answered. It may come from
 * a simulated test (spawned/sim_history.h), from a real run, or from a file.
 *
 * It is linearizable if each operation can be given one moment between its two stamps such that,
 * one after another in the order of these moments, they do what the model does. An operation
 * that nobody knows the end of may have happened at any time after it was asked for, or
 * never; one that has certainly failed did not happen.
 *
 *     struct sp_history_verdict verdict;
 *     err = sp_history_check(operations, count, &sp_model_register, NULL, &verdict);
 *     if (err == SP_OK && verdict.end == SP_HISTORY_ILLEGAL)
 *         sp_history_draw(operations, verdict.core, verdict.core_count, &sp_model_register,
 *                         text, sizeof(text));
 *     sp_history_verdict_finish(&verdict);
 *
 * Threads: pure functions; a history is its owner's. Needs no simulation, and no runtime.
 */
#ifndef SPAWNED_HISTORY_H
#define SPAWNED_HISTORY_H

#include "spawned/err.h"

SP_EXTERN_C_BEGIN

/** What a value is. */
enum sp_value_kind {
    SP_VALUE_NONE, /**< nothing: no such key, no answer */
    SP_VALUE_INT,
    SP_VALUE_BYTES,
};

/** A value: nothing, a number, or bytes that belong to somebody else. Two are equal where kind
 *  and content are. */
typedef struct sp_value {
    enum sp_value_kind kind;
    uint32_t size;     /**< of bytes */
    int64_t number;    /**< of INT */
    const void *bytes; /**< of BYTES */
} sp_value;

/** Nothing. Context: any. */
SP_API sp_value sp_value_none(void);
/** A number. Context: any. */
SP_API sp_value sp_value_int(int64_t number);
/** The characters of a string. Ownership: borrows them. Context: any. */
SP_API SP_NONNULL sp_value sp_value_text(const char *text);
/** `size` bytes. Ownership: borrows them. Context: any. */
SP_API sp_value sp_value_bytes(const void *bytes, size_t size);
/** Are they the same? Context: any. */
SP_API bool sp_value_equal(sp_value a, sp_value b);

/** How an operation ended. */
enum sp_outcome {
    SP_OUTCOME_OK,      /**< it happened, and `out` is what came back */
    SP_OUTCOME_FAIL,    /**< it did not happen, and will not */
    SP_OUTCOME_UNKNOWN, /**< nobody knows: no answer came */
};

/** Operations of the ready models; a model of your own may number its own. */
enum sp_operation_code {
    SP_OP_READ,  /**< out: the value; of a map, of the key */
    SP_OP_WRITE, /**< in[0]: the value */
    SP_OP_CAS, /**< in[0]: what it has to be, in[1]: what it becomes; out: INT 1 or 0, done or not */
    SP_OP_APPEND,   /**< in[0]: bytes that come behind those that are there */
    SP_OP_DELETE,   /**< the key has no value any more */
    SP_OP_ADD,      /**< in[0]: a number; out: the sum, or nothing */
    SP_OP_ENQUEUE,  /**< in[0]: the value, not nothing */
    SP_OP_DEQUEUE,  /**< out: the oldest value, nothing where the queue is empty */
    SP_OP_INSERT,   /**< in[0]: the member; out: INT 1 where it was new, else 0, or nothing */
    SP_OP_REMOVE,   /**< in[0]: the member; out: INT 1 where it was there, else 0, or nothing */
    SP_OP_CONTAINS, /**< in[0]: the member; out: INT 1 or 0 */
    SP_OP_CODES,
};

/** When an operation that has not ended ended. */
#define SP_HISTORY_OPEN UINT64_MAX

/** One operation of a client. Stamps are of one clock for all clients; of two operations where
 *  one was answered at the very stamp at which the other was asked for, either may be first. */
struct sp_operation {
    uint32_t client;
    uint16_t code; /**< enum sp_operation_code, or the model's own */
    enum sp_outcome outcome;
    sp_value key;
    sp_value in[2];
    sp_value out;
    uint64_t invoked;
    uint64_t returned; /**< SP_HISTORY_OPEN where it is unknown */
};

/* ---- models ---- */

/** The state of a model: bytes, equal where the states are. */
struct sp_state {
    unsigned char *bytes;
    size_t size;
    size_t capacity;
    bool failed; /**< there was no memory: what else is added is dropped, the check says NOMEM */
};

/** Add bytes to a state. Context: a model's step. */
SP_API SP_NONNULL_ARGS(1) void sp_state_add(struct sp_state *state, const void *bytes, size_t size);
/** Add a value in a form that sp_state_value() reads. Context: a model's step. */
SP_API SP_NONNULL_ARGS(1) void sp_state_add_value(struct sp_state *state, sp_value value);
/** Read the value at byte `*at` of a state, and go on to what is behind it. False: there is none.
 *  Ownership: borrows the state's bytes. Context: a model's step. */
SP_API SP_NONNULL bool sp_state_value(const struct sp_state *state, size_t *at,
                                      sp_value *out_value);

/** What a step of a model says. */
enum sp_step {
    SP_STEP_NO,   /**< in this state the operation cannot have had this result */
    SP_STEP_SAME, /**< it can, and the state stays as it is */
    SP_STEP_NEXT, /**< it can, and `next` is the new state */
};

/** A service, one operation after another. The first state is empty: of no bytes. */
struct sp_model {
    const char *name;
    /** Does `operation` in `state`. `next` is empty and takes the new state, only for
     *  SP_STEP_NEXT. Where the outcome is UNKNOWN, `out` says nothing: see sp_operation_gave(). */
    enum sp_step (*step)(const struct sp_state *state, const struct sp_operation *operation,
                         struct sp_state *next);
    /** Can the operation never change any state? NULL: nothing is known. Checks get faster. */
    bool (*reads)(const struct sp_operation *operation);
    /** Operations with different keys do not touch each other, so each key is checked alone.
     *  NULL: all belong together. */
    sp_value (*key)(const struct sp_operation *operation);
    /** What the operation was, in a few words: "write 3". NULL: numbers of code and values. */
    void (*describe)(const struct sp_operation *operation, char *text, size_t size);
    /** Are two states the same, and a hash that is then the same? NULL: as bytes. Both or none. */
    bool (*equal)(const struct sp_state *a, const struct sp_state *b);
    uint64_t (*hash)(const struct sp_state *state);
};

/** Can the operation have given `out`? For a model's step. Context: any. */
SP_API SP_NONNULL bool sp_operation_gave(const struct sp_operation *operation, sp_value out);

/** A register for each key: READ, WRITE; first nothing. */
SP_API extern const struct sp_model sp_model_register;
/** The same with CAS. */
SP_API extern const struct sp_model sp_model_cas_register;
/** A number for each key, first 0: ADD, READ. */
SP_API extern const struct sp_model sp_model_counter;
/** A first-in first-out queue for each key: ENQUEUE, DEQUEUE. */
SP_API extern const struct sp_model sp_model_queue;
/** A set for each key: INSERT, REMOVE, CONTAINS. */
SP_API extern const struct sp_model sp_model_set;
/** A map: READ, WRITE, CAS, APPEND, DELETE of a key. A copy of it without `.key` looks at all keys
 *  together. */
SP_API extern const struct sp_model sp_model_map;

/* ---- the check ---- */

/** How far a check goes; zero is the default. */
struct sp_history_options {
    uint64_t states_max; /**< that are looked at, in all; default 20,000,000 */
    size_t memory_max;   /**< bytes; default 1 GiB */
    bool no_core;        /**< do not look for the core of an illegal history */
};

/** What a check found. */
enum sp_history_end {
    SP_HISTORY_OK,      /**< linearizable */
    SP_HISTORY_ILLEGAL, /**< not linearizable */
    SP_HISTORY_UNKNOWN, /**< not found out within the limits */
};

/** The result of a check. The lists are indices of operations. */
struct sp_history_verdict {
    enum sp_history_end end;
    uint64_t states;       /**< that were looked at */
    sp_value key;          /**< of the illegal part; borrows the operation's bytes */
    size_t *furthest;      /**< the longest order that went well, in that part */
    size_t furthest_count; /**< 0 where `end` is not ILLEGAL */
    size_t stuck;          /**< the operation which then had to come next, and could not */
    size_t *core;          /**< few operations that cannot be explained, by their invocation */
    size_t core_count;     /**< 0 where `end` is not ILLEGAL or it was not asked for */
};

/** Is the history linearizable? With `options` NULL, the defaults.
 *
 *  The core of an illegal one is small: whatever the operations that are not in it did or did not
 *  do, once or never and at whatever time, those of the core cannot have had their results;
 *  and of no single one of the core can that be said (as far as the limits let us see). What
 *  began after all of the core had ended is of no account.
 *
 *  Errors: NOMEM; INVALID (an operation that is answered before it was asked for).
 *  Ownership: the lists are the caller's, sp_history_verdict_finish(). Context: any.
 *  Source: J. Wing, C. Gong, "Testing and Verifying Concurrent Objects" (1993); G. Lowe, "Testing
 *  for Linearizability" (2017); A. Horn, D. Kroening, "Faster Linearizability Checking via
 *  P-Compositionality" (2015); A. Athalye, "Porcupine" (2017). */
SP_NODISCARD SP_API SP_NONNULL_ARGS(1, 3, 5) sp_err
    sp_history_check(const struct sp_operation *operations, size_t count,
                     const struct sp_model *model, const struct sp_history_options *options,
                     struct sp_history_verdict *out_verdict);

/** Free the lists. Context: any. */
SP_API SP_NONNULL void sp_history_verdict_finish(struct sp_history_verdict *verdict);

/** Draw the operations `which` as bars: a row for each client, time from left to right, not to
 *  scale. Text that does not fit ends in "...".
 *  Errors: NOMEM. Context: any. */
SP_NODISCARD SP_API SP_NONNULL sp_err sp_history_draw(const struct sp_operation *operations,
                                                      const size_t *which, size_t count,
                                                      const struct sp_model *model, char *text,
                                                      size_t size);

/** The same as a picture, SVG.
 *  Errors: NOMEM. Context: any. */
SP_NODISCARD SP_API SP_NONNULL sp_err sp_history_draw_svg(const struct sp_operation *operations,
                                                          const size_t *which, size_t count,
                                                          const struct sp_model *model, char *text,
                                                          size_t size);

/* ---- collecting one ---- */

/** A history that is being written down. */
typedef struct sp_history sp_history;

/** An empty history.
 *  Errors: NOMEM. Ownership: the caller's, sp_history_destroy(). Context: any. */
SP_NODISCARD SP_API SP_NONNULL sp_err sp_history_create(sp_history **out_history);
/** Free it; NULL does nothing. Context: any. */
SP_API void sp_history_destroy(sp_history *history);

/** A client asks for `operation` at the stamp `at`: its client, code, key and in, which are copied.
 *  Until its end is said, nobody knows it. `*out_id` is the index in the list.
 *  Errors: NOMEM. Context: any, one at a time. */
SP_NODISCARD SP_API SP_NONNULL sp_err sp_history_invoke(sp_history *history,
                                                        const struct sp_operation *operation,
                                                        uint64_t at, size_t *out_id);

/** How operation `id` ended, at the stamp `at`; `out` is copied. An UNKNOWN outcome stays open.
 *  Errors: NOMEM; NOTFOUND (there is none); EXISTS (it has ended). Context: as before. */
SP_NODISCARD SP_API SP_NONNULL sp_err sp_history_return(sp_history *history, size_t id,
                                                        enum sp_outcome outcome, sp_value out,
                                                        uint64_t at);

/** All operations so far, by their invocation.
 *  Ownership: the history's, until the next call. Context: any. */
SP_API SP_NONNULL const struct sp_operation *sp_history_operations(const sp_history *history,
                                                                   size_t *out_count);

SP_EXTERN_C_END

#endif
