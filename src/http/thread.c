#include "http/thread.h"

#include "base/alloc.h"
#include "http/local.h"
#include "http/request.h"
#include "io/listener.h"
#include "runtime/core.h"
#include "runtime/real/net.h"
#include "runtime/real/os_thread.h"
#include "spawned/registry.h"

#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    THREAD_BACKLOG = 128,
    THREAD_MEMORY = 16 * 1024, /* of a connection: its request line and headers */
    THREAD_NAME_MAX = SP_ADDRESS_TEXT_MAX + 16,
    THREAD_FULL_MS = 1000, /* for a request, while all connections are taken */
};

/* What the starter and the new thread tell each other. */
struct thread_start {
    struct sp__http *http;
    sem_t done;
    sp_err err;
};

/* ---- connections ---- */

static void thread_on_connection(void *arg, struct MHD_Connection *connection,
                                 void **socket_context, enum MHD_ConnectionNotificationCode what)
{
    struct sp__http *http = arg;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        struct sp__http_connection *closed = *socket_context;
        sp__list_remove(&closed->link);
        sp__list_push_back(&http->free, &closed->link);
        return;
    }
    /* There is one: the daemon accepts no more than its limit. */
    struct sp__list *link = sp__list_pop_front(&http->free);
    struct sp__http_connection *opened = sp__container_of(link, struct sp__http_connection, link);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    opened->fd = info->connect_fd;
    opened->since = sp_now().ns;
    opened->cut = false;
    sp__list_push_back(&http->open, link);
    *socket_context = opened;
}

/* A request is over: the connection may wait as long again for the next one. */
static void thread_on_completed(void *arg, struct MHD_Connection *connection, void **request,
                                enum MHD_RequestTerminationCode how)
{
    struct sp__http *http = arg;
    (void)request;
    (void)how;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct sp__http_connection *one = info == NULL ? NULL : info->socket_context;
    if (one == NULL)
        return;
    one->since = sp_now().ns;
    sp__list_remove(&one->link);
    sp__list_push_back(&http->open, &one->link);
}

static int64_t thread_budget(const struct sp__http *http)
{
    int64_t full = THREAD_FULL_MS * SP_NS_PER_MS;
    int64_t budget = http->settings.request_ns;
    return sp__list_empty(&http->free) && budget > full ? full : budget;
}

/* Shuts down who is overdue, and says when the next one will be; INT64_MAX: nobody. */
static int64_t thread_cut(struct sp__http *http)
{
    int64_t oldest = sp_now().ns - thread_budget(http);
    int64_t next = INT64_MAX;
    for (struct sp__list *link = sp__list_first(&http->open); link != NULL;
         link = sp__list_next(&http->open, link)) {
        struct sp__http_connection *one = sp__container_of(link, struct sp__http_connection, link);
        if (one->cut)
            continue;
        if (one->since > oldest) {
            next = one->since - oldest;
            break;
        }
        one->cut = true;
        /* relaxed: a statistic. First, so that who is cut finds itself counted. */
        atomic_fetch_add_explicit(&http->cut, 1, memory_order_relaxed);
        shutdown(one->fd, SHUT_RDWR);
    }
    return next;
}

/* ---- the daemon ---- */

sp_err sp__http_listen(const struct sp__http *http, const struct sp__io_open *how, int *out_fd)
{
    struct sp__io_open open = *how;
    int system = 0;
    open.out_system = &system;
    sp_err err = sp__net_listen_socket(&open, out_fd);
    if (err != SP_OK) {
        char text[SP_ADDRESS_TEXT_MAX];
        sp__socket_report(&(struct sp_socket_options){ .out_error = http->settings.out_error },
                          "listen on", sp_address_format(how->address, text), err, system);
    }
    return err;
}

