/* spawned info: all that the node tells about one process. */
#include "commands.h"
#include "process.h"
#include "text.h"
#include "value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "uptime_ms" => "uptime"; underscores are spaces for people. */
static void info_key(const char *key)
{
    char clean[64];
    text_show(clean, sizeof(clean), key, sizeof(clean));
    size_t size = strlen(clean);
    if (size > 3 && strcmp(clean + size - 3, "_ms") == 0)
        clean[size - 3] = '\0';
    for (char *c = clean; *c != '\0'; c++)
        if (*c == '_')
            *c = ' ';
    print("%s%-15s%s ", print_sgr(PRINT_BOLD), clean, print_sgr(PRINT_PLAIN));
}

static void info_text(const char *text)
{
    char *clean = text_clean(text);
    print("%s", clean == NULL ? "?" : clean);
    free(clean);
}

static void info_scalar(const char *key, const json_t *value)
{
    char text[VALUE_TEXT_MAX];
    size_t size = strlen(key);
    bool is_time = size > 3 && strcmp(key + size - 3, "_ms") == 0;
    if (json_is_string(value))
        info_text(json_string_value(value));
    else if (json_is_boolean(value))
        print("%s", json_is_true(value) ? "yes" : "no");
    else if (json_is_null(value))
        print("-");
    else if (!json_is_number(value))
        print_json(value);
    else if (is_time)
        print("%s", value_format_ms(text, json_number_value(value)));
    else if (strcmp(key, "memory") == 0)
        print("%s (%.0f bytes)", value_format_bytes(text, json_number_value(value)),
              json_number_value(value));
    else
        print_json(value);
}

/* Lists are of pids, or of what has no form of its own. */
static void info_list(const char *key, const json_t *list)
{
    size_t i;
    const json_t *value;
    if (json_array_size(list) == 0)
        print("-");
    json_array_foreach(list, i, value)
    {
        print(i == 0 ? "" : " ");
        info_scalar(key, value);
    }
}

static void info_show(json_t *process)
{
    const char *key;
    json_t *value;
    json_object_foreach(process, key, value)
    {
        info_key(key);
        if (json_is_array(value))
            info_list(key, value);
        else
            info_scalar(key, value);
        print("\n");
    }
}

enum status info_run(const struct options *options, struct client *client)
{
    json_t *process = NULL;
    enum status status = process_find(client, options->target, &process);
    if (status != STATUS_OK)
        return status;
    if (options->json)
        print_json_line(process);
    else
        info_show(process);
    json_decref(process);
    return STATUS_OK;
}
