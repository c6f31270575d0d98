#include "sim/story.h"

#include "base/alloc.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    STORY_FAULT_STEPS = 2,    /* that are told before a fault, and behind it */
    STORY_LANES_MAX = 2000,   /* that get numbers where their names are the same */
    STORY_SOURCES_MAX = 5000, /* steps whose lines are all looked up */
};

/* ---- words ---- */

const char *sim_story_own_name(const struct sim_lane *lane)
{
    return lane->shown[0] != '\0' ? lane->shown : lane->name;
}

static const char *lane_text(const struct sim_trace *trace, uint32_t lane, bool stored,
                             char text[2 * SIM_STORY_TEXT])
{
    if (lane == SIM_NO_LANE || trace->lanes[lane].name[0] == '\0')
        return strcpy(text, "somebody who is gone");
    const struct sim_lane *at = &trace->lanes[lane];
    const char *name = stored ? at->name : sim_story_own_name(at);
    bool of_machine = at->kind != SP__TASK_MAIN && at->kind != SP__TASK_NET;
    if (trace->several_nodes && of_machine && at->node[0] != '\0')
        (void)snprintf(text, 2 * SIM_STORY_TEXT, "%s/%s", at->node, name);
    else
        (void)snprintf(text, 2 * SIM_STORY_TEXT, "%s", name);
    return text;
}

const char *sim_story_name(const struct sim_trace *trace, uint32_t lane,
                           char text[2 * SIM_STORY_TEXT])
{
    return lane_text(trace, lane, false, text);
}

const char *sim_story_stored_name(const struct sim_trace *trace, uint32_t lane,
                                  char text[2 * SIM_STORY_TEXT])
{
    return lane_text(trace, lane, true, text);
}

static bool bytes_are_text(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((bytes[i] < ' ' || bytes[i] > '~') && bytes[i] != '\n' && bytes[i] != '\r' &&
            bytes[i] != '\t')
            return false;
    return true;
}

/* The first bytes of what went over the network: "as text", or 61 73 20. */
static void heard_text(const struct sim_value *value, char text[SIM_STORY_TEXT])
{
    size_t size = value->size < SIM_VALUE_MAX ? value->size : SIM_VALUE_MAX;
    bool words = bytes_are_text(value->bytes, size);
    struct sp__text out;
    sp__text_init(&out, text, SIM_STORY_TEXT);
    if (words)
        sp__text_add_quoted(&out, value->bytes, size);
    for (size_t i = 0; i < size && !words; i++)
        sp__text_add(&out, "%s%02x", i == 0 ? "" : " ", value->bytes[i]);
    if (size < value->size)
        sp__text_add(&out, ".. %u bytes", value->size);
}

/* A small number says something; a struct or an address does not. */
static void value_text(const struct sim_value *value, char *text, size_t size)
{
    int64_t number = 0;
    text[0] = '\0';
    if (value->size == 4) {
        int32_t small;
        memcpy(&small, value->bytes, sizeof(small));
        number = small;
    } else if (value->size == 8) {
        memcpy(&number, value->bytes, sizeof(number));
    } else if (value->size == 2) {
        int16_t small;
        memcpy(&small, value->bytes, sizeof(small));
        number = small;
    } else {
        return;
    }
    if (number > -1000000000 && number < 1000000000)
        (void)snprintf(text, size, " %" PRId64, number);
}

/* Whose name has this hash, of those that are in the trace; "" where nobody's. */
static const char *name_text(const struct sim_trace *trace, const struct sim_event *event)
{
    for (size_t i = 0; i < trace->lane_count; i++)
        if (trace->lanes[i].name_object == event->object)
            return sim_story_own_name(&trace->lanes[i]);
    return "";
}

static const char *spawned_text(const struct sim_trace *trace, uint32_t event)
{
    for (uint32_t i = event + 1; i < trace->count; i++)
        if (trace->events[i].step == 0 && trace->events[i].cause_count != 0 &&
            trace->events[i].causes[0] == event)
            return sim_story_own_name(&trace->lanes[trace->events[i].lane]);
    return "";
}

static const char *turn_text(const struct sim_event *event)
{
    if (event->took)
        return "takes ";
    return strncmp(event->what, "receive", 7) == 0 ? "looks for a message" : "goes on";
}

const char *sim_story_text(const struct sim_trace *trace, uint32_t index, char text[SIM_STORY_TEXT])
{
    const struct sim_event *event = &trace->events[index];
    char value[24];
    if (event->kind == SP__TASK_NET && event->value.size != 0) {
        heard_text(&event->value, text);
        return text;
    }
    value_text(&event->value, value, sizeof(value));
    switch (event->point) {
    case SP__POINT_TURN:
        (void)snprintf(text, SIM_STORY_TEXT, "%s%s%s", turn_text(event),
                       event->took ? event->what : "", event->took ? value : "");
        break;
    case SP__POINT_SEND:
        (void)snprintf(text, SIM_STORY_TEXT, "%s%s", event->what, value);
        break;
    case SP__POINT_REPLY:
        (void)snprintf(text, SIM_STORY_TEXT, "answers%s", value);
        break;
    case SP__POINT_NAME:
        (void)snprintf(text, SIM_STORY_TEXT, "%s %.40s", event->what, name_text(trace, event));
        break;
    case SP__POINT_SPAWN:
        (void)snprintf(text, SIM_STORY_TEXT, "spawns %.40s", spawned_text(trace, index));
        break;
    case SP__POINT_EXIT:
        (void)snprintf(text, SIM_STORY_TEXT, "ends");
        break;
    case SP__POINT_TIMERS:
        (void)snprintf(text, SIM_STORY_TEXT, "time is up");
        break;
    case SP__POINT_MAIN:
        (void)snprintf(text, SIM_STORY_TEXT, "goes on");
        break;
    default:
        (void)snprintf(text, SIM_STORY_TEXT, "%s", event->what);
        break;
    }
    return text;
}

