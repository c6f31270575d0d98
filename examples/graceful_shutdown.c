/* Shutting down under load: every request that was accepted is answered.
 *
 *     graceful_shutdown [address]              serves; SIGTERM or Ctrl-C ends it in order
 *     graceful_shutdown --load address         asks, eight at a time, until nobody listens any more
 *
 * The work is done by a server; a connection asks it, and answers. At the end the listener closes,
 * connections finish what they have begun, then the worker is drained, then its count is written.
 */
#include <spawned/listener.h>
#include <spawned/serve.h>
#include <spawned/spawned.h>

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLIENTS = 8,
    UNDER_WAY = 50 /* answers, and the load says so */
};

static void say(const char *text)
{
    (void)fputs(text, stdout);
    (void)fflush(stdout);
}

/* ---- the worker ---- */

SP_SERVER(worker, sp_empty);
SP_CALL(worker, square, int64_t, int64_t);

struct worker {
    int64_t done;
};

static sp_err worker_on_square(struct worker *self, const int64_t *in, int64_t *out)
{
    *out = *in * *in;
    self->done++;
    return SP_OK;
}

static void worker_terminate(struct worker *self, const struct sp_reason *reason)
{
    printf("worker: %" PRId64 " done, ended with %s\n", self->done, sp_reason_text(reason));
}

SP_STATE(worker, struct worker);
SP_ON_TERMINATE(worker);
SP_ON_CALL(worker, square);
SP_CLASS(worker, .terminate = worker__terminate);

/* ---- connections: a number, its square, the end ---- */

static worker_ref worker;
static _Atomic int accepted;
static _Atomic int answered;

static void connection(struct sp_stream *stream, void *arg)
{
    int64_t number;
    int64_t square;
    (void)arg;
    if (sp_stream_read_exact(stream, &number, sizeof(number), sp_after_sec(5)) != SP_OK)
        return;
    accepted++;
    sp_sleep(sp_ms(20)); /* it takes its time */
    if (worker_square(worker, &number, &square, sp_after_sec(5)) == SP_OK &&
        sp_stream_write(stream, &square, sizeof(square), sp_after_sec(5)) == SP_OK)
        answered++;
}

static sp_err write_count(void *arg, sp_deadline deadline)
{
    (void)arg;
    (void)deadline;
    printf("server: %d accepted, %d answered\n", (int)accepted, (int)answered);
    return SP_OK;
}

static int serve(const char *address)
{
    struct sp_io_error error;
    const struct sp_serve_options options = {
        .address = address, .socket.out_error = &error, .run = connection, .drain = sp_sec(4)
    };
    struct sp_shutdown_report report;
    struct sp_serve_info info;
    sp_serve_ref front;
    char text[SP_ADDRESS_TEXT_MAX];
    if (sp_shutdown_start(NULL, NULL) != SP_OK ||
        worker_start(&(sp_empty){ 0 }, NULL, &worker) != SP_OK)
        return EXIT_FAILURE;
    if (sp_serve_start(&options, NULL, &front) != SP_OK) {
        fprintf(stderr, "graceful_shutdown: %s\n", error.text);
        return EXIT_FAILURE;
    }
    if (sp_shutdown_add_drain("drain", "front", front.pid) != SP_OK ||
        sp_shutdown_add_drain("handover", "worker", worker.pid) != SP_OK ||
        sp_shutdown_add("flush", "count", write_count, NULL) != SP_OK ||
        sp_serve_info(front, &(sp_empty){ 0 }, &info, sp_after_sec(5)) != SP_OK)
        return EXIT_FAILURE;
    printf("listening on %s\n", sp_address_format(&info.address, text));
    (void)fflush(stdout);
    if (sp_shutdown_wait(sp_never(), &report) != SP_OK)
        return EXIT_FAILURE;
    printf("%s: %u tasks, %u problems\n", report.reason, report.tasks, report.problem_count);
    return report.problem_count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- the load ---- */

static _Atomic int got;
static _Atomic int refused;
static _Atomic int wrong;

/* False: nobody listens any more. */
static bool ask(const char *address, int64_t number)
{
    struct sp_stream *stream;
    int64_t square = 0;
    if (sp_connect(address, NULL, sp_after_sec(5), &stream) != SP_OK)
        return false;
    sp_err err = sp_stream_write(stream, &number, sizeof(number), sp_after_sec(5));
    if (err == SP_OK)
        err = sp_stream_read_exact(stream, &square, sizeof(square), sp_after_sec(10));
    if (err != SP_OK)
        refused++; /* the system had taken the connection, the server had not */
    else if (square != number * number)
        wrong++;
    else if (++got == UNDER_WAY)
        say("under way\n");
    sp_stream_abort(stream);
    return true;
}

static void client(void *arg)
{
    for (int64_t number = 1; ask(arg, number); number++)
        continue;
}

static int load(char *address)
{
    sp_pid clients[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        if (sp_spawn(client, address, NULL, &clients[i]) != SP_OK)
            return EXIT_FAILURE;
    for (int i = 0; i < CLIENTS; i++)
        sp_ignore(sp_join(clients[i], sp_never(), NULL));
    printf("load: %d answered, %d not accepted, %d wrong\n", (int)got, (int)refused, (int)wrong);
    return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int program(void *arg)
{
    char **argv = arg;
    if (argv[1] != NULL && strcmp(argv[1], "--load") == 0 && argv[2] != NULL)
        return load(argv[2]);
    return serve(argv[1] == NULL ? "127.0.0.1:0" : argv[1]);
}

int main(int argc, char **argv)
{
    (void)argc;
    return sp_main(program, argv, NULL);
}
