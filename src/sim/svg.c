/* The time-line of a failing run as a picture: a lane for each process, an arrow for each message
 * from where it is sent to where it is taken, the two steps that are the bug in red. Where bytes
 * go between machines, a lane for each of those, and an arrow for what arrives.
 *
 * It refers to nothing outside of itself, and has colours for light and for dark pages.
 *
 * Threads: one. Neighbours: report.h.
 */
#include "sim/columns.h"
#include "sim/report.h"

#include <inttypes.h>
#include <string.h>

enum {
    SVG_LEFT = 120,
    SVG_TOP = 90,
    SVG_LANE = 190,
    SVG_ROW = 22,
    SVG_FAULT = 480,       /* for words about faults */
    SVG_EVENTS_MAX = 2000, /* a longer run is drawn as its story is told */
    SVG_LANES_MAX = 24,
};

struct svg {
    FILE *out;
    const struct sim_report *report;
    const struct sim_story *story;
    bool all; /* events and lanes, not only those of the story */
    bool machines;
    struct sim_columns columns; /* of machines */
    size_t rows;
};

static const char svg_style[] =
    "<style>\n"
    "svg{--paper:#fff;--ink:#1b1f24;--faint:#8a929c;--line:#d4d9df;--race:#c9252d;--first:#1763c6}"
    "\n"
    "@media (prefers-color-scheme:dark){svg{--paper:#14171b;--ink:#e6e9ed;--faint:#8b949e;"
    "--line:#333a42;--race:#ff6b6b;--first:#6aa9ff}}\n"
    "text{font:12px ui-monospace,monospace;fill:var(--ink);paint-order:stroke;"
    "stroke:var(--paper);stroke-width:3px}\n"
    ".head{font-weight:bold}.faint{fill:var(--faint)}.race{fill:var(--race);font-weight:bold}\n"
    ".life{stroke:var(--line);stroke-width:2}.dot{fill:var(--ink)}\n"
    ".arrow{stroke:var(--faint);fill:none;marker-end:url(#tip)}\n"
    ".arrow.hot{stroke:var(--race);stroke-width:2}.tip{fill:var(--faint)}\n"
    ".dot.hot{fill:var(--race)}.dot.first{fill:var(--first)}.paper{fill:var(--paper)}\n"
    ".bad{fill:var(--race)}.fault{stroke:var(--race);stroke-dasharray:4 4}\n"
    "</style>\n"
    "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" "
    "markerHeight=\"7\" orient=\"auto\"><path class=\"tip\" d=\"M0 0L8 4L0 "
    "8z\"/></marker></defs>\n";

static void svg_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<')
            fputs("&lt;", out);
        else if (*text == '>')
            fputs("&gt;", out);
        else if (*text == '&')
            fputs("&amp;", out);
        else
            fputc(*text, out);
    }
}

static bool svg_has(const struct svg *svg, uint32_t event)
{
    return svg->all || svg->story->kept[event];
}

/* Its column, or SIZE_MAX. */
static size_t svg_column(const struct svg *svg, uint32_t lane)
{
    if (svg->machines)
        return sim_columns_of(&svg->columns, lane);
    if (svg->all)
        return lane;
    for (size_t i = 0; i < svg->story->lane_count; i++)
        if (svg->story->lanes[i] == lane)
            return i;
    return SIZE_MAX;
}

static size_t svg_row(const struct svg *svg, uint32_t event)
{
    size_t row = 0;
    for (uint32_t e = 0; e < event; e++)
        row += svg_has(svg, e);
    return row;
}

static size_t svg_x(size_t column)
{
    return SVG_LEFT + 20 + column * SVG_LANE;
}

static size_t svg_y(size_t row)
{
    return SVG_TOP + row * SVG_ROW;
}

