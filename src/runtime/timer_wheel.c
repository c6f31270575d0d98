/* A hierarchical timing wheel: see timer_wheel.h for the layout and the invariants. */
#include "runtime/timer_wheel.h"

#include <assert.h>

/* How many nodes of a slot sp__wheel_next() looks at to be exact: one far timer then costs one
 * wake-up instead of one a level. And how many may fire from where they are: with half a million
 * timers a second a slot of level 2 has two, and to move each of them down to level 0 first would be
 * half of all that the wheel does. */
enum { WHEEL_LOOK = 8 };

/* Slots of the cold level whose nodes are fetched side by side; so many of each at most, which takes
 * some 100 us. A list of nodes that nobody touched for long is one miss after the other, 200 ns each
 * here; eight lists at once are 25 ns a node. */
enum { WHEEL_COLD = 3, WHEEL_AHEAD = 8, WHEEL_AHEAD_NODES = 512 };

struct wheel_level {
    uint8_t shift;       /* a slot is 1 << shift ns wide */
    uint8_t bits;        /* of the number of slots; shift + bits is the next level's shift */
    uint16_t first_slot; /* in slots[] */
    uint16_t first_word; /* in occupied[] */
};

static const struct wheel_level wheel_levels[SP__WHEEL_LEVELS] = {
    { 0, 6, 0, 0 },      { 6, 6, 64, 1 },     { 12, 8, 128, 2 },   { 20, 12, 384, 6 },
    { 32, 8, 4480, 70 }, { 40, 8, 4736, 74 }, { 48, 8, 4992, 78 }, { 56, 7, 5248, 82 },
};

void sp__wheel_init(struct sp__wheel *wheel, int64_t now_ns)
{
    assert(now_ns >= 0);
    wheel->base = now_ns;
    wheel->count = 0;
    wheel->levels = 0;
    wheel->fetched = now_ns;
    sp__list_init(&wheel->moving);
    for (int i = 0; i < SP__WHEEL_LEVELS; i++)
        wheel->summary[i] = 0;
    for (int i = 0; i < SP__WHEEL_WORDS; i++)
        wheel->occupied[i] = 0;
    /* The heads are left alone: most of their pages are never touched. */
}

/* ---- where a node is ---- */

static struct sp__list *wheel_slot(struct sp__wheel *wheel, uint32_t level, uint32_t slot)
{
    return &wheel->slots[wheel_levels[level].first_slot + slot];
}

/* The slot of an instant, were it on that level. */
static uint32_t wheel_digit(int64_t ns, uint32_t level)
{
    const struct wheel_level *at = &wheel_levels[level];
    return (uint32_t)(ns >> at->shift) & ((1u << at->bits) - 1);
}

static bool wheel_occupied(const struct sp__wheel *wheel, uint32_t level, uint32_t slot)
{
    return wheel->occupied[wheel_levels[level].first_word + slot / 64] >> (slot % 64) & 1;
}

static void wheel_occupy(struct sp__wheel *wheel, uint32_t level, uint32_t slot)
{
    wheel->occupied[wheel_levels[level].first_word + slot / 64] |= UINT64_C(1) << (slot % 64);
    wheel->summary[level] |= UINT64_C(1) << (slot / 64);
    wheel->levels |= 1u << level;
}

static void wheel_vacate(struct sp__wheel *wheel, uint32_t level, uint32_t slot)
{
    uint64_t *word = &wheel->occupied[wheel_levels[level].first_word + slot / 64];
    *word &= ~(UINT64_C(1) << (slot % 64));
    if (*word != 0)
        return;
    wheel->summary[level] &= ~(UINT64_C(1) << (slot / 64));
    if (wheel->summary[level] == 0)
        wheel->levels &= ~(1u << level);
}

/* The lowest level whose ring is longer than 2^k ns: no lower one reaches so far. */
static const uint8_t wheel_reaching[63] = {
    0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
    4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7,
};

/* The lowest level whose ring reaches from `base` to `expiry`, which is not before. */
static uint32_t wheel_level(int64_t base, int64_t expiry)
{
    uint32_t level = wheel_reaching[63 - __builtin_clzll((uint64_t)(expiry - base) | 1)];
    while ((expiry >> wheel_levels[level].shift) - (base >> wheel_levels[level].shift) >=
           INT64_C(1) << wheel_levels[level].bits)
        level++;
    return level;
}

