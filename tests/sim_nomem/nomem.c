/* Memory runs out in the middle of anything: the library's operations then fail with an error, or a
 * process ends by it; no program crashes, and none hangs. What is allocated then is given back,
 * which the address sanitizer looks at. All waits have a deadline, for a message may be missing. */
#include "nomem.h"

#include <spawned/dynamic_supervisor.h>
#include <spawned/listener.h>
#include <spawned/os_signal.h>
#include <spawned/serve.h>
#include <spawned/sim.h>
#include <spawned/spawned.h>
#include <spawned/stream.h>
#include <spawned/task.h>
#include <spawned/timer.h>

#include <string.h>

static void drop_messages(sp_deadline deadline)
{
    struct sp_message *message;
    while (sp_receive(deadline, &message) == SP_OK)
        sp_message_free(message);
}

SP_MESSAGE(note, int);

static void listens_main(void *arg)
{
    (void)arg;
    drop_messages(sp_after_ms(50));
}

/* ---- messages, links, names, groups, timers ---- */

NOMEM_TEST(processes)
{
    sp_pid pid;
    sp_monitor_ref ref;
    (void)arg;
    struct sp_spawn_options options = { .name = "listens", .out_monitor = &ref };
    sp_trap_exit(true);
    for (int i = 0; i < 3; i++) {
        if (sp_spawn(listens_main, NULL, i == 0 ? &options : NULL, &pid) != SP_OK)
            continue;
        sp_ignore(note_send(pid, &i));
        sp_ignore(sp_link(pid));
        sp_ignore(sp_monitor(pid, &ref));
        sp_ignore(sp_monitor_name("listens", &ref));
        sp_ignore(sp_group_join("all", pid));
        sp_ignore(sp_register(i == 1 ? "one" : "two", pid));
        sp_ignore(sp_group_send("all", &note_type, &i, &(struct sp_broadcast){ 0 }));
        if (i == 1)
            sp_ignore(sp_kill(pid));
        if (i == 2)
            sp_unlink(pid);
        sp_ignore(sp_group_leave("all", pid));
    }
    sp_timer timer;
    if (sp_timer_start(sp_self(), &note_type, &(int){ 1 },
                       &(struct sp_timer_options){ .after = sp_ms(5), .period = sp_ms(5) },
                       &timer) == SP_OK) {
        drop_messages(sp_after_ms(4));
        sp_ignore(sp_timer_cancel(timer, NULL));
    }
    drop_messages(sp_after_ms(100));
}

/* ---- servers ---- */

SP_SERVER(sums, int);
SP_CALL(sums, add, int, int);
SP_CAST(sums, reset, int);

static sp_err sums_init(int *sum, const int *first)
{
    *sum = *first;
    return SP_OK;
}

static sp_err sums_on_add(int *sum, const int *in, int *out)
{
    char *scratch = sp_try_alloc(100);
    *sum += *in;
    *out = *sum;
    sp_free(scratch);
    return scratch == NULL ? SP_ERR_NOMEM : SP_OK;
}

static void sums_on_reset(int *sum, const int *in)
{
    *sum = *in;
}

SP_STATE(sums, int);
SP_ON_INIT(sums);
SP_ON_CALL(sums, add);
SP_ON_CAST(sums, reset);
SP_CLASS(sums, .init = sums__init);

NOMEM_TEST(servers)
{
    sums_ref sums;
    int sum;
    (void)arg;
    if (sums_start(&(int){ 0 }, NULL, &sums) != SP_OK)
        return;
    for (int i = 0; i < 5; i++) {
        sp_ignore(sums_add(sums, &i, &sum, sp_after_sec(1)));
        sp_ignore(sums_reset(sums, &i));
    }
    sp_ignore(sp_stop(sums.pid, sp_reason_shutdown(), sp_after_sec(1)));
}

/* ---- supervisors ---- */

SP_SERVER(short_lived, int);

static sp_err short_lived_init(int *unused, const int *in)
{
    *unused = *in;
    return sp_timer_start(sp_self(), &note_type, in,
                          &(struct sp_timer_options){ .after = sp_ms(5) }, NULL);
}

static void short_lived_message(int *unused, struct sp_message *message)
{
    (void)unused;
    (void)message;
    sp_exit_error(SP_ERR_IO, "it breaks");
}

SP_STATE(short_lived, int);
SP_ON_INIT(short_lived);
SP_ON_MESSAGE(short_lived);
SP_CLASS(short_lived, .init = short_lived__init, .on_message = short_lived__message);

