/* The commands on hashes. Each replies into its call; see command.h.
 *
 * Neighbours: hash_commands.c, container_table.c.
 */
#ifndef KV_HASH_COMMANDS_H
#define KV_HASH_COMMANDS_H

#include "command.h"

void kv_cmd_hset(struct kv_call *call);
void kv_cmd_hget(struct kv_call *call);
void kv_cmd_hdel(struct kv_call *call);
void kv_cmd_hgetall(struct kv_call *call);
void kv_cmd_hlen(struct kv_call *call);
void kv_cmd_hexists(struct kv_call *call);
void kv_cmd_hincrby(struct kv_call *call);
void kv_cmd_hmget(struct kv_call *call);

#endif