/* MHD has none of its own where there is only the local one: then `*out_fd` stays -1. */
static sp_err thread_listen(struct sp__http *http, int *out_fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    if (http->settings.address.family == SP_ADDRESS_NONE) {
        http->address = http->settings.local;
        return SP_OK;
    }
    int fd = -1;
    sp_err err = sp__http_listen(
        http,
        &(struct sp__io_open){ .address = &http->settings.address, .backlog = THREAD_BACKLOG },
        &fd);
    if (err != SP_OK)
        return err;
    getsockname(fd, (struct sockaddr *)&address, &size);
    sp__net_from_system(&address, size, &http->address);
    *out_fd = fd;
    return SP_OK;
}

/* libmicrohttpd's complaints about what strangers send are nobody's business. */
__attribute__((format(printf, 2, 0))) static void thread_log(void *arg, const char *format,
                                                             va_list args)
{
    (void)arg;
    (void)format;
    (void)args;
}

static struct MHD_Daemon *thread_start_daemon(struct sp__http *http, int fd)
{
    unsigned int flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG;
    if (fd < 0)
        flags |= MHD_USE_NO_LISTEN_SOCKET;
    return MHD_start_daemon(
        flags, 0, NULL, NULL, sp__http_on_request, http, MHD_OPTION_EXTERNAL_LOGGER, thread_log,
        NULL, MHD_OPTION_URI_LOG_CALLBACK, sp__http_on_uri, NULL, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned int)http->settings.connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)THREAD_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION,
        thread_on_connection, http, MHD_OPTION_NOTIFY_COMPLETED, thread_on_completed, http,
        fd < 0 ? MHD_OPTION_END : MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_END);
}

static sp_err thread_daemon(struct sp__http *http)
{
    int fd = -1;
    sp_err err = thread_listen(http, &fd);
    if (err == SP_OK)
        err = sp__http_local_open(http);
    if (err == SP_OK) {
        http->daemon = thread_start_daemon(http, fd);
        if (http->daemon != NULL)
            return SP_OK;
        err = SP_ERR_LIMIT; /* of descriptors or memory: it does not say which */
    }
    if (fd >= 0)
        close(fd);
    return err;
}

/* ---- the thread ---- */

static sp_err thread_attach(struct sp__http *http)
{
    char name[THREAD_NAME_MAX];
    char address[SP_ADDRESS_TEXT_MAX];
    sp_err err = sp_thread_attach(http->runtime);
    if (err != SP_OK)
        return err;
    http->self = sp_self();
    snprintf(name, sizeof(name), "http %s", sp_address_format(&http->address, address));
    sp_ignore(sp_register(name, http->self)); /* without one it works as well */
    return SP_OK;
}

/* Somebody may kill its process, or send to it: then it is another one. */
static void thread_stay_attached(struct sp__http *http)
{
    struct sp_message *message;
    while (sp_receive(sp_nowait(), &message) == SP_OK) {
        sp__http_messages_take(http->messages, message);
        sp_message_free(message);
    }
    if (sp_runtime_current() != NULL) {
        sp__http_messages_tend(http->messages);
        return;
    }
    sp__http_messages_forget(http->messages);
    sp_thread_detach();
    /* While the runtime has no place for one, the next turn tries again. */
    sp_ignore(thread_attach(http));
}

