/* The trace of one server's messages, for those who ask for it: what the endpoint's process is told is
 * kept until it is asked for, the newest first to stay.
 *
 *   POST .../trace  -> sp_sys_trace() to the endpoint's own process
 *   each turn of the thread takes what has come; GET .../messages reads
 *
 * One at a time: another one ends it. It ends by its limit, with its server, by POST .../untrace, or
 * when nobody has asked for SP__HTTP_MESSAGES_KEPT_S.
 *
 * Threads: the endpoint's. Neighbours: thread.c, api_messages.c, spawned/sys.h.
 */
#ifndef SPAWNED_HTTP_MESSAGES_H
#define SPAWNED_HTTP_MESSAGES_H

#include "spawned/sys.h"

struct sp__http;

enum {
    SP__HTTP_MESSAGES = 1024,      /* events kept */
    SP__HTTP_MESSAGES_KEPT_S = 60, /* after the last question */
};

struct sp__http_messages {
    sp_pid pid;    /* whose; none: there was none yet */
    bool on;       /* more may come */
    uint64_t last; /* number of the newest event; the first is 1 */
    uint64_t lost; /* events there was no room for: on their way, or here before they were read */
    uint64_t read; /* the newest that was asked for */
    int64_t asked_ns;
    struct sp_sys_event events[SP__HTTP_MESSAGES]; /* by number */
};

/** A message has come: an event of the trace, or nothing of ours. Context: the endpoint's thread. */
void sp__http_messages_take(struct sp__http_messages *messages, const struct sp_message *message)
    SP_NONNULL;

/** Nobody asks any more: the trace ends. Context: as above, attached. */
void sp__http_messages_tend(struct sp__http_messages *messages) SP_NONNULL;

/** The endpoint has a new process: what was told to the one before is over. Context: as above. */
void sp__http_messages_forget(struct sp__http_messages *messages) SP_NONNULL;

#endif
