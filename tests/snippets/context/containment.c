/* What the fragments of docs/containment.md stand in; see tests/snippets/run.py. */
#include <spawned/spawned.h>

/* @1 */
