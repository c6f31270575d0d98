/* What a command is: its name and arity, where it runs, and the function that runs it.
 *
 * The route says who executes a command:
 *
 *     KEY      the shard of its one key
 *     KEYS     one part per key, each in the shard of its key; the parts are merged
 *     ALL      one part in every shard; the parts are merged
 *     SCAN     shard after shard, a little each time
 *     BLOCK    the shards of its keys, one after another; else the client waits (BLPOP, BRPOP)
 *     SESSION  the connection itself, at once
 *     ALONE    the connection itself, when all earlier commands are answered
 *
 * A command that runs in a shard is a function over struct kv_call; it sees only that shard.
 * One that runs in the connection is a function over struct kv_session_call (session.h).
 *
 * Threads: the tables are constant. Neighbours: pipeline.h routes, batch.h executes in a
 * shard; the tables are in key_table.c, container_table.c and session_table.c.
 */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

#include "arg.h"
#include "resp_writer.h"
#include "store.h"

/** Properties, in the order in which COMMAND INFO lists them. */
enum kv_command_flag {
    KV_WRITE = 1 << 0,
    KV_READONLY = 1 << 1,
    KV_DENYOOM = 1 << 2, /**< refused while the shard is over its memory limit */
    KV_ADMIN = 1 << 3,
    KV_PUBSUB = 1 << 4,
    KV_NOSCRIPT = 1 << 5,
    KV_BLOCKING = 1 << 6,
    KV_LOADING = 1 << 7,
    KV_STALE = 1 << 8,
    KV_FAST = 1 << 9,
    KV_NO_AUTH = 1 << 10,
    KV_NO_MULTI = 1 << 11,
    KV_ALLOW_BUSY = 1 << 12,
};

/** Categories that do not follow from the flags. */
enum kv_command_group {
    KV_KEYSPACE = 1 << 0,
    KV_STRINGS = 1 << 1,
    KV_LISTS = 1 << 2,
    KV_HASHES = 1 << 3,
    KV_DANGEROUS = 1 << 4,
    KV_CONNECTION = 1 << 5,
};

/** What a command does to its keys, in the order in which COMMAND INFO lists it. */
enum kv_key_use {
    KV_KEY_RO = 1 << 0,
    KV_KEY_RW = 1 << 1,
    KV_KEY_OW = 1 << 2,
    KV_KEY_RM = 1 << 3,
    KV_KEY_ACCESS = 1 << 4,
    KV_KEY_UPDATE = 1 << 5,
    KV_KEY_INSERT = 1 << 6,
    KV_KEY_DELETE = 1 << 7,
    KV_KEY_VARIABLE = 1 << 8,
};

enum kv_route {
    KV_ROUTE_KEY,
    KV_ROUTE_KEYS,
    KV_ROUTE_ALL,
    KV_ROUTE_SCAN,
    KV_ROUTE_BLOCK,
    KV_ROUTE_SESSION,
    KV_ROUTE_ALONE,
};

/** How the parts of a KEYS or ALL command become one reply. */
enum kv_merge {
    KV_MERGE_NONE,
    KV_MERGE_ARRAY, /**< an array of what the parts wrote, in the order of the parts */
    KV_MERGE_SUM,   /**< the sum of the parts' numbers */
    KV_MERGE_OK,    /**< +OK */
    KV_MERGE_PICK,  /**< one part's reply, drawn with the parts' numbers as weights */
};

struct kv_command;

/** One execution in a shard. */
struct kv_call {
    struct kv_store *store;
    const struct kv_command *command;
    const struct kv_arg *argv; /**< argv[0] is the name; a part has one key at argv[1] */
    size_t argc;
    struct kv_key key; /**< argv[1], hashed, where the command has keys */
    int64_t now_ms;    /**< Units: milliseconds since 1970 */
    struct resp_out *out;
    int64_t number;  /**< out: what KV_MERGE_SUM adds up; for arrays, elements written */
    uint64_t cursor; /**< SCAN, in and out: bucket of this shard, 0 when it is through */
    int64_t budget;  /**< SCAN, in and out: elements still wanted */
    bool fed;        /**< out: the key's list got elements, for which clients may wait */
};

struct kv_session_call;

/** Runs a command, or a part of one, in a shard: replies into `call->out`. */
typedef void (*kv_run_fn)(struct kv_call *call);

/** Runs a command in the connection. */
typedef void (*kv_session_fn)(struct kv_session_call *call);

/** Looks at the arguments before any shard is visited: false when it replied an error. */
typedef bool (*kv_check_fn)(const struct kv_arg *argv, size_t argc, struct resp_out *out);

