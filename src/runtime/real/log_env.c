/* The log and its levels from the environment, for who asks. */
#include "runtime/log.h"

#include <stdlib.h>

static const char *log_env(void)
{
    return getenv("SPAWNED_LOG");
}

sp_err sp_log_levels_env(struct sp_runtime *runtime)
{
    const char *text = log_env();
    return text == NULL ? SP_OK : sp_log_levels_parse(runtime, text);
}

bool sp__log_env_asks(void)
{
    const char *text = log_env();
    return text != NULL && text[0] != '\0';
}
