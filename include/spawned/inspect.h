/* Looking at what runs: one process, pages of a million, and who is tied to whom.
 *
 *     struct sp_inspect top[20];
 *     struct sp_inspect_page page;
 *     struct sp_inspect_query query = { .sort = SP_INSPECT_MAILBOX, .descending = true };
 *     err = sp_inspect_list(&query, top, 20, &page);    // the twenty longest mailboxes
 *
 * Nothing is stopped and no process is asked: each row is what one process was like while it was
 * read, and rows of one page were read one after the other. So all of it also works from a
 * thread that attached itself while every worker is stuck in a handler.
 */
#ifndef SPAWNED_INSPECT_H
#define SPAWNED_INSPECT_H

#include "spawned/process.h"

SP_EXTERN_C_BEGIN

/** Rows that a page in any order but that of the table can have before its end: offset and rows
 *  together. */
#define SP_INSPECT_SORTED_MAX 10000

/** What a process is. */
enum sp_process_kind {
    SP_PROCESS_PLAIN = 0, /**< of sp_spawn() */
    SP_PROCESS_SERVER,
    SP_PROCESS_STATEM,
    SP_PROCESS_SUPERVISOR, /**< also dynamic ones */
    SP_PROCESS_TASK,
    SP_PROCESS_THREAD, /**< a thread of the program that attached itself */
};

/** A snapshot of one process. */
struct sp_inspect {
    struct sp_process_info process;
    enum sp_process_kind kind;
    sp_pid supervisor;    /**< who started it, where that is a supervisor; else none */
    sp_duration handling; /**< how long its handler has been at the call it is answering; zero:
                               it answers none just now */
    sp_duration
        busy; /**< time in its handlers, a wait in them included; an estimate of the metrics'
                               samples (spawned/metrics.h): zero while they were never on. Of servers
                               and state machines */
    char operation
        [48];         /**< what the handler of a server or state machine is at: name of the message,
                               cut; empty: at none, or it moves on just now */
    uint32_t notices; /**< of the mailbox: exit signals and their notices, not taken yet */
    bool signalled;   /**< something is in its control lane, which comes before any message */
    uint32_t
        interleaved; /**< handlers of a reentrant server that wait for an answer, put aside while
                               it takes other messages */
    uint32_t timers; /**< that will send to it */
    uint32_t files;  /**< sockets that it has: streams, listeners */
    const void *spawned_at; /**< where the program spawned it; NULL: not known. Of a child of a
                                 supervisor: in the supervisor. See sp_inspect_site() */
};

enum { SP_INSPECT_SITE_MAX = 128 };

/** The text of `spawned_at`: "function+0x1f (program)" where the program exports its symbols
 *  (`-rdynamic`), else "program+0x1c3f", as addr2line takes it; of NULL: "". Returns `text`.
 *  Context: any. */
SP_API SP_NONNULL_ARGS(2) const
    char *sp_inspect_site(const void *spawned_at, char text[SP_INSPECT_SITE_MAX]);

/** What rows are ordered by; equal ones by their place in the table. */
enum sp_inspect_sort {
    SP_INSPECT_TABLE = 0, /**< their place in the table: what pages follow on from */
    SP_INSPECT_NAME,      /**< those without a name behind the others, by label */
    SP_INSPECT_MAILBOX,
    SP_INSPECT_MEMORY,
    SP_INSPECT_HANDLED,
    SP_INSPECT_UPTIME,
    SP_INSPECT_HANDLING, /**< how long at one call: who is stuck */
    SP_INSPECT_LINKS,
    SP_INSPECT_BUSY, /**< who has spent most time in its handlers, while metrics are on */
};

/** Which rows, in which order. Zero: all, in the order of the table, from its beginning. */
struct sp_inspect_query {
    enum sp_inspect_sort sort;
    bool descending;    /**< the largest first; not in the order of the table */
    size_t offset;      /**< matching rows to leave out before the first */
    size_t cursor;      /**< in the order of the table: sp_inspect_page.next of the page before */
    uint32_t kinds;     /**< bits `1 << enum sp_process_kind`; 0: all */
    uint32_t statuses;  /**< bits `1 << enum sp_process_status`; 0: all */
    const char *search; /**< part of the name or the label, of whatever case, or of the pid's
                             digits; NULL: all */
    sp_pid parent;      /**< whom it started; none: all */
};

/** What a page is a part of. */
struct sp_inspect_page {
    size_t count;     /**< rows filled */
    uint64_t total;   /**< processes alive */
    uint64_t matched; /**< of those looked at, how many the query asks for: all of them, but in
                           the order of the table only those up to the end of the page; in another
                           one without a filter, `total` */
    size_t next;      /**< cursor of the next page in the order of the table; SIZE_MAX: the end */
};

/** Look at one process. Errors: NOPROC, NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(2) sp_err sp_inspect(sp_pid pid, struct sp_inspect *out_info);

/** Fill `rows` with the page that `query` (NULL: the first one) asks for, `max` rows at most. A
 *  process that ends meanwhile is missing from it.
 *  Errors: INVALID (no such order; descending in the order of the table; offset + max over
 *  SP_INSPECT_SORTED_MAX in another one), NOMEM, NOTCONTEXT.
 *  Context: process. In the order of the table it takes as long as the page is, in another one as
 *  there are processes: docs/observability.md has figures. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(4) sp_err
    sp_inspect_list(const struct sp_inspect_query *query, struct sp_inspect *rows, size_t max,
                    struct sp_inspect_page *out_page);

/** How two processes are tied. */
enum sp_relation {
    SP_RELATION_LINK = 0,
    SP_RELATION_MONITOR, /**< that the process holds on the others */
    SP_RELATION_WATCHER, /**< that the others hold on it */
    SP_RELATION_CHILD,   /**< whom it started; looks at all processes */
    SP_RELATION_WAIT,    /**< whose answer its call waits for */
};

/** The pids at the other end of a process's relations: fills up to `max` and says in `*out_total`
 *  how many there are.
 *  Errors: NOPROC, INVALID (no such relation), NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(5) sp_err
    sp_inspect_relations(sp_pid pid, enum sp_relation relation, sp_pid *pids, size_t max,
                         size_t *out_total);

/** One relation: of a child, from who started it; a link is told once, from its lower slot. */
struct sp_inspect_edge {
    sp_pid from;
    sp_pid to;
    enum sp_relation relation; /**< never WATCHER, which is MONITOR from the other end */
};

/** Relations of all processes, from `*cursor` (0 to begin; SIZE_MAX at the end), of the kinds with
 *  a bit `1 << enum sp_relation` in `relations` (0: all): fills up to `max`, at least 1, and
 *  returns how many. The cursor stands between two processes: of one with more relations than
 *  fit, the rest is left out and `*out_cut` is set. Outside of a runtime: 0. Context: process. */
SP_API SP_NONNULL size_t sp_inspect_edges(size_t *cursor, uint32_t relations,
                                          struct sp_inspect_edge *edges, size_t max, bool *out_cut);

SP_EXTERN_C_END

#endif
