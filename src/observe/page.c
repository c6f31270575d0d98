/* Pages of the process table, in any order.
 *
 * In the order of the table a page is read from where the one before ended. In another order the
 * table is walked once, and the rows up to the end of the page are kept in a heap whose root is
 * the first to give way, as short entries: so of a million processes only those of the page are
 * read in full. Without a filter most processes cost one cache line of their slot, fetched ahead:
 * enough to tell that they do not come before the last in the heap. Else a look under the lock at
 * what filters and orders ask for.
 *
 *   table -> glance -> entry {key, pid} -> heap of offset + max -> sorted -> rows
 *
 * Threads: any with a context. Neighbours: inspect.c reads a row.
 */
#include "base/alloc.h"
#include "observe/inspect.h"
#include "process/busy.h"
#include "process/living.h"
#include "process/relation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE_TEXT = 64,
    PAGE_BLOCK = 4096,   /* slots of an epoch section, which lasts tens of us */
    PAGE_AHEAD = 64,     /* slots between fetching a line and looking at it, */
    PAGE_AHEAD_TWO = 16, /* where that is two; both measured */
};

/* A row that may be on the page. */
struct page_entry {
    uint64_t key;
    sp_pid pid;
    char text[PAGE_TEXT]; /* by name only */
};

struct page_walk {
    const struct sp_inspect_query *query;
    struct sp_runtime *runtime;
    int64_t now_ns;
    struct page_entry *heap;
    size_t count;
    size_t keep;
    uint64_t matched;
};

/* ---- order ---- */

