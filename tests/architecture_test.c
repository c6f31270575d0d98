/* docs/architecture.md tells what things cost in bytes: it must be what they cost. */
#include "behaviour/server.h"
#include "process/relation.h"
#include "process/timer.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

static char *read_document(void)
{
    enum { DOCUMENT_MAX = 1 << 20 };
    char *text = calloc(1, DOCUMENT_MAX);
    FILE *file = fopen(SP_TEST_SOURCE_DIR "/docs/architecture.md", "r");
    CHECK(text != NULL && file != NULL);
    CHECK(fread(text, 1, DOCUMENT_MAX - 1, file) > 0);
    (void)fclose(file);
    return text;
}

TEST(architecture_bytes_are_those_of_the_code)
{
    static const struct {
        const char *name;
        size_t size;
    } rows[] = {
        { "struct sp_process", sizeof(struct sp_process) },
        { "struct sp__actor", sizeof(struct sp__actor) },
        { "struct sp__server", sizeof(struct sp__server) },
        { "struct sp__relations", sizeof(struct sp__relations) },
        { "struct sp__link", sizeof(struct sp__link) },
        { "struct sp__monitor", sizeof(struct sp__monitor) },
        { "struct sp__extra", sizeof(struct sp__extra) },
        { "struct sp__wait_timer", sizeof(struct sp__wait_timer) },
        { "struct sp_message", sizeof(struct sp_message) },
        { "struct sp__reply_to", sizeof(struct sp__reply_to) },
        { "struct sp__request", sizeof(struct sp__request) },
    };
    char *text = read_document();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char row[128];
        snprintf(row, sizeof row, "`%s` | %zu |", rows[i].name, rows[i].size);
        CHECK_CONTAINS(text, row);
    }
    char row[128];
    snprintf(row, sizeof row, "`struct timer` | %zu |", sp__timer_slot_size());
    CHECK_CONTAINS(text, row);
    free(text);
}
