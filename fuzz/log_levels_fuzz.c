/* Fuzz target: settings of the log as text, as they come from the environment. What is accepted once
 * is accepted again, and means the same. */
#include "spawned/spawned.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void no_line(void *context, const struct sp_log_record *record)
{
    (void)context;
    (void)record;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sp_runtime *runtime;
    const struct sp_runtime_options options = { .workers = 1, .log = { .fn = no_line } };
    if (runtime == NULL && sp_runtime_create(&options, &runtime) != SP_OK)
        abort();
    char *text = malloc(size + 1);
    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (sp_log_levels_parse(runtime, text) == SP_OK) {
        enum sp_log_level all = sp_log_level_get(runtime, NULL);
        enum sp_log_level net = sp_log_level_get(runtime, "net");
        if (sp_log_levels_parse(runtime, text) != SP_OK || sp_log_level_get(runtime, NULL) != all ||
            sp_log_level_get(runtime, "net") != net)
            abort();
    }
    free(text);
    return 0;
}
