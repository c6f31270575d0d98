/* Stacks for fibers: see fiber_stack.h for the layout of a region. */
#include "runtime/fiber_stack.h"

#include "base/alloc.h"
#include "runtime/fiber_hooks.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* Older C libraries do not know it. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* No kernel has this advice: one that takes it does not look (some emulators), and its
 * success with a guard means nothing. */
#define STACK_ADVICE_NONSENSE 0x5eed

#define STACK_REGION_SIZE ((size_t)32 << 20)
#define STACK_REGION_MIN 16
#define STACK_REGION_MAX 1024

/* One page is enough for code compiled with -fstack-clash-protection, which touches every
 * page of a large frame in turn, as this library is. Users' code may not be: 16 KiB also
 * stop a frame with a buffer of two or three pages. Measured with 64 KiB stacks, per stack:
 *
 *     guard    installing by madvise / mprotect    page tables
 *      4 KiB           0.9 us   2.6 us                136 B
 *     16 KiB           1.0 us   2.5 us                160 B
 *     64 KiB           1.3 us   3.1 us                256 B
 */
#define STACK_GUARD_SIZE ((size_t)16 << 10)

/* All stacks' tops fall in the same sets of the processor's first cache. Starting each a few
 * lines lower than the one before was measured and left out: with 512 bytes touched per
 * fiber, 16 to 64 fibers gained up to 8 %, but from 1,000 fibers on they lost 10 %, as more
 * frames then cross into a second page. */

struct sp__fiber_region {
    struct sp__fiber_region *prev; /* among the regions that have a stack to take */
    struct sp__fiber_region *next;
    struct sp__fiber_stack *idle; /* given back */
    size_t idle_count;
    size_t carved; /* stacks ever taken; beyond are untouched, without guards */
    char *stacks;  /* the first guard */
    size_t map_size;
    size_t item_stride;
    _Alignas(64) char items[];
};

struct sp__fiber_stacks {
    struct sp__fiber_region *head; /* those in part used first, so that others become idle */
    struct sp__fiber_region *tail;
    size_t regions;
    size_t regions_idle; /* with every carved stack given back: 0 or 1 between calls */
    size_t page;
    size_t guard_size;
    size_t stack_size;
    size_t slot_size; /* guard and stack */
    size_t region_stacks;
    size_t item_stride;
    bool guard_by_madvise;
};

static size_t stack_round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* ---- regions ---------------------------------------------------------------------- */

static struct sp__fiber_stack *stack_item(struct sp__fiber_region *region, size_t i)
{
    return (struct sp__fiber_stack *)(void *)(region->items + i * region->item_stride);
}

static void stack_region_link(struct sp__fiber_stacks *s, struct sp__fiber_region *region,
                              bool at_tail)
{
    region->prev = at_tail ? s->tail : NULL;
    region->next = at_tail ? NULL : s->head;
    *(region->prev ? &region->prev->next : &s->head) = region;
    *(region->next ? &region->next->prev : &s->tail) = region;
}

static void stack_region_unlink(struct sp__fiber_stacks *s, struct sp__fiber_region *region)
{
    *(region->prev ? &region->prev->next : &s->head) = region->next;
    *(region->next ? &region->next->prev : &s->tail) = region->prev;
}

static bool stack_region_is_full(const struct sp__fiber_stacks *s,
                                 const struct sp__fiber_region *region)
{
    return region->idle_count == 0 && region->carved == s->region_stacks;
}

static sp_err stack_region_map(struct sp__fiber_stacks *s)
{
    size_t head = stack_round_up(
        sizeof(struct sp__fiber_region) + s->region_stacks * s->item_stride, s->page);
    size_t size = head + s->region_stacks * s->slot_size;
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (map == MAP_FAILED)
        return SP_ERR_NOMEM;
    /* A huge page would make 2 MiB resident for one touched stack. Fails where the kernel has
     * no huge pages, which is as good. */
    (void)madvise(map, size, MADV_NOHUGEPAGE);
    struct sp__fiber_region *region = map;
    region->stacks = (char *)map + head;
    region->map_size = size;
    region->item_stride = s->item_stride;
    stack_region_link(s, region, false);
    s->regions++;
    return SP_OK;
}

void sp__fiber_region_unmap(struct sp__fiber_region *region)
{
    if (!region)
        return;
    for (size_t i = 0; i < region->carved; i++)
        fiber_hook_stack_gone(stack_item(region, i)->valgrind_id);
    (void)munmap(region, region->map_size);
}

/* ---- guards ----------------------------------------------------------------------- */

static bool stack_guard_install(void *at, size_t size)
{
    return madvise(at, size, MADV_GUARD_INSTALL) == 0;
}

static sp_err stack_guard(const struct sp__fiber_stacks *s, void *at)
{
    /* Memory that mlockall() locked takes no guard of this kind; mprotect does it then. */
    if (s->guard_by_madvise && stack_guard_install(at, s->guard_size))
        return SP_OK;
    if (s->guard_by_madvise && errno == ENOMEM)
        return SP_ERR_NOMEM;
    if (mprotect(at, s->guard_size, PROT_NONE) == 0)
        return SP_OK;
    return errno == ENOMEM ? SP_ERR_LIMIT : SP_ERR_NOTSUP;
}

/* Can this kernel guard by madvise? Tried on a page of its own. */
static bool stack_guard_probe(size_t page)
{
    void *map = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return false;
    bool believable = madvise(map, page, STACK_ADVICE_NONSENSE) != 0;
    bool installed = believable && stack_guard_install(map, page);
    (void)munmap(map, page);
    return installed;
}

