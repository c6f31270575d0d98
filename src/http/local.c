/* The Unix-domain socket of an endpoint; see local.h. */
#include "http/local.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LOCAL_BACKLOG = 128,
    LOCAL_MODE = 0600,
    LOCAL_REST_MS = 100, /* where there is no descriptor, so that the loop does not turn on air */
};

sp_err sp__http_local_open(struct sp__http *http)
{
    const sp_address *address = &http->settings.local;
    if (address->family == SP_ADDRESS_NONE)
        return SP_OK;
    return sp__http_listen(http,
                           &(struct sp__io_open){ .address = address,
                                                  .backlog = LOCAL_BACKLOG,
                                                  .unix_mode = LOCAL_MODE },
                           &http->local_fd);
}

int sp__http_local_listens(const struct sp__http *http, int64_t *out_again_ns)
{
    int64_t rest = http->local_rest_ns == 0 ? 0 : http->local_rest_ns - sp_now().ns;
    *out_again_ns = rest > 0 ? rest : INT64_MAX;
    return rest > 0 || sp__list_empty(&http->free) ? -1 : http->local_fd;
}

/* Whether an error is of one connection, and the next may be tried. */
static bool local_is_over(int number)
{
    return number == ECONNABORTED || number == EINTR;
}

void sp__http_local_accept(struct sp__http *http)
{
    while (http->local_fd >= 0 && !sp__list_empty(&http->free)) {
        struct sockaddr_storage peer;
        socklen_t size = sizeof(peer);
        int fd =
            accept4(http->local_fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && local_is_over(errno))
            continue;
        if (fd < 0) {
            if (errno != EAGAIN)
                http->local_rest_ns = sp_now().ns + LOCAL_REST_MS * SP_NS_PER_MS;
            return;
        }
        /* Closes it where it fails. */
        (void)MHD_add_connection(http->daemon, fd, (struct sockaddr *)&peer, size);
    }
}

void sp__http_local_close(struct sp__http *http)
{
    if (http->local_fd < 0)
        return;
    /* The file first: who comes now finds none, instead of a queue that nobody empties. */
    unlink(http->settings.local.path);
    close(http->local_fd);
    http->local_fd = -1;
}
