#include "process/busy.h"

#include "base/alloc.h"

enum { BUSY_PAGE = 1024 }; /* cells: 16 KiB */

struct busy_cell {
    _Atomic uint64_t serial;
    _Atomic uint64_t ns;
};

struct sp__busy {
    uint32_t pages_max;
    struct busy_cell *_Atomic pages[];
};

static struct sp__busy *busy_known(struct sp_runtime *runtime)
{
    /* acquire: pairs with start. */
    return atomic_load_explicit(&runtime->busy, memory_order_acquire);
}

sp_err sp__busy_start(struct sp_runtime *runtime)
{
    if (busy_known(runtime) != NULL)
        return SP_OK;
    uint32_t pages = runtime->processes->max / BUSY_PAGE + 1;
    struct sp__busy *made = sp__calloc(1, sizeof(*made) + pages * sizeof(made->pages[0]));
    if (made == NULL)
        return SP_ERR_NOMEM;
    made->pages_max = pages;
    struct sp__busy *before = NULL;
    /* release: pairs with the acquire in known(). Another thread may start them at this moment. */
    if (!atomic_compare_exchange_strong_explicit(&runtime->busy, &before, made,
                                                 memory_order_release, memory_order_relaxed))
        sp__free(made);
    return SP_OK;
}

void sp__busy_free(struct sp_runtime *runtime)
{
    struct sp__busy *busy = busy_known(runtime);
    if (busy == NULL)
        return;
    for (uint32_t i = 0; i < busy->pages_max; i++)
        sp__free(atomic_load_explicit(&busy->pages[i], memory_order_relaxed));
    atomic_store_explicit(&runtime->busy, NULL, memory_order_relaxed);
    sp__free(busy);
}

/* NULL: there is none. */
static struct busy_cell *busy_cell(struct sp__busy *busy, uint32_t slot)
{
    /* acquire: pairs with the exchange in page(). */
    struct busy_cell *page =
        atomic_load_explicit(&busy->pages[slot / BUSY_PAGE], memory_order_acquire);
    return page == NULL ? NULL : &page[slot % BUSY_PAGE];
}

/* NULL: no memory. */
static struct busy_cell *busy_cell_made(struct sp__busy *busy, uint32_t slot)
{
    struct busy_cell *cell = busy_cell(busy, slot);
    if (cell != NULL)
        return cell;
    struct busy_cell *made = sp__calloc(BUSY_PAGE, sizeof(*made));
    if (made == NULL)
        return NULL;
    struct busy_cell *before = NULL;
    /* release: the page is zeroed. Another process of it may make it at this moment. */
    if (!atomic_compare_exchange_strong_explicit(&busy->pages[slot / BUSY_PAGE], &before, made,
                                                 memory_order_release, memory_order_relaxed))
        sp__free(made);
    return busy_cell(busy, slot);
}

static uint64_t busy_serial(struct sp_process *process)
{
    return atomic_load_explicit(&process->serial, memory_order_relaxed) & ~SP__SERIAL_DEAD;
}

void sp__busy_add(struct sp_process *self, uint64_t ns)
{
    struct sp__busy *busy = busy_known(sp__process_runtime(self));
    struct busy_cell *cell = busy == NULL ? NULL : busy_cell_made(busy, self->slot);
    if (cell == NULL)
        return;
    /* relaxed: only this process writes now; who had the slot before has ended. */
    uint64_t serial = busy_serial(self);
    uint64_t before = 0;
    if (atomic_load_explicit(&cell->serial, memory_order_relaxed) == serial)
        before = atomic_load_explicit(&cell->ns, memory_order_relaxed);
    atomic_store_explicit(&cell->ns, before + ns, memory_order_relaxed);
    /* release: pairs with the acquire in of(): who sees our serial does not see what was before. */
    atomic_store_explicit(&cell->serial, serial, memory_order_release);
}

uint64_t sp__busy_of(struct sp_process *process)
{
    struct sp__busy *busy = busy_known(sp__process_runtime(process));
    struct busy_cell *cell = busy == NULL ? NULL : busy_cell(busy, process->slot);
    if (cell == NULL ||
        atomic_load_explicit(&cell->serial, memory_order_acquire) != busy_serial(process))
        return 0;
    return atomic_load_explicit(&cell->ns, memory_order_relaxed);
}
