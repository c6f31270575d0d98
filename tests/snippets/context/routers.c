/* What the fragments of docs/routers.md stand in; see tests/snippets/run.py. */
#include <spawned/router.h>
#include <spawned/spawned.h>

SP_SERVER(account, int);
SP_CALL(account, deposit, int, int);
SP_CAST(account, close_month, sp_empty);

/* @1 */
