/* /api/processes: the table, one process, and killing it. See request.h, docs/http-api.md. */
#include "http/request.h"
#include "http/table.h"

#include <stdlib.h>

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
static const char *const processes_states[] = { "running", "runnable",  "idle", "waiting",
                                                "exiting", "suspended", NULL };
static const char *const processes_kinds[] = { "plain", "server", "statem", "supervisor",
                                               "task",  "thread", NULL };
/* By enum sp_inspect_sort. */
static const char *const processes_sorts[] = { "pid",    "name",     "mailbox", "memory", "handled",
                                               "uptime", "handling", "links",   "busy",   NULL };

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

/* Pids told so far: they get their names at the end. */
struct process_told {
    sp_pid pids[4 * PROCESSES_TIED_MAX + 3];
    size_t count;
};

static void process_list(struct sp__json *json, const char *key, sp_pid pid,
                         enum sp_relation relation, struct process_told *told)
{
    sp_pid *pids = told->pids + told->count;
    size_t total = 0;
    size_t count = 0;
    sp__json_open(json, key, '[');
    if (sp_inspect_relations(pid, relation, pids, PROCESSES_TIED_MAX, &total) == SP_OK)
        count = total < PROCESSES_TIED_MAX ? total : PROCESSES_TIED_MAX;
    for (size_t i = 0; i < count; i++)
        sp__json_pid(json, NULL, pids[i]);
    sp__json_close(json, ']');
    told->count += count;
    if (relation == SP_RELATION_CHILD)
        sp__json_uint(json, "children_total", total);
}

static int process_compare(const void *a, const void *b)
{
    uint32_t left = ((const sp_pid *)a)->slot;
    uint32_t right = ((const sp_pid *)b)->slot;
    return (left > right) - (left < right);
}

/* Each once, of those that are alive. */
static void process_names(struct sp__json *json, struct process_told *told)
{
    char text[SP_PID_TEXT_MAX];
    struct sp_process_info info;
    qsort(told->pids, told->count, sizeof(told->pids[0]), process_compare);
    sp__json_open(json, "names", '{');
    for (size_t i = 0; i < told->count; i++) {
        sp_pid pid = told->pids[i];
        if ((i > 0 && sp_pid_equal(pid, told->pids[i - 1])) || sp_pid_is_none(pid) ||
            sp_process_info(pid, &info) != SP_OK)
            continue;
        sp__json_text(json, sp__json_pid_text(pid, text),
                      info.name[0] == '\0' ? info.label : info.name);
    }
    sp__json_close(json, '}');
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
    char site[SP_INSPECT_SITE_MAX];
    sp__json_text(json, "spawned_at",
                  row.spawned_at == NULL ? NULL : sp_inspect_site(row.spawned_at, site));
    sp__json_uint(json, "notices", row.notices);
    sp__json_bool(json, "signalled", row.signalled);
    sp__json_uint(json, "interleaved", row.interleaved);
    struct process_told told = { .count = 0 };
    process_list(json, "linked", ask->pid, SP_RELATION_LINK, &told);
    process_list(json, "watching", ask->pid, SP_RELATION_MONITOR, &told);
    process_list(json, "watched_by", ask->pid, SP_RELATION_WATCHER, &told);
    process_list(json, "children", ask->pid, SP_RELATION_CHILD, &told);
    told.pids[told.count++] = row.process.parent;
    told.pids[told.count++] = row.process.waits_for;
    told.pids[told.count++] = row.supervisor;
    process_names(json, &told);
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
