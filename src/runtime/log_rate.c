#include "runtime/log_rate.h"

/* The same in every run of a program, unlike its address. Source: FNV-1a. */
static uint32_t rate_hash(const struct sp_log_site *site)
{
    uint32_t hash = UINT32_C(2166136261) ^ (uint32_t)site->line;
    for (const char *at = site->file; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * UINT32_C(16777619);
    return hash;
}

static struct sp__log_place *rate_place(struct sp__log_rates *rates, const struct sp_log_site *site)
{
    uint32_t hash = rate_hash(site);
    for (uint32_t i = 0; i < SP__LOG_PLACES; i++) {
        struct sp__log_place *place = &rates->places[(hash + i) % SP__LOG_PLACES];
        const struct sp_log_site *there = NULL;
        /* relaxed: nothing but the address is looked at. */
        if (atomic_compare_exchange_strong_explicit(&place->site, &there, site,
                                                    memory_order_relaxed, memory_order_relaxed) ||
            there == site)
            return place;
    }
    return &rates->places[SP__LOG_PLACES - 1];
}

bool sp__log_rate_admits(struct sp__log_rates *rates, const struct sp_log_site *site,
                         uint32_t limit, uint32_t now_s, uint64_t *out_suppressed)
{
    struct sp__log_place *place = rate_place(rates, site);
    /* relaxed, all: counts. */
    uint64_t window = atomic_load_explicit(&place->window, memory_order_relaxed);
    uint64_t next;
    do {
        bool same = window >> 32 == now_s;
        if (same && (uint32_t)window >= limit) {
            atomic_fetch_add_explicit(&place->suppressed, 1, memory_order_relaxed);
            return false;
        }
        next = same ? window + 1 : (uint64_t)now_s << 32 | 1;
    } while (!atomic_compare_exchange_weak_explicit(&place->window, &window, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    *out_suppressed = atomic_exchange_explicit(&place->suppressed, 0, memory_order_relaxed);
    return true;
}
