/* sp_serve: a process for each connection, limits, running short, stopping. */
#include "spawned/serve.h"
#include "spawned/supervisor.h"
#include "support/io.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* ---- what is served ---- */

/* A plain process: echoes until the peer ends; "crash" makes it crash. */
static void echo_run(struct sp_stream *stream, void *arg)
{
    char bytes[256];
    size_t count;
    CHECK_STR(arg, "arg");
    while (sp_stream_read(stream, bytes, sizeof(bytes), sp_never(), &count) == SP_OK) {
        if (count == 5 && memcmp(bytes, "crash", 5) == 0)
            sp_exit_error(SP_OK, "crashed");
        if (sp_stream_write(stream, bytes, count, IO_PATIENCE) != SP_OK)
            return;
    }
}

/* A server: the same, line by line; finishes its sentence when it is told to end. */
SP_SERVER(talker, struct sp_connection);

struct talker {
    struct sp_stream *stream;
};

static void talker_on_line(void *arg, struct sp_stream *stream, const struct sp_frame *line)
{
    (void)arg;
    sp_ignore(sp_stream_send_frame(stream, line));
}

static sp_err talker_init(struct talker *self, const struct sp_connection *connection)
{
    CHECK_STR(connection->arg, "arg");
    self->stream = connection->stream;
    sp_trap_exit(true);
    return sp_stream_attach(
        self->stream,
        &(struct sp_attach){ .codec = &sp_lines, .arg = self, .on_frame = talker_on_line });
}

static void talker_terminate(struct talker *self, const struct sp_reason *reason)
{
    if (sp_reason_kind(reason) == SP_REASON_SHUTDOWN)
        sp_ignore(sp_stream_write(self->stream, "bye\n", 4, sp_after_sec(1)));
}

SP_STATE(talker, struct talker);
SP_ON_INIT(talker);
SP_ON_TERMINATE(talker);
SP_CLASS(talker, .init = talker__init, .terminate = talker__terminate);

/* A server that does not come up. */
static sp_err broken_init(void *state, const void *args)
{
    (void)state;
    (void)args;
    return SP_ERR_LIMIT;
}
static const struct sp_server_class broken_class = {
    .name = "broken",
    .state_size = 1,
    .init = broken_init,
};

/* ---- a case ---- */

struct shop {
    sp_serve_ref serve;
    char address[SP_ADDRESS_TEXT_MAX];
};

static struct sp_serve_info shop_info(const struct shop *shop)
{
    struct sp_serve_info info;
    CHECK_OK(sp_serve_info(shop->serve, &(sp_empty){ 0 }, &info, IO_PATIENCE));
    return info;
}

static struct shop shop_start(struct sp_serve_options options)
{
    struct shop shop;
    static char arg[] = "arg";
    if (options.address == NULL)
        options.address = "127.0.0.1:0";
    options.arg = arg;
    CHECK_OK(sp_serve_start(&options, NULL, &shop.serve));
    sp_address_format(&(sp_address){ .family = 0 }, shop.address);
    struct sp_serve_info info = shop_info(&shop);
    sp_address_format(&info.address, shop.address);
    return shop;
}

static struct sp_stream *shop_enter(const struct shop *shop)
{
    struct sp_stream *stream;
    CHECK_OK(sp_connect(shop->address, NULL, IO_PATIENCE, &stream));
    return stream;
}

static void check_answers(struct sp_stream *stream, const char *text)
{
    char bytes[64];
    size_t size = strlen(text);
    CHECK_OK(sp_stream_write(stream, text, size, IO_PATIENCE));
    CHECK_OK(sp_stream_read_exact(stream, bytes, size, IO_PATIENCE));
    CHECK_MEM(bytes, text, size);
}

static void check_ends(struct sp_stream *stream)
{
    char byte;
    size_t count;
    sp_err err = sp_stream_read(stream, &byte, 1, IO_PATIENCE, &count);
    CHECK(err == SP_ERR_EOF || err == SP_ERR_RESET);
    sp_stream_drop(stream);
}

/* Until so many are open: an end is known to the acceptor a little after the peer sees it. */
static void shop_await_open(const struct shop *shop, uint32_t open)
{
    while (shop_info(shop).open != open)
        sp_yield();
}

/* ---- serving ---- */

TEST(serve_runs_a_process_for_each_connection)
{
    io_open(NULL);
    struct shop shop = shop_start((struct sp_serve_options){ .run = echo_run });
    struct sp_stream *first = shop_enter(&shop);
    struct sp_stream *second = shop_enter(&shop);
    check_answers(second, "second");
    check_answers(first, "first");
    shop_await_open(&shop, 2);
    sp_stream_drop(first);
    shop_await_open(&shop, 1);
    check_answers(second, "again");
    struct sp_serve_info info = shop_info(&shop);
    CHECK_INT(info.accepted, 2);
    CHECK_INT(info.crashed, 0);
    io_close();
}

