/* A hierarchical timing wheel: see timer_wheel.h for the layout and the invariants. */
#include "runtime/timer_wheel.h"

#include <assert.h>

/* How many nodes of a slot sp__wheel_next() looks at to be exact: one far timer then costs one
 * wake-up instead of one a level. */
enum { WHEEL_LOOK = 8 };

void sp__wheel_init(struct sp__wheel *wheel, int64_t now_ns)
{
    assert(now_ns >= 0);
    *wheel = (struct sp__wheel){ .base = now_ns, .floor = now_ns };
    for (int level = 0; level < SP__WHEEL_LEVELS; level++) {
        for (int slot = 0; slot < SP__WHEEL_SLOTS; slot++)
            sp__list_init(&wheel->slots[level][slot]);
    }
}

static uint32_t wheel_digit(int64_t ns, uint32_t level)
{
    return (uint32_t)((uint64_t)ns >> (level * SP__WHEEL_BITS)) & (SP__WHEEL_SLOTS - 1);
}

/* The level of the highest digit in which the two differ; 0 if none does. */
static uint32_t wheel_level(int64_t a, int64_t b)
{
    uint64_t differing = (uint64_t)(a ^ b) | 1;
    return (63 - (uint32_t)__builtin_clzll(differing)) / SP__WHEEL_BITS;
}

static struct sp__list *wheel_slot(struct sp__wheel *wheel, uint32_t place)
{
    return &wheel->slots[(place - 1) / SP__WHEEL_SLOTS][(place - 1) % SP__WHEEL_SLOTS];
}

/* Puts the node where it belongs in the eyes of an instant that is not after it. */
static void wheel_place(struct sp__wheel *wheel, struct sp__timer_node *node, int64_t instant)
{
    int64_t expiry = node->expiry_ns > wheel->floor ? node->expiry_ns : wheel->floor;
    uint32_t level = wheel_level(expiry, instant);
    uint32_t slot = wheel_digit(expiry, level);
    node->place = 1 + level * SP__WHEEL_SLOTS + slot;
    wheel->occupied[level] |= UINT64_C(1) << slot;
    wheel->levels |= UINT32_C(1) << level;
    sp__list_push_back(&wheel->slots[level][slot], &node->link);
}

static void wheel_unplace(struct sp__wheel *wheel, struct sp__timer_node *node)
{
    assert(sp__wheel_armed(node));
    uint32_t level = (node->place - 1) / SP__WHEEL_SLOTS;
    uint32_t slot = (node->place - 1) % SP__WHEEL_SLOTS;
    node->place = 0;
    sp__list_remove(&node->link);
    if (!sp__list_empty(&wheel->slots[level][slot]))
        return;
    wheel->occupied[level] &= ~(UINT64_C(1) << slot);
    if (wheel->occupied[level] == 0)
        wheel->levels &= ~(UINT32_C(1) << level);
}

void sp__wheel_arm(struct sp__wheel *wheel, struct sp__timer_node *node, int64_t expiry_ns)
{
    assert(!sp__wheel_armed(node));
    node->expiry_ns = expiry_ns;
    wheel_place(wheel, node, wheel->base);
    wheel->count++;
}

bool sp__wheel_cancel(struct sp__wheel *wheel, struct sp__timer_node *node)
{
    if (!sp__wheel_armed(node))
        return false;
    wheel_unplace(wheel, node);
    wheel->count--;
    return true;
}

/* The place of the earliest slot that has nodes, or 0. */
static uint32_t wheel_first(const struct sp__wheel *wheel)
{
    if (wheel->levels == 0)
        return 0;
    uint32_t level = (uint32_t)__builtin_ctz(wheel->levels);
    return 1 + level * SP__WHEEL_SLOTS + (uint32_t)__builtin_ctzll(wheel->occupied[level]);
}

/* The first instant of a slot: `base` with the slot's digit, and zeros below it. */
static int64_t wheel_start(const struct sp__wheel *wheel, uint32_t place)
{
    uint32_t shift = (place - 1) / SP__WHEEL_SLOTS * SP__WHEEL_BITS;
    uint64_t slot = (place - 1) % SP__WHEEL_SLOTS;
    uint64_t above = shift + SP__WHEEL_BITS < 64
                         ? (uint64_t)wheel->base >> (shift + SP__WHEEL_BITS) << SP__WHEEL_BITS
                         : 0;
    return (int64_t)((above | slot) << shift);
}

