/* The server as a whole: INFO, CONFIG, SHUTDOWN, DEBUG. See session_commands.h. */
#include "session_commands.h"

#include "glob.h"
#include "number.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum {
    INFO_LINE_MAX = 256,
    CONFIG_NAME_MAX = 128, /* of it, in an error */
};

/* --- INFO -------------------------------------------------------------------------------- */

static void info_line(struct resp_out *text, const char *format, ...) SP_PRINTF(2, 3);

static void info_line(struct resp_out *text, const char *format, ...)
{
    char line[INFO_LINE_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (len > 0)
        resp_raw(text, line, (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1);
    resp_raw(text, "\r\n", 2);
}

static void info_server(struct resp_out *text, const struct kv_info *info)
{
    info_line(text, "redis_version:%s", KV_COMPATIBLE_VERSION);
    info_line(text, "redis_mode:standalone");
    info_line(text, "arch_bits:%zu", sizeof(void *) * 8);
    info_line(text, "process_id:%ld", (long)getpid());
    info_line(text, "run_id:%s", info->run_id);
    info_line(text, "tcp_port:%d", info->port);
    info_line(text, "uptime_in_seconds:%" PRId64, info->uptime_ms / 1000);
    info_line(text, "uptime_in_days:%" PRId64, info->uptime_ms / 86400000);
    info_line(text, "workers:%d", info->workers);
}

static void info_clients(struct resp_out *text, const struct kv_info *info)
{
    info_line(text, "connected_clients:%" PRIu64, info->connected_clients);
    info_line(text, "maxclients:%" PRIu64, info->max_clients);
    info_line(text, "blocked_clients:%" PRIu64, info->blocked_clients);
}

static void info_memory(struct resp_out *text, const struct kv_info *info)
{
    info_line(text, "used_memory:%" PRIu64, info->used_memory);
}

static void info_persistence(struct resp_out *text, const struct kv_info *info)
{
    (void)info;
    info_line(text, "loading:0");
    info_line(text, "aof_enabled:0");
}

static void info_stats(struct resp_out *text, const struct kv_info *info)
{
    info_line(text, "total_connections_received:%" PRIu64, info->total_connections);
    info_line(text, "total_commands_processed:%" PRIu64, info->total_commands);
    info_line(text, "rejected_connections:%" PRIu64, info->rejected_connections);
    info_line(text, "protocol_errors:%" PRIu64, info->protocol_errors);
    info_line(text, "slow_request_disconnections:%" PRIu64, info->slow_requests);
    info_line(text, "client_output_buffer_limit_disconnections:%" PRIu64, info->slow_readers);
    info_line(text, "client_idle_disconnections:%" PRIu64, info->idle_clients);
    info_line(text, "expired_keys:%" PRIu64, info->expired_keys);
    info_line(text, "evicted_keys:0");
    info_line(text, "keyspace_hits:%" PRIu64, info->hits);
    info_line(text, "keyspace_misses:%" PRIu64, info->misses);
    info_line(text, "pubsub_channels:%" PRIu64, info->pubsub_channels);
    info_line(text, "pubsub_patterns:%" PRIu64, info->pubsub_patterns);
}

static void info_replication(struct resp_out *text, const struct kv_info *info)
{
    (void)info;
    info_line(text, "role:master");
    info_line(text, "connected_slaves:0");
}

static void info_cluster(struct resp_out *text, const struct kv_info *info)
{
    (void)info;
    info_line(text, "cluster_enabled:0");
}

static void info_shards(struct resp_out *text, const struct kv_info *info)
{
    info_line(text, "shards:%" PRIu64, info->shards);
    info_line(text, "shard_crashes:%" PRIu64, info->shard_crashes);
    if (info->shard_crashes > 0)
        info_line(text, "shard_crashes_note:a shard that crashed came back empty");
}

static void info_keyspace(struct resp_out *text, const struct kv_info *info)
{
    if (info->keys > 0)
        info_line(text, "db0:keys=%" PRIu64 ",expires=%" PRIu64 ",avg_ttl=0", info->keys,
                  info->expires);
}

struct info_section {
    const char *name;
    void (*write)(struct resp_out *text, const struct kv_info *info);
};

static const struct info_section info_sections[] = {
    { "Server", info_server },     { "Clients", info_clients },
    { "Memory", info_memory },     { "Persistence", info_persistence },
    { "Stats", info_stats },       { "Replication", info_replication },
    { "Shards", info_shards },     { "Cluster", info_cluster },
    { "Keyspace", info_keyspace },
};

static bool info_wants(const struct kv_session_call *call, const char *section)
{
    if (call->argc == 1)
        return true;
    for (size_t i = 1; i < call->argc; i++) {
        const struct kv_arg *arg = &call->argv[i];
        if (kv_arg_is(arg, section) || kv_arg_is(arg, "all") || kv_arg_is(arg, "everything") ||
            kv_arg_is(arg, "default"))
            return true;
    }
    return false;
}

void kv_cmd_info(struct kv_session_call *call)
{
    struct kv_info info = { .run_id = "" };
    sp_err err = call->env->info(call->env->arg, &info);
    if (err != SP_OK) {
        kv_reply_failure(call->out, err);
        return;
    }
    struct resp_out text;
    resp_out_init(&text, 2, 0);
    for (size_t i = 0; i < sizeof(info_sections) / sizeof(info_sections[0]); i++) {
        if (!info_wants(call, info_sections[i].name))
            continue;
        if (text.len > 0)
            resp_raw(&text, "\r\n", 2);
        info_line(&text, "# %s", info_sections[i].name);
        info_sections[i].write(&text, &info);
    }
    resp_verbatim(call->out, "txt", text.len != 0 ? text.data : "", text.len);
    call->out->failed = call->out->failed || text.failed;
    resp_out_finish(&text);
}

/* --- CONFIG ------------------------------------------------------------------------------ */

static bool config_wants(const struct kv_session_call *call, const char *name)
{
    for (size_t i = 2; i < call->argc; i++)
        if (kv_glob_match(call->argv[i].ptr, call->argv[i].len, name, strlen(name), true))
            return true;
    return false;
}

static const char *const config_switches[KV_SWITCHES] = {
    [KV_SWITCH_METRICS] = "metrics",
    [KV_SWITCH_TRACING] = "tracing",
};

static void config_put(struct kv_session_call *call, const char *name, const char *value)
{
    resp_text(call->out, name);
    resp_text(call->out, value);
}

void kv_cmd_config_get(struct kv_session_call *call)
{
    size_t count = 0;
    const char *const *config = call->env->config;
    for (size_t i = 0; config[i] != NULL; i += 2)
        count += config_wants(call, config[i]);
    for (size_t i = 0; i < KV_SWITCHES; i++)
        count += config_wants(call, config_switches[i]);
    resp_map(call->out, count);
    for (size_t i = 0; config[i] != NULL; i += 2)
        if (config_wants(call, config[i]))
            config_put(call, config[i], config[i + 1]);
    for (size_t i = 0; i < KV_SWITCHES; i++)
        if (config_wants(call, config_switches[i]))
            config_put(call, config_switches[i],
                       call->env->switched(call->env->arg, (enum kv_switch)i) ? "yes" : "no");
}

/* One that CONFIG GET knows, and only the command line sets. */
static bool config_is_fixed(const struct kv_session_call *call, const struct kv_arg *name)
{
    for (const char *const *at = call->env->config; *at != NULL; at += 2)
        if (kv_arg_is(name, *at))
            return true;
    return false;
}

static void config_failed(struct kv_session_call *call, const struct kv_arg *name, const char *why)
{
    resp_errorf(call->out, "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s",
                (int)(name->len < CONFIG_NAME_MAX ? name->len : CONFIG_NAME_MAX), name->ptr, why);
}

/* KV_SWITCHES: no such switch, and the client was told. */
static enum kv_switch config_switch(struct kv_session_call *call, const struct kv_arg *name)
{
    for (size_t i = 0; i < KV_SWITCHES; i++)
        if (kv_arg_is(name, config_switches[i]))
            return (enum kv_switch)i;
    if (config_is_fixed(call, name))
        config_failed(call, name, "can't set immutable config");
    else
        resp_errorf(call->out, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'",
                    (int)(name->len < CONFIG_NAME_MAX ? name->len : CONFIG_NAME_MAX), name->ptr);
    return KV_SWITCHES;
}

/* All or nothing, as far as what is asked for goes. */
void kv_cmd_config_set(struct kv_session_call *call)
{
    signed char wanted[KV_SWITCHES];
    memset(wanted, -1, sizeof(wanted));
    if (call->argc % 2 != 0) {
        resp_error(call->out, "ERR wrong number of arguments for 'config|set' command");
        return;
    }
    for (size_t i = 2; i < call->argc; i += 2) {
        enum kv_switch which = config_switch(call, &call->argv[i]);
        bool yes = kv_arg_is(&call->argv[i + 1], "yes");
        if (which == KV_SWITCHES)
            return;
        if (!yes && !kv_arg_is(&call->argv[i + 1], "no"))
            config_failed(call, &call->argv[i], "argument must be 'yes' or 'no'");
        else if (wanted[which] >= 0)
            config_failed(call, &call->argv[i], "duplicate parameter");
        else {
            wanted[which] = yes;
            continue;
        }
        return;
    }
    for (size_t i = 0; i < KV_SWITCHES; i++) {
        sp_err err = wanted[i] < 0
                         ? SP_OK
                         : call->env->set_switch(call->env->arg, (enum kv_switch)i, wanted[i] == 1);
        if (err != SP_OK) {
            kv_reply_failure(call->out, err);
            return;
        }
    }
    resp_simple(call->out, "OK");
}

/* --- SHUTDOWN, DEBUG --------------------------------------------------------------------- */

struct shutdown_words {
    bool save, nosave, abort, other;
};

static bool shutdown_parse(struct kv_session_call *call, struct shutdown_words *words)
{
    *words = (struct shutdown_words){ 0 };
    for (size_t i = 1; i < call->argc; i++) {
        const struct kv_arg *arg = &call->argv[i];
        if (kv_arg_is(arg, "save"))
            words->save = true;
        else if (kv_arg_is(arg, "nosave"))
            words->nosave = true;
        else if (kv_arg_is(arg, "abort"))
            words->abort = true;
        else if (kv_arg_is(arg, "now") || kv_arg_is(arg, "force"))
            words->other = true;
        else
            return false;
    }
    return !(words->save && words->nosave) &&
           !(words->abort && (words->save || words->nosave || words->other));
}

/* Nothing is ever saved, so SAVE and NOSAVE come to the same. */
void kv_cmd_shutdown(struct kv_session_call *call)
{
    struct shutdown_words words;
    if (!shutdown_parse(call, &words)) {
        kv_reply_syntax(call->out);
        return;
    }
    if (words.abort) {
        resp_error(call->out, "ERR No shutdown in progress.");
        return;
    }
    sp_err err = call->env->shutdown(call->env->arg);
    if (err != SP_OK)
        kv_reply_failure(call->out, err);
    else
        call->session->closing = true;
}

static void debug_reply(struct kv_session_call *call, sp_err err)
{
    if (err == SP_OK)
        resp_simple(call->out, "OK");
    else if (err == SP_ERR_NOTFOUND)
        resp_error(call->out, "ERR no such shard");
    else
        kv_reply_failure(call->out, err);
}

static void debug_tree(struct kv_session_call *call)
{
    struct resp_out lines;
    resp_out_init(&lines, 2, 0);
    sp_err err = call->env->tree(call->env->arg, &lines);
    if (err != SP_OK || lines.failed)
        kv_reply_failure(call->out, err != SP_OK ? err : SP_ERR_NOMEM);
    else
        resp_verbatim(call->out, "txt", lines.data, lines.len);
    resp_out_finish(&lines);
}

void kv_cmd_debug(struct kv_session_call *call)
{
    const struct kv_arg *argv = call->argv;
    if (kv_arg_is(&argv[1], "tree") && call->argc == 2 && call->env->tree != NULL) {
        debug_tree(call);
        return;
    }
    bool crash = kv_arg_is(&argv[1], "crash-shard");
    bool spin = kv_arg_is(&argv[1], "spin-shard");
    int64_t shard, ms = 0;
    if ((!crash && !spin) || call->argc != (crash ? 3U : 4U)) {
        resp_error(call->out, "ERR try DEBUG CRASH-SHARD <shard>, DEBUG SPIN-SHARD <shard> "
                              "<milliseconds> or DEBUG TREE");
        return;
    }
    if (!kv_arg_int(&argv[2], call->out, &shard) || (spin && !kv_arg_int(&argv[3], call->out, &ms)))
        return;
    if (shard < 0 || ms < 0)
        debug_reply(call, SP_ERR_NOTFOUND);
    else if (crash)
        debug_reply(call, call->env->crash_shard(call->env->arg, (uint64_t)shard));
    else
        debug_reply(call, call->env->spin_shard(call->env->arg, (uint64_t)shard, ms));
}
