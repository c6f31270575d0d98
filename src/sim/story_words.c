/* A story in words: what is said of a step, a process, and of bytes that went over the network.
 *
 * Threads: one. Neighbours: story.h.
 */
#include "base/text.h"
#include "sim/story.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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
