/* What `spawned top` shows; see top.h.
 *
 *   the program, its version and age
 *   processes, messages by the second, processor, memory
 *   what went wrong by the second; what is queued
 *   (empty, or the search, or why there is no answer)
 *   heading and processes ...
 *   keys
 */
#include "text.h"
#include "top.h"
#include "value.h"

#include <stdio.h>
#include <string.h>

enum { VIEW_HEAD = 5, VIEW_FOOT = 1, VIEW_LINE_MAX = 1024 };

size_t top_view_rows(const struct top *top)
{
    return top->rows > VIEW_HEAD + VIEW_FOOT ? top->rows - VIEW_HEAD - VIEW_FOOT : 0;
}

/* ---- figures ---- */

/* A column of the last row of the series; -1: it is not there. */
static double view_series(const struct top *top, const char *column)
{
    const json_t *series = json_object_get(top->overview, "series");
    const json_t *columns = json_object_get(series, "columns");
    const json_t *rows = json_object_get(series, "rows");
    const json_t *row =
        json_array_size(rows) == 0 ? NULL : json_array_get(rows, json_array_size(rows) - 1);
    for (size_t i = 0; i < json_array_size(columns); i++) {
        const char *name = json_string_value(json_array_get(columns, i));
        const json_t *value = json_array_get(row, i);
        if (name != NULL && strcmp(name, column) == 0)
            return json_is_number(value) ? json_number_value(value) : -1;
    }
    return -1;
}

/* "-" where nobody measured. */
static const char *view_count(char out[VALUE_TEXT_MAX], double number)
{
    if (number < 0)
        return strcpy(out, "-");
    return value_format_count(out, number);
}

/* ---- lines ---- */

/* A line of the screen: cut at its width, and the rest of it cleared. */
static void view_line(const struct top *top, enum print_color color, const char *line)
{
    print_cell(color, line, top->columns == 0 ? strlen(line) : top->columns);
}

static void view_program(const struct top *top, char line[VIEW_LINE_MAX])
{
    char clean[2][96];
    char up[VALUE_TEXT_MAX];
    text_show(clean[0], sizeof(clean[0]), value_text(top->overview, "program"), 40);
    text_show(clean[1], sizeof(clean[1]), value_text(top->overview, "version"), 20);
    snprintf(line, VIEW_LINE_MAX, "%s  pid %.0f  spawned %s  up %s  %.0f workers%s",
             clean[0][0] == '\0' ? "(no name)" : clean[0], value_number(top->overview, "pid"),
             clean[1], value_format_ms(up, value_number(top->overview, "uptime_ms")),
             value_number(top->overview, "workers"), top->frozen ? "  FROZEN" : "");
}

static void view_load(const struct top *top, char line[VIEW_LINE_MAX])
{
    char text[4][VALUE_TEXT_MAX];
    const json_t *totals = json_object_get(top->overview, "totals");
    double cpu = view_series(top, "cpu_us");
    double rss = view_series(top, "rss_bytes");
    snprintf(line, VIEW_LINE_MAX, "processes %s  queued %s  sent/s %s  handled/s %s  cpu ",
             value_format_count(text[0], value_number(totals, "processes")),
             value_format_count(text[1], value_number(totals, "queued")),
             view_count(text[2], view_series(top, "sent")),
             view_count(text[3], view_series(top, "handled")));
    size_t at = strlen(line);
    if (cpu < 0)
        snprintf(line + at, VIEW_LINE_MAX - at, "-");
    else
        snprintf(line + at, VIEW_LINE_MAX - at, "%.0f%%", cpu / 10000);
    at = strlen(line);
    snprintf(line + at, VIEW_LINE_MAX - at, "  memory %s",
             rss < 0 ? "-" : value_format_bytes(text[0], rss));
}

