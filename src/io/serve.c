/* The acceptor: see spawned/serve.h.
 *
 *   listener readable ──> event ──> take, spawn, take, spawn, ... up to a batch
 *
 * It goes on accepting until one of these stops it, and each has what starts it again:
 *
 *   nothing to accept    the event, armed
 *   a batch is done      the event, posted: other messages have their turn first
 *   at the limit         the next connection that ends
 *   no descriptors       that too, or the pause, which doubles up to a second
 *
 * Everything that outlives a kill (event, pause, records of connections) hangs on `guard`, a
 * resource of the process; the listener is another.
 *
 * Threads: the acceptor's process. Neighbours: listener.h, event.h.
 */
#include "spawned/serve.h"

#include "base/alloc.h"
#include "base/map.h"
#include "behaviour/server.h"
#include "io/listener.h"
#include "runtime/log.h"

enum {
    SERVE_BATCH = 64,
    SERVE_MAX_DEFAULT = 65536,
    SERVE_PAUSE_FIRST_MS = 10,
    SERVE_PAUSE_MAX_MS = 1000,
};

struct serve {
    struct sp_serve_options options;
    struct sp__resource guard;
    struct sp_listener *listener;
    struct sp__io_event ready;
    struct sp__time_event pause;
    int64_t pause_ms; /* the next pause */
    bool full;        /* at the limit */
    bool short_of;    /* of descriptors or memory: the pause is running */
    bool stopping;
    struct sp__map connections; /* key of the pid -> struct serve_connection */
    struct sp_serve_info info;
};

/* One that runs. */
struct serve_connection {
    sp_pid pid;
};

/* ---- a connection ---- */

/* What a plain connection's process starts with; copied. */
struct serve_plain {
    sp_connection_fn run;
    struct sp_connection connection;
};

static void serve_plain_main(void *arg)
{
    struct serve_plain *plain = arg;
    plain->run(plain->connection.stream, plain->connection.arg);
}

/* The new process owns the stream before it runs. `arg` is the caller's pointer to it. */
static void serve_give(struct sp_process *process, void *arg)
{
    struct sp_stream **moved_stream = arg;
    (*moved_stream)->owner = process;
    sp__resource_add(process, &(*moved_stream)->resource);
    sp__process_count_file(process, 1);
    *moved_stream = NULL;
}

static sp_err serve_spawn(struct serve *self, struct sp_stream **moved_stream, sp_pid *out_pid)
{
    struct sp_spawn_options spawn = self->options.spawn;
    struct sp__equipment equipment = { .give = serve_give, .arg = moved_stream };
    struct sp_connection connection = { .stream = *moved_stream, .arg = self->options.arg };
    spawn.link = true;
    if (self->options.server != NULL)
        return sp__server_spawn(self->options.server, &connection, sizeof(connection), &spawn,
                                &equipment, out_pid);
    struct serve_plain plain = { .run = self->options.run, .connection = connection };
    spawn.arg_size = sizeof(plain);
    return sp__spawn(serve_plain_main, &plain, &spawn, &equipment, out_pid);
}

/* A record first, so that nothing can fail once the process runs. */
static sp_err serve_start_process(struct serve *self, struct sp_stream *stream)
{
    struct serve_connection *connection = sp__malloc(sizeof(*connection));
    if (connection == NULL) {
        sp_stream_abort(stream);
        return SP_ERR_NOMEM;
    }
    sp_ignore(sp_stream_release(stream));
    sp_err err = serve_spawn(self, &stream, &connection->pid);
    if (err != SP_OK) {
        sp_stream_abort(stream); /* NULL where a process got it, and released it */
        sp__free(connection);
        return err;
    }
    err = sp__map_add(&self->connections, sp_pid_key(connection->pid), connection);
    if (err != SP_OK) {
        sp_ignore(sp_kill(connection->pid));
        sp__free(connection);
        return err;
    }
    self->info.open++;
    return SP_OK;
}

static void serve_connection_start(struct serve *self, struct sp_stream *stream)
{
    self->info.accepted++;
    sp_err err = serve_start_process(self, stream);
    if (err == SP_OK)
        return;
    if (self->info.refused++ == 0)
        sp__log(sp_runtime_current(), SP_LOG_WARNING, "%s: no process for a connection: %s",
                self->options.address, sp_err_text(err));
}

/* ---- accepting ---- */

static void serve_pause(struct serve *self, sp_err err)
{
    if (self->info.paused++ == 0 || self->pause_ms == SERVE_PAUSE_FIRST_MS)
        sp__log(sp_runtime_current(), SP_LOG_WARNING, "%s: has to pause: %s", self->options.address,
                sp_err_text(err));
    self->short_of = true;
    sp__time_event_arm(&self->pause, sp_time_add(sp_now(), sp_ms(self->pause_ms)).ns);
    self->pause_ms *= 2;
    if (self->pause_ms > SERVE_PAUSE_MAX_MS)
        self->pause_ms = SERVE_PAUSE_MAX_MS;
}

static bool serve_at_limit(struct serve *self)
{
    if (self->info.open < self->options.connections_max)
        return false;
    self->full = true;
    self->info.full++;
    return true;
}

static void serve_accept(struct serve *self)
{
    for (int i = 0; i < SERVE_BATCH;) {
        struct sp_stream *stream;
        if (serve_at_limit(self))
            return;
        sp_err err = sp__listener_take(self->listener, &stream);
        if (err == SP_OK) {
            self->pause_ms = SERVE_PAUSE_FIRST_MS;
            serve_connection_start(self, stream);
            i++;
        } else if (err != SP__IO_AGAIN) {
            serve_pause(self, err);
            return;
        } else if (sp__io_event_arm(&self->ready)) {
            return;
        }
    }
    sp__event_post(&self->ready.event);
}

