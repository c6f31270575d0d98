/* The dashboard's files, in the library as they are; built from tools/dashboard.
 *
 * Threads: constant. Neighbours: page_data.S has the bytes, request.c sends them.
 */
#ifndef SPAWNED_HTTP_PAGE_H
#define SPAWNED_HTTP_PAGE_H

#include "spawned/base.h"

struct sp__http_page {
    const char *path;
    const char *type;
    const char *begin;
    const char *end;
};

/** The file that is at `path`, or NULL. Context: any. */
const struct sp__http_page *sp__http_page(const char *path) SP_NONNULL;

#endif
