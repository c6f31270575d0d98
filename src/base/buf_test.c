/* The byte buffer: order, limits, reuse of the front, and what memory it holds. */
#include "base/buf.h"

#include "base/alloc.h"
#include "support/test.h"

#include <string.h>

TEST(buf_append_and_consume_keep_the_order)
{
    struct sp__buf buf;
    sp__buf_init(&buf, 0);
    CHECK_INT(sp__buf_len(&buf), 0);
    CHECK_OK(sp__buf_append(&buf, "hello ", 6));
    CHECK_OK(sp__buf_append(&buf, "world", 5));
    CHECK_OK(sp__buf_append(&buf, NULL, 0));
    CHECK_INT(sp__buf_len(&buf), 11);
    CHECK_MEM(sp__buf_data(&buf), "hello world", 11);
    sp__buf_consume(&buf, 6);
    CHECK_MEM(sp__buf_data(&buf), "world", 5);
    sp__buf_consume(&buf, 5);
    CHECK_INT(sp__buf_len(&buf), 0);
    sp__buf_finish(&buf);
}

TEST(buf_reserve_and_commit_let_the_caller_write)
{
    struct sp__buf buf;
    sp__buf_init(&buf, 0);
    CHECK_OK(sp__buf_reserve(&buf, 100));
    CHECK(sp__buf_room(&buf) >= 100);
    memset(sp__buf_tail(&buf), 'x', 100);
    sp__buf_commit(&buf, 3);
    CHECK_INT(sp__buf_len(&buf), 3);
    CHECK_MEM(sp__buf_data(&buf), "xxx", 3);
    sp__buf_finish(&buf);
}

TEST(buf_beyond_the_limit_is_toobig_and_changes_nothing)
{
    struct sp__buf buf;
    sp__buf_init(&buf, 10);
    CHECK_OK(sp__buf_append(&buf, "0123456789", 10));
    CHECK_ERR(sp__buf_append(&buf, "x", 1), SP_ERR_TOOBIG);
    CHECK_INT(sp__buf_room(&buf), 0);
    sp__buf_consume(&buf, 4);
    CHECK_ERR(sp__buf_append(&buf, "abcde", 5), SP_ERR_TOOBIG);
    CHECK_OK(sp__buf_append(&buf, "abcd", 4));
    CHECK_MEM(sp__buf_data(&buf), "456789abcd", 10);
    CHECK_ERR(sp__buf_reserve(&buf, SIZE_MAX), SP_ERR_TOOBIG);
    sp__buf_finish(&buf);
}

TEST(buf_used_as_a_stream_stays_small_and_in_order)
{
    struct sp__buf buf;
    unsigned char written = 0;
    unsigned char read = 0;
    sp__buf_init(&buf, 0);
    for (int round = 0; round < 100000; round++) {
        unsigned char chunk[37];
        size_t in = (size_t)(round * 7 % 37);
        size_t out;
        for (size_t i = 0; i < in; i++)
            chunk[i] = written++;
        CHECK_OK(sp__buf_append(&buf, chunk, in));
        out = sp__buf_len(&buf) < 20 ? sp__buf_len(&buf) : sp__buf_len(&buf) - 20;
        for (size_t i = 0; i < out; i++)
            CHECK_INT((unsigned char)sp__buf_data(&buf)[i], read++);
        sp__buf_consume(&buf, out);
    }
    CHECK(buf.capacity <= 256);
    sp__buf_finish(&buf);
}

TEST(buf_moves_to_the_front_only_when_that_is_cheap)
{
    struct sp__buf buf;
    char chunk[64];
    memset(chunk, 'c', sizeof(chunk));
    sp__buf_init(&buf, 100);
    CHECK_OK(sp__buf_append(&buf, chunk, 64));
    CHECK_INT(buf.capacity, 64);
    sp__buf_consume(&buf, 32);
    CHECK_OK(sp__buf_append(&buf, chunk, 1)); /* 32 to move for 32 consumed */
    CHECK_INT(buf.capacity, 64);
    CHECK_OK(sp__buf_append(&buf, chunk, 31));
    sp__buf_consume(&buf, 1);
    CHECK_OK(sp__buf_append(&buf, chunk, 1)); /* 63 to move for 1 consumed: grows, to the limit */
    CHECK_INT(buf.capacity, 100);
    sp__buf_consume(&buf, sp__buf_len(&buf));
    CHECK_INT(sp__buf_room(&buf), 100); /* empty: the whole of it is room again */
    sp__buf_finish(&buf);
}

TEST(buf_trim_frees_only_an_empty_buffer)
{
    struct sp__buf buf;
    sp__buf_init(&buf, 100);
    sp__buf_trim(&buf);
    CHECK_OK(sp__buf_append(&buf, "abc", 3));
    sp__buf_trim(&buf);
    CHECK_MEM(sp__buf_data(&buf), "abc", 3);
    sp__buf_consume(&buf, 3);
    CHECK(buf.bytes != NULL);
    sp__buf_trim(&buf);
    CHECK_PTR(buf.bytes, NULL);
    CHECK_OK(sp__buf_append(&buf, "de", 2));
    CHECK_MEM(sp__buf_data(&buf), "de", 2);
    sp__buf_finish(&buf);
    CHECK_INT(buf.limit, 100);
}

TEST(buf_when_never_used_has_no_memory)
{
    struct sp__buf buf;
    sp__buf_init(&buf, 0);
    CHECK_PTR(sp__buf_data(&buf), NULL);
    CHECK_PTR(sp__buf_tail(&buf), NULL);
    CHECK_INT(sp__buf_room(&buf), 0);
    sp__buf_consume(&buf, 0);
    sp__buf_commit(&buf, 0);
    sp__buf_finish(&buf);
}

#ifdef SPAWNED_FAULT_INJECTION

TEST(buf_append_when_memory_is_out_keeps_the_contents)
{
    struct sp__buf buf;
    char chunk[200];
    memset(chunk, 'c', sizeof(chunk));
    sp__buf_init(&buf, 0);
    CHECK_OK(sp__buf_append(&buf, "abc", 3));
    sp__alloc_fail_after(0);
    CHECK_ERR(sp__buf_append(&buf, chunk, sizeof(chunk)), SP_ERR_NOMEM);
    CHECK_INT(sp__buf_len(&buf), 3);
    CHECK_MEM(sp__buf_data(&buf), "abc", 3);
    CHECK_OK(sp__buf_append(&buf, chunk, sizeof(chunk)));
    CHECK_INT(sp__buf_len(&buf), 203);
    sp__buf_finish(&buf);
}

#endif
