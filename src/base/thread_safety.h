/* What clang's -Wthread-safety checks, under names that other compilers ignore.
 *
 *     struct counter {
 *         struct sp__lock lock;
 *         int value SP__GUARDED_BY(lock);
 *     };
 *     static void counter_bump(struct counter *c) SP__REQUIRES(c->lock);
 *
 * Neighbours: base/lock.h, the capability most of these refer to.
 */
#ifndef SP_BASE_THREAD_SAFETY_H
#define SP_BASE_THREAD_SAFETY_H

#if defined(__clang__)
#define SP__THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define SP__THREAD_ATTRIBUTE(x)
#endif

/** On a struct: something that is held (a lock, or a role such as "this worker"). */
#define SP__CAPABILITY(name) SP__THREAD_ATTRIBUTE(capability(name))
/** On a member: only touched while its sibling `x` is held. For the reader: in C, clang cannot
 *  name a sibling member there, so what is checked are the functions below. */
#define SP__GUARDED_BY(x)
/** On a function: the caller holds these. */
#define SP__REQUIRES(...) SP__THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
/** On a function: the caller does not hold these (they are taken inside). */
#define SP__EXCLUDES(...) SP__THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
/** On a function: comes back with these held. */
#define SP__ACQUIRE(...) SP__THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
/** On a function: gives these back. */
#define SP__RELEASE(...) SP__THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
/** On a function that may come back with it held: the first argument is the value that means yes. */
#define SP__TRY_ACQUIRE(...) SP__THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
/** On a function: the analysis cannot follow it; a comment there says why it is right. */
#define SP__NO_THREAD_SAFETY SP__THREAD_ATTRIBUTE(no_thread_safety_analysis)

#endif
