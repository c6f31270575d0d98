#include "sim/report.h"

#include "sim/columns.h"
#include "sim/net_words.h"

#include <inttypes.h>
#include <string.h>

enum {
    REPORT_NAME_WIDTH = 20,
    REPORT_WAITS_MAX = 8,
};

/* ---- the story ---- */

/* What was printed is `text`, which is `width` wide where a mark follows. */
static void event_mark(FILE *out, const struct sim_story *story, uint32_t event, const char *text,
                       int width)
{
    uint32_t rival = sim_story_rival(story, event);
    bool first = story->trace->events[event].left_reference;
    fprintf(out, "%-*s", rival != 0 || first ? width : 0, text);
    if (rival != 0)
        fprintf(out, "  <== race with %" PRIu32, rival);
    else if (first)
        fputs("  <== goes first", out);
    fputc('\n', out);
}

static void columns_event(FILE *out, const struct sim_columns *columns, uint32_t index)
{
    const struct sim_event *event = &columns->story->trace->events[index];
    char line[SIM_COLUMNS_LINE];
    sim_columns_line(columns, index, line);
    fprintf(out, " %10.3f %4" PRIu32 "  ", (double)event->time_ns / 1e6, index + 1);
    event_mark(out, columns->story, index, line, (int)(columns->width * columns->count));
}

static void list_event(FILE *out, const struct sim_story *story, uint32_t index)
{
    const struct sim_event *event = &story->trace->events[index];
    char text[2 * SIM_STORY_TEXT];
    char name[2 * SIM_STORY_TEXT];
    fprintf(out, " %10.3f %4" PRIu32 "  %-*s ", (double)event->time_ns / 1e6, index + 1,
            REPORT_NAME_WIDTH, sim_story_name(story->trace, event->lane, name));
    event_mark(out, story, index, sim_story_sentence(story->trace, index, text), 36);
}

/* The faults that came before an event and were not told yet. */
static void report_faults(FILE *out, const struct sim_trace *trace, size_t event, size_t *told)
{
    for (; *told < trace->told_count && trace->told[*told].event <= event; ++*told) {
        const struct sim_told *fault = &trace->told[*told];
        fprintf(out, " %10.3f %4s  ** %s\n", (double)fault->time_ns / 1e6, "", fault->text);
    }
}

static void report_folded(FILE *out, size_t count)
{
    if (count != 0)
        fprintf(out, " %10s %4s  (%zu step%s that %s not matter)\n", "", "...", count,
                count == 1 ? "" : "s", count == 1 ? "does" : "do");
}

/* What came behind the last step that is told. */
static void report_rest(FILE *out, const struct sim_report *report, size_t told)
{
    const struct sim_trace *trace = report->story->trace;
    report_folded(out, trace->count - told);
    if (trace->cut)
        fprintf(out,
                " %10s %4s  (%" PRIu64 " steps that are not kept: of a run the first %zu are)\n",
                "", "...", report->result->steps - trace->count, trace->count);
}

static void report_story(FILE *out, const struct sim_report *report)
{
    const struct sim_story *story = report->story;
    struct sim_columns columns;
    sim_columns_make(story, &columns);
    if (columns.count != 0)
        sim_columns_head(out, &columns);
    else
        fprintf(out, "\n %10s %4s  %-*s %s\n", "ms", "step", REPORT_NAME_WIDTH, "process", "does");
    size_t told = 0;
    size_t faults = 0;
    for (size_t i = 0; i < story->shown_count; i++) {
        uint32_t event = story->shown[i];
        if (i == 0)
            report_folded(out, event);
        report_faults(out, story->trace, event, &faults);
        if (columns.count != 0)
            columns_event(out, &columns, event);
        else
            list_event(out, story, event);
        told = event + 1;
    }
    report_faults(out, story->trace, SIZE_MAX, &faults);
    report_rest(out, report, told);
    fprintf(out, " %10s %4s  XX %s\n\n", "", "", report->result->text);
    if (report->result->detail[0] != '\0')
        fprintf(out, "lasso %s\n", report->result->detail);
}

/* ---- why ---- */

static const char *report_task(const struct sim_trace *trace, uint64_t label,
                               char text[2 * SIM_STORY_TEXT])
{
    for (uint32_t i = 0; i < trace->lane_count; i++)
        if (trace->lanes[i].task == label)
            return sim_story_name(trace, i, text);
    return "somebody who is not there any more";
}

static void why_event(FILE *out, const struct sim_story *story, uint32_t event)
{
    char name[2 * SIM_STORY_TEXT];
    char sentence[2 * SIM_STORY_TEXT];
    char place[512];
    (void)sim_place_text(sim_story_place(story, event), place, sizeof(place));
    fprintf(out, "      %" PRIu32 ": %s, %s%s%s\n", event + 1,
            sim_story_name(story->trace, story->trace->events[event].lane, name),
            sim_story_sentence(story->trace, event, sentence), place[0] == '\0' ? "" : ", in ",
            place);
}

static void why_race(FILE *out, const struct sim_story *story)
{
    const struct sim_races *races = story->races;
    const struct sim_race *bug = &races->pairs[0];
    fprintf(out, "why   swapping %" PRIu32 " and %" PRIu32 " makes the run pass; ", bug->first + 1,
            bug->second + 1);
    if (races->passing == 1)
        fputs("no other single swap does\n", out);
    else
        fprintf(out, "so %s %zu of the %zu others\n", races->passing == 2 ? "does" : "do",
                races->passing - 1, races->count - 1);
    why_event(out, story, bug->first);
    why_event(out, story, bug->second);
    if (story->sources.no_tool)
        fputs("      (lines of the source need addr2line, of binutils)\n", out);
}

