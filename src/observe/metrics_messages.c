/* What was counted of messages, by type of process and of message, written; see metrics.h. The cells of all
 * threads are gathered and sorted first, so that those of one name are added up: several classes may
 * have one name, and each thread has cells of its own.
 */
#include "observe/metrics.h"

#include "base/alloc.h"
#include "runtime/watch.h"

#include <stdlib.h>
#include <string.h>

struct message_rows {
    struct sp__watch_cell **cells; /* sorted by the two names */
    size_t count;
    size_t max;
};

static bool cell_is_used(const struct sp__watch_cell *cell)
{
    /* acquire: pairs with the release in cell_claim(); the detail is complete. */
    return atomic_load_explicit(&cell->type, memory_order_acquire) != NULL;
}

/* With the one of the rest. */
static size_t watch_cells(const struct sp__watch *watch)
{
    return (size_t)SP__WATCH_OWN + watch->mask + 2;
}

/* What rows_add() may add. */
static void rows_count(void *arg, struct sp__watch *watch)
{
    struct message_rows *rows = arg;
    rows->max += watch_cells(watch);
}

static void rows_add_table(struct message_rows *rows, struct sp__watch_cell *cells, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (cell_is_used(&cells[i]))
            rows->cells[rows->count++] = &cells[i];
}

/* A thread that began meanwhile is seen the next time. */
static void rows_add(void *arg, struct sp__watch *watch)
{
    struct message_rows *rows = arg;
    if (rows->max - rows->count < watch_cells(watch))
        return;
    rows_add_table(rows, watch->own, SP__WATCH_OWN);
    rows_add_table(rows, watch->other, watch->mask + 1);
    if (atomic_load_explicit(&watch->rest.count, memory_order_relaxed) != 0)
        rows->cells[rows->count++] = &watch->rest;
}

static void delays_add(void *arg, struct sp__watch *watch)
{
    struct sp_histogram_values *into = arg;
    for (uint32_t i = 0; i < SP__WATCH_OWN; i++)
        if (cell_is_used(&watch->own[i]))
            sp__histogram_sum(&watch->own[i].detail->delay, into);
    for (uint32_t i = 0; i <= watch->mask; i++)
        if (cell_is_used(&watch->other[i]))
            sp__histogram_sum(&watch->other[i].detail->delay, into);
    if (atomic_load_explicit(&watch->rest.count, memory_order_relaxed) != 0)
        sp__histogram_sum(&watch->rest.detail->delay, into);
}

void sp__metrics_queue_delays(struct sp_runtime *runtime, struct sp_histogram_values *into)
{
    sp__metrics_each_watch(runtime, delays_add, into);
}

static int cell_compare_process(const struct sp__watch_cell *a, const struct sp__watch_cell *b)
{
    return strcmp(a->detail->process, b->detail->process);
}

static int cell_compare(const struct sp__watch_cell *a, const struct sp__watch_cell *b)
{
    int order = cell_compare_process(a, b);
    return order != 0 ? order : strcmp(a->detail->message, b->detail->message);
}

static int cells_compare(const void *a, const void *b)
{
    struct sp__watch_cell *const *one = a;
    struct sp__watch_cell *const *other = b;
    return cell_compare(*one, *other);
}

/* The end of the rows from `first` on that are equal. */
static size_t rows_end(const struct message_rows *rows, size_t first,
                       int (*compare)(const struct sp__watch_cell *a,
                                      const struct sp__watch_cell *b))
{
    size_t end = first + 1;
    while (end < rows->count && compare(rows->cells[first], rows->cells[end]) == 0)
        end++;
    return end;
}

static void write_rows_count(const struct message_rows *rows, struct sp__exposition *to)
{
    static const struct sp__family_head head = {
        "spawned_type_messages", "Messages handled, by type of process and message.",
        SP__METRIC_COUNTER, SP_UNIT_NONE
    };
    sp__expose_family(to, &head);
    for (size_t first = 0, end; first < rows->count; first = end) {
        const struct sp__watch_detail *detail = rows->cells[first]->detail;
        struct sp_label labels[] = { { "type", detail->process }, { "message", detail->message } };
        uint64_t count = 0;
        end = rows_end(rows, first, cell_compare);
        for (size_t i = first; i < end; i++)
            count += atomic_load_explicit(&rows->cells[i]->count, memory_order_relaxed);
        sp__expose_uint(to, &head, labels, 2, count);
    }
}

/* Of one row: the newest of all threads. */
struct row_examples {
    struct sp__exemplar kept[64];
    struct sp__written_buckets written;
};

static void row_examples_begin(struct row_examples *row)
{
    memset(row->kept, 0, sizeof(row->kept));
    row->written = sp__metrics_times;
}

static void bytes_put(uint8_t *out, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(number >> (56 - 8 * i));
}

