/* Magazines over slabs: see msg_pool.h.
 *
 * Who has which batch: a rack has up to two; the others are on a stack of the pool. What a rack needs
 * of the pool is always an exchange, an empty batch for a full one or the reverse, so batches
 * are made only while a cache or the stock of free objects grows. When there is no memory for a batch,
 * objects go one by one between caller and slab.
 *
 * Locks: only the depot's; memory of the system is asked for and given back outside of it.
 */
#include "runtime/msg_pool.h"

#include "base/alloc.h"

#include <assert.h>

/* Bytes of free objects kept per class: what a full mailbox of the default length takes of the
 * smallest, so that filling and draining one is not the slabs' business (18 ns a message). */
enum { MSG_STOCK_BYTES = 4 * 1024 * 1024 };

const uint16_t sp__msg_class_bytes[SP__MSG_CLASSES] = {
    64, 96, 128, 192, 256, 384, 512, 768, 1024,
};

const uint8_t sp__msg_class_of[SP__MSG_SIZE_MAX / 32 + 1] = {
    0, 0, 0, 1, 2, 3, 3, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 8, 8, 8, 8, 8, 8, 8,
};

/* Objects in a batch: 64, and no more than 16 KiB of them. */
static const uint8_t msg_batch_sizes[SP__MSG_CLASSES] = { 64, 64, 64, 64, 64, 42, 32, 21, 16 };

static uint32_t msg_stock_max(const struct sp__msg_pool *pool, uint8_t class_index)
{
    if (pool->batches_max != 0)
        return pool->batches_max;
    return MSG_STOCK_BYTES / (msg_batch_sizes[class_index] * sp__msg_class_bytes[class_index]);
}

/* --- the pool's side -------------------------------------------------------------------- */

static struct sp__msg_batch *msg_batch_create(uint8_t class_index)
{
    struct sp__msg_batch *batch =
        sp__malloc(sizeof(*batch) + msg_batch_sizes[class_index] * sizeof(void *));
    if (batch != NULL)
        batch->count = 0;
    return batch;
}

static void msg_stack_push(struct sp__msg_batch **stack, struct sp__msg_batch *batch)
{
    batch->next = *stack;
    *stack = batch;
}

static struct sp__msg_batch *msg_stack_pop(struct sp__msg_batch **stack)
{
    struct sp__msg_batch *batch = *stack;
    if (batch != NULL)
        *stack = batch->next;
    return batch;
}

/* One object, of a new slab if need be; NULL: out of memory. The lock is dropped while the system is
 * asked. If another thread brought a slab meanwhile, ours is one too many: nothing would ever
 * be cut from it, so it would never come back. */
static void *msg_depot_cut(struct sp__msg_depot *depot) SP__REQUIRES(depot->lock)
{
    void *object = sp__msg_slabs_cut(&depot->slabs);
    if (object != NULL)
        return object;
    sp__lock_unlock(&depot->lock);
    struct sp__msg_slab *slab = sp__msg_slab_create(depot->slabs.object_size);
    sp__lock_lock(&depot->lock);
    object = sp__msg_slabs_cut(&depot->slabs);
    if (slab == NULL)
        return object;
    if (object != NULL) {
        sp__msg_slab_destroy(slab);
        return object;
    }
    sp__msg_slabs_add(&depot->slabs, slab);
    return sp__msg_slabs_cut(&depot->slabs);
}

/* As many objects as there is memory for. */
static void msg_depot_fill(struct sp__msg_depot *depot, struct sp__msg_batch *batch, uint32_t limit)
    SP__REQUIRES(depot->lock)
{
    void *object;
    while (batch->count < limit && (object = msg_depot_cut(depot)) != NULL)
        batch->objects[batch->count++] = object;
}

/* Gives the objects of a batch back to their slabs. */
static void msg_depot_drain(struct sp__msg_depot *depot, struct sp__msg_batch *batch,
                            struct sp__list *done) SP__REQUIRES(depot->lock)
{
    while (batch->count > 0)
        sp__msg_slabs_return(&depot->slabs, batch->objects[--batch->count], done);
}

