/* spawned top: the busiest processes, anew each second.
 *
 *   keys --> what is looked at (order, search, place, frozen) --> questions --> top_view.c draws
 *
 * A question is given up when a key comes while the node does not answer, so `q` always ends it.
 */
#include "top.h"

#include "commands.h"
#include "terminal.h"
#include "value.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TOP_ROWS_MAX = 500, TOP_PLACE_MAX = 9000, TOP_QUICK_MS = 1, TOP_DELAY_MS = 1000 };

static const char *const top_orders[] = { "handled", "mailbox",  "memory", "uptime", "links",
                                          "name",    "handling", "pid",    "busy" };
enum { TOP_ORDERS = sizeof(top_orders) / sizeof(top_orders[0]) };

static int64_t top_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- questions ---- */

static void top_forget(json_t **answer)
{
    json_decref(*answer);
    *answer = NULL;
}

/* {pid: process}, to tell the next time what it has done since. */
static json_t *top_by_pid(const json_t *page)
{
    size_t i;
    json_t *process;
    json_t *found = json_object();
    json_array_foreach(json_object_get(page, "processes"), i, process)
    {
        const char *pid = value_text(process, "pid");
        if (pid != NULL)
            json_object_set(found, pid, process);
    }
    return found;
}

static enum status top_page(struct top *top, size_t rows, json_t **out_page)
{
    char path[PROCESS_PATH_MAX];
    struct options query = { .search = top->search[0] == '\0' ? NULL : top->search,
                             .state = top->options->state,
                             .kind = top->options->kind,
                             .reverse = top->reverse };
    enum status status = process_query(top->client, &query, top->sort, path);
    if (status != STATUS_OK)
        return status;
    size_t limit = rows == 0 ? 1 : rows > TOP_ROWS_MAX ? TOP_ROWS_MAX : rows;
    snprintf(path + strlen(path), sizeof(path) - strlen(path), "&offset=%zu&limit=%zu", top->place,
             limit);
    return client_get(top->client, path, out_page);
}

/* Looks anew. What was there stays where the node does not answer. */
static enum status top_look(struct top *top, size_t rows)
{
    char path[64];
    json_t *overview = NULL;
    json_t *page = NULL;
    /* The rows of the series that this needs are the last few. */
    double last = value_number(json_object_get(top->overview, "series"), "last");
    snprintf(path, sizeof(path), "/api/overview?since=%.0f", last > 0 ? last - 1 : 0);
    enum status status = client_get(top->client, path, &overview);
    if (status == STATUS_OK)
        status = top_page(top, rows, &page);
    if (status != STATUS_OK) {
        json_decref(overview);
        return status;
    }
    int64_t now = top_now_ms();
    top_forget(&top->before);
    if (top->page != NULL)
        top->before = top_by_pid(top->page);
    top->between_ms = now - top->looked_ms;
    top->looked_ms = now;
    top_forget(&top->overview);
    top_forget(&top->page);
    top->overview = overview;
    top->page = page;
    return STATUS_OK;
}

/* ---- keys ---- */

static void top_order(struct top *top, int step)
{
    int at = 0;
    for (int i = 0; i < TOP_ORDERS; i++)
        if (strcmp(top_orders[i], top->sort) == 0)
            at = i;
    top->sort = top_orders[(at + step + TOP_ORDERS) % TOP_ORDERS];
    top->place = 0;
}

static void top_search_key(struct top *top, int key)
{
    size_t size = strlen(top->search);
    if (key == '\n' || key == '\r') {
        top->typing = false;
    } else if (key == TERMINAL_ESCAPE) {
        top->typing = false;
        top->search[0] = '\0';
    } else if (key == TERMINAL_BACK && size > 0) {
        do /* a whole character */
            size--;
        while (size > 0 && ((unsigned char)top->search[size] & 0xC0) == 0x80);
        top->search[size] = '\0';
    } else if (key >= ' ' && key < 256 && size < TOP_SEARCH_MAX) {
        top->search[size] = (char)key;
        top->search[size + 1] = '\0';
    }
    top->place = 0;
}

static void top_scroll(struct top *top, int key, size_t rows)
{
    size_t matched = (size_t)value_number(top->page, "matched");
    size_t last = matched > rows ? matched - rows : 0;
    size_t page = rows > 1 ? rows - 1 : 1;
    if (last > TOP_PLACE_MAX)
        last = TOP_PLACE_MAX;
    switch (key) {
    case TERMINAL_UP:
        top->place -= top->place > 0;
        break;
    case TERMINAL_DOWN:
        top->place++;
        break;
    case TERMINAL_PAGE_UP:
        top->place = top->place > page ? top->place - page : 0;
        break;
    case TERMINAL_PAGE_DOWN:
        top->place += page;
        break;
    case TERMINAL_HOME:
        top->place = 0;
        break;
    default:
        top->place = last;
    }
    if (top->place > last)
        top->place = last;
}