/* The list where the node belongs by now. */
static struct sp__list *wheel_place(struct sp__wheel *wheel, struct sp__timer_node *node)
{
    int64_t expiry = node->expiry_ns > wheel->base ? node->expiry_ns : wheel->base;
    uint32_t level = wheel_level(wheel->base, expiry);
    uint32_t slot = wheel_digit(expiry, level);
    struct sp__list *list = wheel_slot(wheel, level, slot);
    if (!wheel_occupied(wheel, level, slot)) {
        sp__list_init(list);
        wheel_occupy(wheel, level, slot);
    }
    node->place = 1 + (level << 16 | slot);
    return list;
}

void sp__wheel_arm(struct sp__wheel *wheel, struct sp__timer_node *node, int64_t expiry_ns)
{
    assert(!sp__wheel_armed(node));
    node->expiry_ns = expiry_ns;
    sp__list_push_back(wheel_place(wheel, node), &node->link);
    wheel->count++;
}

bool sp__wheel_cancel(struct sp__wheel *wheel, struct sp__timer_node *node)
{
    if (!sp__wheel_armed(node))
        return false;
    uint32_t level = (node->place - 1) >> 16;
    uint32_t slot = (node->place - 1) & 0xffff;
    node->place = 0;
    sp__list_remove(&node->link);
    /* One that was being moved down has left its slot already. */
    if (wheel_occupied(wheel, level, slot) && sp__list_empty(wheel_slot(wheel, level, slot)))
        wheel_vacate(wheel, level, slot);
    wheel->count--;
    return true;
}

/* ---- what comes next ---- */

/* The first slot with nodes of a level that has some, beginning where `base` is. */
static uint32_t wheel_first(const struct sp__wheel *wheel, uint32_t level)
{
    uint32_t from = wheel_digit(wheel->base, level);
    const uint64_t *words = &wheel->occupied[wheel_levels[level].first_word];
    uint64_t here = words[from / 64] >> (from % 64);
    if (here != 0)
        return from + (uint32_t)__builtin_ctzll(here);
    uint64_t after = wheel->summary[level] & ~((UINT64_C(2) << (from / 64)) - 1);
    uint32_t word = (uint32_t)__builtin_ctzll(after != 0 ? after : wheel->summary[level]);
    return word * 64 + (uint32_t)__builtin_ctzll(words[word]);
}

/* The first instant of the slot, which lies ahead of `base` or contains it. */
static int64_t wheel_start(const struct sp__wheel *wheel, uint32_t level, uint32_t slot)
{
    const struct wheel_level *at = &wheel_levels[level];
    uint32_t distance = (slot - wheel_digit(wheel->base, level)) & ((1u << at->bits) - 1);
    int64_t start = (int64_t)((uint64_t)((wheel->base >> at->shift) + distance) << at->shift);
    return start > wheel->base ? start : wheel->base;
}

static struct sp__timer_node *wheel_node(struct sp__list *link)
{
    return sp__container_of(link, struct sp__timer_node, link);
}

/* The earliest expiry in a slot of few nodes, else its begin. */
static int64_t wheel_slot_next(const struct sp__list *list, int64_t start)
{
    int64_t earliest = INT64_MAX;
    struct sp__list *at = sp__list_first(list);
    for (int i = 0; at != NULL; i++, at = sp__list_next(list, at)) {
        if (i == WHEEL_LOOK)
            return start;
        if (wheel_node(at)->expiry_ns < earliest)
            earliest = wheel_node(at)->expiry_ns;
    }
    return earliest > start ? earliest : start;
}

int64_t sp__wheel_next(const struct sp__wheel *wheel)
{
    if (!sp__list_empty(&wheel->moving))
        return wheel->base;
    int64_t next = INT64_MAX;
    for (uint32_t left = wheel->levels; left != 0; left &= left - 1) {
        uint32_t level = (uint32_t)__builtin_ctz(left);
        uint32_t slot = wheel_first(wheel, level);
        int64_t start = wheel_start(wheel, level, slot);
        if (start < next && level > 0)
            start = wheel_slot_next(&wheel->slots[wheel_levels[level].first_slot + slot], start);
        if (start < next)
            next = start;
    }
    return next;
}

