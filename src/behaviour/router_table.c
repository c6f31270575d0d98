/* Routers and their tables: made, published, retired. */
#include "behaviour/router.h"

#include "base/alloc.h"

#include <string.h>

sp_err sp__router_table_create(const struct sp__router *router, const struct sp__routee *routees,
                               const uint32_t *ids, uint32_t count, struct sp__router_table **out)
{
    size_t scanned = router->strategy == SP_ROUTE_SMALLEST_OF_ALL ? 2 * (size_t)count : 0;
    struct sp__router_table *table = sp__malloc(
        sizeof(*table) + count * (sizeof(*routees) + sizeof(*ids)) + scanned * sizeof(void *));
    if (table == NULL)
        return SP_ERR_NOMEM;
    *table = (struct sp__router_table){ .count = count };
    table->actors = (struct sp__actor **)(void *)&table->routees[count];
    table->ids = (uint32_t *)(void *)&table->actors[scanned];
    for (size_t i = 0; i < scanned; i++)
        table->actors[i] = &routees[i < count ? i : i - count].process->actor;
    if (count != 0) {
        table->fraction = UINT64_MAX / count + 1;
        memcpy(table->routees, routees, count * sizeof(*routees));
        memcpy(table->ids, ids, count * sizeof(*ids));
    }
    sp_err err = SP_OK;
    if (count != 0 && router->strategy == SP_ROUTE_HASH)
        err = sp__spread_create(ids, count, &table->spread);
    if (err == SP_OK)
        *out = table;
    else
        sp__free(table);
    return err;
}

void sp__router_table_free(struct sp__router_table *table)
{
    if (table != NULL)
        sp__free(table->spread);
    sp__free(table);
}

static void table_retired(struct sp__epoch_node *node)
{
    sp__router_table_free(sp__container_of(node, struct sp__router_table, retired));
}

void sp__router_publish(struct sp__router *router, struct sp__router_table *moved_table)
{
    /* release: pairs with the acquire of senders; the table is complete. The owner alone writes. */
    struct sp__router_table *before =
        atomic_exchange_explicit(&router->table, moved_table, memory_order_release);
    if (before != NULL)
        sp__epoch_retire(&sp__context()->epoch, &before->retired, table_retired);
}

sp_err sp__router_create(const struct sp_router_options *options, struct sp__router **out)
{
    struct sp__router *router = sp__aligned_alloc(SP__CACHE_LINE, sizeof(*router));
    if (router == NULL)
        return SP_ERR_NOMEM;
    memset(router, 0, sizeof(*router));
    router->runtime = sp__context()->runtime;
    router->pid = sp_self();
    router->strategy = options->strategy;
    router->load_percent = options->load_percent;
    sp__router_stash_init(&router->stash, options->stash_max);
    if (options->strategy == SP_ROUTE_STICKY) {
        sp_err err = sp__sticky_create(&router->sticky);
        if (err != SP_OK) {
            sp__free(router);
            return err;
        }
    }
    *out = router;
    return SP_OK;
}

static void router_retired(struct sp__epoch_node *node)
{
    struct sp__router *router = sp__container_of(node, struct sp__router, retired);
    /* relaxed: nobody else has it. */
    sp__router_table_free(atomic_load_explicit(&router->table, memory_order_relaxed));
    sp__sticky_destroy(router->sticky);
    sp__free(router);
}

void sp__router_retire(struct sp__router *moved_router)
{
    sp__epoch_retire(&sp__context()->epoch, &moved_router->retired, router_retired);
}