/* From the first to the last of its events. */
static void svg_lane(const struct svg *svg, uint32_t lane)
{
    const struct sim_trace *trace = svg->story->trace;
    size_t column = svg_column(svg, lane);
    char name[2 * SIM_STORY_TEXT];
    uint32_t first = UINT32_MAX;
    uint32_t last = 0;
    bool ended = false;
    for (uint32_t e = 0; e < trace->count; e++) {
        if (trace->events[e].lane != lane)
            continue;
        first = first == UINT32_MAX ? e : first;
        last = e;
        ended = trace->events[e].ended;
    }
    if (column == SIZE_MAX || first == UINT32_MAX)
        return;
    fprintf(svg->out, "<text class=\"head\" x=\"%zu\" y=\"%d\">", svg_x(column) - 4, SVG_TOP - 26);
    svg_text(svg->out, sim_story_name(trace, lane, name));
    fprintf(svg->out, "</text><line class=\"life\" x1=\"%zu\" x2=\"%zu\" y1=\"%zu\" y2=\"%zu\"/>\n",
            svg_x(column), svg_x(column), svg_y(svg_row(svg, first)),
            ended ? svg_y(svg_row(svg, last)) : svg_y(svg->rows));
}

static void svg_machine(const struct svg *svg, size_t column)
{
    fprintf(svg->out, "<text class=\"head\" x=\"%zu\" y=\"%d\">", svg_x(column) - 4, SVG_TOP - 26);
    svg_text(svg->out, svg->columns.machine[column]);
    fprintf(svg->out, "</text><line class=\"life\" x1=\"%zu\" x2=\"%zu\" y1=\"%zu\" y2=\"%zu\"/>\n",
            svg_x(column), svg_x(column), svg_y(0), svg_y(svg->rows));
}

/* What arrives at another machine, in its own row. */
static void svg_arrival(const struct svg *svg, uint32_t index, size_t row)
{
    const struct sim_event *event = &svg->story->trace->events[index];
    size_t from = svg_column(svg, event->lane);
    size_t to = sim_columns_to(&svg->columns, index);
    if (event->kind != SP__TASK_NET || from == to || from == SIZE_MAX || to == SIZE_MAX)
        return;
    fprintf(svg->out, "<path class=\"arrow\" d=\"M%zu %zuL%zu %zu\"/>\n", svg_x(from), svg_y(row),
            to > from ? svg_x(to) - 5 : svg_x(to) + 5, svg_y(row));
}

static void svg_arrow(const struct svg *svg, uint32_t from, uint32_t to)
{
    const struct sim_event *sent = &svg->story->trace->events[from];
    const struct sim_event *taken = &svg->story->trace->events[to];
    size_t a = svg_column(svg, sent->lane);
    size_t b = svg_column(svg, taken->lane);
    if (a == SIZE_MAX || b == SIZE_MAX || a == b || !svg_has(svg, from) || !svg_has(svg, to))
        return;
    bool hot = sim_story_rival(svg->story, from) != 0;
    fprintf(svg->out, "<path class=\"arrow%s\" d=\"M%zu %zuL%zu %zu\"/>\n", hot ? " hot" : "",
            svg_x(a), svg_y(svg_row(svg, from)), b > a ? svg_x(b) - 5 : svg_x(b) + 5,
            svg_y(svg_row(svg, to)));
}

static void svg_dot(const struct svg *svg, uint32_t index, size_t row)
{
    const struct sim_event *event = &svg->story->trace->events[index];
    size_t column = svg_column(svg, event->lane);
    uint32_t rival = sim_story_rival(svg->story, index);
    char text[2 * SIM_STORY_TEXT];
    char place[512];
    if (column == SIZE_MAX)
        return;
    fprintf(svg->out,
            "<text class=\"faint\" x=\"8\" y=\"%zu\">%9.3f %4" PRIu32
            "</text><g><circle class=\"dot%s\" cx=\"%zu\" cy=\"%zu\" r=\"%d\"/><title>",
            svg_y(row) + 4, (double)event->time_ns / 1e6, index + 1,
            rival != 0 ? " hot" : (event->left_reference ? " first" : ""), svg_x(column),
            svg_y(row), rival != 0 ? 6 : 3);
    svg_text(svg->out, sim_story_sentence(svg->story->trace, index, text));
    svg_text(svg->out, "\n");
    svg_text(svg->out, sim_place_text(sim_story_place(svg->story, index), place, sizeof(place)));
    fprintf(svg->out, "</title></g><text class=\"%s\" x=\"%zu\" y=\"%zu\">",
            rival != 0 ? "race" : "", svg_x(column) + 9, svg_y(row) + 4);
    if (svg->machines)
        sim_columns_text(&svg->columns, index, text);
    svg_text(svg->out, svg->machines ? text : sim_story_text(svg->story->trace, index, text));
    if (rival != 0)
        fprintf(svg->out, " (race with %" PRIu32 ")", rival);
    fputs("</text>\n", svg->out);
}

