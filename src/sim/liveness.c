#include "sim/liveness.h"

#include "base/alloc.h"
#include "process/process.h"
#include "sim/inside.h"
#include "sim/memory.h"

#include <stdio.h>
#include <string.h>

enum {
    LASSO_TURNS_MIN = 3,  /* what repeats has come so often at least */
    LASSO_LINES_MAX = 16, /* of it are told */
    LIVENESS_HOT_SHARE = 8,
    LIVENESS_STEPS_MAX = 1000000,
};

/* ---- obligations ---- */

static struct sim_owed *owed_find(struct sim_liveness *live, const char *what,
                                  const struct sp__host *host)
{
    for (size_t i = 0; i < live->owed_count; i++) {
        struct sim_owed *owed = &live->owed[i];
        if (owed->count != 0 && owed->host == host && strcmp(owed->what, what) == 0)
            return owed;
    }
    return NULL;
}

static struct sim_owed *owed_place(struct sim_liveness *live)
{
    for (size_t i = 0; i < live->owed_count; i++)
        if (live->owed[i].count == 0)
            return &live->owed[i];
    return live->owed_count == SIM_OWED_MAX ? NULL : &live->owed[live->owed_count++];
}

void sim_owed(struct sp_sim *s, const char *what, bool begin, const char *file, int line)
{
    const struct sp__task *task = sp__world_running(s->world);
    const struct sp__host *host = task == NULL ? NULL : task->host;
    struct sim_owed *owed = owed_find(&s->live, what, host);
    if (owed != NULL) {
        owed->count = begin ? owed->count + 1 : owed->count - 1;
        return;
    }
    if (!begin)
        return;
    owed = owed_place(&s->live);
    if (owed == NULL) {
        sim_fail(s, "more than %d obligations are open", SIM_OWED_MAX);
        return;
    }
    *owed = (struct sim_owed){ .what = what,
                               .file = file,
                               .line = line,
                               .count = 1,
                               .host = host,
                               .since = sp__world_now(s->world),
                               .fair_since = s->live.fair_steps };
    if (task != NULL)
        sim_task_name(s, task, owed->name);
}

void sim_owed_void(struct sp_sim *s, const struct sp__host *host)
{
    for (size_t i = 0; i < s->live.owed_count; i++)
        if (s->live.owed[i].host == host)
            s->live.owed[i].count = 0;
}

static void owed_fail(struct sp_sim *s, const struct sim_owed *owed, const char *how)
{
    if (s->result->failed)
        return;
    (void)snprintf(s->result->file, sizeof(s->result->file), "%s", owed->file);
    s->result->line = owed->line;
    sim_fail(s, "\"%s\" was begun by %s at %.3f ms and %s", owed->what,
             owed->name[0] == '\0' ? "the body" : owed->name, (double)owed->since / 1e6, how);
}

/* ---- what the body demands ---- */

void sp_sim_eventually(sp_sim *s, const char *name, bool (*holds)(sp_sim *s, void *arg), void *arg,
                       sp_duration within)
{
    if (s->live.eventually_count == SIM_EVENTUALLY_MAX)
        sp_sim_fail(s, "more than %d of sp_sim_eventually()", SIM_EVENTUALLY_MAX);
    s->live.eventually[s->live.eventually_count++] =
        (struct sim_eventually){ .name = name, .holds = holds, .arg = arg, .within = within.ns };
}

void sim_eventually_again(struct sp_sim *s)
{
    for (size_t i = 0; i < s->live.eventually_count; i++)
        s->live.eventually[i].held = false;
}

static void eventually_look(struct sp_sim *s)
{
    int64_t now = sp__world_now(s->world);
    if (now < s->swarm.mended)
        return; /* INT64_MAX: something is not mended */
    for (size_t i = 0; i < s->live.eventually_count; i++) {
        struct sim_eventually *one = &s->live.eventually[i];
        if (one->held)
            continue;
        one->held = one->holds(s, one->arg);
        if (!one->held && now - s->swarm.mended > one->within)
            sim_fail(s, "\"%s\" has not come true %lld ms after the last fault", one->name,
                     (long long)(one->within / SP_NS_PER_MS));
    }
}

