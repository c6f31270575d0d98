/* The intrusive list: order, removal from anywhere, splicing, zeroed members. */
#include "base/list.h"

#include "support/test.h"

struct item {
    int value;
    struct sp__list link;
};

/* The values in order, as a number: 1, 2, 3 gives 123. Walks backwards too. */
static int list_digits(const struct sp__list *list)
{
    int forwards = 0;
    int backwards = 0;
    int scale = 1;
    for (struct sp__list *at = sp__list_first(list); at != NULL; at = sp__list_next(list, at))
        forwards = forwards * 10 + sp__container_of(at, struct item, link)->value;
    for (struct sp__list *at = sp__list_last(list); at != NULL; at = sp__list_prev(list, at)) {
        backwards += scale * sp__container_of(at, struct item, link)->value;
        scale *= 10;
    }
    CHECK_INT(backwards, forwards);
    return forwards;
}

static void list_fill(struct sp__list *list, struct item *items, int count)
{
    sp__list_init(list);
    for (int i = 0; i < count; i++) {
        items[i] = (struct item){ .value = i + 1 };
        sp__list_push_back(list, &items[i].link);
    }
}

TEST(list_when_empty_has_no_members)
{
    struct sp__list list;
    sp__list_init(&list);
    CHECK(sp__list_empty(&list));
    CHECK_PTR(sp__list_first(&list), NULL);
    CHECK_PTR(sp__list_last(&list), NULL);
    CHECK_PTR(sp__list_pop_front(&list), NULL);
    CHECK_PTR(sp__list_pop_back(&list), NULL);
    CHECK_INT(sp__list_count(&list), 0);
}

TEST(list_push_keeps_order_at_both_ends)
{
    struct sp__list list;
    struct item items[3];
    struct item front = { .value = 9 };
    list_fill(&list, items, 3);
    sp__list_push_front(&list, &front.link);
    CHECK_INT(list_digits(&list), 9123);
    sp__list_remove(&front.link);
    sp__list_insert_before(&items[2].link, &front.link);
    CHECK_INT(list_digits(&list), 1293);
}

TEST(list_remove_anywhere_relinks_and_is_idempotent)
{
    struct sp__list list;
    struct item items[4];
    struct item never = { .value = 0 };
    list_fill(&list, items, 4);
    sp__list_remove(&items[1].link);
    CHECK_INT(list_digits(&list), 134);
    CHECK(!sp__list_linked(&items[1].link));
    sp__list_remove(&items[1].link);
    sp__list_remove(&never.link);
    CHECK(!sp__list_linked(&never.link));
    sp__list_remove(&items[0].link);
    sp__list_remove(&items[3].link);
    CHECK_INT(list_digits(&list), 3);
    CHECK(sp__list_linked(&items[2].link));
}

TEST(list_pop_takes_from_the_ends)
{
    struct sp__list list;
    struct item items[3];
    list_fill(&list, items, 3);
    CHECK_PTR(sp__list_pop_front(&list), &items[0].link);
    CHECK_PTR(sp__list_pop_back(&list), &items[2].link);
    CHECK_INT(list_digits(&list), 2);
}

TEST(list_splice_appends_and_empties)
{
    struct sp__list a;
    struct sp__list b;
    struct item items[5];
    list_fill(&a, items, 2);
    sp__list_init(&b);
    sp__list_splice_back(&a, &b);
    CHECK_INT(list_digits(&a), 12);
    for (int i = 2; i < 5; i++) {
        items[i].value = i + 1;
        sp__list_push_back(&b, &items[i].link);
    }
    sp__list_splice_back(&a, &b);
    CHECK(sp__list_empty(&b));
    CHECK_INT(list_digits(&a), 12345);
    sp__list_splice_back(&b, &a);
    CHECK_INT(list_digits(&b), 12345);
    CHECK(sp__list_empty(&a));
}

TEST(list_iteration_may_remove_the_current)
{
    struct sp__list list;
    struct item items[5];
    struct sp__list *next;
    list_fill(&list, items, 5);
    for (struct sp__list *at = sp__list_first(&list); at != NULL; at = next) {
        next = sp__list_next(&list, at);
        if (sp__container_of(at, struct item, link)->value % 2 == 0)
            sp__list_remove(at);
    }
    CHECK_INT(list_digits(&list), 135);
}
