#include "runtime/slab.h"

#include "base/alloc.h"

#include <string.h>
#include <sys/mman.h>

enum {
    SLAB_STEP = 64 * 1024,       /* a multiple of every page size */
    SLAB_HUGE = 2 * 1024 * 1024, /* of a huge page, on most machines */
};

static size_t slab_round(size_t size, size_t to)
{
    return (size + to - 1) / to * to;
}

sp_err sp__slab_create(size_t item_size, size_t align, uint32_t max, struct sp__slab **out)
{
    if (max > SP__SLAB_MAX)
        return SP_ERR_INVALID;
    struct sp__slab *slab = sp__aligned_alloc(SP__CACHE_LINE, sizeof(*slab));
    if (slab == NULL)
        return SP_ERR_NOMEM;
    memset(slab, 0, sizeof(*slab));
    item_size = (item_size + align - 1) & ~(align - 1);
    size_t items = slab_round(max * item_size + SLAB_STEP, SLAB_HUGE);
    size_t numbers = slab_round(max * sizeof(uint32_t) + SLAB_STEP, SLAB_STEP);
    /* Room to begin at a huge page. */
    slab->map_size = items + numbers + SLAB_HUGE;
    char *map =
        mmap(NULL, slab->map_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        sp__free(slab);
        return SP_ERR_NOMEM;
    }
    size_t skip = slab_round((uintptr_t)map, SLAB_HUGE) - (uintptr_t)map;
    slab->map = map;
    slab->items = map + skip;
    slab->item_size = (uint32_t)item_size;
    slab->max = max;
    slab->fill = SP__SLAB_BATCH;
    slab->free = (uint32_t *)(void *)(slab->items + items);
    sp__lock_init(&slab->lock);
    *out = slab;
    return SP_OK;
}

void sp__slab_set_fill(struct sp__slab *slab, uint32_t fill)
{
    slab->fill = fill < SP__SLAB_BATCH ? fill : SP__SLAB_BATCH;
}

void sp__slab_destroy(struct sp__slab *slab)
{
    if (slab == NULL)
        return;
    (void)munmap(slab->map, slab->map_size);
    sp__free(slab);
}

/* ---- memory ---- */

static bool slab_readable(char *at, size_t size)
{
    return !sp__alloc_refused() && mprotect(at, size, PROT_READ | PROT_WRITE) == 0;
}

/* So many items more of memory, and room for their numbers when they come back. */
static bool slab_grow(struct sp__slab *slab) SP__REQUIRES(slab->lock)
{
    bool huge = slab->readable >= SLAB_HUGE;
    size_t step = huge ? SLAB_HUGE : SLAB_STEP;
    size_t count = (slab->readable + step) / slab->item_size;
    size_t numbers = slab_round(count * sizeof(uint32_t), SLAB_STEP);
    if (numbers > slab->free_size) {
        if (!slab_readable((char *)slab->free + slab->free_size, numbers - slab->free_size))
            return false;
        slab->free_size = numbers;
    }
    if (!slab_readable(slab->items + slab->readable, step))
        return false;
    /* Fails where the kernel has none, and then small pages do. */
    if (huge)
        (void)madvise(slab->items + slab->readable, step, MADV_HUGEPAGE);
    slab->readable += step;
    return true;
}

/* Up to `want` numbers that were never used, the lowest last. Returns how many. */
static uint32_t slab_fresh(struct sp__slab *slab, uint32_t *numbers, uint32_t want, sp_err *out_err)
    SP__REQUIRES(slab->lock)
{
    /* relaxed: moved under the lock only. */
    uint32_t used = atomic_load_explicit(&slab->high, memory_order_relaxed);
    uint32_t count = slab->max - used < want ? slab->max - used : want;
    *out_err = SP_ERR_LIMIT;
    while (count > 0 && (size_t)(used + count) * slab->item_size > slab->readable) {
        if (slab_grow(slab))
            continue;
        *out_err = SP_ERR_NOMEM;
        count = (uint32_t)(slab->readable / slab->item_size) - used;
        break;
    }
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = used + count - 1 - i;
    /* release: pairs with the acquire in get; the memory is there. */
    atomic_store_explicit(&slab->high, used + count, memory_order_release);
    return count;
}

/* ---- numbers ---- */

/* At least one, or why not. Used ones first, and those that came back last. */
static sp_err slab_pop(struct sp__slab *slab, uint32_t *numbers, uint32_t want, uint32_t *out_count)
    SP__REQUIRES(slab->lock)
{
    sp_err err = SP_OK;
    uint32_t count = slab->free_count < want ? slab->free_count : want;
    if (count > 0) {
        slab->free_count -= count;
        memcpy(numbers, slab->free + slab->free_count, count * sizeof(*numbers));
    } else {
        count = slab_fresh(slab, numbers, want, &err);
    }
    *out_count = count;
    return count > 0 ? SP_OK : err;
}

static void slab_push(struct sp__slab *slab, const uint32_t *numbers, uint32_t count)
    SP__REQUIRES(slab->lock)
{
    memcpy(slab->free + slab->free_count, numbers, count * sizeof(*numbers));
    slab->free_count += count;
}

sp_err sp__slab_take(struct sp__slab *slab, uint32_t *out_number, void **out_item)
{
    uint32_t number;
    uint32_t count;
    sp__lock_lock(&slab->lock);
    sp_err err = slab_pop(slab, &number, 1, &count);
    sp__lock_unlock(&slab->lock);
    if (err != SP_OK)
        return err;
    *out_number = number;
    *out_item = slab->items + (size_t)number * slab->item_size;
    return SP_OK;
}

void sp__slab_give(struct sp__slab *slab, uint32_t number)
{
    sp__lock_lock(&slab->lock);
    slab_push(slab, &number, 1);
    sp__lock_unlock(&slab->lock);
}

/* ---- caches ---- */

void sp__slab_cache_init(struct sp__slab_cache *cache, struct sp__slab *slab)
{
    cache->slab = slab;
    cache->count = 0;
}

void sp__slab_cache_finish(struct sp__slab_cache *cache)
{
    if (cache->count == 0)
        return;
    sp__lock_lock(&cache->slab->lock);
    slab_push(cache->slab, cache->numbers, cache->count);
    sp__lock_unlock(&cache->slab->lock);
    cache->count = 0;
}

sp_err sp__slab_cache_fill(struct sp__slab_cache *cache)
{
    sp__lock_lock(&cache->slab->lock);
    sp_err err = slab_pop(cache->slab, cache->numbers, cache->slab->fill, &cache->count);
    sp__lock_unlock(&cache->slab->lock);
    return err;
}

/* The older half goes: the younger is what the processor's caches still hold. */
void sp__slab_cache_drain(struct sp__slab_cache *cache)
{
    sp__lock_lock(&cache->slab->lock);
    slab_push(cache->slab, cache->numbers, SP__SLAB_BATCH);
    sp__lock_unlock(&cache->slab->lock);
    cache->count -= SP__SLAB_BATCH;
    memmove(cache->numbers, cache->numbers + SP__SLAB_BATCH,
            cache->count * sizeof(cache->numbers[0]));
}
