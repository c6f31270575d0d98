/* Ring of byte strings. See list.h. */
#include "list.h"

enum { LIST_CAP_MIN = 4 };

void kv_list_init(struct kv_list *list, struct kv_heap *heap)
{
    *list = (struct kv_list){ .heap = heap };
}

static size_t list_slot(const struct kv_list *list, size_t index)
{
    return (list->head + index) & (list->cap - 1);
}

static size_t list_blob_size(size_t len)
{
    return sizeof(struct kv_blob) + len;
}

static void list_blob_free(struct kv_list *list, struct kv_blob *blob)
{
    kv_heap_free(list->heap, blob, list_blob_size(blob->len));
}

void kv_list_finish(struct kv_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        list_blob_free(list, list->ring[list_slot(list, i)]);
    kv_heap_free(list->heap, list->ring, list->cap * sizeof(*list->ring));
    kv_list_init(list, list->heap);
}

static bool list_recap(struct kv_list *list, size_t cap)
{
    struct kv_blob **ring = kv_heap_alloc(list->heap, cap * sizeof(*ring));
    if (ring == NULL)
        return false;
    size_t upper = list->cap - list->head < list->count ? list->cap - list->head : list->count;
    if (list->count > 0) {
        memcpy(ring, list->ring + list->head, upper * sizeof(*ring));
        memcpy(ring + upper, list->ring, (list->count - upper) * sizeof(*ring));
    }
    kv_heap_free(list->heap, list->ring, list->cap * sizeof(*ring));
    list->ring = ring;
    list->cap = cap;
    list->head = 0;
    return true;
}

sp_err kv_list_push(struct kv_list *list, const struct kv_arg *value, bool front)
{
    if (value->len > UINT32_MAX)
        return SP_ERR_TOOBIG;
    if (list->count == list->cap &&
        !list_recap(list, list->cap == 0 ? LIST_CAP_MIN : list->cap * 2))
        return SP_ERR_NOMEM;
    struct kv_blob *blob = kv_heap_alloc(list->heap, list_blob_size(value->len));
    if (blob == NULL)
        return SP_ERR_NOMEM;
    blob->len = (uint32_t)value->len;
    memcpy(blob->bytes, value->ptr, value->len);
    if (front)
        list->head = (list->head - 1) & (list->cap - 1);
    list->ring[front ? list->head : list_slot(list, list->count)] = blob;
    list->count++;
    return SP_OK;
}

struct kv_arg kv_list_at(const struct kv_list *list, size_t index)
{
    const struct kv_blob *blob = list->ring[list_slot(list, index)];
    return (struct kv_arg){ blob->bytes, blob->len };
}

void kv_list_drop(struct kv_list *list, bool front)
{
    list_blob_free(list, list->ring[list_slot(list, front ? 0 : list->count - 1)]);
    if (front)
        list->head = list_slot(list, 1);
    list->count--;
    /* A ring three quarters empty halves; without memory for it, it stays. */
    if (list->cap > LIST_CAP_MIN && list->count < list->cap / 4)
        (void)list_recap(list, list->cap / 2);
}
