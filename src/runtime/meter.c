#include "runtime/meter.h"

#include "base/alloc.h"
#include "runtime/watch.h"

#include <string.h>

struct sp__meter_chunk *sp__meter_chunk_new(struct sp__meter *meter, uint32_t chunk)
{
    struct sp__meter_chunk *made = sp__aligned_alloc(SP__CACHE_LINE, sizeof(*made));
    if (made == NULL)
        return NULL;
    memset(made, 0, sizeof(*made));
    /* release: pairs with the acquire in read. */
    atomic_store_explicit(&meter->chunks[chunk], made, memory_order_release);
    return made;
}

/* ---- blocks; with contexts_lock held ---- */

/* Its own of the last time; else that of a thread of the same kind that has ended. */
static struct sp__meter *block_of(struct sp__meters *meters, const struct sp__context *context)
{
    struct sp__meter *unused = NULL;
    for (struct sp__meter *meter = sp__meters_blocks(meters); meter != NULL; meter = meter->next) {
        if (meter->context == context)
            return meter;
        if (meter->context == NULL && meter->kind == context->kind)
            unused = meter;
    }
    return unused;
}

static struct sp__meter *block_new(struct sp__meters *meters, enum sp__context_kind kind)
{
    struct sp__meter *meter = sp__aligned_alloc(SP__CACHE_LINE, sizeof(*meter));
    if (meter == NULL)
        return NULL;
    memset(meter, 0, sizeof(*meter));
    meter->kind = kind;
    meter->number = meters->block_count++;
    meter->next = atomic_load_explicit(&meters->blocks, memory_order_relaxed);
    /* release: pairs with the acquire in sp__meters_blocks(). */
    atomic_store_explicit(&meters->blocks, meter, memory_order_release);
    return meter;
}

void sp__meters_join(struct sp_runtime *runtime, struct sp__context *context)
{
    struct sp__meters *meters = sp__meters_of(runtime);
    if (meters == NULL)
        return;
    struct sp__meter *meter = block_of(meters, context);
    if (meter == NULL)
        meter = block_new(meters, context->kind);
    if (meter == NULL)
        return; /* without memory its counts are the shared ones, and its messages are not watched */
    meter->context = context;
    /* release: pairs with the acquire in sp__meter_cell(). */
    atomic_store_explicit(&context->meter, meter, memory_order_release);
    if (meters->watching)
        (void)sp__watch_attach(runtime, context);
}

void sp__meters_leave(struct sp_runtime *runtime, struct sp__context *context)
{
    struct sp__meters *meters = sp__meters_of(runtime);
    if (meters == NULL)
        return;
    sp__watch_detach(context);
    atomic_store_explicit(&context->meter, NULL, memory_order_relaxed);
    for (struct sp__meter *meter = sp__meters_blocks(meters); meter != NULL; meter = meter->next)
        if (meter->context == context)
            meter->context = NULL;
}

/* ---- beginning and end ---- */

sp_err sp__meters_get(struct sp_runtime *runtime, struct sp__meters **out_meters)
{
    struct sp__meters *meters = sp__meters_of(runtime);
    if (meters == NULL) {
        struct sp__meters *made = sp__calloc(1, sizeof(*made));
        if (made == NULL)
            return SP_ERR_NOMEM;
        sp__lock_lock(&runtime->contexts_lock);
        meters = sp__meters_of(runtime);
        if (meters == NULL) {
            meters = made;
            made = NULL;
            /* release: pairs with the acquire in sp__meters_of(). */
            atomic_store_explicit(&runtime->meters, meters, memory_order_release);
            struct sp__list *contexts = &runtime->contexts;
            for (struct sp__list *at = sp__list_first(contexts); at != NULL;
                 at = sp__list_next(contexts, at))
                sp__meters_join(runtime, sp__container_of(at, struct sp__context, link));
        }
        sp__lock_unlock(&runtime->contexts_lock);
        sp__free(made);
    }
    *out_meters = meters;
    return SP_OK;
}

void sp__meters_free(struct sp_runtime *runtime)
{
    struct sp__meters *meters = sp__meters_of(runtime);
    if (meters == NULL)
        return;
    /* relaxed: nobody else is there any more. */
    void *registry = atomic_load_explicit(&meters->registry, memory_order_relaxed);
    if (registry != NULL)
        meters->registry_free(registry);
    for (struct sp__meter *meter = sp__meters_blocks(meters); meter != NULL;) {
        struct sp__meter *next = meter->next;
        sp__watch_free(atomic_load_explicit(&meter->watch, memory_order_relaxed));
        for (uint32_t i = 0; i < SP__METER_CHUNKS; i++)
            sp__free(atomic_load_explicit(&meter->chunks[i], memory_order_relaxed));
        sp__free(meter);
        meter = next;
    }
    sp__free(meters);
    atomic_store_explicit(&runtime->meters, NULL, memory_order_relaxed);
}
