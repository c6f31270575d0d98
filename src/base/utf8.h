/* Is it UTF-8? Threads: none of its own. Neighbours: writers of JSON and of log lines. */
#ifndef SPAWNED_BASE_UTF8_H
#define SPAWNED_BASE_UTF8_H

#include "spawned/base.h"

/** Bytes of the UTF-8 character that begins at `s`, of which `left` (at least 1) are there; 0: it
 *  is none. Source: RFC 3629, section 4. Context: any. */
size_t sp__utf8_size(const unsigned char *s, size_t left) SP_NONNULL;

#endif
