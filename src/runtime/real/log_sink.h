/* Where the lines of a log go: a descriptor, or systemd's journal.
 *
 * A pipe that is full, a terminal that is stopped, a journal that is busy: it is waited for as long
 * as `patience` says so, and never inside write(), as far as the system says the truth about what
 * would not block.
 *
 * Threads: the one that writes; after a fault another one, see log_writer.h.
 * Neighbours: log_writer.c.
 */
#ifndef SPAWNED_RUNTIME_REAL_LOG_SINK_H
#define SPAWNED_RUNTIME_REAL_LOG_SINK_H

#include "runtime/log.h"

struct sp__log_sink {
    enum sp_log_sink kind;
    int fd; /* -1: none, or no journal just now */
    bool colours;
    const char *journal;
    const char *identifier;
};

/** Has to be waited on: may it be? Context: whoever writes. */
typedef bool (*sp__log_patience_fn)(void *arg);

/** Context: startup. */
void sp__log_sink_init(struct sp__log_sink *sink, const struct sp_log_options *options) SP_NONNULL;
/** Closes what it opened. Context: the end. */
void sp__log_sink_finish(struct sp__log_sink *sink) SP_NONNULL;

/** Write all of it; of a journal, one datagram. 0, or an errno: something is missing, ETIMEDOUT
 *  where `patience(arg)` came to its end. Context: whoever writes; no allocation, no lock. */
int sp__log_sink_write(struct sp__log_sink *sink, const char *bytes, size_t size,
                       sp__log_patience_fn patience, void *arg) SP_NONNULL_ARGS(1, 2, 4);

#endif
