/* Who may ask: Host, token, origin. See request.h and docs/http-api.md. */
#include "http/parse.h"
#include "http/request.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static const char *guard_header(const struct sp__http_ask *ask, const char *name)
{
    return MHD_lookup_connection_value(ask->connection, MHD_HEADER_KIND, name);
}

/* ---- Host ---- */

static bool guard_is_ip(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* A name that somebody else's DNS points to us is not ours. */
static bool guard_host(const struct sp__http_settings *settings, const char *header)
{
    char host[SP_HOST_MAX + 8];
    char *name;
    size_t size = strlen(header);
    if (size >= sizeof(host))
        return false;
    memcpy(host, header, size + 1);
    if (!sp__http_parse_host(host, &name))
        return false;
    if (guard_is_ip(name) || strcasecmp(name, "localhost") == 0)
        return true;
    for (size_t i = 0; i < settings->host_count; i++)
        if (strcasecmp(name, settings->hosts[i]) == 0)
            return true;
    return false;
}

static enum MHD_Result guard_count_host(void *arg, enum MHD_ValueKind kind, const char *key,
                                        const char *value)
{
    int *count = arg;
    (void)kind;
    (void)value;
    *count += strcasecmp(key, MHD_HTTP_HEADER_HOST) == 0;
    return MHD_YES;
}

/* ---- the token ---- */

/* In a time that tells nothing about where they differ. */
static bool guard_same(const char *given, const char *token)
{
    size_t given_size = strlen(given);
    size_t token_size = strlen(token);
    unsigned char differ = given_size != token_size;
    for (size_t i = 0; i < token_size; i++)
        differ |= (unsigned char)(token[i] ^ (i < given_size ? given[i] : 0));
    return differ == 0;
}

static bool guard_token(const struct sp__http_ask *ask)
{
    static const char scheme[] = "Bearer ";
    const char *token = ask->http->settings.token;
    const char *header = guard_header(ask, MHD_HTTP_HEADER_AUTHORIZATION);
    if (token[0] == '\0')
        return true;
    return header != NULL && strncasecmp(header, scheme, sizeof(scheme) - 1) == 0 &&
           guard_same(header + sizeof(scheme) - 1, token);
}

/* ---- the origin ---- */

static bool guard_own_origin(const struct sp__http_ask *ask, const char *host)
{
    const char *origin = guard_header(ask, "Origin");
    if (origin == NULL)
        return true;
    return sp__http_parse_origin(origin, host);
}

/* Browsers tell where a request comes from; others leave it out. */
static bool guard_same_site(const struct sp__http_ask *ask)
{
    const char *site = guard_header(ask, "Sec-Fetch-Site");
    return site == NULL || strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0;
}

static void guard_change(struct sp__http_ask *ask, const char *host)
{
    const char *action = guard_header(ask, "Spawned-Action");
    if (!guard_own_origin(ask, host))
        sp__http_refuse(ask, MHD_HTTP_FORBIDDEN, "forbidden", "the request is of another origin");
    if (action == NULL || strcmp(action, "1") != 0)
        sp__http_refuse(ask, MHD_HTTP_FORBIDDEN, "forbidden",
                        "changes want the header Spawned-Action: 1");
    if (!ask->http->settings.control)
        sp__http_refuse(ask, MHD_HTTP_FORBIDDEN, "forbidden",
                        "this endpoint only looks: its option `control` is off");
}

void sp__http_guard(struct sp__http_ask *ask, bool secret, bool changes)
{
    int hosts = 0;
    MHD_get_connection_values(ask->connection, MHD_HEADER_KIND, guard_count_host, &hosts);
    const char *host = guard_header(ask, MHD_HTTP_HEADER_HOST);
    if (hosts != 1 || host == NULL) {
        sp__http_refuse(ask, MHD_HTTP_BAD_REQUEST, "invalid", "one Host header is needed");
        return;
    }
    if (!guard_host(&ask->http->settings, host)) {
        sp__http_refuse(ask, MHD_HTTP_MISDIRECTED_REQUEST, "host",
                        "the Host is not an IP address, localhost, or one of the option `hosts`");
        return;
    }
    if (secret && !guard_token(ask))
        sp__http_refuse(ask, MHD_HTTP_UNAUTHORIZED, "unauthorized",
                        "Authorization: Bearer TOKEN is needed");
    if (secret && !guard_same_site(ask))
        sp__http_refuse(ask, MHD_HTTP_FORBIDDEN, "forbidden", "the request is of another site");
    if (changes)
        guard_change(ask, host);
}
