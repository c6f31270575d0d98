#include "runtime/real/log_sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SINK_POLL_MS = 20 };

/* ---- start and end ---- */

/* Source: no-color.org. */
static bool sink_colours(const struct sp_log_options *options, int fd)
{
    if (options->format == SP_LOG_JSON || options->colours == SP_LOG_COLOURS_NEVER)
        return false;
    if (options->colours == SP_LOG_COLOURS_ALWAYS)
        return true;
    const char *none = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return isatty(fd) && (none == NULL || none[0] == '\0') && terminal != NULL &&
           strcmp(terminal, "dumb") != 0;
}

static int sink_errno(void)
{
    return errno == 0 ? EIO : errno;
}

/* 0, or an errno. Without a journal now there may be one later. */
static int journal_connect(struct sp__log_sink *sink)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strncpy(address.sun_path, sink->journal, sizeof(address.sun_path) - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return sink_errno();
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        int error = sink_errno();
        (void)close(fd);
        return error;
    }
    sink->fd = fd;
    return 0;
}

void sp__log_sink_init(struct sp__log_sink *sink, const struct sp_log_options *options)
{
    *sink = (struct sp__log_sink){ .kind = options->sink,
                                   .fd = -1,
                                   .journal = options->journal,
                                   .identifier = options->identifier };
    if (sink->identifier == NULL)
        sink->identifier = program_invocation_short_name;
    if (sink->kind == SP_LOG_STDERR)
        sink->fd = STDERR_FILENO;
    else if (sink->kind == SP_LOG_FD)
        sink->fd = options->fd;
    else if (sink->kind == SP_LOG_JOURNAL)
        (void)journal_connect(sink); /* tried again with each line */
    if (sink->fd >= 0 && sink->kind != SP_LOG_JOURNAL)
        sink->colours = sink_colours(options, sink->fd);
}

void sp__log_sink_finish(struct sp__log_sink *sink)
{
    if (sink->kind == SP_LOG_JOURNAL && sink->fd >= 0)
        (void)close(sink->fd);
    sink->fd = -1;
}

/* ---- writing ---- */

/* Until it takes something. 0, or ETIMEDOUT. What is wrong with it the write will say. */
static int sink_await(int fd, sp__log_patience_fn patience, void *arg)
{
    for (;;) {
        struct pollfd one = { .fd = fd, .events = POLLOUT };
        bool waits = patience(arg);
        if (poll(&one, 1, waits ? SINK_POLL_MS : 0) > 0)
            return 0;
        if (!waits)
            return ETIMEDOUT;
    }
}

/* In pieces that a pipe which takes anything takes as a whole. */
static int descriptor_write(int fd, const char *bytes, size_t size, sp__log_patience_fn patience,
                            void *arg)
{
    while (size > 0) {
        int error = sink_await(fd, patience, arg);
        if (error != 0)
            return error;
        ssize_t written = write(fd, bytes, size < PIPE_BUF ? size : PIPE_BUF);
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            return sink_errno();
        if (written > 0) {
            bytes += written;
            size -= (size_t)written;
        } else if (!patience(arg)) {
            return ETIMEDOUT;
        }
    }
    return 0;
}

static int journal_send(int fd, const char *bytes, size_t size, sp__log_patience_fn patience,
                        void *arg)
{
    for (;;) {
        int error = sink_await(fd, patience, arg);
        if (error != 0)
            return error;
        if (send(fd, bytes, size, MSG_NOSIGNAL) >= 0)
            return 0;
        if (errno != EINTR && errno != EAGAIN)
            return sink_errno();
        if (!patience(arg))
            return ETIMEDOUT;
    }
}

/* A journal that was restarted is another socket of the same name. */
static int journal_write(struct sp__log_sink *sink, const char *bytes, size_t size,
                         sp__log_patience_fn patience, void *arg)
{
    for (int attempt = 0;; attempt++) {
        int error = sink->fd >= 0 ? 0 : journal_connect(sink);
        if (error != 0)
            return error;
        error = journal_send(sink->fd, bytes, size, patience, arg);
        if (error == 0 || error == ETIMEDOUT || error == EMSGSIZE)
            return error;
        (void)close(sink->fd);
        sink->fd = -1;
        if (attempt == 1)
            return error;
    }
}

int sp__log_sink_write(struct sp__log_sink *sink, const char *bytes, size_t size,
                       sp__log_patience_fn patience, void *arg)
{
    if (sink->kind == SP_LOG_JOURNAL)
        return journal_write(sink, bytes, size, patience, arg);
    return descriptor_write(sink->fd, bytes, size, patience, arg);
}
