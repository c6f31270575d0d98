/* What the fragments of docs/shutdown.md stand in; see tests/snippets/run.py. */
#include <spawned/shutdown.h>
#include <spawned/spawned.h>
#include <stdlib.h>

/* @1 */
/* @2 */