/* An empty batch for one with objects; the same batch, still empty, when memory is out. */
static struct sp__msg_batch *msg_depot_exchange_empty(struct sp__msg_depot *depot,
                                                      struct sp__msg_batch *empty, uint32_t limit)
{
    sp__lock_lock(&depot->lock);
    struct sp__msg_batch *full = msg_stack_pop(&depot->full);
    if (full != NULL) {
        depot->full_count--;
        msg_stack_push(&depot->empty, empty);
    } else {
        msg_depot_fill(depot, empty, limit);
        full = empty;
    }
    sp__lock_unlock(&depot->lock);
    return full;
}

/* A full batch for an empty one, or for NULL when the pool has none. */
static struct sp__msg_batch *msg_depot_exchange_full(struct sp__msg_depot *depot,
                                                     struct sp__msg_batch *full, uint32_t max)
{
    struct sp__msg_batch *empty = full;
    struct sp__list done;
    sp__list_init(&done);
    sp__lock_lock(&depot->lock);
    if (depot->full_count < max) {
        msg_stack_push(&depot->full, full);
        depot->full_count++;
        empty = msg_stack_pop(&depot->empty);
    } else {
        msg_depot_drain(depot, full, &done);
    }
    sp__lock_unlock(&depot->lock);
    sp__msg_slabs_destroy(&done);
    return empty;
}

/* Frees a batch (or NULL) after giving back what is in it. */
static void msg_depot_destroy_batch(struct sp__msg_depot *depot, struct sp__msg_batch *batch)
{
    struct sp__list done;
    if (batch == NULL)
        return;
    sp__list_init(&done);
    sp__lock_lock(&depot->lock);
    msg_depot_drain(depot, batch, &done);
    sp__lock_unlock(&depot->lock);
    sp__msg_slabs_destroy(&done);
    sp__free(batch);
}

static void *msg_depot_alloc_one(struct sp__msg_depot *depot)
{
    sp__lock_lock(&depot->lock);
    void *object = msg_depot_cut(depot);
    sp__lock_unlock(&depot->lock);
    return object;
}

static void msg_depot_free_one(struct sp__msg_depot *depot, void *object)
{
    struct sp__list done;
    sp__list_init(&done);
    sp__lock_lock(&depot->lock);
    sp__msg_slabs_return(&depot->slabs, object, &done);
    sp__lock_unlock(&depot->lock);
    sp__msg_slabs_destroy(&done);
}

void sp__msg_pool_init(struct sp__msg_pool *pool, const struct sp__msg_pool_options *options)
{
    struct sp__msg_pool_options chosen = { 0 };
    if (options != NULL)
        chosen = *options;
    pool->batches_max = chosen.batches_max;
    pool->fill = chosen.fill;
    pool->passthrough = chosen.passthrough;
    for (int i = 0; i < SP__MSG_CLASSES; i++) {
        struct sp__msg_depot *depot = &pool->depots[i];
        *depot = (struct sp__msg_depot){ .full = NULL };
        sp__msg_slabs_init(&depot->slabs, sp__msg_class_bytes[i]);
    }
}

void sp__msg_pool_finish(struct sp__msg_pool *pool)
{
    for (int i = 0; i < SP__MSG_CLASSES; i++) {
        struct sp__msg_depot *depot = &pool->depots[i];
        while (depot->full != NULL)
            msg_depot_destroy_batch(depot, msg_stack_pop(&depot->full));
        while (depot->empty != NULL)
            sp__free(msg_stack_pop(&depot->empty));
        depot->full_count = 0;
        assert(depot->slabs.count == 0); /* else a message or a cache is still out */
    }
}

size_t sp__msg_pool_bytes(struct sp__msg_pool *pool)
{
    size_t slabs = 0;
    for (int i = 0; i < SP__MSG_CLASSES; i++) {
        sp__lock_lock(&pool->depots[i].lock);
        slabs += pool->depots[i].slabs.count;
        sp__lock_unlock(&pool->depots[i].lock);
    }
    return slabs * SP__MSG_SLAB_SIZE;
}