static void view_trouble(const struct top *top, char line[VIEW_LINE_MAX])
{
    char text[6][VALUE_TEXT_MAX];
    double delay = view_series(top, "queue_delay_p99_us");
    snprintf(line, VIEW_LINE_MAX, "spawned/s %s  exited/s %s  dead/s %s  dropped/s %s  faults/s %s",
             view_count(text[0], view_series(top, "spawned")),
             view_count(text[1], view_series(top, "exited")),
             view_count(text[2], view_series(top, "dead")),
             view_count(text[3], view_series(top, "dropped")),
             view_count(text[4], view_series(top, "faults")));
    size_t at = strlen(line);
    if (delay >= 0)
        snprintf(line + at, VIEW_LINE_MAX - at, "  delay p99 %s",
                 value_format_ms(text[5], delay / 1000));
}

static void view_state(const struct top *top, char line[VIEW_LINE_MAX])
{
    char clean[4 * TOP_SEARCH_MAX];
    text_show(clean, sizeof(clean), top->search, TOP_SEARCH_MAX);
    if (top->error != NULL)
        snprintf(line, VIEW_LINE_MAX, "%s", top->error);
    else if (top->typing || clean[0] != '\0')
        snprintf(line, VIEW_LINE_MAX, "search: %s%s  (%.0f of %.0f)", clean, top->typing ? "_" : "",
                 value_number(top->page, "matched"), value_number(top->page, "total"));
    else
        line[0] = '\0';
}

static bool view_busy(const struct top *top)
{
    return strcmp(top->sort, "busy") == 0;
}

/* Since the look before: messages that it handled by the second, or in percent how much of the time it was in
 * handlers; "-": it was not seen then. */
static const char *view_rate(const struct top *top, const json_t *process, char out[VALUE_TEXT_MAX])
{
    const char *pid = value_text(process, "pid");
    const json_t *before =
        pid == NULL || top->before == NULL ? NULL : json_object_get(top->before, pid);
    const char *member = view_busy(top) ? "busy_ms" : "handled";
    double more = value_number(process, member) - value_number(before, member);
    if (before == NULL || top->between_ms <= 0 || more < 0)
        return strcpy(out, "-");
    if (view_busy(top)) {
        snprintf(out, VALUE_TEXT_MAX, "%.1f", more * 100 / (double)top->between_ms);
        return out;
    }
    return value_format_count(out, more * 1000 / (double)top->between_ms);
}

static void view_keys(const struct top *top, char line[VIEW_LINE_MAX])
{
    snprintf(line, VIEW_LINE_MAX,
             "q quit  s sort: %s%s  r reverse  / search  f freeze  arrows move", top->sort,
             top->reverse ? " (reversed)" : "");
}

/* ---- the screen ---- */

static void view_row(const struct top *top, size_t i)
{
    char handled[VALUE_TEXT_MAX];
    char rate[VALUE_TEXT_MAX];
    const json_t *process = json_array_get(json_object_get(top->page, "processes"), i);
    if (process == NULL)
        return;
    /* One look alone knows no rate. */
    process_row(process, top->columns,
                top->rows == 0 ? process_done(process, top->sort, handled)
                               : view_rate(top, process, rate));
}

static void view_head(const struct top *top, const char *end)
{
    char line[VIEW_LINE_MAX];
    view_program(top, line);
    view_line(top, PRINT_BOLD, line);
    print("%s", end);
    view_load(top, line);
    view_line(top, PRINT_PLAIN, line);
    print("%s", end);
    view_trouble(top, line);
    view_line(top, PRINT_PLAIN, line);
    print("%s", end);
    view_state(top, line);
    view_line(top, top->error != NULL ? PRINT_RED : PRINT_YELLOW, line);
    print("%s", end);
    const char *rate = view_busy(top) ? "BUSY %" : "HANDLED/s";
    process_heading(top->columns, top->rows == 0 ? process_done_title(top->sort) : rate);
    print("%s", end);
}

void top_draw(const struct top *top)
{
    char line[VIEW_LINE_MAX];
    static const char end[] = "\x1b[K\r\n";
    print("\x1b[H");
    view_head(top, end);
    for (size_t i = 0; i < top_view_rows(top); i++) {
        view_row(top, i);
        print("%s", end);
    }
    view_keys(top, line);
    view_line(top, PRINT_REVERSE, line);
    print("\x1b[K\x1b[J");
}

void top_print(const struct top *top)
{
    view_head(top, "\n");
    for (size_t i = 0; i < value_count(top->page, "processes"); i++) {
        view_row(top, i);
        print("\n");
    }
}