/* A line across, above the first event after the fault. */
static void svg_fault(const struct svg *svg, const struct sim_told *fault, size_t columns)
{
    uint32_t next = (uint32_t)fault->event;
    while (next < svg->story->trace->count && !svg_has(svg, next))
        next++;
    size_t y = svg_y(svg_row(svg, next)) - SVG_ROW / 2;
    fprintf(svg->out,
            "<line class=\"fault\" x1=\"%d\" x2=\"%zu\" y1=\"%zu\" y2=\"%zu\"/>"
            "<text class=\"bad\" x=\"%zu\" y=\"%zu\">** ",
            SVG_LEFT, svg_x(columns), y, y, svg_x(columns) + 6, y + 4);
    svg_text(svg->out, fault->text);
    fputs("</text>\n", svg->out);
}

static void svg_head(const struct svg *svg, size_t columns)
{
    size_t width = svg_x(columns) + (svg->story->trace->told_count != 0 ? SVG_FAULT : 40);
    size_t height = svg_y(svg->rows) + 60;
    width = width < 900 ? 900 : width;
    fprintf(svg->out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" "
            "viewBox=\"0 0 %zu %zu\">\n%s<rect class=\"paper\" width=\"100%%\" "
            "height=\"100%%\"/>\n<text class=\"head bad\" x=\"8\" y=\"20\">",
            width, height, width, height, svg_style);
    svg_text(svg->out, svg->report->test->name);
    svg_text(svg->out, ": ");
    svg_text(svg->out, svg->report->result->text);
    fprintf(svg->out,
            "</text>\n<text class=\"faint\" x=\"8\" y=\"40\">red: the two steps whose order is the "
            "bug; blue: a decision; ms and step at the left</text>\n");
}

static void svg_end(const struct svg *svg, size_t row)
{
    const struct sim_trace *trace = svg->story->trace;
    size_t y = svg_y(row) + 20;
    fprintf(svg->out, "<text class=\"race\" x=\"8\" y=\"%zu\">XX ", y);
    svg_text(svg->out, svg->report->result->text);
    if (trace->cut)
        fprintf(svg->out,
                "</text>\n<text class=\"faint\" x=\"8\" y=\"%zu\">%" PRIu64
                " steps before that are not kept: of a run the first %zu are",
                y + 20, svg->report->result->steps - trace->count, trace->count);
    fputs("</text>\n</svg>\n", svg->out);
}

static void svg_draw(struct svg *svg)
{
    const struct sim_trace *trace = svg->story->trace;
    size_t columns = svg->all ? trace->lane_count : svg->story->lane_count;
    columns = svg->machines ? svg->columns.count : columns;
    svg->rows = svg_row(svg, (uint32_t)trace->count);
    svg_head(svg, columns);
    for (uint32_t lane = 0; lane < trace->lane_count && !svg->machines; lane++)
        svg_lane(svg, lane);
    for (size_t i = 0; i < svg->columns.count && svg->machines; i++)
        svg_machine(svg, i);
    for (uint32_t e = 0; e < trace->count; e++)
        for (uint32_t i = 0; i < trace->events[e].cause_count; i++)
            svg_arrow(svg, trace->events[e].causes[i], e);
    for (size_t i = 0; i < trace->told_count; i++)
        svg_fault(svg, &trace->told[i], columns);
    size_t row = 0;
    for (uint32_t e = 0; e < trace->count; e++)
        if (svg_has(svg, e)) {
            if (svg->machines)
                svg_arrival(svg, e, row);
            svg_dot(svg, e, row++);
        }
    svg_end(svg, row);
}

sp_err sim_svg_write(const char *path, const struct sim_report *report)
{
    const struct sim_trace *trace = report->story->trace;
    struct svg svg = { .out = fopen(path, "we"),
                       .report = report,
                       .story = report->story,
                       .all =
                           trace->count <= SVG_EVENTS_MAX && trace->lane_count <= SVG_LANES_MAX };
    if (svg.out == NULL)
        return SP_ERR_IO;
    svg.machines = sim_columns_machines(svg.story, false, &svg.columns);
    svg.all = svg.all && !svg.machines;
    svg_draw(&svg);
    bool wrong = ferror(svg.out) != 0;
    return fclose(svg.out) == 0 && !wrong ? SP_OK : SP_ERR_IO;
}
