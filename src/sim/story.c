#include "sim/story.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

enum {
    STORY_PARTNERS = 4,       /* of whom a fault befell, that have columns */
    STORY_AROUND = 6,         /* steps before and after a fault of a machine: who made them */
    STORY_LANES_MAX = 2000,   /* that get numbers where their names are the same */
    STORY_SOURCES_MAX = 5000, /* steps whose lines are all looked up */
};

uint32_t sim_story_rival(const struct sim_story *story, uint32_t event)
{
    if (story->races->passing == 0)
        return 0;
    const struct sim_race *bug = &story->races->pairs[0];
    if (event == bug->first)
        return bug->second + 1;
    return event == bug->second ? bug->first + 1 : 0;
}

/* ---- what matters ---- */

static void story_mark(struct sim_story *story, uint32_t lane)
{
    if (lane != SIM_NO_LANE)
        story->marked[lane] = true;
}

static void story_keep(struct sim_story *story, uint32_t event)
{
    const struct sim_event *at = &story->trace->events[event];
    story->kept[event] = true;
    story_mark(story, at->lane);
    if (sim_story_arrow(at))
        story_mark(story, at->to);
}

/* The messages without which an event would not have been. */
static void story_keep_causes(struct sim_story *story, uint32_t event, int depth)
{
    const struct sim_event *at = &story->trace->events[event];
    for (uint32_t i = 0; i < at->cause_count && depth > 0; i++) {
        const struct sim_event *cause = &story->trace->events[at->causes[i]];
        if (cause->point != SP__POINT_SEND && cause->point != SP__POINT_REPLY)
            continue;
        story_keep(story, at->causes[i]);
        story_keep_causes(story, at->causes[i], depth - 1);
    }
}

/* Who takes what an event sent. */
static void story_keep_effects(struct sim_story *story, uint32_t event)
{
    for (uint32_t e = event + 1; e < story->trace->count; e++) {
        const struct sim_event *at = &story->trace->events[e];
        for (uint32_t i = 0; i < at->cause_count && at->took; i++)
            if (at->causes[i] == event) {
                story_keep(story, e);
                return;
            }
    }
}

static void story_keep_heart(struct sim_story *story)
{
    const struct sim_trace *trace = story->trace;
    if (story->races->passing != 0) {
        const uint32_t two[] = { story->races->pairs[0].first, story->races->pairs[0].second };
        for (size_t i = 0; i < 2; i++) {
            story_keep(story, two[i]);
            story_keep_causes(story, two[i], 2);
            story_keep_effects(story, two[i]);
        }
    }
    for (uint32_t lane = 0; lane < trace->lane_count; lane++)
        if (trace->lanes[lane].waits_for != SIM_NO_LANE && trace->lanes[lane].alive) {
            story_mark(story, lane);
            story_mark(story, trace->lanes[lane].waits_for);
        }
    for (size_t i = 0; i < trace->matter_count; i++) {
        story_keep(story, trace->matters[i]);
        story_keep_effects(story, trace->matters[i]);
    }
    for (uint32_t e = 0; e < trace->count; e++)
        if (trace->events[e].left_reference)
            story_keep(story, e);
}

/* Does what the event does concern those who have columns, and is it worth a line? */
static bool story_concerns(const struct sim_story *story, const struct sim_event *event)
{
    if (event->kind == SP__TASK_NET)
        return event->carries && event->to != SIM_NO_LANE && story->marked[event->to];
    if (!story->marked[event->lane])
        return false;
    if (sim_story_arrow(event))
        return event->to != SIM_NO_LANE && story->marked[event->to];
    if (event->point == SP__POINT_TURN)
        return event->took;
    return event->point == SP__POINT_NAME;
}

