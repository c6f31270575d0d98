/* Tests of runtime/fiber_stack. */
#include "runtime/fiber_stack.h"

#include "support/test.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZE ((size_t)64 << 10)

static struct sp__fiber_stacks *stacks_new(enum sp__fiber_guard guard)
{
    struct sp__fiber_stack_options options = {
        .stack_size = SIZE,
        .item_size = sizeof(struct sp__fiber_stack) + 40,
        .guard = guard,
    };
    struct sp__fiber_stacks *stacks = NULL;
    CHECK_OK(sp__fiber_stacks_create(&options, &stacks));
    return stacks;
}

static struct sp__fiber_stack *take(struct sp__fiber_stacks *stacks)
{
    struct sp__fiber_stack *stack = NULL;
    CHECK_OK(sp__fiber_stacks_take(stacks, &stack));
    return stack;
}

static void give(struct sp__fiber_stacks *stacks, struct sp__fiber_stack *stack)
{
    sp__fiber_region_unmap(sp__fiber_stacks_give(stacks, stack));
}

/* Can the kernel read this byte for us? A way to ask without a fault. */
static bool readable(const char *addr)
{
    int fds[2];
    CHECK_INT(pipe(fds), 0);
    ssize_t n = write(fds[1], addr, 1);
    int err = errno;
    (void)close(fds[0]);
    (void)close(fds[1]);
    CHECK(n == 1 || err == EFAULT);
    return n == 1;
}

static long first_number(const char *path)
{
    long value = -1;
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%ld", &value) != 1)
            value = -1;
        (void)fclose(file);
    }
    return value;
}

static size_t mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    CHECK(file != NULL);
    size_t lines = 0;
    for (int c = fgetc(file); c != EOF; c = fgetc(file))
        lines += c == '\n';
    (void)fclose(file);
    return lines;
}

