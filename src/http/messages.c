#include "http/messages.h"

#include "spawned/runtime.h"

enum { MESSAGES_STOP_MS = 10 };

void sp__http_messages_take(struct sp__http_messages *messages, const struct sp_message *message)
{
    const struct sp_sys_event *event = sp_sys_event_of(message);
    /* The last of the trace before may come when the next has begun. */
    if (event == NULL || !messages->on || !sp_pid_equal(event->server, messages->pid))
        return;
    messages->lost += event->lost;
    messages->last++;
    if (messages->last > SP__HTTP_MESSAGES && messages->last - SP__HTTP_MESSAGES > messages->read)
        messages->lost++; /* its place is taken, and nobody has seen it */
    messages->events[messages->last % SP__HTTP_MESSAGES] = *event;
    if (event->what == SP_SYS_ENDED)
        messages->on = false;
}

void sp__http_messages_tend(struct sp__http_messages *messages)
{
    int64_t kept = SP__HTTP_MESSAGES_KEPT_S * SP_NS_PER_S;
    if (!messages->on || sp_now().ns - messages->asked_ns < kept)
        return;
    messages->on = false;
    /* One that is busy tells us some more, which is thrown away, until its limit. */
    sp_ignore(sp_sys_trace_stop(messages->pid, sp_after_ms(MESSAGES_STOP_MS)));
}

void sp__http_messages_forget(struct sp__http_messages *messages)
{
    messages->on = false;
}
