#include "behaviour/router_spread.h"

#include "base/alloc.h"

#include <string.h>

/* So many places that do not fit, and it is asked whether any does. */
enum { SPREAD_PATIENCE = 64 };

sp_err sp__spread_create(const uint32_t *ids, uint32_t count, struct sp__spread **out)
{
    uint32_t all = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] >= SP__SPREAD_PLACES - 1)
            return SP_ERR_LIMIT;
        all |= ids[i];
    }
    if (count >= SP__SPREAD_PLACES)
        return SP_ERR_LIMIT;
    uint32_t places = 1;
    while (places <= all)
        places *= 2;
    struct sp__spread *spread = sp__malloc(sizeof(*spread) + places * sizeof(spread->nodes[0]));
    if (spread == NULL)
        return SP_ERR_NOMEM;
    spread->count = count;
    spread->mask = places - 1;
    memset(spread->nodes, 0xff, places * sizeof(spread->nodes[0]));
    for (uint32_t i = 0; i < count; i++)
        spread->nodes[ids[i]] = (uint16_t)i;
    *out = spread;
    return SP_OK;
}

/* A key's sequence, and how far each level is in its own. */
struct spread_walk {
    uint64_t key;
    uint32_t top;
    uint32_t next[SP__SPREAD_LEVELS + 1];
};

static uint32_t spread_next(struct spread_walk *walk)
{
    uint32_t level = walk->top;
    uint64_t word = 0;
    for (; level > 0; level--) {
        word = sp__spread_word(walk->key, walk->next[level]++);
        if ((word >> (level - 1)) & 1)
            break;
    }
    return sp__spread_place(word, level);
}

static bool spread_any(const struct sp__spread *spread,
                       bool (*fits)(uint32_t node, const void *arg), const void *arg)
{
    for (uint32_t node = 0; node < spread->count; node++)
        if (fits(node, arg))
            return true;
    return false;
}

uint32_t sp__spread_find_where(const struct sp__spread *spread, uint64_t key,
                               bool (*fits)(uint32_t node, const void *arg), const void *arg)
{
    struct spread_walk walk = {
        .key = key,
        .top = spread->mask == 0 ? 0 : 32 - (uint32_t)__builtin_clz(spread->mask),
    };
    if (spread->count == 1) /* its place may be far up, with none of the others taken */
        return fits == NULL || fits(0, arg) ? 0 : UINT32_MAX;
    uint64_t patience = SPREAD_PATIENCE;
    for (uint64_t unfit = 0;;) {
        uint32_t node = spread->nodes[spread_next(&walk)];
        if (node == SP__SPREAD_FREE)
            continue;
        if (fits == NULL || fits(node, arg))
            return node;
        if (++unfit < patience)
            continue;
        if (!spread_any(spread, fits, arg))
            return UINT32_MAX;
        patience *= 2;
    }
}
