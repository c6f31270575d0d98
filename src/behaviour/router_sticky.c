#include "behaviour/router_sticky.h"

#include "base/alloc.h"
#include "behaviour/router.h"

enum {
    STICKY_SHARDS = 16,
    STICKY_FIRST = 16, /* places of a shard at the beginning; a power of two */
};

struct sticky_entry {
    uint64_t key;
    struct sp_process *process; /* NULL: a free place */
    uint64_t serial;
    uint32_t index;  /* where it was in the table */
    uint32_t number; /* of the last message in its mailbox then */
    uint32_t held;
};

struct sticky_shard {
    SP__CACHE_ALIGNED struct sp__lock lock;
    uint32_t capacity SP__GUARDED_BY(lock); /* a power of two, or 0 */
    uint32_t used SP__GUARDED_BY(lock);
    struct sticky_entry *entries SP__GUARDED_BY(lock);
};

struct sp__sticky {
    struct sticky_shard shards[STICKY_SHARDS];
};

sp_err sp__sticky_create(struct sp__sticky **out)
{
    struct sp__sticky *sticky = sp__aligned_alloc(SP__CACHE_LINE, sizeof(*sticky));
    if (sticky == NULL)
        return SP_ERR_NOMEM;
    *sticky = (struct sp__sticky){ 0 };
    *out = sticky;
    return SP_OK;
}

void sp__sticky_destroy(struct sp__sticky *sticky)
{
    for (unsigned i = 0; sticky != NULL && i < STICKY_SHARDS; i++)
        sp__free(sticky->shards[i].entries);
    sp__free(sticky);
}

/* Has its process done all up to the number? */
static bool sticky_done(const struct sticky_entry *entry)
{
    struct sp__actor *actor = &entry->process->actor;
    /* acquire, in this order: one that is parked with all taken has done all. */
    uint32_t taken = atomic_load_explicit(&actor->taken, memory_order_acquire);
    uint64_t state = atomic_load_explicit(&actor->state, memory_order_acquire);
    int32_t ahead = (int32_t)(taken - entry->number);
    return ahead > 0 || (ahead == 0 && (state & SP__ACTOR_RECEIVING));
}

static bool sticky_busy(const struct sticky_entry *entry)
{
    struct sp__routee routee = { entry->process, entry->serial };
    return entry->held != 0 || (sp__routee_lives(&routee) && !sticky_done(entry));
}

/* The place of a key: its own, or the free one where it would be. There is a free one. */
static struct sticky_entry *sticky_place(struct sticky_entry *entries, uint32_t capacity,
                                         uint64_t key)
{
    uint32_t at = (uint32_t)(sp__spread_mix(key) >> 32) & (capacity - 1);
    while (entries[at].process != NULL && entries[at].key != key)
        at = (at + 1) & (capacity - 1);
    return &entries[at];
}

/* Forget the keys that are not busy; more room, if that is not enough. Errors: NOMEM. */
static sp_err sticky_make_room(struct sticky_shard *shard) SP__REQUIRES(shard->lock)
{
    uint32_t busy = 0;
    for (uint32_t i = 0; i < shard->capacity; i++)
        busy += shard->entries[i].process != NULL && sticky_busy(&shard->entries[i]);
    uint32_t capacity = STICKY_FIRST;
    while (capacity <= 2 * busy)
        capacity *= 2;
    struct sticky_entry *entries = sp__calloc(capacity, sizeof(*entries));
    if (entries == NULL)
        return SP_ERR_NOMEM;
    shard->used = 0;
    for (uint32_t i = 0; i < shard->capacity && shard->used <= busy; i++) {
        struct sticky_entry *entry = &shard->entries[i];
        if (entry->process == NULL || !sticky_busy(entry))
            continue;
        *sticky_place(entries, capacity, entry->key) = *entry;
        shard->used++;
    }
    sp__free(shard->entries);
    shard->entries = entries;
    shard->capacity = capacity;
    return SP_OK;
}

/* Its index in this table, if it is still there and lives, else SP__ROUTER_NONE. */
static uint32_t sticky_index(const struct sticky_entry *entry, const struct sp__router_table *table)
{
    const struct sp__routee *routees = table->routees;
    uint32_t index = entry->index;
    if (index >= table->count || routees[index].process != entry->process ||
        routees[index].serial != entry->serial)
        for (index = 0; index < table->count; index++)
            if (routees[index].process == entry->process && routees[index].serial == entry->serial)
                break;
    return index < table->count && sp__routee_lives(&routees[index]) ? index : SP__ROUTER_NONE;
}

static struct sticky_shard *sticky_shard(struct sp__sticky *sticky, uint64_t key)
{
    return &sticky->shards[sp__spread_mix(key) & (STICKY_SHARDS - 1)];
}

/* The entry of a key, made where there is none. Errors: NOMEM. */
static sp_err sticky_entry_of(struct sticky_shard *shard, uint64_t key, struct sticky_entry **out)
    SP__REQUIRES(shard->lock)
{
    if (4 * (shard->used + 1) > 3 * shard->capacity) {
        struct sticky_entry *own =
            shard->capacity == 0 ? NULL : sticky_place(shard->entries, shard->capacity, key);
        sp_err err = own != NULL && own->process != NULL ? SP_OK : sticky_make_room(shard);
        if (err != SP_OK)
            return err;
    }
    *out = sticky_place(shard->entries, shard->capacity, key);
    return SP_OK;
}

sp_err sp__sticky_choose(struct sp__context *context, struct sp__router *router,
                         const struct sp__router_table *table, uint64_t key, uint32_t *out_index)
{
    struct sticky_shard *shard = sticky_shard(router->sticky, key);
    struct sticky_entry *entry;
    uint32_t index = SP__ROUTER_NONE;
    sp__lock_lock(&shard->lock);
    sp_err err = sticky_entry_of(shard, key, &entry);
    if (err == SP_OK && entry->process != NULL && sticky_busy(entry))
        index = sticky_index(entry, table);
    if (err == SP_OK && index != SP__ROUTER_NONE)
        (void)sp__router_count(router, context->shard);
    else if (err == SP_OK)
        index = sp__router_choose_living(context, router, table, key);
    if (err == SP_OK && index == SP__ROUTER_NONE)
        err = SP_ERR_NOROUTEE;
    if (err == SP_OK) {
        shard->used += entry->process == NULL;
        entry->key = key;
        entry->process = table->routees[index].process;
        entry->serial = table->routees[index].serial;
        entry->index = index;
        entry->held++;
        *out_index = index;
    }
    sp__lock_unlock(&shard->lock);
    return err;
}

void sp__sticky_release(struct sp__sticky *sticky, uint64_t key)
{
    struct sticky_shard *shard = sticky_shard(sticky, key);
    sp__lock_lock(&shard->lock);
    /* It is held, so it was not forgotten. */
    struct sticky_entry *entry = sticky_place(shard->entries, shard->capacity, key);
    entry->held--;
    /* relaxed: our own message was pushed before, by us, or answered. */
    uint64_t state = atomic_load_explicit(&entry->process->actor.state, memory_order_relaxed);
    entry->number = (uint32_t)(state >> 32);
    sp__lock_unlock(&shard->lock);
}

size_t sp__sticky_capacity(struct sp__sticky *sticky)
{
    size_t capacity = 0;
    for (unsigned i = 0; i < STICKY_SHARDS; i++) {
        sp__lock_lock(&sticky->shards[i].lock);
        capacity += sticky->shards[i].capacity;
        sp__lock_unlock(&sticky->shards[i].lock);
    }
    return capacity;
}