bool sim_story_arrow(const struct sim_event *event)
{
    return event->point == SP__POINT_SEND || event->point == SP__POINT_REPLY ||
           event->point == SP__POINT_PROCESS || event->point == SP__POINT_TIMERS;
}

const char *sim_story_sentence(const struct sim_trace *trace, uint32_t index,
                               char text[2 * SIM_STORY_TEXT])
{
    const struct sim_event *event = &trace->events[index];
    char own[SIM_STORY_TEXT];
    char name[2 * SIM_STORY_TEXT];
    (void)sim_story_text(trace, index, own);
    if (event->kind == SP__TASK_NET && event->value.size != 0)
        (void)snprintf(text, 2 * SIM_STORY_TEXT, "%s arrives", own);
    else if (!sim_story_arrow(event) ||
             (event->to == SIM_NO_LANE && event->kind == SP__TASK_TIMERS))
        (void)snprintf(text, 2 * SIM_STORY_TEXT, "%s", own);
    else
        (void)snprintf(text, 2 * SIM_STORY_TEXT, "%s --> %.60s", own,
                       sim_story_name(trace, event->to, name));
    return text;
}

const struct sim_place *sim_story_place(const struct sim_story *story, uint32_t index)
{
    const struct sim_event *event = &story->trace->events[index];
    return sim_sources_place(&story->sources, event->frames, event->frame_count);
}

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

/* ---- what machines told each other ---- */

/* Where the run first left what it is without a fault and a decision, or 0. */
static uint32_t heard_begin(const struct sim_story *story)
{
    const struct sim_trace *trace = story->trace;
    uint32_t begin = 0;
    while (begin < trace->count && !trace->events[begin].left_reference)
        begin++;
    if (trace->told_count != 0 && trace->told[0].event < begin)
        begin = (uint32_t)trace->told[0].event;
    return begin < trace->count ? begin : 0;
}

static bool heard_alike(const struct sim_trace *trace, uint32_t one, uint32_t other)
{
    const struct sim_value *a = &trace->events[one].value;
    const struct sim_value *b = &trace->events[other].value;
    size_t size = a->size < SIM_VALUE_MAX ? a->size : SIM_VALUE_MAX;
    return a->size == b->size && memcmp(a->bytes, b->bytes, size) == 0;
}

/* What was heard before on the same way, between the same machines; or UINT32_MAX. */
static uint32_t heard_before(const struct sim_trace *trace, uint32_t event)
{
    const struct sim_lane *way = &trace->lanes[trace->events[event].lane];
    for (uint32_t e = event; e > 0; e--) {
        const struct sim_event *at = &trace->events[e - 1];
        const struct sim_lane *lane = &trace->lanes[at->lane];
        if (at->carries && strcmp(lane->node, way->node) == 0 &&
            strcmp(lane->to_node, way->to_node) == 0)
            return e - 1;
    }
    return UINT32_MAX;
}

/* Who asks again and again is told twice. */
static bool heard_twice(const struct sim_trace *trace, uint32_t event)
{
    uint32_t last = heard_before(trace, event);
    if (last == UINT32_MAX || !heard_alike(trace, event, last))
        return false;
    last = heard_before(trace, last);
    return last != UINT32_MAX && heard_alike(trace, event, last);
}

/* Tell it, if there is anything to tell that is new. */
static size_t story_keep_word(struct sim_story *story, uint32_t event)
{
    if (!story->trace->events[event].carries || story->kept[event] ||
        heard_twice(story->trace, event))
        return 0;
    story->kept[event] = true;
    return 1;
}

/* Where no order of two steps is the bug: what the machines told each other: the last words
 * before the end, those before the first fault, and as many after it as there is room for. */
static void story_keep_heard(struct sim_story *story)
{
    uint32_t count = (uint32_t)story->trace->count;
    uint32_t begin = heard_begin(story);
    size_t kept = 0;
    if (story->races->passing != 0)
        return;
    for (uint32_t e = count; e > begin && kept < SIM_STORY_HEARD / 4; e--)
        kept += story_keep_word(story, e - 1);
    for (uint32_t e = begin; e > 0 && kept < SIM_STORY_HEARD / 2; e--)
        kept += story_keep_word(story, e - 1);
    for (uint32_t e = begin; e < count && kept < SIM_STORY_HEARD; e++)
        kept += story_keep_word(story, e);
    for (uint32_t e = begin; e > 0 && kept < SIM_STORY_HEARD; e--)
        kept += story_keep_word(story, e - 1);
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

/* What is just before a fault and just behind it. */
static void story_keep_faults(struct sim_story *story)
{
    const struct sim_trace *trace = story->trace;
    if (trace->several_nodes && story->races->passing == 0)
        return; /* story_keep_heard() says more */
    for (size_t i = 0; i < trace->told_count; i++) {
        size_t at = trace->told[i].event;
        size_t from = at < STORY_FAULT_STEPS ? 0 : at - STORY_FAULT_STEPS;
        for (size_t e = from; e < at + STORY_FAULT_STEPS && e < trace->count; e++)
            story->kept[e] = true;
    }
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
        story_keep_around(out);
        story_drop_idle(out);
        story_keep_faults(out);
        story_keep_heard(out);
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
