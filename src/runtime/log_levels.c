/* Which lines are written: levels and rates of modules, and the gate in front of all. See log.h. */
#include "base/alloc.h"
#include "runtime/core.h"
#include "runtime/log.h"

#include <string.h>

/* Behind sp_log_passes(): plain, since C++ reads it too; written under the lock. */
unsigned char sp__log_gate = SP_LOG_OFF;
static struct sp__lock gate_lock;
static uint32_t gate_floors[SP_LOG_OFF + 1] SP__GUARDED_BY(gate_lock);

/* ---- the gate ---- */

static void gate_move(const uint8_t *from, const uint8_t *to)
{
    sp__lock_lock(&gate_lock);
    if (from != NULL)
        gate_floors[*from]--;
    if (to != NULL)
        gate_floors[*to]++;
    uint8_t lowest = SP_LOG_DEBUG;
    while (lowest < SP_LOG_OFF && gate_floors[lowest] == 0)
        lowest++;
    /* relaxed: pairs with sp_log_passes(). */
    __atomic_store_n(&sp__log_gate, lowest, __ATOMIC_RELAXED);
    sp__lock_unlock(&gate_lock);
}

static uint8_t levels_floor(struct sp__log *log) SP__REQUIRES(log->lock)
{
    /* relaxed, all: under the lock of those who write. */
    uint8_t floor = atomic_load_explicit(&log->level, memory_order_relaxed);
    uint32_t count = atomic_load_explicit(&log->module_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t level = atomic_load_explicit(&log->modules[i].level, memory_order_relaxed);
        if (level != SP_LOG_DEFAULT && level < floor)
            floor = level;
    }
    for (uint8_t level = SP_LOG_DEBUG; level < floor; level++)
        if (log->processes[level] != 0)
            floor = level;
    return floor;
}

static void levels_changed(struct sp__log *log) SP__REQUIRES(log->lock)
{
    uint8_t floor = levels_floor(log);
    if (floor != log->floor)
        gate_move(&log->floor, &floor);
    log->floor = floor;
}

void sp__log_gate_join(struct sp__log *log)
{
    sp__lock_lock(&log->lock);
    log->floor = levels_floor(log);
    gate_move(NULL, &log->floor);
    sp__lock_unlock(&log->lock);
}

void sp__log_gate_leave(struct sp__log *log)
{
    sp__lock_lock(&log->lock);
    gate_move(&log->floor, NULL);
    sp__lock_unlock(&log->lock);
}

/* ---- looking up ---- */

static bool module_covers(const char *setting, const char *module, size_t size)
{
    size_t length = strlen(setting);
    return length <= size && memcmp(setting, module, length) == 0 &&
           (length == size || module[length] == '.');
}

/* Of those that cover it and have what is asked for, the one with the longest name, or NULL. */
static struct sp__log_module *levels_find(struct sp__log *log, const char *module, size_t size,
                                          bool rate)
{
    struct sp__log_module *best = NULL;
    /* acquire: pairs with add; the names are there. */
    uint32_t count = atomic_load_explicit(&log->module_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        struct sp__log_module *one = &log->modules[i];
        /* relaxed, both: a line more or less around a change. */
        bool has = rate ? atomic_load_explicit(&one->rated, memory_order_relaxed)
                        : atomic_load_explicit(&one->level, memory_order_relaxed) != SP_LOG_DEFAULT;
        if (has && module_covers(one->name, module, size) &&
            (best == NULL || strlen(one->name) > strlen(best->name)))
            best = one;
    }
    return best;
}

static uint8_t levels_of(struct sp__log *log, const char *module, size_t size)
{
    struct sp__log_module *found = levels_find(log, module, size, false);
    /* relaxed: as above. Reset in between, it is the one of all. */
    uint8_t level =
        found == NULL ? SP_LOG_DEFAULT : atomic_load_explicit(&found->level, memory_order_relaxed);
    return level != SP_LOG_DEFAULT ? level
                                   : atomic_load_explicit(&log->level, memory_order_relaxed);
}

bool sp__log_allows(struct sp__log *log, uint8_t own, const char *module, size_t size,
                    enum sp_log_level level)
{
    return level >= (own != SP_LOG_DEFAULT ? own : levels_of(log, module, size));
}

uint32_t sp__log_rate_of(struct sp__log *log, const char *module, size_t size)
{
    struct sp__log_module *found = levels_find(log, module, size, true);
    /* relaxed: as above. */
    return atomic_load_explicit(found == NULL ? &log->rate : &found->rate, memory_order_relaxed);
}

