/* Deterministic testing: the same program, run from a seed in a world of ours.
 *
 *     #include <spawned/sim.h>
 *
 *     SP_SIM_TEST(transfers_keep_the_sum)
 *     {
 *         sp_sim_start(s, "bank", bank_main, NULL);
 *         sp_sim_run(s);
 *         sp_sim_check(s, ledger_total() == 1000, "the sum is %d", ledger_total());
 *     }
 *
 * Linked with -lspawned-sim, which has a main(), this is a test program. It runs the body
 * again and again, each time under another schedule: which process goes first where two could,
 * when a timer fires, what sp_random() says. A schedule that fails is shrunk to the few
 * decisions that matter, printed, and written to a file that replays it.
 *
 * The program under test is not compiled differently and knows nothing of this. Its clock is
 * virtual: an hour of sleep takes no time, and a call's deadline passes when nothing else can
 * happen before it. Each sp_sim_start() makes a node: a runtime of its own, as if it were a
 * program on its own machine.
 *
 * A run fails when a check, an invariant or an sp_always() is false, when a process ends by a
 * fault (unless the test says .crashes), when calls wait for each other in a circle, or when
 * nothing can go on although a node's main function has not returned.
 */
#ifndef SPAWNED_SIM_H
#define SPAWNED_SIM_H

#include "spawned/property.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

typedef struct sp_sim sp_sim;
typedef struct sp_sim_node sp_sim_node;

/** What a test may say of itself; zero is the default. */
struct sp_sim_options {
    sp_duration virtual_time; /**< a run ends when its clock is there; default: a day */
    uint64_t steps_max;       /**< a run that takes more fails; default 1,000,000 */
    bool crashes;             /**< processes may end by faults without failing the run */
    bool abstract_time;       /**< any armed timer may fire next, however far away it is */
};

/** A test; made by SP_SIM_TEST(). */
struct sp_sim_test {
    const char *name;
    const char *file;
    int line;
    void (*body)(sp_sim *s);
    struct sp_sim_options options;
    struct sp_sim_test *next;
};

/** Defines and registers a test; options as designated initialisers of struct sp_sim_options.
 *  The body's parameter is `s`. */
#define SP_SIM_TEST(test, ...)                                             \
    static void sp_sim__body_##test(sp_sim *s);                            \
    __attribute__((constructor)) static void sp_sim__register_##test(void) \
    {                                                                      \
        static struct sp_sim_test one = { .name = #test,                   \
                                          .file = __FILE__,                \
                                          .line = __LINE__,                \
                                          .body = sp_sim__body_##test,     \
                                          .options = { __VA_ARGS__ } };    \
        sp_sim__register(&one);                                            \
    }                                                                      \
    static void sp_sim__body_##test(sp_sim *s)

/** Start a node: `fn(arg)` in a process called "main" of a new runtime, which ends when it
 *  returns. `name` is copied. Where the body returns before its nodes have ended (it never
 *  called sp_sim_run()), they may go on without its frame: what `arg` points to must outlive it.
 *  Errors: without memory the run fails.
 *  Ownership: the world's. Context: the test's body. */
SP_API SP_NONNULL_ARGS(1, 2, 3) sp_sim_node *sp_sim_start(sp_sim *s, const char *name,
                                                          void (*fn)(void *arg), void *arg);

/** Let the world go on until every node has ended, nothing can go on any more, or the test's
 *  time is over. Does not return when the run has failed.
 *  Context: the test's body. */
SP_API SP_NONNULL void sp_sim_run(sp_sim *s);

/** The same for a while of virtual time; fails nothing when something is left.
 *  Context: the test's body. */
SP_API SP_NONNULL void sp_sim_run_for(sp_sim *s, sp_duration d);

/** Has the node's main function returned? Context: any in the world. */
SP_API SP_NONNULL bool sp_sim_ended(const sp_sim_node *node);

/** After every step of the world `holds(s, arg)` must be true. Reads only; no call of the
 *  library. Context: the test's body, before it runs. */
SP_API SP_NONNULL_ARGS(1, 2, 3) void sp_sim_invariant(sp_sim *s, const char *name,
                                                      bool (*holds)(sp_sim *s, void *arg),
                                                      void *arg);

/** Fail the run. Does not return. Context: the test's body, or a process in the world. */
SP_API SP_NORETURN SP_PRINTF(2, 3) void sp_sim_fail(sp_sim *s, const char *format, ...);

/** Fail the run unless `condition`, with a printf-like text. */
#define sp_sim_check(s, condition, ...) ((condition) ? (void)0 : sp_sim_fail(s, __VA_ARGS__))

/** The world's clock. Context: any in the world. */
SP_API SP_NONNULL sp_time sp_sim_now(const sp_sim *s);

/** Steps of this run. Context: any in the world. */
SP_API SP_NONNULL uint64_t sp_sim_steps(const sp_sim *s);

/** Written by SP_SIM_TEST(). Context: startup. */
SP_API SP_NONNULL void sp_sim__register(struct sp_sim_test *test);

SP_EXTERN_C_END

#endif
