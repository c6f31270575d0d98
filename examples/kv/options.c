/* The command line. See options.h. */
#include "options.h"

#include "observe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char kv_options_help[] =
    "usage: spawned-kv [option value]...\n"
    "\n"
    "An in-memory key-value store that speaks the Redis protocol.\n"
    "\n"
    "  --port N             TCP port, 0 for a free one (default 7379)\n"
    "  --bind ADDRESS       IP address to listen on (default 127.0.0.1)\n"
    "  --shards N           servers that share the keys, 1 to 64 (default: twice the workers)\n"
    "  --workers N          threads, 1 to 1024 (default: one per CPU)\n"
    "  --maxclients N       clients at the same time (default 10000)\n"
    "  --timeout SECONDS    disconnect clients that send nothing for so long (default 0: never)\n"
    "  --request-timeout SECONDS\n"
    "                       disconnect clients that do not finish a request in that time,\n"
    "                       0 for never (default 60)\n"
    "  --shard-timeout MS   how long to wait for the answer of a shard (default 5000)\n"
    "  --max-value BYTES    longest argument or value (default 536870912)\n"
    "  --max-request BYTES  longest request (default 1073741824)\n"
    "  --max-output BYTES   replies that may wait for a client that does not read them\n"
    "                       (default 33554432)\n"
    "  --http ADDRESS:PORT  serve a dashboard, metrics and an API there, or on unix:PATH;\n"
    "                       anything but loopback needs a token in the environment,\n"
    "                       SPAWNED_KV_HTTP_TOKEN\n"
    "  --log-level LEVEL    debug, info, warning, error or off (default warning); of modules: in\n"
    "                       the environment, SPAWNED_LOG=info,spawned=error\n"
    "  --log-format FORMAT  text or json, to the standard error (default text)\n"
    "  --help               show this text\n"
    "  --version            show the version\n"
    "\n"
    "It stops on SIGTERM, SIGINT and the command SHUTDOWN.\n";

/* One option with a number. */
struct options_number {
    const char *name;
    uint64_t min;
    uint64_t max;
    void (*set)(struct kv_settings *settings, uint64_t value);
};

static void set_port(struct kv_settings *settings, uint64_t value)
{
    settings->port = (uint16_t)value;
}

static void set_shards(struct kv_settings *settings, uint64_t value)
{
    settings->shards = (uint32_t)value;
}

static void set_workers(struct kv_settings *settings, uint64_t value)
{
    settings->workers = (uint32_t)value;
}

static void set_clients(struct kv_settings *settings, uint64_t value)
{
    settings->clients_max = (uint32_t)value;
}

static void set_idle(struct kv_settings *settings, uint64_t value)
{
    settings->idle_max = sp_sec((int64_t)value);
}

static void set_request_time(struct kv_settings *settings, uint64_t value)
{
    settings->request_time = sp_sec((int64_t)value);
}

static void set_shard_time(struct kv_settings *settings, uint64_t value)
{
    settings->shard_time = sp_ms((int64_t)value);
}

static void set_value(struct kv_settings *settings, uint64_t value)
{
    settings->value_max = value;
}

static void set_request(struct kv_settings *settings, uint64_t value)
{
    settings->request_max = value;
}

static void set_output(struct kv_settings *settings, uint64_t value)
{
    settings->output_max = value;
}

#define OPTIONS_SECONDS_MAX 100000000
#define OPTIONS_BYTES_MIN 1024
#define OPTIONS_BYTES_MAX (UINT64_C(1) << 40)

static const struct options_number options_numbers[] = {
    { "--port", 0, UINT16_MAX, set_port },
    { "--shards", 1, KV_SHARDS_MAX, set_shards },
    { "--workers", 1, 1024, set_workers },
    { "--maxclients", 1, 1000000, set_clients },
    { "--timeout", 0, OPTIONS_SECONDS_MAX, set_idle },
    { "--request-timeout", 0, OPTIONS_SECONDS_MAX, set_request_time },
    { "--shard-timeout", 1, OPTIONS_SECONDS_MAX, set_shard_time },
    { "--max-value", OPTIONS_BYTES_MIN, UINT64_C(512) << 20, set_value },
    { "--max-request", OPTIONS_BYTES_MIN, OPTIONS_BYTES_MAX, set_request },
    { "--max-output", OPTIONS_BYTES_MIN, OPTIONS_BYTES_MAX, set_output },
};

static bool options_parse(const char *text, uint64_t *out_value)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    *out_value = value;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

static bool options_number(const struct options_number *number, const char *text,
                           struct kv_settings *settings, char out_error[KV_OPTIONS_ERROR_MAX])
{
    uint64_t value;
    if (!options_parse(text, &value) || value < number->min || value > number->max) {
        snprintf(out_error, KV_OPTIONS_ERROR_MAX,
                 "%s wants a number from %" PRIu64 " to %" PRIu64 ", not \"%.40s\"", number->name,
                 number->min, number->max, text);
        return false;
    }
    number->set(settings, value);
    return true;
}

