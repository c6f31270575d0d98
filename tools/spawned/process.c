/* A process as the node describes it; see process.h. */
#include "process.h"

#include "text.h"
#include "value.h"

#include <stdio.h>
#include <string.h>

enum {
    PROCESS_NAME_MAX = 1024,
    PROCESS_PID = 14,
    PROCESS_FIXED = PROCESS_PID + 48, /* columns of a row without the name */
    PROCESS_NAME_LEAST = 12,
    PROCESS_NAME_OPEN = 40, /* where the line has no end */
    PROCESS_PAGE = 1000,
    PROCESS_PAGING = 64, /* bytes for limit and offset */
};

/* ---- finding ---- */

/* "0.17.4" in `out`, of that or of "<0.17.4>"; false: it looks like a name. */
static bool process_is_pid(const char *target, char out[PROCESS_PID_MAX])
{
    size_t size = strlen(target);
    if (size > 2 && target[0] == '<' && target[size - 1] == '>') {
        target++;
        size -= 2;
    }
    int dots = 0;
    for (size_t i = 0; i < size; i++) {
        dots += target[i] == '.';
        if (target[i] != '.' && (target[i] < '0' || target[i] > '9'))
            return false;
    }
    if (size >= PROCESS_PID_MAX || dots != 2)
        return false;
    memcpy(out, target, size);
    out[size] = '\0';
    return true;
}

static enum status process_get(struct client *client, const char *pid, json_t **out_process)
{
    char path[PROCESS_PATH_MAX];
    snprintf(path, sizeof(path), "/api/processes/%s", pid);
    return client_get(client, path, out_process);
}

/* The pid of the one with exactly this name. */
static enum status process_named(struct client *client, const char *name, char out[PROCESS_PID_MAX])
{
    json_t *page = NULL;
    struct options search = { .search = name };
    char path[PROCESS_PATH_MAX];
    enum status status = process_query(client, &search, "name", path);
    snprintf(path + strlen(path), sizeof(path) - strlen(path), "&limit=%d", PROCESS_PAGE);
    if (status == STATUS_OK)
        status = client_get(client, path, &page);
    if (status != STATUS_OK)
        return status;
    size_t i;
    const json_t *process;
    status = STATUS_NOTFOUND;
    json_array_foreach(json_object_get(page, "processes"), i, process)
    {
        const char *its = value_text(process, "name");
        const char *pid = value_text(process, "pid");
        if (its != NULL && strcmp(its, name) == 0 && pid != NULL && process_is_pid(pid, out))
            status = STATUS_OK;
    }
    json_decref(page);
    return status == STATUS_OK ? status
                               : client_fail(client, status, "no process is called %s", name);
}

enum status process_pid(struct client *client, const char *target, char out[PROCESS_PID_MAX])
{
    return process_is_pid(target, out) ? STATUS_OK : process_named(client, target, out);
}

enum status process_find(struct client *client, const char *target, json_t **out_process)
{
    char pid[PROCESS_PID_MAX];
    enum status status = process_pid(client, target, pid);
    return status == STATUS_OK ? process_get(client, pid, out_process) : status;
}

/* ---- questions for a page ---- */

/* Appends "?key=value", or with "&". False: it does not fit. */
static bool process_parameter(struct client *client, char out[PROCESS_PATH_MAX], const char *key,
                              const char *value)
{
    size_t at = strlen(out);
    if (value == NULL)
        return true;
    char *escaped = client_escape(client, value);
    int size = escaped == NULL ? -1
                               : snprintf(out + at, PROCESS_PATH_MAX - at, "%c%s=%s",
                                          strchr(out, '?') == NULL ? '?' : '&', key, escaped);
    client_free(escaped);
    return size >= 0 && (size_t)size < PROCESS_PATH_MAX - at;
}

enum status process_query(struct client *client, const struct options *options, const char *sort,
                          char out[PROCESS_PATH_MAX])
{
    const char *order = NULL;
    bool ascends = strcmp(sort, "pid") == 0 || strcmp(sort, "name") == 0;
    if (options->reverse)
        order = ascends ? "desc" : "asc";
    snprintf(out, PROCESS_PATH_MAX, "/api/processes");
    if (process_parameter(client, out, "sort", sort) &&
        process_parameter(client, out, "order", order) &&
        process_parameter(client, out, "search", options->search) &&
        process_parameter(client, out, "status", options->state) &&
        process_parameter(client, out, "kind", options->kind) &&
        strlen(out) + PROCESS_PAGING < PROCESS_PATH_MAX)
        return STATUS_OK;
    return client_fail(client, STATUS_USAGE, "too long to ask for");
}

/* ---- rows ---- */

static size_t process_name_columns(size_t columns)
{
    if (columns == 0)
        return PROCESS_NAME_OPEN;
    return columns > PROCESS_FIXED + PROCESS_NAME_LEAST ? columns - PROCESS_FIXED
                                                        : PROCESS_NAME_LEAST;
}

void process_heading(size_t columns, const char *extra)
{
    char line[1024];
    snprintf(line, sizeof(line), "%-*s %-*s %-9s %7s %7s %9s %7s", PROCESS_PID, "PID",
             (int)process_name_columns(columns), "NAME", "STATUS", "MAILBOX", "MEMORY", extra,
             "UPTIME");
    print("%s%s%s", print_sgr(PRINT_BOLD), line, print_sgr(PRINT_PLAIN));
}

enum print_color process_color(const json_t *process)
{
    const char *status = value_text(process, "status");
    if (status == NULL || strcmp(status, "idle") == 0)
        return PRINT_PLAIN;
    if (strcmp(status, "running") == 0 || strcmp(status, "runnable") == 0)
        return PRINT_GREEN;
    bool waits = strcmp(status, "waiting") == 0 || strcmp(status, "suspended") == 0;
    return waits ? PRINT_YELLOW : PRINT_RED;
}

static bool process_by_busy(const char *sort)
{
    return sort != NULL && strcmp(sort, "busy") == 0;
}

const char *process_done_title(const char *sort)
{
    return process_by_busy(sort) ? "BUSY" : "HANDLED";
}

const char *process_done(const json_t *process, const char *sort, char out[24])
{
    return process_by_busy(sort) ? value_format_ms(out, value_number(process, "busy_ms"))
                                 : value_format_count(out, value_number(process, "handled"));
}

void process_row(const json_t *process, size_t columns, const char *extra)
{
    char name[PROCESS_NAME_MAX];
    char pid[PROCESS_PID_MAX];
    char text[3][VALUE_TEXT_MAX];
    size_t wide = process_name_columns(columns);
    value_name(name, sizeof(name), process);
    /* Where the line has no end, a name is not cut either. */
    if (columns == 0 && text_columns(name) > wide)
        wide = text_columns(name);
    text_show(pid, sizeof(pid), value_text(process, "pid"), sizeof(pid));
    /* Never cut: it is what the other commands want. */
    print_cell(PRINT_CYAN, pid, strlen(pid) > PROCESS_PID ? strlen(pid) : PROCESS_PID);
    print(" ");
    print_cell(PRINT_PLAIN, name, wide);
    print(" ");
    print_cell(process_color(process), value_text(process, "status"), 9);
    print(" %7s %7s %9s %7s", value_format_count(text[0], value_number(process, "mailbox")),
          value_format_bytes(text[1], value_number(process, "memory")), extra,
          value_format_ms(text[2], value_number(process, "uptime_ms")));
}
