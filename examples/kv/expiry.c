/* Binary heap of expiring entries. See expiry.h. */
#include "expiry.h"

enum { EXPIRY_CAP_MIN = 16 };

void kv_expiry_init(struct kv_expiry *expiry, struct kv_heap *heap)
{
    *expiry = (struct kv_expiry){ .heap = heap };
}

void kv_expiry_finish(struct kv_expiry *expiry)
{
    kv_heap_free(expiry->heap, expiry->slot, expiry->cap * sizeof(*expiry->slot));
    kv_expiry_init(expiry, expiry->heap);
}

static void expiry_place(struct kv_expiry *expiry, uint32_t index, struct kv_expiry_slot slot)
{
    expiry->slot[index] = slot;
    slot.entry->expiry = index;
}

static void expiry_sift_up(struct kv_expiry *expiry, uint32_t index)
{
    struct kv_expiry_slot slot = expiry->slot[index];
    while (index > 1 && expiry->slot[index / 2].at_ms > slot.at_ms) {
        expiry_place(expiry, index, expiry->slot[index / 2]);
        index /= 2;
    }
    expiry_place(expiry, index, slot);
}

static void expiry_sift_down(struct kv_expiry *expiry, uint32_t index)
{
    struct kv_expiry_slot slot = expiry->slot[index];
    for (;;) {
        uint64_t child = (uint64_t)index * 2;
        if (child > expiry->count)
            break;
        if (child < expiry->count && expiry->slot[child + 1].at_ms < expiry->slot[child].at_ms)
            child++;
        if (expiry->slot[child].at_ms >= slot.at_ms)
            break;
        expiry_place(expiry, index, expiry->slot[child]);
        index = (uint32_t)child;
    }
    expiry_place(expiry, index, slot);
}

static sp_err expiry_recap(struct kv_expiry *expiry, uint32_t cap)
{
    struct kv_expiry_slot *slot = kv_heap_resize(expiry->heap, expiry->slot,
                                                 expiry->cap * sizeof(*slot), cap * sizeof(*slot));
    if (slot == NULL)
        return SP_ERR_NOMEM;
    expiry->slot = slot;
    expiry->cap = cap;
    return SP_OK;
}

static sp_err expiry_add(struct kv_expiry *expiry, struct kv_entry *entry, int64_t at_ms)
{
    if (expiry->count >= UINT32_MAX / 2 - 1)
        return SP_ERR_LIMIT;
    if (expiry->count + 1 >= expiry->cap) {
        sp_err err = expiry_recap(expiry, expiry->cap == 0 ? EXPIRY_CAP_MIN : expiry->cap * 2);
        if (err != SP_OK)
            return err;
    }
    uint32_t index = ++expiry->count;
    expiry_place(expiry, index, (struct kv_expiry_slot){ at_ms, entry });
    expiry_sift_up(expiry, index);
    return SP_OK;
}

sp_err kv_expiry_set(struct kv_expiry *expiry, struct kv_entry *entry, int64_t at_ms)
{
    if (entry->expiry == 0)
        return expiry_add(expiry, entry, at_ms);
    uint32_t index = entry->expiry;
    int64_t before = expiry->slot[index].at_ms;
    expiry->slot[index].at_ms = at_ms;
    if (at_ms < before)
        expiry_sift_up(expiry, index);
    else
        expiry_sift_down(expiry, index);
    return SP_OK;
}

bool kv_expiry_remove(struct kv_expiry *expiry, struct kv_entry *entry)
{
    uint32_t index = entry->expiry;
    if (index == 0)
        return false;
    entry->expiry = 0;
    struct kv_expiry_slot last = expiry->slot[expiry->count--];
    if (last.entry != entry) {
        expiry_place(expiry, index, last);
        expiry_sift_up(expiry, index);
        expiry_sift_down(expiry, last.entry->expiry);
    }
    if (expiry->cap > EXPIRY_CAP_MIN && expiry->count < expiry->cap / 4)
        (void)expiry_recap(expiry, expiry->cap / 2);
    return true;
}

void kv_expiry_moved(struct kv_expiry *expiry, struct kv_entry *entry)
{
    if (entry->expiry != 0)
        expiry->slot[entry->expiry].entry = entry;
}

struct kv_entry *kv_expiry_first(const struct kv_expiry *expiry)
{
    return expiry->count == 0 ? NULL : expiry->slot[1].entry;
}
