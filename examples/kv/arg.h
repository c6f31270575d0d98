/* One argument of a request: bytes that someone else owns. Any bytes, zero included, and
 * no terminator.
 */
#ifndef KV_ARG_H
#define KV_ARG_H

#include "spawned/base.h"

#include <string.h>
#include <strings.h>

/** Borrowed bytes. */
struct kv_arg {
    const char *ptr;
    size_t len;
};

/** True when the argument is the word `word`, in any case. Context: any. */
static inline bool kv_arg_is(const struct kv_arg *arg, const char *word)
{
    return strlen(word) == arg->len && strncasecmp(arg->ptr, word, arg->len) == 0;
}

#endif