static void row_examples_add(struct row_examples *row, const struct sp__watch_example *examples)
{
    for (int i = 0; i < 64; i++) {
        const struct sp__watch_example *one = &examples[i];
        struct sp__exemplar *kept = &row->kept[i];
        if (one->wall_ns <= kept->wall_ns)
            continue;
        bytes_put(kept->trace.trace_id, one->trace_high);
        bytes_put(kept->trace.trace_id + 8, one->trace_low);
        bytes_put(kept->trace.span_id, one->span);
        kept->value = one->value;
        kept->wall_ns = one->wall_ns;
        row->written.exemplars = row->kept;
    }
}

static void row_examples_of(struct row_examples *row, struct sp__watch_detail *detail, bool delay)
{
    /* acquire: pairs with the release in examples_of(). */
    struct sp__watch_examples *examples =
        atomic_load_explicit(&detail->examples, memory_order_acquire);
    if (examples == NULL)
        return;
    sp__lock_lock(&examples->lock);
    row_examples_add(row, delay ? examples->delay : examples->handler);
    sp__lock_unlock(&examples->lock);
}

static void write_rows_handler(const struct message_rows *rows, struct sp__exposition *to,
                               struct sp_histogram_values *values, struct row_examples *row)
{
    static const struct sp__family_head head = {
        "spawned_type_handler_seconds",
        "Time in handlers, by type of process and message. Sampled; a sample counts for all "
        "messages since the last.",
        SP__METRIC_HISTOGRAM, SP_UNIT_SECONDS
    };
    sp__expose_family(to, &head);
    for (size_t first = 0, end; first < rows->count; first = end) {
        const struct sp__watch_detail *detail = rows->cells[first]->detail;
        struct sp_label labels[] = { { "type", detail->process }, { "message", detail->message } };
        memset(values, 0, sizeof(*values));
        end = rows_end(rows, first, cell_compare);
        for (size_t i = first; i < end; i++)
            sp__histogram_sum(&rows->cells[i]->detail->handler, values);
        row_examples_begin(row);
        for (size_t i = first; i < end; i++)
            row_examples_of(row, rows->cells[i]->detail, false);
        if (values->count != 0)
            sp__expose_histogram(to, &head, labels, 2, values, &row->written);
    }
}

static void write_rows_delay(const struct message_rows *rows, struct sp__exposition *to,
                             struct sp_histogram_values *values, struct row_examples *row)
{
    static const struct sp__family_head head = {
        "spawned_type_queue_delay_seconds",
        "Time from the send of a message to its handler, by type of process. Sampled.",
        SP__METRIC_HISTOGRAM, SP_UNIT_SECONDS
    };
    sp__expose_family(to, &head);
    for (size_t first = 0, end; first < rows->count; first = end) {
        struct sp_label label = { "type", rows->cells[first]->detail->process };
        memset(values, 0, sizeof(*values));
        end = rows_end(rows, first, cell_compare_process);
        for (size_t i = first; i < end; i++)
            sp__histogram_sum(&rows->cells[i]->detail->delay, values);
        row_examples_begin(row);
        for (size_t i = first; i < end; i++)
            row_examples_of(row, rows->cells[i]->detail, true);
        if (values->count != 0)
            sp__expose_histogram(to, &head, &label, 1, values, &row->written);
    }
}

static void write_rows_longest(const struct message_rows *rows, struct sp__exposition *to)
{
    static const struct sp__family_head head = { "spawned_type_mailbox_longest",
                                                 "The longest mailbox that was seen, by type of "
                                                 "process. Looked at where a message is measured.",
                                                 SP__METRIC_GAUGE, SP_UNIT_NONE };
    sp__expose_family(to, &head);
    for (size_t first = 0, end; first < rows->count; first = end) {
        struct sp_label label = { "type", rows->cells[first]->detail->process };
        uint32_t longest = 0;
        end = rows_end(rows, first, cell_compare_process);
        for (size_t i = first; i < end; i++) {
            uint32_t one =
                atomic_load_explicit(&rows->cells[i]->detail->longest, memory_order_relaxed);
            longest = one > longest ? one : longest;
        }
        sp__expose_uint(to, &head, &label, 1, longest);
    }
}

sp_err sp__metrics_write_messages(struct sp_runtime *runtime, struct sp__exposition *to,
                                  struct sp_histogram_values *values)
{
    struct message_rows rows = { .count = 0 };
    struct row_examples row;
    sp__metrics_each_watch(runtime, rows_count, &rows);
    if (rows.max == 0)
        return SP_OK;
    rows.cells = sp__calloc(rows.max, sizeof(*rows.cells)); /* NOLINT: pointers they are */
    if (rows.cells == NULL)
        return SP_ERR_NOMEM;
    sp__metrics_each_watch(runtime, rows_add, &rows);
    qsort(rows.cells, rows.count, sizeof(*rows.cells), cells_compare); /* NOLINT */
    write_rows_count(&rows, to);
    write_rows_handler(&rows, to, values, &row);
    write_rows_delay(&rows, to, values, &row);
    write_rows_longest(&rows, to);
    sp__free(rows.cells);
    return SP_OK;
}
