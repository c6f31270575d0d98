/* The commands on keys of any type: existence, expiry, and the walk over all keys. Each
 * replies into its call; see command.h.
 *
 * Neighbours: key_commands.c, expire_commands.c, key_table.c.
 */
#ifndef KV_KEY_COMMANDS_H
#define KV_KEY_COMMANDS_H

#include "command.h"

/** Parts for one key: no reply, the result is in `number`. */
void kv_cmd_del(struct kv_call *call);
void kv_cmd_exists(struct kv_call *call);

void kv_cmd_type(struct kv_call *call);

/** Parts for one shard: what they wrote is counted in `number`. */
void kv_cmd_keys(struct kv_call *call);
void kv_cmd_dbsize(struct kv_call *call);
void kv_cmd_flush(struct kv_call *call);
void kv_cmd_randomkey(struct kv_call *call); /**< number: keys in the shard */
bool kv_check_flush(const struct kv_arg *argv, size_t argc, struct resp_out *out);

/** Part of SCAN: walks from `cursor` until `budget` keys were seen or the shard is through. */
void kv_cmd_scan(struct kv_call *call);
bool kv_check_scan(const struct kv_arg *argv, size_t argc, struct resp_out *out);

/** The cursor and the COUNT of a SCAN that passed kv_check_scan(). Context: any. */
void kv_scan_begin(const struct kv_arg *argv, size_t argc, uint64_t *out_cursor, int64_t *out_count)
    SP_NONNULL;

void kv_cmd_expire(struct kv_call *call);
void kv_cmd_pexpire(struct kv_call *call);
void kv_cmd_expireat(struct kv_call *call);
void kv_cmd_pexpireat(struct kv_call *call);
void kv_cmd_ttl(struct kv_call *call);
void kv_cmd_pttl(struct kv_call *call);
void kv_cmd_expiretime(struct kv_call *call);
void kv_cmd_pexpiretime(struct kv_call *call);
void kv_cmd_persist(struct kv_call *call);

#endif
