/* spawned suspend, resume, state, stats: holds a server and looks into it. */
#include "commands.h"
#include "process.h"
#include "text.h"
#include "value.h"

#include <stdio.h>
#include <string.h>

/* Who is meant, and the answer of `what` of it. A `get` is a look, the rest changes something. */
static enum status sys_ask(const struct options *options, struct client *client, const char *what,
                           bool get, json_t **out_process, json_t **out_answer)
{
    char path[PROCESS_PATH_MAX];
    enum status status = process_find(client, options->target, out_process);
    if (status != STATUS_OK)
        return status;
    const char *pid = value_text(*out_process, "pid");
    if (pid == NULL)
        return client_fail(client, STATUS_ANSWER, "a process without a pid");
    snprintf(path, sizeof(path), "/api/processes/%.64s/%s", pid, what);
    return get ? client_get(client, path, out_answer) : client_post(client, path, out_answer);
}

/* Do it, and say so. */
static enum status sys_do(const struct options *options, struct client *client, const char *what,
                          const char *done)
{
    char shown[PROCESS_PID_MAX];
    char name[512];
    json_t *process = NULL;
    json_t *answer = NULL;
    enum status status = sys_ask(options, client, what, false, &process, &answer);
    if (status == STATUS_OK && options->json) {
        print_json_line(answer);
    } else if (status == STATUS_OK) {
        text_show(shown, sizeof(shown), value_text(process, "pid"), sizeof(shown));
        print("%s %s %s\n", done, shown, value_name(name, sizeof(name), process));
    }
    json_decref(answer);
    json_decref(process);
    return status;
}

enum status suspend_run(const struct options *options, struct client *client)
{
    return sys_do(options, client, "suspend", "suspended");
}

enum status resume_run(const struct options *options, struct client *client)
{
    return sys_do(options, client, "resume", "resumed");
}

enum status measure_run(const struct options *options, struct client *client)
{
    return options->off ? sys_do(options, client, "measure?on=no", "no longer measured:")
                        : sys_do(options, client, "measure", "measured:");
}

/* A state may have many lines: each is shown as one, without what terminals obey. */
static void sys_lines(const char *state)
{
    char line[4096];
    char shown[4096];
    while (*state != '\0') {
        size_t length = strcspn(state, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)(length < 4095 ? length : 4095), state);
        text_show(shown, sizeof(shown), line, sizeof(shown));
        print("%s\n", shown);
        state += length + (state[length] == '\n');
    }
}

enum status state_run(const struct options *options, struct client *client)
{
    json_t *process = NULL;
    json_t *answer = NULL;
    enum status status = sys_ask(options, client, "state", true, &process, &answer);
    const char *state = status == STATUS_OK ? value_text(answer, "state") : NULL;
    if (status == STATUS_OK && state == NULL)
        status = client_fail(client, STATUS_ANSWER, "an answer without a state");
    else if (status == STATUS_OK && options->json)
        print_json_line(answer);
    else if (status == STATUS_OK)
        sys_lines(state);
    json_decref(answer);
    json_decref(process);
    return status;
}

static void stats_show(const json_t *answer)
{
    char longest[128];
    double handled = value_number(answer, "handled");
    double us = value_number(answer, "in_handlers_us");
    text_show(longest, sizeof(longest), value_text(answer, "longest_operation"), sizeof(longest));
    print("measured for %.1f s\n", value_number(answer, "for_ms") / 1000);
    print("handled      %.0f, of which %.0f failed; %.0f since it started\n", handled,
          value_number(answer, "failed"), value_number(answer, "handled_ever"));
    print("in handlers  %.3f ms, %.1f us each\n", us / 1000, handled > 0 ? us / handled : 0);
    print("longest      %.3f ms%s%s\n", value_number(answer, "longest_us") / 1000,
          longest[0] == '\0' ? "" : ", ", longest);
    print("mailbox      %.0f\n", value_number(answer, "mailbox"));
}

enum status stats_run(const struct options *options, struct client *client)
{
    json_t *process = NULL;
    json_t *answer = NULL;
    enum status status = sys_ask(options, client, "statistics", true, &process, &answer);
    if (status == STATUS_OK && options->json)
        print_json_line(answer);
    else if (status == STATUS_OK)
        stats_show(answer);
    json_decref(answer);
    json_decref(process);
    return status;
}
