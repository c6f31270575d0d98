#include "observe/metrics.h"

#include "base/alloc.h"
#include "runtime/backend.h"

#include <string.h>

enum {
    METRICS_LOW_SECONDS = 10, /* powers of two, of nanoseconds: 1.024 us */
    METRICS_HIGH_SECONDS = 34,
    METRICS_HIGH = 30,
};

/* ---- the registry ---- */

static void series_free(struct sp__metrics *metrics, struct sp__series *series)
{
    struct sp__meter *meter = sp__meters_blocks(metrics->meters);
    for (; meter != NULL && series->histogram != NULL; meter = meter->next) {
        struct sp__histogram *one =
            (struct sp__histogram *)(uintptr_t)sp__meter_read(meter, series->cell);
        if (one != NULL)
            sp__histogram_finish(one);
        sp__free(one);
    }
    if (series->histogram != NULL)
        sp__histogram_finish(series->histogram);
    sp__free(series->histogram);
    sp__free(series->exemplars);
    for (size_t i = 0; i < SP__METRIC_LABELS_MAX; i++)
        sp__free((void *)(uintptr_t)series->labels[i].value);
    sp__free(series);
}

static void family_free(struct sp__metrics *metrics, struct sp__family *family)
{
    /* relaxed: nobody else is there any more. */
    struct sp__series *series = atomic_load_explicit(&family->series, memory_order_relaxed);
    while (series != NULL) {
        struct sp__series *next = atomic_load_explicit(&series->next, memory_order_relaxed);
        series_free(metrics, series);
        series = next;
    }
    for (size_t i = 0; i < SP__METRIC_LABELS_MAX; i++)
        sp__free(family->label_names[i]);
    sp__free((void *)(uintptr_t)family->head.name);
    sp__free((void *)(uintptr_t)family->head.help);
    sp__free(family);
}

static void metrics_free(void *arg)
{
    struct sp__metrics *metrics = arg;
    struct sp__family *family = atomic_load_explicit(&metrics->families, memory_order_relaxed);
    while (family != NULL) {
        struct sp__family *next = atomic_load_explicit(&family->next, memory_order_relaxed);
        family_free(metrics, family);
        family = next;
    }
    sp__free(metrics);
}

struct sp__metrics *sp__metrics_of(struct sp_runtime *runtime)
{
    struct sp__meters *meters = sp__meters_of(runtime);
    /* acquire: pairs with the release in get. */
    return meters == NULL ? NULL : atomic_load_explicit(&meters->registry, memory_order_acquire);
}

sp_err sp__metrics_get(struct sp_runtime *runtime, struct sp__metrics **out_metrics)
{
    struct sp__meters *meters;
    sp_err err = sp__meters_get(runtime, &meters);
    void *there = NULL;
    if (err == SP_OK)
        there = atomic_load_explicit(&meters->registry, memory_order_acquire);
    if (err == SP_OK && there == NULL) {
        struct sp__metrics *made = sp__calloc(1, sizeof(*made));
        if (made == NULL)
            return SP_ERR_NOMEM;
        made->runtime = runtime;
        made->meters = meters;
        sp__lock_init(&made->lock);
        meters->registry_free = metrics_free; /* the same whoever comes first */
        /* acq_rel: release pairs with the acquire in of, acquire with somebody else's. */
        if (atomic_compare_exchange_strong_explicit(&meters->registry, &there, made,
                                                    memory_order_acq_rel, memory_order_acquire))
            there = made;
        else
            sp__free(made);
    }
    if (err == SP_OK)
        *out_metrics = there;
    return err;
}

/* ---- what may be registered ---- */

static bool name_is_valid(const char *name, const char *others)
{
    if (name[0] == '\0' || (name[0] >= '0' && name[0] <= '9'))
        return false;
    for (const char *at = name; *at != '\0'; at++)
        if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
              (*at >= '0' && *at <= '9') || strchr(others, *at) != NULL))
            return false;
    return true;
}

static bool name_ends(const char *name, size_t length, const char *suffix)
{
    size_t size = strlen(suffix);
    return length > size && memcmp(name + length - size, suffix, size) == 0;
}

