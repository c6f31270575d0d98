#include "http/table.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_BATCH = 256 };

/* A walk: the rows kept so far are a heap whose root is the one to give way first. */
struct table_walk {
    const struct sp__http_query *query;
    struct sp__http_table *table;
    size_t keep; /* rows at most */
    bool by_pid_search;
};

const char *sp__http_status_text(enum sp_process_status status)
{
    static const char *const texts[] = { "running", "runnable", "idle", "waiting", "exiting" };
    return texts[status];
}

/* ---- order ---- */

static int table_compare_number(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int table_compare_name(const struct sp_process_info *a, const struct sp_process_info *b)
{
    /* Those without a name behind all others, by their label. */
    int order = table_compare_number(a->name[0] == '\0', b->name[0] == '\0');
    if (order == 0)
        order = strcmp(a->name, b->name);
    return order != 0 ? order : strcmp(a->label, b->label);
}

/* Supervisors trap exits. */
static bool table_heavy(const struct sp_process_info *info)
{
    return info->name[0] != '\0' || info->trap_exit;
}

static int table_compare_weight(const struct sp_process_info *a, const struct sp_process_info *b)
{
    int order = table_compare_number(table_heavy(a), table_heavy(b));
    return order != 0 ? order
                      : table_compare_number((uint64_t)a->uptime.ns, (uint64_t)b->uptime.ns);
}

static int table_compare_key(enum sp__http_sort sort, const struct sp_process_info *a,
                             const struct sp_process_info *b)
{
    switch (sort) {
    case SP__HTTP_SORT_NAME:
        return table_compare_name(a, b);
    case SP__HTTP_SORT_MAILBOX:
        return table_compare_number(a->mailbox, b->mailbox);
    case SP__HTTP_SORT_MEMORY:
        return table_compare_number(a->memory, b->memory);
    case SP__HTTP_SORT_HANDLED:
        return table_compare_number(a->handled, b->handled);
    case SP__HTTP_SORT_UPTIME:
        return table_compare_number((uint64_t)a->uptime.ns, (uint64_t)b->uptime.ns);
    case SP__HTTP_SORT_LINKS:
        return table_compare_number(a->links, b->links);
    case SP__HTTP_SORT_WEIGHT:
        return table_compare_weight(a, b);
    case SP__HTTP_SORT_PID:
        break;
    }
    return table_compare_number(a->pid.slot, b->pid.slot);
}

/* Total: equal ones in the order of the table, so that pages fit together. */
static int table_compare(const struct sp__http_query *query, const struct sp_process_info *a,
                         const struct sp_process_info *b)
{
    int order = table_compare_key(query->sort, a, b);
    if (query->descending)
        order = -order;
    return order != 0 ? order : table_compare_number(a->pid.slot, b->pid.slot);
}

static int table_compare_sort(const void *a, const void *b, void *query)
{
    return table_compare(query, a, b);
}

/* ---- the heap ---- */

static void table_swap(struct sp_process_info *a, struct sp_process_info *b)
{
    struct sp_process_info c = *a;
    *a = *b;
    *b = c;
}

static void table_sift_up(const struct table_walk *walk, size_t at)
{
    struct sp_process_info *rows = walk->table->rows;
    while (at > 0 && table_compare(walk->query, &rows[at], &rows[(at - 1) / 2]) > 0) {
        table_swap(&rows[at], &rows[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void table_sift_down(const struct table_walk *walk)
{
    struct sp_process_info *rows = walk->table->rows;
    size_t count = walk->table->count;
    for (size_t at = 0;;) {
        size_t last = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (table_compare(walk->query, &rows[child], &rows[last]) > 0)
                last = child;
        if (last == at)
            return;
        table_swap(&rows[at], &rows[last]);
        at = last;
    }
}

static void table_keep(const struct table_walk *walk, const struct sp_process_info *info)
{
    struct sp__http_table *table = walk->table;
    if (walk->keep == 0)
        return;
    if (table->count < walk->keep) {
        table->rows[table->count++] = *info;
        table_sift_up(walk, table->count - 1);
    } else if (table_compare(walk->query, info, &table->rows[0]) < 0) {
        table->rows[0] = *info;
        table_sift_down(walk);
    }
}

/* ---- the walk ---- */

static bool table_matches(const struct table_walk *walk, const struct sp_process_info *info)
{
    const struct sp__http_query *query = walk->query;
    char pid[SP_PID_TEXT_MAX];
    if (query->status >= 0 && query->status != (int)info->status)
        return false;
    if (query->search == NULL || strcasestr(info->name, query->search) != NULL ||
        strcasestr(info->label, query->search) != NULL)
        return true;
    return walk->by_pid_search && strstr(sp_pid_format(info->pid, pid), query->search) != NULL;
}

/* In the order of the table nothing needs to be compared: the page is what is in its window. */
static bool table_window(const struct table_walk *walk)
{
    return walk->query->sort == SP__HTTP_SORT_PID && !walk->query->descending;
}

static bool table_all_match(const struct table_walk *walk)
{
    return walk->query->status < 0 && walk->query->search == NULL;
}

static void table_visit(const struct table_walk *walk, sp_pid pid)
{
    const struct sp__http_query *query = walk->query;
    struct sp__http_table *table = walk->table;
    struct sp_process_info info;
    bool window = table_window(walk);
    bool inside = table->matched >= query->offset && table->count < query->limit;
    if (window && table_all_match(walk) && !inside) {
        table->matched++;
        return;
    }
    if (sp_process_info(pid, &info) != SP_OK || !table_matches(walk, &info))
        return;
    table->matched++;
    if (!window)
        table_keep(walk, &info);
    else if (inside)
        table->rows[table->count++] = info;
}

/* Those before the offset go, and the rest is put in order. */
static void table_cut(const struct sp__http_query *query, struct sp__http_table *table)
{
    union {
        const struct sp__http_query *query;
        void *arg;
    } pass = { .query = query };
    qsort_r(table->rows, table->count, sizeof(*table->rows), table_compare_sort, pass.arg);
    size_t skip = query->offset < table->count ? query->offset : table->count;
    table->count -= skip;
    memmove(table->rows, table->rows + skip, table->count * sizeof(*table->rows));
}

sp_err sp__http_table_read(const struct sp__http_query *query, struct sp__http_table *out)
{
    struct table_walk walk = { .query = query, .table = out };
    size_t cursor = 0;
    size_t count;
    sp_pid pids[TABLE_BATCH];
    *out = (struct sp__http_table){ .rows = NULL };
    walk.keep = query->limit == 0 ? 0 : query->offset + query->limit;
    walk.by_pid_search = query->search != NULL && query->search[0] != '\0' &&
                         strspn(query->search, "0123456789.") == strlen(query->search);
    out->rows =
        sp__calloc(table_window(&walk) ? query->limit + 1 : walk.keep + 1, sizeof(*out->rows));
    if (out->rows == NULL)
        return SP_ERR_NOMEM;
    while ((count = sp_process_list(&cursor, pids, TABLE_BATCH)) > 0 || cursor != SIZE_MAX) {
        out->total += count;
        for (size_t i = 0; i < count; i++)
            table_visit(&walk, pids[i]);
    }
    if (!table_window(&walk))
        table_cut(query, out);
    return SP_OK;
}

void sp__http_table_finish(struct sp__http_table *table)
{
    sp__free(table->rows);
}

/* ---- JSON ---- */

void sp__http_table_members(struct sp__json *json, const struct sp_process_info *info)
{
    sp__json_pid(json, "pid", info->pid);
    sp__json_text(json, "name", info->name[0] == '\0' ? NULL : info->name);
    sp__json_text(json, "label", info->label);
    sp__json_text(json, "status", sp__http_status_text(info->status));
    sp__json_uint(json, "mailbox", info->mailbox);
    sp__json_uint(json, "links", info->links);
    sp__json_uint(json, "monitors", info->monitors);
    sp__json_uint(json, "watchers", info->watchers);
    sp__json_bool(json, "trap_exit", info->trap_exit);
    sp__json_pid(json, "parent", info->parent);
    sp__json_pid(json, "waits_for", info->waits_for);
    sp__json_ms(json, "uptime_ms", info->uptime.ns);
    sp__json_uint(json, "handled", info->handled);
    sp__json_uint(json, "memory", info->memory);
}
