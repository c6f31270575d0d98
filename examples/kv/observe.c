/* The dashboard. See observe.h. Built without libspawned-http, --http is refused. */
#include "observe.h"

#include <string.h>

#ifdef SPAWNED_HTTP

bool kv_observe_built(void)
{
    return true;
}

struct sp_child_spec kv_observe_child(const struct kv_settings *settings,
                                      struct sp_http_options *options,
                                      struct sp_io_error *out_error)
{
    static const char local[] = "unix:";
    *options = (struct sp_http_options){ .token = settings->http_token,
                                         .program = "spawned-kv",
                                         .control = true,
                                         .out_error = out_error };
    if (strncmp(settings->http, local, sizeof(local) - 1) == 0)
        options->unix_path = settings->http + sizeof(local) - 1;
    else
        options->address = settings->http;
    return (struct sp_child_spec){ .id = KV_HTTP_NAME,
                                   .server = &sp_http_class,
                                   .args = options,
                                   .options.spawn.name = KV_HTTP_NAME };
}

bool kv_observe_where(char text[SP_ADDRESS_TEXT_MAX])
{
    sp_http_ref http;
    struct sp_http_info info;
    if (sp_http_whereis(KV_HTTP_NAME, &http) != SP_OK ||
        sp_http_info(http, &(sp_empty){ 0 }, &info, sp_after_sec(5)) != SP_OK)
        return false;
    sp_address_format(&info.address, text);
    return true;
}

#else

bool kv_observe_built(void)
{
    return false;
}

struct sp_child_spec kv_observe_child(const struct kv_settings *settings,
                                      struct sp_http_options *options,
                                      struct sp_io_error *out_error)
{
    (void)settings;
    (void)out_error;
    *options = (struct sp_http_options){ .address = NULL };
    return (struct sp_child_spec){ .id = KV_HTTP_NAME };
}

bool kv_observe_where(char text[SP_ADDRESS_TEXT_MAX])
{
    text[0] = '\0';
    return false;
}

#endif
