#include "http/parse.h"

#include <string.h>
#include <strings.h>

enum { PARSE_PORT_DIGITS = 5 };

bool sp__http_parse_number(const char **text, uint64_t max, uint64_t *out)
{
    const char *at = *text;
    uint64_t value = 0;
    if (*at < '0' || *at > '9')
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (max - digit) / 10 || digit > max)
            return false;
        value = value * 10 + digit;
    }
    *text = at;
    *out = value;
    return true;
}

bool sp__http_parse_pid(const char **text, sp_pid *out_pid)
{
    uint64_t node;
    uint64_t slot;
    uint64_t serial;
    const char *at = *text;
    if (!sp__http_parse_number(&at, UINT32_MAX, &node) || *at++ != '.' ||
        !sp__http_parse_number(&at, UINT32_MAX, &slot) || *at++ != '.' ||
        !sp__http_parse_number(&at, UINT64_MAX, &serial))
        return false;
    *text = at;
    *out_pid = (sp_pid){ .node = (uint32_t)node, .slot = (uint32_t)slot, .serial = serial };
    return true;
}

bool sp__http_parse_path(const char *pattern, const char *path, sp_pid *out_pid)
{
    for (; *pattern != '\0'; pattern++)
        if (*pattern == '*') {
            if (!sp__http_parse_pid(&path, out_pid))
                return false;
        } else if (*pattern != *path++) {
            return false;
        }
    return *path == '\0';
}

bool sp__http_parse_host(char *host, char **out_name)
{
    char *name = host;
    char *rest;
    if (host[0] == '[') {
        name = host + 1;
        rest = strchr(name, ']');
        if (rest == NULL)
            return false;
        *rest++ = '\0';
    } else {
        rest = host + strcspn(host, ":");
    }
    if (*rest == ':') {
        *rest++ = '\0';
        size_t digits = strspn(rest, "0123456789");
        if (digits > PARSE_PORT_DIGITS)
            return false;
        rest += digits;
    }
    *out_name = name;
    return *rest == '\0';
}

bool sp__http_parse_origin(const char *origin, const char *host)
{
    static const char *const schemes[] = { "http://", "https://" }; /* a proxy may speak TLS */
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t size = strlen(schemes[i]);
        if (strncasecmp(origin, schemes[i], size) == 0 && strcasecmp(origin + size, host) == 0)
            return true;
    }
    return false;
}
