/* /api/processes: the table, one process, and killing it. See request.h, docs/http-api.md. */
#include "http/request.h"
#include "http/table.h"

enum {
    PROCESSES_DEFAULT = 100,
    PROCESSES_MAX = 1000,
    PROCESSES_TIED_MAX = 100, /* pids of one list */
};

/* Parameters, in the route's order. */
enum {
    PARAM_SORT,
    PARAM_ORDER,
    PARAM_OFFSET,
    PARAM_LIMIT,
    PARAM_SEARCH,
    PARAM_STATUS,
    PARAM_KIND,
    PARAM_PARENT,
};

static const char *const processes_orders[] = { "asc", "desc", NULL };
static const char *const processes_states[] = { "running", "runnable", "idle",
                                                "waiting", "exiting",  NULL };
static const char *const processes_kinds[] = { "plain", "server", "statem", "supervisor",
                                               "task",  "thread", NULL };
/* By enum sp_inspect_sort. */
static const char *const processes_sorts[] = { "pid",    "name",     "mailbox", "memory", "handled",
                                               "uptime", "handling", "links",   NULL };

static uint32_t processes_bit(struct sp__http_ask *ask, int index, const char *const *words)
{
    int word = sp__http_word(ask, index, words, -1);
    return word < 0 ? 0 : 1U << word;
}

static struct sp_inspect_query processes_query(struct sp__http_ask *ask, size_t *out_limit)
{
    struct sp_inspect_query query = { .search = ask->param[PARAM_SEARCH] };
    query.sort = (enum sp_inspect_sort)sp__http_word(ask, PARAM_SORT, processes_sorts, 0);
    int order = query.sort == SP_INSPECT_TABLE || query.sort == SP_INSPECT_NAME ? 0 : 1;
    query.descending = sp__http_word(ask, PARAM_ORDER, processes_orders, order) == 1;
    query.offset = sp__http_number(ask, PARAM_OFFSET, 0, UINT32_MAX);
    query.statuses = processes_bit(ask, PARAM_STATUS, processes_states);
    query.kinds = processes_bit(ask, PARAM_KIND, processes_kinds);
    query.parent = sp__http_pid(ask, PARAM_PARENT);
    *out_limit = sp__http_number(ask, PARAM_LIMIT, PROCESSES_DEFAULT, PROCESSES_MAX);
    if (query.sort != SP_INSPECT_TABLE && query.offset + *out_limit > SP__HTTP_TABLE_MAX)
        sp__http_refuse(ask, MHD_HTTP_BAD_REQUEST, "invalid",
                        "offset + limit is over 10,000, which only the order `pid` has");
    return query;
}

void sp__http_processes(struct sp__http_ask *ask, struct sp__json *json)
{
    struct sp__http_table table = { .rows = NULL };
    size_t limit;
    struct sp_inspect_query query = processes_query(ask, &limit);
    if (sp__http_refused(ask))
        return;
    sp_err err = sp__http_table_read(&query, limit, &table);
    if (err != SP_OK) {
        sp__http_table_finish(&table);
        sp__http_refuse_err(ask, err);
        return;
    }
    sp__json_uint(json, "total", table.total);
    sp__json_uint(json, "matched", table.matched);
    sp__json_uint(json, "offset", query.offset);
    sp__json_uint(json, "limit", limit);
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
                         enum sp_relation relation)
{
    sp_pid pids[PROCESSES_TIED_MAX];
    size_t total = 0;
    sp__json_open(json, key, '[');
    if (sp_inspect_relations(pid, relation, pids, PROCESSES_TIED_MAX, &total) == SP_OK)
        for (size_t i = 0; i < total && i < PROCESSES_TIED_MAX; i++)
            sp__json_pid(json, NULL, pids[i]);
    sp__json_close(json, ']');
    if (relation == SP_RELATION_CHILD)
        sp__json_uint(json, "children_total", total);
}

void sp__http_process(struct sp__http_ask *ask, struct sp__json *json)
{
    struct sp_inspect row;
    sp_err err = sp_inspect(ask->pid, &row);
    if (err != SP_OK) {
        sp__http_refuse_err(ask, err);
        return;
    }
    sp__http_table_members(json, &row);
    process_list(json, "linked", ask->pid, SP_RELATION_LINK);
    process_list(json, "watching", ask->pid, SP_RELATION_MONITOR);
    process_list(json, "watched_by", ask->pid, SP_RELATION_WATCHER);
    process_list(json, "children", ask->pid, SP_RELATION_CHILD);
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
