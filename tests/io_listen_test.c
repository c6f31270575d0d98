/* Listening and connecting: addresses, errors and their texts, limits. */
#include "support/io.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* A path of this case's own. */
static const char *socket_path(char text[64])
{
    snprintf(text, 64, "unix:/tmp/sp-io-%d.sock", (int)getpid());
    unlink(text + 5);
    return text;
}

static struct sp_listener *listen_on(const char *address, char out_text[SP_ADDRESS_TEXT_MAX])
{
    struct sp_listener *listener;
    sp_address where;
    CHECK_OK(sp_listen(address, NULL, &listener));
    CHECK_OK(sp_listener_address(listener, &where));
    sp_address_format(&where, out_text);
    return listener;
}

/* Connect, accept, one byte each way. */
static void check_connects(struct sp_listener *listener, const char *address)
{
    struct sp_stream *here, *there;
    char byte;
    CHECK_OK(sp_connect(address, NULL, IO_PATIENCE, &here));
    CHECK_OK(sp_accept(listener, IO_PATIENCE, &there));
    CHECK_OK(sp_stream_write(here, "?", 1, IO_PATIENCE));
    CHECK_OK(sp_stream_read_exact(there, &byte, 1, IO_PATIENCE));
    CHECK_OK(sp_stream_write(there, "!", 1, IO_PATIENCE));
    CHECK_OK(sp_stream_read_exact(here, &byte, 1, IO_PATIENCE));
    sp_stream_drop(here);
    sp_stream_drop(there);
}

/* ---- addresses ---- */

TEST(listen_on_each_kind_of_address)
{
    io_open(NULL);
    char path[64], text[SP_ADDRESS_TEXT_MAX], abstract[64];
    snprintf(abstract, sizeof(abstract), "unix:@sp-io-%d", (int)getpid());
    const char *addresses[] = { "127.0.0.1:0", "[::1]:0",         "0.0.0.0:0",
                                "[::]:0",      socket_path(path), abstract };
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        struct sp_listener *listener = listen_on(addresses[i], text);
        check_connects(listener, text);
        sp_listener_close(listener);
    }
    io_close();
}

TEST(listen_on_all_ipv6_addresses_takes_ipv4_too)
{
    io_open(NULL);
    char text[SP_ADDRESS_TEXT_MAX];
    struct sp_listener *listener = listen_on("[::]:0", text);
    sp_address where;
    CHECK_OK(sp_listener_address(listener, &where));
    snprintf(text, sizeof(text), "127.0.0.1:%u", (unsigned)where.port);
    check_connects(listener, text);
    sp_listener_close(listener);
    io_close();
}

TEST(connect_to_a_host_by_name)
{
    io_open(NULL);
    char text[SP_ADDRESS_TEXT_MAX];
    struct sp_listener *listener = listen_on("127.0.0.1:0", text);
    sp_address where;
    CHECK_OK(sp_listener_address(listener, &where));
    /* Whatever else the name stands for (::1) refuses, and the next one is tried. */
    snprintf(text, sizeof(text), "localhost:%u", (unsigned)where.port);
    check_connects(listener, text);
    sp_listener_close(listener);
    io_close();
}

TEST(resolve_finds_the_addresses_of_a_host)
{
    io_open(NULL);
    sp_address addresses[4];
    char text[SP_ADDRESS_TEXT_MAX];
    size_t count = 0;
    bool found = false;
    CHECK_OK(sp_resolve("localhost", 80, IO_PATIENCE, addresses, 4, &count));
    CHECK(count >= 1 && count <= 4);
    for (size_t i = 0; i < count; i++) {
        sp_address_format(&addresses[i], text);
        found |= strcmp(text, "127.0.0.1:80") == 0 || strcmp(text, "[::1]:80") == 0;
    }
    CHECK(found);
    CHECK_OK(sp_resolve("127.0.0.9", 1, IO_PATIENCE, addresses, 1, &count));
    CHECK_INT(count, 1);
    CHECK_STR(sp_address_format(&addresses[0], text), "127.0.0.9:1");
    io_close();
}