static void serve_ready(struct sp__event *event)
{
    struct serve *self = sp__container_of(event, struct serve, ready.event);
    if (!self->full && !self->short_of && !self->stopping)
        serve_accept(self);
}

static void serve_resume(struct serve *self)
{
    if (self->stopping || (!self->full && !self->short_of))
        return;
    if (self->short_of)
        sp__time_event_stop(&self->pause);
    self->full = false;
    self->short_of = false;
    sp__event_post(&self->ready.event);
}

static void serve_pause_over(struct sp__event *event)
{
    serve_resume(sp__container_of(event, struct serve, pause.event));
}

/* ---- the end ---- */

static void serve_free_connections(struct serve *self)
{
    uint32_t cursor = 0;
    sp__map_item item;
    while (sp__map_next(&self->connections, &cursor, &item))
        sp__free(item.value);
    sp__map_finish(&self->connections);
}

static void serve_release(struct sp__resource *resource)
{
    struct serve *self = sp__container_of(resource, struct serve, guard);
    sp__io_event_stop(&self->ready);
    sp__time_event_stop(&self->pause);
    serve_free_connections(self);
}

/* Wait for all that is left. True: all have ended. */
static bool serve_join_all(struct serve *self, sp_duration patience)
{
    sp_deadline by = sp_at(sp_time_add(sp_now(), patience));
    uint32_t cursor = 0;
    sp__map_item item;
    bool all = true;
    while (sp__map_next(&self->connections, &cursor, &item)) {
        struct serve_connection *connection = item.value;
        if (sp_join(connection->pid, by, NULL) == SP_ERR_TIMEOUT) {
            all = false;
            continue;
        }
        sp__map_remove(&self->connections, item.key);
        sp__free(connection);
    }
    return all;
}

static void serve_signal_all(struct serve *self, const struct sp_reason *reason)
{
    uint32_t cursor = 0;
    sp__map_item item;
    while (sp__map_next(&self->connections, &cursor, &item))
        sp_ignore(sp_signal(((struct serve_connection *)item.value)->pid, reason));
}

static void sp_serve_terminate(struct serve *self, const struct sp_reason *reason)
{
    (void)reason;
    self->stopping = true;
    sp__io_event_stop(&self->ready);
    sp_listener_close(self->listener);
    if (self->options.drain.ns > 0 && serve_join_all(self, self->options.drain))
        return;
    serve_signal_all(self, sp_reason_shutdown());
    if (serve_join_all(self, self->options.shutdown))
        return;
    serve_signal_all(self, sp_reason_kill());
    sp_ignore(serve_join_all(self, sp_sec(1)));
}

/* ---- the server ---- */

static bool serve_options_valid(const struct sp_serve_options *options)
{
    const struct sp_spawn_options *spawn = &options->spawn;
    return options->address != NULL && (options->run == NULL) != (options->server == NULL) &&
           spawn->name == NULL && spawn->out_monitor == NULL && spawn->arg_size == 0;
}

static sp_err serve_open(struct serve *self)
{
    struct sp_process *process = sp__process_self();
    sp_err err = sp_listen(self->options.address, &self->options.socket, &self->listener);
    if (err == SP_OK)
        err = sp_listener_address(self->listener, &self->info.address);
    if (err == SP_OK)
        err = sp__io_event_init(&self->ready, process, self->listener->io, SP__IO_IN, serve_ready);
    if (err == SP_OK)
        err = sp__time_event_init(&self->pause, process, serve_pause_over);
    return err;
}

static sp_err sp_serve_init(struct serve *self, const struct sp_serve_options *options)
{
    if (!serve_options_valid(options))
        return SP_ERR_INVALID;
    self->options = *options;
    self->options.address = sp_strdup(options->address);
    self->pause_ms = SERVE_PAUSE_FIRST_MS;
    if (self->options.connections_max == 0)
        self->options.connections_max = SERVE_MAX_DEFAULT;
    if (self->options.shutdown.ns == 0)
        self->options.shutdown = sp_sec(5);
    sp_err err = serve_open(self);
    self->options.socket.out_error = NULL; /* was the starter's */
    if (err != SP_OK)
        return err;
    struct sp__hash_seed seed = { sp_random(), sp_random() };
    sp__map_init(&self->connections, seed);
    self->guard = (struct sp__resource){ .late = true, .release = serve_release };
    sp__resource_add(sp__process_self(), &self->guard);
    sp_trap_exit(true);
    sp__event_post(&self->ready.event);
    return SP_OK;
}

static void sp_serve_exit(struct serve *self, const struct sp_exit_notice *notice)
{
    struct serve_connection *connection =
        sp__map_remove(&self->connections, sp_pid_key(notice->pid));
    if (connection == NULL)
        return;
    sp__free(connection);
    self->info.open--;
    if (!sp_reason_is_normal(notice->reason))
        self->info.crashed++;
    serve_resume(self);
}

static sp_err sp_serve_on_info(struct serve *self, const sp_empty *in, struct sp_serve_info *out)
{
    (void)in;
    *out = self->info;
    return SP_OK;
}

SP_STATE(sp_serve, struct serve);
SP_ON_INIT(sp_serve);
SP_ON_TERMINATE(sp_serve);
SP_ON_EXIT(sp_serve);
SP_ON_CALL(sp_serve, info);
SP_CLASS(sp_serve, .init = sp_serve__init, .terminate = sp_serve__terminate,
         .on_exit = sp_serve__exit);
