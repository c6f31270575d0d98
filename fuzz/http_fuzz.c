/* Fuzz target: what the HTTP endpoint reads of a request by itself. The first byte chooses which. */
#include "http/parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition) ((condition) ? (void)0 : abort())

/* What is read and written again is read as the same. */
static void fuzz_pid(const char *text)
{
    sp_pid pid;
    sp_pid again;
    char written[SP_PID_TEXT_MAX];
    const char *at = text;
    if (!sp__http_parse_pid(&at, &pid)) {
        FUZZ_CHECK(at == text);
        return;
    }
    FUZZ_CHECK(at > text && at <= text + strlen(text));
    (void)snprintf(written, sizeof(written), "%" PRIu32 ".%" PRIu32 ".%" PRIu64, pid.node, pid.slot,
                   pid.serial);
    at = written;
    FUZZ_CHECK(sp__http_parse_pid(&at, &again) && *at == '\0' && sp_pid_equal(pid, again));
}

static void fuzz_number(const char *text)
{
    const uint64_t bounds[] = { 0, 9, 1000, UINT32_MAX, UINT64_MAX };
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        const char *at = text;
        uint64_t value;
        if (sp__http_parse_number(&at, bounds[i], &value))
            FUZZ_CHECK(value <= bounds[i] && value == strtoull(text, NULL, 10));
        else
            FUZZ_CHECK(at == text);
    }
}

static void fuzz_path(const char *text)
{
    sp_pid pid;
    (void)sp__http_parse_path("/healthz", text, &pid);
    (void)sp__http_parse_path("/api/processes/*", text, &pid);
    (void)sp__http_parse_path("/api/processes/*/kill", text, &pid);
}

static void fuzz_host(char *text, size_t size)
{
    char *name;
    if (sp__http_parse_origin(text, "127.0.0.1:80"))
        FUZZ_CHECK(strcasestr(text, "://127.0.0.1:80") != NULL);
    if (sp__http_parse_host(text, &name))
        FUZZ_CHECK(name >= text && name + strlen(name) <= text + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    /* Exactly as long as it is, so that one byte too many is seen. */
    char *text = malloc(size);
    FUZZ_CHECK(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 4) {
    case 0:
        fuzz_pid(text);
        break;
    case 1:
        fuzz_number(text);
        break;
    case 2:
        fuzz_path(text);
        break;
    default:
        fuzz_host(text, size);
        break;
    }
    free(text);
    return 0;
}
