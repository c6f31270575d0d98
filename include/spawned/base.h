/* Compiler attributes used by every public header.
 *
 * Nothing here is specific to actors; the names exist so that the prototypes say
 * what the compiler can check: a result that must be looked at, a pointer that must
 * not be NULL, a format string, a function that does not come back.
 */
#ifndef SPAWNED_BASE_H
#define SPAWNED_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define SP_EXTERN_C_BEGIN extern "C" {
#define SP_EXTERN_C_END }
#else
#define SP_EXTERN_C_BEGIN
#define SP_EXTERN_C_END
#endif

/** The caller must look at the result. */
#define SP_NODISCARD __attribute__((warn_unused_result))
/** Deliberately not look at it: a cast to void does not tell the compiler so. */
#define sp_ignore(expression) ((void)!(expression))
/** No pointer argument may be NULL. */
#define SP_NONNULL __attribute__((nonnull))
/** The named pointer arguments (from 1) may not be NULL. */
#define SP_NONNULL_ARGS(...) __attribute__((nonnull(__VA_ARGS__)))
/** Never returns to the caller. */
#define SP_NORETURN __attribute__((noreturn))
/** printf-like: the format is argument `f`, its values start at `a` (0: a va_list). */
#define SP_PRINTF(f, a) __attribute__((format(printf, f, a)))
/** Compiled out of line: its result is never cached across a suspension. */
#define SP_NOINLINE __attribute__((noinline))
/** A function that a macro writes into the user's file, used there or not. */
#define SP__INLINE __attribute__((unused)) static inline
/** Visible outside the shared library. */
#define SP_API __attribute__((visibility("default")))

#endif