/* How much of the name is the family's. */
static size_t name_length(const struct sp_metric_options *options, enum sp__metric_kind kind)
{
    size_t length = strlen(options->name);
    if (kind == SP__METRIC_COUNTER && name_ends(options->name, length, "_total"))
        length -= strlen("_total");
    return length;
}

/* The samples of a family have the formats' own suffixes: no family may look like a sample. */
static bool options_name_valid(const struct sp_metric_options *options, enum sp__metric_kind kind)
{
    static const char *const suffixes[] = { "_total", "_bucket",  "_sum",
                                            "_count", "_created", "_info" };
    size_t length = name_length(options, kind);
    if (!name_is_valid(options->name, "_:"))
        return false;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (name_ends(options->name, length, suffixes[i]))
            return false;
    if (options->unit == SP_UNIT_SECONDS)
        return name_ends(options->name, length, "_seconds");
    return options->unit == SP_UNIT_NONE ||
           (options->unit == SP_UNIT_BYTES && name_ends(options->name, length, "_bytes"));
}

static bool options_valid(const struct sp_metric_options *options, enum sp__metric_kind kind)
{
    if (options->name == NULL || !options_name_valid(options, kind) ||
        options->label_count > SP__METRIC_LABELS_MAX ||
        (options->label_count != 0 && options->labels == NULL))
        return false;
    for (size_t i = 0; i < options->label_count; i++) {
        const char *name = options->labels[i].name;
        if (name == NULL || options->labels[i].value == NULL || !name_is_valid(name, "_") ||
            strncmp(name, "__", 2) == 0 || strcmp(name, "le") == 0)
            return false;
        for (size_t j = 0; j < i; j++)
            if (strcmp(name, options->labels[j].name) == 0)
                return false;
    }
    return options->high == 0 || options->low < options->high;
}

/* ---- families; with the lock held ---- */

static struct sp__family *family_find(struct sp__metrics *metrics, const char *name, size_t length)
{
    /* relaxed: written under the lock. */
    struct sp__family *family = atomic_load_explicit(&metrics->families, memory_order_relaxed);
    while (family != NULL &&
           (strlen(family->head.name) != length || memcmp(family->head.name, name, length) != 0))
        family = atomic_load_explicit(&family->next, memory_order_relaxed);
    return family;
}

static bool family_has_labels(const struct sp__family *family,
                              const struct sp_metric_options *options)
{
    if (family->label_count != options->label_count)
        return false;
    for (size_t i = 0; i < options->label_count; i++)
        if (strcmp(family->label_names[i], options->labels[i].name) != 0)
            return false;
    return true;
}

static void family_set_bounds(struct sp__family *family, const struct sp_metric_options *options)
{
    bool seconds = options->unit == SP_UNIT_SECONDS;
    family->low = seconds ? UINT64_C(1) << METRICS_LOW_SECONDS : 1;
    family->high = UINT64_C(1) << (seconds ? METRICS_HIGH_SECONDS : METRICS_HIGH);
    if (options->high != 0) {
        family->low = options->low;
        family->high = options->high;
    }
}

/* NULL: no memory. */
static struct sp__family *family_new(const struct sp_metric_options *options,
                                     enum sp__metric_kind kind)
{
    struct sp__family *family = sp__calloc(1, sizeof(*family));
    if (family == NULL)
        return NULL;
    char *name = sp__strdup(options->name);
    if (name != NULL)
        name[name_length(options, kind)] = '\0';
    family->head = (struct sp__family_head){ .name = name, .kind = kind, .unit = options->unit };
    if (options->help != NULL)
        family->head.help = sp__strdup(options->help);
    bool whole = name != NULL && (options->help == NULL) == (family->head.help == NULL);
    family->label_count = options->label_count;
    for (size_t i = 0; i < options->label_count && whole; i++) {
        family->label_names[i] = sp__strdup(options->labels[i].name);
        whole = family->label_names[i] != NULL;
    }
    family->series_max = options->series_max == 0 ? SP__METRIC_SERIES_MAX : options->series_max;
    family_set_bounds(family, options);
    if (whole)
        return family;
    family_free(NULL, family);
    return NULL;
}

