/* Magazines over slabs: see msg_pool.h.
 *
 * A free object holds the link to the next one; the first object of a batch in the pool
 * also holds the link to the next batch. Its other bytes are nobody's, and under the address
 * sanitizer all of it is poisoned, so links are only touched through msg_next() and its kin.
 *
 * A slab is SLAB_SIZE bytes at a multiple of SLAB_SIZE, so that the slab of an object is found
 * from its address:
 *
 *     +--------+-----+-----+-----+ - - - - - +-------+
 *     | header |  0  |  1  |  2  |  not cut  | waste |        64 bytes of header
 *     +--------+-----+-----+-----+ - - - - - +-------+
 *
 * `out` counts its objects that are in caches, in batches or in use. A slab is on
 * `partial` exactly while it has an object to give.
 */
#include "runtime/msg_pool.h"

#include "base/alloc.h"
#include "base/poison.h"

#include <assert.h>

enum {
    SLAB_SIZE = 64 * 1024,
    SLAB_HEADER = 64,
    BATCH_BYTES = 16 * 1024,
    BATCHES_DEFAULT = 64,
};

struct msg_slab {
    struct sp__list link;
    void *free;
    uint32_t out;
    uint32_t cut; /* objects 0..cut exist; the others were never touched */
    uint32_t capacity;
};
_Static_assert(sizeof(struct msg_slab) <= SLAB_HEADER, "the header fits before the objects");

struct msg_links {
    void *next;
    void *next_batch;
};

static const uint16_t msg_sizes[SP__MSG_CLASSES] = { 64, 96, 128, 192, 256, 384, 512, 768, 1024 };

/* BATCH_BYTES / size, at most 64. */
static const uint8_t msg_batches[SP__MSG_CLASSES] = { 64, 64, 64, 64, 64, 42, 32, 21, 16 };

/* The class for up to 32 * index bytes. */
static const uint8_t msg_class_of[SP__MSG_SIZE_MAX / 32 + 1] = {
    0, 0, 0, 1, 2, 3, 3, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 8, 8, 8, 8, 8, 8, 8,
};

size_t sp__msg_class_size(uint8_t class_index)
{
    assert(class_index < SP__MSG_CLASSES);
    return msg_sizes[class_index];
}

static struct msg_links *msg_open(void *object)
{
    sp__unpoison(object, sizeof(struct msg_links));
    return object;
}

static void *msg_next(void *object)
{
    struct msg_links *links = msg_open(object);
    void *next = links->next;
    sp__poison(links, sizeof(*links));
    return next;
}

static void msg_set_next(void *object, void *next)
{
    struct msg_links *links = msg_open(object);
    links->next = next;
    sp__poison(links, sizeof(*links));
}

static void *msg_next_batch(void *object)
{
    struct msg_links *links = msg_open(object);
    void *next = links->next_batch;
    sp__poison(links, sizeof(*links));
    return next;
}

static void msg_set_next_batch(void *object, void *next)
{
    struct msg_links *links = msg_open(object);
    links->next_batch = next;
    sp__poison(links, sizeof(*links));
}

/* --- slabs, under the lock of their class ------------------------------------------------ */

static struct msg_slab *msg_slab_of(void *object)
{
    return (struct msg_slab *)((uintptr_t)object & ~(uintptr_t)(SLAB_SIZE - 1));
}

static struct msg_slab *msg_slab_create(uint32_t size)
{
    struct msg_slab *slab = sp__aligned_alloc(SLAB_SIZE, SLAB_SIZE);
    if (slab == NULL)
        return NULL;
    *slab = (struct msg_slab){ .capacity = (SLAB_SIZE - SLAB_HEADER) / size };
    sp__poison((char *)slab + SLAB_HEADER, SLAB_SIZE - SLAB_HEADER);
    return slab;
}

static void msg_slab_destroy(struct msg_slab *slab)
{
    sp__unpoison(slab, SLAB_SIZE);
    sp__free(slab);
}

/* One object of the first partial slab; there is one. */
static void *msg_depot_cut(struct sp__msg_depot *depot, uint32_t size) SP__REQUIRES(depot->lock)
{
    struct msg_slab *slab = sp__container_of(depot->partial.next, struct msg_slab, link);
    void *object = slab->free;
    if (object != NULL)
        slab->free = msg_next(object);
    else
        object = (char *)slab + SLAB_HEADER + (size_t)slab->cut++ * size;
    slab->out++;
    if (slab->free == NULL && slab->cut == slab->capacity)
        sp__list_remove(&slab->link);
    return object;
}