/* A key when nothing is typed. True: go on. */
static bool top_command_key(struct top *top, int key, size_t rows)
{
    switch (key) {
    case 'q':
        return false;
    case 's':
    case 'S':
        top_order(top, key == 's' ? 1 : -1);
        break;
    case 'r':
        top->reverse = !top->reverse;
        break;
    case '/':
        top->typing = true;
        break;
    case TERMINAL_ESCAPE:
        top->search[0] = '\0';
        break;
    case 'f':
    case ' ':
        top->frozen = !top->frozen;
        break;
    case TERMINAL_UP:
    case TERMINAL_DOWN:
    case TERMINAL_PAGE_UP:
    case TERMINAL_PAGE_DOWN:
    case TERMINAL_HOME:
    case TERMINAL_END:
        top_scroll(top, key, rows);
        break;
    default:
        return true; /* nothing to look at anew */
    }
    top->asked = true;
    return true;
}

static bool top_key(struct top *top, int key, size_t rows)
{
    if (key == TERMINAL_ENDED)
        return false;
    if (key == TERMINAL_RESIZED || key == TERMINAL_NONE)
        return true;
    if (!top->typing)
        return top_command_key(top, key, rows);
    top_search_key(top, key);
    top->asked = true;
    return true;
}

/* ---- the loop ---- */

static bool top_stop(void *arg)
{
    (void)arg;
    return terminal_pending();
}

/* Looks if it is time, and tells what went wrong on the screen; false: it never worked. */
static enum status top_turn(struct top *top, size_t rows)
{
    bool due = !top->frozen && top_now_ms() >= top->next_ms;
    if (!due && !(top->asked && !top->frozen))
        return STATUS_OK;
    top->asked = false;
    enum status status = top_look(top, rows);
    top->next_ms = top_now_ms() + top->delay_ms;
    bool given_up = status != STATUS_OK && terminal_pending();
    if (!given_up)
        top->error = status == STATUS_OK ? NULL : client_error(top->client);
    return top->page == NULL && !given_up ? status : STATUS_OK;
}

static enum status top_loop(struct top *top)
{
    bool going = true;
    while (going) {
        size_t rows;
        terminal_size(&top->rows, &top->columns);
        rows = top_view_rows(top);
        enum status status = top_turn(top, rows);
        if (status != STATUS_OK)
            return status;
        top_draw(top);
        if (!print_ok())
            return STATUS_OK;
        int64_t wait = top->frozen ? INT32_MAX : top->next_ms - top_now_ms();
        int key = terminal_key(wait > 0 ? (int)wait : TOP_QUICK_MS);
        while (going && key != TERMINAL_NONE) {
            going = top_key(top, key, rows);
            key = going ? terminal_key(0) : TERMINAL_NONE;
        }
    }
    return STATUS_OK;
}

/* ---- the command ---- */

/* One look, for scripts: the same rows without a terminal. */
static enum status top_once(struct top *top)
{
    top->columns = print_columns();
    enum status status = top_look(top, top->options->limit == 0 ? 20 : (size_t)top->options->limit);
    if (status == STATUS_OK && top->options->json) {
        json_t *both = json_pack("{s:O, s:O}", "overview", top->overview, "page", top->page);
        print_json_line(both);
        json_decref(both);
    } else if (status == STATUS_OK) {
        top_print(top);
    }
    return status;
}

static enum status top_live(struct top *top)
{
    if (!terminal_open())
        return client_fail(top->client, STATUS_USAGE,
                           "this is no terminal: --once prints one look");
    client_stop_with(top->client, top_stop, NULL);
    enum status status = top_loop(top);
    terminal_close();
    int number = terminal_signal();
    if (number == 0 || number == SIGINT)
        return status;
    /* Others want to know which signal ended it. */
    signal(number, SIG_DFL);
    raise(number);
    return status;
}

enum status top_run(const struct options *options, struct client *client)
{
    struct top top = { .options = options,
                       .client = client,
                       .sort = options->sort == NULL ? top_orders[0] : options->sort,
                       .reverse = options->reverse,
                       .delay_ms =
                           options->delay_ms == 0 ? TOP_DELAY_MS : (int64_t)options->delay_ms };
    if (options->search != NULL && strlen(options->search) > TOP_SEARCH_MAX)
        return client_fail(client, STATUS_USAGE, "too long to search for");
    snprintf(top.search, sizeof(top.search), "%s", options->search == NULL ? "" : options->search);
    enum status status = options->once || options->json ? top_once(&top) : top_live(&top);
    top_forget(&top.overview);
    top_forget(&top.page);
    top_forget(&top.before);
    return status;
}
