/* Sockets come to be: listening, accepting, connecting; see net.h. */
#include "runtime/real/net.h"

#include "base/alloc.h"
#include "runtime/real/real.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    /* Connections that broke while they waited in the queue: how many to skip in one accept. */
    NET_ACCEPT_SKIP_MAX = 64,
};

static bool net_set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

static bool net_set_tcp(int fd, const struct sp__io_open *how)
{
    if (!how->delay && !net_set(fd, IPPROTO_TCP, TCP_NODELAY, 1))
        return false;
    if (how->keepalive_s == 0)
        return true;
    /* Five probes, a tenth of the silence apart: gone after one and a half times the silence. */
    int apart = how->keepalive_s / 10 > 0 ? how->keepalive_s / 10 : 1;
    return net_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
           net_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, how->keepalive_s) &&
           net_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, apart) &&
           net_set(fd, IPPROTO_TCP, TCP_KEEPCNT, 5);
}

/* Options are set on a listener before it listens, and its connections inherit them. */
static bool net_set_options(int fd, const struct sp__io_open *how)
{
    if (how->send_buffer != 0 && !net_set(fd, SOL_SOCKET, SO_SNDBUF, how->send_buffer))
        return false;
    if (how->receive_buffer != 0 && !net_set(fd, SOL_SOCKET, SO_RCVBUF, how->receive_buffer))
        return false;
    return how->address->family == SP_ADDRESS_UNIX || net_set_tcp(fd, how);
}

static int net_domain(const sp_address *address)
{
    switch (address->family) {
    case SP_ADDRESS_IPV4:
        return AF_INET;
    case SP_ADDRESS_IPV6:
        return AF_INET6;
    default:
        return AF_UNIX;
    }
}

static sp_err net_fail(const struct sp__io_open *how, int number)
{
    if (how->out_system != NULL)
        *how->out_system = number;
    return sp__net_error(number);
}

/* To bind fails for reasons that mean something else to who connects. */
static sp_err net_fail_to_bind(const struct sp__io_open *how, int number)
{
    sp_err err = net_fail(how, number);
    return number == EADDRNOTAVAIL || number == ENOENT || number == ENOTDIR ? SP_ERR_NOTFOUND : err;
}

static sp_err net_socket(const struct sp__io_open *how, int *out_fd)
{
    int fd = socket(net_domain(how->address), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return net_fail(how, errno);
    if (!net_set_options(fd, how)) {
        sp_err err = net_fail(how, errno);
        (void)close(fd);
        return err;
    }
    *out_fd = fd;
    return SP_OK;
}

/* ---- listen ---- */

/* A socket file on which nobody listens is what a crash left behind. Asked with a socket of
 * another type, so that who does listen sees no connection. */
static bool net_unix_is_stale(const struct sockaddr_storage *system, socklen_t size)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool stale = connect(fd, (const struct sockaddr *)system, size) != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return stale;
}

static bool net_bind(int fd, const struct sp__io_open *how, const struct sockaddr_storage *system,
                     socklen_t size)
{
    const struct sockaddr *where = (const struct sockaddr *)system;
    if (bind(fd, where, size) == 0)
        return true;
    if (errno != EADDRINUSE || how->address->family != SP_ADDRESS_UNIX ||
        how->address->path[0] == '@')
        return false;
    struct stat about;
    if (lstat(how->address->path, &about) == 0 && S_ISSOCK(about.st_mode) &&
        net_unix_is_stale(system, size) && unlink(how->address->path) == 0)
        return bind(fd, where, size) == 0;
    errno = EADDRINUSE;
    return false;
}

/* "[::]" takes IPv4 connections too, whatever the system's default is. */
static bool net_set_dual(int fd, const sp_address *address)
{
    static const uint8_t any[16];
    return address->family != SP_ADDRESS_IPV6 || memcmp(address->ip, any, sizeof(any)) != 0 ||
           net_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
}

static bool net_start_listening(int fd, const struct sp__io_open *how,
                                const struct sockaddr_storage *system, socklen_t size)
{
    if (how->address->family == SP_ADDRESS_UNIX) {
        /* The file is created with the socket's mode, so it is never there with a wider one. */
        if (how->unix_mode != 0 && fchmod(fd, how->unix_mode) != 0)
            return false;
    } else if (!net_set(fd, SOL_SOCKET, SO_REUSEADDR, 1) || !net_set_dual(fd, how->address) ||
               (how->port_shared && !net_set(fd, SOL_SOCKET, SO_REUSEPORT, 1))) {
        return false;
    }
    return net_bind(fd, how, system, size) && listen(fd, how->backlog) == 0;
}

