/* Every allocation of an endpoint's start and of an answer fails once: somebody gets an error, and
 * no descriptor, thread or byte is left (which the address sanitizer's leak check sees). Needs a
 * build with SPAWNED_FAULT_INJECTION. What libmicrohttpd allocates is not made to fail.
 */
#include "base/alloc.h"
#include "spawned/http.h"
#include "support/io.h"

#ifdef SPAWNED_FAULT_INJECTION

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { STEPS_MAX = 500 };

static void give_up_waiting(int fd)
{
    struct timeval patience = { .tv_sec = 60 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

/* The status of an answer; 0: the connection was closed without one. */
static int asked(uint16_t port, const char *path)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    char text[4096];
    size_t count = 0;
    ssize_t more;
    int status = 0;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    give_up_waiting(fd);
    CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    int size = snprintf(text, sizeof(text),
                        "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    CHECK_INT(send(fd, text, (size_t)size, MSG_NOSIGNAL), size);
    while (count < sizeof(text) - 1 &&
           (more = recv(fd, text + count, sizeof(text) - 1 - count, 0)) > 0)
        count += (size_t)more;
    text[count] = '\0';
    close(fd);
    (void)sscanf(text, "HTTP/1.1 %d", &status);
    return status;
}

TEST(http_nomem_in_its_start)
{
    io_open(NULL);
    bool failed = true;
    int failures = 0;
    for (int n = 0; failed; n++) {
        sp_http_ref http;
        CHECK(n < STEPS_MAX);
        int files = io_open_files();
        sp__alloc_fail_after(n);
        sp_err err = sp_http_start(&(struct sp_http_options){ .program = "tested" }, NULL, &http);
        failed = sp__alloc_failed();
        sp__alloc_fail_after(-1);
        failures += err != SP_OK;
        CHECK(err == SP_OK || err == SP_ERR_NOMEM || err == SP_ERR_LIMIT ||
              err == SP_ERR_INITFAILED);
        if (err == SP_OK)
            CHECK_OK(sp_http_stop(http, WORLD_PATIENCE));
        CHECK_INT(io_open_files(), files);
    }
    CHECK(failures > 3);
    io_close();
}

TEST(http_nomem_in_an_answer)
{
    static const char *const paths[] = { "/api/processes",
                                         "/api/processes?sort=name",
                                         "/api/processes?order=desc",
                                         "/api/processes/0.0.1",
                                         "/api/tree",
                                         "/api/graph",
                                         "/api/overview",
                                         "/api/exits",
                                         "/api/dead-letters",
                                         "/api/events",
                                         "/metrics" };
    struct sp_http_info info;
    sp_http_ref http;
    io_open(NULL);
    CHECK_OK(sp_http_start(&(struct sp_http_options){ .program = "tested" }, NULL, &http));
    CHECK_OK(sp_http_info(http, &(sp_empty){ 0 }, &info, WORLD_PATIENCE));
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        bool failed = true;
        for (int n = 0; failed; n++) {
            CHECK(n < STEPS_MAX);
            sp__alloc_fail_after(n);
            int status = asked(info.address.port, paths[i]);
            failed = sp__alloc_failed();
            sp__alloc_fail_after(-1);
            if (status != (failed ? status : 200) ||
                (status != 200 && status != 503 && status != 0))
                FAIL("%s, allocation %d: status %d", paths[i], n, status);
        }
    }
    CHECK_OK(sp_http_stop(http, WORLD_PATIENCE));
    io_close();
}

#else

TEST(http_nomem)
{
    SKIP("needs SPAWNED_FAULT_INJECTION");
}

#endif
