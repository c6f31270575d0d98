/* Properties of the program under test: what spawned/property.h calls in a run.
 *
 * Threads: one. Neighbours: inside.h.
 */
#include "spawned/property.h"

#include "base/alloc.h"
#include "runtime/random.h"
#include "sim/inside.h"

#include <stdio.h>
#include <string.h>

enum {
    PROPERTY_SOMETIMES_MAX = 256,
    PROPERTY_ARMED_ODDS = 2,
};

/* Not among the data that a reset takes back. */
static struct {
    const char *what;
    uint64_t count;
} * sometimes_seen;

sp_err sim_property_start(void)
{
    sometimes_seen = sp__calloc(PROPERTY_SOMETIMES_MAX, sizeof(*sometimes_seen));
    return sometimes_seen == NULL ? SP_ERR_NOMEM : SP_OK;
}

void sim_property_finish(void)
{
    sp__free(sometimes_seen);
    sometimes_seen = NULL;
}

static void property_always_failed(const char *what, const char *file, int line)
{
    struct sp_sim *s = sim_current;
    if (s->draining)
        return;
    (void)snprintf(s->result->file, sizeof(s->result->file), "%s", file);
    s->result->line = line;
    sim_fail(s, "\"%s\" is false", what);
    sim_halt(s);
}

static void property_sometimes(bool came, const char *what, const char *file, int line)
{
    (void)file;
    (void)line;
    sim_sometimes_add(what, came);
}

void sim_sometimes_each(void (*fn)(void *arg, const char *what, uint64_t count), void *arg)
{
    for (size_t i = 0; i < PROPERTY_SOMETIMES_MAX && sometimes_seen[i].what != NULL; i++)
        fn(arg, sometimes_seen[i].what, sometimes_seen[i].count);
}

void sim_sometimes_add(const char *what, uint64_t count)
{
    size_t i = 0;
    while (i < PROPERTY_SOMETIMES_MAX && sometimes_seen[i].what != NULL &&
           strcmp(sometimes_seen[i].what, what) != 0)
        i++;
    if (i == PROPERTY_SOMETIMES_MAX)
        return;
    sometimes_seen[i].what = what;
    sometimes_seen[i].count += count;
}

void sim_sometimes_clear(void)
{
    for (size_t i = 0; i < PROPERTY_SOMETIMES_MAX; i++)
        sometimes_seen[i].count = 0;
}

static uint32_t property_choose(uint32_t count)
{
    return sp__world_draw_here(sim_current->world, SP__CHOICE_DATA, count);
}

/* Whether it is armed is the same in all of a run. */
static bool property_buggify(const char *what)
{
    struct sp_sim *s = sim_current;
    uint64_t state = sp__random_start(s->plan->seed, 6);
    for (const char *at = what; *at != '\0'; at++)
        state = sim_mix(state, (unsigned char)*at);
    s->armed = sp__random_next(&state) % PROPERTY_ARMED_ODDS == 0;
    return sp__world_draw_here(s->world, SP__CHOICE_BUGGIFY, 2) != 0;
}

static void property_eventually(const char *what, bool begin, const char *file, int line)
{
    if (!sim_current->draining)
        sim_owed(sim_current, what, begin, file, line);
}

static void property_label(const char *what)
{
    if (!sim_current->draining)
        sim_label(sim_current, what);
}

const struct sp__property_ops sim_properties = {
    .always_failed = property_always_failed,
    .sometimes = property_sometimes,
    .buggify = property_buggify,
    .eventually = property_eventually,
    .label = property_label,
    .choose = property_choose,
};