static void wheel_each_of(struct sp__list *list,
                          void (*see)(void *arg, struct sp__timer_node *node), void *arg)
{
    for (struct sp__list *at = sp__list_first(list); at != NULL; at = sp__list_next(list, at))
        see(arg, wheel_node(at));
}

void sp__wheel_each(struct sp__wheel *wheel, void (*see)(void *arg, struct sp__timer_node *node),
                    void *arg)
{
    wheel_each_of(&wheel->moving, see, arg);
    for (uint32_t word = 0; word < SP__WHEEL_WORDS; word++)
        for (uint64_t left = wheel->occupied[word]; left != 0; left &= left - 1)
            wheel_each_of(&wheel->slots[word * 64 + (uint32_t)__builtin_ctzll(left)], see, arg);
}

/* ---- moving on ---- */

/* Moves up to `max` nodes of the slot that was reached; returns how many. */
static size_t wheel_move(struct sp__wheel *wheel, size_t max)
{
    size_t moved = 0;
    struct sp__list *link;
    for (; moved < max && (link = sp__list_pop_back(&wheel->moving)) != NULL; moved++) {
        /* From last to first, each to the front: all were armed before what is there. */
        struct sp__timer_node *node = wheel_node(link);
        sp__list_push_front(wheel_place(wheel, node), &node->link);
    }
    return moved;
}

/* Brings the nodes of a slot of the cold level, and of the next ones, into the processor's cache. */
static void wheel_fetch(struct sp__wheel *wheel, uint32_t slot)
{
    const struct wheel_level *level = &wheel_levels[WHEEL_COLD];
    const struct sp__list *heads[WHEEL_AHEAD];
    const struct sp__list *at[WHEEL_AHEAD];
    int count = 0;
    for (uint32_t i = 0; i < WHEEL_AHEAD; i++) {
        uint32_t one = (slot + i) & ((1u << level->bits) - 1);
        if (wheel_occupied(wheel, WHEEL_COLD, one)) {
            heads[count] = wheel_slot(wheel, WHEEL_COLD, one);
            at[count] = heads[count]->prev; /* in the order in which they will be moved */
            count++;
        }
    }
    for (int node = 0; node < WHEEL_AHEAD_NODES && count > 0; node++) {
        int left = 0;
        for (int i = 0; i < count; i++) {
            if (at[i] == heads[i])
                continue;
            __builtin_prefetch(at[i], 1);
            heads[left] = heads[i];
            at[left++] = at[i]->prev;
        }
        count = left;
    }
    wheel->fetched = ((wheel->base >> level->shift) + WHEEL_AHEAD) << level->shift;
}

/* Begins to move the lowest slot above level 0 that contains `base`. False: there is none. */
static bool wheel_reach(struct sp__wheel *wheel)
{
    for (uint32_t left = wheel->levels & ~1u; left != 0; left &= left - 1) {
        uint32_t level = (uint32_t)__builtin_ctz(left);
        uint32_t slot = wheel_digit(wheel->base, level);
        if (wheel_occupied(wheel, level, slot)) {
            if (level == WHEEL_COLD && wheel->base >= wheel->fetched)
                wheel_fetch(wheel, slot);
            sp__list_splice_back(&wheel->moving, wheel_slot(wheel, level, slot));
            wheel_vacate(wheel, level, slot);
            return true;
        }
    }
    return false;
}

/* Takes off up to `max` nodes that expire at `base`, when nothing above contains it any more. */
static size_t wheel_fire(struct sp__wheel *wheel, size_t max, struct sp__list *out)
{
    uint32_t slot = wheel_digit(wheel->base, 0);
    if (!wheel_occupied(wheel, 0, slot))
        return 0;
    struct sp__list *list = wheel_slot(wheel, 0, slot);
    size_t fired = 0;
    struct sp__list *link;
    for (; fired < max && (link = sp__list_pop_front(list)) != NULL; fired++) {
        wheel_node(link)->place = 0;
        sp__list_push_back(out, link);
    }
    if (sp__list_empty(list))
        wheel_vacate(wheel, 0, slot);
    wheel->count -= fired;
    return fired;
}

/* The slot that comes first, of a wheel that is not empty. */
struct wheel_front {
    uint32_t level;
    uint32_t slot;
    int64_t start;
    int64_t rest; /* no node of another level expires before */
};

