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
 * fault (unless the test says .crashes), when calls wait for each other in a circle (unless it
 * says .deadlocks), or when nothing can go on although a node's main function has not returned.
 */
#ifndef SPAWNED_SIM_H
#define SPAWNED_SIM_H

#include "spawned/address.h"
#include "spawned/property.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

typedef struct sp_sim sp_sim;
typedef struct sp_sim_node sp_sim_node;

/** Kinds of faults, for sp_sim_options.faults. */
enum sp_sim_fault {
    SP_SIM_NET_LATENCY = 1 << 0, /**< what is sent takes longer; harmless, always allowed */
    SP_SIM_NET_READ = 1 << 1,    /**< a read gets a part of what is there; always allowed */
    SP_SIM_NET_WRITE = 1 << 2,   /**< a write takes a part of what it could; always allowed */
    SP_SIM_NET_STRETCH = 1 << 3, /**< something sent takes longer than a timeout */
    SP_SIM_NET_SLOW = 1 << 4,    /**< a connection has little bandwidth */
    SP_SIM_NET_CLOG = 1 << 5,    /**< nothing moves for a while */
    SP_SIM_NET_CUT = 1 << 6,     /**< two machines are parted for a while, both ways or one */
    SP_SIM_NET_BREAK = 1 << 7,   /**< a connection is reset, or half of it lost */
    SP_SIM_NET_REFUSE = 1 << 8,  /**< nobody seems to listen */
    SP_SIM_NET_NOFILE = 1 << 9,  /**< no descriptor is left */
    SP_SIM_NET_ALL = (1 << 10) - 1,
    SP_SIM_KILL = 1 << 16,         /**< a process is killed, whatever it does just then */
    SP_SIM_CRASH = 1 << 17,        /**< a node is gone at once, and started again after a while */
    SP_SIM_STOP = 1 << 18,         /**< a node gets SIGTERM; started again when it has ended */
    SP_SIM_PAUSE = 1 << 19,        /**< a node stands still for a while */
    SP_SIM_CLOCK_STEP = 1 << 20,   /**< a wall clock jumps, forth or back */
    SP_SIM_CLOCK_DRIFT = 1 << 21,  /**< both clocks of a node go wrong for a while */
    SP_SIM_CLOCK_FREEZE = 1 << 22, /**< a wall clock stands for a while */
    SP_SIM_CLOCK = SP_SIM_CLOCK_STEP | SP_SIM_CLOCK_DRIFT | SP_SIM_CLOCK_FREEZE,
    SP_SIM_MEMORY = 1 << 23, /**< an allocation fails */
    SP_SIM_ALL = SP_SIM_NET_ALL | SP_SIM_KILL | SP_SIM_CRASH | SP_SIM_STOP | SP_SIM_PAUSE |
                 SP_SIM_CLOCK | SP_SIM_MEMORY,
};

