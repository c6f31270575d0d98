/* The story of a failing run: which of its steps matter, and what each says.
 *
 * What matters: the two steps that raced, decisions, the failing step, what transactions sent that
 * cannot have been one after the other, what the processes of those did to each other meanwhile, and
 * whose calls wait in a circle. Where no pair of steps explains
 * the failure, what the machines told each other after the first fault. The rest is folded away;
 * files have all of it.
 *
 * Threads: one. Neighbours: trace.h, races.h, report.c (text), svg.c, lines.c (JSON).
 */
#ifndef SPAWNED_SIM_STORY_H
#define SPAWNED_SIM_STORY_H

#include "sim/races.h"
#include "sim/source.h"

enum {
    SIM_STORY_TEXT = 96,
    SIM_STORY_STEPS = 18, /* a longer one is cut down to what is at its heart */
    SIM_STORY_TOLD = 24,  /* the same of one that is told around its faults */
};

struct sim_story {
    const struct sim_trace *trace;
    const struct sim_races *races;
    struct sim_sources sources;
    uint32_t *shown; /* events, in order */
    size_t shown_count;
    uint32_t *lanes; /* that have columns, in the order they are first seen */
    size_t lane_count;
    bool *marked; /* by lane: is one of them */
    bool *kept;   /* by event: is shown */
};

/** Choose, and give the lanes of `trace` names that tell them apart. Errors: NOMEM. Ownership: sim_story_finish(). Context: the main thread. */
SP_NODISCARD sp_err sim_story_make(struct sim_trace *trace, const struct sim_races *races,
                                   struct sim_story *out) SP_NONNULL;
void sim_story_finish(struct sim_story *story) SP_NONNULL;

/** What the event does, without whom it does it to: "read 1", "answers 3", "ends". */
const char *sim_story_text(const struct sim_trace *trace, uint32_t event, char text[SIM_STORY_TEXT])
    SP_NONNULL;

/** The whole sentence: "read 1 --> counter". */
const char *sim_story_sentence(const struct sim_trace *trace, uint32_t event,
                               char text[2 * SIM_STORY_TEXT]) SP_NONNULL;

/** Name of a lane; with its node's, where there are several. The stored one is the same in every
 *  build; the other says more once a story was made: a plain process by its function. */
const char *sim_story_stored_name(const struct sim_trace *trace, uint32_t lane,
                                  char text[2 * SIM_STORY_TEXT]) SP_NONNULL;
const char *sim_story_name(const struct sim_trace *trace, uint32_t lane,
                           char text[2 * SIM_STORY_TEXT]) SP_NONNULL;

/** The same without the node's. */
const char *sim_story_own_name(const struct sim_lane *lane) SP_NONNULL;

/** The line of the operation an event begins with. NULL: unknown, or the library's own. */
const struct sim_place *sim_story_place(const struct sim_story *story, uint32_t event) SP_NONNULL;

/** The number of what `event` raced with, or 0; from 1, as steps are numbered. */
uint32_t sim_story_rival(const struct sim_story *story, uint32_t event) SP_NONNULL;

/** Does it go to another lane, as an arrow? */
bool sim_story_arrow(const struct sim_event *event) SP_NONNULL;

#endif