/* The first message of one of the two that race. */
static uint32_t story_first_message(const struct sim_story *story)
{
    const struct sim_trace *trace = story->trace;
    if (story->races->passing == 0)
        return UINT32_MAX;
    uint32_t one = trace->events[story->races->pairs[0].first].lane;
    uint32_t other = trace->events[story->races->pairs[0].second].lane;
    for (uint32_t e = 0; e < trace->count; e++) {
        const struct sim_event *event = &trace->events[e];
        if ((event->lane == one || event->lane == other) && event->point == SP__POINT_SEND &&
            event->to != SIM_NO_LANE && story->marked[event->to])
            return e;
    }
    return UINT32_MAX;
}

/* The first step of whom of those with columns was born last; or before, where what matters
 * began before. */
static uint32_t story_begin(const struct sim_story *story)
{
    uint32_t begin = 0;
    uint32_t message = story_first_message(story);
    for (uint32_t e = 0; e < story->trace->count; e++) {
        const struct sim_event *event = &story->trace->events[e];
        if (event->step == 0 && story->marked[event->lane] && event->kind == SP__TASK_ACTOR)
            begin = e;
    }
    begin = message < begin ? message : begin;
    for (uint32_t e = 0; e < begin; e++)
        if (story->kept[e])
            return e;
    return begin;
}

static size_t story_count(const struct sim_story *story)
{
    size_t count = 0;
    for (size_t e = 0; e < story->trace->count; e++)
        count += story->kept[e];
    return count;
}

/* Where the last of the heart's steps is, and 1. */
static uint32_t story_end(const struct sim_story *story)
{
    uint32_t end = (uint32_t)story->trace->count;
    while (end > 0 && !story->kept[end - 1])
        end--;
    return end;
}

/* Take from `more`, within [from, to), until `added` are few enough. */
static size_t story_thin(bool *more, uint32_t from, uint32_t to, size_t added, size_t room)
{
    for (uint32_t e = from; e < to && added > room; e++)
        if (more[e]) {
            more[e] = false;
            added--;
        }
    return added;
}

/* Between the heart's steps, and a little around them, whatever concerns those with columns. */
static void story_keep_around(struct sim_story *story)
{
    const struct sim_trace *trace = story->trace;
    uint32_t begin = story_begin(story);
    uint32_t end = story_end(story);
    size_t heart = story_count(story);
    size_t room = heart < SIM_STORY_STEPS ? SIM_STORY_STEPS - heart : 0;
    bool *more = sp__calloc(trace->count + 1, sizeof(bool));
    size_t added = 0;
    if (more == NULL)
        return; /* the heart alone is a story, too */
    for (uint32_t e = begin; e < trace->count; e++) {
        more[e] = !story->kept[e] && story_concerns(story, &trace->events[e]);
        added += more[e];
    }
    /* Those behind the heart go first. */
    added = story_thin(more, end, (uint32_t)trace->count, added, room);
    (void)story_thin(more, begin, end, added, room);
    for (uint32_t e = begin; e < trace->count; e++)
        story->kept[e] = story->kept[e] || more[e];
    sp__free(more);
}

/* A step that only goes on, where a mark is not on it, gives its place to the next one. */
static void story_drop_idle(struct sim_story *story)
{
    const struct sim_trace *trace = story->trace;
    for (uint32_t e = 0; e < trace->count; e++) {
        const struct sim_event *event = &trace->events[e];
        bool idle = (event->point == SP__POINT_TURN && !event->took) ||
                    event->point == SP__POINT_MAIN || event->point == SP__POINT_YIELD;
        if (!story->kept[e] || !idle || sim_story_rival(story, e) != 0 || event->left_reference ||
            e + 1 == trace->count)
            continue;
        story->kept[e] = false;
    }
}

/* ---- where a fault is the reason, or machines talked ---- */

/* Whom the fault befell, or 0: a machine. */
static uint64_t told_victim(const struct sim_told *told)
{
    if (told->fault.kind == SP__CHOICE_KILL)
        return told->fault.to;
    return told->fault.kind == SP__CHOICE_MEMORY ? told->fault.at : 0;
}

