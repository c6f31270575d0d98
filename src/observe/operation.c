/* Which operation a server's handler is at: read out of its frame, while it runs on.
 *
 *   sp_process.data -> sp__server.frame -> sp__frame.message -> sp_message.type -> name
 *
 * The frame lies on a stack that may be somebody else's by the time it is read, and the message may
 * be another one. Both are known by the count of messages handled, which moves before a frame is made:
 * where it and the frame are the same before and after, so was all in between. On processors
 * that let stores overtake each other the answer may be that of the next message.
 *
 * Threads: any with a context. Neighbours: inspect.c, runtime/peek.h, behaviour/server.h.
 */
#include "behaviour/server.h"
#include "observe/inspect.h"
#include "runtime/peek.h"

/* What was where, when. */
struct operation_place {
    uint64_t handled;
    struct sp__frame *frame;
};

static bool operation_place(const struct sp_process *process, struct operation_place *place)
{
    const struct sp__server *server = process->data;
    /* acquire: before what is read next. */
    place->handled = atomic_load_explicit(&process->handled, memory_order_acquire);
    return sp__peek(sp__process_runtime(process), &server->frame, &place->frame,
                    sizeof(struct sp__frame *)) &&
           place->frame != NULL;
}

static bool operation_read(const struct sp_runtime *runtime, const struct sp__frame *at, char *text,
                           size_t size)
{
    struct sp__frame frame;
    struct sp_message message;
    struct sp_msg_type type;
    return sp__peek(runtime, at, &frame, sizeof(frame)) &&
           sp__peek(runtime, frame.message, &message, sizeof(message)) &&
           sp__peek(runtime, message.type, &type, sizeof(type)) &&
           sp__peek_text(runtime, type.name, text, size);
}

void sp__inspect_operation(const struct sp_process *process, char *text, size_t size)
{
    struct operation_place before;
    struct operation_place after;
    text[0] = '\0';
    /* Most wait for their next message, and are asked no further: reading is a call of the system. */
    bool idle = (atomic_load_explicit(&process->actor.state, memory_order_relaxed) &
                 SP__ACTOR_RECEIVING) != 0;
    if (idle || process->behaviour != &sp__server_behaviour || !operation_place(process, &before))
        return;
    bool read = operation_read(sp__process_runtime(process), before.frame, text, size);
    if (!read || !operation_place(process, &after) || after.frame != before.frame ||
        after.handled != before.handled)
        text[0] = '\0';
}