static struct sp__timer_node *wheel_node(struct sp__list *link)
{
    return sp__container_of(link, struct sp__timer_node, link);
}

/* The earliest expiry in a slot of few nodes, else the slot's begin. */
static int64_t wheel_slot_next(const struct sp__wheel *wheel, uint32_t place)
{
    const struct sp__list *list =
        &wheel->slots[(place - 1) / SP__WHEEL_SLOTS][(place - 1) % SP__WHEEL_SLOTS];
    int64_t earliest = INT64_MAX;
    struct sp__list *at = sp__list_first(list);
    for (int i = 0; at != NULL; i++, at = sp__list_next(list, at)) {
        if (i == WHEEL_LOOK)
            return wheel_start(wheel, place);
        if (wheel_node(at)->expiry_ns < earliest)
            earliest = wheel_node(at)->expiry_ns;
    }
    return earliest;
}

int64_t sp__wheel_next(const struct sp__wheel *wheel)
{
    uint32_t place = wheel_first(wheel);
    if (wheel->cascading != 0)
        return wheel->floor;
    if (place == 0)
        return INT64_MAX;
    return place <= SP__WHEEL_SLOTS ? wheel_start(wheel, place) : wheel_slot_next(wheel, place);
}

/* Moves up to `max` nodes of the slot being cascaded to lower levels; returns how many. */
static size_t wheel_cascade(struct sp__wheel *wheel, size_t max)
{
    struct sp__list *list = wheel_slot(wheel, wheel->cascading);
    size_t moved = 0;
    for (; moved < max && !sp__list_empty(list); moved++) {
        struct sp__timer_node *node = wheel_node(list->next);
        wheel_unplace(wheel, node);
        wheel_place(wheel, node, wheel->floor);
    }
    if (sp__list_empty(list)) {
        wheel->base = wheel->floor;
        wheel->cascading = 0;
    }
    return moved;
}

/* Moves up to `max` nodes of a slot of level 0, all of one instant, to `out`. */
static size_t wheel_fire(struct sp__wheel *wheel, uint32_t place, size_t max, struct sp__list *out)
{
    struct sp__list *list = wheel_slot(wheel, place);
    size_t fired = 0;
    for (; fired < max && !sp__list_empty(list); fired++) {
        struct sp__timer_node *node = wheel_node(list->next);
        wheel_unplace(wheel, node);
        sp__list_push_back(out, &node->link);
    }
    wheel->count -= fired;
    return fired;
}

/* Begins with the earliest slot, which is at `place` and reached at `now`. The nodes of a slot with few
 * of them are placed in the eyes of the first of them, not of the slot's begin: where timers are
 * sparse, as they mostly are, one cascade is enough instead of one a level. */
static void wheel_reach(struct sp__wheel *wheel, uint32_t place, int64_t now)
{
    int64_t first =
        place <= SP__WHEEL_SLOTS ? wheel_start(wheel, place) : wheel_slot_next(wheel, place);
    wheel->floor = first < now ? first : now;
    if (place <= SP__WHEEL_SLOTS)
        wheel->base = wheel->floor;
    else
        wheel->cascading = place;
}

bool sp__wheel_advance(struct sp__wheel *wheel, int64_t now_ns, size_t max, struct sp__list *out)
{
    int64_t now = now_ns > wheel->floor ? now_ns : wheel->floor;
    while (max > 0) {
        if (wheel->cascading != 0) {
            max -= wheel_cascade(wheel, max);
            continue;
        }
        uint32_t place = wheel_first(wheel);
        if (place == 0 || wheel_start(wheel, place) > now) {
            wheel->base = now;
            wheel->floor = now;
            return false;
        }
        wheel_reach(wheel, place, now);
        if (wheel->cascading == 0)
            max -= wheel_fire(wheel, place, max, out);
    }
    return true;
}
