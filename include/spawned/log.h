/* The log: what a program and its runtime have to say, in lines with a level and named values.
 *
 *     sp_log(SP_LOG_INFO, "order accepted", sp_kv_int("order", id), sp_kv_str("customer", name));
 *
 * One way leads out: the runtime's `log` options say where to (nowhere by default). Who logs never
 * waits: a line is copied to a ring, and a thread of its own writes it. A ring that is full loses
 * lines, which are counted and said in the log itself. What is off costs one load.
 *
 * In simulation only the callback is served: at once, in order, with virtual time.
 */
#ifndef SPAWNED_LOG_H
#define SPAWNED_LOG_H

#include "spawned/err.h"
#include "spawned/pid.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

struct sp_runtime;

/** How serious a line is; and from which level on lines are written. */
enum sp_log_level {
    SP_LOG_DEFAULT, /**< of settings only: what holds for all */
    SP_LOG_DEBUG,
    SP_LOG_INFO,
    SP_LOG_WARNING,
    SP_LOG_ERROR,
    SP_LOG_OFF, /**< of settings only: nothing */
};

/** "debug", "info", "warning", "error", "off"; "default". Context: any. */
SP_API const char *sp_log_level_name(enum sp_log_level level);

/* ---- named values ---- */

enum sp_kv_type {
    SP_KV_END, /**< after the last one */
    SP_KV_INT,
    SP_KV_UINT,
    SP_KV_DOUBLE,
    SP_KV_BOOL,
    SP_KV_STR,
    SP_KV_PID,
    SP_KV_DURATION, /**< in `integer`, nanoseconds */
};

/** A named value of a line; made by the functions below. `key` and a text are copied when the
 *  line is taken. */
struct sp_kv {
    const char *key;
    enum sp_kv_type type;
    union {
        int64_t integer;
        uint64_t natural;
        double real;
        bool truth;
        struct {
            const char *bytes; /**< NULL: no text, which is not an empty one */
            size_t size;
        } text;
        sp_pid pid;
    } value;
};

/** Context of all of them: any. */
static inline struct sp_kv sp_kv_int(const char *key, int64_t value)
{
    struct sp_kv pair = { key, SP_KV_INT, { 0 } };
    pair.value.integer = value;
    return pair;
}

static inline struct sp_kv sp_kv_uint(const char *key, uint64_t value)
{
    struct sp_kv pair = { key, SP_KV_UINT, { 0 } };
    pair.value.natural = value;
    return pair;
}

static inline struct sp_kv sp_kv_double(const char *key, double value)
{
    struct sp_kv pair = { key, SP_KV_DOUBLE, { 0 } };
    pair.value.real = value;
    return pair;
}

static inline struct sp_kv sp_kv_bool(const char *key, bool value)
{
    struct sp_kv pair = { key, SP_KV_BOOL, { 0 } };
    pair.value.truth = value;
    return pair;
}

/** `size` bytes, which need not be text. */
static inline struct sp_kv sp_kv_bytes(const char *key, const char *bytes, size_t size)
{
    struct sp_kv pair = { key, SP_KV_STR, { 0 } };
    pair.value.text.bytes = bytes;
    pair.value.text.size = size;
    return pair;
}

/** NULL is written as null. */
static inline struct sp_kv sp_kv_str(const char *key, const char *value)
{
    return sp_kv_bytes(key, value, value == NULL ? 0 : __builtin_strlen(value));
}

static inline struct sp_kv sp_kv_err(const char *key, sp_err err)
{
    return sp_kv_str(key, sp_err_name(err));
}

static inline struct sp_kv sp_kv_pid(const char *key, sp_pid pid)
{
    struct sp_kv pair = { key, SP_KV_PID, { 0 } };
    pair.value.pid = pid;
    return pair;
}

static inline struct sp_kv sp_kv_duration(const char *key, sp_duration duration)
{
    struct sp_kv pair = { key, SP_KV_DURATION, { 0 } };
    pair.value.integer = duration.ns;
    return pair;
}

/* ---- logging ---- */

/** The module of the lines of a file, by which levels are set: define it before the first line.
 *  NULL: the file's name without folder and ending. */
#ifndef SP_LOG_MODULE
#define SP_LOG_MODULE NULL
#endif

/** Where in the program a line is. */
struct sp_log_site {
    const char *module; /**< NULL: made of `file` */
    const char *file;
    int line;
};

