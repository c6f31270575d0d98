/* The commands on lists. Each replies into its call; see command.h.
 *
 * Neighbours: list_commands.c, container_table.c.
 */
#ifndef KV_LIST_COMMANDS_H
#define KV_LIST_COMMANDS_H

#include "command.h"

void kv_cmd_lpush(struct kv_call *call);
void kv_cmd_rpush(struct kv_call *call);
void kv_cmd_lpop(struct kv_call *call);
void kv_cmd_rpop(struct kv_call *call);
void kv_cmd_llen(struct kv_call *call);
void kv_cmd_lrange(struct kv_call *call);

/** Parts of BLPOP and BRPOP for one key: reply {key, element} and set `number` to 1, or, when
 *  there is nothing to pop, reply nothing and set it to 0. A key of another type replies an
 *  error, with 1. */
void kv_cmd_blpop(struct kv_call *call);
void kv_cmd_brpop(struct kv_call *call);

/** The timeout of BLPOP and BRPOP, their last argument. False, with an error replied, when it
 *  is not a number of seconds. Units: `*out_ms` in milliseconds, 0: without end. */
bool kv_block_timeout(const struct kv_arg *arg, struct resp_out *out, int64_t *out_ms)
    SP_NONNULL SP_NODISCARD;
/** BLPOP and BRPOP want a valid timeout. */
bool kv_check_block(const struct kv_arg *argv, size_t argc, struct resp_out *out);

#endif
