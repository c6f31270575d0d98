/* Read-only operations of a server, in parallel: by processes of its own, its readers.
 *
 *   caller --call--> server --the message itself--> reader --answer--> caller
 *                       |                              |
 *                       +---- state, const ------------+
 *
 *   class(readers) -> hook -> extra: struct readers * -> one struct reader a process
 *   reader.busy:  IDLE -> BUSY (server, before it passes a message) -> IDLE (reader, when done)
 *                 BUSY -> WAITED (server: whoever is done wakes it)  -> IDLE
 *
 * The server takes its messages in order, as any other. A read goes to an idle reader, and is done by
 * the server itself where none is; so none ever lies behind another that waits for something, and what
 * a reader waits for can not be that one. Before anything else is handled, the server waits until
 * all readers are idle, one after the other, with an edge to each (see process/deadlock.h). So a
 * writer is alone, it is overtaken by no read that came later, and it waits for those before it only.
 *
 * A reader is a server of its own without operations: answers, faults, deadlines, traces and kills
 * are a server's. When it ends its server ends with the same reason. An exit of the server waits
 * for its readers before anything of its own is released (quiesce), since they use its state.
 *
 * Memory: struct readers is counted, one for the server and one for each reader; the last one frees.
 * Threads: the server's, and each reader's process. Neighbours: server.c, server_hook.h.
 */
#ifndef SPAWNED_BEHAVIOUR_READERS_H
#define SPAWNED_BEHAVIOUR_READERS_H

#include "spawned/server.h"

enum { SP__READERS_MAX = 64 };

/** Can a server of this class be started? Errors: INVALID (readers without their hook, or too many),
 *  NOTSUP (a reentrant class with readers). Context: any. */
SP_NODISCARD sp_err sp__readers_check(const struct sp_server_class *server_class) SP_NONNULL;

#endif
