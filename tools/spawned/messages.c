/* spawned trace --messages: the messages of one server, each as it is taken and as its handler returns.
 *
 * The node is asked to trace, then again and again for what is new, until it has told enough. It is told
 * to stop when somebody has seen enough before that.
 */
#include "commands.h"
#include "process.h"
#include "text.h"
#include "value.h"

#include <ctype.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGES_DELAY_MS = 250, MESSAGES_TEXT_MAX = 512, MESSAGES_QUERY_MAX = 512 };

struct messages {
    const struct options *options;
    struct client *client;
    char pid[PROCESS_PID_MAX];
    uint64_t since;
    double lost;
    bool ended;
};

static volatile sig_atomic_t messages_interrupted;

static void messages_interrupt(int signo)
{
    (void)signo;
    messages_interrupted = 1;
}

/* An operation's name, as a query has it. False: too long. */
static bool messages_escape(char *out, size_t size, const char *text)
{
    size_t length = 0;
    for (; *text != '\0'; text++) {
        bool plain = isalnum((unsigned char)*text) || strchr("-_.", *text) != NULL;
        if (length + 4 > size)
            return false;
        length += (size_t)snprintf(out + length, size - length, plain ? "%c" : "%%%02X",
                                   (unsigned char)*text);
    }
    out[length] = '\0';
    return true;
}

static enum status messages_begin(const struct messages *messages)
{
    const struct options *options = messages->options;
    char operation[MESSAGES_QUERY_MAX] = "";
    char path[MESSAGES_QUERY_MAX + PROCESS_PATH_MAX + 64];
    json_t *answer = NULL;
    if (options->type != NULL && !messages_escape(operation, sizeof(operation), options->type))
        return client_fail(messages->client, STATUS_USAGE, "a type of so long a name");
    snprintf(path, sizeof(path), "/api/processes/%s/trace?limit=%" PRIu64 "&failed=%s%s%s",
             messages->pid, options->limit == 0 ? 100 : options->limit,
             options->failed ? "yes" : "no", operation[0] == '\0' ? "" : "&operation=", operation);
    enum status status = client_post(messages->client, path, &answer);
    json_decref(answer);
    return status;
}

static void messages_end(const struct messages *messages)
{
    char path[PROCESS_PATH_MAX];
    json_t *answer = NULL;
    snprintf(path, sizeof(path), "/api/processes/%s/untrace", messages->pid);
    (void)client_post(messages->client, path, &answer); /* it may have ended meanwhile */
    json_decref(answer);
}

static void messages_show(const json_t *event)
{
    char text[MESSAGES_TEXT_MAX];
    char took[VALUE_TEXT_MAX];
    const char *what = value_text(event, "what");
    print("%14.3f %6.0f ", value_number(event, "t_ms"), value_number(event, "number"));
    print_cell(PRINT_CYAN, what, 8);
    text_show(text, sizeof(text), value_text(event, "operation"), sizeof(text));
    print(" %s", text);
    if (what != NULL && strcmp(what, "taken") == 0) {
        text_show(text, sizeof(text), value_text(event, "from"), sizeof(text));
        print("%s from %s", json_is_true(json_object_get(event, "call")) ? ", a call" : "", text);
    }
    if (!value_is_null(event, "took_us"))
        print("  %s  %s", value_format_ms(took, value_number(event, "took_us") / 1000),
              value_text(event, "result"));
    print("\n");
}

static void messages_event(struct messages *messages, const json_t *event)
{
    const char *what = value_text(event, "what");
    messages->ended = messages->ended || (what != NULL && strcmp(what, "ended") == 0);
    if (messages->options->json)
        print_json_line(event);
    else
        messages_show(event);
}

/* What is new; all of it. */
static enum status messages_page(struct messages *messages)
{
    char path[PROCESS_PATH_MAX];
    bool more = true;
    enum status status = STATUS_OK;
    while (more && status == STATUS_OK) {
        json_t *page = NULL;
        size_t i;
        const json_t *event;
        snprintf(path, sizeof(path), "/api/processes/%s/messages?since=%" PRIu64 "&limit=1000",
                 messages->pid, messages->since);
        status = client_get(messages->client, path, &page);
        if (status == STATUS_OK && !json_is_array(json_object_get(page, "events")))
            status = client_fail(messages->client, STATUS_ANSWER, "these are no events");
        json_array_foreach(json_object_get(page, "events"), i, event)
        {
            messages_event(messages, event);
        }
        messages->since = (uint64_t)json_integer_value(json_object_get(page, "last"));
        messages->lost = value_number(page, "lost");
        messages->ended = messages->ended || json_is_false(json_object_get(page, "on"));
        more = json_is_true(json_object_get(page, "more"));
        json_decref(page);
    }
    return status;
}

/* Waits for the next look; false: nobody reads any more, or it was interrupted. */
static bool messages_wait(const struct messages *messages)
{
    struct pollfd reader = { .fd = STDOUT_FILENO, .events = 0 };
    uint64_t ms =
        messages->options->delay_ms == 0 ? MESSAGES_DELAY_MS : messages->options->delay_ms;
    return print_ok() && poll(&reader, 1, (int)ms) == 0 && messages_interrupted == 0;
}

enum status messages_run(const struct options *options, struct client *client)
{
    struct messages messages = { .options = options, .client = client };
    struct sigaction interrupt = { .sa_handler = messages_interrupt };
    enum status status = process_pid(client, options->target, messages.pid);
    if (status == STATUS_OK)
        status = messages_begin(&messages);
    if (status != STATUS_OK)
        return status;
    (void)sigaction(SIGINT, &interrupt, NULL);
    do
        status = messages_page(&messages);
    while (status == STATUS_OK && !messages.ended && messages_wait(&messages));
    if (!messages.ended)
        messages_end(&messages);
    if (messages.lost > 0)
        fprintf(stderr, "spawned trace: %.0f events were lost\n", messages.lost);
    return status;
}
