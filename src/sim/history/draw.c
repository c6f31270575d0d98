/* A few operations as bars, in text and as a picture: spawned/history.h.
 *
 * A row for each client, and one more where operations of a client overlap. Columns are events in
 * their order; each bar is as wide as its words. Where that gets too wide, bars have numbers and
 * the words follow below.
 *
 * Threads: none of its own. Neighbours: model.h.
 */
#include "base/alloc.h"
#include "base/text.h"
#include "sim/history/model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    DRAW_WORDS = 64,
    DRAW_WIDTH_MAX = 84, /* of the bars, before they get numbers */
    DRAW_MARGIN = 2,     /* of the words in a bar, on each side, with its end */
    DRAW_CHAR = 8,       /* a character's width in the picture, pixels */
    DRAW_ROW = 30,
    DRAW_LEFT = 100,
};

struct draw_bar {
    const struct sp_operation *operation;
    size_t row;
    size_t from; /* columns, both inclusive */
    size_t to;
    bool open;
    char words[DRAW_WORDS];
};

struct draw_event {
    uint64_t stamp;
    size_t bar;
    bool end;
};

struct draw {
    struct draw_bar *bars; /* by client, then by row, then by call */
    struct draw_event *events;
    size_t count;
    size_t rows;
    size_t width;
    bool numbers;
};

static int bar_compare(const void *a, const void *b)
{
    const struct sp_operation *x = ((const struct draw_bar *)a)->operation;
    const struct sp_operation *y = ((const struct draw_bar *)b)->operation;
    if (x->client != y->client)
        return x->client < y->client ? -1 : 1;
    if (x->invoked != y->invoked)
        return x->invoked < y->invoked ? -1 : 1;
    return (x > y) - (x < y);
}

static int event_compare(const void *a, const void *b)
{
    const struct draw_event *x = a;
    const struct draw_event *y = b;
    if (x->stamp != y->stamp)
        return x->stamp < y->stamp ? -1 : 1;
    if (x->end != y->end)
        return x->end ? 1 : -1;
    return (x->bar > y->bar) - (x->bar < y->bar);
}

/* Each bar into the first row of its client that is free then. */
static void draw_rows(struct draw *draw)
{
    size_t first = 0; /* of the client's rows */
    for (size_t i = 0; i < draw->count; i++) {
        struct draw_bar *bar = &draw->bars[i];
        size_t start = i;
        if (i > 0 && bar[-1].operation->client != bar->operation->client)
            first = draw->rows;
        while (start > 0 && draw->bars[start - 1].operation->client == bar->operation->client)
            start--;
        bar->row = first;
        for (size_t j = start; j < i; j++)
            if (draw->bars[j].row == bar->row &&
                (draw->bars[j].open ||
                 draw->bars[j].operation->returned >= bar->operation->invoked)) {
                bar->row++;
                j = start - 1;
            }
        draw->rows = bar->row + 1 > draw->rows ? bar->row + 1 : draw->rows;
    }
}

/* Each event a column behind the last, and each end far enough behind its begin for the words. */
static void draw_columns(struct draw *draw)
{
    size_t column = 0;
    for (size_t i = 0; i < 2 * draw->count; i++) {
        const struct draw_event *event = &draw->events[i];
        struct draw_bar *bar = &draw->bars[event->bar];
        if (!event->end) {
            bar->from = column++;
            continue;
        }
        size_t least = bar->from + strlen(bar->words) + 2 * DRAW_MARGIN - 1;
        bar->to = column > least ? column : least;
        column = bar->to + 1;
    }
    draw->width = column;
}

static void draw_words(struct draw *draw, const struct sp_model *model)
{
    draw->numbers = false;
    for (size_t i = 0; i < draw->count; i++)
        sim__describe(model, draw->bars[i].operation, draw->bars[i].words, DRAW_WORDS);
    draw_columns(draw);
    draw->numbers = draw->width > DRAW_WIDTH_MAX;
    if (!draw->numbers)
        return;
    for (size_t i = 0; i < draw->count; i++) {
        struct sp__text words;
        sp__text_init(&words, draw->bars[i].words, DRAW_WORDS);
        sp__text_add(&words, "%zu", i + 1);
    }
    draw_columns(draw);
}

static sp_err draw_init(struct draw *draw, const struct sp_operation *operations,
                        const size_t *which, size_t count, const struct sp_model *model)
{
    *draw = (struct draw){ .count = count };
    draw->bars = sp__calloc(count + 1, sizeof(*draw->bars));
    draw->events = sp__calloc(2 * count + 1, sizeof(*draw->events));
    if (draw->bars == NULL || draw->events == NULL) {
        sp__free(draw->bars);
        sp__free(draw->events);
        return SP_ERR_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const struct sp_operation *operation = &operations[which[i]];
        draw->bars[i] = (struct draw_bar){ .operation = operation,
                                           .open = operation->outcome == SP_OUTCOME_UNKNOWN };
    }
    if (count > 0)
        qsort(draw->bars, count, sizeof(*draw->bars), bar_compare);
    for (size_t i = 0; i < count; i++) {
        const struct draw_bar *bar = &draw->bars[i];
        uint64_t end = bar->open ? SP_HISTORY_OPEN : bar->operation->returned;
        draw->events[2 * i] = (struct draw_event){ bar->operation->invoked, i, false };
        draw->events[2 * i + 1] = (struct draw_event){ end, i, true };
    }
    if (count > 0)
        qsort(draw->events, 2 * count, sizeof(*draw->events), event_compare);
    draw_rows(draw);
    draw_words(draw, model);
    return SP_OK;
}