/* Gives an object back to its slab; one that is complete goes to `done`. */
static void msg_depot_uncut(struct sp__msg_depot *depot, void *object, struct sp__list *done)
    SP__REQUIRES(depot->lock)
{
    struct msg_slab *slab = msg_slab_of(object);
    msg_set_next(object, slab->free);
    slab->free = object;
    slab->out--;
    if (!sp__list_linked(&slab->link))
        sp__list_push_front(&depot->partial, &slab->link);
    if (slab->out > 0)
        return;
    sp__list_remove(&slab->link);
    sp__list_push_back(done, &slab->link);
    depot->slab_count--;
}

static void msg_depot_uncut_all(struct sp__msg_depot *depot, void *objects, struct sp__list *done)
    SP__REQUIRES(depot->lock)
{
    void *next;
    for (void *object = objects; object != NULL; object = next) {
        next = msg_next(object);
        msg_depot_uncut(depot, object, done);
    }
}

/* Outside the lock. */
static void msg_slabs_destroy(struct sp__list *slabs)
{
    struct sp__list *link;
    while ((link = sp__list_pop_front(slabs)) != NULL)
        msg_slab_destroy(sp__container_of(link, struct msg_slab, link));
}

/* Makes sure that there is something to cut; false: out of memory. The lock is dropped while
 * the system is asked; if another thread brought a slab meanwhile, one is enough: a slab
 * of which nothing is out would never come back. */
static bool msg_depot_stock(struct sp__msg_depot *depot, uint32_t size) SP__REQUIRES(depot->lock)
{
    if (!sp__list_empty(&depot->partial))
        return true;
    sp__lock_unlock(&depot->lock);
    struct msg_slab *slab = msg_slab_create(size);
    sp__lock_lock(&depot->lock);
    bool stocked = !sp__list_empty(&depot->partial);
    if (slab == NULL)
        return stocked;
    if (stocked) {
        msg_slab_destroy(slab);
        return true;
    }
    sp__list_push_back(&depot->partial, &slab->link);
    depot->slab_count++;
    return true;
}

/* --- batches ---------------------------------------------------------------------------- */

/* As many objects as a batch has, fewer when memory is short. */
static void *msg_depot_cut_batch(struct sp__msg_depot *depot, uint8_t class_index,
                                 uint32_t *out_count) SP__REQUIRES(depot->lock)
{
    uint32_t size = msg_sizes[class_index];
    uint32_t count = 0;
    void *batch = NULL;
    while (count < msg_batches[class_index] && msg_depot_stock(depot, size)) {
        void *object = msg_depot_cut(depot, size);
        msg_set_next(object, batch);
        batch = object;
        count++;
    }
    *out_count = count;
    return batch;
}

static void *msg_depot_take(struct sp__msg_pool *pool, uint8_t class_index, uint32_t *out_count)
{
    struct sp__msg_depot *depot = &pool->depots[class_index];
    sp__lock_lock(&depot->lock);
    void *batch = depot->batches;
    if (batch != NULL) {
        depot->batches = msg_next_batch(batch);
        depot->batch_count--;
        *out_count = msg_batches[class_index];
    } else {
        batch = msg_depot_cut_batch(depot, class_index, out_count);
    }
    sp__lock_unlock(&depot->lock);
    return batch;
}

/* Takes a full batch back. */
static void msg_depot_give(struct sp__msg_pool *pool, uint8_t class_index, void *batch)
{
    struct sp__msg_depot *depot = &pool->depots[class_index];
    struct sp__list done;
    sp__list_init(&done);
    sp__lock_lock(&depot->lock);
    if (depot->batch_count < pool->batches_max) {
        msg_set_next_batch(batch, depot->batches);
        depot->batches = batch;
        depot->batch_count++;
    } else {
        msg_depot_uncut_all(depot, batch, &done);
    }
    sp__lock_unlock(&depot->lock);
    msg_slabs_destroy(&done);
}

/* Takes any chain of objects back to their slabs. */
static void msg_depot_give_loose(struct sp__msg_depot *depot, void *objects)
{
    struct sp__list done;
    sp__list_init(&done);
    sp__lock_lock(&depot->lock);
    msg_depot_uncut_all(depot, objects, &done);
    sp__lock_unlock(&depot->lock);
    msg_slabs_destroy(&done);
}

/* --- the pool --------------------------------------------------------------------------- */

void sp__msg_pool_init(struct sp__msg_pool *pool, const struct sp__msg_pool_options *options)
{
    struct sp__msg_pool_options chosen = { 0 };
    if (options != NULL)
        chosen = *options;
    pool->batches_max = chosen.batches_max > 0 ? chosen.batches_max : BATCHES_DEFAULT;
    pool->passthrough = chosen.passthrough;
    for (int i = 0; i < SP__MSG_CLASSES; i++) {
        struct sp__msg_depot *depot = &pool->depots[i];
        sp__lock_init(&depot->lock);
        depot->batches = NULL;
        depot->batch_count = 0;
        depot->slab_count = 0;
        sp__list_init(&depot->partial);
    }
}

