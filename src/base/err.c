/* Names and sentences of sp_err, both from the one list in spawned/err.h. */
#include "spawned/err.h"

const char *sp_err_text(sp_err err)
{
    switch (err) {
#define SP_ERR_CASE_(code, name, text) \
    case SP_ERR_##name:                \
        return text;
        SP_ERRORS(SP_ERR_CASE_)
#undef SP_ERR_CASE_
    }
    return "unknown error";
}

const char *sp_err_name(sp_err err)
{
    switch (err) {
#define SP_ERR_CASE_(code, name, text) \
    case SP_ERR_##name:                \
        return #name;
        SP_ERRORS(SP_ERR_CASE_)
#undef SP_ERR_CASE_
    }
    return "unknown";
}
