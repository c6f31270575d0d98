/* Looking into memory that another thread may change or give back at any moment: a stack, a message.
 *
 * The system copies, so that what is not there is an error and not a fault. What was read may be
 * of two moments; who asks checks that it makes sense, and that what led there still does.
 *
 * Threads: any. Neighbours: observe/operation.c. In a simulated world, where nothing runs meanwhile, it
 * is read directly.
 */
#ifndef SPAWNED_RUNTIME_PEEK_H
#define SPAWNED_RUNTIME_PEEK_H

#include "runtime/core.h"

/** Copy `size` bytes. False: not all of them are there, or the system does not let us.
 *  Context: any. */
bool sp__peek(const struct sp_runtime *runtime, const void *from, void *to, size_t size)
    SP_NONNULL_ARGS(1, 3);

/** Copy a text of printable ASCII, cut to `size`. False: there is none. Context: any. */
bool sp__peek_text(const struct sp_runtime *runtime, const char *from, char *to, size_t size)
    SP_NONNULL_ARGS(1, 3);

#endif
