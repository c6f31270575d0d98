/* From a line to the ring, or the callback. See log.h. */
#include "runtime/log.h"

#include "base/alloc.h"
#include "base/text.h"
#include "runtime/backend.h"
#include "runtime/scheduler.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    LOG_LINES = 1024,
    LOG_LINES_MIN = 8,
    LOG_LINES_MAX = 1 << 20,
    LOG_LINE_SIZE = 2048,
    LOG_LINE_SIZE_MIN = 512,
    LOG_LINE_SIZE_MAX = 16384,
};

#define LOG_JOURNAL "/run/systemd/journal/socket"

/* ---- start and end ---- */

static bool log_options_valid(const struct sp_log_options *options)
{
    return (unsigned)options->sink <= SP_LOG_JOURNAL && (unsigned)options->format <= SP_LOG_JSON &&
           (unsigned)options->colours <= SP_LOG_COLOURS_ALWAYS &&
           (unsigned)options->level <= SP_LOG_OFF && options->lines_max >= LOG_LINES_MIN &&
           options->lines_max <= LOG_LINES_MAX && options->line_size >= LOG_LINE_SIZE_MIN &&
           options->line_size <= LOG_LINE_SIZE_MAX && options->flush_budget.ns >= 0 &&
           (options->sink != SP_LOG_FD || options->fd >= 0);
}

static void log_options_default(struct sp_log_options *options)
{
    if (options->level == SP_LOG_DEFAULT)
        options->level = SP_LOG_INFO;
    if (options->lines_max == 0)
        options->lines_max = LOG_LINES;
    if (options->line_size == 0)
        options->line_size = LOG_LINE_SIZE;
    if (options->flush_budget.ns == 0)
        options->flush_budget = sp_sec(1);
    if (options->journal == NULL)
        options->journal = LOG_JOURNAL;
}

/* What may go when the caller's does. */
static bool log_copy_texts(struct sp__log *log)
{
    struct sp_log_options *options = &log->options;
    if (strlen(options->journal) >= sizeof(log->journal))
        return false;
    strcpy(log->journal, options->journal);
    options->journal = log->journal;
    if (options->identifier != NULL) {
        (void)snprintf(log->identifier, sizeof(log->identifier), "%s", options->identifier);
        options->identifier = log->identifier;
    }
    return true;
}

static sp_err log_start(struct sp__log *log)
{
    const struct sp__log_ops *ops = log->runtime->ops->log;
    sp_err err = SP_OK;
    if (log->options.rate != 0)
        err = sp_log_rate_set(log->runtime, NULL, log->options.rate);
    if (err == SP_OK && ops != NULL)
        err = sp__log_ring_init(&log->ring, log->options.lines_max, log->options.line_size);
    if (err == SP_OK && ops != NULL)
        err = ops->start(log);
    return err;
}

sp_err sp__log_open(struct sp_runtime *runtime)
{
    struct sp_log_options options = runtime->options.log;
    log_options_default(&options);
    if (!log_options_valid(&options))
        return SP_ERR_INVALID;
    if (options.sink == SP_LOG_NOWHERE && options.fn == NULL)
        return SP_OK;
    struct sp__log *log = sp__aligned_alloc(SP__CACHE_LINE, sizeof(*log));
    if (log == NULL)
        return SP_ERR_NOMEM;
    memset(log, 0, sizeof(*log));
    log->runtime = runtime;
    log->options = options;
    sp__lock_init(&log->lock);
    atomic_init(&log->level, options.level);
    runtime->log = log;
    sp_err err = log_copy_texts(log) ? log_start(log) : SP_ERR_INVALID;
    if (err == SP_OK) {
        sp__log_gate_join(log);
        return SP_OK;
    }
    runtime->log = NULL;
    sp__log_free(log);
    return err;
}

void sp__log_close(struct sp_runtime *runtime)
{
    struct sp__log *log = runtime->log;
    if (log == NULL)
        return;
    sp__log_gate_leave(log);
    runtime->log = NULL;
    if (log->writer != NULL)
        runtime->ops->log->stop(log);
    else
        sp__log_free(log);
}

