/* Tells the address sanitizer which of our own cached memory nobody may touch.
 *
 * In a build without it both calls are nothing. Neighbours: pools and arenas.
 */
#ifndef SP_BASE_POISON_H
#define SP_BASE_POISON_H

#include "spawned/base.h"

#if defined(__SANITIZE_ADDRESS__)
#define SP__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SP__ASAN 1
#endif
#endif
#ifndef SP__ASAN
/** 1 when the address sanitizer watches. */
#define SP__ASAN 0
#endif

#if SP__ASAN
#include <sanitizer/asan_interface.h>
#endif

/** Any access to these bytes is an error until sp__unpoison(). */
static inline void sp__poison(const void *ptr, size_t size)
{
#if SP__ASAN
    __asan_poison_memory_region(ptr, size);
#else
    (void)ptr;
    (void)size;
#endif
}

/** These bytes may be used again. */
static inline void sp__unpoison(const void *ptr, size_t size)
{
#if SP__ASAN
    __asan_unpoison_memory_region(ptr, size);
#else
    (void)ptr;
    (void)size;
#endif
}

#endif