static int page_compare_number(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* Total, so that pages fit together. */
static int page_compare(const struct sp_inspect_query *query, const struct page_entry *a,
                        const struct page_entry *b)
{
    int order = page_compare_number(a->key, b->key);
    if (order == 0 && query->sort == SP_INSPECT_NAME)
        order = strcmp(a->text, b->text);
    if (query->descending)
        order = -order;
    return order != 0 ? order : page_compare_number(a->pid.slot, b->pid.slot);
}

static int page_compare_sort(const void *a, const void *b, void *query)
{
    return page_compare(query, a, b);
}

static void page_swap(struct page_entry *a, struct page_entry *b)
{
    struct page_entry c = *a;
    *a = *b;
    *b = c;
}

static void page_sift_up(const struct page_walk *walk, size_t at)
{
    struct page_entry *heap = walk->heap;
    while (at > 0 && page_compare(walk->query, &heap[at], &heap[(at - 1) / 2]) > 0) {
        page_swap(&heap[at], &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void page_sift_down(const struct page_walk *walk)
{
    struct page_entry *heap = walk->heap;
    for (size_t at = 0;;) {
        size_t last = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < walk->count; child++)
            if (page_compare(walk->query, &heap[child], &heap[last]) > 0)
                last = child;
        if (last == at)
            return;
        page_swap(&heap[at], &heap[last]);
        at = last;
    }
}

static void page_keep(struct page_walk *walk, const struct page_entry *entry)
{
    walk->matched++;
    if (walk->keep == 0)
        return;
    if (walk->count < walk->keep) {
        walk->heap[walk->count++] = *entry;
        page_sift_up(walk, walk->count - 1);
    } else if (page_compare(walk->query, entry, &walk->heap[0]) < 0) {
        walk->heap[0] = *entry;
        page_sift_down(walk);
    }
}

/* Would one with this key be left out, whatever its text? */
static bool page_too_late(const struct page_walk *walk, uint64_t key, uint32_t slot)
{
    if (walk->count < walk->keep)
        return false;
    const struct page_entry *last = &walk->heap[0];
    if (key != last->key)
        return walk->query->descending ? key < last->key : key > last->key;
    return walk->query->sort != SP_INSPECT_NAME && slot > last->pid.slot;
}

/* ---- what a row is ordered by ---- */

/* Cut, where it is longer. */
static void page_copy(char to[PAGE_TEXT], const char *from)
{
    size_t length = strnlen(from, PAGE_TEXT - 1);
    memcpy(to, from, length);
    to[length] = '\0';
}

static void page_row_key(const struct sp_inspect_query *query, const struct sp_inspect *row,
                         struct page_entry *entry)
{
    const struct sp_process_info *info = &row->process;
    switch (query->sort) {
    case SP_INSPECT_NAME:
        entry->key = info->name[0] == '\0';
        page_copy(entry->text, entry->key != 0 ? info->label : info->name);
        break;
    case SP_INSPECT_MAILBOX:
        entry->key = info->mailbox;
        break;
    case SP_INSPECT_MEMORY:
        entry->key = info->memory;
        break;
    case SP_INSPECT_HANDLED:
        entry->key = info->handled;
        break;
    case SP_INSPECT_UPTIME:
        entry->key = (uint64_t)info->uptime.ns;
        break;
    case SP_INSPECT_HANDLING:
        entry->key = (uint64_t)row->handling.ns;
        break;
    case SP_INSPECT_LINKS:
        entry->key = info->links;
        break;
    case SP_INSPECT_BUSY:
        entry->key = (uint64_t)row->busy.ns;
        break;
    case SP_INSPECT_TABLE:
        break;
    }
}

static bool page_unfiltered(const struct sp_inspect_query *query)
{
    return query->kinds == 0 && query->statuses == 0 && query->search == NULL &&
           sp_pid_is_none(query->parent);
}

/* "17.4" is a part of a pid; a name that is all digits and dots is found as well. */
static bool page_finds_pid(const char *search, sp_pid pid)
{
    char text[SP_PID_TEXT_MAX];
    if (search[0] == '\0' || search[strspn(search, "0123456789.")] != '\0')
        return false;
    return strstr(sp_pid_format(pid, text), search) != NULL;
}

static bool page_matches(const struct sp_inspect_query *query, const struct sp_inspect *row)
{
    if (query->kinds != 0 && !(query->kinds & (1U << row->kind)))
        return false;
    if (query->statuses != 0 && !(query->statuses & (1U << row->process.status)))
        return false;
    if (!sp_pid_is_none(query->parent) && !sp_pid_equal(query->parent, row->process.parent))
        return false;
    return query->search == NULL || strcasestr(row->process.name, query->search) != NULL ||
           strcasestr(row->process.label, query->search) != NULL ||
           page_finds_pid(query->search, row->process.pid);
}

/* What filters and orders look at, and no more: of the rest of a row some costs calls of the system.
 * Inside an epoch section. False: it has ended. */
static bool page_read(const struct page_walk *walk, sp_pid pid, struct sp_inspect *row)
{
    struct sp_process *process = sp__process_lookup(walk->runtime, pid);
    if (process == NULL)
        return false;
    struct sp_process_info *info = &row->process;
    sp__lock_lock(&process->lock);
    bool closed = process->closed;
    if (!closed) {
        /* acquire: pairs with the swap in sp__process_extra(). */
        const struct sp__extra *extra = atomic_load_explicit(&process->extra, memory_order_acquire);
        const char *name = extra == NULL || extra->name == NULL ? "" : extra->name;
        page_copy(info->name, name);
        info->memory =
            extra == NULL ? 0 : atomic_load_explicit(&extra->memory, memory_order_relaxed);
        info->label = sp__process_label(process);
        info->parent = (sp_pid){ process->parent_serial, process->parent_slot, 0 };
        info->uptime = sp_ns(walk->now_ns - sp__process_started(process));
        info->links =
            process->relations == NULL ? 0 : (uint32_t)sp__map_count(&process->relations->links);
        row->kind = sp__inspect_kind(process);
    }
    sp__lock_unlock(&process->lock);
    info->pid = pid;
    info->status = sp__process_status(process);
    info->mailbox = sp__mailbox_length(&process->actor);
    info->handled = atomic_load_explicit(&process->handled, memory_order_relaxed);
    row->handling = sp_ns(sp__inspect_handling(process, walk->now_ns));
    row->busy = sp_ns((int64_t)sp__busy_of(process));
    return !closed;
}

/* ---- in another order than that of the table, all of them ---- */

/* What the slot's first line tells of the key of a process in it. The slot may have another one by now,
 * or none, and of the key it may be too early to tell (false). */
static bool page_glance(const struct page_walk *walk, const struct sp_process *process,
                        uint64_t *out_key)
{
    const uint64_t idle = SP__ACTOR_RECEIVING;
    *out_key = 0;
    /* relaxed: who may be on the page is looked at again, once it is known to be there. */
    switch (walk->query->sort) {
    case SP_INSPECT_MAILBOX:
        /* With nothing unread and nothing kept it is empty. */
        return (atomic_load_explicit(&process->actor.state, memory_order_relaxed) &
                (idle | SP__ACTOR_SPECIAL | SP__ACTOR_KEEPS)) == idle;
    case SP_INSPECT_NAME:
        *out_key = 1;
        return atomic_load_explicit(&process->extra, memory_order_relaxed) == NULL;
    case SP_INSPECT_MEMORY:
        return atomic_load_explicit(&process->extra, memory_order_relaxed) == NULL;
    case SP_INSPECT_HANDLED:
        *out_key = atomic_load_explicit(&process->handled, memory_order_relaxed);
        return true;
    case SP_INSPECT_UPTIME:
        *out_key = (uint64_t)(walk->now_ns -
                              atomic_load_explicit(&process->started_ns, memory_order_relaxed));
        return true;
    default:
        return false;
    }
}

/* Offsets in a slot of what an order looks at first: to be fetched ahead. */
static const size_t page_lines[][2] = {
    [SP_INSPECT_NAME] = { offsetof(struct sp_process, serial), offsetof(struct sp_process, extra) },
    [SP_INSPECT_MAILBOX] = { offsetof(struct sp_process, actor.state) },
    [SP_INSPECT_MEMORY] = { offsetof(struct sp_process, extra) },
    [SP_INSPECT_HANDLED] = { offsetof(struct sp_process, handled) },
    [SP_INSPECT_UPTIME] = { offsetof(struct sp_process, started_ns) },
    [SP_INSPECT_HANDLING] = { offsetof(struct sp_process, serial),
                              offsetof(struct sp_process, handling_since) },
    [SP_INSPECT_BUSY] = { offsetof(struct sp_process, serial) },
};

/* Of its name, or its label. False: it has ended. */
static bool page_name_key(struct sp_process *process, struct page_entry *entry)
{
    sp__lock_lock(&process->lock);
    bool closed = process->closed;
    if (!closed) {
        /* acquire: pairs with the swap in sp__process_extra(). */
        const struct sp__extra *extra = atomic_load_explicit(&process->extra, memory_order_acquire);
        const char *name = extra == NULL || extra->name == NULL ? "" : extra->name;
        entry->key = name[0] == '\0';
        page_copy(entry->text, entry->key != 0 ? sp__process_label(process) : name);
    }
    sp__lock_unlock(&process->lock);
    return !closed;
}

/* Inside an epoch section: nothing here needs the lock. */
static uint64_t page_number_key(const struct page_walk *walk, struct sp_process *process)
{
    const struct sp__extra *extra;
    switch (walk->query->sort) {
    case SP_INSPECT_MAILBOX:
        return sp__mailbox_length(&process->actor);
    case SP_INSPECT_MEMORY:
        /* acquire: pairs with the swap in sp__process_extra(). */
        extra = atomic_load_explicit(&process->extra, memory_order_acquire);
        return extra == NULL ? 0 : atomic_load_explicit(&extra->memory, memory_order_relaxed);
    case SP_INSPECT_HANDLED:
        return atomic_load_explicit(&process->handled, memory_order_relaxed);
    case SP_INSPECT_UPTIME:
        return (uint64_t)(walk->now_ns - sp__process_started(process));
    case SP_INSPECT_BUSY:
        return sp__busy_of(process);
    default:
        return (uint64_t)sp__inspect_handling(process, walk->now_ns);
    }
}

/* It came too late where there are as many before it. Inside an epoch section. */
static void page_look(struct page_walk *walk, struct sp_process *process, uint32_t slot)
{
    uint64_t key;
    if (page_glance(walk, process, &key) && page_too_late(walk, key, slot))
        return;
    /* acquire: as in lookup. */
    uint64_t serial = atomic_load_explicit(&process->serial, memory_order_acquire);
    if (serial == 0 || (serial & SP__SERIAL_DEAD))
        return;
    struct page_entry entry = { .pid = { serial, slot, 0 } };
    if (walk->query->sort != SP_INSPECT_NAME)
        entry.key = page_number_key(walk, process);
    else if (!page_name_key(process, &entry))
        return;
    page_keep(walk, &entry);
}

/* The slots [from, to), in one epoch section. */
static void page_walk_block(struct page_walk *walk, uint32_t from, uint32_t to)
{
    size_t size = walk->runtime->processes->item_size;
    const size_t *lines = page_lines[walk->query->sort];
    size_t ahead = (lines[1] != 0 ? PAGE_AHEAD_TWO : PAGE_AHEAD) * size;
    sp__process_enter();
    char *at = sp__slab_get(walk->runtime->processes, from);
    for (uint32_t slot = from; slot < to; slot++, at += size) {
        /* Beyond the last slot it is of no use, and does no harm. */
        __builtin_prefetch(at + ahead + lines[0]);
        if (lines[1] != 0)
            __builtin_prefetch(at + ahead + lines[1]);
        page_look(walk, (struct sp_process *)(void *)at, slot);
    }
    sp__process_leave();
}

/* In blocks out of order: else each of those that were started one after the other, or have handled more
 * the younger they are, would come before the last on the page. */
static void page_walk_unfiltered(struct page_walk *walk)
{
    uint32_t high = sp__slab_high(walk->runtime->processes);
    uint32_t blocks = (high + PAGE_BLOCK - 1) / PAGE_BLOCK;
    uint32_t places = 1;
    while (places < blocks)
        places *= 2;
    for (uint32_t i = 0, block = 0; i < places; i++, block += UINT32_C(0x9e3779b1)) {
        uint32_t from = (block & (places - 1)) * PAGE_BLOCK;
        if (from < high)
            page_walk_block(walk, from, high - from < PAGE_BLOCK ? high : from + PAGE_BLOCK);
    }
}

/* ---- in another order, some of them ---- */

static void page_walk_full(struct page_walk *walk)
{
    sp_pid pids[SP__INSPECT_BATCH];
    struct sp_inspect row;
    for (size_t cursor = 0; cursor != SIZE_MAX;) {
        size_t count = sp_process_list(&cursor, pids, SP__INSPECT_BATCH);
        sp__process_enter();
        for (size_t i = 0; i < count; i++) {
            if (!page_read(walk, pids[i], &row) || !page_matches(walk->query, &row))
                continue;
            struct page_entry entry = { .pid = pids[i] };
            page_row_key(walk->query, &row, &entry);
            page_keep(walk, &entry);
        }
        sp__process_leave();
    }
}

static size_t page_fill(struct page_walk *walk, struct sp_inspect *rows)
{
    union {
        const struct sp_inspect_query *query;
        void *arg;
    } pass = { .query = walk->query };
    size_t count = 0;
    qsort_r(walk->heap, walk->count, sizeof(*walk->heap), page_compare_sort, pass.arg);
    for (size_t i = walk->query->offset; i < walk->count; i++)
        count += sp_inspect(walk->heap[i].pid, &rows[count]) == SP_OK;
    return count;
}

static sp_err page_sorted(struct page_walk *walk, struct sp_inspect *rows, size_t max,
                          struct sp_inspect_page *page)
{
    size_t offset = walk->query->offset;
    if (offset > SP_INSPECT_SORTED_MAX || max > SP_INSPECT_SORTED_MAX - offset)
        return SP_ERR_INVALID;
    walk->keep = max == 0 ? 0 : offset + max;
    walk->heap = sp__malloc((walk->keep + 1) * sizeof(*walk->heap));
    if (walk->heap == NULL)
        return SP_ERR_NOMEM;
    walk->now_ns = sp__now(walk->runtime);
    bool all = page_unfiltered(walk->query) && walk->query->sort != SP_INSPECT_LINKS;
    if (!all)
        page_walk_full(walk);
    else if (walk->keep != 0)
        page_walk_unfiltered(walk);
    page->count = page_fill(walk, rows);
    /* Most of all were not looked at close enough to be counted. */
    page->matched = all && walk->matched < page->total ? page->total : walk->matched;
    sp__free(walk->heap);
    return SP_OK;
}

/* ---- in the order of the table ---- */

/* Adds it, where it is not one of those before the offset, which are only counted. */
static void page_table_row(const struct page_walk *walk, sp_pid pid, struct sp_inspect *rows,
                           struct sp_inspect_page *page)
{
    const struct sp_inspect_query *query = walk->query;
    struct sp_inspect *row = &rows[page->count];
    bool before = page->matched < query->offset;
    if (before && page_unfiltered(query)) {
        page->matched++;
        return;
    }
    struct sp_inspect glance;
    sp__process_enter();
    bool matches = page_read(walk, pid, &glance) && page_matches(query, &glance);
    sp__process_leave();
    if (!matches || (!before && sp_inspect(pid, row) != SP_OK))
        return;
    page->matched++;
    page->count += !before;
}

/* As many at a time as there is room for, so that the cursor stands behind the page's last row. */
static void page_table(const struct page_walk *walk, struct sp_inspect *rows, size_t max,
                       struct sp_inspect_page *page)
{
    const struct sp_inspect_query *query = walk->query;
    sp_pid pids[SP__INSPECT_BATCH];
    page->next = query->cursor;
    while (page->next != SIZE_MAX && page->count < max) {
        size_t before = query->offset > page->matched ? query->offset - page->matched : 0;
        size_t want = SP__INSPECT_BATCH;
        if (before < want && max - page->count < want - before)
            want = before + max - page->count;
        size_t count = sp_process_list(&page->next, pids, want);
        for (size_t i = 0; i < count; i++)
            page_table_row(walk, pids[i], rows, page);
    }
}

sp_err sp_inspect_list(const struct sp_inspect_query *query, struct sp_inspect *rows, size_t max,
                       struct sp_inspect_page *out_page)
{
    static const struct sp_inspect_query first = { .sort = SP_INSPECT_TABLE };
    struct page_walk walk = { .query = query == NULL ? &first : query,
                              .runtime = sp_runtime_current() };
    if (walk.runtime == NULL)
        return SP_ERR_NOTCONTEXT;
    if ((unsigned)walk.query->sort > SP_INSPECT_BUSY ||
        (walk.query->sort == SP_INSPECT_TABLE && walk.query->descending))
        return SP_ERR_INVALID;
    struct sp_inspect_page page = { .total = sp__living_count(walk.runtime), .next = SIZE_MAX };
    sp_err err = SP_OK;
    if (walk.query->sort == SP_INSPECT_TABLE)
        page_table(&walk, rows, max, &page);
    else
        err = page_sorted(&walk, rows, max, &page);
    if (err == SP_OK)
        *out_page = page;
    return err;
}