TEST(resolve_says_when_there_is_no_such_host)
{
    io_open(NULL);
    sp_address address;
    size_t count;
    char long_name[SP_HOST_MAX + 2];
    struct sp_stream *stream;
    struct sp_io_error error;
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    CHECK_ERR(sp_resolve("no such host", 1, IO_PATIENCE, &address, 1, &count), SP_ERR_RESOLVE);
    CHECK_ERR(sp_resolve("", 1, IO_PATIENCE, &address, 1, &count), SP_ERR_INVALID);
    CHECK_ERR(sp_resolve(long_name, 1, IO_PATIENCE, &address, 1, &count), SP_ERR_INVALID);
    CHECK_ERR(sp_resolve("localhost", 1, IO_PATIENCE, &address, 0, &count), SP_ERR_INVALID);
    CHECK_ERR(sp_connect("no such host:80", &(struct sp_socket_options){ .out_error = &error },
                         IO_PATIENCE, &stream),
              SP_ERR_RESOLVE);
    CHECK_STR(error.text, "connect to no such host:80: the host name could not be resolved");
    io_close();
}

static void order_resolve(void *arg)
{
    sp_address address;
    size_t count;
    sp_err *out = arg;
    *out = sp_resolve("localhost", 1, sp_nowait(), &address, 1, &count);
}

TEST(resolve_given_up_or_killed_leaves_nothing)
{
    io_open(NULL);
    for (int i = 0; i < 20; i++) {
        sp_err err;
        sp_pid puppet = puppet_start(NULL);
        puppet_do(puppet, order_resolve, &err);
        CHECK(err == SP_ERR_TIMEOUT || err == SP_OK); /* the thread may have been that fast */
        puppet_tell(puppet, order_resolve, &err);
        CHECK_OK(sp_kill(puppet));
        wait_gone(puppet);
    }
    io_close();
}

/* ---- options ---- */

static int option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof(value);
    CHECK_INT(getsockopt(fd, level, option, &value, &size), 0);
    return value;
}

/* All TCP sockets of this program have these options; returns how many there are. */
static int check_options(int no_delay, int keep_alive)
{
    int found = 0;
    for (int fd = 3; fd < 64; fd++) {
        int domain = 0;
        socklen_t size = sizeof(domain);
        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_INET)
            continue;
        CHECK_INT(option_of(fd, IPPROTO_TCP, TCP_NODELAY) != 0, no_delay);
        CHECK_INT(option_of(fd, SOL_SOCKET, SO_KEEPALIVE) != 0, keep_alive);
        if (keep_alive == 1 && no_delay == 0)
            CHECK_INT(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), 7);
        CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
        found++;
    }
    return found;
}

static void open_three(const struct sp_socket_options *options)
{
    struct sp_listener *listener;
    struct sp_stream *here, *there;
    sp_address where;
    char text[SP_ADDRESS_TEXT_MAX];
    CHECK_OK(sp_listen("127.0.0.1:0", options, &listener));
    CHECK_OK(sp_listener_address(listener, &where));
    CHECK_OK(sp_connect(sp_address_format(&where, text), options, IO_PATIENCE, &here));
    CHECK_OK(sp_accept(listener, IO_PATIENCE, &there));
}

TEST(sockets_send_at_once_and_are_probed_by_default)
{
    io_open(NULL);
    open_three(NULL);
    CHECK_INT(check_options(1, 1), 3);
    io_close();
}

TEST(sockets_have_the_options_asked_for)
{
    io_open(NULL);
    open_three(&(struct sp_socket_options){ .delay = true, .keepalive = sp_sec(7) });
    CHECK_INT(check_options(0, 1), 3);
    io_close();
    io_open(NULL);
    open_three(&(struct sp_socket_options){ .keepalive = sp_sec(-1) });
    CHECK_INT(check_options(1, 0), 3);
    io_close();
}

