#include "sim/output.h"

#include "base/alloc.h"

enum { OUTPUT_BUFFER = 4096 };

/* Neither of them changes after the start, so that a reset of the program's data does no harm; and
 * the buffer is not among the data, which are copied for each run. */
static FILE *output_sink;
static char *output_buffer;

static ssize_t output_drop(void *cookie, const char *bytes, size_t size)
{
    (void)cookie;
    (void)bytes;
    return (ssize_t)size;
}

sp_err sim_output_start(void)
{
    output_buffer = sp__malloc(OUTPUT_BUFFER);
    if (output_buffer == NULL)
        return SP_ERR_NOMEM;
    output_sink = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = output_drop });
    if (output_sink == NULL) {
        sp__free(output_buffer);
        return SP_ERR_NOMEM;
    }
    /* Not from the heap, which is the world's while a program prints. */
    (void)setvbuf(output_sink, output_buffer, _IOFBF, OUTPUT_BUFFER);
    return SP_OK;
}

FILE *sim_output(void)
{
    return output_sink;
}

void sim_output_finish(void)
{
    if (output_sink != NULL)
        (void)fclose(output_sink);
    sp__free(output_buffer);
    output_sink = NULL;
    output_buffer = NULL;
}
