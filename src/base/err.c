/* Names and sentences of sp_err, both from the one list in spawned/err.h. */
#include "spawned/err.h"

static const char *const err_texts[] = {
#define ERR_TEXT(code, name, text) [code] = (text),
    SP_ERRORS(ERR_TEXT)
#undef ERR_TEXT
};

static const char *const err_names[] = {
#define ERR_NAME(code, name, text) [code] = #name,
    SP_ERRORS(ERR_NAME)
#undef ERR_NAME
};

static bool err_known(sp_err err)
{
    return (unsigned)err < sizeof(err_texts) / sizeof(err_texts[0]) && err_texts[err] != NULL;
}

const char *sp_err_text(sp_err err)
{
    return err_known(err) ? err_texts[err] : "unknown error";
}

const char *sp_err_name(sp_err err)
{
    return err_known(err) ? err_names[err] : "unknown";
}