/** The lowest level that any runtime of the program writes for anybody. Not to be written. */
SP_API extern unsigned char sp__log_gate;

/** May a line of `level` be written at all? False is final. Context: any. */
static inline bool sp_log_passes(enum sp_log_level level)
{
    /* relaxed: a line more or less around a change of levels. */
    return (unsigned)level >= __atomic_load_n(&sp__log_gate, __ATOMIC_RELAXED);
}

/** A line with up to 16 named values: sp_log(level, text, sp_kv_...(), ...). Nothing of it is
 *  evaluated when the level is off. On a thread that is no process: nothing, see sp_log_in(). */
#define sp_log(level, ...) sp__log_line(NULL, level, __VA_ARGS__, sp__kv_end)

/** The same in `runtime`, from any thread. */
#define sp_log_in(runtime, level, ...) sp__log_line(runtime, level, __VA_ARGS__, sp__kv_end)

/** A line made printf-like: sp_logf(level, format, ...). Cut at 1,000 bytes. */
#define sp_logf(level, ...)                                                                   \
    do {                                                                                      \
        if (sp_log_passes(level)) {                                                           \
            static const struct sp_log_site sp__site = { SP_LOG_MODULE, __FILE__, __LINE__ }; \
            sp_log_writef(NULL, &sp__site, level, __VA_ARGS__);                               \
        }                                                                                     \
    } while (0)

#define sp__kv_end ((struct sp_kv){ .type = SP_KV_END })
#define sp__log_line(runtime, level, text, ...)                                                   \
    do {                                                                                          \
        if (sp_log_passes(level)) {                                                               \
            static const struct sp_log_site sp__site = { SP_LOG_MODULE, __FILE__, __LINE__ };     \
            sp_log_write(runtime, &sp__site, level, text, (const struct sp_kv[]){ __VA_ARGS__ }); \
        }                                                                                         \
    } while (0)

/** What sp_log() calls. `runtime` NULL: the running process's. `pairs` ends with SP_KV_END;
 *  beyond 16 they are left out, and the line is marked as cut. `site` lives as long as the program.
 *  Ownership: borrows. Context: any but a signal handler; never waits. */
SP_API void sp_log_write(struct sp_runtime *runtime, const struct sp_log_site *site,
                         enum sp_log_level level, const char *text, const struct sp_kv *pairs)
    SP_NONNULL_ARGS(2, 4, 5);

/** What sp_logf() calls. As sp_log_write().
 *  Context: any but a signal handler; never waits. */
SP_API void sp_log_writef(struct sp_runtime *runtime, const struct sp_log_site *site,
                          enum sp_log_level level, const char *format, ...) SP_NONNULL_ARGS(2, 4)
    SP_PRINTF(4, 5);

/* ---- where to ---- */

/** A line, as a callback gets it. */
struct sp_log_record {
    enum sp_log_level level;
    int64_t wall_ns;     /**< since 1970-01-01 UTC */
    sp_pid pid;          /**< who logs; none: no process */
    const char *process; /**< its name, or what it is: the server's class; or "" */
    const char *module;
    const char *file; /**< NULL: the runtime's own line */
    int line;
    const char *text;
    const struct sp_kv *pairs; /**< end with SP_KV_END; their texts may hold any byte */
    bool cut;                  /**< something did not fit */
    bool traced;               /**< the two ids are set */
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint64_t suppressed; /**< lines of the same place left out before, by its rate */
};

/** Gets every line, one after the other, on the log's own thread, which is no process; it may
 *  block, then lines wait and at last are lost. It must not log. In simulation: on whatever logs.
 *  The record is valid during the call. */
typedef void (*sp_log_fn)(void *context, const struct sp_log_record *record);

/** Text and values of a record in one line, without a newline; control characters escaped.
 *  Ends in "..." where it is too long. Returns `line`. Context: any. */
SP_API SP_NONNULL const char *sp_log_line(const struct sp_log_record *record, char *line,
                                          size_t size);

enum sp_log_sink {
    SP_LOG_NOWHERE, /**< to the callback, if there is one */
    SP_LOG_STDERR,
    SP_LOG_FD,      /**< to the descriptor `fd` */
    SP_LOG_JOURNAL, /**< to systemd's journal, in its own protocol */
};

