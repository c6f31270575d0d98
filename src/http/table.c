#include "http/table.h"

#include "base/alloc.h"

const char *sp__http_status_text(enum sp_process_status status)
{
    static const char *const texts[] = { "running", "runnable", "idle",
                                         "waiting", "exiting",  "suspended" };
    return texts[status];
}

const char *sp__http_kind_text(enum sp_process_kind kind)
{
    static const char *const texts[] = {
        "plain", "server", "statem", "supervisor", "task", "thread"
    };
    return texts[kind];
}

/* ---- pages ---- */

static sp_err table_list(const struct sp_inspect_query *query, size_t limit,
                         struct sp__http_table *table, size_t *out_next)
{
    struct sp_inspect_page page;
    sp_err err = sp_inspect_list(query, table->rows, limit, &page);
    if (err != SP_OK)
        return err;
    table->count = page.count;
    table->total = page.total;
    table->matched = page.matched;
    *out_next = page.next;
    return SP_OK;
}

/* How many match from the cursor on: all are before such an offset. */
static sp_err table_count(const struct sp_inspect_query *query, size_t cursor, uint64_t *out_count)
{
    struct sp_inspect_query part = *query;
    struct sp_inspect_page page;
    struct sp_inspect row;
    part.descending = false;
    part.cursor = cursor;
    part.offset = SIZE_MAX;
    sp_err err = sp_inspect_list(&part, &row, 1, &page);
    if (err == SP_OK)
        *out_count = page.matched;
    return err;
}

static bool table_all_match(const struct sp_inspect_query *query)
{
    return query->kinds == 0 && query->statuses == 0 && query->search == NULL &&
           sp_pid_is_none(query->parent);
}

/* The page from the table's beginning, and all that match behind it. */
static sp_err table_forwards(const struct sp_inspect_query *query, size_t limit,
                             struct sp__http_table *table)
{
    size_t next;
    uint64_t rest;
    sp_err err = table_list(query, limit, table, &next);
    if (err != SP_OK)
        return err;
    if (table_all_match(query)) {
        /* Those that came since it was counted are part of the page, too. */
        if (table->matched < table->total)
            table->matched = table->total;
        return SP_OK;
    }
    err = table_count(query, next, &rest);
    if (err == SP_OK)
        table->matched += rest;
    return err;
}

/* The same page, counted from the end: first how many there are, then those before it. */
static sp_err table_backwards(const struct sp_inspect_query *query, size_t limit,
                              struct sp__http_table *table)
{
    struct sp_inspect_query part = *query;
    uint64_t matched;
    size_t next;
    sp_err err = table_count(query, 0, &matched);
    if (err != SP_OK)
        return err;
    uint64_t end = query->offset < matched ? matched - query->offset : 0;
    size_t want = limit < end ? limit : (size_t)end;
    part.descending = false;
    part.offset = (size_t)end - want;
    err = table_list(&part, want, table, &next);
    if (err != SP_OK)
        return err;
    table->matched = matched;
    for (size_t i = 0; i < table->count / 2; i++) {
        struct sp_inspect row = table->rows[i];
        table->rows[i] = table->rows[table->count - 1 - i];
        table->rows[table->count - 1 - i] = row;
    }
    return SP_OK;
}

sp_err sp__http_table_read(const struct sp_inspect_query *query, size_t limit,
                           struct sp__http_table *out)
{
    size_t next;
    *out = (struct sp__http_table){ .rows = sp__malloc((limit + 1) * sizeof(*out->rows)) };
    if (out->rows == NULL)
        return SP_ERR_NOMEM;
    if (query->sort != SP_INSPECT_TABLE)
        return table_list(query, limit, out, &next);
    return query->descending ? table_backwards(query, limit, out)
                             : table_forwards(query, limit, out);
}

void sp__http_table_finish(struct sp__http_table *table)
{
    sp__free(table->rows);
}

/* ---- JSON ---- */

void sp__http_table_members(struct sp__json *json, const struct sp_inspect *row)
{
    const struct sp_process_info *info = &row->process;
    sp__json_pid(json, "pid", info->pid);
    sp__json_text(json, "name", info->name[0] == '\0' ? NULL : info->name);
    sp__json_text(json, "label", info->label);
    sp__json_text(json, "kind", sp__http_kind_text(row->kind));
    sp__json_text(json, "status", sp__http_status_text(info->status));
    sp__json_uint(json, "mailbox", info->mailbox);
    sp__json_uint(json, "links", info->links);
    sp__json_uint(json, "monitors", info->monitors);
    sp__json_uint(json, "watchers", info->watchers);
    sp__json_bool(json, "trap_exit", info->trap_exit);
    sp__json_pid(json, "parent", info->parent);
    sp__json_pid(json, "supervisor", row->supervisor);
    sp__json_pid(json, "waits_for", info->waits_for);
    sp__json_ms(json, "uptime_ms", info->uptime.ns);
    sp__json_ms(json, "handling_ms", row->handling.ns);
    sp__json_ms(json, "busy_ms", row->busy.ns);
    sp__json_text(json, "operation", row->operation[0] == '\0' ? NULL : row->operation);
    sp__json_uint(json, "timers", row->timers);
    sp__json_uint(json, "files", row->files);
    sp__json_uint(json, "handled", info->handled);
    sp__json_uint(json, "memory", info->memory);
}