struct kv_command {
    const char *name; /**< in lower case */
    int arity;        /**< arguments with the name; negative: at least so many */
    uint32_t flags;   /**< enum kv_command_flag */
    uint32_t groups;  /**< enum kv_command_group */
    int first_key;    /**< index of the first key, 0: none */
    int last_key;     /**< of the last; negative: counted from the end */
    int key_step;
    uint32_t key_use; /**< enum kv_key_use */
    enum kv_route route;
    enum kv_merge merge;
    kv_run_fn run;                        /**< in a shard */
    kv_session_fn run_session;            /**< in the connection */
    kv_check_fn check;                    /**< may be NULL */
    const char *const *tips;              /**< for COMMAND INFO, NULL-terminated, or NULL */
    const char *key_notes;                /**< likewise */
    const struct kv_command *subcommands; /**< ends with a name of NULL; or NULL */
    const char *since;                    /**< for COMMAND DOCS */
    const char *summary;                  /**< likewise */
};

/** Where the keys of a command are, from the first argument to `last` every `step`, and what it
 *  does to them; for the tables. */
#define KV_KEYS(last, step, use) \
    .first_key = 1, .last_key = (last), .key_step = (step), .key_use = (use)

/** The tables of commands: on keys and strings, on lists and hashes, and those that connections
 *  run. Each ends with a name of NULL. */
extern const struct kv_command kv_key_commands[];
extern const struct kv_command kv_container_commands[];
extern const struct kv_command kv_session_commands[];

enum { KV_COMMANDS_MAX = 120, KV_COMMAND_SLOTS = 256 };

/** All commands, and an index by name; made once, then shared read-only. */
struct kv_command_index {
    const struct kv_command *command[KV_COMMANDS_MAX];
    size_t count;
    uint8_t name_len[KV_COMMANDS_MAX];
    uint8_t slot[KV_COMMAND_SLOTS]; /**< place in `command` + 1; 0: empty */
};

/** Fills the index. Context: any. */
void kv_command_index_init(struct kv_command_index *index) SP_NONNULL;

/** The command of this name in any case, or NULL. Context: any. */
const struct kv_command *kv_command_find(const struct kv_command_index *index,
                                         const struct kv_arg *name) SP_NONNULL;

/** The subcommand of this name in any case, or NULL. Context: any. */
const struct kv_command *kv_subcommand_find(const struct kv_command *command,
                                            const struct kv_arg *name) SP_NONNULL;

/** True when `argc` satisfies the command's arity. Context: any. */
bool kv_command_takes(const struct kv_command *command, size_t argc) SP_NONNULL;

/** Runs `call` in a shard: refuses what needs memory when there is none left, else runs the
 *  command. Context: any. */
void kv_call_run(struct kv_call *call) SP_NONNULL;

/* --- for the commands ------------------------------------------------------------------ */

/** -ERR syntax error. */
void kv_reply_syntax(struct resp_out *out) SP_NONNULL;
/** -ERR value is not an integer or out of range. */
void kv_reply_not_int(struct resp_out *out) SP_NONNULL;
/** -ERR wrong number of arguments for 'name' command. */
void kv_reply_arity(struct resp_out *out, const char *name) SP_NONNULL;
/** The reply for a failure of the store. */
void kv_reply_failure(struct resp_out *out, sp_err err) SP_NONNULL;

/** Parses an integer argument; replies an error and returns false when it is none. */
bool kv_arg_int(const struct kv_arg *arg, struct resp_out *out, int64_t *out_value)
    SP_NONNULL SP_NODISCARD;

/** Looks the call's key up for reading or writing. False, with an error replied, when it holds
 *  another type than `type`; else `*out_entry` is the entry or NULL. */
bool kv_call_read(struct kv_call *call, enum kv_type type, struct kv_entry **out_entry)
    SP_NONNULL SP_NODISCARD;
bool kv_call_write(struct kv_call *call, enum kv_type type, struct kv_entry **out_entry)
    SP_NONNULL SP_NODISCARD;

/** What the time of an option or of EXPIRE is counted in and from. */
struct kv_when {
    bool seconds;  /**< else milliseconds */
    bool absolute; /**< since 1970, else from now */
};

/** Turns `value` into a moment. False, with an error replied, when it does not fit or, with
 *  `positive`, is not above zero. */
bool kv_call_when(struct kv_call *call, int64_t value, struct kv_when when, bool positive,
                  int64_t *out_at_ms) SP_NONNULL SP_NODISCARD;

#endif
