/* `traceparent` as text: what is read, what is refused, and that writing gives it back. */
#include "spawned/trace.h"
#include "support/test.h"

#include <string.h>

#define GOOD "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

TEST(traceparent_is_read)
{
    struct sp_trace_context context;
    CHECK_OK(sp_trace_parse(GOOD, &context));
    CHECK(context.trace.high == UINT64_C(0x0af7651916cd43dd));
    CHECK(context.trace.low == UINT64_C(0x8448eb211c80319c));
    CHECK(context.span == UINT64_C(0xb7ad6b7169203331));
    CHECK_INT((int)context.flags, SP_TRACE_SAMPLED);
}

TEST(traceparent_is_written)
{
    struct sp_trace_context context;
    char text[SP_TRACE_PARENT_SIZE];
    CHECK_OK(sp_trace_parse(GOOD, &context));
    CHECK_STR(sp_trace_format(&context, text), GOOD);
    context = (struct sp_trace_context){ { 1, 2 }, 3, 0 };
    CHECK_STR(sp_trace_format(&context, text),
              "00-00000000000000010000000000000002-0000000000000003-00");
}

TEST(traceparent_of_a_later_version_may_be_longer)
{
    struct sp_trace_context context;
    CHECK_OK(sp_trace_parse("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", &context));
    CHECK_OK(
        sp_trace_parse("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff-what", &context));
    CHECK_INT((int)context.flags, 3); /* of the others nobody here knows what they mean */
}

TEST(traceparent_that_is_none_is_refused)
{
    static const char *const bad[] = {
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",    /* short */
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",  /* long, of version 0 */
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",  /* the same */
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x", /* no separator */
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",   /* no version */
        "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01", /* upper case */
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333z-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-g1",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01", /* nobody's trace */
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", /* nobody's span */
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331_01",
    };
    struct sp_trace_context context = { { 7, 7 }, 7, 7 };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(sp_trace_parse(bad[i], &context), SP_ERR_INVALID);
    CHECK(context.span == 7); /* only written on success */
    char longest[1024];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    memcpy(longest, "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-", 56);
    CHECK_ERR(sp_trace_parse(longest, &context), SP_ERR_INVALID);
}

TEST(outcomes_have_names)
{
    CHECK_STR(sp_trace_outcome_name(SP_TRACE_OK), "ok");
    CHECK_STR(sp_trace_outcome_name(SP_TRACE_EXPIRED), "expired");
    CHECK_STR(sp_trace_outcome_name((enum sp_trace_outcome)17), "unknown");
}
