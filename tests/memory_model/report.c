/* An execution as a table, one line per atomic operation in an order that agrees with
 * happens-before; and what tests ask of a model. */
#include "run.h"

#include "support/test.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void report_add(struct model_result *result, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void report_add(struct model_result *result, const char *format, ...)
{
    size_t used = strlen(result->report);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->report + used, sizeof(result->report) - used, format, arguments);
    va_end(arguments);
}

const char *report_order(int order)
{
    static const char *const names[] = { "relaxed", "consume", "acquire",  "release",
                                         "acq_rel", "seq_cst", "compiler", "membarrier" };
    return names[order];
}

/* Small numbers, others in hexadecimal, places in the state as such. */
static const char *report_value(const struct run *run, uint64_t value, char text[32])
{
    uint64_t offset = value - (uint64_t)(uintptr_t)run->model->state;
    if (value == 0)
        snprintf(text, 32, "0");
    else if (offset < run->model->state_size)
        snprintf(text, 32, "state+%" PRIu64, offset);
    else
        snprintf(text, 32, value < 100000 ? "%" PRIu64 : "0x%" PRIx64, value);
    return text;
}

static int report_line_of(const struct run *run, event_ref ref)
{
    int i = 0;
    while (i < run->log_count && run->log[i] != ref)
        i++;
    return i + 1;
}

static void report_event(struct run *run, int line)
{
    struct model_result *result = run->result;
    event_ref ref = run->log[line];
    const struct event *event = graph_look(&run->graph, ref);
    const struct site *site = &run->sites[event->site];
    const char *name = strrchr(site->file, '/');
    char value[32];
    report_add(result, "%4d %-10s %s:%d %s(): ", line + 1,
               run->model->thread_names[event_thread(ref)], name != NULL ? name + 1 : site->file,
               site->line, site->function);
    if (event->kind == EVENT_FENCE) {
        report_add(result, "fence %s\n", report_order(event->order));
        return;
    }
    report_value(run, event->value, value);
    report_add(result, "%s %s %s: ", site->operation, site->operand, report_order(event->order));
    if (event->kind == EVENT_WRITE)
        report_add(result, "writes %s\n", value);
    else if (event->from == EVENT_INIT)
        report_add(result, "reads %s from the start\n", value);
    else
        report_add(result, "reads %s from %d\n", value, report_line_of(run, event->from));
}

static void report_fault(struct model_result *result, const struct model_fault *fault)
{
    report_add(result, "planted: %s of %s in %s() made %s\n", fault->operation,
               fault->operand != NULL ? fault->operand : "anything",
               fault->function != NULL ? fault->function : "any function",
               report_order((int)fault->order));
}

void report_write(struct run *run)
{
    struct model_result *result = run->result;
    report_add(result, "%s: %s\n", run->model->name, run->what);
    if (run->options->fault != NULL)
        report_fault(result, run->options->fault);
    for (int line = 0; line < run->log_count; line++)
        report_event(run, line);
}

/* ---- what tests ask ---- */

static void report_counts(const struct model *model, const struct model_result *result)
{
    printf("%s: %s: %" PRIu64 " executions (and %" PRIu64 " that wait for another), %" PRIu64
           " runs, %.2f s\n",
           model->name, result->verdict == MODEL_COMPLETE ? "complete" : "not complete",
           result->executions, result->blocked, result->runs, result->seconds);
    fflush(stdout);
}

void model_must_hold(const struct model *model)
{
    static struct model_result result;
    model_explore(model, NULL, &result);
    report_counts(model, &result);
    if (result.verdict == MODEL_FOUND) {
        printf("%s", result.report);
        fflush(stdout);
        FAIL("%s: see its execution above", model->name);
    }
    CHECK_INT(result.verdict, MODEL_COMPLETE);
    CHECK(result.executions > 0);
}

void model_must_find(const struct model *model, const struct model_fault *fault, const char *what)
{
    static struct model_result result;
    model_explore(model, &(struct model_options){ .fault = fault }, &result);
    /* An order that is not in the code any more proves nothing. */
    if (result.fault_hits == 0)
        FAIL("%s: there is no %s of %s in %s()", model->name, fault->operation,
             fault->operand != NULL ? fault->operand : "anything",
             fault->function != NULL ? fault->function : "any function");
    if (result.verdict != MODEL_FOUND) {
        report_counts(model, &result);
        FAIL("%s: the planted bug was not found", model->name);
    }
    printf("%s: found after %" PRIu64 " runs, %.2f s\n", model->name, result.runs, result.seconds);
    if (getenv("SPAWNED_MODEL_SHOW") != NULL)
        printf("%s", result.report);
    fflush(stdout);
    CHECK_CONTAINS(result.report, what);
}