TEST(serve_runs_a_server_for_each_connection)
{
    io_open(NULL);
    struct shop shop = shop_start((struct sp_serve_options){ .server = &talker_class });
    struct sp_stream *first = shop_enter(&shop);
    struct sp_stream *second = shop_enter(&shop);
    check_answers(second, "second\n");
    check_answers(first, "first\n");
    sp_stream_drop(first);
    shop_await_open(&shop, 1);
    check_answers(second, "again\n");
    io_close();
}

TEST(serve_connection_that_crashes_is_nobody_elses_business)
{
    io_open(NULL);
    struct shop shop = shop_start((struct sp_serve_options){ .run = echo_run });
    struct sp_stream *good = shop_enter(&shop);
    struct sp_stream *bad = shop_enter(&shop);
    CHECK_OK(sp_stream_write(bad, "crash", 5, IO_PATIENCE));
    check_ends(bad);
    check_answers(good, "still here");
    shop_await_open(&shop, 1);
    CHECK_INT(shop_info(&shop).crashed, 1);
    io_close();
}

TEST(serve_server_whose_init_fails_is_a_crash_and_closes)
{
    io_open(NULL);
    struct shop shop = shop_start((struct sp_serve_options){ .server = &broken_class });
    check_ends(shop_enter(&shop));
    shop_await_open(&shop, 0);
    while (shop_info(&shop).crashed != 1)
        sp_yield();
    io_close();
}

TEST(serve_thousand_connections_at_once)
{
    io_open(NULL);
    enum { COUNT = 1000 };
    static struct sp_stream *streams[COUNT];
    struct rlimit limit;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * COUNT + 64)
        SKIP("not enough descriptors");
    struct shop shop = shop_start((struct sp_serve_options){ .server = &talker_class });
    for (int i = 0; i < COUNT; i++)
        streams[i] = shop_enter(&shop);
    for (int i = 0; i < COUNT; i++)
        CHECK_OK(sp_stream_write(streams[i], "hello\n", 6, IO_PATIENCE));
    for (int i = COUNT - 1; i >= 0; i--) {
        char bytes[6];
        CHECK_OK(sp_stream_read_exact(streams[i], bytes, 6, IO_PATIENCE));
        CHECK_MEM(bytes, "hello\n", 6);
    }
    shop_await_open(&shop, COUNT);
    for (int i = 0; i < COUNT; i++)
        sp_stream_drop(streams[i]);
    shop_await_open(&shop, 0);
    CHECK_INT(shop_info(&shop).accepted, COUNT);
    io_close();
}

/* ---- limits ---- */

TEST(serve_at_its_limit_lets_the_next_one_wait)
{
    io_open(NULL);
    struct shop shop =
        shop_start((struct sp_serve_options){ .run = echo_run, .connections_max = 2 });
    struct sp_stream *first = shop_enter(&shop);
    struct sp_stream *second = shop_enter(&shop);
    check_answers(first, "one");
    check_answers(second, "two");
    struct sp_stream *third = shop_enter(&shop); /* the system's queue takes it */
    char byte;
    size_t count;
    CHECK_OK(sp_stream_write(third, "x", 1, IO_PATIENCE));
    CHECK_ERR(sp_stream_read(third, &byte, 1, IO_MOMENT, &count), SP_ERR_TIMEOUT);
    struct sp_serve_info info = shop_info(&shop);
    CHECK_INT(info.open, 2);
    CHECK(info.full >= 1);
    sp_stream_drop(first);
    CHECK_OK(sp_stream_read(third, &byte, 1, IO_PATIENCE, &count));
    io_close();
}

TEST(serve_out_of_descriptors_pauses_and_goes_on)
{
    io_open(NULL);
    if (RUNNING_ON_VALGRIND)
        SKIP("Valgrind closes the connection that it has no descriptor for");
    int files[256];
    int hoarded = 0;
    struct rlimit limit;
    struct shop shop = shop_start((struct sp_serve_options){ .run = echo_run });
    struct sp_stream *first = shop_enter(&shop);
    check_answers(first, "one");
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 128;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int fd; (fd = fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0;)
        files[hoarded++] = fd;
    close(files[--hoarded]); /* one for the client, none for the server */
    struct sp_stream *second = shop_enter(&shop);
    CHECK_OK(sp_stream_write(second, "two", 3, IO_PATIENCE));
    while (shop_info(&shop).paused == 0)
        sp_yield();
    check_answers(first, "others go on");
    CHECK_INT(shop_info(&shop).open, 1);
    while (hoarded > 0)
        close(files[--hoarded]);
    char bytes[3];
    CHECK_OK(sp_stream_read_exact(second, bytes, 3, IO_PATIENCE));
    CHECK_MEM(bytes, "two", 3);
    CHECK(shop_info(&shop).paused < 20); /* it did not spin */
    io_close();
}

