/* Slabs of equal objects: see msg_slab.h. */
#include "runtime/msg_slab.h"

#include "base/alloc.h"
#include "base/poison.h"

#include <assert.h>

enum { SLAB_HEADER = 64 };

struct sp__msg_slab {
    struct sp__list link;
    void *free;
    uint32_t out;
    uint32_t cut; /* objects 0..cut exist; the others were never touched */
    uint32_t capacity;
};
_Static_assert(sizeof(struct sp__msg_slab) <= SLAB_HEADER, "the header fits before the objects");

void sp__msg_slabs_init(struct sp__msg_slabs *slabs, uint32_t object_size)
{
    assert(object_size >= sizeof(void *) && object_size % 16 == 0);
    sp__list_init(&slabs->partial);
    slabs->count = 0;
    slabs->object_size = object_size;
}

struct sp__msg_slab *sp__msg_slab_create(uint32_t object_size)
{
    struct sp__msg_slab *slab = sp__aligned_alloc(SP__MSG_SLAB_SIZE, SP__MSG_SLAB_SIZE);
    if (slab == NULL)
        return NULL;
    *slab = (struct sp__msg_slab){ .capacity = (SP__MSG_SLAB_SIZE - SLAB_HEADER) / object_size };
    sp__poison((char *)slab + SLAB_HEADER, SP__MSG_SLAB_SIZE - SLAB_HEADER);
    return slab;
}

void sp__msg_slab_destroy(struct sp__msg_slab *slab)
{
    assert(slab->out == 0);
    sp__unpoison(slab, SP__MSG_SLAB_SIZE);
    sp__free(slab);
}

void sp__msg_slabs_add(struct sp__msg_slabs *slabs, struct sp__msg_slab *moved_slab)
{
    sp__list_push_back(&slabs->partial, &moved_slab->link);
    slabs->count++;
}

static struct sp__msg_slab *slab_of(void *object)
{
    return (struct sp__msg_slab *)((uintptr_t)object & ~(uintptr_t)(SP__MSG_SLAB_SIZE - 1));
}

static void *slab_pop_free(struct sp__msg_slab *slab)
{
    void **object = slab->free;
    sp__unpoison(object, sizeof(*object));
    slab->free = *object;
    sp__poison(object, sizeof(*object));
    return object;
}

static void slab_push_free(struct sp__msg_slab *slab, void *ptr)
{
    void **object = ptr;
    sp__unpoison(object, sizeof(*object));
    *object = slab->free;
    sp__poison(object, sizeof(*object));
    slab->free = object;
}

void *sp__msg_slabs_cut(struct sp__msg_slabs *slabs)
{
    void *object;
    if (sp__list_empty(&slabs->partial))
        return NULL;
    struct sp__msg_slab *slab = sp__container_of(slabs->partial.next, struct sp__msg_slab, link);
    if (slab->free != NULL)
        object = slab_pop_free(slab);
    else
        object = (char *)slab + SLAB_HEADER + (size_t)slab->cut++ * slabs->object_size;
    slab->out++;
    if (slab->free == NULL && slab->cut == slab->capacity)
        sp__list_remove(&slab->link);
    return object;
}

void sp__msg_slabs_return(struct sp__msg_slabs *slabs, void *object, struct sp__list *done)
{
    struct sp__msg_slab *slab = slab_of(object);
    slab_push_free(slab, object);
    slab->out--;
    if (!sp__list_linked(&slab->link))
        sp__list_push_front(&slabs->partial, &slab->link);
    if (slab->out > 0)
        return;
    sp__list_remove(&slab->link);
    sp__list_push_back(done, &slab->link);
    slabs->count--;
}

void sp__msg_slabs_destroy(struct sp__list *done)
{
    struct sp__list *link;
    while ((link = sp__list_pop_front(done)) != NULL)
        sp__msg_slab_destroy(sp__container_of(link, struct sp__msg_slab, link));
}
