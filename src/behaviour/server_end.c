/* The end of a server: the callbacks of its exit, and what is left of the messages in hand.
 *
 * A frame is what a handler works on, and lies on its stack; at the end there may be several, of
 * handlers that an exit or a fault left in the middle. Each is emptied before the user's code
 * is called for it, which may fault or exit.
 *
 * Threads: the server's process. Neighbours: server.c, process/exit.c, reentrant.c.
 */
#include "base/alloc.h"
#include "behaviour/reentrant.h"
#include "behaviour/sys.h"
#include "behaviour/server.h"
#include "process/dead_letter.h"
#include "process/scheduling.h"
#include "process/trace.h"

void sp__frame_drop_out(struct sp__frame *frame)
{
    void *out = frame->out;
    frame->out = NULL; /* before the user's code, which may end in a fault */
    if (out != NULL && sp__message_is_call(frame->message) &&
        sp__message_op(frame->message)->out_destroy != NULL)
        sp__message_op(frame->message)->out_destroy(out);
}

void sp__server_quiesce(struct sp_process *self)
{
    struct sp__server *server = self->data;
    const struct sp__server_hook *hook = server->class->hook;
    if (hook != NULL && hook->quiesce != NULL)
        hook->quiesce(sp__server_extra_of(server), (self->flags & SP__PROCESS_NO_TERMINATE) != 0);
}

void sp__server_terminate(struct sp_process *self, const struct sp_reason *reason)
{
    struct sp__server *server = self->data;
    bool was_up = (self->flags & SP__PROCESS_STARTED) != 0;
    if (!was_up || server->class->terminate == NULL)
        return;
    bool timed = sp__schedule_enter(self, "terminate");
    server->class->terminate(server->state, reason);
    if (timed)
        sp__schedule_end(self);
}

static void frame_abort(struct sp_process *self, struct sp__frame *frame,
                        const struct sp_reason *reason)
{
    struct sp_message *message = frame->message;
    if (message == NULL)
        return;
    sp__trace_aborted(self, message, reason);
    if (!frame->kept)
        sp__frame_drop_out(frame);
    frame->message = NULL;
    if (frame->kept && !(message->flags & SP__MESSAGE_NOTICE))
        sp__dead_letter(SP_DEAD_EXITED, message, sp__process_pid(self)); /* it was put back */
    if (frame->call && message->type == &sp__server_start_type) {
        sp_err err = frame->start_err == SP_OK ? SP_ERR_INITFAILED : frame->start_err;
        sp__reply_send(sp__message_call(message),
                       &(struct sp__reply){ .err = err, .reason = reason });
    } else if (frame->call) {
        sp__reply_send(sp__message_call(message),
                       &(struct sp__reply){ .err = SP_ERR_DIED, .reason = reason });
    }
    sp__free(frame->out_heap);
    if (self->behaviour == &sp__server_behaviour)
        sp__message_destroy(message);
}

void sp__server_frames_abort(struct sp_process *self, struct sp__frame *frame,
                             const struct sp_reason *reason)
{
    for (; frame != NULL; frame = frame->outer)
        frame_abort(self, frame, reason);
}

void sp__server_finish(struct sp_process *self, const struct sp_reason *reason)
{
    struct sp__server *server = self->data;
    if (server->class->hook != NULL)
        server->class->hook->finish(sp__server_extra_of(server));
    sp__server_frames_abort(self, server->frame, reason);
    sp__reentrant_finish(self, reason);
    sp__requests_fail(self, reason);
    sp__sys_finish(self);
    sp__free(server);
}
