#include "sim/script.h"

static uint64_t script_key(uint64_t task, uint64_t step)
{
    return task ^ (step * UINT64_C(0x9e3779b97f4a7c15));
}

void sim_script_init(struct sim_script *script)
{
    *script = (struct sim_script){ .count = 0 };
    sp__map_init(&script->positions, (struct sp__hash_seed){ 0 });
}

void sim_script_finish(struct sim_script *script)
{
    sp__map_finish(&script->positions);
    script->count = 0;
}

sp_err sim_script_add(struct sim_script *script, uint64_t task, uint64_t step)
{
    script->count++;
    /* A number in a pointer's place. */
    return sp__map_put(&script->positions, script_key(task, step),
                       (void *)script->count); /* NOLINT(performance-no-int-to-ptr) */
}

static size_t script_position(const struct sim_script *script, const struct sp__task *task)
{
    return (size_t)sp__map_get(&script->positions, script_key(task->label, task->steps));
}

size_t sim_script_choose(const struct sim_script *script, struct sp__task *const *tasks,
                         size_t count, size_t reference)
{
    size_t chosen = reference;
    size_t first = 0;
    for (size_t i = 0; i < count; i++) {
        size_t position = script_position(script, tasks[i]);
        if (position != 0 && (first == 0 || position < first)) {
            first = position;
            chosen = i;
        }
    }
    /* A timer that is not due would never go before somebody the script does not know. */
    if (first != 0 && tasks[chosen]->kind == SP__TASK_TIMERS &&
        script_position(script, tasks[reference]) == 0)
        return reference;
    return chosen;
}