static sp_err family_get(struct sp__metrics *metrics, const struct sp_metric_options *options,
                         enum sp__metric_kind kind, struct sp__family **out_family)
    SP__REQUIRES(metrics->lock)
{
    size_t length = name_length(options, kind);
    struct sp__family *family = family_find(metrics, options->name, length);
    if (family == NULL) {
        family = family_new(options, kind);
        if (family == NULL)
            return SP_ERR_NOMEM;
        /* release: pairs with the acquire of readers. */
        if (metrics->last == NULL)
            atomic_store_explicit(&metrics->families, family, memory_order_release);
        else
            atomic_store_explicit(&metrics->last->next, family, memory_order_release);
        metrics->last = family;
    } else if (family->head.kind != kind) {
        return SP_ERR_EXISTS;
    } else if (family->head.unit != options->unit || !family_has_labels(family, options)) {
        return SP_ERR_INVALID;
    }
    *out_family = family;
    return SP_OK;
}

/* ---- series; with the lock held ---- */

static struct sp__series *series_find(struct sp__family *family,
                                      const struct sp_metric_options *options)
{
    /* relaxed: written under the lock. */
    struct sp__series *series = atomic_load_explicit(&family->series, memory_order_relaxed);
    for (; series != NULL; series = atomic_load_explicit(&series->next, memory_order_relaxed)) {
        bool same = !series->refuses;
        for (size_t i = 0; i < options->label_count && same; i++)
            same = strcmp(series->labels[i].value, options->labels[i].value) == 0;
        if (same)
            return series;
    }
    return NULL;
}

/* `options` NULL: the one of all others. NULL: no memory. */
static struct sp__series *series_new(struct sp__metrics *metrics, const struct sp__family *family,
                                     const struct sp_metric_options *options)
{
    struct sp__series *series = sp__calloc(1, sizeof(*series));
    if (series == NULL)
        return NULL;
    series->runtime = metrics->runtime;
    series->family = family;
    series->refuses = options == NULL;
    sp__lock_init(&series->lock);
    bool whole = true;
    if (family->head.kind == SP__METRIC_HISTOGRAM) {
        series->histogram = sp__calloc(1, sizeof(*series->histogram));
        whole = series->histogram != NULL;
    }
    for (size_t i = 0; i < family->label_count && whole; i++) {
        series->labels[i].name = family->label_names[i];
        series->labels[i].value = sp__strdup(options == NULL ? "other" : options->labels[i].value);
        whole = series->labels[i].value != NULL;
    }
    if (whole)
        return series;
    series->cell = SP__METER_CELLS - 1; /* of nobody: no histogram is found there */
    series_free(metrics, series);
    return NULL;
}

static void family_append(struct sp__family *family, struct sp__series *series)
{
    /* release: pairs with the acquire of readers; the series is complete. */
    if (family->last == NULL)
        atomic_store_explicit(&family->series, series, memory_order_release);
    else
        atomic_store_explicit(&family->last->next, series, memory_order_release);
    family->last = series;
}

/* A series is not made, or not found: then the family's other one, which a family has a place for from its
 * first series on. */
static sp_err series_make(struct sp__metrics *metrics, struct sp__family *family,
                          const struct sp_metric_options *options, struct sp__series **out_series)
    SP__REQUIRES(metrics->lock)
{
    bool full = family->series_count >= family->series_max;
    if (full && family->other != NULL) {
        *out_series = family->other;
        return SP_OK;
    }
    if (metrics->cells >= SP__METER_CELLS - 1)
        return SP_ERR_LIMIT;
    struct sp__series *series = series_new(metrics, family, full ? NULL : options);
    if (series == NULL)
        return SP_ERR_NOMEM;
    series->cell = metrics->cells++;
    if (full)
        family->other = series;
    else
        family->series_count++;
    family_append(family, series);
    *out_series = series;
    return SP_OK;
}

