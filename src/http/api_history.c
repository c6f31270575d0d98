/* /api/exits, /api/dead-letters, /api/events: what has been. See request.h, docs/http-api.md. */
#include "http/request.h"

/* The answer to what the endpoint does not show. */
static void history_nothing(struct sp__json *json, const char *why)
{
    sp__json_bool(json, "available", false);
    sp__json_text(json, "why", why);
}

void sp__http_exits(struct sp__http_ask *ask, struct sp__json *json)
{
    (void)ask;
    history_nothing(json, "this runtime keeps no list of exits");
}

void sp__http_dead_letters(struct sp__http_ask *ask, struct sp__json *json)
{
    (void)ask;
    history_nothing(json, "not shown here: sp_dead_letters_recent() has them");
}

void sp__http_events(struct sp__http_ask *ask, struct sp__json *json)
{
    (void)ask;
    history_nothing(json, "not shown here: sp_recorder_export() has them");
}
