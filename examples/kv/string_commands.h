/* The commands on strings. Each replies into its call; see command.h.
 *
 * Neighbours: string_commands.c, counter_commands.c, key_table.c.
 */
#ifndef KV_STRING_COMMANDS_H
#define KV_STRING_COMMANDS_H

#include "command.h"

/** Sets the call's key, whose present entry is `entry` or NULL, to `value`, to expire at
 *  `at_ms` unless that is negative. Errors: NOMEM, TOOBIG, LIMIT. Context: any. */
SP_NODISCARD sp_err kv_string_store(struct kv_call *call, struct kv_entry *entry,
                                    const struct kv_arg *value, bool keep_expiry, int64_t at_ms)
    SP_NONNULL_ARGS(1, 3);

void kv_cmd_set(struct kv_call *call);
void kv_cmd_get(struct kv_call *call);
void kv_cmd_setnx(struct kv_call *call);
void kv_cmd_getdel(struct kv_call *call);
void kv_cmd_getex(struct kv_call *call);
void kv_cmd_strlen(struct kv_call *call);
void kv_cmd_append(struct kv_call *call);
void kv_cmd_setrange(struct kv_call *call);
void kv_cmd_getrange(struct kv_call *call);

/** Parts for one key: MGET writes the value or null, MSET nothing unless it fails. */
void kv_cmd_mget(struct kv_call *call);
void kv_cmd_mset(struct kv_call *call);
/** MSET wants its keys and values in pairs. */
bool kv_check_mset(const struct kv_arg *argv, size_t argc, struct resp_out *out);

void kv_cmd_incr(struct kv_call *call);
void kv_cmd_decr(struct kv_call *call);
void kv_cmd_incrby(struct kv_call *call);
void kv_cmd_decrby(struct kv_call *call);
void kv_cmd_incrbyfloat(struct kv_call *call);

#endif
