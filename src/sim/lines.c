/* The report as JSON, one object a line, for programs: the failure, each event, each racing pair,
 * each decision, each process that still waited.
 *
 * Threads: one. Neighbours: report.h.
 */
#include "sim/report.h"

#include <inttypes.h>
#include <string.h>

static void json_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void json_member(FILE *out, const char *name, const char *text)
{
    fprintf(out, ",\"%s\":", name);
    json_string(out, text);
}

static void json_place(FILE *out, const struct sim_place *place)
{
    if (place == NULL)
        return;
    json_member(out, "function", place->function);
    json_member(out, "file", place->file);
    fprintf(out, ",\"line\":%d", place->line);
}

static void json_failure(FILE *out, const struct sim_report *report)
{
    const struct sim_result *result = report->result;
    fputs("{\"kind\":\"failure\"", out);
    json_member(out, "test", report->test->name);
    json_member(out, "file", report->test->file);
    fprintf(out, ",\"line\":%d", report->test->line);
    json_member(out, "text", result->text);
    if (result->file[0] != '\0') {
        json_member(out, "at_file", result->file);
        fprintf(out, ",\"at_line\":%d", result->line);
    }
    json_member(out, "program", report->program);
    json_member(out, "build", sim_build_id());
    if (report->file != NULL)
        json_member(out, "schedule", report->file);
    json_member(out, "found_by", report->found);
    fprintf(out,
            ",\"schedules\":%" PRIu64 ",\"decisions_before\":%zu,\"decisions\":%zu"
            ",\"shrink_runs\":%" PRIu64 ",\"replays\":%u,\"agreed\":%u,\"steps\":%" PRIu64
            ",\"time_ns\":%" PRId64 ",\"hash\":\"%016" PRIx64 "\",\"steps_kept\":%zu}\n",
            report->schedules, report->choices_before, report->schedule->count, report->shrink_runs,
            report->replays, report->agreed, result->steps, result->time_ns, result->hash,
            report->story->trace->count);
}

static void json_event(FILE *out, const struct sim_story *story, uint32_t index)
{
    const struct sim_event *event = &story->trace->events[index];
    const struct sim_lane *lane = &story->trace->lanes[event->lane];
    char text[2 * SIM_STORY_TEXT];
    fprintf(out, "{\"kind\":\"event\",\"step\":%" PRIu32 ",\"time_ns\":%" PRId64, index + 1,
            event->time_ns);
    json_member(out, "process", lane->shown[0] != '\0' ? lane->shown : lane->name);
    if (lane->node[0] != '\0')
        json_member(out, "node", lane->node);
    fprintf(out, ",\"task\":\"%016" PRIx64 "\",\"nth\":%" PRIu64, event->task, event->step);
    json_member(out, "does", sim_story_text(story->trace, index, text));
    if (sim_story_arrow(event) && event->to != SIM_NO_LANE)
        json_member(out, "to", sim_story_name(story->trace, event->to, text));
    json_place(out, sim_story_place(story, index));
    fputs(",\"after\":[", out);
    for (uint32_t i = 0; i < event->cause_count; i++)
        fprintf(out, "%s%" PRIu32, i == 0 ? "" : ",", event->causes[i] + 1);
    fprintf(out, "],\"goes_first\":%s,\"ends\":%s,\"matters\":%s",
            event->left_reference ? "true" : "false", event->ended ? "true" : "false",
            story->kept[index] ? "true" : "false");
    uint32_t rival = sim_story_rival(story, index);
    if (rival != 0)
        fprintf(out, ",\"races_with\":%" PRIu32, rival);
    fputs("}\n", out);
}

static void json_wait(FILE *out, const struct sim_story *story, uint32_t index)
{
    const struct sim_lane *lane = &story->trace->lanes[index];
    char text[2 * SIM_STORY_TEXT];
    fputs("{\"kind\":\"wait\"", out);
    json_member(out, "process", sim_story_name(story->trace, index, text));
    if (lane->waits_for != SIM_NO_LANE)
        json_member(out, "for", sim_story_name(story->trace, lane->waits_for, text));
    json_place(out, sim_sources_place(&story->sources, lane->frames, lane->frame_count));
    fprintf(out, ",\"mailbox\":%" PRIu32, lane->mailbox);
    if (lane->mailbox != 0)
        json_member(out, "first", lane->first_message);
    fputs("}\n", out);
}

static void json_choice(FILE *out, const struct sim_choice *choice)
{
    fputs("{\"kind\":\"decision\"", out);
    json_member(out, "what", sim_choice_name(choice->kind));
    fprintf(out, ",\"at\":\"%016" PRIx64 "\",\"nth\":%" PRIu64 ",\"to\":\"%016" PRIx64 "\"}\n",
            choice->at, choice->step, choice->to);
}

sp_err sim_lines_write(const char *path, const struct sim_report *report)
{
    const struct sim_story *story = report->story;
    FILE *out = fopen(path, "we");
    if (out == NULL)
        return SP_ERR_IO;
    json_failure(out, report);
    for (uint32_t e = 0; e < story->trace->count; e++)
        json_event(out, story, e);
    for (size_t i = 0; i < story->trace->told_count; i++) {
        const struct sim_told *fault = &story->trace->told[i];
        fprintf(out, "{\"kind\":\"fault\",\"before\":%zu,\"time_ns\":%" PRId64, fault->event + 1,
                fault->time_ns);
        json_member(out, "what", sim_choice_name(fault->fault.kind));
        json_member(out, "text", fault->text);
        fputs("}\n", out);
    }
    for (size_t i = 0; i < story->races->count; i++)
        fprintf(out,
                "{\"kind\":\"race\",\"first\":%" PRIu32 ",\"second\":%" PRIu32
                ",\"swapped_passes\":%s}\n",
                story->races->pairs[i].first + 1, story->races->pairs[i].second + 1,
                story->races->pairs[i].passes ? "true" : "false");
    for (size_t i = 0; i < report->schedule->count; i++)
        json_choice(out, &report->schedule->choices[i]);
    for (uint32_t lane = 0; lane < story->trace->lane_count; lane++)
        if (story->trace->lanes[lane].alive && story->trace->lanes[lane].waits)
            json_wait(out, story, lane);
    bool wrong = ferror(out) != 0;
    return fclose(out) == 0 && !wrong ? SP_OK : SP_ERR_IO;
}
