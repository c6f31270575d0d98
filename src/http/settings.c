#include "http/settings.h"

#include <stdio.h>
#include <string.h>

enum {
    SETTINGS_CONNECTIONS_DEFAULT = 64,
    SETTINGS_CONNECTIONS_MAX = 1024,
    SETTINGS_REQUEST_DEFAULT_S = 10,
    SETTINGS_REQUEST_MIN_MS = 10,
    SETTINGS_REQUEST_MAX_S = 3600,
};

static const char SETTINGS_ADDRESS_DEFAULT[] = "127.0.0.1:0";

static bool settings_loopback(const sp_address *address)
{
    static const uint8_t ipv6[16] = { [15] = 1 };
    if (address->family == SP_ADDRESS_IPV4)
        return address->ip[0] == 127;
    return address->family == SP_ADDRESS_IPV6 && memcmp(address->ip, ipv6, sizeof(ipv6)) == 0;
}

/* Only what a header can carry and a shell does not break. */
static bool settings_token(const char *token)
{
    size_t size = strlen(token);
    for (const char *c = token; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return size >= SP_HTTP_TOKEN_MIN && size <= SP_HTTP_TOKEN_MAX;
}

static sp_err settings_hosts(const struct sp_http_options *options, struct sp__http_settings *out)
{
    if (options->host_count > SP_HTTP_HOSTS_MAX)
        return SP_ERR_INVALID;
    for (size_t i = 0; i < options->host_count; i++) {
        size_t size = strlen(options->hosts[i]);
        if (size == 0 || size > SP_HOST_MAX)
            return SP_ERR_INVALID;
        memcpy(out->hosts[i], options->hosts[i], size + 1);
    }
    out->host_count = options->host_count;
    return SP_OK;
}

static sp_err settings_limits(const struct sp_http_options *options, struct sp__http_settings *out)
{
    out->connections_max =
        options->connections_max == 0 ? SETTINGS_CONNECTIONS_DEFAULT : options->connections_max;
    out->request_ns = options->request_time.ns == 0 ? SETTINGS_REQUEST_DEFAULT_S * SP_NS_PER_S
                                                    : options->request_time.ns;
    if (out->connections_max > SETTINGS_CONNECTIONS_MAX ||
        out->request_ns < SETTINGS_REQUEST_MIN_MS * SP_NS_PER_MS ||
        out->request_ns > SETTINGS_REQUEST_MAX_S * SP_NS_PER_S)
        return SP_ERR_INVALID;
    return SP_OK;
}

/* An abstract socket has no file, so no mode that says who may open it. */
static sp_err settings_local(const char *path, sp_address *out)
{
    char text[SP_ADDRESS_TEXT_MAX];
    int length = snprintf(text, sizeof(text), "unix:%s", path);
    if (path[0] == '@' || length < 0 || (size_t)length >= sizeof(text))
        return SP_ERR_INVALID;
    return sp_address_parse(text, out);
}

static sp_err settings_refuse(const struct sp_http_options *options, const char *why)
{
    struct sp_io_error *error = options->out_error;
    if (error == NULL)
        return SP_ERR_INVALID;
    *error = (struct sp_io_error){ .err = SP_ERR_INVALID };
    const char *where = options->address != NULL ? options->address : options->unix_path;
    snprintf(error->text, sizeof(error->text), "listen on %s: %s",
             where != NULL ? where : SETTINGS_ADDRESS_DEFAULT, why);
    return SP_ERR_INVALID;
}

static sp_err settings_addresses(const struct sp_http_options *options,
                                 struct sp__http_settings *out)
{
    const char *address = options->address;
    if (options->unix_path != NULL) {
        sp_err err = settings_local(options->unix_path, &out->local);
        if (err != SP_OK)
            return settings_refuse(options, "that is no path of a Unix-domain socket");
        if (address == NULL)
            return SP_OK;
    }
    sp_err err =
        sp_address_parse(address == NULL ? SETTINGS_ADDRESS_DEFAULT : address, &out->address);
    if (err != SP_OK || out->address.family == SP_ADDRESS_UNIX)
        return settings_refuse(options, "that is no IP address with a port");
    if (options->token != NULL || settings_loopback(&out->address))
        return SP_OK;
    return settings_refuse(options, "an address that is not loopback needs a token");
}

sp_err sp__http_settings_read(const struct sp_http_options *options, struct sp__http_settings *out)
{
    memset(out, 0, sizeof(*out));
    sp_err err = settings_addresses(options, out);
    if (err != SP_OK)
        return err;
    if (options->token != NULL && !settings_token(options->token))
        return settings_refuse(options, "the token is too short, too long, or no printable text");
    if (options->token != NULL)
        memcpy(out->token, options->token, strlen(options->token) + 1);
    snprintf(out->program, sizeof(out->program), "%s",
             options->program == NULL ? "" : options->program);
    out->out_error = options->out_error;
    out->control = options->control;
    out->ready = options->ready;
    out->ready_arg = options->ready_arg;
    if (settings_hosts(options, out) != SP_OK || settings_limits(options, out) != SP_OK)
        return settings_refuse(options, "an option is out of its range");
    return SP_OK;
}
