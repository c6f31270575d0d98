/* The endpoint on a Unix-domain socket: who may open it, what becomes of its file, its slots. */
#include "spawned/http.h"
#include "support/io.h"
#include "support/lab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define TOKEN "0123456789abcdef-token"

enum { REPLY_MAX = 1 << 16 };

static char folder[32];
static char path[64];
static char reply[REPLY_MAX + 1];

/* ---- a client ---- */

static int client_try(const char *where)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct timeval patience = { .tv_sec = 60 };
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", where);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static const char *client_read(int fd)
{
    size_t count = 0;
    ssize_t more;
    while (count < REPLY_MAX && (more = recv(fd, reply + count, REPLY_MAX - count, 0)) > 0)
        count += (size_t)more;
    reply[count] = '\0';
    close(fd);
    return reply;
}

static const char *ask(const char *line, const char *headers)
{
    char request[512];
    int size =
        snprintf(request, sizeof(request),
                 "%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", line, headers);
    int fd = client_try(path);
    CHECK(fd >= 0);
    CHECK_INT(send(fd, request, (size_t)size, MSG_NOSIGNAL), size);
    return client_read(fd);
}

/* ---- a world with a folder ---- */

static void local_open(void)
{
    snprintf(folder, sizeof(folder), "/tmp/sp-http-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/socket", folder);
    io_open(NULL);
}

static void local_close(void)
{
    io_close();
    CHECK_INT(access(path, F_OK), -1);
    CHECK_INT(rmdir(folder), 0);
}

static void start(struct sp_http_options options, sp_http_ref *out_http)
{
    options.unix_path = path;
    CHECK_OK(sp_http_start(&options, NULL, out_http));
}

static struct sp_http_info info_of(sp_http_ref http)
{
    struct sp_http_info info;
    CHECK_OK(sp_http_info(http, &(sp_empty){ 0 }, &info, WORLD_PATIENCE));
    return info;
}

/* ---- cases ---- */

TEST(local_alone_answers_and_leaves_nothing)
{
    sp_http_ref http;
    struct stat about;
    char text[SP_ADDRESS_TEXT_MAX];
    local_open();
    start((struct sp_http_options){ .program = "tested" }, &http);
    CHECK_CONTAINS(ask("GET /api/overview", ""), "\"program\":\"tested\"");
    CHECK_INT(stat(path, &about), 0);
    CHECK(S_ISSOCK(about.st_mode));
    CHECK_INT(about.st_mode & 0777, 0600);
    struct sp_http_info info = info_of(http);
    CHECK_INT(info.address.family, SP_ADDRESS_UNIX);
    CHECK_CONTAINS(sp_address_format(&info.address, text), path);
    CHECK_INT(info.requests, 1);
    CHECK_OK(sp_http_stop(http, WORLD_PATIENCE));
    CHECK_INT(access(path, F_OK), -1);
    CHECK_INT(errno, ENOENT);
    local_close();
}

TEST(local_and_network_answer_both)
{
    sp_http_ref http;
    local_open();
    start((struct sp_http_options){ .address = "127.0.0.1:0", .program = "both" }, &http);
    struct sp_http_info info = info_of(http);
    CHECK_INT(info.address.family, SP_ADDRESS_IPV4);
    CHECK_CONTAINS(ask("GET /api/overview", ""), "\"program\":\"both\"");
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(info.address.port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    static const char request[] =
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    CHECK_INT(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
    CHECK_CONTAINS(client_read(fd), "200 OK");
    CHECK_OK(sp_http_stop(http, WORLD_PATIENCE));
    local_close();
}

TEST(local_wants_the_token_too)
{
    sp_http_ref http;
    local_open();
    start((struct sp_http_options){ .token = TOKEN }, &http);
    CHECK_CONTAINS(ask("GET /api/overview", ""), " 401 ");
    CHECK_CONTAINS(ask("GET /api/overview", "Authorization: Bearer " TOKEN "\r\n"), " 200 ");
    CHECK_OK(sp_http_stop(http, WORLD_PATIENCE));
    local_close();
}

TEST(local_file_of_a_crash_is_replaced_and_of_the_living_is_not)
{
    sp_http_ref http;
    sp_http_ref second;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    local_open();
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd); /* its file stays */
    start((struct sp_http_options){ .program = "first" }, &http);
    CHECK_ERR(sp_http_start(&(struct sp_http_options){ .unix_path = path }, NULL, &second),
              SP_ERR_ADDRINUSE);
    CHECK_CONTAINS(ask("GET /api/overview", ""), "\"program\":\"first\"");
    /* Killed, not stopped: the file goes all the same. */
    CHECK_OK(sp_kill(http.pid));
    CHECK_OK(sp_join(http.pid, WORLD_PATIENCE, NULL));
    CHECK_INT(access(path, F_OK), -1);
    local_close();
}

TEST(local_does_not_replace_what_is_no_socket)
{
    sp_http_ref http;
    local_open();
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    fclose(file);
    CHECK_ERR(sp_http_start(&(struct sp_http_options){ .unix_path = path }, NULL, &http),
              SP_ERR_ADDRINUSE);
    CHECK_INT(unlink(path), 0);
    CHECK_ERR(
        sp_http_start(&(struct sp_http_options){ .unix_path = "/nowhere/at/all" }, NULL, &http),
        SP_ERR_NOTFOUND);
    local_close();
}

/* More than there are slots: the others wait in the queue, and are answered when one is free. */
TEST(local_connections_are_bounded)
{
    enum { SLOTS = 2, MORE = 5 };
    static const char request[] =
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    sp_http_ref http;
    int idle[SLOTS];
    int fd[MORE];
    local_open();
    start((struct sp_http_options){ .connections_max = SLOTS, .request_time = sp_ms(200) }, &http);
    for (int i = 0; i < SLOTS; i++)
        idle[i] = client_try(path);
    for (int i = 0; i < MORE; i++) {
        fd[i] = client_try(path);
        CHECK(fd[i] >= 0);
        CHECK_INT(send(fd[i], request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
    }
    for (int i = 0; i < MORE; i++)
        CHECK_CONTAINS(client_read(fd[i]), "200 OK");
    for (int i = 0; i < SLOTS; i++)
        CHECK_STR(client_read(idle[i]), ""); /* cut: it never asked */
    CHECK_INT(info_of(http).cut, SLOTS);
    CHECK_OK(sp_http_stop(http, WORLD_PATIENCE));
    local_close();
}
