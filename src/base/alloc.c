/* Memory for the library's own structures: see alloc.h.
 *
 * alloc_may_fail() is the one place where a failure can be injected; in production it is a test
 * of one pointer.
 */
#include "base/alloc.h"

#include "base/atomic.h"

#include <stdlib.h>
#include <string.h>

bool (*sp__alloc_asked)(void);

#ifdef SPAWNED_FAULT_INJECTION

/* How many more allocations succeed; negative once the failure is behind us or none is asked
 * for. All orders are relaxed: a test arms the counter before it starts what it tests. */
static _Atomic long alloc_countdown = -1;
static _Atomic bool alloc_keep_failing;
static _Atomic bool alloc_has_failed;

static void alloc_arm(long successes, bool keep_failing)
{
    atomic_store_explicit(&alloc_has_failed, false, memory_order_relaxed);
    atomic_store_explicit(&alloc_keep_failing, keep_failing, memory_order_relaxed);
    atomic_store_explicit(&alloc_countdown, successes, memory_order_relaxed);
}

void sp__alloc_fail_after(long successes)
{
    alloc_arm(successes, false);
}

void sp__alloc_fail_from(long successes)
{
    alloc_arm(successes, true);
}

bool sp__alloc_failed(void)
{
    return atomic_load_explicit(&alloc_has_failed, memory_order_relaxed);
}

static bool alloc_injected(void)
{
    long left = atomic_load_explicit(&alloc_countdown, memory_order_relaxed);
    bool keep = atomic_load_explicit(&alloc_keep_failing, memory_order_relaxed);
    for (;;) {
        if (left < 0)
            return false;
        long next = left > 0 ? left - 1 : (keep ? 0 : -1);
        if (atomic_compare_exchange_weak_explicit(&alloc_countdown, &left, next,
                                                  memory_order_relaxed, memory_order_relaxed))
            break;
    }
    if (left == 0)
        atomic_store_explicit(&alloc_has_failed, true, memory_order_relaxed);
    return left == 0;
}

#else

static inline bool alloc_injected(void)
{
    return false;
}

#endif

static inline bool alloc_may_fail(void)
{
    return alloc_injected() || (sp__alloc_asked != NULL && sp__alloc_asked());
}

bool sp__alloc_refused(void)
{
    return alloc_may_fail();
}

void *sp__malloc(size_t size)
{
    if (alloc_may_fail())
        return NULL;
    return malloc(size > 0 ? size : 1);
}

void *sp__calloc(size_t count, size_t size)
{
    size_t product;
    if (alloc_may_fail() || __builtin_mul_overflow(count, size, &product))
        return NULL;
    return calloc(1, product > 0 ? product : 1);
}

void *sp__realloc(void *ptr, size_t size)
{
    if (alloc_may_fail())
        return NULL;
    return realloc(ptr, size > 0 ? size : 1);
}

void *sp__aligned_alloc(size_t align, size_t size)
{
    void *ptr = NULL;
    if (alloc_may_fail())
        return NULL;
    if (align < sizeof(void *))
        align = sizeof(void *);
    return posix_memalign(&ptr, align, size > 0 ? size : 1) == 0 ? ptr : NULL;
}

char *sp__strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = sp__malloc(size);
    if (copy != NULL)
        memcpy(copy, text, size);
    return copy;
}

void sp__free(void *ptr)
{
    free(ptr);
}
