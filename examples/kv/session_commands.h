/* The commands that a connection answers itself. Each replies into its call; see session.h.
 *
 * Neighbours: session_commands.c, client_commands.c, pubsub_commands.c, server_commands.c,
 * introspect.c, session_table.c.
 */
#ifndef KV_SESSION_COMMANDS_H
#define KV_SESSION_COMMANDS_H

#include "session.h"

void kv_cmd_ping(struct kv_session_call *call);
void kv_cmd_echo(struct kv_session_call *call);
void kv_cmd_select(struct kv_session_call *call);
void kv_cmd_auth(struct kv_session_call *call);
void kv_cmd_hello(struct kv_session_call *call);
void kv_cmd_reset(struct kv_session_call *call);
void kv_cmd_quit(struct kv_session_call *call);

void kv_cmd_client_id(struct kv_session_call *call);
void kv_cmd_client_getname(struct kv_session_call *call);
void kv_cmd_client_setname(struct kv_session_call *call);
void kv_cmd_client_info(struct kv_session_call *call);
void kv_cmd_client_list(struct kv_session_call *call);
void kv_cmd_client_kill(struct kv_session_call *call);
void kv_cmd_client_no_evict(struct kv_session_call *call);
void kv_cmd_client_reply(struct kv_session_call *call);

void kv_cmd_subscribe(struct kv_session_call *call);
void kv_cmd_psubscribe(struct kv_session_call *call);
void kv_cmd_unsubscribe(struct kv_session_call *call);
void kv_cmd_punsubscribe(struct kv_session_call *call);
void kv_cmd_publish(struct kv_session_call *call);

void kv_cmd_info(struct kv_session_call *call);
void kv_cmd_config_get(struct kv_session_call *call);
void kv_cmd_config_set(struct kv_session_call *call);
void kv_cmd_shutdown(struct kv_session_call *call);
void kv_cmd_debug(struct kv_session_call *call);

void kv_cmd_command(struct kv_session_call *call);
void kv_cmd_command_count(struct kv_session_call *call);
void kv_cmd_command_info(struct kv_session_call *call);
void kv_cmd_command_docs(struct kv_session_call *call);
void kv_cmd_command_list(struct kv_session_call *call);
void kv_cmd_command_getkeys(struct kv_session_call *call);
void kv_cmd_command_getkeysandflags(struct kv_session_call *call);

/** Sets the client's name; false, with an error replied, when it is not a valid one. */
bool kv_session_rename(struct kv_session *session, const struct kv_arg *name, struct resp_out *out)
    SP_NONNULL SP_NODISCARD;

#endif
