#include "runtime/real/net.h"

#include "base/alloc.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

sp_err sp__net_error(int number)
{
    switch (number) {
    case ENOMEM:
    case ENOBUFS:
        return SP_ERR_NOMEM;
    case EMFILE:
    case ENFILE:
        return SP_ERR_NOFILE;
    case EADDRINUSE:
        return SP_ERR_ADDRINUSE;
    case EACCES:
    case EPERM:
    case EROFS:
        return SP_ERR_ACCESS;
    case ECONNREFUSED:
    case ENOENT: /* no such Unix-domain socket */
        return SP_ERR_REFUSED;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
        return SP_ERR_RESET;
    case ETIMEDOUT:
        return SP_ERR_TIMEOUT;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case EADDRNOTAVAIL:
        return SP_ERR_NOCONNECTION;
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
        return SP_ERR_NOTSUP;
    default:
        return SP_ERR_IO;
    }
}

static sp_err net_stream_error(int number)
{
    /* A peer that stopped answering (keepalive, retransmissions) is gone like one that said so;
     * TIMEOUT means the caller's deadline. */
    if (number == ETIMEDOUT || number == EHOSTUNREACH || number == ENETUNREACH)
        return SP_ERR_RESET;
    return sp__net_error(number);
}

/* ---- the object ---- */

static void net_release(struct sp__poll_file *file)
{
    struct sp__io *io = (struct sp__io *)(void *)file;
    sp__free(io->unlink_path);
    sp__free(io);
}

sp_err sp__net_wrap(struct sp__poller *poller, int moved_fd, struct sp__io **out_io)
{
    struct sp__io *io = sp__malloc(sizeof(*io));
    sp_err err = SP_ERR_NOMEM;
    if (io != NULL) {
        *io = (struct sp__io){ .poller = poller };
        sp__poll_file_init(&io->file, moved_fd, net_release);
        err = sp__poller_add(poller, &io->file);
    }
    if (err != SP_OK) {
        sp__free(io);
        (void)close(moved_fd);
        return err;
    }
    *out_io = io;
    return SP_OK;
}

static void net_close(struct sp__io *moved_io, bool reset)
{
    if (reset) {
        struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
        (void)setsockopt(moved_io->file.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    if (moved_io->unlink_path != NULL)
        (void)unlink(moved_io->unlink_path);
    sp__poller_remove(moved_io->poller, &moved_io->file);
}

/* ---- data ---- */

static sp_err net_read(struct sp__io *io, void *bytes, size_t size, size_t *out_count)
{
    uint64_t seen;
    if (!sp__poll_may_try(&io->file.in, &seen))
        return SP__IO_AGAIN;
    ssize_t count;
    do {
        count = recv(io->file.fd, bytes, size, 0);
    } while (count < 0 && errno == EINTR);
    if (count > 0) {
        /* Less than asked for: the queue is empty now, and what comes later is an event. Not so
         * when the end had come before: there is no second event for it. */
        if ((size_t)count < size && !(seen & SP__POLL_HUP))
            sp__poll_drained(&io->file.in, seen);
        *out_count = (size_t)count;
        return SP_OK;
    }
    if (count == 0)
        return SP_ERR_EOF;
    if (errno != EAGAIN)
        return net_stream_error(errno);
    sp__poll_drained(&io->file.in, seen);
    return SP__IO_AGAIN;
}

static ssize_t net_send(int fd, const struct sp__io_part *parts, size_t count)
{
    _Static_assert(sizeof(struct sp__io_part) == sizeof(struct iovec) &&
                       offsetof(struct sp__io_part, size) == offsetof(struct iovec, iov_len),
                   "a part is an iovec");
    if (count == 1)
        return send(fd, parts[0].bytes, parts[0].size, MSG_NOSIGNAL);
    union {
        const struct sp__io_part *parts;
        struct iovec *iov; /* which sendmsg() only reads */
    } what = { .parts = parts };
    struct msghdr message = { .msg_iov = what.iov, .msg_iovlen = count };
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static sp_err net_write(struct sp__io *io, const struct sp__io_part *parts, size_t count,
                        size_t *out_count)
{
    uint64_t seen;
    if (!sp__poll_may_try(&io->file.out, &seen))
        return SP__IO_AGAIN;
    ssize_t sent;
    do {
        sent = net_send(io->file.fd, parts, count);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        *out_count = (size_t)sent;
        return SP_OK;
    }
    if (errno != EAGAIN)
        return net_stream_error(errno);
    sp__poll_drained(&io->file.out, seen);
    return SP__IO_AGAIN;
}

static sp_err net_shutdown(struct sp__io *io)
{
    if (shutdown(io->file.fd, SHUT_WR) == 0)
        return SP_OK;
    return errno == ENOTCONN ? SP_ERR_RESET : net_stream_error(errno);
}

/* ---- waiting ---- */

static struct sp__poll_way *net_way(struct sp__io *io, enum sp__io_way way)
{
    return way == SP__IO_IN ? &io->file.in : &io->file.out;
}

static bool net_arm(struct sp__io *io, enum sp__io_way way, struct sp__actor *actor, uint64_t token)
{
    return sp__poll_arm(net_way(io, way), actor, token);
}

static bool net_disarm(struct sp__io *io, enum sp__io_way way)
{
    return sp__poll_disarm(net_way(io, way));
}

static bool net_arm_waiter(struct sp__io *io, enum sp__io_way way, struct sp__io_waiter *waiter)
{
    return sp__poll_arm_waiter(net_way(io, way), waiter);
}

static sp_err net_address(struct sp__io *io, bool peer, sp_address *out_address)
{
    struct sockaddr_storage system;
    socklen_t size = sizeof(system);
    int failed = peer ? getpeername(io->file.fd, (struct sockaddr *)&system, &size)
                      : getsockname(io->file.fd, (struct sockaddr *)&system, &size);
    if (failed)
        return SP_ERR_IO;
    sp__net_from_system(&system, size, out_address);
    return SP_OK;
}

const struct sp__io_ops sp__io_real = {
    .listen = sp__net_listen,
    .accept = sp__net_accept,
    .connect = sp__net_connect,
    .connected = sp__net_connected,
    .read = net_read,
    .write = net_write,
    .shutdown = net_shutdown,
    .close = net_close,
    .arm = net_arm,
    .arm_waiter = net_arm_waiter,
    .disarm = net_disarm,
    .address = net_address,
    .resolve = sp__net_resolve,
};