/* ---- the allocator ---------------------------------------------------------------- */

static void stack_geometry(struct sp__fiber_stacks *s,
                           const struct sp__fiber_stack_options *options)
{
    s->page = (size_t)sysconf(_SC_PAGESIZE);
    s->guard_size = stack_round_up(STACK_GUARD_SIZE, s->page);
    s->stack_size = stack_round_up(options->stack_size, s->page);
    s->slot_size = s->guard_size + s->stack_size;
    s->item_stride = stack_round_up(options->item_size, 64);
    s->region_stacks = STACK_REGION_SIZE / s->slot_size;
    if (s->region_stacks < STACK_REGION_MIN)
        s->region_stacks = STACK_REGION_MIN;
    if (s->region_stacks > STACK_REGION_MAX)
        s->region_stacks = STACK_REGION_MAX;
}

sp_err sp__fiber_stacks_create(const struct sp__fiber_stack_options *options,
                               struct sp__fiber_stacks **out)
{
    assert(options->item_size >= sizeof(struct sp__fiber_stack));
    struct sp__fiber_stacks *s = sp__calloc(1, sizeof *s);
    if (!s)
        return SP_ERR_NOMEM;
    stack_geometry(s, options);
    s->guard_by_madvise = options->guard != SP__FIBER_GUARD_MPROTECT && stack_guard_probe(s->page);
    if (options->guard == SP__FIBER_GUARD_MADVISE && !s->guard_by_madvise) {
        sp__free(s);
        return SP_ERR_NOTSUP;
    }
    *out = s;
    return SP_OK;
}

void sp__fiber_stacks_destroy(struct sp__fiber_stacks *s)
{
    if (!s)
        return;
    while (s->head) {
        struct sp__fiber_region *region = s->head;
        stack_region_unlink(s, region);
        sp__fiber_region_unmap(region);
        s->regions--;
    }
    assert(s->regions == 0);
    sp__free(s);
}

/* Make the next untouched stack of a region usable. */
static sp_err stack_carve(struct sp__fiber_stacks *s, struct sp__fiber_region *region,
                          struct sp__fiber_stack **out)
{
    char *slot = region->stacks + region->carved * s->slot_size;
    sp_err err = stack_guard(s, slot);
    if (err)
        return err;
    struct sp__fiber_stack *stack = stack_item(region, region->carved++);
    stack->low = slot + s->guard_size;
    stack->high = slot + s->slot_size;
    stack->region = region;
    stack->valgrind_id = fiber_hook_stack_new(stack->low, stack->high);
    *out = stack;
    return SP_OK;
}

sp_err sp__fiber_stacks_take(struct sp__fiber_stacks *s, struct sp__fiber_stack **out)
{
    if (!s->head) {
        sp_err err = stack_region_map(s);
        if (err)
            return err;
    }
    struct sp__fiber_region *region = s->head;
    struct sp__fiber_stack *stack = region->idle;
    if (!stack) {
        sp_err err = stack_carve(s, region, &stack);
        if (err)
            return err;
    } else {
        if (region->idle_count == region->carved)
            s->regions_idle--;
        region->idle = stack->next;
        region->idle_count--;
    }
    if (stack_region_is_full(s, region))
        stack_region_unlink(s, region);
    *out = stack;
    return SP_OK;
}

struct sp__fiber_region *sp__fiber_stacks_give(struct sp__fiber_stacks *s,
                                               struct sp__fiber_stack *stack)
{
    struct sp__fiber_region *region = stack->region;
    if (stack_region_is_full(s, region))
        stack_region_link(s, region, false);
    stack->next = region->idle;
    region->idle = stack;
    region->idle_count++;
    if (region->idle_count < region->carved)
        return NULL;
    stack_region_unlink(s, region);
    if (s->regions_idle > 0) {
        s->regions--;
        return region;
    }
    s->regions_idle++;
    stack_region_link(s, region, true);
    return NULL;
}

void sp__fiber_stack_drop(struct sp__fiber_stack *stack)
{
    (void)madvise(stack->low, (size_t)(stack->high - stack->low), MADV_DONTNEED);
}

bool sp__fiber_stack_guard_hit(const struct sp__fiber_stack *stack, const void *addr)
{
    uintptr_t low = (uintptr_t)stack->low;
    return (uintptr_t)addr < low && (uintptr_t)addr >= low - STACK_GUARD_SIZE;
}

size_t sp__fiber_stack_resident(const struct sp__fiber_stack *stack)
{
    enum { STEP = 64 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char in_memory[STEP];
    for (char *at = stack->low; at < stack->high; at += STEP * page) {
        size_t size = (size_t)(stack->high - at);
        size = size > STEP * page ? STEP * page : size;
        if (mincore(at, size, in_memory) != 0)
            return 0;
        for (size_t i = 0; i * page < size; i++)
            if (in_memory[i] & 1)
                return (size_t)(stack->high - at) - i * page;
    }
    return 0;
}

size_t sp__fiber_stacks_size(const struct sp__fiber_stacks *s)
{
    return s->stack_size;
}

size_t sp__fiber_stacks_regions(const struct sp__fiber_stacks *s)
{
    return s->regions;
}

bool sp__fiber_stacks_guards_map(const struct sp__fiber_stacks *s)
{
    return !s->guard_by_madvise;
}