void sp__log_free(struct sp__log *moved_log)
{
    /* relaxed: nobody else is there any more. */
    sp__free(atomic_load_explicit(&moved_log->rates, memory_order_relaxed));
    sp__free(moved_log->modules);
    sp__log_ring_finish(&moved_log->ring);
    sp__free(moved_log);
}

/* ---- a line ---- */

/* The running process, if it is one of this runtime. */
static struct sp__actor *log_actor(const struct sp__context *context,
                                   const struct sp_runtime *runtime)
{
    return context != NULL && context->runtime == runtime ? context->current : NULL;
}

static void log_hand_on(struct sp__log *log, const struct sp_log_record *record)
{
    if (log->writer == NULL) {
        /* relaxed: a count. */
        atomic_fetch_add_explicit(&log->written, 1, memory_order_relaxed);
        if (log->options.fn != NULL)
            log->options.fn(log->options.context, record);
        return;
    }
    /* Where it finds no room, whoever writes is at work. */
    if (sp__log_ring_put(&log->ring, record))
        log->runtime->ops->log->wake(log);
}

/* Adds to `record` when, and who. */
static void log_take(struct sp__log *log, struct sp_log_record *record)
{
    struct sp_runtime *runtime = log->runtime;
    struct sp__context *context = sp__context();
    struct sp__actor *actor = log_actor(context, runtime);
    struct sp__log_who who = { .process = "" };
    if (actor != NULL)
        runtime->log_who(actor, &who);
    record->wall_ns = runtime->ops->wall(runtime);
    record->pid = who.pid;
    record->process = who.process;
    if (actor != NULL && runtime->log_trace != NULL)
        record->traced = runtime->log_trace(context, record->trace_id, record->span_id);
    log_hand_on(log, record);
    record->process = ""; /* it was ours */
}

/* The module of a place: of the user's, or its file's name. */
static const char *log_module(const struct sp_log_site *site, size_t *out_size)
{
    if (site->module != NULL) {
        *out_size = strlen(site->module);
        return site->module;
    }
    const char *slash = strrchr(site->file, '/');
    const char *base = slash == NULL ? site->file : slash + 1;
    *out_size = strcspn(base, ".");
    return base;
}

static bool log_rate_admits(struct sp__log *log, const struct sp_log_site *site, const char *module,
                            size_t size, uint64_t *out_suppressed)
{
    *out_suppressed = 0;
    /* acquire: pairs with whoever set the first rate. */
    struct sp__log_rates *rates = atomic_load_explicit(&log->rates, memory_order_acquire);
    uint32_t limit = rates == NULL ? 0 : sp__log_rate_of(log, module, size);
    if (limit == 0)
        return true;
    uint32_t now_s = (uint32_t)(sp__now(log->runtime) / SP_NS_PER_S) + 1;
    if (sp__log_rate_admits(rates, site, limit, now_s, out_suppressed))
        return true;
    /* relaxed: a count. */
    atomic_fetch_add_explicit(&log->suppressed, 1, memory_order_relaxed);
    return false;
}

static uint8_t log_own_level(struct sp_runtime *runtime)
{
    struct sp__actor *actor = log_actor(sp__context(), runtime);
    return actor == NULL ? SP_LOG_DEFAULT : runtime->log_level(actor);
}

/* The log, where it takes a line of that level from here; else NULL. */
static struct sp__log *log_admit(struct sp_runtime *runtime, const char *module, size_t size,
                                 enum sp_log_level level)
{
    struct sp__log *log = runtime->log;
    if (log == NULL || !sp_log_passes(level) ||
        !sp__log_allows(log, log_own_level(runtime), module, size, level))
        return NULL;
    return log;
}

/* The log that takes a line of the user's, with what is known of it so far; else NULL. */
static struct sp__log *log_begin(struct sp_runtime *runtime, const struct sp_log_site *site,
                                 enum sp_log_level level, char module[SP__LOG_MODULE_SIZE],
                                 struct sp_log_record *out_record)
{
    struct sp__context *context = sp__context();
    if (runtime == NULL && context != NULL)
        runtime = context->runtime;
    if (runtime == NULL)
        return NULL;
    if (level < SP_LOG_DEBUG || level > SP_LOG_ERROR)
        level = SP_LOG_ERROR;
    size_t size;
    const char *name = log_module(site, &size);
    struct sp__log *log = log_admit(runtime, name, size, level);
    *out_record = (struct sp_log_record){ .level = level, .file = site->file, .line = site->line };
    if (log == NULL || !log_rate_admits(log, site, name, size, &out_record->suppressed))
        return NULL;
    (void)snprintf(module, SP__LOG_MODULE_SIZE, "%.*s", (int)size, name);
    out_record->module = module;
    return log;
}

