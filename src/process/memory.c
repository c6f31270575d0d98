/* Memory and deferred functions of a process: both are resources, released at its end.
 *
 *   allocation:  | resource, size, site (48 bytes) | the user's bytes, aligned to 16 |
 *
 * The quota counts the user's bytes. Threads: the owner. Neighbours: resource.h, exit.c.
 */
#include "base/alloc.h"
#include "process/leaks.h"
#include "process/resource.h"
#include "process/scheduling.h"

#include <string.h>

struct allocation {
    struct sp__resource resource;
    size_t size;
    const void *site; /* where it was asked for */
    _Alignas(16) char bytes[];
};

struct deferred {
    struct sp__resource resource;
    void (*fn)(void *arg);
    void *arg;
};

static void memory_count(struct sp_process *self, size_t more, size_t less)
{
    struct sp__extra *extra = self->extra;
    size_t memory = atomic_load_explicit(&extra->memory, memory_order_relaxed);
    atomic_store_explicit(&extra->memory, memory + more - less, memory_order_relaxed);
}

/* Is there room for so many bytes more in place of so many less? */
static bool memory_allowed(struct sp_process *self, size_t more, size_t less)
{
    struct sp__extra *extra = sp__process_extra(self);
    if (extra == NULL)
        return false;
    size_t memory = atomic_load_explicit(&extra->memory, memory_order_relaxed) - less;
    return more <= SIZE_MAX / 2 && (extra->memory_max == 0 || more + memory <= extra->memory_max);
}

static void allocation_release(struct sp__resource *resource)
{
    sp__free(sp__container_of(resource, struct allocation, resource));
}

bool sp__memory_of(const struct sp__resource *resource, size_t *out_size, const void **out_site)
{
    if (resource->release != allocation_release)
        return false;
    const struct allocation *allocation =
        sp__container_of((struct sp__resource *)(uintptr_t)resource, struct allocation, resource);
    *out_size = allocation->size;
    *out_site = allocation->site;
    return true;
}

static struct allocation *allocation_of(void *memory)
{
    return sp__container_of((char *)memory, struct allocation, bytes);
}

static void *memory_take(size_t size, const void *site)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL || !memory_allowed(self, size, 0))
        return NULL;
    struct allocation *allocation = sp__malloc(sizeof(*allocation) + size);
    if (allocation == NULL)
        return NULL;
    allocation->resource = (struct sp__resource){ .release = allocation_release };
    allocation->size = size;
    allocation->site = site;
    sp__resource_add(self, &allocation->resource);
    memory_count(self, size, 0);
    return allocation->bytes;
}

void *sp_try_alloc(size_t size)
{
    return memory_take(size, __builtin_return_address(0));
}

static void memory_exhausted(void)
{
    sp_exit(sp_reason_out_of_memory());
}

static void *memory_must(size_t size, const void *site)
{
    void *memory = memory_take(size, site);
    if (memory == NULL)
        memory_exhausted();
    return memory;
}

void *sp_alloc(size_t size)
{
    return memory_must(size, __builtin_return_address(0));
}

void *sp_realloc(void *memory, size_t size)
{
    if (memory == NULL)
        return memory_must(size, __builtin_return_address(0));
    struct sp_process *self = sp__process_self();
    struct allocation *old = allocation_of(memory);
    size_t old_size = old->size;
    if (!memory_allowed(self, size, old_size))
        memory_exhausted();
    struct allocation *allocation = sp__realloc(old, sizeof(*allocation) + size);
    if (allocation == NULL)
        memory_exhausted();
    /* It keeps its place in the order of release: what was deferred later may still use it. */
    sp__resource_moved(&allocation->resource);
    allocation->size = size;
    memory_count(self, size, old_size);
    return allocation->bytes;
}

void sp_free(void *memory)
{
    if (memory == NULL)
        return;
    struct allocation *allocation = allocation_of(memory);
    memory_count(sp__process_self(), 0, allocation->size);
    sp__resource_remove(&allocation->resource);
    sp__free(allocation);
}

char *sp_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(memory_must(size, __builtin_return_address(0)), text, size);
}

static void deferred_release(struct sp__resource *resource)
{
    struct deferred *deferred = sp__container_of(resource, struct deferred, resource);
    void (*fn)(void *arg) = deferred->fn;
    void *arg = deferred->arg;
    sp__free(deferred); /* first: the function may not come back */
    struct sp_process *self = sp__process_self();
    bool timed = sp__schedule_enter(self, "a deferred function");
    fn(arg);
    if (timed)
        sp__schedule_end(self);
}

sp_err sp_defer(void (*fn)(void *arg), void *arg)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL)
        return SP_ERR_NOTCONTEXT;
    struct deferred *deferred = sp__malloc(sizeof(*deferred));
    if (deferred == NULL)
        return SP_ERR_NOMEM;
    deferred->resource = (struct sp__resource){ .release = deferred_release };
    deferred->fn = fn;
    deferred->arg = arg;
    sp__resource_add(self, &deferred->resource);
    return SP_OK;
}