/* Is it the one with this label, or who was there in its place before, or after it? */
static bool told_is(const struct sim_trace *trace, uint32_t lane, uint64_t victim)
{
    const struct sim_lane *at = lane == SIM_NO_LANE ? NULL : &trace->lanes[lane];
    for (size_t i = 0; at != NULL && i < trace->lane_count; i++) {
        const struct sim_lane *it = &trace->lanes[i];
        if (it->task == victim)
            return it == at || (strcmp(it->name, at->name) == 0 && strcmp(it->node, at->node) == 0);
    }
    return false;
}

/* The other end of an arrow to or from the victim, or SIM_NO_LANE. */
static uint32_t told_partner(const struct sim_trace *trace, const struct sim_event *event,
                             uint64_t victim)
{
    bool process = event->kind == SP__TASK_ACTOR || event->kind == SP__TASK_MAIN;
    if (!process || !sim_story_arrow(event) || event->to == SIM_NO_LANE)
        return SIM_NO_LANE;
    if (told_is(trace, event->lane, victim))
        return event->to;
    return told_is(trace, event->to, victim) ? event->lane : SIM_NO_LANE;
}

/* Mark who had to do with the victim, those first who had shortly before, then after. */
static void told_mark_partners(struct sim_story *story, const struct sim_told *told)
{
    const struct sim_trace *trace = story->trace;
    uint64_t victim = told_victim(told);
    size_t partners = 0;
    for (uint32_t lane = 0; lane < trace->lane_count; lane++)
        if (told_is(trace, lane, victim))
            story_mark(story, lane);
    for (size_t i = 0; i < trace->count && partners < STORY_PARTNERS; i++) {
        size_t e = i < told->event ? told->event - 1 - i : i;
        uint32_t lane = told_partner(trace, &trace->events[e], victim);
        if (lane == SIM_NO_LANE || story->marked[lane])
            continue;
        story_mark(story, lane);
        partners++;
    }
}

/* Of a machine: those who did something around it. */
static void told_mark_around(struct sim_story *story, const struct sim_told *told)
{
    const struct sim_trace *trace = story->trace;
    size_t from = told->event < STORY_AROUND ? 0 : told->event - STORY_AROUND;
    for (size_t e = from; e < told->event + STORY_AROUND && e < trace->count; e++)
        if (trace->events[e].kind == SP__TASK_ACTOR)
            story_mark(story, trace->events[e].lane);
}

static void told_mark(struct sim_story *story)
{
    const struct sim_trace *trace = story->trace;
    for (size_t i = 0; i < trace->told_count; i++)
        if (told_victim(&trace->told[i]) != 0)
            told_mark_partners(story, &trace->told[i]);
        else if (!trace->several_nodes)
            told_mark_around(story, &trace->told[i]);
}

/* Where the run first left what it is without a fault and a decision, or 0. */
static uint32_t told_begin(const struct sim_story *story)
{
    const struct sim_trace *trace = story->trace;
    uint32_t begin = 0;
    while (begin < trace->count && !trace->events[begin].left_reference)
        begin++;
    if (trace->told_count != 0 && trace->told[0].event < begin)
        begin = (uint32_t)trace->told[0].event;
    return begin < trace->count ? begin : 0;
}

static bool told_alike(const struct sim_event *a, const struct sim_event *b)
{
    size_t size = a->value.size < SIM_VALUE_MAX ? a->value.size : SIM_VALUE_MAX;
    return a->value.size == b->value.size && memcmp(a->value.bytes, b->value.bytes, size) == 0 &&
           a->point == b->point && strcmp(a->what, b->what) == 0;
}

/* From the same one to the same one? Of machines, on whatever connection. */
static bool told_same_way(const struct sim_trace *trace, const struct sim_event *a,
                          const struct sim_event *b)
{
    const struct sim_lane *one = &trace->lanes[a->lane];
    const struct sim_lane *other = &trace->lanes[b->lane];
    if (a->kind != SP__TASK_NET)
        return a->lane == b->lane && a->to == b->to;
    return b->carries && strcmp(one->node, other->node) == 0 &&
           strcmp(one->to_node, other->to_node) == 0;
}

