#include "sim/detect.h"

#include "sim/memory.h"
#include "sim/options.h"
#include "sim/story.h"

#include <inttypes.h>
#include <stdio.h>

static void twin_trace(const struct sim_plan *plan, struct sim_trace *trace)
{
    struct sim_plan told = *plan;
    struct sim_result result;
    *trace = (struct sim_trace){ .count = 0 };
    told.trace = trace;
    if (sim_run(&told, &result) != SP_OK)
        sim_no_memory();
    sim_schedule_finish(&result.schedule);
}

static void twin_print(const char *which, const struct sim_trace *trace, uint32_t index)
{
    char name[2 * SIM_STORY_TEXT];
    char sentence[2 * SIM_STORY_TEXT];
    if (index >= trace->count) {
        printf("      %s run: is over\n", which);
        return;
    }
    const struct sim_event *event = &trace->events[index];
    printf("      %s run: %.3f ms, %s, %s\n", which, (double)event->time_ns / 1e6,
           sim_story_name(trace, event->lane, name), sim_story_sentence(trace, index, sentence));
}

/* Where the two runs part. */
static void twin_report(const struct sim_plan *plan)
{
    struct sim_trace first;
    struct sim_trace second;
    twin_trace(plan, &first);
    sim_memory_shift(12345);
    twin_trace(plan, &second);
    sim_memory_shift(0);
    uint32_t index = 0;
    while (index < first.count && index < second.count &&
           first.events[index].task == second.events[index].task &&
           first.events[index].object == second.events[index].object &&
           first.events[index].time_ns == second.events[index].time_ns)
        index++;
    printf("FAIL  %s (%s:%d): two runs of the same schedule are not the same\n", plan->test->name,
           plan->test->file, plan->test->line);
    printf("      they part at step %" PRIu32 ":\n", index + 1);
    twin_print("first ", &first, index);
    twin_print("second", &second, index);
    sim_trace_finish(&first);
    sim_trace_finish(&second);
}

bool sim_detect_twin(const struct sim_plan *plan, const struct sim_result *result, uint64_t nth)
{
    struct sim_plan again = { .test = plan->test,
                              .seed = plan->seed,
                              .schedule = &result->schedule };
    struct sim_result second;
    sim_memory_shift(1 + (size_t)(nth * 4099 % 65536));
    sp_err err = sim_run(&again, &second);
    sim_memory_shift(0);
    if (err != SP_OK)
        sim_no_memory();
    sim_schedule_finish(&second.schedule);
    if (second.hash == result->hash && second.failed == result->failed)
        return true;
    sim_silence(false);
    twin_report(&again);
    return false;
}
