#include "runtime/histogram.h"

#include "base/alloc.h"

/* NULL: no memory. */
static struct sp__histogram_page *histogram_page_new(struct sp__histogram *histogram,
                                                     uint32_t index)
{
    struct sp__histogram_page *page = NULL;
    struct sp__histogram_page *made = sp__calloc(1, sizeof(*made));
    if (made == NULL)
        return NULL;
    /* acq_rel: release pairs with the acquire of readers, whose page is zero; acquire with somebody
     * else's release. */
    if (atomic_compare_exchange_strong_explicit(&histogram->pages[index], &page, made,
                                                memory_order_acq_rel, memory_order_acquire))
        return made;
    sp__free(made);
    return page;
}

/* The place of a value; NULL: no memory. */
static inline _Atomic uint64_t *histogram_place(struct sp__histogram *histogram, uint64_t value)
{
    uint32_t bucket = sp__histogram_bucket(value);
    uint32_t index = bucket / SP__HISTOGRAM_PAGE;
    /* acquire: pairs with the release in page_new(). */
    struct sp__histogram_page *page =
        atomic_load_explicit(&histogram->pages[index], memory_order_acquire);
    if (__builtin_expect(page == NULL, 0))
        page = histogram_page_new(histogram, index);
    return page == NULL ? NULL : &page->counts[bucket % SP__HISTOGRAM_PAGE];
}

/* Of the only writer: no read-modify-write. relaxed: a statistic. */
static inline void histogram_raise(_Atomic uint64_t *count, uint64_t by)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

void sp__histogram_add(struct sp__histogram *histogram, uint64_t value, uint64_t weight)
{
    _Atomic uint64_t *place = histogram_place(histogram, value);
    if (place == NULL) {
        histogram_raise(&histogram->lost, weight);
        return;
    }
    histogram_raise(place, weight);
    histogram_raise(&histogram->sum, value * weight);
    if (value > atomic_load_explicit(&histogram->max, memory_order_relaxed))
        atomic_store_explicit(&histogram->max, value, memory_order_relaxed);
}

void sp__histogram_add_shared(struct sp__histogram *histogram, uint64_t value, uint64_t weight)
{
    _Atomic uint64_t *place = histogram_place(histogram, value);
    /* relaxed, all of them: statistics. */
    if (place == NULL) {
        atomic_fetch_add_explicit(&histogram->lost, weight, memory_order_relaxed);
        return;
    }
    atomic_fetch_add_explicit(place, weight, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, value * weight, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&histogram->max, memory_order_relaxed);
    while (value > max &&
           !atomic_compare_exchange_weak_explicit(&histogram->max, &max, value,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
}

void sp__histogram_finish(struct sp__histogram *histogram)
{
    for (uint32_t i = 0; i < SP__HISTOGRAM_PAGES; i++) {
        sp__free(atomic_load_explicit(&histogram->pages[i], memory_order_relaxed));
        atomic_store_explicit(&histogram->pages[i], NULL, memory_order_relaxed);
    }
}