static sp_err metrics_register(struct sp_runtime *runtime, const struct sp_metric_options *options,
                               enum sp__metric_kind kind, struct sp__series **out_series)
{
    struct sp__metrics *metrics;
    struct sp__family *family;
    if (!options_valid(options, kind))
        return SP_ERR_INVALID;
    if (strncmp(options->name, "spawned_", strlen("spawned_")) == 0)
        return SP_ERR_EXISTS;
    sp_err err = sp__metrics_get(runtime, &metrics);
    if (err != SP_OK)
        return err;
    sp__lock_lock(&metrics->lock);
    err = family_get(metrics, options, kind, &family);
    struct sp__series *series = err == SP_OK ? series_find(family, options) : NULL;
    if (err == SP_OK && series == NULL)
        err = series_make(metrics, family, options, &series);
    sp__lock_unlock(&metrics->lock);
    if (err != SP_OK)
        return err;
    if (series->refuses) /* relaxed: a statistic. */
        atomic_fetch_add_explicit(&metrics->refused, 1, memory_order_relaxed);
    *out_series = series;
    return SP_OK;
}

/* ---- counters and gauges ---- */

struct sp_counter {
    struct sp__series series;
};
struct sp_gauge {
    struct sp__series series;
};
struct sp_histogram {
    struct sp__series series;
};

static void series_add(struct sp__series *series, uint64_t by)
{
    _Atomic uint64_t *cell = sp__meter_cell(series->runtime, series->cell);
    /* relaxed: a statistic; of the thread's own cell there is no other writer. */
    if (cell == NULL)
        atomic_fetch_add_explicit(&series->shared, by, memory_order_relaxed);
    else
        atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + by,
                              memory_order_relaxed);
}

/* Of the threads that have cells. */
static uint64_t series_cells(const struct sp__series *series)
{
    uint64_t sum = 0;
    struct sp__meter *meter = sp__meters_blocks(sp__meters_of(series->runtime));
    for (; meter != NULL; meter = meter->next)
        sum += sp__meter_read(meter, series->cell);
    return sum;
}

uint64_t sp__series_value(const struct sp__series *series)
{
    return series_cells(series) + atomic_load_explicit(&series->shared, memory_order_relaxed);
}

sp_err sp_counter_register(struct sp_runtime *runtime, const struct sp_metric_options *options,
                           struct sp_counter **out_counter)
{
    struct sp__series *series;
    sp_err err = metrics_register(runtime, options, SP__METRIC_COUNTER, &series);
    if (err == SP_OK)
        *out_counter = sp__container_of(series, struct sp_counter, series);
    return err;
}

void sp_counter_add(struct sp_counter *counter, uint64_t by)
{
    series_add(&counter->series, by);
}

uint64_t sp_counter_value(const struct sp_counter *counter)
{
    return sp__series_value(&counter->series);
}

sp_err sp_gauge_register(struct sp_runtime *runtime, const struct sp_metric_options *options,
                         struct sp_gauge **out_gauge)
{
    struct sp__series *series;
    sp_err err = metrics_register(runtime, options, SP__METRIC_GAUGE, &series);
    if (err == SP_OK)
        *out_gauge = sp__container_of(series, struct sp_gauge, series);
    return err;
}

void sp_gauge_add(struct sp_gauge *gauge, int64_t by)
{
    series_add(&gauge->series, (uint64_t)by);
}

void sp_gauge_set(struct sp_gauge *gauge, int64_t value)
{
    struct sp__series *series = &gauge->series;
    sp__lock_lock(&series->lock);
    /* relaxed: a statistic. */
    atomic_store_explicit(&series->shared, (uint64_t)value - series_cells(series),
                          memory_order_relaxed);
    sp__lock_unlock(&series->lock);
}

int64_t sp_gauge_value(const struct sp_gauge *gauge)
{
    return (int64_t)sp__series_value(&gauge->series);
}

/* ---- histograms ---- */

sp_err sp_histogram_register(struct sp_runtime *runtime, const struct sp_metric_options *options,
                             struct sp_histogram **out_histogram)
{
    struct sp__series *series;
    sp_err err = metrics_register(runtime, options, SP__METRIC_HISTOGRAM, &series);
    if (err == SP_OK)
        *out_histogram = sp__container_of(series, struct sp_histogram, series);
    return err;
}

const struct sp_histogram *sp__series_histogram(const struct sp__series *series)
{
    return sp__container_of(series, const struct sp_histogram, series);
}

