/* Which routee is busy with which key.
 *
 * A key is busy while somebody is sending a message of it or waits for the answer to one (`held`),
 * and until its routee has done what was in its mailbox then: every message has a number, the
 * routee counts those it has taken, and it has done the last one when it took another or is
 * parked. So nobody has to say when a message is done. Keys that are not busy are forgotten when
 * their room is needed: the memory follows the number of busy ones.
 *
 *   key -> shard (16, each with a lock) -> open addressing: key | process, serial | last number
 *
 * Threads: any with a context, inside a section. Neighbours: router_choose.c.
 */
#ifndef SPAWNED_BEHAVIOUR_ROUTER_STICKY_H
#define SPAWNED_BEHAVIOUR_ROUTER_STICKY_H

#include "process/process.h"

struct sp__sticky;
struct sp__router;
struct sp__router_table;

/** No key is busy. Errors: NOMEM. Ownership: sp__sticky_destroy(). Context: the owner. */
SP_NODISCARD sp_err sp__sticky_create(struct sp__sticky **out) SP_NONNULL;

/** Free it; NULL is accepted. Context: any. */
void sp__sticky_destroy(struct sp__sticky *sticky);

/** A living routee for a message of `key`, which is held from now on, on SP_OK.
 *  Errors: NOMEM, NOROUTEE. Context: any with a context, inside a section. */
SP_NODISCARD sp_err sp__sticky_choose(struct sp__context *context, struct sp__router *router,
                                      const struct sp__router_table *table, uint64_t key,
                                      uint32_t *out_index) SP_NONNULL;

/** What it was chosen for is sent, or answered, or given up. Context: as above. */
void sp__sticky_release(struct sp__sticky *sticky, uint64_t key) SP_NONNULL;

/** How many keys there is room for. Context: as above. */
size_t sp__sticky_capacity(struct sp__sticky *sticky) SP_NONNULL;

#endif