NOMEM_TEST(supervisors)
{
    (void)arg;
    struct sp_child_spec children[] = {
        { .id = "a", .server = &sums_class, .args = &(int){ 1 }, .args_size = sizeof(int) },
        { .id = "b", .server = &short_lived_class, .args = &(int){ 1 }, .args_size = sizeof(int) },
    };
    struct sp_supervisor_spec spec = {
        .strategy = SP_ONE_FOR_ALL, .max_restarts = 3, .children = children, .child_count = 2
    };
    struct sp_child_info *infos;
    size_t count;
    sp_pid supervisor;
    sp_trap_exit(true);
    if (sp_supervisor_start(&spec, NULL, &supervisor) != SP_OK)
        return;
    sp_sleep(sp_ms(7));
    if (sp_supervisor_which_children(supervisor, sp_after_sec(1), &infos, &count) == SP_OK)
        sp_free(infos);
    sp_ignore(sp_supervisor_terminate_child(supervisor, "a", sp_after_sec(1)));
    sp_ignore(sp_supervisor_restart_child(supervisor, "a", sp_after_sec(1), NULL));
    sp_sleep(sp_ms(50));
    sp_ignore(sp_stop(supervisor, sp_reason_shutdown(), sp_after_sec(5)));
}

/* ---- signals ---- */

NOMEM_TEST(signals)
{
    (void)arg;
    sp_ignore(sp_os_signal_subscribe(SP_OS_SIGNAL_KEEP, sp_after_sec(1)));
    drop_messages(sp_after_ms(1));
    sp_ignore(sp_os_signal_unsubscribe(sp_after_sec(1)));
}

/* ---- streams ---- */

static void client_main(void *arg)
{
    struct sp_stream *stream;
    char bytes[4];
    (void)arg;
    for (int i = 0; i < 3; i++) {
        if (sp_connect("node:7000", NULL, sp_after_sec(1), &stream) != SP_OK) {
            sp_sleep(sp_ms(10));
            continue;
        }
        if (sp_stream_write(stream, "abc", 3, sp_after_sec(1)) == SP_OK)
            sp_ignore(sp_stream_read_exact(stream, bytes, 3, sp_after_sec(1)));
        sp_ignore(sp_stream_close(stream, sp_after_sec(1)));
    }
}

NOMEM_TEST(streams, sp_sim_start(s, "client", client_main, NULL))
{
    struct sp_listener *listener;
    struct sp_stream *stream;
    char bytes[4];
    (void)arg;
    if (sp_listen("0.0.0.0:7000", NULL, &listener) != SP_OK)
        return;
    for (int i = 0; i < 3; i++) {
        if (sp_accept(listener, sp_after_sec(1), &stream) != SP_OK)
            continue;
        if (sp_stream_read_exact(stream, bytes, 3, sp_after_sec(1)) == SP_OK)
            sp_ignore(sp_stream_write(stream, bytes, 3, sp_after_sec(1)));
        sp_ignore(sp_stream_close(stream, sp_after_sec(1)));
    }
    sp_listener_close(listener);
}

SP_SERVER(echo, struct sp_connection);

struct echo {
    struct sp_stream *stream;
};

static void echo_on_line(void *arg, struct sp_stream *stream, const struct sp_frame *line)
{
    (void)arg;
    if (sp_stream_send_frame(stream, line) != SP_OK)
        sp_server_stop_self(sp_reason_normal());
}

static sp_err echo_init(struct echo *self, const struct sp_connection *connection)
{
    self->stream = connection->stream;
    return sp_stream_attach(
        self->stream,
        &(struct sp_attach){ .codec = &sp_lines, .on_frame = echo_on_line, .idle_max = sp_sec(5) });
}

SP_STATE(echo, struct echo);
SP_ON_INIT(echo);
SP_CLASS(echo, .init = echo__init);

static void asks_main(void *arg)
{
    struct sp_stream *stream;
    char bytes[4];
    (void)arg;
    for (int i = 0; i < 3; i++) {
        if (sp_connect("node:7000", NULL, sp_after_sec(1), &stream) != SP_OK) {
            sp_sleep(sp_ms(10));
            continue;
        }
        if (sp_stream_write(stream, "ab\n", 3, sp_after_sec(1)) == SP_OK)
            sp_ignore(sp_stream_read_exact(stream, bytes, 3, sp_after_sec(1)));
        sp_stream_drop(stream);
    }
}

NOMEM_TEST(serving, sp_sim_start(s, "client", asks_main, NULL))
{
    sp_serve_ref serve;
    struct sp_serve_info info;
    (void)arg;
    if (sp_serve_start(
            &(struct sp_serve_options){ .address = "0.0.0.0:7000", .server = &echo_class }, NULL,
            &serve) != SP_OK)
        return;
    sp_sleep(sp_ms(200));
    sp_ignore(sp_serve_info(serve, &(sp_empty){ 0 }, &info, sp_after_sec(1)));
    sp_ignore(sp_stop(serve.pid, sp_reason_shutdown(), sp_after_sec(5)));
}