void sp_histogram_observe(struct sp_histogram *histogram, uint64_t value)
{
    struct sp__series *series = &histogram->series;
    _Atomic uint64_t *cell = sp__meter_cell(series->runtime, series->cell);
    struct sp__histogram *own = NULL;
    if (cell != NULL) {
        /* relaxed: our own store. */
        own = (struct sp__histogram *)(uintptr_t)atomic_load_explicit(cell, memory_order_relaxed);
        if (__builtin_expect(own == NULL, 0)) {
            own = sp__calloc(1, sizeof(*own));
            /* release: pairs with the acquire in sp__meter_read(). */
            atomic_store_explicit(cell, (uintptr_t)own, memory_order_release);
        }
    }
    if (own != NULL)
        sp__histogram_add(own, value, 1);
    else
        sp__histogram_add_shared(series->histogram, value, 1);
}

void sp_histogram_observe_traced(struct sp_histogram *histogram, uint64_t value,
                                 const struct sp_exemplar *exemplar)
{
    struct sp__series *series = &histogram->series;
    sp_histogram_observe(histogram, value);
    int64_t wall_ns = series->runtime->ops->wall(series->runtime);
    sp__lock_lock(&series->lock);
    if (series->exemplars == NULL)
        series->exemplars = sp__calloc(64, sizeof(*series->exemplars));
    if (series->exemplars != NULL) /* without memory the value is counted all the same */
        series->exemplars[sp__exemplar_slot(value)] =
            (struct sp__exemplar){ .trace = *exemplar, .value = value, .wall_ns = wall_ns };
    sp__lock_unlock(&series->lock);
}

void sp__histogram_sum(const struct sp__histogram *histogram, struct sp_histogram_values *into)
{
    for (uint32_t i = 0; i < SP__HISTOGRAM_PAGES; i++) {
        /* acquire: pairs with the release in page_new(). */
        struct sp__histogram_page *page =
            atomic_load_explicit(&histogram->pages[i], memory_order_acquire);
        for (uint32_t j = 0; page != NULL && j < SP__HISTOGRAM_PAGE; j++) {
            uint64_t count = atomic_load_explicit(&page->counts[j], memory_order_relaxed);
            into->buckets[i * SP__HISTOGRAM_PAGE + j] += count;
            into->count += count;
        }
    }
    into->sum += atomic_load_explicit(&histogram->sum, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&histogram->max, memory_order_relaxed);
    if (max > into->max)
        into->max = max;
}

static uint64_t series_lost(const struct sp__series *series)
{
    uint64_t lost = atomic_load_explicit(&series->histogram->lost, memory_order_relaxed);
    struct sp__meter *meter = sp__meters_blocks(sp__meters_of(series->runtime));
    for (; meter != NULL; meter = meter->next) {
        const struct sp__histogram *one =
            (const struct sp__histogram *)(uintptr_t)sp__meter_read(meter, series->cell);
        if (one != NULL)
            lost += atomic_load_explicit(&one->lost, memory_order_relaxed);
    }
    return lost;
}

uint64_t sp__metrics_lost(struct sp__metrics *metrics)
{
    uint64_t lost = 0;
    /* acquire, all: pair with the releases in family_get() and family_append(). */
    struct sp__family *family = atomic_load_explicit(&metrics->families, memory_order_acquire);
    for (; family != NULL; family = atomic_load_explicit(&family->next, memory_order_acquire)) {
        struct sp__series *series = atomic_load_explicit(&family->series, memory_order_acquire);
        for (; series != NULL && series->histogram != NULL;
             series = atomic_load_explicit(&series->next, memory_order_acquire))
            lost += series_lost(series);
    }
    return lost;
}

void sp_histogram_read(const struct sp_histogram *histogram, struct sp_histogram_values *out_values)
{
    const struct sp__series *series = &histogram->series;
    memset(out_values, 0, sizeof(*out_values));
    sp__histogram_sum(series->histogram, out_values);
    struct sp__meter *meter = sp__meters_blocks(sp__meters_of(series->runtime));
    for (; meter != NULL; meter = meter->next) {
        const struct sp__histogram *one =
            (const struct sp__histogram *)(uintptr_t)sp__meter_read(meter, series->cell);
        if (one != NULL)
            sp__histogram_sum(one, out_values);
    }
}
