/* What application.c and application_run.c share.
 *
 * Threads: the caller's process. Neighbours: spawned/application.h.
 */
#ifndef SP_BEHAVIOUR_APPLICATION_H
#define SP_BEHAVIOUR_APPLICATION_H

#include "spawned/application.h"

/** sp_application_start(), and a monitor of the application's life from its first moment on, for
 *  the calling process; its DOWN has the reason of the top. `out_monitor` may be NULL; it is
 *  written also on failure, when the DOWN is under way already.
 *  Errors, context: as sp_application_start(). */
sp_err sp__application_start_watched(const struct sp_application_spec *spec, sp_deadline deadline,
                                     sp_monitor_ref *out_monitor) SP_NONNULL_ARGS(1) SP_NODISCARD;

#endif
