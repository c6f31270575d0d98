/* Slabs: every byte given out once, used-up slabs out of the way, whole ones returned. */
#include "runtime/msg_slab.h"

#include "base/alloc.h"
#include "support/test.h"

#include <string.h>

static void slabs_stock(struct sp__msg_slabs *slabs)
{
    struct sp__msg_slab *slab = sp__msg_slab_create(slabs->object_size);
    CHECK(slab != NULL);
    sp__msg_slabs_add(slabs, slab);
}

TEST(slab_cut_when_there_is_none_is_null)
{
    struct sp__msg_slabs slabs;
    sp__msg_slabs_init(&slabs, 64);
    CHECK_PTR(sp__msg_slabs_cut(&slabs), NULL);
}

TEST(slab_gives_every_object_once_and_takes_them_back)
{
    enum { MOST = SP__MSG_SLAB_SIZE / 48 };
    static void *objects[MOST];
    struct sp__msg_slabs slabs;
    struct sp__list done;
    int count = 0;
    sp__list_init(&done);
    sp__msg_slabs_init(&slabs, 48);
    slabs_stock(&slabs);
    for (void *object; (object = sp__msg_slabs_cut(&slabs)) != NULL; count++) {
        objects[count] = object;
        CHECK_INT((uintptr_t)object % 16, 0);
        CHECK(count == 0 || (char *)object == (char *)objects[count - 1] + 48);
    }
    CHECK_INT(count, (SP__MSG_SLAB_SIZE - 64) / 48);
    CHECK(sp__list_empty(&slabs.partial));
    for (int i = 0; i < count; i++) {
        CHECK(sp__list_empty(&done));
        sp__msg_slabs_return(&slabs, objects[i], &done);
    }
    CHECK_INT(sp__list_count(&done), 1);
    CHECK_INT(slabs.count, 0);
    CHECK_PTR(sp__msg_slabs_cut(&slabs), NULL);
    sp__msg_slabs_destroy(&done);
}

TEST(slab_that_was_used_up_gives_what_came_back)
{
    struct sp__msg_slabs slabs;
    struct sp__list done;
    void *last = NULL;
    void *first = NULL;
    sp__list_init(&done);
    sp__msg_slabs_init(&slabs, 16 * 1024);
    slabs_stock(&slabs);
    first = sp__msg_slabs_cut(&slabs);
    CHECK(sp__msg_slabs_cut(&slabs) != NULL);
    last = sp__msg_slabs_cut(&slabs);
    CHECK_PTR(sp__msg_slabs_cut(&slabs), NULL); /* 3 fit beside the header */
    sp__msg_slabs_return(&slabs, first, &done);
    CHECK_PTR(sp__msg_slabs_cut(&slabs), first);
    CHECK_PTR(sp__msg_slabs_cut(&slabs), NULL);
    sp__msg_slabs_return(&slabs, first, &done);
    sp__msg_slabs_return(&slabs, last, &done);
    sp__msg_slabs_return(&slabs, (char *)first + 16 * 1024, &done);
    CHECK_INT(sp__list_count(&done), 1);
    sp__msg_slabs_destroy(&done);
    CHECK(sp__list_empty(&done));
}

TEST(slab_never_given_to_anyone_can_be_destroyed)
{
    struct sp__msg_slab *slab = sp__msg_slab_create(64);
    CHECK(slab != NULL);
    sp__msg_slab_destroy(slab);
}

#ifdef SPAWNED_FAULT_INJECTION
TEST(slab_create_when_memory_is_out_is_null)
{
    sp__alloc_fail_after(0);
    CHECK_PTR(sp__msg_slab_create(64), NULL);
}
#endif