static bool options_bind(const char *text, struct kv_settings *settings,
                         char out_error[KV_OPTIONS_ERROR_MAX])
{
    sp_address address;
    char full[SP_ADDRESS_TEXT_MAX];
    snprintf(full, sizeof(full), strchr(text, ':') != NULL ? "[%s]:0" : "%s:0", text);
    if (sp_address_parse(full, &address) != SP_OK) {
        snprintf(out_error, KV_OPTIONS_ERROR_MAX, "--bind wants an IP address, not \"%.60s\"",
                 text);
        return false;
    }
    settings->bind = text;
    return true;
}

static bool options_http(const char *text, struct kv_settings *settings,
                         char out_error[KV_OPTIONS_ERROR_MAX])
{
    sp_address address;
    if (!kv_observe_built()) {
        snprintf(out_error, KV_OPTIONS_ERROR_MAX, "--http is not in this build (libmicrohttpd)");
        return false;
    }
    if (sp_address_parse(text, &address) != SP_OK) {
        snprintf(out_error, KV_OPTIONS_ERROR_MAX,
                 "--http wants an IP address and a port, or unix:PATH, not \"%.60s\"", text);
        return false;
    }
    settings->http = text;
    return true;
}

static bool options_log_level(const char *text, struct kv_settings *settings,
                              char out_error[KV_OPTIONS_ERROR_MAX])
{
    for (enum sp_log_level level = SP_LOG_DEBUG; level <= SP_LOG_OFF; level++) {
        if (strcmp(text, sp_log_level_name(level)) != 0)
            continue;
        settings->log_level = level;
        return true;
    }
    snprintf(out_error, KV_OPTIONS_ERROR_MAX, "--log-level does not know \"%.60s\"", text);
    return false;
}

static bool options_log_format(const char *text, struct kv_settings *settings,
                               char out_error[KV_OPTIONS_ERROR_MAX])
{
    if (strcmp(text, "text") != 0 && strcmp(text, "json") != 0) {
        snprintf(out_error, KV_OPTIONS_ERROR_MAX, "--log-format wants text or json, not \"%.60s\"",
                 text);
        return false;
    }
    settings->log_format = strcmp(text, "json") == 0 ? SP_LOG_JSON : SP_LOG_TEXT;
    return true;
}

/* Options with a text. */
static const struct options_word {
    const char *name;
    bool (*set)(const char *text, struct kv_settings *settings,
                char out_error[KV_OPTIONS_ERROR_MAX]);
} options_words[] = {
    { "--bind", options_bind },
    { "--http", options_http },
    { "--log-level", options_log_level },
    { "--log-format", options_log_format },
};

static bool options_one(const char *name, const char *value, struct kv_settings *settings,
                        char out_error[KV_OPTIONS_ERROR_MAX])
{
    const struct options_word *word = NULL;
    for (size_t i = 0; i < sizeof(options_words) / sizeof(options_words[0]); i++)
        if (strcmp(name, options_words[i].name) == 0)
            word = &options_words[i];
    const struct options_number *number = NULL;
    for (size_t i = 0; i < sizeof(options_numbers) / sizeof(options_numbers[0]); i++)
        if (strcmp(name, options_numbers[i].name) == 0)
            number = &options_numbers[i];
    if (number == NULL && word == NULL) {
        snprintf(out_error, KV_OPTIONS_ERROR_MAX, "unknown option \"%.60s\"", name);
        return false;
    }
    if (value == NULL) {
        snprintf(out_error, KV_OPTIONS_ERROR_MAX, "%s wants a value", name);
        return false;
    }
    return word != NULL ? word->set(value, settings, out_error)
                        : options_number(number, value, settings, out_error);
}

static void options_defaults(struct kv_settings *settings)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    *settings = (struct kv_settings){
        .bind = "127.0.0.1",
        .port = 7379,
        .workers = cpus < 1      ? 1
                   : cpus > 1024 ? 1024
                                 : (uint32_t)cpus,
        .clients_max = 10000,
        .value_max = UINT64_C(512) << 20,
        .request_max = UINT64_C(1) << 30,
        .output_max = UINT64_C(32) << 20,
        .request_time = sp_sec(60),
        .shard_time = sp_sec(5),
        .log_level = SP_LOG_WARNING,
    };
}

enum kv_asked kv_options_read(int argc, char **argv, struct kv_settings *out_settings,
                              char out_error[KV_OPTIONS_ERROR_MAX])
{
    options_defaults(out_settings);
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return KV_ASKED_HELP;
        if (strcmp(argv[i], "--version") == 0)
            return KV_ASKED_VERSION;
        if (!options_one(argv[i], argv[i + 1], out_settings, out_error))
            return KV_ASKED_WRONG;
    }
    if (out_settings->shards == 0) {
        uint32_t shards = out_settings->workers * 2;
        out_settings->shards = shards < KV_SHARDS_MAX ? shards : KV_SHARDS_MAX;
    }
    return KV_ASKED_RUN;
}