/* What was told before on the same way; or UINT32_MAX. */
static uint32_t told_before(const struct sim_trace *trace, uint32_t event)
{
    for (uint32_t e = event; e > 0; e--)
        if (told_same_way(trace, &trace->events[event], &trace->events[e - 1]))
            return e - 1;
    return UINT32_MAX;
}

/* Who asks again and again is told twice. */
static bool told_twice(const struct sim_trace *trace, uint32_t event)
{
    uint32_t last = told_before(trace, event);
    if (last == UINT32_MAX || !told_alike(&trace->events[event], &trace->events[last]))
        return false;
    last = told_before(trace, last);
    return last != UINT32_MAX && told_alike(&trace->events[event], &trace->events[last]);
}

/* Keep it, if there is anything to tell that is new. */
static size_t told_keep(struct sim_story *story, uint32_t event)
{
    const struct sim_event *at = &story->trace->events[event];
    if (story->kept[event] || (!at->carries && !story_concerns(story, at)) ||
        told_twice(story->trace, event))
        return 0;
    story->kept[event] = true;
    return 1;
}

/* The last before the end, some before the first fault, and as many after it as there is room
 * for. */
static void story_keep_told(struct sim_story *story)
{
    uint32_t count = (uint32_t)story->trace->count;
    told_mark(story);
    uint32_t begin = told_begin(story);
    size_t kept = 0;
    for (uint32_t e = count; e > begin && kept < SIM_STORY_TOLD / 4; e--)
        kept += told_keep(story, e - 1);
    for (uint32_t e = begin; e > 0 && kept < SIM_STORY_TOLD / 2; e--)
        kept += told_keep(story, e - 1);
    for (uint32_t e = begin; e < count && kept < SIM_STORY_TOLD; e++)
        kept += told_keep(story, e);
    for (uint32_t e = begin; e > 0 && kept < SIM_STORY_TOLD; e--)
        kept += told_keep(story, e - 1);
}

/* Is it told by what happened around the faults and between machines? Else by what those did
 * whose steps are at the heart. */
static bool story_is_told(const struct sim_story *story)
{
    return story->races->passing == 0 &&
           (story->trace->told_count != 0 || story->trace->several_nodes);
}

static sp_err story_list(struct sim_story *story)
{
    const struct sim_trace *trace = story->trace;
    story->shown = sp__calloc(story_count(story) + 1, sizeof(*story->shown));
    story->lanes = sp__calloc(trace->lane_count + 1, sizeof(*story->lanes));
    bool *seen = sp__calloc(trace->lane_count + 1, sizeof(bool));
    if (story->shown == NULL || story->lanes == NULL || seen == NULL) {
        sp__free(seen);
        return SP_ERR_NOMEM;
    }
    for (uint32_t e = 0; e < trace->count; e++) {
        if (!story->kept[e])
            continue;
        story->shown[story->shown_count++] = e;
        seen[trace->events[e].lane] = true;
        if (sim_story_arrow(&trace->events[e]) && trace->events[e].to != SIM_NO_LANE)
            seen[trace->events[e].to] = true;
    }
    for (uint32_t lane = 0; lane < trace->lane_count; lane++)
        if (seen[lane])
            story->lanes[story->lane_count++] = lane;
    sp__free(seen);
    return SP_OK;
}

/* An address that is looked up as the return address of its first instruction would be. */
static void *lane_inside(const struct sim_lane *lane)
{
    return (char *)(uintptr_t)lane->entry + 1;
}

