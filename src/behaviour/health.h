/* What is known of a server's health: asked for by others, answered by itself.
 *
 * Threads: under `lock`, but for the callback, which has its own rules. It lives as long as the
 * process's extra part, so whoever found the process in a section may use it there.
 * Neighbours: health.c.
 */
#ifndef SPAWNED_BEHAVIOUR_HEALTH_H
#define SPAWNED_BEHAVIOUR_HEALTH_H

#include "process/callback.h"
#include "spawned/health.h"

struct sp__health {
    struct sp__callback callback; /* answers */
    struct sp__lock lock;
    uint64_t asked SP__GUARDED_BY(lock);          /* how often */
    uint64_t answered SP__GUARDED_BY(lock);       /* `asked` when it began its last answer */
    int64_t asked_ns SP__GUARDED_BY(lock);        /* the first time since then */
    struct sp_health health SP__GUARDED_BY(lock); /* its last answer */
};

#endif
