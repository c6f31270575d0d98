#include "sim/report.h"

#include <inttypes.h>
#include <string.h>

enum {
    /* A longer story is told from both ends. */
    REPORT_EVENTS_MAX = 120,
    REPORT_NAME_WIDTH = 20,
};

/* Whose mailbox, life or name is `object`: the name of the task that goes on with it. */
static const char *report_object(const struct sim_trace *trace, uint64_t object)
{
    for (size_t i = 0; i < trace->count; i++)
        if (trace->events[i].object == object && trace->events[i].point == SP__POINT_TURN)
            return trace->events[i].name;
    return NULL;
}

static const char *report_task(const struct sim_trace *trace, uint64_t label)
{
    for (size_t i = 0; i < trace->count; i++)
        if (trace->events[i].task == label)
            return trace->events[i].name;
    return "somebody who is not there any more";
}

static void report_event(FILE *out, const struct sim_trace *trace, size_t index)
{
    const struct sim_event *event = &trace->events[index];
    const char *object = report_object(trace, event->object);
    fprintf(out, " %10.3f %5zu  %-*s ", (double)event->time_ns / 1e6, index + 1, REPORT_NAME_WIDTH,
            event->name);
    switch (event->point) {
    case SP__POINT_TURN:
        if (event->what[0] == '\0' || strcmp(event->what, "receive") == 0)
            fputs(event->what[0] == '\0' ? "goes on" : "receive", out);
        else
            fprintf(out, "handles %s", event->what);
        break;
    case SP__POINT_SEND:
        fprintf(out, "%s --> %s", event->what, object == NULL ? "somebody who is gone" : object);
        break;
    case SP__POINT_REPLY:
        fprintf(out, "replies to %s", object == NULL ? "somebody who is gone" : object);
        break;
    case SP__POINT_PROCESS:
        fprintf(out, "%s %s", event->what, object == NULL ? "somebody who is gone" : object);
        break;
    case SP__POINT_TIMERS:
        fputs("what is due fires", out);
        break;
    case SP__POINT_MAIN:
        fputs("goes on", out);
        break;
    default:
        fputs(event->what, out);
        break;
    }
    fputs(event->left_reference ? "    <== goes first\n" : "\n", out);
}

static void report_story(FILE *out, const struct sim_trace *trace)
{
    fprintf(out, "\n %10s %5s  %-*s %s\n", "ms", "step", REPORT_NAME_WIDTH, "process", "does");
    for (size_t i = 0; i < trace->count; i++) {
        if (trace->count > REPORT_EVENTS_MAX && i == REPORT_EVENTS_MAX / 2) {
            fprintf(out, " %10s %5s  (%zu steps are left out here)\n", "", "",
                    trace->count - REPORT_EVENTS_MAX);
            i = trace->count - REPORT_EVENTS_MAX / 2;
        }
        report_event(out, trace, i);
    }
}

static void report_decisions(FILE *out, const struct sim_report *report)
{
    const struct sim_schedule *schedule = report->schedule;
    if (schedule->count == 0) {
        fputs("why   it fails under the reference schedule, in which nobody is overtaken\n", out);
        return;
    }
    for (size_t i = 0; i < schedule->count; i++) {
        const struct sim_choice *choice = &schedule->choices[i];
        if (choice->kind != SP__CHOICE_TASK) {
            fprintf(out, "%s %s: number %" PRIu64 " of %s is %" PRIu64 "\n",
                    i == 0 ? "why  " : "and  ", sim_choice_name(choice->kind), choice->step + 1,
                    report_task(report->trace, choice->at), choice->to);
            continue;
        }
        fprintf(out, "%s %s goes before step %" PRIu64 " of %s\n", i == 0 ? "why  " : "and  ",
                report_task(report->trace, choice->to), choice->step + 1,
                report_task(report->trace, choice->at));
    }
    fputs(schedule->count == 1 ? "      without that the run passes\n"
                               : "      without any one of these the run passes\n",
          out);
}

void sim_report_print(FILE *out, const struct sim_report *report)
{
    const struct sim_result *result = report->result;
    fprintf(out, "FAIL  %s (%s:%d): %s\n", report->test->name, report->test->file,
            report->test->line, result->text);
    if (result->file[0] != '\0')
        fprintf(out, "at    %s:%d\n", result->file, result->line);
    if (report->file != NULL)
        fprintf(out, "again %s --replay %s\n", report->program, report->file);
    fprintf(out,
            "found by %s in schedule %" PRIu64 ", shrunk from %zu decisions to %zu in %" PRIu64
            " runs; hash %016" PRIx64 "\n",
            report->found, report->schedules, report->choices_before, report->schedule->count,
            report->shrink_runs, result->hash);
    report_story(out, report->trace);
    fprintf(out, " %10s %5s  XX %s\n\n", "", "", result->text);
    report_decisions(out, report);
}
