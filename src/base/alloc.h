/* Memory for the library's own structures.
 *
 * Every allocation of the library goes through these six calls, so that one place can
 * count them, fail them and name them. They are malloc's contract with two differences:
 * a size of zero gives a valid pointer, and failure is a plain NULL without errno.
 * The caller turns NULL into SP_ERR_NOMEM; nothing below this line gives up or prints.
 *
 * Built with -DSPAWNED_FAULT_INJECTION, sp__alloc_fail_after() makes a later allocation
 * fail, so that a test can walk every out-of-memory path one by one.
 *
 * Threads: any. Neighbours: none below; everything above.
 */
#ifndef SP_BASE_ALLOC_H
#define SP_BASE_ALLOC_H

#include "spawned/base.h"

/** `size` bytes, uninitialised, or NULL.
 *  Ownership: the caller's; sp__free(). Context: any. */
void *sp__malloc(size_t size) SP_NODISCARD;

/** `count` zeroed elements of `size` bytes, or NULL (also when the product overflows).
 *  Ownership: the caller's; sp__free(). Context: any. */
void *sp__calloc(size_t count, size_t size) SP_NODISCARD;

/** Resizes `ptr` (NULL: allocates). NULL on failure, and then `ptr` is still valid.
 *  Ownership: the caller's; sp__free(). Context: any. */
void *sp__realloc(void *ptr, size_t size) SP_NODISCARD;

/** `size` bytes at a multiple of `align` (a power of two), or NULL. `size` need not be a
 *  multiple of `align`.
 *  Ownership: the caller's; sp__free(). Context: any. */
void *sp__aligned_alloc(size_t align, size_t size) SP_NODISCARD;

/** A copy of the string, or NULL.
 *  Ownership: the caller's; sp__free(). Context: any. */
char *sp__strdup(const char *text) SP_NONNULL SP_NODISCARD;

/** Gives memory of any call above back; NULL does nothing.
 *  Context: any. */
void sp__free(void *ptr);

/** Is memory that comes from elsewhere (a mapping) to be refused? Counts as an allocation when
 *  failures are injected; else always false.
 *  Context: any. */
bool sp__alloc_refused(void);

/** Asked before each allocation, where somebody wants to fail some: true, it fails. NULL, as in
 *  production: none does. Set and read by the one thread of a simulated world. */
extern bool (*sp__alloc_asked)(void);

#ifdef SPAWNED_FAULT_INJECTION
/** The allocation after the next `successes` fails, once; a negative number fails none.
 *  Counts allocations of every thread.
 *  Context: any, in tests. */
void sp__alloc_fail_after(long successes);

/** As sp__alloc_fail_after(), but every allocation after the next `successes` fails,
 *  until sp__alloc_fail_after(-1).
 *  Context: any, in tests. */
void sp__alloc_fail_from(long successes);

/** True if a failure was injected since the last sp__alloc_fail_after() or _from().
 *  Context: any, in tests. */
bool sp__alloc_failed(void);
#endif

#endif
