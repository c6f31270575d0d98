/* A model checker for the lock-free parts of the library, under the C11 memory model.
 *
 * A model is a few threads of a few operations each on the library's own source files, which are
 * compiled for it with the thread sanitizer's instrumentation; its calls come to hooks.c instead
 * of the sanitizer. So every access of the code, atomic or not, is seen with its memory order, and the
 * checker decides which write a read gets. It goes through all executions that RC11 allows (C11
 * as repaired by Lahav et al.), each once, and looks for: a failed MODEL_ASSERT, a data race, a
 * thread that waits for ever, a failed assert of the final state.
 *
 *     model.c    one execution after the other: threads, requests, verdict
 *     explore.c  which executions: all choices of reads-from and of modification order
 *     graph.c    an execution: events, clocks of happens-before, coherence
 *     sc.c       the axiom on seq_cst
 *     race.c     plain accesses
 *     hooks.c    what the compiler calls
 *     report.c   an execution as a table
 *     shim/      a <stdatomic.h> that says where in the source an access is
 *
 * docs/memory-model.md has the limits and how to add a model.
 * Sources: O. Lahav et al., "Repairing Sequential Consistency in C/C++11" (2017); M. Kokologiannakis
 * et al., "Truly Stateless, Optimal Dynamic Partial Order Reduction" (2022).
 *
 * Threads: none of its own; what a model calls threads are fibers that take turns.
 */
#ifndef SP_TEST_MEMORY_MODEL_MODEL_H
#define SP_TEST_MEMORY_MODEL_MODEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MODEL_THREADS_MAX = 4 };

/** What is checked. */
struct model {
    const char *name;
    void *state; /**< all memory that the threads write, but their stacks; put back each time */
    size_t state_size;
    void (*setup)(void); /**< makes it what all executions start from, from zeroes; or NULL */
    void (*threads[MODEL_THREADS_MAX])(void); /**< up to the first NULL */
    const char *thread_names[MODEL_THREADS_MAX];
    /** Called when a thread (from 1) goes on: for what each has of its own; or NULL. */
    void (*enter)(int thread);
    /** Looks at the state when all have ended, or sleep; or NULL. */
    void (*final)(void);
    /** A weak compare-and-swap that fails is not followed: right where it is tried again with the
     *  value found and nothing was done in between, since then the execution in which the
     *  first look found that value is looked at as well. */
    bool retry_is_same;
};

/** A planted bug: an order made weaker. Every part that is not NULL must match. */
struct model_fault {
    const char *function;
    const char *operation; /**< load, store, exchange, compare_exchange, add, sub, and, or, fence */
    const char *operand;   /**< as in the source: "&actor->tail" */
    int thread;            /**< from 1; 0: any */
    memory_order order;    /**< relaxed makes a fence none at all */
};

enum model_verdict {
    MODEL_COMPLETE, /**< all executions were looked at, and nothing was found */
    MODEL_FOUND,
    MODEL_TOO_LARGE,
};

struct model_options {
    const struct model_fault *fault; /**< or NULL */
    uint64_t executions_max;         /**< 0: 20 million */
    bool naive; /**< go through all orders of all steps instead; for small models, to compare */
};

struct model_result {
    enum model_verdict verdict;
    uint64_t executions;  /**< that came to their end */
    uint64_t blocked;     /**< that stopped at a wait for what others still do */
    uint64_t runs;        /**< of the program */
    uint64_t fingerprint; /**< of the set of executions, whatever their order */
    uint64_t fault_hits;  /**< how often the planted bug was passed */
    double seconds;
    char report[131072]; /**< what was found and how it came to it; else empty */
};

/** Go through all executions of `model`. `options` may be NULL. */
void model_explore(const struct model *model, const struct model_options *options,
                   struct model_result *result);

/** A test's two questions: is it right, and is the planted bug found with a report that has `what`
 *  in it? They fail the test case otherwise. A line with the counts goes to stdout. */
void model_must_hold(const struct model *model);
void model_must_find(const struct model *model, const struct model_fault *fault, const char *what);

/** A weaker order that does no harm as far as these models can tell, and why. */
struct model_spared {
    struct model_fault fault;
    const char *why;
};

/** Some models of one part of the library, for model_weaken_each(). */
struct model_part {
    const struct model *const *models; /**< up to NULL */
    const char *const *files;          /**< whose orders are tried, up to NULL: "actor.c" */
    const struct model_spared *spared; /**< up to one without an operation; or NULL */
};

/** Make each order in the code weaker, one at a time: a model must find it, or it is spared. Fails
 *  the test case otherwise, also where one that is spared is found. */
void model_weaken_each(const struct model_part *part);

/* ---- for the threads of a model, and its setup and final ---- */

/** A condition that must hold in all executions. */
#define MODEL_ASSERT(condition) \
    ((condition) ? (void)0 : model_fail("assert failed", #condition, __FILE__, __LINE__))

void model_fail(const char *what, const char *detail, const char *file, int line);

/** The value that was just read is not the one waited for, and whoever waits reads again: the
 *  execution goes on only where it reads the right one. To wait for what never comes is an error. */
void model_wait(void);

/** The same, but it may be for ever: `final` then finds model_sleeps() and decides. */
void model_sleep(void);

/** Does a thread (from 1) sleep at the end? For `final`. */
bool model_sleeps(int thread);

/** Which thread runs, from 1; 0: setup or final. */
int model_thread(void);

/** A barrier that every thread executes, where it is; pairs with atomic_signal_fence(). */
void model_membarrier(void);

/** Nobody may touch this memory any more, but who knows of it (happens-before): as if written. */
void model_freed(const void *at, size_t size);

/** Called by shim/stdatomic.h before each operation. */
void model_site(const char *file, int line, const char *function, const char *operation,
                const char *operand);

#endif
