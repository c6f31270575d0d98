#include "process/spawn_site.h"

enum {
    SITE_PROBES = 8,
    SITE_SHIFT = 56, /* of a product: the upper eight bits */
};

uint8_t sp__spawn_site_take(struct sp__context *context)
{
    const void *address = context->spawn_site;
    context->spawn_site = NULL;
    if (address == NULL)
        return 0;
    const void *_Atomic *sites = context->runtime->spawn_sites;
    uint64_t at = ((uint64_t)(uintptr_t)address * UINT64_C(0x9e3779b97f4a7c15)) >> SITE_SHIFT;
    for (int i = 0; i < SITE_PROBES; i++, at++) {
        size_t number = 1 + at % (SP__SPAWN_SITES - 1);
        /* relaxed, all: the address is all there is. */
        const void *of = atomic_load_explicit(&sites[number], memory_order_relaxed);
        if (of == NULL &&
            atomic_compare_exchange_strong_explicit(&sites[number], &of, address,
                                                    memory_order_relaxed, memory_order_relaxed))
            return (uint8_t)number;
        if (of == address)
            return (uint8_t)number;
    }
    return 0;
}

const void *sp__spawn_site_of(const struct sp_process *process)
{
    /* relaxed: written before the process was published. */
    uint32_t held = atomic_load_explicit(&process->held, memory_order_relaxed);
    uint32_t number = held % SP__SPAWN_SITES;
    return number == 0 ? NULL
                       : atomic_load_explicit(&sp__process_runtime(process)->spawn_sites[number],
                                              memory_order_relaxed);
}