TEST(fiber_stack_take_gives_whole_pages_that_do_not_overlap)
{
    enum { N = 600 }; /* more than a region holds */
    struct sp__fiber_stacks *stacks = stacks_new(SP__FIBER_GUARD_AUTO);
    struct sp__fiber_stack *all[N];
    for (size_t i = 0; i < N; i++) {
        all[i] = take(stacks);
        CHECK_INT(all[i]->high - all[i]->low, sp__fiber_stacks_size(stacks));
        CHECK_INT((uintptr_t)all[i]->low % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
        memset(all[i]->high - 64, (int)(i & 0x7f), 64);
        memset(all[i]->low, (int)(i & 0x7f), 64);
    }
    for (size_t i = 0; i < N; i++) {
        CHECK_INT(all[i]->low[0], i & 0x7f);
        CHECK_INT(all[i]->high[-1], i & 0x7f);
    }
    CHECK(sp__fiber_stacks_regions(stacks) >= 2);
    for (size_t i = 0; i < N; i++)
        give(stacks, all[i]);
    sp__fiber_stacks_destroy(stacks);
}

static void check_guard(enum sp__fiber_guard kind)
{
    struct sp__fiber_stacks *stacks = stacks_new(kind);
    struct sp__fiber_stack *below = take(stacks);
    struct sp__fiber_stack *stack = take(stacks);
    CHECK(readable(stack->low));
    CHECK(readable(stack->high - 1));
    CHECK(!readable(stack->low - 1));
    CHECK(!readable(stack->low - (16 << 10)));
    CHECK(readable(below->high - 1));
    CHECK(sp__fiber_stack_guard_hit(stack, stack->low - 1));
    CHECK(sp__fiber_stack_guard_hit(stack, stack->low - (16 << 10)));
    CHECK(!sp__fiber_stack_guard_hit(stack, stack->low));
    CHECK(!sp__fiber_stack_guard_hit(stack, stack->low - (16 << 10) - 1));
    CHECK(!sp__fiber_stack_guard_hit(stack, NULL));

    /* Giving memory back must leave the guard. */
    sp__fiber_stack_drop(stack);
    CHECK(!readable(stack->low - 1));
    give(stacks, stack);
    CHECK_PTR(take(stacks), stack);
    CHECK(!readable(stack->low - 1));
    give(stacks, stack);
    give(stacks, below);
    sp__fiber_stacks_destroy(stacks);
}

TEST(fiber_stack_guard_by_default_stops_access)
{
    check_guard(SP__FIBER_GUARD_AUTO);
}

TEST(fiber_stack_guard_by_mprotect_stops_access)
{
    check_guard(SP__FIBER_GUARD_MPROTECT);
}

TEST(fiber_stack_guard_by_madvise_costs_no_mapping)
{
    enum { N = 1000 };
    struct sp__fiber_stack_options options = {
        .stack_size = SIZE,
        .item_size = sizeof(struct sp__fiber_stack),
        .guard = SP__FIBER_GUARD_MADVISE,
    };
    struct sp__fiber_stacks *stacks = NULL;
    sp_err err = sp__fiber_stacks_create(&options, &stacks);
    if (err == SP_ERR_NOTSUP)
        SKIP("this kernel has no guards by madvise");
    CHECK_OK(err);
    CHECK(!sp__fiber_stacks_guards_map(stacks));
    size_t before = mappings();
    struct sp__fiber_stack *all[N];
    for (size_t i = 0; i < N; i++)
        all[i] = take(stacks);
    CHECK(mappings() < before + 20);
    for (size_t i = 0; i < N; i++)
        give(stacks, all[i]);
    sp__fiber_stacks_destroy(stacks);
}

TEST(fiber_stack_guard_by_mprotect_reports_the_limit_of_mappings)
{
    long limit = first_number("/proc/sys/vm/max_map_count");
    if (sp_test_slow() || limit < 0 || limit > 200000)
        SKIP("too many mappings to use up, or tools that need some themselves");
    struct sp__fiber_stacks *stacks = stacks_new(SP__FIBER_GUARD_MPROTECT);
    CHECK(sp__fiber_stacks_guards_map(stacks));
    struct sp__fiber_stack *list = NULL;
    struct sp__fiber_stack *stack = NULL;
    long n = 0;
    sp_err err = SP_OK;
    while (n <= limit && (err = sp__fiber_stacks_take(stacks, &stack)) == SP_OK) {
        stack->next = list;
        list = stack;
        n++;
    }
    CHECK_ERR(err, SP_ERR_LIMIT);
    CHECK(list && n > limit / 3);

    /* Nothing is broken by it: one given back can be taken again. */
    stack = list;
    list = list->next;
    give(stacks, stack);
    CHECK_PTR(take(stacks), stack);
    give(stacks, stack);
    while (list) {
        stack = list;
        list = list->next;
        give(stacks, stack);
    }
    sp__fiber_stacks_destroy(stacks);
}

TEST(fiber_stack_drop_returns_memory_and_zeroes)
{
    struct sp__fiber_stacks *stacks = stacks_new(SP__FIBER_GUARD_AUTO);
    struct sp__fiber_stack *stack = take(stacks);
    CHECK_INT(sp__fiber_stack_resident(stack), 0);
    stack->high[-1] = 1;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    CHECK_INT(sp__fiber_stack_resident(stack), page);
    stack->high[-(ptrdiff_t)(3 * page)] = 1;
    CHECK_INT(sp__fiber_stack_resident(stack), 3 * page);
    sp__fiber_stack_drop(stack);
    CHECK_INT(sp__fiber_stack_resident(stack), 0);
    CHECK_INT(stack->high[-1], 0);
    give(stacks, stack);
    sp__fiber_stacks_destroy(stacks);
}

TEST(fiber_stack_give_unmaps_idle_regions_but_one)
{
    enum { N = 3000 };
    struct sp__fiber_stacks *stacks = stacks_new(SP__FIBER_GUARD_AUTO);
    struct sp__fiber_stack *all[N];
    for (size_t i = 0; i < N; i++)
        all[i] = take(stacks);
    size_t most = sp__fiber_stacks_regions(stacks);
    CHECK(most >= 5);
    for (size_t i = 0; i < N; i += 2)
        give(stacks, all[i]);
    CHECK_INT(sp__fiber_stacks_regions(stacks), most);

    /* The holes are filled before anything new is mapped. */
    for (size_t i = 0; i < N; i += 2)
        all[i] = take(stacks);
    CHECK_INT(sp__fiber_stacks_regions(stacks), most);

    for (size_t i = 0; i < N; i++)
        give(stacks, all[i]);
    CHECK_INT(sp__fiber_stacks_regions(stacks), 1);
    give(stacks, take(stacks));
    CHECK_INT(sp__fiber_stacks_regions(stacks), 1);
    sp__fiber_stacks_destroy(stacks);
}

TEST(fiber_stack_item_keeps_what_the_owner_wrote)
{
    struct sp__fiber_stacks *stacks = stacks_new(SP__FIBER_GUARD_AUTO);
    struct sp__fiber_stack *one = take(stacks);
    struct sp__fiber_stack *two = take(stacks);
    char *own_one = (char *)(one + 1);
    char *own_two = (char *)(two + 1);
    for (int i = 0; i < 40; i++)
        CHECK_INT(own_one[i], 0);
    memset(own_one, 1, 40);
    memset(own_two, 2, 40);
    CHECK_INT(own_one[39], 1);
    give(stacks, one);
    give(stacks, two);
    CHECK_PTR(take(stacks), two);
    CHECK_INT(own_two[0], 2);
    give(stacks, two);
    sp__fiber_stacks_destroy(stacks);
}

TEST(fiber_stack_take_without_address_space_reports_no_memory)
{
    /* Large stacks use up what a process can address long before memory. */
    struct sp__fiber_stack_options options = {
        .stack_size = (size_t)1 << 46,
        .item_size = sizeof(struct sp__fiber_stack),
    };
    struct sp__fiber_stacks *stacks = NULL;
    CHECK_OK(sp__fiber_stacks_create(&options, &stacks));
    struct sp__fiber_stack *stack = NULL;
    CHECK_ERR(sp__fiber_stacks_take(stacks, &stack), SP_ERR_NOMEM);
    CHECK_PTR(stack, NULL);
    sp__fiber_stacks_destroy(stacks);
    sp__fiber_stacks_destroy(NULL);
}
