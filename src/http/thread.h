/* The endpoint's thread: it drives libmicrohttpd and answers.
 *
 *   wake (eventfd) --+
 *   daemon (epoll) --+--> poll --> the daemon's turn --> cut what is overdue --> sample
 *   local socket ----+
 *
 * The thread is attached to the runtime: a process, which asks no other process and waits for
 * none. With no connection open and nobody who looked within a minute it sleeps without a timeout.
 *
 * Invariants: a connection has a slot from its acceptance to its end, so there are never more than
 * connections_max; none lives longer than request_time without finishing a request.
 *
 * Threads: sp__http_start() and sp__http_stop() the owner's; counters any; all else the thread's.
 * Neighbours: endpoint.c owns it, local.c listens on a Unix-domain socket, request.c answers,
 * series.c samples.
 */
#ifndef SPAWNED_HTTP_THREAD_H
#define SPAWNED_HTTP_THREAD_H

#include "base/list.h"
#include "http/messages.h"
#include "http/series.h"
#include "http/settings.h"
#include "runtime/io.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

/** A connection. */
struct sp__http_connection {
    struct sp__list link; /* open or free */
    int fd;
    int64_t since; /* accepted, or done with its last request */
    bool cut;
};

struct sp__http {
    struct sp__http_settings settings;
    struct sp_runtime *runtime;
    sp_address address; /* bound; the local one where it is the only one */
    sp_pid self;        /* the thread's process */
    int64_t started_ns;
    struct MHD_Daemon *daemon;
    int wake_fd;
    int local_fd;          /* listens on settings.local; else -1 */
    int64_t local_rest_ns; /* until then it does not accept */
    _Atomic bool stopping;
    pthread_t thread;
    struct sp__http_connection *connections; /* connections_max of them */
    struct sp__list open;                    /* the longest waiting first */
    struct sp__list free;
    struct sp__http_series series;
    struct sp__http_messages *messages;
    _Atomic uint64_t requests;
    _Atomic uint64_t refused;
    _Atomic uint64_t cut;
};

/** Opens a listening socket; a failure is told in settings.out_error, too. Errors: as of
 *  sp_http_start(). Ownership: the caller closes it. Context: any thread. */
SP_NODISCARD sp_err sp__http_listen(const struct sp__http *http, const struct sp__io_open *how,
                                    int *out_fd) SP_NONNULL;

/** Bind, start the thread, and wait until it answers.
 *  Errors: as of sp_http_start(). Ownership: the caller stops it. Context: any thread that may
 *  block for some milliseconds; not one that is attached. */
SP_NODISCARD sp_err sp__http_start(const struct sp__http_settings *settings,
                                   struct sp_runtime *runtime, struct sp__http **out_http)
    SP_NONNULL;

/** End the thread, close what is open, free. Takes as long as the answer that is being written.
 *  Context: as above. */
void sp__http_stop(struct sp__http *moved_http) SP_NONNULL;

#endif
