#include "list.h"

#include "support/test.h"

#include <stdio.h>

static struct kv_arg number(char text[16], int n)
{
    return (struct kv_arg){ text, (size_t)snprintf(text, 16, "%d", n) };
}

static void check_at(const struct kv_list *list, size_t index, int n)
{
    char text[16];
    struct kv_arg expected = number(text, n), value = kv_list_at(list, index);
    CHECK_INT(value.len, expected.len);
    CHECK_MEM(value.ptr, expected.ptr, expected.len);
}

/* Both ends move around the ring many times; the middle is always where it should be. */
TEST(list_keeps_its_order_around_the_ring)
{
    struct kv_heap heap;
    struct kv_list list;
    char text[16];
    int low = 0, high = 0; /* the list is low .. high-1 */
    kv_heap_init(&heap, 0);
    kv_list_init(&list, &heap);
    for (int i = 0; i < 20000; i++) {
        bool front = i % 3 == 0;
        struct kv_arg value = number(text, front ? --low : high++);
        CHECK_OK(kv_list_push(&list, &value, front));
        if (i % 7 < 3) {
            kv_list_drop(&list, i % 2 == 0);
            low += i % 2 == 0;
            high -= i % 2 != 0;
        }
        if (list.count == 0)
            continue;
        check_at(&list, 0, low);
        check_at(&list, list.count - 1, high - 1);
        check_at(&list, list.count / 2, low + (int)(list.count / 2));
    }
    CHECK_INT(list.count, high - low);
    while (list.count > 0)
        kv_list_drop(&list, true);
    CHECK(list.cap <= 8);
    kv_list_finish(&list);
    CHECK_INT(heap.used, 0);
    kv_heap_finish(&heap);
}

TEST(list_without_memory_stays_as_it_was)
{
    struct kv_heap heap;
    struct kv_list list;
    char text[16];
    int pushed = 0;
    kv_heap_init(&heap, 2000);
    kv_list_init(&list, &heap);
    for (;; pushed++) {
        struct kv_arg value = number(text, pushed);
        sp_err err = kv_list_push(&list, &value, false);
        if (err == SP_ERR_NOMEM)
            break;
        CHECK_OK(err);
    }
    CHECK(pushed > 10);
    CHECK_INT(list.count, pushed);
    check_at(&list, (size_t)pushed - 1, pushed - 1);
    kv_list_finish(&list);
    CHECK_INT(heap.used, 0);
    kv_heap_finish(&heap);
}
