/* What the fragments of docs/readers.md stand in; see tests/snippets/run.py. */
#include <spawned/spawned.h>

struct index {
    int documents;
};
struct index_args {
    int documents_max;
};
struct query {
    char words[64];
};
struct hits {
    int count;
};
struct document {
    char text[256];
};

/* @1 */

static sp_err index_init(struct index *self, const struct index_args *args)
{
    self->documents = args->documents_max;
    return SP_OK;
}

static sp_err index_on_find(const struct index *self, const struct query *in, struct hits *out)
{
    out->count = in->words[0] == '\0' ? 0 : self->documents;
    return SP_OK;
}

static void index_on_add(struct index *self, const struct document *in)
{
    self->documents += in->text[0] != '\0';
}
