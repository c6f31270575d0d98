#include "sim/columns.h"

#include <string.h>

enum {
    COLUMNS_WIDTH = 100, /* of everything */
    COLUMNS_MARK = 20,   /* behind the columns */
    COLUMN_MIN = 12,
    COLUMN_MAX = 24,
};

/* ---- which ---- */

static void columns_machine(struct sim_columns *columns, const char *name)
{
    size_t i = 0;
    while (i < columns->count && strcmp(columns->machine[i], name) != 0)
        i++;
    if (i < columns->count || columns->count > SIM_COLUMNS_MACHINES_MAX)
        return;
    if (i < SIM_COLUMNS_MACHINES_MAX)
        columns->machine[i] = name;
    columns->count++;
}

bool sim_columns_machines(const struct sim_story *story, bool all, struct sim_columns *out)
{
    const struct sim_trace *trace = story->trace;
    size_t crossings = 0;
    *out = (struct sim_columns){ .story = story, .machines = true };
    for (size_t e = 0; e < trace->count && out->count <= SIM_COLUMNS_MACHINES_MAX; e++) {
        const struct sim_lane *lane = &trace->lanes[trace->events[e].lane];
        bool net = trace->events[e].kind == SP__TASK_NET;
        if (!all && !story->kept[e])
            continue;
        columns_machine(out, lane->node);
        if (net)
            columns_machine(out, lane->to_node);
        crossings += net && strcmp(lane->node, lane->to_node) != 0;
    }
    return crossings != 0 && out->count <= SIM_COLUMNS_MACHINES_MAX;
}

/* What stands behind the columns of some line: which steps race, and who went first. */
static size_t columns_mark(const struct sim_story *story)
{
    for (size_t i = 0; i < story->shown_count; i++)
        if (story->trace->events[story->shown[i]].left_reference ||
            sim_story_rival(story, story->shown[i]) != 0)
            return COLUMNS_MARK;
    return 0;
}

void sim_columns_make(const struct sim_story *story, struct sim_columns *out)
{
    if (!sim_columns_machines(story, false, out))
        *out = (struct sim_columns){ .story = story, .count = story->lane_count };
    if (out->count < 2 || out->count > SIM_COLUMNS_MAX) {
        out->count = 0;
        return;
    }
    out->width = (COLUMNS_WIDTH - SIM_COLUMNS_LEFT - columns_mark(story)) / out->count;
    out->width = out->width > COLUMN_MAX ? COLUMN_MAX : out->width;
    if (out->width < COLUMN_MIN)
        out->count = 0;
}

static size_t column_of_machine(const struct sim_columns *columns, const char *name)
{
    for (size_t i = 0; i < columns->count; i++)
        if (strcmp(columns->machine[i], name) == 0)
            return i;
    return SIZE_MAX;
}

size_t sim_columns_of(const struct sim_columns *columns, uint32_t lane)
{
    const struct sim_story *story = columns->story;
    if (lane == SIM_NO_LANE)
        return SIZE_MAX;
    if (columns->machines)
        return column_of_machine(columns, story->trace->lanes[lane].node);
    for (size_t i = 0; i < story->lane_count; i++)
        if (story->lanes[i] == lane)
            return i;
    return SIZE_MAX;
}

size_t sim_columns_to(const struct sim_columns *columns, uint32_t index)
{
    const struct sim_event *event = &columns->story->trace->events[index];
    if (columns->machines && event->kind == SP__TASK_NET)
        return column_of_machine(columns, columns->story->trace->lanes[event->lane].to_node);
    return sim_story_arrow(event) ? sim_columns_of(columns, event->to) : SIZE_MAX;
}

/* ---- lines ---- */

static void line_put(char *line, size_t at, const char *text)
{
    size_t length = strlen(text);
    if (at + length < SIM_COLUMNS_LINE)
        memcpy(line + at, text, length);
}

/* From the text at `from`, `length` long, to the life line at `to`. */
static void line_arrow(char *line, size_t from, size_t length, size_t to)
{
    if (to > from) {
        for (size_t at = from + length + 1; at + 2 < to; at++)
            line[at] = '-';
        line[to - 2] = '>';
        return;
    }
    line[to] = '<';
    for (size_t at = to + 1; at + 1 < from; at++)
        line[at] = '-';
}

static void line_trim(char *line)
{
    size_t length = SIM_COLUMNS_LINE - 1;
    while (length > 0 && line[length - 1] == ' ')
        length--;
    line[length] = '\0';
}

/* Is there somebody in the column while `event` happens? A machine stays. */
static bool column_lives(const struct sim_columns *columns, size_t column, uint32_t event)
{
    const struct sim_trace *trace = columns->story->trace;
    for (uint32_t e = 0; e < event && !columns->machines; e++)
        if (trace->events[e].lane == columns->story->lanes[column] && trace->events[e].ended)
            return false;
    return true;
}

/* In a machine's column it is said who of it, but for the main process. */
void sim_columns_text(const struct sim_columns *columns, uint32_t index,
                      char text[2 * SIM_STORY_TEXT])
{
    const struct sim_trace *trace = columns->story->trace;
    const struct sim_event *event = &trace->events[index];
    const struct sim_lane *lane = &trace->lanes[event->lane];
    char sentence[2 * SIM_STORY_TEXT];
    char own[SIM_STORY_TEXT];
    (void)sim_story_text(trace, index, own);
    bool within = columns->machines && event->kind != SP__TASK_NET;
    if (!within) {
        (void)strcpy(text, own);
        return;
    }
    bool plain = lane->kind == SP__TASK_MAIN || strcmp(lane->name, "main") == 0;
    (void)sim_story_sentence(trace, index, sentence);
    (void)snprintf(text, 2 * SIM_STORY_TEXT, "%.40s%s%.100s", plain ? "" : sim_story_own_name(lane),
                   plain ? "" : ": ", sentence);
}

void sim_columns_line(const struct sim_columns *columns, uint32_t index,
                      char line[SIM_COLUMNS_LINE])
{
    const struct sim_event *event = &columns->story->trace->events[index];
    size_t width = columns->width;
    size_t total = width * columns->count;
    char text[2 * SIM_STORY_TEXT];
    memset(line, ' ', SIM_COLUMNS_LINE);
    for (size_t i = 0; i < columns->count; i++)
        if (column_lives(columns, i, index))
            line[i * width] = '|';
    size_t from = sim_columns_of(columns, event->lane) * width;
    size_t to = sim_columns_to(columns, index);
    sim_columns_text(columns, index, text);
    size_t length = strlen(text);
    bool arrow = to != SIZE_MAX && to * width != from;
    size_t room = arrow && to * width > from ? to * width - from - 4 : total + 4 - from;
    length = length > room ? room : length;
    text[length] = '\0';
    if (arrow)
        line_arrow(line, from, length, to * width);
    line_put(line, from, text);
    size_t after = from + length;
    if (!arrow && after % width != 0 && after < SIM_COLUMNS_LINE)
        line[after] = ' ';
    line_trim(line);
}

void sim_columns_head(FILE *out, const struct sim_columns *columns)
{
    const struct sim_story *story = columns->story;
    char text[2 * SIM_STORY_TEXT];
    int width = (int)columns->width;
    fprintf(out, "\n %10s %4s  ", "ms", "step");
    for (size_t i = 0; i < columns->count; i++) {
        bool last = i + 1 == columns->count;
        const char *name = columns->machines ? columns->machine[i]
                                             : sim_story_name(story->trace, story->lanes[i], text);
        fprintf(out, "%-*.*s%s", last ? 0 : width - 1, width - 1, name, last ? "\n" : " ");
    }
}
