/* Fuzz target: what sp_trace_parse() accepts, sp_trace_format() writes so that it is read as the same. */
#include "decoder_fuzz.h"
#include "spawned/trace.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_trace_context context;
    struct sp_trace_context again;
    char written[SP_TRACE_PARENT_SIZE];
    char *text = malloc(size + 1); /* of its own size, so that a look beyond is seen */
    FUZZ_CHECK(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    if (sp_trace_parse(text, &context) == SP_OK) {
        FUZZ_CHECK(context.span != 0 && (context.trace.high | context.trace.low) != 0);
        FUZZ_CHECK(strlen(sp_trace_format(&context, written)) == SP_TRACE_PARENT_SIZE - 1);
        FUZZ_CHECK(strncmp(written + 3, text + 3, 50) == 0);
        FUZZ_CHECK(sp_trace_parse(written, &again) == SP_OK);
        FUZZ_CHECK(memcmp(&again, &context, sizeof(context.trace)) == 0 &&
                   again.span == context.span && again.flags == context.flags);
    }
    free(text);
    return 0;
}
