/* A line of the log as text: for people, as JSON, for systemd's journal.
 *
 * Whatever bytes a line holds, it stays one line and sends nothing to a terminal: control
 * characters and what is not UTF-8 are escaped. Nothing here allocates, locks, or asks the C
 * library for a time zone, so that what was logged can still be written after a fault.
 *
 * Threads: none of its own. Neighbours: real/log_writer.c; log_ring.h, where records come from.
 */
#ifndef SPAWNED_RUNTIME_LOG_FORMAT_H
#define SPAWNED_RUNTIME_LOG_FORMAT_H

#include "base/text.h"
#include "spawned/log.h"

/** Bytes that a line of at most `line_size` bytes may have in any format. */
#define SP__LOG_FORMAT_MAX(line_size) ((size_t)(line_size)*6 + 2048)

/** With a newline. Context: any. */
void sp__log_format_text(struct sp__text *text, const struct sp_log_record *record, bool colours)
    SP_NONNULL;
void sp__log_format_json(struct sp__text *text, const struct sp_log_record *record) SP_NONNULL;

/** A datagram of the journal's native protocol. Context: any.
 *  Source: systemd, "Native Journal Protocol". */
void sp__log_format_journal(struct sp__text *text, const struct sp_log_record *record,
                            const char *identifier) SP_NONNULL;

/** Adds "2026-11-23T06:30:00.123456Z". Context: any. */
void sp__log_put_time(struct sp__text *text, int64_t wall_ns) SP_NONNULL;

#endif
