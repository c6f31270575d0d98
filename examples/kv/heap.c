/* Slabs and large blocks of one shard. See heap.h. */
#include "heap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HEAP_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEAP_ASAN 1
#endif
#endif
#ifdef HEAP_ASAN
#include <sanitizer/asan_interface.h>
#define HEAP_POISON(ptr, size) ASAN_POISON_MEMORY_REGION(ptr, size)
#define HEAP_UNPOISON(ptr, size) ASAN_UNPOISON_MEMORY_REGION(ptr, size)
#else
#define HEAP_POISON(ptr, size) ((void)(ptr), (void)(size))
#define HEAP_UNPOISON(ptr, size) ((void)(ptr), (void)(size))
#endif

enum { HEAP_GRAIN = 16, HEAP_LINEAR_MAX = 256, HEAP_LINEAR_CLASSES = 16 };

struct kv_slab {
    _Alignas(HEAP_GRAIN) struct kv_slab *next; /* in the partial list of its class */
    struct kv_slab *prev;
    struct kv_slab *all_next; /* in the list of all slabs */
    struct kv_slab *all_prev;
    void *free;      /* freed objects, linked through their first word */
    uint32_t bump;   /* offset of the first byte never handed out */
    uint32_t live;   /* objects handed out */
    uint32_t object; /* bytes per object */
    uint32_t class_index;
};

struct kv_large {
    struct kv_large *next;
    struct kv_large *prev;
};

static_assert(sizeof(struct kv_slab) % HEAP_GRAIN == 0, "objects follow the header aligned");
static_assert(sizeof(struct kv_large) % HEAP_GRAIN == 0, "the block follows aligned");

static uint32_t heap_class(size_t size)
{
    if (size <= HEAP_LINEAR_MAX)
        return size == 0 ? 0 : (uint32_t)((size - 1) / HEAP_GRAIN);
    /* size - 1 in [2^(b), 2^(b+1)): two more bits choose the quarter. */
    uint32_t top = 63U - (uint32_t)__builtin_clzll((unsigned long long)size - 1);
    uint32_t quarter = (uint32_t)((size - 1) >> (top - 2)) & 3U;
    return HEAP_LINEAR_CLASSES + (top - 8) * 4 + quarter;
}

static size_t heap_class_size(uint32_t index)
{
    if (index < HEAP_LINEAR_CLASSES)
        return (size_t)(index + 1) * HEAP_GRAIN;
    uint32_t step = index - HEAP_LINEAR_CLASSES;
    return (size_t)(5 + step % 4) << (6 + step / 4);
}

size_t kv_heap_round(size_t size)
{
    if (size > KV_HEAP_SMALL_MAX)
        return (size + (HEAP_GRAIN - 1)) & ~(size_t)(HEAP_GRAIN - 1);
    return heap_class_size(heap_class(size));
}

void kv_heap_init(struct kv_heap *heap, size_t max)
{
    memset(heap, 0, sizeof(*heap));
    heap->max = max;
}

void kv_heap_finish(struct kv_heap *heap)
{
    for (struct kv_slab *slab = heap->slabs, *next; slab != NULL; slab = next) {
        next = slab->all_next;
        HEAP_UNPOISON(slab, KV_HEAP_SLAB);
        free(slab);
    }
    for (struct kv_large *large = heap->large, *next; large != NULL; large = next) {
        next = large->next;
        free(large);
    }
    kv_heap_init(heap, heap->max);
}

static void heap_partial_push(struct kv_heap *heap, struct kv_slab *slab)
{
    struct kv_slab **head = &heap->partial[slab->class_index];
    slab->prev = NULL;
    slab->next = *head;
    if (*head != NULL)
        (*head)->prev = slab;
    *head = slab;
}

static void heap_partial_remove(struct kv_heap *heap, struct kv_slab *slab)
{
    if (slab->next != NULL)
        slab->next->prev = slab->prev;
    if (slab->prev != NULL)
        slab->prev->next = slab->next;
    else
        heap->partial[slab->class_index] = slab->next;
}

static bool heap_slab_full(const struct kv_slab *slab)
{
    return slab->free == NULL && slab->bump + slab->object > KV_HEAP_SLAB;
}

static struct kv_slab *heap_slab_create(struct kv_heap *heap, uint32_t class_index)
{
    struct kv_slab *slab = aligned_alloc(KV_HEAP_SLAB, KV_HEAP_SLAB);
    if (slab == NULL)
        return NULL;
    *slab = (struct kv_slab){ .all_next = heap->slabs,
                              .bump = sizeof(*slab),
                              .object = (uint32_t)heap_class_size(class_index),
                              .class_index = class_index };
    if (heap->slabs != NULL)
        heap->slabs->all_prev = slab;
    heap->slabs = slab;
    heap_partial_push(heap, slab);
    HEAP_POISON(slab + 1, KV_HEAP_SLAB - sizeof(*slab));
    return slab;
}

