/* What ended, and why: the last processes whose end was not normal, and how many by kind.
 *
 * Each runtime keeps the last SP_EXITS_KEPT of them. A process that returned, or was told to shut down, is
 * only counted (sp_stats.exited); so is one that is killed because its runtime stops.
 */
#ifndef SPAWNED_EXITS_H
#define SPAWNED_EXITS_H

#include "spawned/reason.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

struct sp_runtime;

/** Ends that are kept; 150 KiB a runtime, from the first one on. */
#define SP_EXITS_KEPT 256
/** Bytes that a name and a reason are cut at, with the 0. */
#define SP_EXIT_NAME_MAX 64
#define SP_EXIT_REASON_MAX 192

/** The end of a process. */
struct sp_exit {
    uint64_t seq; /**< 1: the first of this runtime */
    sp_time at;
    sp_pid pid;
    sp_pid parent;            /**< who started it; none: not known */
    sp_pid cause;             /**< whose end brought it down through a link; none: its own */
    sp_pid restarted;         /**< whom its supervisor started in its place; none: nobody, so far */
    sp_duration age;          /**< how long it lived */
    const char *label;        /**< static text: its class, or what it was spawned as */
    enum sp_reason_kind kind; /**< KILLED, ERROR, FAULT, ... */
    char name[SP_EXIT_NAME_MAX];      /**< registered name, cut; empty: none */
    char reason[SP_EXIT_REASON_MAX];  /**< its text, cut */
    char report[SP_FAULT_REPORT_MAX]; /**< as in sp_fault, where it was one; else empty */
};

/** The newest ends with `seq` larger than `since` (0: all that are kept), the oldest first: fills
 *  up to `max` and returns how many. What comes between `since` and the first one's `seq` is gone.
 *  An end for which there was no memory is missing.
 *  Context: any thread; the runtime must live. */
SP_API SP_NONNULL_ARGS(1) size_t
    sp_exits_recent(struct sp_runtime *runtime, uint64_t since, struct sp_exit *exits, size_t max);

/** A word for a kind: "error", "killed". Static. Context: any. */
SP_API const char *sp_reason_kind_text(enum sp_reason_kind kind);

/** How many ended so by kind, from the runtime's beginning: writes `counts[kind]` for the kinds
 *  below `max`. Context: any thread; the runtime must live. */
SP_API SP_NONNULL_ARGS(1) void sp_exits_count(struct sp_runtime *runtime, uint64_t *counts,
                                              size_t max);

SP_EXTERN_C_END

#endif