static void draw_finish(struct draw *draw)
{
    sp__free(draw->bars);
    sp__free(draw->events);
}

/* ---- text ---- */

static void text_repeat(struct sp__text *out, char c, size_t count)
{
    while (count-- > 0)
        sp__text_add_bytes(out, &c, 1);
}

static void text_bar(struct sp__text *out, const struct draw_bar *bar)
{
    size_t fill = bar->to - bar->from + 1 - strlen(bar->words) - 2 * DRAW_MARGIN;
    sp__text_add(out, "|");
    text_repeat(out, '-', fill / 2);
    sp__text_add(out, " %s ", bar->words);
    text_repeat(out, '-', fill - fill / 2);
    sp__text_add(out, bar->open ? ">" : "|");
}

static const struct draw_bar *row_first(const struct draw *draw, size_t row)
{
    size_t i = 0;
    while (draw->bars[i].row != row)
        i++;
    return &draw->bars[i];
}

static void text_row(struct sp__text *out, const struct draw *draw, size_t row)
{
    size_t column = 0;
    sp__text_add(out, "client %-4" PRIu32 " ", row_first(draw, row)->operation->client);
    for (size_t i = 0; i < draw->count; i++) {
        const struct draw_bar *bar = &draw->bars[i];
        if (bar->row != row)
            continue;
        text_repeat(out, ' ', bar->from - column);
        text_bar(out, bar);
        column = bar->to + 1;
    }
    sp__text_add(out, "\n");
}

sp_err sp_history_draw(const struct sp_operation *operations, const size_t *which, size_t count,
                       const struct sp_model *model, char *text, size_t size)
{
    struct draw draw;
    struct sp__text out;
    char words[DRAW_WORDS];
    sp_err err = draw_init(&draw, operations, which, count, model);
    if (err != SP_OK)
        return err;
    sp__text_init(&out, text, size);
    for (size_t row = 0; row < draw.rows; row++)
        text_row(&out, &draw, row);
    for (size_t i = 0; i < count && draw.numbers; i++) {
        sim__describe(model, draw.bars[i].operation, words, sizeof(words));
        sp__text_add(&out, "  %zu  client %" PRIu32 ": %s\n", i + 1, draw.bars[i].operation->client,
                     words);
    }
    draw_finish(&draw);
    return SP_OK;
}

/* ---- picture ---- */

static void svg_words(struct sp__text *out, const char *words)
{
    for (; *words != '\0'; words++) {
        if (*words == '<')
            sp__text_add(out, "&lt;");
        else if (*words == '>')
            sp__text_add(out, "&gt;");
        else if (*words == '&')
            sp__text_add(out, "&amp;");
        else if (*words == '"')
            sp__text_add(out, "&quot;");
        else
            sp__text_add_bytes(out, words, 1);
    }
}

static void svg_bar(struct sp__text *out, const struct draw_bar *bar)
{
    size_t x = DRAW_LEFT + bar->from * DRAW_CHAR;
    size_t y = (bar->row + 1) * DRAW_ROW;
    size_t width = (bar->to - bar->from + 1) * DRAW_CHAR - 2;
    sp__text_add(out,
                 "<rect x=\"%zu\" y=\"%zu\" width=\"%zu\" height=\"20\" rx=\"3\" fill=\"%s\" "
                 "stroke=\"#456\"%s/>\n<text x=\"%zu\" y=\"%zu\" text-anchor=\"middle\">",
                 x, y - 14, width, bar->open ? "#fff" : "#def",
                 bar->open ? " stroke-dasharray=\"4 3\"" : "", x + width / 2, y);
    svg_words(out, bar->words);
    sp__text_add(out, "</text>\n");
}

sp_err sp_history_draw_svg(const struct sp_operation *operations, const size_t *which, size_t count,
                           const struct sp_model *model, char *text, size_t size)
{
    struct draw draw;
    struct sp__text out;
    sp_err err = draw_init(&draw, operations, which, count, model);
    if (err != SP_OK)
        return err;
    for (size_t i = 0; i < count && draw.numbers; i++)
        sim__describe(model, draw.bars[i].operation, draw.bars[i].words, DRAW_WORDS);
    draw_columns(&draw);
    sp__text_init(&out, text, size);
    sp__text_add(&out,
                 "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%zu\" height=\"%zu\" "
                 "font-family=\"monospace\" font-size=\"13\">\n",
                 DRAW_LEFT + draw.width * DRAW_CHAR + DRAW_CHAR, (draw.rows + 1) * DRAW_ROW);
    for (size_t row = 0; row < draw.rows; row++)
        sp__text_add(&out, "<text x=\"4\" y=\"%zu\">client %" PRIu32 "</text>\n",
                     (row + 1) * DRAW_ROW, row_first(&draw, row)->operation->client);
    for (size_t i = 0; i < count; i++)
        svg_bar(&out, &draw.bars[i]);
    sp__text_add(&out, "</svg>\n");
    draw_finish(&draw);
    return SP_OK;
}
