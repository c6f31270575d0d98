/* Levels of the log from the environment, for who asks. */
#include "spawned/log.h"

#include <stdlib.h>

sp_err sp_log_levels_env(struct sp_runtime *runtime)
{
    const char *text = getenv("SPAWNED_LOG");
    return text == NULL ? SP_OK : sp_log_levels_parse(runtime, text);
}