enum sp_log_format {
    SP_LOG_TEXT, /**< a line for people */
    SP_LOG_JSON, /**< an object per line; docs/logging.md has the schema */
};

enum sp_log_colours {
    SP_LOG_COLOURS_AUTO, /**< on a terminal, unless NO_COLOR is set or TERM is "dumb" */
    SP_LOG_COLOURS_NEVER,
    SP_LOG_COLOURS_ALWAYS,
};

/** The log of a runtime. Zero means the default named here; without `sink` and `fn` there is
 *  none. */
struct sp_log_options {
    enum sp_log_sink sink;
    enum sp_log_format format; /**< of STDERR and FD */
    enum sp_log_colours colours;
    int fd;                   /**< for SP_LOG_FD; stays the caller's, and open */
    const char *journal;      /**< default "/run/systemd/journal/socket"; copied */
    const char *identifier;   /**< of the journal's lines; default: the program's name; copied */
    sp_log_fn fn;             /**< gets every line too; default: none */
    void *context;            /**< its first argument */
    enum sp_log_level level;  /**< default: SP_LOG_INFO */
    uint32_t lines_max;       /**< that wait to be written; default 1,024; 8 to 1,048,576 */
    uint32_t line_size;       /**< bytes of one with its values; default 2,048; 512 to 16,384 */
    uint32_t rate;            /**< lines a second of one place in the program; default: any */
    sp_duration flush_budget; /**< for what is left at the runtime's end; default 1 s */
};

/* ---- at run time ---- */

/** Write the lines of `module` from `level` on, SP_LOG_DEFAULT: as all others. It concerns
 *  "net" and whatever begins with "net."; the longest name counts. NULL: all modules without a
 *  setting. The runtime's own lines are of module "spawned". A runtime without a log accepts and
 *  ignores it.
 *  Errors: INVALID (no level; a name that is empty, longer than 31 bytes, or has one of ",= ");
 *  LIMIT (64 modules have settings); NOMEM.
 *  Context: any. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_log_level_set(struct sp_runtime *runtime, const char *module, enum sp_log_level level);

/** From which level on a module's lines are written; SP_LOG_OFF where there is no log.
 *  Context: any. */
SP_API SP_NONNULL_ARGS(1) enum sp_log_level
    sp_log_level_get(struct sp_runtime *runtime, const char *module);

/** Write what this process logs from `level` on, whatever holds for its modules; SP_LOG_DEFAULT:
 *  as others. Ends with the process.
 *  Errors: NOPROC, NOMEM, INVALID (no level), NOTCONTEXT. Context: process. */
SP_API SP_NODISCARD sp_err sp_log_process_level(sp_pid pid, enum sp_log_level level);

/** At most so many lines a second of each place in `module` (NULL: everywhere); 0: any number.
 *  The first line after that says how many were left out. 1,024 places are told apart.
 *  Errors: as sp_log_level_set(). Context: any. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1) sp_err
    sp_log_rate_set(struct sp_runtime *runtime, const char *module, uint32_t lines_per_second);

/** Set levels as text says: "info,net=debug,kv.store=off". Spaces do not matter; all or nothing
 *  of a text with a mistake in it.
 *  Errors: INVALID; LIMIT; NOMEM. Context: any. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_log_levels_parse(struct sp_runtime *runtime,
                                                          const char *text);

/** The same with the environment's SPAWNED_LOG, where that is set. Errors: as above.
 *  Context: any; not while another thread changes the environment. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_log_levels_env(struct sp_runtime *runtime);

/** Wait until everything logged so far is written: before exit(), which does not.
 *  Errors: TIMEOUT. Context: any but the callback; blocks the thread. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_log_flush(struct sp_runtime *runtime,
                                                   sp_deadline deadline);

/** Counts of lines since the start. */
struct sp_log_stats {
    uint64_t written;    /**< given to the sink, and the callback */
    uint64_t lost;       /**< the ring was full */
    uint64_t suppressed; /**< by a rate */
    uint64_t failed;     /**< the sink took them not: full disk, closed pipe, no journal */
    int failed_errno;    /**< of the last of those */
};

/** Read them. Context: any. */
SP_API SP_NONNULL void sp_log_stats_read(struct sp_runtime *runtime,
                                         struct sp_log_stats *out_stats);

SP_EXTERN_C_END

#endif