/* Of all steps, for the files have all; of a long run, of those that are told. */
static void story_find_sources(struct sim_story *story)
{
    const struct sim_trace *trace = story->trace;
    bool all = trace->count <= STORY_SOURCES_MAX;
    size_t events = all ? trace->count : story->shown_count;
    size_t count = 0;
    void **frames =
        sp__calloc((events + 2 * trace->lane_count + 1) * SIM_FRAMES_MAX, sizeof(*frames));
    if (frames == NULL)
        return; /* without places, then */
    for (size_t i = 0; i < events; i++) {
        const struct sim_event *event = &trace->events[all ? i : story->shown[i]];
        for (int frame = 0; frame < event->frame_count; frame++)
            frames[count++] = event->frames[frame];
    }
    for (size_t lane = 0; lane < trace->lane_count; lane++)
        for (int frame = 0; trace->lanes[lane].alive && frame < trace->lanes[lane].frame_count;
             frame++)
            frames[count++] = trace->lanes[lane].frames[frame];
    for (size_t lane = 0; lane < trace->lane_count; lane++)
        if (trace->lanes[lane].entry != NULL)
            frames[count++] = lane_inside(&trace->lanes[lane]);
    sim_sources_find(&story->sources, frames, count);
    sp__free(frames);
}

static bool lanes_alike(const struct sim_lane *a, const struct sim_lane *b)
{
    return strcmp(a->node, b->node) == 0 &&
           strcmp(sim_story_own_name(a), sim_story_own_name(b)) == 0;
}

/* A plain process without a name or a label is called by its function. */
static void lane_call(const struct sim_story *story, struct sim_lane *lane)
{
    void *inside = lane->entry == NULL ? NULL : lane_inside(lane);
    const struct sim_place *place =
        inside == NULL ? NULL : sim_sources_place(&story->sources, &inside, 1);
    lane->shown[0] = '\0';
    if (place != NULL && strcmp(lane->name, "process") == 0)
        (void)snprintf(lane->shown, sizeof(lane->shown), "%.*s", SIM_NAME_MAX - 1, place->function);
}

/* Those who would have the same name get numbers, unless there are too many to compare. */
static void lanes_number(struct sim_trace *trace)
{
    if (trace->lane_count > STORY_LANES_MAX)
        return;
    for (size_t i = 0; i < trace->lane_count; i++) {
        unsigned number = 1;
        struct sim_lane first = trace->lanes[i];
        for (size_t k = i + 1; k < trace->lane_count; k++) {
            struct sim_lane *lane = &trace->lanes[k];
            if (lane->name[0] == '\0' || !lanes_alike(lane, &first))
                continue;
            (void)snprintf(lane->shown, sizeof(lane->shown), "%.*s %u", SIM_NAME_MAX - 12,
                           sim_story_own_name(&first), ++number);
        }
        if (number > 1)
            (void)snprintf(trace->lanes[i].shown, sizeof(first.shown), "%.*s 1", SIM_NAME_MAX - 12,
                           sim_story_own_name(&first));
    }
}

sp_err sim_story_make(struct sim_trace *trace, const struct sim_races *races, struct sim_story *out)
{
    *out = (struct sim_story){ .trace = trace, .races = races };
    out->kept = sp__calloc(trace->count + 1, sizeof(bool));
    out->marked = sp__calloc(trace->lane_count + 1, sizeof(bool));
    sp_err err = out->kept == NULL || out->marked == NULL ? SP_ERR_NOMEM : SP_OK;
    if (err == SP_OK) {
        story_keep_heart(out);
        if (story_is_told(out))
            story_keep_told(out);
        else
            story_keep_around(out);
        story_drop_idle(out);
        err = story_list(out);
    }
    if (err != SP_OK) {
        sim_story_finish(out);
        return err;
    }
    story_find_sources(out);
    for (size_t lane = 0; lane < trace->lane_count; lane++)
        lane_call(out, &trace->lanes[lane]);
    lanes_number(trace);
    return SP_OK;
}

void sim_story_finish(struct sim_story *story)
{
    sim_sources_finish(&story->sources);
    sp__free(story->shown);
    sp__free(story->lanes);
    sp__free(story->marked);
    sp__free(story->kept);
    *story = (struct sim_story){ .trace = story->trace };
}