/* ---- setting ---- */

static bool module_valid(const char *module, size_t size)
{
    if (size == 0 || size >= SP__LOG_MODULE_SIZE)
        return false;
    for (size_t i = 0; i < size; i++)
        if (module[i] == ',' || module[i] == '=' || module[i] == ' ')
            return false;
    return true;
}

static bool level_valid(enum sp_log_level level)
{
    return (unsigned)level <= SP_LOG_OFF;
}

static struct sp__log_module *module_known(struct sp__log *log, const char *module, size_t size)
    SP__REQUIRES(log->lock)
{
    uint32_t count = atomic_load_explicit(&log->module_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++)
        if (strlen(log->modules[i].name) == size && memcmp(log->modules[i].name, module, size) == 0)
            return &log->modules[i];
    return NULL;
}

/* Its row, made if need be. Errors: LIMIT, NOMEM. */
static sp_err module_row(struct sp__log *log, const char *module, size_t size,
                         struct sp__log_module **out_row) SP__REQUIRES(log->lock)
{
    *out_row = module_known(log, module, size);
    uint32_t count = atomic_load_explicit(&log->module_count, memory_order_relaxed);
    if (*out_row != NULL)
        return SP_OK;
    if (count == SP__LOG_MODULES_MAX)
        return SP_ERR_LIMIT;
    if (log->modules == NULL)
        log->modules = sp__calloc(SP__LOG_MODULES_MAX, sizeof(*log->modules));
    if (log->modules == NULL)
        return SP_ERR_NOMEM;
    *out_row = &log->modules[count];
    memcpy((*out_row)->name, module, size); /* what is behind it are zeros */
    /* release: pairs with find. */
    atomic_store_explicit(&log->module_count, count + 1, memory_order_release);
    return SP_OK;
}

static sp_err level_set(struct sp__log *log, const char *module, size_t size,
                        enum sp_log_level level) SP__REQUIRES(log->lock)
{
    if (module == NULL) {
        uint8_t all = level == SP_LOG_DEFAULT ? log->options.level : level;
        atomic_store_explicit(&log->level, all, memory_order_relaxed);
        return SP_OK;
    }
    struct sp__log_module *row;
    sp_err err = module_row(log, module, size, &row);
    if (err == SP_OK)
        atomic_store_explicit(&row->level, level, memory_order_relaxed);
    return err;
}

sp_err sp_log_level_set(struct sp_runtime *runtime, const char *module, enum sp_log_level level)
{
    struct sp__log *log = runtime->log;
    size_t size = module == NULL ? 0 : strlen(module);
    if (!level_valid(level) || (module != NULL && !module_valid(module, size)))
        return SP_ERR_INVALID;
    if (log == NULL)
        return SP_OK;
    sp__lock_lock(&log->lock);
    sp_err err = level_set(log, module, size, level);
    levels_changed(log);
    sp__lock_unlock(&log->lock);
    return err;
}

enum sp_log_level sp_log_level_get(struct sp_runtime *runtime, const char *module)
{
    struct sp__log *log = runtime->log;
    if (log == NULL)
        return SP_LOG_OFF;
    if (module != NULL)
        return levels_of(log, module, strlen(module));
    return atomic_load_explicit(&log->level, memory_order_relaxed);
}

void sp__log_process_changed(struct sp__log *log, uint8_t from, uint8_t to)
{
    sp__lock_lock(&log->lock);
    if (from != SP_LOG_DEFAULT)
        log->processes[from]--;
    if (to != SP_LOG_DEFAULT)
        log->processes[to]++;
    levels_changed(log);
    sp__lock_unlock(&log->lock);
}

/* Rates are looked for from here on. */
static sp_err rates_make(struct sp__log *log) SP__REQUIRES(log->lock)
{
    if (atomic_load_explicit(&log->rates, memory_order_relaxed) != NULL)
        return SP_OK;
    struct sp__log_rates *rates = sp__calloc(1, sizeof(*rates));
    if (rates == NULL)
        return SP_ERR_NOMEM;
    /* release: pairs with who logs, and finds it empty. */
    atomic_store_explicit(&log->rates, rates, memory_order_release);
    return SP_OK;
}

