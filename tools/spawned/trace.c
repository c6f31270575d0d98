/* spawned trace: what one process does, and what is done to it, as the flight recorder has it.
 *
 * Asked again and again for what is new, until the process has ended, or somebody has seen enough.
 */
#include "commands.h"
#include "process.h"
#include "text.h"
#include "value.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TRACE_PAGE = 1000, TRACE_DELAY_MS = 250, TRACE_TEXT_MAX = 512 };

struct trace {
    const struct options *options;
    struct client *client;
    char pid[PROCESS_PID_MAX];
    char self[PROCESS_PID_MAX]; /* the endpoint's own process: its looks at the other are ours */
    uint64_t since;             /* number of the last event seen */
    uint64_t shown;
    bool ended; /* it has, or enough was shown */
};

static bool trace_wanted(const struct trace *trace, const json_t *event)
{
    const char *type = trace->options->type;
    const char *text = value_text(event, "text");
    const char *pid = value_text(event, "pid");
    if (pid != NULL && strcmp(pid, trace->self) == 0 && strcmp(pid, trace->pid) != 0)
        return false;
    return type == NULL || (text != NULL && strncmp(text, type, strlen(type)) == 0);
}

static void trace_show(const struct trace *trace, const json_t *event)
{
    char text[TRACE_TEXT_MAX];
    char took[VALUE_TEXT_MAX];
    const char *pid = value_text(event, "pid");
    print("%14.3f ", value_number(event, "t_ms"));
    print_cell(PRINT_CYAN, value_text(event, "kind"), 8);
    text_show(text, sizeof(text), value_text(event, "text"), sizeof(text));
    print(" %s", text);
    if (pid != NULL && strcmp(pid, trace->pid) != 0) {
        text_show(text, sizeof(text), pid, sizeof(text));
        print(" (by %s)", text);
    }
    if (!value_is_null(event, "duration_us"))
        print("  %s", value_format_ms(took, value_number(event, "duration_us") / 1000));
    print("\n");
}

static void trace_event(struct trace *trace, const json_t *event)
{
    const char *kind = value_text(event, "kind");
    const char *pid = value_text(event, "pid");
    bool ends =
        kind != NULL && pid != NULL && strcmp(kind, "exit") == 0 && strcmp(pid, trace->pid) == 0;
    if (trace_wanted(trace, event)) {
        if (trace->options->json)
            print_json_line(event);
        else
            trace_show(trace, event);
        trace->shown++;
    }
    trace->ended = ends || (trace->options->limit != 0 && trace->shown >= trace->options->limit);
}

/* What is new since the page before. */
static enum status trace_page(struct trace *trace)
{
    char path[PROCESS_PATH_MAX];
    char why[TRACE_TEXT_MAX];
    json_t *page = NULL;
    snprintf(path, sizeof(path), "/api/events?process=%s&since=%" PRIu64 "&limit=%d", trace->pid,
             trace->since, TRACE_PAGE);
    enum status status = client_get(trace->client, path, &page);
    if (status != STATUS_OK)
        return status;
    if (json_is_false(json_object_get(page, "available"))) {
        text_show(why, sizeof(why), value_text(page, "why"), sizeof(why));
        status = client_fail(trace->client, STATUS_NOTFOUND, "%s", why);
    } else if (!json_is_array(json_object_get(page, "events"))) {
        status = client_fail(trace->client, STATUS_ANSWER, "these are no events");
    }
    size_t i;
    const json_t *event;
    json_array_foreach(json_object_get(page, "events"), i, event)
    {
        if (!trace->ended)
            trace_event(trace, event);
    }
    json_int_t last = json_integer_value(json_object_get(page, "last"));
    if (last > 0 && (uint64_t)last > trace->since)
        trace->since = (uint64_t)last;
    json_decref(page);
    return status;
}

/* Waits for the next look; false: nobody reads any more. */
static bool trace_wait(const struct trace *trace)
{
    struct pollfd reader = { .fd = STDOUT_FILENO, .events = 0 };
    uint64_t ms = trace->options->delay_ms == 0 ? TRACE_DELAY_MS : trace->options->delay_ms;
    return print_ok() && poll(&reader, 1, (int)ms) == 0;
}

static enum status trace_self(struct trace *trace)
{
    json_t *overview = NULL;
    enum status status = client_get(trace->client, "/api/overview?since=4294967295", &overview);
    const char *self = value_text(overview, "self");
    snprintf(trace->self, sizeof(trace->self), "%s", self == NULL ? "" : self);
    json_decref(overview);
    return status;
}

/* STATUS_NOTFOUND: it has ended. */
static enum status trace_life(const struct trace *trace)
{
    json_t *process = NULL;
    enum status status = process_find(trace->client, trace->pid, &process);
    json_decref(process);
    return status;
}

enum status trace_run(const struct options *options, struct client *client)
{
    struct trace trace = { .options = options, .client = client };
    if (options->messages)
        return messages_run(options, client);
    enum status life = STATUS_OK;
    enum status status = process_pid(client, options->target, trace.pid);
    if (status == STATUS_OK)
        status = trace_self(&trace);
    bool going = status == STATUS_OK;
    while (going) {
        /* Asked first, so that its last events are asked for after its end. */
        life = trace_life(&trace);
        status = life == STATUS_OK || life == STATUS_NOTFOUND ? trace_page(&trace) : life;
        going = status == STATUS_OK && life == STATUS_OK && !trace.ended && !options->once &&
                trace_wait(&trace);
    }
    bool unknown = status == STATUS_OK && life == STATUS_NOTFOUND && trace.shown == 0;
    return unknown && options->type == NULL
               ? client_fail(client, STATUS_NOTFOUND, "no such process, and nothing recorded of it")
               : status;
}