TEST(serve_out_of_descriptors_goes_on_when_a_connection_ends)
{
    io_open(NULL);
    if (RUNNING_ON_VALGRIND)
        SKIP("Valgrind closes the connection that it has no descriptor for");
    int files[256];
    int hoarded = 0;
    struct rlimit limit;
    struct shop shop = shop_start((struct sp_serve_options){ .run = echo_run });
    struct sp_stream *first = shop_enter(&shop);
    check_answers(first, "one");
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 128;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int fd; (fd = fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0;)
        files[hoarded++] = fd;
    close(files[--hoarded]);
    struct sp_stream *second = shop_enter(&shop);
    while (shop_info(&shop).paused == 0)
        sp_yield();
    sp_stream_drop(first); /* gives back one here and one there */
    check_answers(second, "two");
    while (hoarded > 0)
        close(files[--hoarded]);
    io_close();
}

TEST(serve_without_room_for_processes_refuses)
{
    io_open(&(struct sp_runtime_options){ .workers = 2, .processes_max = 4 });
    struct shop shop = shop_start((struct sp_serve_options){ .run = echo_run });
    struct sp_stream *streams[8] = { NULL };
    for (int i = 0; i < 8; i++) {
        /* Who is refused may learn of it before the connection is reported as made. */
        sp_err err = sp_connect(shop.address, NULL, IO_PATIENCE, &streams[i]);
        CHECK(err == SP_OK || err == SP_ERR_RESET);
    }
    while (shop_info(&shop).accepted != 8)
        sp_yield();
    struct sp_serve_info info = shop_info(&shop);
    CHECK(info.refused >= 4);
    CHECK(info.open <= 4);
    for (int i = 0; i < 8; i++)
        sp_stream_drop(streams[i]);
    io_close();
}

/* ---- starting ---- */

TEST(serve_start_says_what_is_wrong)
{
    io_open(NULL);
    sp_serve_ref ref;
    struct sp_io_error error = { .err = SP_OK };
    struct sp_serve_options options = { .address = "127.0.0.1:0" };
    CHECK_ERR(sp_serve_start(&options, NULL, &ref), SP_ERR_INVALID);
    options.run = echo_run;
    options.server = &talker_class;
    CHECK_ERR(sp_serve_start(&options, NULL, &ref), SP_ERR_INVALID);
    options.server = NULL;
    options.spawn.name = "name";
    CHECK_ERR(sp_serve_start(&options, NULL, &ref), SP_ERR_INVALID);
    options.spawn.name = NULL;
    options.address = "nonsense";
    options.socket.out_error = &error;
    CHECK_ERR(sp_serve_start(&options, NULL, &ref), SP_ERR_INVALID);
    CHECK_CONTAINS(error.text, "listen on nonsense");
    struct shop shop = shop_start((struct sp_serve_options){ .run = echo_run });
    options.address = shop.address;
    CHECK_ERR(sp_serve_start(&options, NULL, &ref), SP_ERR_ADDRINUSE);
    CHECK_CONTAINS(error.text, shop.address);
    check_answers(shop_enter(&shop), "undisturbed");
    io_close();
}

TEST(serve_under_a_supervisor_listens_again_after_a_crash)
{
    io_open(NULL);
    static char arg[] = "arg";
    struct sp_serve_options options = { .address = "127.0.0.1:0", .run = echo_run, .arg = arg };
    struct sp_child_spec child = {
        .id = "serve",
        .server = &sp_serve_class,
        .args = &options,
        .args_size = sizeof(options),
        .options.spawn.name = "serve",
    };
    struct sp_supervisor_spec spec = { .children = &child, .child_count = 1 };
    sp_pid supervisor;
    struct shop shop;
    struct sp_serve_info info;
    CHECK_OK(sp_supervisor_start(&spec, NULL, &supervisor));
    CHECK_OK(sp_serve_whereis("serve", &shop.serve));
    info = shop_info(&shop);
    sp_address_format(&info.address, shop.address);
    struct sp_stream *stream = shop_enter(&shop);
    check_answers(stream, "before");
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(shop.serve.pid, &ref));
    CHECK_OK(sp_kill(shop.serve.pid));
    expect_down(ref, shop.serve.pid, "killed");
    check_ends(stream); /* its process was linked */
    while (sp_serve_whereis("serve", &shop.serve) != SP_OK)
        sp_yield();
    info = shop_info(&shop);
    sp_address_format(&info.address, shop.address);
    check_answers(shop_enter(&shop), "after");
    CHECK_OK(sp_stop(supervisor, NULL, IO_PATIENCE));
    io_close();
}

