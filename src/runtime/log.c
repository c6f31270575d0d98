#include "runtime/log.h"

#include "base/text.h"
#include "runtime/core.h"

#include <stdarg.h>

void sp__log(struct sp_runtime *runtime, enum sp_log_level level, const char *format, ...)
{
    if (runtime->options.log == NULL)
        return;
    char line[1000];
    struct sp__text text;
    sp__text_init(&text, line, sizeof(line));
    va_list args;
    va_start(args, format);
    sp__text_addv(&text, format, args);
    va_end(args);
    runtime->options.log(runtime->options.log_context, level, line);
}