static struct wheel_front wheel_front(const struct sp__wheel *wheel)
{
    struct wheel_front front = { .start = INT64_MAX, .rest = INT64_MAX };
    for (uint32_t left = wheel->levels; left != 0; left &= left - 1) {
        uint32_t level = (uint32_t)__builtin_ctz(left);
        uint32_t slot = wheel_first(wheel, level);
        int64_t start = wheel_start(wheel, level, slot);
        if (start <= front.start) { /* also where both are the end of time */
            front.rest = front.start;
            front.level = level;
            front.slot = slot;
            front.start = start;
        } else if (start < front.rest) {
            front.rest = start;
        }
    }
    return front;
}

/* The nodes of a list by expiry, ties as they are on it. 0: more than `max`, or one that expires after
 * `last_ns`. */
static size_t wheel_sort(const struct sp__list *list, int64_t last_ns, size_t max,
                         struct sp__timer_node **out)
{
    size_t count = 0;
    for (struct sp__list *at = list->next; at != list; at = at->next) {
        struct sp__timer_node *node = wheel_node(at);
        if (count == max || node->expiry_ns > last_ns)
            return 0;
        size_t place = count++;
        for (; place > 0 && out[place - 1]->expiry_ns > node->expiry_ns; place--)
            out[place] = out[place - 1];
        out[place] = node;
    }
    return count;
}

/* Takes off all nodes of a slot, in this order. */
static void wheel_fire_sorted(struct sp__wheel *wheel, uint32_t level, uint32_t slot,
                              struct sp__timer_node **nodes, size_t count, struct sp__list *out)
{
    for (size_t i = 0; i < count; i++) {
        nodes[i]->place = 0;
        sp__list_push_back(out, &nodes[i]->link);
    }
    wheel_vacate(wheel, level, slot);
    wheel->count -= count;
    wheel->base = nodes[count - 1]->expiry_ns;
}

/* Takes off the nodes of the first slot and of those after it on its level, as long as they have but
 * a few, all of them due and before anything else: what would come of moving them down to level 0.
 * Returns how many; 0: those of the first slot have to be moved. */
static size_t wheel_fire_front(struct sp__wheel *wheel, const struct wheel_front *front,
                               int64_t now, size_t max, struct sp__list *out)
{
    struct sp__timer_node *nodes[WHEEL_LOOK];
    int64_t last = front->rest <= now ? front->rest - 1 : now;
    uint32_t slot = front->slot;
    size_t fired = 0;
    for (;;) {
        size_t look = max - fired < WHEEL_LOOK ? max - fired : WHEEL_LOOK;
        size_t count = wheel_sort(wheel_slot(wheel, front->level, slot), last, look, nodes);
        if (count == 0)
            return fired;
        wheel_fire_sorted(wheel, front->level, slot, nodes, count, out);
        fired += count;
        if (wheel->summary[front->level] == 0)
            return fired;
        slot = wheel_first(wheel, front->level);
    }
}

/* Where nothing that contains `base` is left: fires what comes first, if it is due, or goes there.
 * False: nothing is due any more. */
static bool wheel_step(struct sp__wheel *wheel, int64_t now, size_t max, struct sp__list *out,
                       size_t *out_fired)
{
    *out_fired = 0;
    if (wheel->count == 0)
        return false;
    struct wheel_front front = wheel_front(wheel);
    if (front.start > now)
        return false;
    *out_fired = wheel_fire_front(wheel, &front, now, max, out);
    if (*out_fired != 0)
        return true;
    int64_t next = sp__wheel_next(wheel);
    if (next > now)
        return false;
    wheel->base = next;
    return true;
}

bool sp__wheel_advance(struct sp__wheel *wheel, int64_t now_ns, size_t max, struct sp__list *out)
{
    int64_t now = now_ns > wheel->base ? now_ns : wheel->base;
    while (max > 0) {
        if (!sp__list_empty(&wheel->moving) || wheel_reach(wheel)) {
            max -= wheel_move(wheel, max);
            continue;
        }
        size_t fired = wheel_fire(wheel, max, out);
        if (fired == 0 && !wheel_step(wheel, now, max, out, &fired)) {
            wheel->base = now;
            return false;
        }
        max -= fired;
    }
    return true;
}
