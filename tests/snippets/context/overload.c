/* What the fragments of docs/overload.md stand in; see tests/snippets/run.py. */
#include <spawned/dead_letter.h>
#include <spawned/spawned.h>
#include <stdio.h>

/* @1 */
/* @2 */