static void why_choice(FILE *out, const struct sim_trace *trace, const struct sim_choice *choice)
{
    char to[2 * SIM_STORY_TEXT];
    char at[2 * SIM_STORY_TEXT];
    for (size_t i = 0; i < trace->told_count; i++) {
        const struct sim_told *told = &trace->told[i];
        if (told->fault.kind != choice->kind || told->fault.at != choice->at ||
            told->fault.step != choice->step)
            continue;
        fputs(told->text, out);
        if (choice->kind != SP__CHOICE_MEMORY && !sim_is_of_network(choice->kind))
            fprintf(out, ", before step %" PRIu64 " of %s", choice->step + 1,
                    report_task(trace, choice->at, at));
        fputs("\n", out);
        return;
    }
    if (choice->kind == SP__CHOICE_TASK)
        fprintf(out, "%s goes before step %" PRIu64 " of %s\n", report_task(trace, choice->to, to),
                choice->step + 1, report_task(trace, choice->at, at));
    else if (choice->kind == SP__CHOICE_TIMER)
        fprintf(out,
                "step %" PRIu64 " of %s fires one timer alone, before the %" PRIu64
                " that are due earlier\n",
                choice->step, report_task(trace, choice->at, at), choice->to);
    else
        fprintf(out, "%s: number %" PRIu64 " of %s is %" PRIu64 "\n", sim_choice_name(choice->kind),
                choice->step + 1, report_task(trace, choice->at, at), choice->to);
}

static void why_decisions(FILE *out, const struct sim_report *report)
{
    const struct sim_schedule *schedule = report->schedule;
    const char *first = report->story->races->passing != 0 ? "also  " : "why   ";
    if (schedule->count == 0) {
        fprintf(out, "%sit fails under the reference schedule, in which nobody is overtaken\n",
                first);
        return;
    }
    for (size_t i = 0; i < schedule->count; i++) {
        fputs(i == 0 ? first : "      ", out);
        why_choice(out, report->story->trace, &schedule->choices[i]);
    }
    fputs(schedule->count == 1 ? "      without that the run passes\n"
                               : "      without any one of these the run passes\n",
          out);
}

/* Does its call wait, over others' calls, for itself? */
static bool lane_on_circle(const struct sim_trace *trace, uint32_t lane)
{
    uint32_t at = trace->lanes[lane].waits_for;
    for (size_t i = 0; i < trace->lane_count && at != SIM_NO_LANE && at != lane; i++)
        at = trace->lanes[at].waits_for;
    return at == lane;
}

/* Who still waited, where, and with what in the mailbox. */
static void report_waits(FILE *out, const struct sim_story *story, bool circle)
{
    const struct sim_trace *trace = story->trace;
    char name[2 * SIM_STORY_TEXT];
    char place[512];
    size_t printed = 0;
    for (uint32_t i = 0; i < trace->lane_count && printed < REPORT_WAITS_MAX; i++) {
        const struct sim_lane *lane = &trace->lanes[i];
        if (!lane->alive || !lane->waits || lane->own == 0 || lane->frame_count == 0 ||
            (circle && !lane_on_circle(trace, i)))
            continue;
        (void)sim_place_text(sim_sources_place(&story->sources, lane->frames, lane->frame_count),
                             place, sizeof(place));
        fprintf(out, "%s%s", printed++ == 0 ? "wait  " : "      ", sim_story_name(trace, i, name));
        if (lane->waits_for != SIM_NO_LANE)
            fprintf(out, " for %s", sim_story_name(trace, lane->waits_for, name));
        if (lane->taken[0] != '\0')
            fprintf(out, ", who took %s", lane->taken);
        fprintf(out, "%s%s; mailbox: %" PRIu32 "%s%s\n", place[0] == '\0' ? "" : ", in ", place,
                lane->mailbox, lane->mailbox == 0 ? "" : ", first ", lane->first_message);
    }
}

/* ---- all of it ---- */

static void report_head(FILE *out, const struct sim_report *report)
{
    const struct sim_result *result = report->result;
    fprintf(out, "FAIL  %s (%s:%d): %s\n", report->test->name, report->test->file,
            report->test->line, result->text);
    if (result->file[0] != '\0')
        fprintf(out, "at    %s:%d\n", result->file, result->line);
    if (report->file != NULL)
        fprintf(out, "again %s --replay %s", report->program, report->file);
    if (report->file != NULL && report->replays != 0)
        fprintf(out, "  (%u/%u replays agree)", report->agreed, report->replays);
    if (report->file != NULL)
        fputc('\n', out);
    if (report->schedules != 0)
        fprintf(out,
                "found by %s in schedule %" PRIu64 " (--run %" PRIu64 ":%" PRIu64
                "), shrunk from %zu decisions to %zu in %" PRIu64 " runs; hash %016" PRIx64 "\n",
                report->found, report->schedules, report->seed, report->schedules,
                report->choices_before, report->schedule->count, report->shrink_runs, result->hash);
}

void sim_report_print(FILE *out, const struct sim_report *report)
{
    bool circle = strncmp(report->result->text, "deadlock", 8) == 0;
    report_head(out, report);
    report_story(out, report);
    if (report->detail != NULL)
        fprintf(out, "%s\n", report->detail);
    if (report->story->races->passing != 0)
        why_race(out, report->story);
    why_decisions(out, report);
    if (circle || strncmp(report->result->text, "nothing can go on", 17) == 0)
        report_waits(out, report->story, circle);
    if (report->also != NULL)
        fprintf(out, "files %s\n", report->also);
}