/** What a test may say of itself; zero is the default. */
struct sp_sim_options {
    sp_duration virtual_time; /**< a run ends when its clock is there; default: a day */
    uint64_t steps_max;       /**< a run that takes more fails; default 1,000,000 */
    bool crashes;             /**< processes may end by faults without failing the run */
    bool deadlocks;           /**< calls may get SP_ERR_DEADLOCK without failing the run */
    bool abstract_time;       /**< any armed timer may fire next, however far away it is */
    uint64_t faults;          /**< kinds of enum sp_sim_fault that may happen; default: none */
    uint32_t faults_max;      /**< of a run, but for the network's; default 3, at most 16 */
    sp_duration faults_until; /**< from then on none happens, and all is mended; default: never */
    uint64_t hot_max;         /**< fair steps an obligation may be open; default steps_max / 8 */
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

/** Start a node that is a program with a main function of its own: `program(argc, argv)` on a
 *  thread of a new machine, with `name` as argv[0] and `args` (ended by NULL; may be NULL) behind
 *  it, all copied. What it prints is dropped. Its static variables are those of this process: two
 *  nodes of the same program share them.
 *  Errors: without memory the run fails.
 *  Ownership: the world's. Context: the test's body. */
SP_API SP_NONNULL_ARGS(1, 2,
                       3) sp_sim_node *sp_sim_start_main(sp_sim *s, const char *name,
                                                         int (*program)(int argc, char **argv),
                                                         const char *const *args);

/** The main function of the objects under test, where the test program is linked with
 *  -Wl,--wrap=main: the very objects that are linked into the program itself.
 *  Context: as sp_sim_start_main() calls it. */
SP_API extern int sp_sim_program(int argc, char **argv) __asm__("__real_main");

/** What a program's main function returned; 0 before it has. Context: any in the world. */
SP_API SP_NONNULL int sp_sim_status(const sp_sim_node *node);

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

/* ---- the network: nodes are machines with addresses 10.0.0.1, 10.0.0.2, ... in the order of
 * their start, and sp_connect("name:port") finds them by name ---- */

/** Which way. */
enum sp_sim_way {
    SP_SIM_BOTH,   /**< between the two */
    SP_SIM_ONEWAY, /**< from the first to the second */
};

/** The node's address, port 0. Context: any in the world. */
SP_API SP_NONNULL sp_address sp_sim_address(const sp_sim_node *node);

/** Part two nodes: nothing arrives, and what is sent meanwhile is sent again once they are
 *  healed, as the protocol does: after a while. Connections last, until a side gives up (15 minutes
 *  with something unsent, else keepalive; two minutes for one that is being made).
 *  Errors: without memory the run fails. Context: any in the world. */
SP_API SP_NONNULL void sp_sim_partition(sp_sim *s, sp_sim_node *a, sp_sim_node *b,
                                        enum sp_sim_way way);

/** Undo sp_sim_partition() and sp_sim_clog() between two nodes; everywhere where both are NULL.
 *  Context: any in the world. */
SP_API SP_NONNULL_ARGS(1) void sp_sim_heal(sp_sim *s, sp_sim_node *a, sp_sim_node *b);

/** What is under way between two nodes stands still, and arrives when it is healed.
 *  Errors: without memory the run fails. Context: any in the world. */
SP_API SP_NONNULL void sp_sim_clog(sp_sim *s, sp_sim_node *a, sp_sim_node *b, enum sp_sim_way way);

/** Reset every connection between two nodes; of one with itself where they are the same.
 *  Context: any in the world. */
SP_API SP_NONNULL void sp_sim_reset_connections(sp_sim *s, sp_sim_node *a, sp_sim_node *b);

/** How long what is sent from one to the other, and back, takes: at least `min`, by chance up to
 *  `max`. Default: 0.2 to 1.2 ms; a node to itself 15 to 85 us.
 *  Errors: without memory the run fails. Context: any in the world. */
SP_API SP_NONNULL void sp_sim_latency(sp_sim *s, sp_sim_node *a, sp_sim_node *b, sp_duration min,
                                      sp_duration max);

/** How many bytes a second go from one to the other, and back; 0: no bound, the default.
 *  Errors: without memory the run fails. Context: any in the world. */
SP_API SP_NONNULL void sp_sim_bandwidth(sp_sim *s, sp_sim_node *a, sp_sim_node *b,
                                        uint64_t bytes_per_s);

/** `holds(s, arg)` must be true at some time after the last fault, and `within` that on the world's
 *  clock: when .faults_until has come, or as many faults as the run has have happened and are
 *  mended; in a run without faults, from now on. Reads only. Several: each for itself.
 *  Context: the test's body, before it runs. */
SP_API SP_NONNULL_ARGS(1, 2, 3) void sp_sim_eventually(sp_sim *s, const char *name,
                                                       bool (*holds)(sp_sim *s, void *arg),
                                                       void *arg, sp_duration within);

/* ---- scripted control ----
 *
 * From the body, from a function of sp_sim_at(), or from a process in the world; from a process it
 * happens when its step is over. */

/** Call fn(s, arg) when the world's clock is at `at`, between two steps. It may do what the body
 *  may, but for letting the world run. Context: any in the world. */
SP_API SP_NONNULL_ARGS(1, 3) void sp_sim_at(sp_sim *s, sp_time at, void (*fn)(sp_sim *s, void *arg),
                                            void *arg);

/** One step of the world. False: nothing was left to do. Does not return when the run has failed.
 *  Context: the test's body. */
SP_API SP_NONNULL bool sp_sim_step(sp_sim *s);

/** The world's clock goes on by `d` while nobody does anything, so that what was due meanwhile is
 *  late. Context: the test's body. */
SP_API SP_NONNULL void sp_sim_advance(sp_sim *s, sp_duration d);

/** Let the world go on until a process comes to sp_label(label), which stops there until the world
 *  goes on again. False: nobody did before all was over. Context: the test's body. */
SP_API SP_NONNULL bool sp_sim_stop_at(sp_sim *s, const char *label);

/** The node's program is gone at once, as by SIGKILL: no terminate, no destructor, its memory is
 *  lost, and the system closes its connections. Its promises (sp_eventually_begin()) are void.
 *  Context: any in the world. */
SP_API SP_NONNULL void sp_sim_crash(sp_sim_node *node);

/** The same, but the machine has no power: its peers are told nothing.
 *  Context: any in the world. */
SP_API SP_NONNULL void sp_sim_power_off(sp_sim_node *node);

/** SIGTERM. A program that takes no signals (sp_os_signal_subscribe(), sp_application_run()) is
 *  gone at once. Context: any in the world. */
SP_API SP_NONNULL void sp_sim_stop(sp_sim_node *node);

/** Start the node's main function again, with what sp_sim_start() was given; one that still
 *  runs crashes before. Context: any in the world. */
SP_API SP_NONNULL void sp_sim_restart(sp_sim_node *node);

/** The node makes no step until sp_sim_resume(). Its clocks go on meanwhile, as for a program that was sent
 *  SIGSTOP, and nothing arrives. Context: any in the world. */
SP_API SP_NONNULL void sp_sim_pause(sp_sim_node *node);

/** Undo sp_sim_pause(). Context: any in the world. */
SP_API SP_NONNULL void sp_sim_resume(sp_sim_node *node);

/** Kill the node's process of that name. False: there is none.
 *  Context: any in the world. */
SP_API SP_NONNULL bool sp_sim_kill(sp_sim_node *node, const char *name);

/** The node's wall clock jumps. Timers go by the monotonic clock, and do not notice.
 *  Context: any in the world. */
SP_API SP_NONNULL void sp_sim_clock_step(sp_sim_node *node, sp_duration by);

/** Both of its clocks, and so its timers, are too fast from now on, or too slow; 0: right.
 *  Units: parts per million, from -500,000 to 1,000,000. Context: any in the world. */
SP_API SP_NONNULL void sp_sim_clock_drift(sp_sim_node *node, int64_t ppm);

/** Its wall clock stands, or shows again what it would have. Context: any in the world. */
SP_API SP_NONNULL void sp_sim_clock_freeze(sp_sim_node *node, bool frozen);

/** The allocation after the node's next `successes` fails, once. Counts the library's allocations
 *  for the node, sp_alloc() and its messages included; not the C library's malloc().
 *  Context: any in the world. */
SP_API SP_NONNULL void sp_sim_fail_allocation(sp_sim_node *node, uint64_t successes);

/** Did that one come? Context: any in the world. */
SP_API SP_NONNULL bool sp_sim_allocation_failed(const sp_sim_node *node);

/** Written by SP_SIM_TEST(). Context: startup. */
SP_API SP_NONNULL void sp_sim__register(struct sp_sim_test *test);

SP_EXTERN_C_END

#endif
