#include "runtime/slab.h"

#include "base/alloc.h"

#include <string.h>

/* Behind the items of a chunk: for each slot the next free one. */
static uint32_t *slab_links(const struct sp__slab *slab, uint32_t number)
{
    char *chunk =
        atomic_load_explicit(&slab->chunks[number / SP__SLAB_CHUNK], memory_order_relaxed);
    return (uint32_t *)(void *)(chunk + (size_t)SP__SLAB_CHUNK * slab->item_size);
}

sp_err sp__slab_create(size_t item_size, size_t align, uint32_t max, struct sp__slab **out)
{
    if (max > SP__SLAB_CHUNK * SP__SLAB_CHUNKS_MAX)
        return SP_ERR_INVALID;
    struct sp__slab *slab = sp__calloc(1, sizeof(*slab));
    if (slab == NULL)
        return SP_ERR_NOMEM;
    slab->item_size = (uint32_t)((item_size + align - 1) & ~(align - 1));
    slab->item_align = (uint32_t)align;
    slab->max = max;
    sp__lock_init(&slab->lock);
    *out = slab;
    return SP_OK;
}

void sp__slab_destroy(struct sp__slab *slab)
{
    if (slab == NULL)
        return;
    for (uint32_t i = 0; i < SP__SLAB_CHUNKS_MAX; i++)
        sp__free(atomic_load_explicit(&slab->chunks[i], memory_order_relaxed));
    sp__free(slab);
}

static sp_err slab_add_chunk(struct sp__slab *slab, uint32_t index)
{
    size_t size = (size_t)SP__SLAB_CHUNK * (slab->item_size + sizeof(uint32_t));
    void *chunk = sp__aligned_alloc(slab->item_align < 64 ? 64 : slab->item_align, size);
    if (chunk == NULL)
        return SP_ERR_NOMEM;
    memset(chunk, 0, size);
    /* release: pairs with the acquire in get. */
    atomic_store_explicit(&slab->chunks[index], chunk, memory_order_release);
    return SP_OK;
}

static sp_err slab_take_locked(struct sp__slab *slab, uint32_t *out_number)
{
    if (slab->free_first != 0) {
        uint32_t number = slab->free_first - 1;
        slab->free_first = slab_links(slab, number)[number % SP__SLAB_CHUNK];
        *out_number = number;
        return SP_OK;
    }
    if (slab->used == slab->max)
        return SP_ERR_LIMIT;
    if (slab->used % SP__SLAB_CHUNK == 0) {
        sp_err err = slab_add_chunk(slab, slab->used / SP__SLAB_CHUNK);
        if (err != SP_OK)
            return err;
    }
    *out_number = slab->used++;
    atomic_store_explicit(&slab->high, slab->used, memory_order_release);
    return SP_OK;
}

sp_err sp__slab_take(struct sp__slab *slab, uint32_t *out_number, void **out_item)
{
    sp__lock_lock(&slab->lock);
    sp_err err = slab_take_locked(slab, out_number);
    sp__lock_unlock(&slab->lock);
    if (err == SP_OK)
        *out_item = sp__slab_get(slab, *out_number);
    return err;
}

void sp__slab_give(struct sp__slab *slab, uint32_t number)
{
    sp__lock_lock(&slab->lock);
    slab_links(slab, number)[number % SP__SLAB_CHUNK] = slab->free_first;
    slab->free_first = number + 1;
    sp__lock_unlock(&slab->lock);
}
