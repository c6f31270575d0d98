/* Transactions over lists and registers, judged by the cycles in what they saw of each other.
 *
 * Each transaction is an array of reads and writes. Since every value is written once, what a
 * read returns says who wrote it, and a list says in which order its elements came. From that
 * follow orders between transactions: who wrote before whom (ww), who read whose (wr), who
 * read before whose write (rw); and from clients and clocks who did what first. Where these
 * orders make a circle, no such isolation was given, and the circle tells which.
 *
 * Linear in the size of the history. Lists show more than registers: of those the order of versions is
 * known only where a transaction reads one before it writes the next.
 *
 *     struct sp_txn_verdict verdict;
 *     err = sp_txn_check(txns, count, &verdict);
 *     if (err == SP_OK && (verdict.ruled_out & SP_TXN_SERIALIZABLE) != 0)
 *         puts(verdict.anomalies[SP_ANOMALY_G_SINGLE].text);
 *
 * Threads: pure functions. Needs no simulation, and no runtime.
 * Source: A. Adya, "Weak Consistency: A Generalized Theory and Optimistic Implementations for
 * Distributed Transactions" (1999); K. Kingsbury, P. Alvaro, "Elle: Inferring Isolation Anomalies
 * from Experimental Observations" (2020).
 */
#ifndef SPAWNED_TRANSACTION_H
#define SPAWNED_TRANSACTION_H

#include "spawned/history.h"

SP_EXTERN_C_BEGIN

/** What a transaction does. A key is a list or a register, not both. */
enum sp_txn_code {
    SP_TXN_READ,      /**< a register: value, or none */
    SP_TXN_WRITE,     /**< a register: value */
    SP_TXN_READ_LIST, /**< list, list_count; empty where there was nothing */
    SP_TXN_APPEND,    /**< to a list: value */
};

/** One step of a transaction. A value is written to a key at most once in the history. */
struct sp_txn_op {
    enum sp_txn_code code;
    bool none; /**< a register had no value */
    uint64_t key;
    int64_t value;
    const int64_t *list;
    size_t list_count;
};

/** A transaction. Of one whose outcome is UNKNOWN, reads say nothing. */
struct sp_txn {
    uint32_t client;
    enum sp_outcome outcome;
    uint64_t invoked;
    uint64_t returned; /**< of OK */
    const struct sp_txn_op *ops;
    size_t op_count;
};

/** What can be wrong. */
enum sp_anomaly {
    SP_ANOMALY_G0,           /**< a circle of writes */
    SP_ANOMALY_G1A,          /**< what a failed transaction wrote was read */
    SP_ANOMALY_G1B,          /**< what a transaction overwrote itself was read by another */
    SP_ANOMALY_G1C,          /**< a circle of writes and reads of them */
    SP_ANOMALY_G_SINGLE,     /**< a circle with one read before a write: read skew */
    SP_ANOMALY_G2_ITEM,      /**< a circle with several: write skew */
    SP_ANOMALY_LOST_UPDATE,  /**< two read the same version of a key, and both wrote it */
    SP_ANOMALY_INTERNAL,     /**< a transaction did not read what it wrote itself */
    SP_ANOMALY_GARBAGE,      /**< a value was read that nobody wrote */
    SP_ANOMALY_DUPLICATE,    /**< an element is in a list twice */
    SP_ANOMALY_INCOMPATIBLE, /**< two reads of a list have their elements in different orders */
    SP_ANOMALIES,
};

/** The short name: "G-single". Context: any. */
SP_API const char *sp_anomaly_name(enum sp_anomaly anomaly);

/** Models of consistency, as bits. */
enum sp_txn_model {
    SP_TXN_READ_UNCOMMITTED = 1,
    SP_TXN_READ_COMMITTED = 2,
    SP_TXN_SNAPSHOT_ISOLATION = 4,
    SP_TXN_SERIALIZABLE = 8,
    SP_TXN_SESSION_SERIALIZABLE = 16, /**< and a client sees its own transactions in their order */
    SP_TXN_STRICT_SERIALIZABLE = 32,  /**< and who ended before another began comes before it */
};

/** The name of one of them: "snapshot isolation". Context: any. */
SP_API const char *sp_txn_model_name(enum sp_txn_model model);

enum {
    SP_TXN_CYCLE_MAX = 16,
    SP_TXN_TEXT_MAX = 1024,
};

/** One kind of anomaly; the first that was found is told, of circles a short one. */
struct sp_txn_anomaly {
    uint64_t count;                 /**< 0: there is none; of circles 1 */
    size_t cycle[SP_TXN_CYCLE_MAX]; /**< indices of transactions, the first ones */
    size_t cycle_count;             /**< of all in it */
    unsigned rules_out;             /**< models */
    char text[SP_TXN_TEXT_MAX];     /**< in words; what does not fit ends in "..." */
};

/** What a check found. */
struct sp_txn_verdict {
    unsigned ruled_out; /**< models; 0: nothing is wrong as far as one can see */
    struct sp_txn_anomaly anomalies[SP_ANOMALIES];
};

/** Which models do these transactions rule out?
 *  Errors: NOMEM; INVALID (a value is written to a key twice, a key is both list and register, or
 *  a transaction ends before it begins). Context: any. */
SP_NODISCARD SP_API SP_NONNULL_ARGS(3) sp_err
    sp_txn_check(const struct sp_txn *txns, size_t count, struct sp_txn_verdict *out_verdict);

SP_EXTERN_C_END

#endif
