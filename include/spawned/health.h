/* Health: what servers say of themselves, gathered.
 *
 * A class with a health function (SP_ON_HEALTH) is asked between two of its messages, ahead of
 * all that waits in its mailbox, so one that is overloaded still answers; one that does not, because
 * a handler has not returned, is unhealthy for that reason. The worst answer is that of the whole.
 */
#ifndef SPAWNED_HEALTH_H
#define SPAWNED_HEALTH_H

#include "spawned/err.h"
#include "spawned/pid.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

/** Worse is more. */
enum sp_health_status {
    SP_HEALTHY,
    SP_DEGRADED,  /**< it works, less well than it should */
    SP_UNHEALTHY, /**< it does not do what it is there for */
};

/** "healthy", "degraded", "unhealthy". Context: any. */
SP_API const char *sp_health_status_name(enum sp_health_status status);

/** Bytes of a text, with its zero. */
#define SP_HEALTH_TEXT_MAX 128

/** What a server says. All zeros when its health function is called: healthy. */
struct sp_health {
    enum sp_health_status status;
    char text[SP_HEALTH_TEXT_MAX]; /**< why; a longer one is to be cut by who writes it */
};

/** Of whom, and how long. Zero means the default named here. */
struct sp_health_options {
    sp_pid below; /**< only processes that it, or who came from it, has started; default: all */
    sp_duration limit; /**< no answer for so long: unhealthy; default 1 s */
    sp_duration wait;  /**< for the answers; default: the limit. Who has not answered by then, and
                             was asked less than the limit ago, keeps its last answer */
    uint32_t servers_max; /**< to ask; default 4,096 */
};

/** One server. */
struct sp_health_check {
    sp_pid pid;
    sp_pid parent;
    char name[64];     /**< registered, or "" */
    const char *label; /**< of its class */
    struct sp_health health;
    bool answered; /**< this time */
};

/** All of them. */
struct sp_health_report {
    enum sp_health_status status; /**< the worst */
    uint32_t asked;               /**< servers that were asked, and live */
    uint32_t healthy;
    uint32_t degraded;
    uint32_t unhealthy;
    uint32_t unasked; /**< beyond `servers_max` */
    size_t count;     /**< in `checks` */
};

/** Ask all servers of the running process's runtime that have a health function, at the same
 *  time. `checks` gets up to `max` of them, the worst first. Who ends meanwhile is left out. A
 *  server that starts up is degraded. Answers are looked for after 1 ms, then 2, 4, 8, and each 16.
 *  Errors: NOMEM, NOTCONTEXT, CANCELLED; INVALID (a duration below zero).
 *  Context: process, may suspend. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(4) sp_err
    sp_health(const struct sp_health_options *options, struct sp_health_check *checks, size_t max,
              struct sp_health_report *out_report);

SP_EXTERN_C_END

#endif