static int thread_timeout(struct sp__http *http, int64_t next_cut_ns)
{
    MHD_UNSIGNED_LONG_LONG daemon_ms;
    int64_t next = sp__http_series_next(&http->series, sp_now().ns);
    if (next > next_cut_ns)
        next = next_cut_ns;
    int64_t ms = next == INT64_MAX ? -1 : next / SP_NS_PER_MS + 1;
    if (MHD_get_timeout(http->daemon, &daemon_ms) == MHD_YES &&
        (ms < 0 || (uint64_t)ms > daemon_ms))
        ms = (int64_t)daemon_ms;
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

/* With all connections taken the daemon does not listen, and begins to again only in the turn
 * after the one in which one ended. */
static void thread_turn(struct sp__http *http)
{
    bool full = sp__list_empty(&http->free);
    MHD_run(http->daemon);
    if (full && !sp__list_empty(&http->free))
        MHD_run(http->daemon);
    sp__http_local_accept(http);
}

static void thread_loop(struct sp__http *http)
{
    struct pollfd files[3] = { { .fd = http->wake_fd, .events = POLLIN } };
    files[1].fd = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    files[1].events = POLLIN;
    files[2].events = POLLIN;
    int64_t next_cut = INT64_MAX;
    for (;;) {
        int64_t next_try;
        files[2].fd = sp__http_local_listens(http, &next_try);
        poll(files, 3, thread_timeout(http, next_cut < next_try ? next_cut : next_try));
        /* acquire: pairs with the release in stop. */
        if (atomic_load_explicit(&http->stopping, memory_order_acquire))
            return;
        thread_stay_attached(http);
        thread_turn(http);
        next_cut = thread_cut(http);
        sp__http_series_sample(&http->series, http->runtime);
    }
}

static void *thread_main(void *arg)
{
    struct thread_start *start = arg;
    struct sp__http *http = start->http;
    sp_err err = thread_daemon(http);
    if (err == SP_OK)
        err = thread_attach(http);
    bool runs = err == SP_OK;
    http->started_ns = runs ? sp_now().ns : 0;
    start->err = err;
    sem_post(&start->done); /* from here on `start` is gone */
    if (runs)
        thread_loop(http);
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon);
    sp__http_local_close(http);
    sp_thread_detach();
    return NULL;
}

/* ---- start and stop ---- */

static void thread_free(struct sp__http *http)
{
    if (http->wake_fd >= 0)
        close(http->wake_fd);
    sp__free(http->connections);
    sp__free(http->messages);
    sp__http_series_finish(&http->series);
    sp__free(http);
}

static struct sp__http *thread_new(const struct sp__http_settings *settings,
                                   struct sp_runtime *runtime)
{
    struct sp__http *http = sp__calloc(1, sizeof(*http));
    if (http == NULL)
        return NULL;
    http->settings = *settings;
    http->runtime = runtime;
    http->wake_fd = -1;
    http->local_fd = -1;
    sp__list_init(&http->open);
    sp__list_init(&http->free);
    http->connections = sp__calloc(settings->connections_max, sizeof(*http->connections));
    http->messages = sp__calloc(1, sizeof(*http->messages));
    if (http->connections == NULL || http->messages == NULL ||
        sp__http_series_init(&http->series) != SP_OK) {
        thread_free(http);
        return NULL;
    }
    for (uint32_t i = 0; i < settings->connections_max; i++)
        sp__list_push_back(&http->free, &http->connections[i].link);
    return http;
}

sp_err sp__http_start(const struct sp__http_settings *settings, struct sp_runtime *runtime,
                      struct sp__http **out_http)
{
    if (!runtime->real)
        return SP_ERR_NOTSUP;
    struct sp__http *http = thread_new(settings, runtime);
    if (http == NULL)
        return SP_ERR_NOMEM;
    struct thread_start start = { .http = http };
    http->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (http->wake_fd < 0) {
        thread_free(http);
        return SP_ERR_NOFILE;
    }
    sem_init(&start.done, 0, 0);
    sp_err err = sp__thread_create(&http->thread, thread_main, &start);
    if (err == SP_OK) {
        while (sem_wait(&start.done) != 0)
            continue;
        err = start.err;
        if (err != SP_OK)
            pthread_join(http->thread, NULL);
    }
    sem_destroy(&start.done);
    if (err == SP_OK)
        *out_http = http;
    else
        thread_free(http);
    return err;
}

void sp__http_stop(struct sp__http *moved_http)
{
    /* release: pairs with the acquire in the loop. */
    atomic_store_explicit(&moved_http->stopping, true, memory_order_release);
    eventfd_write(moved_http->wake_fd, 1);
    pthread_join(moved_http->thread, NULL);
    thread_free(moved_http);
}