/* ---- errors ---- */

static void check_listen_fails(const char *address, sp_err expected, const char *text)
{
    struct sp_listener *listener;
    struct sp_io_error error = { .err = SP_OK };
    struct sp_socket_options options = { .out_error = &error };
    CHECK_ERR(sp_listen(address, &options, &listener), expected);
    CHECK_ERR(error.err, expected);
    CHECK_CONTAINS(error.text, text);
    CHECK_CONTAINS(error.text, address);
}

static void check_connect_fails(const char *address, sp_err expected, const char *text)
{
    struct sp_stream *stream;
    struct sp_io_error error = { .err = SP_OK };
    struct sp_socket_options options = { .out_error = &error };
    CHECK_ERR(sp_connect(address, &options, IO_PATIENCE, &stream), expected);
    CHECK_ERR(error.err, expected);
    CHECK_CONTAINS(error.text, text);
    CHECK_CONTAINS(error.text, address);
}

TEST(listen_on_a_port_in_use_fails)
{
    io_open(NULL);
    char text[SP_ADDRESS_TEXT_MAX], path[64];
    struct sp_listener *listener = listen_on("127.0.0.1:0", text);
    check_listen_fails(text, SP_ERR_ADDRINUSE, "the address is already in use");
    check_connects(listener, text);
    sp_listener_close(listener);
    listener = listen_on(text, text); /* free at once, although connections of it linger */
    sp_listener_close(listener);
    listener = listen_on(socket_path(path), text);
    check_listen_fails(path, SP_ERR_ADDRINUSE, "in use");
    check_connects(listener, path); /* the one in use was not disturbed */
    sp_listener_close(listener);
    io_close();
}

TEST(listen_shares_a_port_where_both_want_it)
{
    io_open(NULL);
    struct sp_socket_options options = { .port_shared = true };
    struct sp_listener *first, *second;
    sp_address where;
    char text[SP_ADDRESS_TEXT_MAX];
    CHECK_OK(sp_listen("127.0.0.1:0", &options, &first));
    CHECK_OK(sp_listener_address(first, &where));
    CHECK_OK(sp_listen(sp_address_format(&where, text), &options, &second));
    io_close();
}

TEST(listen_where_one_cannot_says_why)
{
    io_open(NULL);
    check_listen_fails("192.0.2.1:0", SP_ERR_NOTFOUND, "Cannot assign requested address");
    check_listen_fails("unix:/no/such/folder/x.sock", SP_ERR_NOTFOUND, "not found");
    check_listen_fails("unix:/sys/x.sock", SP_ERR_ACCESS, "permission denied");
    check_listen_fails("localhost:80", SP_ERR_INVALID, "not valid");
    check_listen_fails("nonsense", SP_ERR_INVALID, "not valid");
    io_close();
}

TEST(connect_where_nobody_listens_is_refused)
{
    io_open(NULL);
    char text[SP_ADDRESS_TEXT_MAX], path[64];
    sp_listener_close(listen_on("127.0.0.1:0", text));
    check_connect_fails(text, SP_ERR_REFUSED, "the connection was refused");
    check_connect_fails(socket_path(path), SP_ERR_REFUSED, "refused");
    check_connect_fails("224.0.0.1:1", SP_ERR_NOCONNECTION, "not reachable");
    check_connect_fails("localhost", SP_ERR_INVALID, "not valid");
    check_connect_fails("localhost:", SP_ERR_INVALID, "not valid");
    check_connect_fails("localhost:65536", SP_ERR_INVALID, "not valid");
    check_connect_fails(":80", SP_ERR_INVALID, "not valid");
    check_connect_fails("a:b:80", SP_ERR_INVALID, "not valid");
    io_close();
}

