/* What the fragments of docs/observability.md stand in; see tests/snippets/run.py. */
#include <spawned/exits.h>
#include <spawned/inspect.h>
#include <spawned/spawned.h>

sp_err one(sp_pid pid);
sp_err one(sp_pid pid)
{
    sp_err err;
    /* @1 */
    return err;
}

sp_err page_of_them(void);
sp_err page_of_them(void)
{
    sp_err err;
    /* @2 */
    return err;
}

void ended(struct sp_runtime *runtime);
void ended(struct sp_runtime *runtime)
{
    /* @3 */
}
