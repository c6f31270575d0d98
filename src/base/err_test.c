/* Errors: every code has its own name and sentence. */
#include "spawned/err.h"

#include "support/test.h"

#include <string.h>

static const sp_err err_all[] = {
#define ERR_ONE(code, name, text) SP_ERR_##name,
    SP_ERRORS(ERR_ONE)
#undef ERR_ONE
};
enum { ERR_COUNT = sizeof(err_all) / sizeof(err_all[0]) };

TEST(err_ok_is_zero)
{
    CHECK_INT(SP_OK, 0);
    CHECK_STR(sp_err_name(SP_OK), "OK");
    CHECK_STR(sp_err_text(SP_OK), "success");
}

TEST(err_codes_are_consecutive)
{
    for (int i = 0; i < ERR_COUNT; i++)
        CHECK_INT(err_all[i], i);
}

TEST(err_names_and_texts_are_distinct)
{
    for (int i = 0; i < ERR_COUNT; i++) {
        for (int j = 0; j < i; j++) {
            CHECK(strcmp(sp_err_name(err_all[i]), sp_err_name(err_all[j])) != 0);
            CHECK(strcmp(sp_err_text(err_all[i]), sp_err_text(err_all[j])) != 0);
        }
    }
}

TEST(err_unknown_code_has_a_name_and_a_text)
{
    CHECK_STR(sp_err_name((sp_err)ERR_COUNT), "unknown");
    CHECK_STR(sp_err_text((sp_err)ERR_COUNT), "unknown error");
}
