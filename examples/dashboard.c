/* A program worth looking at: servers with work, one that is clumsy, and a dashboard.
 *
 *     dashboard [ADDRESS:PORT [IDLERS]]        then: a browser on what it prints; Ctrl-C ends it
 *
 * The one line that turns the dashboard on is the supervisor's child "http". Sending SIGINT or
 * SIGTERM ends the program in order.
 */
#include "spawned/http.h"
#include "spawned/os_signal.h"
#include "spawned/spawned.h"

#include <stdio.h>
#include <stdlib.h>

enum { WORKERS = 4, IDLERS_MAX = 2000000 };

/* ---- a worker: adds up what it is told ---- */

SP_SERVER(worker, int);
SP_CAST(worker, add, int);

struct worker {
    int64_t total;
};

static void worker_on_add(struct worker *self, const int *number)
{
    self->total += *number;
}

/* What `spawned state` and the dashboard show of it. */
static void worker_format(const struct worker *self, char *text, size_t size)
{
    (void)snprintf(text, size, "total of its jobs: %lld", (long long)self->total);
}

SP_STATE(worker, struct worker);
SP_ON_CAST(worker, add);
SP_ON_FORMAT(worker);
SP_CLASS(worker, .format = worker__format);

/* ---- who gives them work, and who drops everything now and then ---- */

static const char *const worker_names[WORKERS] = { "worker 0", "worker 1", "worker 2", "worker 3" };

static void feeder_main(void *arg)
{
    (void)arg;
    for (int n = 0;; n++) {
        worker_ref worker;
        if (worker_whereis(worker_names[n % WORKERS], &worker) == SP_OK)
            sp_ignore(worker_add(worker, &n));
        if (n % 10 == 0)
            sp_sleep(sp_ms(1));
    }
}

static void clumsy_main(void *arg)
{
    (void)arg;
    sp_sleep(sp_sec(5));
    sp_exit_error(SP_OK, "dropped the tray");
}

static sp_err feeder_start(void *arg, sp_pid *out_pid)
{
    return sp_spawn(feeder_main, arg, &(struct sp_spawn_options){ .name = "feeder", .link = true },
                    out_pid);
}

static sp_err clumsy_start(void *arg, sp_pid *out_pid)
{
    return sp_spawn(clumsy_main, arg, &(struct sp_spawn_options){ .name = "clumsy", .link = true },
                    out_pid);
}

static void idler_main(void *arg)
{
    struct sp_message *message;
    (void)arg;
    while (sp_receive(sp_never(), &message) == SP_OK)
        sp_message_free(message);
}

/* ---- the program ---- */

/* What it is started with. */
struct dashboard {
    struct sp_http_options http;
    struct sp_io_error error; /* why there is no endpoint */
    long idlers;
};

static sp_err dashboard_start(struct dashboard *self)
{
    struct sp_child_spec workers[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        workers[i] = (struct sp_child_spec){ .id = worker_names[i],
                                             .server = &worker_class,
                                             .options.spawn.name = worker_names[i] };
    const struct sp_supervisor_spec office = { .max_restarts = 1000,
                                               .children = workers,
                                               .child_count = WORKERS };
    const struct sp_child_spec children[] = {
        { .id = "office", .supervisor = &office, .options.spawn.name = "office" },
        { .id = "feeder", .start = feeder_start },
        { .id = "clumsy", .start = clumsy_start },
        { .id = "http",
          .server = &sp_http_class,
          .args = &self->http,
          .options.spawn.name = "http" },
    };
    const struct sp_supervisor_spec top = { .max_restarts = 1000,
                                            .children = children,
                                            .child_count = sizeof(children) / sizeof(children[0]) };
    const struct sp_server_options named = { .spawn = { .name = "top", .link = true } };
    sp_pid pid;
    sp_err err = sp_supervisor_start(&top, &named, &pid);
    const struct sp_spawn_options idler = { .label = "idler" };
    for (long i = 0; i < self->idlers && err == SP_OK; i++)
        err = sp_spawn(idler_main, NULL, &idler, NULL);
    return err;
}

static int dashboard_main(void *arg)
{
    struct dashboard *self = arg;
    sp_http_ref http;
    struct sp_http_info info;
    char text[SP_ADDRESS_TEXT_MAX];
    /* Before the program says that it runs: a Ctrl-C from then on ends it in order. */
    sp_err err = sp_os_signal_subscribe(SP_OS_SIGNAL_ONCE, sp_after_sec(5));
    if (err == SP_OK)
        err = dashboard_start(self);
    if (err == SP_OK)
        err = sp_recorder_start(sp_runtime_current(), NULL); /* for the timeline */
    if (err == SP_OK)
        err = sp_http_whereis("http", &http);
    if (err == SP_OK)
        err = sp_http_info(http, &(sp_empty){ 0 }, &info, sp_after_sec(5));
    if (err != SP_OK) {
        fprintf(stderr, "dashboard: %s\n", sp_err_text(err));
        return EXIT_FAILURE;
    }
    printf("dashboard: http://%s/\n", sp_address_format(&info.address, text));
    fflush(stdout);

    struct sp_message *message;
    if (sp_receive(sp_never(), &message) != SP_OK)
        return EXIT_FAILURE;
    sp_message_free(message);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct dashboard self = { .http = { .program = "dashboard example", .control = true } };
    self.http.address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    self.http.out_error = &self.error;
    self.http.token = getenv("DASHBOARD_TOKEN");
    self.idlers = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    if (self.idlers < 0 || self.idlers > IDLERS_MAX) {
        fprintf(stderr, "usage: dashboard [ADDRESS:PORT [IDLERS]]\n");
        return EXIT_FAILURE;
    }
    int status = sp_main(dashboard_main, &self, NULL);
    /* A supervisor that cannot start takes the main process with it, which then says nothing. */
    if (self.error.err != SP_OK)
        fprintf(stderr, "dashboard: %s\n", self.error.text);
    return status;
}
