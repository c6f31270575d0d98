/* spawned health: is the program well, and ready? For people, and for scripts by its exit status. */
#include "commands.h"
#include "text.h"
#include "value.h"

#include <string.h>

enum { HEALTH_HTTP_OK = 200, HEALTH_HTTP_NOT_READY = 503 };

/* What a node says that has no checks: that it answers. */
static enum status health_plain(struct client *client, json_t **out_health)
{
    long http = 0;
    enum status status = client_probe(client, "/healthz", &http);
    if (status == STATUS_OK)
        *out_health = json_pack("{s:s, s:[]}", "status",
                                http == HEALTH_HTTP_OK ? "healthy" : "unhealthy", "checks");
    return status;
}

/* {"status", "checks", "ready"} */
static enum status health_ask(struct client *client, json_t **out_health)
{
    long http = 0;
    enum status status = client_get(client, "/api/health", out_health);
    if (status == STATUS_ANSWER && client_is_unknown(client))
        status = health_plain(client, out_health);
    if (status == STATUS_OK)
        status = client_probe(client, "/readyz", &http);
    if (status == STATUS_OK && http != HEALTH_HTTP_OK && http != HEALTH_HTTP_NOT_READY)
        status = client_fail(client, STATUS_ANSWER, "an answer of /readyz that makes no sense");
    if (status == STATUS_OK && value_text(*out_health, "status") == NULL)
        status = client_fail(client, STATUS_ANSWER, "an answer without a status");
    if (status == STATUS_OK)
        json_object_set_new(*out_health, "ready", json_boolean(http == HEALTH_HTTP_OK));
    return status;
}

static enum print_color health_color(const char *status)
{
    if (strcmp(status, "healthy") == 0)
        return PRINT_GREEN;
    return strcmp(status, "degraded") == 0 ? PRINT_YELLOW : PRINT_RED;
}

static void health_check(const json_t *check)
{
    char text[512];
    const char *status = value_text(check, "status");
    print("  ");
    print_cell(health_color(status == NULL ? "" : status), status, 10);
    print(" ");
    print_cell(PRINT_CYAN, value_text(check, "pid"), 14);
    print(" %s", value_name(text, sizeof(text), check));
    text_show(text, sizeof(text), value_text(check, "text"), sizeof(text));
    print("%s%s\n", text[0] == '\0' ? "" : ": ", text);
}

static void health_show(const json_t *health, const char *status, bool ready)
{
    size_t i;
    const json_t *check;
    char clean[32];
    text_show(clean, sizeof(clean), status, sizeof(clean));
    print("%s%s%s, %s\n", print_sgr(health_color(clean)), clean, print_sgr(PRINT_PLAIN),
          ready ? "ready" : "not ready");
    json_array_foreach(json_object_get(health, "checks"), i, check) health_check(check);
}

enum status health_run(const struct options *options, struct client *client)
{
    json_t *health = NULL;
    enum status status = health_ask(client, &health);
    if (status == STATUS_OK) {
        const char *word = value_text(health, "status");
        bool ready = json_is_true(json_object_get(health, "ready"));
        if (options->json)
            print_json_line(health);
        else
            health_show(health, word, ready);
        if (!ready || strcmp(word, "healthy") != 0)
            status = STATUS_NOTFOUND;
    }
    json_decref(health);
    return status;
}