static const struct sp_kv no_pairs = { .type = SP_KV_END };

void sp_log_write(struct sp_runtime *runtime, const struct sp_log_site *site,
                  enum sp_log_level level, const char *text, const struct sp_kv *pairs)
{
    char module[SP__LOG_MODULE_SIZE];
    struct sp_log_record record;
    struct sp__log *log = log_begin(runtime, site, level, module, &record);
    if (log == NULL)
        return;
    record.text = text;
    record.pairs = pairs;
    log_take(log, &record);
}

void sp_log_writef(struct sp_runtime *runtime, const struct sp_log_site *site,
                   enum sp_log_level level, const char *format, ...)
{
    char module[SP__LOG_MODULE_SIZE];
    struct sp_log_record record;
    struct sp__log *log = log_begin(runtime, site, level, module, &record);
    if (log == NULL)
        return;
    char line[SP__LOG_LINE_SIZE];
    struct sp__text text;
    sp__text_init(&text, line, sizeof(line));
    va_list args;
    va_start(args, format);
    sp__text_addv(&text, format, args);
    va_end(args);
    record.text = sp__text_str(&text);
    record.pairs = &no_pairs;
    record.cut = text.truncated;
    log_take(log, &record);
}

/* ---- the runtime's own ---- */

#define LOG_OWN "spawned"

bool sp__log_on(struct sp_runtime *runtime, enum sp_log_level level)
{
    return log_admit(runtime, LOG_OWN, sizeof(LOG_OWN) - 1, level) != NULL;
}

void sp__log_pairs(struct sp_runtime *runtime, enum sp_log_level level, const char *text,
                   const struct sp_kv *pairs)
{
    struct sp__log *log = log_admit(runtime, LOG_OWN, sizeof(LOG_OWN) - 1, level);
    if (log == NULL)
        return;
    struct sp_log_record record = {
        .level = level, .module = LOG_OWN, .text = text, .pairs = pairs
    };
    log_take(log, &record);
}

void sp__log(struct sp_runtime *runtime, enum sp_log_level level, const char *format, ...)
{
    if (!sp__log_on(runtime, level))
        return;
    char line[SP__LOG_LINE_SIZE];
    struct sp__text text;
    sp__text_init(&text, line, sizeof(line));
    va_list args;
    va_start(args, format);
    sp__text_addv(&text, format, args);
    va_end(args);
    sp__log_pairs(runtime, level, line, &no_pairs);
}

/* ---- at run time ---- */

sp_err sp_log_flush(struct sp_runtime *runtime, sp_deadline deadline)
{
    struct sp__log *log = runtime->log;
    if (log == NULL || log->writer == NULL)
        return SP_OK;
    return runtime->ops->log->flush(log, sp__scheduler_instant(runtime, deadline, sp_after_sec(5)));
}

void sp_log_stats_read(struct sp_runtime *runtime, struct sp_log_stats *out_stats)
{
    struct sp__log *log = runtime->log;
    *out_stats = (struct sp_log_stats){ 0 };
    if (log == NULL)
        return;
    /* relaxed, all: counts. */
    out_stats->written = atomic_load_explicit(&log->written, memory_order_relaxed);
    out_stats->lost = atomic_load_explicit(&log->lost, memory_order_relaxed) +
                      atomic_load_explicit(&log->ring.lost, memory_order_relaxed);
    out_stats->suppressed = atomic_load_explicit(&log->suppressed, memory_order_relaxed);
    out_stats->failed = atomic_load_explicit(&log->failed, memory_order_relaxed);
    out_stats->failed_errno = atomic_load_explicit(&log->failed_errno, memory_order_relaxed);
}