/* ---- stopping ---- */

TEST(serve_stopped_refuses_new_connections_and_ends_the_old)
{
    io_open(NULL);
    struct shop shop = shop_start((struct sp_serve_options){ .run = echo_run });
    struct sp_stream *stream = shop_enter(&shop);
    struct sp_stream *refused;
    check_answers(stream, "hello");
    CHECK_OK(sp_serve_stop(shop.serve, IO_PATIENCE));
    CHECK_ERR(sp_connect(shop.address, NULL, IO_PATIENCE, &refused), SP_ERR_REFUSED);
    check_ends(stream);
    io_close();
}

TEST(serve_stopped_lets_servers_finish)
{
    io_open(NULL);
    struct shop shop = shop_start((struct sp_serve_options){ .server = &talker_class });
    struct sp_stream *stream = shop_enter(&shop);
    char bytes[4];
    check_answers(stream, "hello\n");
    CHECK_OK(sp_serve_stop(shop.serve, IO_PATIENCE));
    CHECK_OK(sp_stream_read_exact(stream, bytes, 4, IO_PATIENCE));
    CHECK_MEM(bytes, "bye\n", 4);
    check_ends(stream);
    io_close();
}

static void order_stop(void *arg)
{
    struct shop *shop = arg;
    CHECK_OK(sp_serve_stop(shop->serve, IO_PATIENCE));
}

TEST(serve_stopped_drains_first)
{
    io_open(NULL);
    struct shop shop =
        shop_start((struct sp_serve_options){ .run = echo_run, .drain = sp_sec(60) });
    struct sp_stream *stream = shop_enter(&shop);
    struct sp_stream *refused;
    sp_pid stopper = puppet_start(NULL);
    check_answers(stream, "before");
    puppet_tell(stopper, order_stop, &shop);
    while (sp_connect(shop.address, NULL, IO_PATIENCE, &refused) == SP_OK)
        sp_stream_drop(refused);
    check_answers(stream, "still served");
    sp_stream_drop(stream);
    puppet_exit(stopper, NULL); /* the stop has returned */
    CHECK(!sp_is_alive(shop.serve.pid));
    io_close();
}

/* Ignores everything but a kill. */
static void stubborn_run(struct sp_stream *stream, void *arg)
{
    (void)arg;
    sp_trap_exit(true);
    sp_ignore(sp_stream_write(stream, "!", 1, IO_PATIENCE));
    for (;;) {
        struct sp_message *message;
        CHECK_OK(sp_receive(sp_never(), &message));
        sp_message_free(message);
    }
}

TEST(serve_stopped_kills_who_does_not_end)
{
    io_open(NULL);
    struct shop shop = shop_start(
        (struct sp_serve_options){ .run = stubborn_run, .drain = sp_ms(1), .shutdown = sp_ms(10) });
    struct sp_stream *stream = shop_enter(&shop);
    char byte;
    CHECK_OK(sp_stream_read_exact(stream, &byte, 1, IO_PATIENCE));
    CHECK_OK(sp_serve_stop(shop.serve, IO_PATIENCE));
    check_ends(stream);
    io_close();
}

TEST(serve_killed_takes_its_connections_along)
{
    io_open(NULL);
    int before = io_open_files();
    struct shop shop = shop_start((struct sp_serve_options){ .server = &talker_class });
    struct sp_stream *streams[20];
    for (int i = 0; i < 20; i++)
        streams[i] = shop_enter(&shop);
    check_answers(streams[19], "hello\n");
    CHECK_OK(sp_kill(shop.serve.pid));
    wait_gone(shop.serve.pid);
    for (int i = 0; i < 20; i++)
        check_ends(streams[i]);
    CHECK_INT(io_open_files(), before);
    io_close();
}

/* Connections that come and go while it is stopped: nothing is left of any. */
TEST(serve_stopped_at_any_moment_leaves_nothing)
{
    io_open(NULL);
    int before = io_open_files();
    for (int i = 0; i < 50; i++) {
        struct shop shop = shop_start((struct sp_serve_options){ .server = &talker_class });
        struct sp_stream *streams[10];
        for (int k = 0; k < 10; k++)
            streams[k] = shop_enter(&shop);
        if (i % 2)
            CHECK_OK(sp_kill(shop.serve.pid));
        else
            CHECK_OK(sp_serve_stop(shop.serve, IO_PATIENCE));
        wait_gone(shop.serve.pid);
        for (int k = 0; k < 10; k++)
            sp_stream_abort(streams[k]);
    }
    struct sp_stats stats;
    do {
        sp_yield();
        sp_runtime_stats(world_runtime(), &stats);
    } while (stats.processes > 1);
    CHECK_INT(io_open_files(), before);
    io_close();
}
