/* What a handler may ask of its own server: to stop, to go on, to wait, whose message it is.
 *
 * Each sets what the server's turn looks at between two messages, see server.c; nothing happens at once.
 *
 * Threads: the server's process. Neighbours: server.c.
 */
#include "behaviour/server.h"

void sp__server_ask_stop(struct sp_process *self, const struct sp_reason *moved_reason)
{
    struct sp__extra *extra = sp__process_extra(self);
    if (extra == NULL)
        sp__process_exit_now(self, moved_reason); /* no memory to remember it: at once */
    if (extra->stop == NULL)
        extra->stop = moved_reason;
    else
        sp_reason_unref(moved_reason);
    self->attention |= SP__ATTEND_STOP;
}

void sp_server_stop_self(const struct sp_reason *moved_reason)
{
    if (sp__server_self() == NULL)
        sp_reason_unref(moved_reason);
    else
        sp__server_ask_stop(sp__process_self(), moved_reason);
}

void sp_server_continue(void)
{
    struct sp__extra *extra =
        sp__server_self() == NULL ? NULL : sp__process_extra(sp__process_self());
    if (extra != NULL) {
        extra->run_continue = true;
        sp__process_self()->attention |= SP__ATTEND_STEP;
        return;
    }
    if (sp__server_self() != NULL)
        sp_exit(sp_reason_out_of_memory());
}

void sp_server_idle_after(sp_duration d)
{
    struct sp_process *self = sp__process_self();
    if (self == NULL || sp__server_self() == NULL || (d.ns == 0 && self->extra == NULL))
        return;
    struct sp__extra *extra = sp__process_extra(self);
    if (extra == NULL)
        sp_exit(sp_reason_out_of_memory());
    extra->idle_after = d;
    extra->idle_at = 0;
    self->attention |= SP__ATTEND_IDLE;
}

sp_pid sp_server_from(void)
{
    struct sp__server *server = sp__server_self();
    return server == NULL || server->frame == NULL || server->frame->message == NULL
               ? SP_PID_NONE
               : server->frame->message->from;
}