void sp__msg_pool_finish(struct sp__msg_pool *pool)
{
    for (int i = 0; i < SP__MSG_CLASSES; i++) {
        struct sp__msg_depot *depot = &pool->depots[i];
        while (depot->batches != NULL) {
            void *batch = depot->batches;
            depot->batches = msg_next_batch(batch);
            msg_depot_give_loose(depot, batch);
        }
        depot->batch_count = 0;
        assert(depot->slab_count == 0); /* else a message or a cache is still out */
    }
}

size_t sp__msg_pool_bytes(struct sp__msg_pool *pool)
{
    size_t slabs = 0;
    for (int i = 0; i < SP__MSG_CLASSES; i++) {
        sp__lock_lock(&pool->depots[i].lock);
        slabs += pool->depots[i].slab_count;
        sp__lock_unlock(&pool->depots[i].lock);
    }
    return slabs * SLAB_SIZE;
}

/* --- caches ----------------------------------------------------------------------------- */

void sp__msg_cache_init(struct sp__msg_cache *cache, struct sp__msg_pool *pool)
{
    *cache = (struct sp__msg_cache){ .pool = pool };
}

void sp__msg_cache_finish(struct sp__msg_cache *cache)
{
    for (int i = 0; i < SP__MSG_CLASSES; i++) {
        struct sp__msg_rack *rack = &cache->racks[i];
        if (rack->loaded != NULL)
            msg_depot_give_loose(&cache->pool->depots[i], rack->loaded);
        if (rack->spare != NULL)
            msg_depot_give_loose(&cache->pool->depots[i], rack->spare);
        *rack = (struct sp__msg_rack){ 0 };
    }
}

/* `loaded` is empty: the spare becomes it, or a batch of the pool. False: out of memory. */
static bool msg_rack_load(struct sp__msg_rack *rack, struct sp__msg_pool *pool, uint8_t class_index)
{
    if (rack->spare != NULL) {
        rack->loaded = rack->spare;
        rack->loaded_count = msg_batches[class_index];
        rack->spare = NULL;
        return true;
    }
    rack->loaded = msg_depot_take(pool, class_index, &rack->loaded_count);
    return rack->loaded != NULL;
}

/* `loaded` is full: it becomes the spare, and a spare there was goes to the pool. */
static void msg_rack_unload(struct sp__msg_rack *rack, struct sp__msg_pool *pool,
                            uint8_t class_index)
{
    if (rack->spare != NULL)
        msg_depot_give(pool, class_index, rack->spare);
    rack->spare = rack->loaded;
    rack->loaded = NULL;
    rack->loaded_count = 0;
}

static void *msg_alloc_heap(size_t size, uint8_t *out_class)
{
    void *ptr = sp__malloc(size);
    if (ptr != NULL)
        *out_class = SP__MSG_CLASS_HEAP;
    return ptr;
}

void *sp__msg_alloc(struct sp__msg_cache *cache, struct sp__msg_pool *pool, size_t size,
                    uint8_t *out_class)
{
    if (cache == NULL || size > SP__MSG_SIZE_MAX || pool->passthrough)
        return msg_alloc_heap(size, out_class);
    uint8_t class_index = msg_class_of[(size + 31) / 32];
    struct sp__msg_rack *rack = &cache->racks[class_index];
    if (rack->loaded == NULL && !msg_rack_load(rack, pool, class_index))
        return NULL;
    void *object = rack->loaded;
    rack->loaded = msg_next(object);
    rack->loaded_count--;
    sp__unpoison(object, msg_sizes[class_index]);
    *out_class = class_index;
    return object;
}

static void msg_free_uncached(struct sp__msg_pool *pool, void *ptr, uint8_t class_index)
{
    msg_set_next(ptr, NULL);
    sp__poison(ptr, msg_sizes[class_index]);
    msg_depot_give_loose(&pool->depots[class_index], ptr);
}

void sp__msg_free(struct sp__msg_cache *cache, struct sp__msg_pool *pool, void *ptr,
                  uint8_t class_index)
{
    if (class_index == SP__MSG_CLASS_HEAP) {
        sp__free(ptr);
        return;
    }
    assert(class_index < SP__MSG_CLASSES);
    if (cache == NULL) {
        msg_free_uncached(pool, ptr, class_index);
        return;
    }
    struct sp__msg_rack *rack = &cache->racks[class_index];
    if (rack->loaded_count == msg_batches[class_index])
        msg_rack_unload(rack, pool, class_index);
    msg_set_next(ptr, rack->loaded);
    sp__poison(ptr, msg_sizes[class_index]);
    rack->loaded = ptr;
    rack->loaded_count++;
}
