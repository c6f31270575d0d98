/* Allocation: sizes of zero, alignment, overflow, and failures on demand. */
#include "base/alloc.h"

#include "support/test.h"

#include <string.h>

TEST(alloc_with_size_zero_gives_a_pointer)
{
    void *a = sp__malloc(0);
    void *b = sp__calloc(0, 8);
    void *c = sp__realloc(NULL, 0);
    void *d = sp__aligned_alloc(64, 0);
    CHECK(a != NULL && b != NULL && c != NULL && d != NULL);
    sp__free(a);
    sp__free(b);
    sp__free(c);
    sp__free(d);
    sp__free(NULL);
}

TEST(alloc_calloc_when_product_overflows_fails)
{
    volatile size_t huge = SIZE_MAX / 2;
    CHECK_PTR(sp__calloc(huge, 3), NULL);
}

TEST(alloc_calloc_gives_zeroed_memory)
{
    static const char zeros[300];
    char *p = sp__calloc(3, 100);
    CHECK(p != NULL);
    CHECK_MEM(p, zeros, 300);
    sp__free(p);
}

TEST(alloc_aligned_gives_the_alignment)
{
    for (size_t align = 1; align <= 65536; align *= 2) {
        void *p = sp__aligned_alloc(align, 24);
        CHECK(p != NULL);
        CHECK_INT((uintptr_t)p % align, 0);
        memset(p, 0xaa, 24);
        sp__free(p);
    }
}

TEST(alloc_realloc_keeps_the_contents)
{
    char *p = sp__malloc(4);
    CHECK(p != NULL);
    memcpy(p, "abc", 4);
    p = sp__realloc(p, 10000);
    CHECK_STR(p, "abc");
    sp__free(p);
}

TEST(alloc_strdup_copies)
{
    char *p = sp__strdup("a string");
    CHECK_STR(p, "a string");
    sp__free(p);
}

#ifdef SPAWNED_FAULT_INJECTION

TEST(alloc_fail_after_fails_exactly_one)
{
    sp__alloc_fail_after(2);
    void *a = sp__malloc(1);
    void *b = sp__calloc(1, 1);
    CHECK(a != NULL && b != NULL);
    CHECK(!sp__alloc_failed());
    CHECK_PTR(sp__aligned_alloc(64, 64), NULL);
    CHECK(sp__alloc_failed());
    void *c = sp__realloc(NULL, 1);
    CHECK(c != NULL);
    sp__free(a);
    sp__free(b);
    sp__free(c);
}

TEST(alloc_fail_from_fails_until_told_otherwise)
{
    sp__alloc_fail_from(1);
    char *a = sp__strdup("x");
    CHECK(a != NULL);
    CHECK_PTR(sp__strdup("x"), NULL);
    CHECK_PTR(sp__realloc(a, 1000), NULL);
    CHECK_STR(a, "x");
    sp__alloc_fail_from(-1);
    CHECK(!sp__alloc_failed());
    a = sp__realloc(a, 1000);
    CHECK_STR(a, "x");
    sp__free(a);
}

#endif
