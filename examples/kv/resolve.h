/* From the words of a request to the command to run, or to the error that refuses it.
 *
 * Threads: pure functions. Neighbours: pipeline.h.
 */
#ifndef KV_RESOLVE_H
#define KV_RESOLVE_H

#include "session.h"

/** The command or subcommand that `argv` (at least one word) asks for. NULL, with an error
 *  replied, when there is none, when its arguments are wrong, or when the session may not run it now.
 *  Context: any. */
const struct kv_command *kv_command_resolve(const struct kv_session *session,
                                            const struct kv_command_index *index,
                                            const struct kv_arg *argv, size_t argc,
                                            struct resp_out *out) SP_NONNULL;

#endif
