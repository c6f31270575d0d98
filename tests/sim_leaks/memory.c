/* Leaks of memory: addresses, their order, and bytes that nobody has written. */
#include "leak.h"

#include <stdlib.h>
#include <string.h>

static void leak_address_as_key(void)
{
    void *block = malloc(24);
    uint64_t key = (uintptr_t)block >> 4;
    LEAK_STEPS(key); /* leaks: address_as_key */
    free(block);
}
LEAK_TEST(address_as_key);

static void leak_address_order(void)
{
    void *blocks[32];
    uint64_t order = 0;
    for (int i = 0; i < 32; i++)
        blocks[i] = malloc(40);
    for (int i = 1; i < 32; i++)
        order |= (uint64_t)((uintptr_t)blocks[i] > (uintptr_t)blocks[i - 1]) << i;
    LEAK_STEPS(order); /* leaks: address_order */
    for (int i = 0; i < 32; i++)
        free(blocks[i]);
}
LEAK_TEST(address_order);

/* What is there, whoever may have written it. */
static uint64_t leak_bytes(const void *at, size_t size)
{
    uint64_t sum = 0;
    __asm__ volatile("" : "+r"(at) : : "memory");
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + ((const unsigned char *)at)[i];
    return sum;
}

static void leak_fresh_heap(void)
{
    void *block = malloc(64);
    LEAK_STEPS(leak_bytes(block, 64)); /* leaks: fresh_heap */
    free(block);
}
LEAK_TEST(fresh_heap);

static void leak_freed_heap(void)
{
    uint64_t *block = calloc(8, 8);
    uint64_t *gone = block;
    __asm__ volatile("" : "+r"(gone));
    free(block);
    LEAK_STEPS(leak_bytes(gone + 4, 16)); /* leaks: freed_heap */
}
LEAK_TEST(freed_heap);

static void leak_struct_padding(void)
{
    struct padded {
        char small;
        uint64_t large;
    } *one = malloc(sizeof(*one));
    one->small = 1;
    one->large = 2;
    LEAK_STEPS(leak_bytes(one, sizeof(*one))); /* leaks: struct_padding */
    free(one);
}
LEAK_TEST(struct_padding);

static uint64_t __attribute__((noinline)) stack_bytes(void)
{
    unsigned char never_written[256];
    __asm__ volatile("" : "=m"(never_written));
    return leak_bytes(never_written, sizeof(never_written));
}

static void leak_fresh_stack(void)
{
    LEAK_STEPS(stack_bytes()); /* leaks: fresh_stack */
}
LEAK_TEST(fresh_stack);