/* A Unix-domain listener whose queue is full: the next one has to wait. */
TEST(connect_gives_up_when_time_is_over)
{
    io_open(NULL);
    char path[64];
    struct sp_socket_options options = { .backlog = 1 };
    struct sp_listener *listener;
    struct sp_stream *stream;
    CHECK_OK(sp_listen(socket_path(path), &options, &listener));
    sp_err err;
    int connected = 0;
    while ((err = sp_connect(path, NULL, IO_MOMENT, &stream)) == SP_OK)
        CHECK(++connected < 10);
    CHECK_ERR(err, SP_ERR_TIMEOUT);
    CHECK(connected >= 1);
    io_close();
}

static void order_connect(void *arg)
{
    struct sp_stream *stream;
    sp_ignore(sp_connect(arg, NULL, sp_never(), &stream));
}

TEST(connect_waits_for_room_and_may_be_killed_meanwhile)
{
    io_open(NULL);
    char path[64];
    struct sp_socket_options options = { .backlog = 1 };
    struct sp_listener *listener;
    struct sp_stream *stream;
    CHECK_OK(sp_listen(socket_path(path), &options, &listener));
    while (sp_connect(path, NULL, sp_after_ms(2), &stream) == SP_OK)
        continue;
    sp_pid waits = puppet_start(NULL);
    sp_pid dies = puppet_start(NULL);
    puppet_tell(waits, order_connect, path);
    puppet_tell(dies, order_connect, path);
    CHECK_OK(sp_kill(dies));
    wait_gone(dies);
    int accepted = 0;
    while (sp_accept(listener, accepted < 3 ? IO_PATIENCE : IO_MOMENT, &stream) == SP_OK)
        accepted++;
    CHECK(accepted >= 3); /* backlog 1 holds two, and the one that waited */
    puppet_exit(waits, NULL);
    io_close();
}

/* ---- socket files ---- */

static bool is_there(const char *path)
{
    struct stat about;
    return stat(path + 5, &about) == 0;
}

TEST(listener_removes_its_socket_file)
{
    io_open(NULL);
    char path[64], text[SP_ADDRESS_TEXT_MAX];
    struct sp_listener *listener = listen_on(socket_path(path), text);
    CHECK_STR(text, path);
    CHECK(is_there(path));
    sp_listener_close(listener);
    CHECK(!is_there(path));
    listen_on(path, text);
    io_close(); /* its process ended */
    CHECK(!is_there(path));
}

TEST(listener_replaces_a_socket_file_that_nobody_serves)
{
    io_open(NULL);
    char path[64], text[SP_ADDRESS_TEXT_MAX];
    socket_path(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path + 5);
    CHECK_INT(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd); /* as after a crash: the file stays */
    CHECK(is_there(path));
    struct sp_listener *listener = listen_on(path, text);
    check_connects(listener, path);
    sp_listener_close(listener);
    io_close();
}

