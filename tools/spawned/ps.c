/* spawned ps: the process table, page by page, so that a million processes take no memory here. */
#include "commands.h"
#include "process.h"
#include "value.h"

#include <stdio.h>
#include <string.h>

enum {
    PS_PAGE = 1000,
    PS_SORTED_MAX = 10000, /* what the node gives in another order than that of the pids */
};

struct ps {
    const struct options *options;
    struct client *client;
    uint64_t limit;
    uint64_t shown;
    uint64_t matched;
    size_t columns;
};

static void ps_begin(struct ps *ps, const json_t *page)
{
    if (ps->options->json) {
        print("{\"total\":%.0f,\"matched\":%.0f,\"processes\":[", value_number(page, "total"),
              value_number(page, "matched"));
        return;
    }
    process_heading(ps->columns, process_done_title(ps->options->sort));
    print("\n");
}

static void ps_one(struct ps *ps, const json_t *process)
{
    char handled[24];
    if (ps->options->json) {
        print(ps->shown == 0 ? "" : ",");
        print_json(process);
    } else {
        process_row(process, ps->columns, process_done(process, ps->options->sort, handled));
        print("\n");
    }
    ps->shown++;
}

/* One page; `*out_more`: there may be another. */
static enum status ps_page(struct ps *ps, const char *query, bool *out_more)
{
    char path[PROCESS_PATH_MAX];
    json_t *page = NULL;
    uint64_t left = ps->limit - ps->shown;
    uint64_t wanted = left < PS_PAGE ? left : PS_PAGE;
    int size = snprintf(path, sizeof(path), "%s&offset=%llu&limit=%llu", query,
                        (unsigned long long)ps->shown, (unsigned long long)wanted);
    if (size < 0 || (size_t)size >= sizeof(path))
        return client_fail(ps->client, STATUS_USAGE, "too long to ask for");
    enum status status = client_get(ps->client, path, &page);
    if (status != STATUS_OK)
        return status;
    const json_t *processes = json_object_get(page, "processes");
    size_t count = json_array_size(processes);
    ps->matched = (uint64_t)value_number(page, "matched");
    if (!json_is_array(processes) || count > wanted) {
        json_decref(page);
        return client_fail(ps->client, STATUS_ANSWER, "a page of processes is not what was asked");
    }
    if (ps->shown == 0)
        ps_begin(ps, page);
    for (size_t i = 0; i < count; i++)
        ps_one(ps, json_array_get(processes, i));
    json_decref(page);
    *out_more = count == wanted && ps->shown < ps->limit && print_ok();
    return STATUS_OK;
}

static enum status ps_all(struct ps *ps, const char *query)
{
    bool more = true;
    while (more) {
        enum status status = ps_page(ps, query, &more);
        if (status != STATUS_OK)
            return status;
    }
    if (ps->options->json)
        print("]}\n");
    else if (ps->options->limit == 0 && ps->shown < ps->matched && print_ok())
        fprintf(stderr, "spawned: %llu of %llu are shown; all: --sort pid\n",
                (unsigned long long)ps->shown, (unsigned long long)ps->matched);
    return STATUS_OK;
}

enum status ps_run(const struct options *options, struct client *client)
{
    char query[PROCESS_PATH_MAX];
    const char *sort = options->sort == NULL ? "pid" : options->sort;
    uint64_t most = strcmp(sort, "pid") == 0 ? UINT64_MAX : PS_SORTED_MAX;
    struct ps ps = { .options = options, .client = client, .columns = print_columns() };
    ps.limit = options->limit == 0 || options->limit > most ? most : options->limit;
    enum status status = process_query(client, options, sort, query);
    return status == STATUS_OK ? ps_all(&ps, query) : status;
}