static sp_err rate_set(struct sp__log *log, const char *module, size_t size, uint32_t rate)
    SP__REQUIRES(log->lock)
{
    sp_err err = rates_make(log);
    if (err != SP_OK || module == NULL) {
        if (err == SP_OK)
            atomic_store_explicit(&log->rate, rate, memory_order_relaxed);
        return err;
    }
    struct sp__log_module *row;
    err = module_row(log, module, size, &row);
    if (err != SP_OK)
        return err;
    atomic_store_explicit(&row->rate, rate, memory_order_relaxed);
    atomic_store_explicit(&row->rated, true, memory_order_relaxed);
    return SP_OK;
}

sp_err sp_log_rate_set(struct sp_runtime *runtime, const char *module, uint32_t lines_per_second)
{
    struct sp__log *log = runtime->log;
    size_t size = module == NULL ? 0 : strlen(module);
    if (module != NULL && !module_valid(module, size))
        return SP_ERR_INVALID;
    if (log == NULL)
        return SP_OK;
    sp__lock_lock(&log->lock);
    sp_err err = rate_set(log, module, size, lines_per_second);
    sp__lock_unlock(&log->lock);
    return err;
}

/* ---- settings as text ---- */

static const char *const level_names[SP_LOG_OFF + 1] = {
    [SP_LOG_DEFAULT] = "default", [SP_LOG_DEBUG] = "debug", [SP_LOG_INFO] = "info",
    [SP_LOG_WARNING] = "warning", [SP_LOG_ERROR] = "error", [SP_LOG_OFF] = "off",
};

const char *sp_log_level_name(enum sp_log_level level)
{
    return level_valid(level) ? level_names[level] : "unknown";
}

/* One of the settings: `module` of `size` bytes, or all, with size 0. */
struct setting {
    const char *module;
    size_t size;
    enum sp_log_level level;
};

static bool level_parse(const char *text, size_t size, enum sp_log_level *out_level)
{
    for (unsigned level = SP_LOG_DEFAULT; level <= SP_LOG_OFF; level++) {
        if (strlen(level_names[level]) != size || memcmp(level_names[level], text, size) != 0)
            continue;
        *out_level = (enum sp_log_level)level;
        return true;
    }
    return false;
}

static void trim(const char **text, size_t *size)
{
    while (*size > 0 && **text == ' ') {
        ++*text;
        --*size;
    }
    while (*size > 0 && (*text)[*size - 1] == ' ')
        --*size;
}

/* The next setting of `*text`, which moves behind it. False: a mistake. */
static bool setting_parse(const char **text, struct setting *out_setting)
{
    size_t length = strcspn(*text, ",");
    const char *item = *text;
    *text += length;
    *text += **text == ',';
    trim(&item, &length);
    const char *equals = memchr(item, '=', length);
    const char *level = equals == NULL ? item : equals + 1;
    size_t level_size = (size_t)(item + length - level);
    trim(&level, &level_size);
    *out_setting = (struct setting){ .module = item };
    if (!level_parse(level, level_size, &out_setting->level))
        return false;
    if (equals == NULL)
        return true;
    out_setting->size = (size_t)(equals - item);
    trim(&out_setting->module, &out_setting->size);
    return module_valid(out_setting->module, out_setting->size);
}

/* Can all of it be set? */
static sp_err settings_check(struct sp__log *log, const char *text) SP__REQUIRES(log->lock)
{
    struct setting setting;
    uint32_t room =
        SP__LOG_MODULES_MAX - atomic_load_explicit(&log->module_count, memory_order_relaxed);
    uint32_t fresh = 0; /* one that is named twice counts twice: a limit met early */
    while (*text != '\0') {
        if (!setting_parse(&text, &setting))
            return SP_ERR_INVALID;
        fresh += setting.size > 0 && module_known(log, setting.module, setting.size) == NULL;
    }
    return fresh > room ? SP_ERR_LIMIT : SP_OK;
}

sp_err sp_log_levels_parse(struct sp_runtime *runtime, const char *text)
{
    struct setting setting;
    struct sp__log *log = runtime->log;
    if (log == NULL) {
        while (*text != '\0')
            if (!setting_parse(&text, &setting))
                return SP_ERR_INVALID;
        return SP_OK;
    }
    sp__lock_lock(&log->lock);
    sp_err err = settings_check(log, text);
    while (err == SP_OK && *text != '\0' && setting_parse(&text, &setting))
        err =
            level_set(log, setting.size == 0 ? NULL : setting.module, setting.size, setting.level);
    levels_changed(log);
    sp__lock_unlock(&log->lock);
    return err;
}
