/* /api/processes/PID/trace, untrace, messages. See messages.h, docs/http-api.md. */
#include "http/request.h"
#include "http/thread.h"

enum {
    MESSAGES_WAIT_MS = 100,
    MESSAGES_LIMIT = 100,
    MESSAGES_PAGE = 100,
};

static void messages_done(struct sp__http_ask *ask, struct sp__json *json, bool on, sp_err err)
{
    if (err != SP_OK) {
        sp__http_sys_refuse(ask, err);
        return;
    }
    sp__json_pid(json, "pid", ask->pid);
    sp__json_bool(json, "traced", on);
}

void sp__http_trace(struct sp__http_ask *ask, struct sp__json *json)
{
    static const char *const words[] = { "no", "yes", NULL };
    struct sp__http_messages *messages = ask->http->messages;
    struct sp_sys_trace trace = {
        .limit = (uint32_t)sp__http_number(ask, 0, MESSAGES_LIMIT, SP_SYS_TRACE_MAX),
        .operation = ask->param[1],
        .from = sp__http_pid(ask, 2),
        .failed = sp__http_word(ask, 3, words, 0) != 0,
    };
    if (sp__http_refused(ask))
        return;
    if (messages->on && !sp_pid_equal(messages->pid, ask->pid))
        sp_ignore(sp_sys_trace_stop(messages->pid, sp_after_ms(MESSAGES_WAIT_MS)));
    sp_err err = sp_sys_trace(ask->pid, &trace, sp_after_ms(MESSAGES_WAIT_MS));
    if (err == SP_OK) {
        messages->pid = ask->pid;
        messages->on = true;
        messages->last = messages->lost = messages->read = 0;
        messages->asked_ns = sp_now().ns;
    }
    messages_done(ask, json, true, err);
}

void sp__http_untrace(struct sp__http_ask *ask, struct sp__json *json)
{
    messages_done(ask, json, false, sp_sys_trace_stop(ask->pid, sp_after_ms(MESSAGES_WAIT_MS)));
}

static void messages_event(struct sp__json *json, uint64_t seq, const struct sp_sys_event *event)
{
    static const char *const words[] = { "taken", "handled", "ended" };
    sp__json_open(json, NULL, '{');
    sp__json_uint(json, "seq", seq);
    sp__json_ms(json, "t_ms", event->at.ns);
    sp__json_text(json, "what", words[event->what]);
    sp__json_uint(json, "number", event->number);
    sp__json_text(json, "operation", event->operation);
    sp__json_pid(json, "from", event->from);
    sp__json_bool(json, "call", event->call);
    if (event->what == SP_SYS_HANDLED) {
        sp__json_uint(json, "took_us", (uint64_t)event->took.ns / 1000);
        sp__json_text(json, "result", sp_err_name(event->result));
    } else {
        sp__json_null(json, "took_us");
        sp__json_null(json, "result");
    }
    sp__json_close(json, '}');
}

void sp__http_messages(struct sp__http_ask *ask, struct sp__json *json)
{
    struct sp__http_messages *messages = ask->http->messages;
    uint64_t since = sp__http_number(ask, 0, 0, UINT64_MAX);
    uint64_t limit = sp__http_number(ask, 1, MESSAGES_PAGE, SP__HTTP_MESSAGES);
    if (sp__http_refused(ask))
        return;
    if (!sp_pid_equal(messages->pid, ask->pid)) {
        sp__http_refuse(ask, MHD_HTTP_CONFLICT, "untraced", "its messages are not traced");
        return;
    }
    messages->asked_ns = sp_now().ns;
    uint64_t oldest =
        messages->last < SP__HTTP_MESSAGES ? 1 : messages->last - SP__HTTP_MESSAGES + 1;
    uint64_t first = since + 1 > oldest && since < UINT64_MAX ? since + 1 : oldest;
    uint64_t seq = first;
    sp__json_pid(json, "pid", ask->pid);
    sp__json_open(json, "events", '[');
    for (; seq <= messages->last && seq - first < limit; seq++)
        messages_event(json, seq, &messages->events[seq % SP__HTTP_MESSAGES]);
    sp__json_close(json, ']');
    if (seq - 1 > messages->read)
        messages->read = seq - 1;
    sp__json_uint(json, "last", seq > first ? seq - 1 : since);
    sp__json_uint(json, "lost", messages->lost);
    sp__json_bool(json, "more", seq <= messages->last);
    sp__json_bool(json, "on", messages->on);
}
