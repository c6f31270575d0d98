/* Time in handlers is of the process, not of its slot. */
#include "process/busy.h"

#include "support/puppet.h"

#include <string.h>

/* Whoever has the slot next, as far as busy.c looks at it. */
static void next_in_slot(const struct sp_process *self, struct sp_process *out_next)
{
    memset(out_next, 0, sizeof(*out_next));
    out_next->actor.runtime = self->actor.runtime;
    out_next->slot = self->slot;
    atomic_init(&out_next->serial, sp_self().serial + 1);
}

TEST(busy_time_is_added_up_and_begins_anew_with_the_next_in_the_slot)
{
    static struct sp_process next;
    world_open(NULL);
    struct sp_process *self = sp__process_self();
    sp__busy_add(self, 5);
    CHECK_INT(sp__busy_of(self), 0); /* not started */
    CHECK_OK(sp__busy_start(sp_runtime_current()));
    CHECK_OK(sp__busy_start(sp_runtime_current()));
    CHECK_INT(sp__busy_of(self), 0);
    sp__busy_add(self, 5);
    sp__busy_add(self, 6);
    CHECK_INT(sp__busy_of(self), 11);
    next_in_slot(self, &next);
    CHECK_INT(sp__busy_of(&next), 0);
    sp__busy_add(&next, 3);
    CHECK_INT(sp__busy_of(&next), 3);
    CHECK_INT(sp__busy_of(self), 0);
    world_close();
}
