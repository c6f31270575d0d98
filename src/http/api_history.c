/* /api/exits, /api/dead-letters, /api/events: what has been. See request.h, docs/http-api.md. */
#include "http/request.h"

/* The answer to what nobody records. */
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
    history_nothing(json, "this runtime keeps no list of dead letters");
}

void sp__http_events(struct sp__http_ask *ask, struct sp__json *json)
{
    (void)ask;
    history_nothing(json, "this runtime has no flight recorder");
}
