/* /api/health: what servers say of themselves. See request.h, docs/http-api.md. */
#include "base/alloc.h"
#include "http/request.h"
#include "spawned/health.h"

enum {
    HEALTH_CHECKS_DEFAULT = 100,
    HEALTH_CHECKS_MAX = 1000,
    /* The endpoint's one thread waits: who is slower is told at the next question. */
    HEALTH_WAIT_MS = 30,
};

static void health_check(struct sp__json *json, const struct sp_health_check *check)
{
    sp__json_open(json, NULL, '{');
    sp__json_pid(json, "pid", check->pid);
    sp__json_pid(json, "parent", check->parent);
    sp__json_text(json, "name", check->name[0] == '\0' ? NULL : check->name);
    sp__json_text(json, "label", check->label);
    sp__json_text(json, "status", sp_health_status_name(check->health.status));
    sp__json_text(json, "text", check->health.text);
    sp__json_bool(json, "answered", check->answered);
    sp__json_close(json, '}');
}

void sp__http_health(struct sp__http_ask *ask, struct sp__json *json)
{
    struct sp_health_options options = { .wait = sp_ms(HEALTH_WAIT_MS) };
    struct sp_health_report report;
    size_t max = sp__http_number(ask, 0, HEALTH_CHECKS_DEFAULT, HEALTH_CHECKS_MAX);
    if (sp__http_refused(ask))
        return;
    struct sp_health_check *checks = sp__malloc((max + 1) * sizeof(*checks));
    sp_err err = checks == NULL ? SP_ERR_NOMEM : sp_health(&options, checks, max, &report);
    if (err != SP_OK) {
        sp__free(checks);
        sp__http_refuse_err(ask, err);
        return;
    }
    sp__json_text(json, "status", sp_health_status_name(report.status));
    sp__json_uint(json, "asked", report.asked);
    sp__json_uint(json, "healthy", report.healthy);
    sp__json_uint(json, "degraded", report.degraded);
    sp__json_uint(json, "unhealthy", report.unhealthy);
    sp__json_uint(json, "unasked", report.unasked);
    sp__json_open(json, "checks", '[');
    for (size_t i = 0; i < report.count; i++)
        health_check(json, &checks[i]);
    sp__json_close(json, ']');
    sp__free(checks);
}
