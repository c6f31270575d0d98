/* /api/processes/PID/...: holding a server and looking into it. See request.h, docs/http-api.md. */
#include "base/alloc.h"
#include "http/request.h"
#include "spawned/sys.h"

enum {
    /* The endpoint's one thread waits: one whose handler has not returned by then is busy. */
    SYS_WAIT_MS = 100,
    SYS_STATE_SIZE = 64 * 1024,
};

void sp__http_sys_refuse(struct sp__http_ask *ask, sp_err err)
{
    if (err == SP_ERR_NOTSUP)
        sp__http_refuse(ask, MHD_HTTP_CONFLICT, "notsup",
                        "that is no server, or its class has no format function");
    else if (err == SP_ERR_NOTFOUND)
        sp__http_refuse(ask, MHD_HTTP_CONFLICT, "unmeasured", "it is not measured");
    else if (err == SP_ERR_TIMEOUT)
        sp__http_refuse(ask, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
                        "a handler of it has not returned");
    else if (err == SP_ERR_DEADLOCK)
        sp__http_refuse(ask, MHD_HTTP_FORBIDDEN, "forbidden", "that is the endpoint's own thread");
    else
        sp__http_refuse_err(ask, err == SP_ERR_DIED ? SP_ERR_NOPROC : err);
}

/* It was done: say so. */
static void sys_done(struct sp__http_ask *ask, struct sp__json *json, const char *what, bool on,
                     sp_err err)
{
    if (err != SP_OK) {
        sp__http_sys_refuse(ask, err);
        return;
    }
    sp__json_pid(json, "pid", ask->pid);
    sp__json_bool(json, what, on);
}

void sp__http_suspend(struct sp__http_ask *ask, struct sp__json *json)
{
    sys_done(ask, json, "suspended", true, sp_sys_suspend(ask->pid, sp_after_ms(SYS_WAIT_MS)));
}

void sp__http_resume(struct sp__http_ask *ask, struct sp__json *json)
{
    sys_done(ask, json, "suspended", false, sp_sys_resume(ask->pid, sp_after_ms(SYS_WAIT_MS)));
}

void sp__http_measure(struct sp__http_ask *ask, struct sp__json *json)
{
    static const char *const words[] = { "no", "yes", NULL };
    bool on = sp__http_word(ask, 0, words, 1) != 0;
    if (!sp__http_refused(ask))
        sys_done(ask, json, "measured", on, sp_sys_measure(ask->pid, on, sp_after_ms(SYS_WAIT_MS)));
}

void sp__http_state(struct sp__http_ask *ask, struct sp__json *json)
{
    char *text = sp__malloc(SYS_STATE_SIZE);
    sp_err err = text == NULL
                     ? SP_ERR_NOMEM
                     : sp_sys_state(ask->pid, text, SYS_STATE_SIZE, sp_after_ms(SYS_WAIT_MS));
    if (err == SP_OK) {
        sp__json_pid(json, "pid", ask->pid);
        sp__json_text(json, "state", text);
    } else {
        sp__http_sys_refuse(ask, err);
    }
    sp__free(text);
}

void sp__http_statistics(struct sp__http_ask *ask, struct sp__json *json)
{
    struct sp_sys_statistics statistics;
    sp_err err = sp_sys_statistics(ask->pid, &statistics, sp_after_ms(SYS_WAIT_MS));
    if (err != SP_OK) {
        sp__http_sys_refuse(ask, err);
        return;
    }
    const char *operation = statistics.longest_operation;
    sp__json_pid(json, "pid", ask->pid);
    sp__json_uint(json, "for_ms",
                  (uint64_t)(sp_now().ns - statistics.since.ns) / (uint64_t)SP_NS_PER_MS);
    sp__json_uint(json, "handled", statistics.handled);
    sp__json_uint(json, "failed", statistics.failed);
    sp__json_uint(json, "in_handlers_us", (uint64_t)statistics.in_handlers.ns / 1000);
    sp__json_uint(json, "longest_us", (uint64_t)statistics.longest.ns / 1000);
    sp__json_text(json, "longest_operation", operation[0] == '\0' ? NULL : operation);
    sp__json_uint(json, "mailbox", statistics.mailbox);
    sp__json_uint(json, "handled_ever", statistics.handled_ever);
}