static void heap_slab_destroy(struct kv_heap *heap, struct kv_slab *slab)
{
    heap_partial_remove(heap, slab);
    if (slab->all_next != NULL)
        slab->all_next->all_prev = slab->all_prev;
    if (slab->all_prev != NULL)
        slab->all_prev->all_next = slab->all_next;
    else
        heap->slabs = slab->all_next;
    HEAP_UNPOISON(slab, KV_HEAP_SLAB);
    free(slab);
}

static void *heap_small_alloc(struct kv_heap *heap, size_t size)
{
    uint32_t index = heap_class(size);
    struct kv_slab *slab = heap->partial[index];
    if (slab == NULL && (slab = heap_slab_create(heap, index)) == NULL)
        return NULL;
    void *object = slab->free;
    if (object != NULL) {
        HEAP_UNPOISON(object, slab->object);
        memcpy(&slab->free, object, sizeof(slab->free));
    } else {
        object = (char *)slab + slab->bump;
        slab->bump += slab->object;
        HEAP_UNPOISON(object, slab->object);
    }
    slab->live++;
    heap->used += slab->object;
    if (heap_slab_full(slab))
        heap_partial_remove(heap, slab);
    return object;
}

static void heap_small_free(struct kv_heap *heap, void *object)
{
    struct kv_slab *slab = (struct kv_slab *)((uintptr_t)object & ~(uintptr_t)(KV_HEAP_SLAB - 1));
    bool was_full = heap_slab_full(slab);
    memcpy(object, &slab->free, sizeof(slab->free));
    slab->free = object;
    slab->live--;
    heap->used -= slab->object;
    HEAP_POISON(object, slab->object);
    if (was_full)
        heap_partial_push(heap, slab);
    bool only = slab->next == NULL && slab->prev == NULL;
    if (slab->live == 0 && !only)
        heap_slab_destroy(heap, slab);
}

static void *heap_large_alloc(struct kv_heap *heap, size_t size, bool zero)
{
    struct kv_large *large =
        zero ? calloc(1, sizeof(*large) + size) : malloc(sizeof(*large) + size);
    if (large == NULL)
        return NULL;
    large->prev = NULL;
    large->next = heap->large;
    if (heap->large != NULL)
        heap->large->prev = large;
    heap->large = large;
    heap->used += size;
    return large + 1;
}

static void heap_large_free(struct kv_heap *heap, void *ptr, size_t size)
{
    struct kv_large *large = (struct kv_large *)ptr - 1;
    if (large->next != NULL)
        large->next->prev = large->prev;
    if (large->prev != NULL)
        large->prev->next = large->next;
    else
        heap->large = large->next;
    heap->used -= size;
    free(large);
}

static bool heap_has_room(const struct kv_heap *heap, size_t size)
{
    if (size > SIZE_MAX / 2)
        return false;
    return heap->max == 0 || (size <= heap->max && heap->used <= heap->max - size);
}

void *kv_heap_alloc(struct kv_heap *heap, size_t size)
{
    if (!heap_has_room(heap, size))
        return NULL;
    if (size <= KV_HEAP_SMALL_MAX)
        return heap_small_alloc(heap, size);
    return heap_large_alloc(heap, kv_heap_round(size), false);
}

void *kv_heap_alloc_zero(struct kv_heap *heap, size_t size)
{
    if (!heap_has_room(heap, size))
        return NULL;
    if (size > KV_HEAP_SMALL_MAX)
        return heap_large_alloc(heap, kv_heap_round(size), true);
    void *ptr = heap_small_alloc(heap, size);
    if (ptr != NULL)
        memset(ptr, 0, size);
    return ptr;
}

void kv_heap_free(struct kv_heap *heap, void *ptr, size_t size)
{
    if (ptr == NULL)
        return;
    if (size <= KV_HEAP_SMALL_MAX)
        heap_small_free(heap, ptr);
    else
        heap_large_free(heap, ptr, kv_heap_round(size));
}

static void *heap_large_resize(struct kv_heap *heap, void *ptr, size_t old_size, size_t new_size)
{
    struct kv_large *large = realloc((struct kv_large *)ptr - 1, sizeof(*large) + new_size);
    if (large == NULL)
        return NULL;
    if (large->next != NULL)
        large->next->prev = large;
    if (large->prev != NULL)
        large->prev->next = large;
    else
        heap->large = large;
    heap->used += new_size - old_size;
    return large + 1;
}

void *kv_heap_resize(struct kv_heap *heap, void *ptr, size_t old_size, size_t new_size)
{
    if (ptr == NULL)
        return kv_heap_alloc(heap, new_size);
    size_t had = kv_heap_round(old_size);
    size_t want = kv_heap_round(new_size);
    if (had == want)
        return ptr;
    if (want > had && !heap_has_room(heap, want - had))
        return NULL;
    if (old_size > KV_HEAP_SMALL_MAX && new_size > KV_HEAP_SMALL_MAX)
        return heap_large_resize(heap, ptr, had, want);
    void *moved = new_size > KV_HEAP_SMALL_MAX ? heap_large_alloc(heap, want, false)
                                               : heap_small_alloc(heap, new_size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, ptr, old_size < new_size ? old_size : new_size);
    kv_heap_free(heap, ptr, old_size);
    return moved;
}