TEST(listener_does_not_touch_a_file_that_is_no_socket)
{
    io_open(NULL);
    char path[64];
    socket_path(path);
    int fd = open(path + 5, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK_INT(write(fd, "precious", 8), 8);
    close(fd);
    check_listen_fails(path, SP_ERR_ADDRINUSE, "in use");
    struct stat about;
    CHECK_INT(stat(path + 5, &about), 0);
    CHECK_INT(about.st_size, 8);
    unlink(path + 5);
    io_close();
}

TEST(listener_creates_its_socket_file_with_the_mode_asked_for)
{
    io_open(NULL);
    char path[64];
    struct stat about;
    struct sp_listener *listener;
    umask(0);
    CHECK_OK(
        sp_listen(socket_path(path), &(struct sp_socket_options){ .unix_mode = 0600 }, &listener));
    CHECK_INT(stat(path + 5, &about), 0);
    CHECK_INT(about.st_mode & 0777, 0600);
    io_close();
}

/* ---- whose it is, and limits ---- */

static void order_use_listener(void *arg)
{
    struct sp_listener *listener = arg;
    struct sp_stream *stream;
    sp_address address;
    CHECK_ERR(sp_accept(listener, sp_nowait(), &stream), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_listener_address(listener, &address), SP_ERR_NOTCONTEXT);
    sp_listener_close(listener);
}

TEST(listener_is_refused_to_a_process_that_does_not_own_it)
{
    io_open(NULL);
    char text[SP_ADDRESS_TEXT_MAX];
    struct sp_listener *listener = listen_on("127.0.0.1:0", text);
    sp_pid puppet = puppet_start(NULL);
    puppet_do(puppet, order_use_listener, listener);
    check_connects(listener, text);
    puppet_exit(puppet, NULL);
    io_close();
}

TEST(io_outside_a_process_is_refused)
{
    struct sp_listener *listener;
    struct sp_stream *stream;
    sp_address address;
    size_t count;
    CHECK_ERR(sp_listen("127.0.0.1:0", NULL, &listener), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_connect("127.0.0.1:1", NULL, sp_nowait(), &stream), SP_ERR_NOTCONTEXT);
    CHECK_ERR(sp_resolve("localhost", 1, sp_nowait(), &address, 1, &count), SP_ERR_NOTCONTEXT);
    sp_listener_close(NULL);
    sp_stream_drop(NULL);
    sp_stream_abort(NULL);
}

/* Descriptors that are taken for the sake of it, so that few are left. */
struct hoard {
    int files[256];
    int count;
};

static void hoard_all(struct hoard *hoard)
{
    struct rlimit limit;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 128;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    hoard->count = 0;
    for (int fd; (fd = fcntl(0, F_DUPFD_CLOEXEC, 0)) >= 0;)
        hoard->files[hoard->count++] = fd;
}

static void hoard_leave(struct hoard *hoard, int files)
{
    while (files-- > 0 && hoard->count > 0)
        close(hoard->files[--hoard->count]);
}

TEST(io_out_of_descriptors_says_so)
{
    io_open(NULL);
    char text[SP_ADDRESS_TEXT_MAX];
    struct hoard hoard;
    if (RUNNING_ON_VALGRIND)
        SKIP("Valgrind closes the connection that it has no descriptor for");
    struct sp_listener *listener = listen_on("127.0.0.1:0", text);
    struct sp_listener *other;
    struct sp_stream *here, *there, *next;
    hoard_all(&hoard);
    hoard_leave(&hoard, 1);
    CHECK_OK(sp_connect(text, NULL, IO_PATIENCE, &here));
    CHECK_ERR(sp_accept(listener, IO_PATIENCE, &there), SP_ERR_NOFILE);
    CHECK_ERR(sp_listen("127.0.0.1:0", NULL, &other), SP_ERR_NOFILE);
    check_connect_fails(text, SP_ERR_NOFILE, "out of file descriptors");
    hoard_leave(&hoard, 1);
    CHECK_OK(sp_accept(listener, IO_PATIENCE, &there)); /* it was still there */
    hoard_leave(&hoard, 1);
    CHECK_ERR(sp_accept(listener, sp_nowait(), &next), SP_ERR_TIMEOUT);
    hoard_leave(&hoard, hoard.count);
    io_close();
}

TEST(accept_takes_all_that_came_while_nobody_looked)
{
    io_open(NULL);
    char text[SP_ADDRESS_TEXT_MAX];
    struct sp_listener *listener = listen_on("127.0.0.1:0", text);
    struct sp_stream *streams[50], *accepted;
    for (int i = 0; i < 50; i++)
        CHECK_OK(sp_connect(text, NULL, IO_PATIENCE, &streams[i]));
    for (int i = 0; i < 50; i++)
        CHECK_OK(sp_accept(listener, IO_PATIENCE, &accepted));
    CHECK_ERR(sp_accept(listener, sp_nowait(), &accepted), SP_ERR_TIMEOUT);
    io_close();
}