/* --- the cache's side ------------------------------------------------------------------- */

void sp__msg_cache_init(struct sp__msg_cache *cache, struct sp__msg_pool *pool)
{
    *cache = (struct sp__msg_cache){ .pool = pool };
}

void sp__msg_cache_finish(struct sp__msg_cache *cache)
{
    for (int i = 0; i < SP__MSG_CLASSES; i++) {
        struct sp__msg_rack *rack = &cache->racks[i];
        struct sp__msg_depot *depot = &cache->pool->depots[i];
        if (rack->loaded != NULL)
            rack->loaded->count = rack->count;
        msg_depot_destroy_batch(depot, rack->loaded);
        msg_depot_destroy_batch(depot, rack->spare);
        *rack = (struct sp__msg_rack){ 0 };
    }
}

/* Loads `batch`; what was loaded becomes the spare. */
static void msg_rack_load(struct sp__msg_rack *rack, struct sp__msg_batch *batch,
                          uint8_t class_index)
{
    if (rack->loaded != NULL)
        rack->loaded->count = rack->count;
    rack->spare = rack->loaded;
    rack->loaded = batch;
    rack->count = batch->count;
    rack->limit = msg_batch_sizes[class_index];
}

/* Nothing is loaded, or nothing is left in it. False: no memory for a batch, or for objects. */
static bool msg_rack_refill(struct sp__msg_rack *rack, struct sp__msg_pool *pool,
                            uint8_t class_index)
{
    uint32_t fill = msg_batch_sizes[class_index];
    if (pool->fill != 0 && pool->fill < fill)
        fill = pool->fill;
    struct sp__msg_batch *batch = rack->spare;
    if (batch == NULL)
        batch = msg_batch_create(class_index);
    if (batch == NULL)
        return false;
    if (batch->count == 0)
        batch = msg_depot_exchange_empty(&pool->depots[class_index], batch, fill);
    msg_rack_load(rack, batch, class_index);
    return rack->count > 0;
}

/* Nothing is loaded, or it is full. False: no memory for a batch. */
static bool msg_rack_make_room(struct sp__msg_rack *rack, struct sp__msg_pool *pool,
                               uint8_t class_index)
{
    struct sp__msg_batch *batch = rack->spare;
    if (batch != NULL && batch->count > 0)
        batch = msg_depot_exchange_full(&pool->depots[class_index], batch,
                                        msg_stock_max(pool, class_index));
    rack->spare = NULL;
    if (batch == NULL)
        batch = msg_batch_create(class_index);
    if (batch == NULL)
        return false;
    msg_rack_load(rack, batch, class_index);
    return true;
}

void *sp__msg_alloc_heap(size_t size, uint8_t *out_class)
{
    *out_class = SP__MSG_CLASS_HEAP;
    return sp__malloc(size);
}

void *sp__msg_alloc_slow(struct sp__msg_cache *cache, uint8_t class_index)
{
    struct sp__msg_depot *depot = &cache->pool->depots[class_index];
    struct sp__msg_rack *rack = &cache->racks[class_index];
    void *object;
    if (msg_rack_refill(rack, cache->pool, class_index))
        object = rack->loaded->objects[--rack->count];
    else
        object = msg_depot_alloc_one(depot);
    if (object != NULL)
        sp__unpoison(object, sp__msg_class_bytes[class_index]);
    return object;
}

void sp__msg_free_slow(struct sp__msg_cache *cache, struct sp__msg_pool *pool, void *ptr,
                       uint8_t class_index)
{
    if (class_index == SP__MSG_CLASS_HEAP) {
        sp__free(ptr);
        return;
    }
    assert(class_index < SP__MSG_CLASSES);
    sp__poison(ptr, sp__msg_class_bytes[class_index]);
    struct sp__msg_rack *rack = cache != NULL ? &cache->racks[class_index] : NULL;
    if (rack != NULL && msg_rack_make_room(rack, pool, class_index))
        rack->loaded->objects[rack->count++] = ptr;
    else
        msg_depot_free_one(&pool->depots[class_index], ptr);
}
