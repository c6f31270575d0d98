/* What the fragments of docs/http-api.md stand in; see tests/snippets/run.py. */
#include <spawned/http.h>
#include <spawned/spawned.h>

sp_err start_endpoint(void);
sp_err start_endpoint(void)
{
    sp_err err;
    /* @1 */
    return err;
}
