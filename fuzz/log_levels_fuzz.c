/* Fuzz target: settings of the log as text, as they come from the environment. What is accepted once
 * is accepted again, and means the same; what is refused changes nothing. Each input meets a log
 * without any module, since modules stay and soon no input would add one.
 */
#include "base/alloc.h"
#include "decoder_fuzz.h"
#include "runtime/core.h"
#include "runtime/log.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t modules_of(struct sp__log *log)
{
    /* relaxed: there is one thread. */
    return atomic_load_explicit(&log->module_count, memory_order_relaxed);
}

static void check_accepted(struct sp_runtime *runtime, const char *text)
{
    enum sp_log_level all = sp_log_level_get(runtime, NULL);
    enum sp_log_level net = sp_log_level_get(runtime, "net");
    uint32_t count = modules_of(runtime->log);
    FUZZ_CHECK(count <= SP__LOG_MODULES_MAX);
    FUZZ_CHECK(sp_log_levels_parse(runtime, text) == SP_OK);
    FUZZ_CHECK(sp_log_level_get(runtime, NULL) == all);
    FUZZ_CHECK(sp_log_level_get(runtime, "net") == net);
    FUZZ_CHECK(modules_of(runtime->log) == count);
    for (uint32_t i = 0; i < count; i++)
        FUZZ_CHECK(strlen(runtime->log->modules[i].name) > 0);
}

static void check_refused(struct sp_runtime *runtime)
{
    FUZZ_CHECK(sp_log_level_get(runtime, NULL) == SP_LOG_WARNING);
    FUZZ_CHECK(modules_of(runtime->log) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* No more of a runtime than its log: one with its threads costs as much as a thousand inputs. */
    static struct sp_runtime runtime;
    struct sp__log log = { .options = { .level = SP_LOG_WARNING }, .level = SP_LOG_WARNING };
    char *text = malloc(size + 1); /* of its own size, so that a look beyond is seen */
    FUZZ_CHECK(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    runtime.log = &log;
    sp__log_gate_join(&log);
    if (sp_log_levels_parse(&runtime, text) == SP_OK)
        check_accepted(&runtime, text);
    else
        check_refused(&runtime);
    sp__log_gate_leave(&log);
    FUZZ_CHECK(sp__log_gate == SP_LOG_OFF);
    sp__free(log.modules);
    free(text);
    return 0;
}