static sp_err net_remember_path(struct sp__io *io, const sp_address *address)
{
    if (address->family != SP_ADDRESS_UNIX || address->path[0] == '@')
        return SP_OK;
    io->unlink_path = sp__strdup(address->path);
    return io->unlink_path == NULL ? SP_ERR_NOMEM : SP_OK;
}

sp_err sp__net_listen_socket(const struct sp__io_open *how, int *out_fd)
{
    struct sockaddr_storage system;
    socklen_t size;
    if (!sp__net_to_system(how->address, &system, &size))
        return SP_ERR_INVALID;
    int fd = -1;
    sp_err err = net_socket(how, &fd);
    if (err != SP_OK)
        return err;
    if (!net_start_listening(fd, how, &system, size)) {
        err = net_fail_to_bind(how, errno);
        (void)close(fd);
        return err;
    }
    *out_fd = fd;
    return SP_OK;
}

sp_err sp__net_listen(struct sp_runtime *runtime, const struct sp__io_open *how,
                      struct sp__io **out_io)
{
    struct sp__io *io;
    int fd = -1;
    sp_err err = sp__net_listen_socket(how, &fd);
    if (err != SP_OK)
        return err;
    err = sp__net_wrap(sp__real_of(runtime)->poller, fd, &io);
    if (err != SP_OK)
        return err;
    err = net_remember_path(io, how->address);
    if (err != SP_OK) {
        sp__io_real.close(io, false);
        return err;
    }
    *out_io = io;
    return SP_OK;
}

/* ---- accept ---- */

/* Errors of a connection that waited, not of the listener. */
static bool net_accept_skips(int number)
{
    switch (number) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

sp_err sp__net_accept(struct sp__io *listener, struct sp__io **out_io)
{
    uint64_t seen;
    if (!sp__poll_may_try(&listener->file.in, &seen))
        return SP__IO_AGAIN;
    int fd;
    int skipped = 0;
    do {
        fd = accept4(listener->file.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && net_accept_skips(errno) && ++skipped < NET_ACCEPT_SKIP_MAX);
    if (fd >= 0)
        return sp__net_wrap(listener->poller, fd, out_io);
    if (errno != EAGAIN)
        return sp__net_error(errno);
    sp__poll_drained(&listener->file.in, seen);
    return SP__IO_AGAIN;
}

/* ---- connect ---- */

sp_err sp__net_connect(struct sp_runtime *runtime, const struct sp__io_open *how,
                       struct sp__io **out_io)
{
    struct sockaddr_storage system;
    socklen_t size;
    if (!sp__net_to_system(how->address, &system, &size))
        return SP_ERR_INVALID;
    int fd = -1;
    sp_err err = net_socket(how, &fd);
    if (err != SP_OK)
        return err;
    if (connect(fd, (const struct sockaddr *)&system, size) != 0 && errno != EINPROGRESS &&
        errno != EINTR) {
        err = errno == EAGAIN ? SP__IO_AGAIN : net_fail(how, errno);
        (void)close(fd);
        return err;
    }
    /* Added only now: a socket that is not even connecting counts as hung up. */
    return sp__net_wrap(sp__real_of(runtime)->poller, fd, out_io);
}

sp_err sp__net_connected(struct sp__io *io, int *out_system)
{
    uint64_t seen;
    if (!sp__poll_may_try(&io->file.out, &seen))
        return SP__IO_AGAIN;
    int number = 0;
    socklen_t size = sizeof(number);
    if (getsockopt(io->file.fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0)
        number = errno;
    if (number != 0) {
        *out_system = number;
        return sp__net_error(number);
    }
    struct sockaddr_storage peer;
    size = sizeof(peer);
    if (getpeername(io->file.fd, (struct sockaddr *)&peer, &size) == 0)
        return SP_OK;
    if (errno != ENOTCONN) {
        *out_system = errno;
        return sp__net_error(errno);
    }
    if (seen & SP__POLL_HUP)
        return SP_ERR_RESET; /* it was connected, and no event will come any more */
    sp__poll_drained(&io->file.out, seen);
    return SP__IO_AGAIN;
}