/* ---- both ---- */

void sim_liveness_stepped(struct sp_sim *s)
{
    struct sim_liveness *live = &s->live;
    if (live->eventually_count > 0)
        eventually_look(s);
    if (!live->fair)
        return;
    live->fair_steps++;
    for (size_t i = 0; i < live->owed_count; i++)
        if (live->owed[i].count != 0 &&
            live->fair_steps - live->owed[i].fair_since > live->hot_max) {
            char how[64];
            (void)snprintf(how, sizeof(how), "is open after %llu fair steps",
                           (unsigned long long)live->hot_max);
            owed_fail(s, &live->owed[i], how);
        }
}

void sim_liveness_judge(struct sp_sim *s)
{
    for (size_t i = 0; i < s->live.owed_count; i++)
        if (s->live.owed[i].count != 0)
            owed_fail(s, &s->live.owed[i], "never ended");
    for (size_t i = 0; i < s->live.eventually_count; i++) {
        struct sim_eventually *one = &s->live.eventually[i];
        if (!one->held && !one->holds(s, one->arg))
            sim_fail(s, "\"%s\" has not come true, and nothing is left to do", one->name);
    }
}

/* ---- the lasso ---- */

void sim_lasso_begin(struct sp_sim *s)
{
    bool inside = sim_memory_switch(false);
    s->live.laps = sp__calloc(SIM_LASSO_MAX, sizeof(struct sim_lap)); /* NULL: nothing is told */
    (void)sim_memory_switch(inside);
}

/* What the step is about: what the point said, or the message that is handled next. */
static const char *lap_what(const struct sp__task *task)
{
    if (task->what != NULL)
        return task->what;
    if (task->kind != SP__TASK_ACTOR || task->fiber != NULL ||
        !sp__process_is_server((struct sp_process *)(void *)task->actor))
        return "goes on";
    const struct sp_message *next = task->actor->direct;
    if (next == NULL)
        next = atomic_load_explicit(&task->actor->head, memory_order_relaxed);
    return next == NULL ? "goes on" : next->type->name;
}

static uint64_t lap_hash(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = sim_mix(hash, (unsigned char)*text);
    return hash;
}

void sim_lasso_step(struct sp_sim *s, const struct sp__task *task)
{
    struct sim_liveness *live = &s->live;
    if (live->lap_count == SIM_LASSO_MAX)
        return;
    struct sim_lap *lap = &live->laps[live->lap_count++];
    sim_task_name(s, task, lap->name);
    (void)snprintf(lap->what, sizeof(lap->what), "%s%.32s",
                   task->point == SP__POINT_SEND ? "sends " : "", lap_what(task));
    lap->hash = lap_hash(lap_hash(task->point, lap->name), lap->what);
}

/* The shortest period of the end that came often enough, or 0. */
static size_t lasso_period(const struct sim_lap *laps, size_t count)
{
    for (size_t period = 1; period <= count / LASSO_TURNS_MIN; period++) {
        size_t i = count - 1;
        while (i >= period && laps[i].hash == laps[i - period].hash)
            i--;
        if (count - i - 1 >= (LASSO_TURNS_MIN - 1) * period)
            return period;
    }
    return 0;
}

void sim_lasso_end(struct sp_sim *s)
{
    const struct sim_lap *laps = s->live.laps;
    char *text = s->result->detail;
    size_t size = sizeof(s->result->detail);
    size_t period = laps == NULL ? 0 : lasso_period(laps, s->live.lap_count);
    if (period == 0)
        return;
    size_t length = (size_t)snprintf(text, size, "again and again, %zu step%s:\n", period,
                                     period == 1 ? "" : "s");
    const struct sim_lap *first = &laps[s->live.lap_count - period];
    for (size_t i = 0; i < period && i < LASSO_LINES_MAX; i++)
        length += (size_t)snprintf(text + length, size - length, "      %-20.20s %.40s\n",
                                   first[i].name, first[i].what);
    if (period > LASSO_LINES_MAX)
        (void)snprintf(text + length, size - length, "      and %zu more\n",
                       period - LASSO_LINES_MAX);
}
