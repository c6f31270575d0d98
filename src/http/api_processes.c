/* /api/processes: the table, one process, and killing it. See request.h, docs/http-api.md. */
#include "http/relations.h"
#include "http/request.h"
#include "http/table.h"

enum {
    PROCESSES_DEFAULT = 100,
    PROCESSES_MAX = 1000,
};

/* Parameters, in the route's order. */
enum { PARAM_SORT, PARAM_ORDER, PARAM_OFFSET, PARAM_LIMIT, PARAM_SEARCH, PARAM_STATUS };

static const char *const processes_sorts[] = { "pid",     "name",   "mailbox", "memory",
                                               "handled", "uptime", "links",   NULL };
static const char *const processes_orders[] = { "asc", "desc", NULL };
static const char *const processes_states[] = { "running", "runnable", "idle",
                                                "waiting", "exiting",  NULL };

static struct sp__http_query processes_query(struct sp__http_ask *ask)
{
    struct sp__http_query query = { .search = ask->param[PARAM_SEARCH] };
    query.sort = (enum sp__http_sort)sp__http_word(ask, PARAM_SORT, processes_sorts, 0);
    int order = query.sort == SP__HTTP_SORT_PID || query.sort == SP__HTTP_SORT_NAME ? 0 : 1;
    query.descending = sp__http_word(ask, PARAM_ORDER, processes_orders, order) == 1;
    query.offset = sp__http_number(ask, PARAM_OFFSET, 0, UINT32_MAX);
    query.limit = sp__http_number(ask, PARAM_LIMIT, PROCESSES_DEFAULT, PROCESSES_MAX);
    query.status = sp__http_word(ask, PARAM_STATUS, processes_states, -1);
    bool window = query.sort == SP__HTTP_SORT_PID && !query.descending;
    if (!window && query.offset + query.limit > SP__HTTP_TABLE_MAX)
        sp__http_refuse(ask, MHD_HTTP_BAD_REQUEST, "invalid",
                        "offset + limit is over 10,000, which only the order `pid` has");
    return query;
}

void sp__http_processes(struct sp__http_ask *ask, struct sp__json *json)
{
    struct sp__http_table table = { .rows = NULL };
    struct sp__http_query query = processes_query(ask);
    if (sp__http_refused(ask))
        return;
    sp_err err = sp__http_table_read(&query, &table);
    if (err != SP_OK) {
        sp__http_refuse_err(ask, err);
        return;
    }
    sp__json_uint(json, "total", table.total);
    sp__json_uint(json, "matched", table.matched);
    sp__json_uint(json, "offset", query.offset);
    sp__json_uint(json, "limit", query.limit);
    sp__json_text(json, "sort", processes_sorts[query.sort]);
    sp__json_text(json, "order", processes_orders[query.descending]);
    sp__json_open(json, "processes", '[');
    for (size_t i = 0; i < table.count; i++) {
        sp__json_open(json, NULL, '{');
        sp__http_table_members(json, &table.rows[i]);
        sp__json_close(json, '}');
    }
    sp__json_close(json, ']');
    sp__http_table_finish(&table);
}

static void process_list(struct sp__json *json, const char *key, sp_pid pid,
                         enum sp__http_relation which)
{
    sp_pid pids[SP__HTTP_RELATIONS_MAX];
    size_t count = sp__http_relations_read(pid, which, pids);
    sp__json_open(json, key, '[');
    for (size_t i = 0; i < count; i++)
        sp__json_pid(json, NULL, pids[i]);
    sp__json_close(json, ']');
}

void sp__http_process(struct sp__http_ask *ask, struct sp__json *json)
{
    struct sp_process_info info;
    sp_err err = sp_process_info(ask->pid, &info);
    if (err != SP_OK) {
        sp__http_refuse_err(ask, err);
        return;
    }
    sp__http_table_members(json, &info);
    process_list(json, "linked", ask->pid, SP__HTTP_LINKS);
    process_list(json, "watching", ask->pid, SP__HTTP_MONITORS);
    process_list(json, "watched_by", ask->pid, SP__HTTP_WATCHERS);
}

void sp__http_kill(struct sp__http_ask *ask, struct sp__json *json)
{
    if (sp_pid_equal(ask->pid, ask->http->self)) {
        sp__http_refuse(ask, MHD_HTTP_FORBIDDEN, "forbidden",
                        "that is the endpoint's own thread; end its server instead");
        return;
    }
    sp_err err = sp_kill(ask->pid);
    if (err != SP_OK) {
        sp__http_refuse_err(ask, err);
        return;
    }
    sp__json_pid(json, "pid", ask->pid);
    sp__json_bool(json, "killed", true);
}
