/* Counts the lines of a log by one of their words: its level, its program, its action.
 *
 *     log_pipeline FILE COLUMN [WORKERS]        as awk '{print $COLUMN}' FILE | sort | uniq -c
 *
 *   main ── lines ──> pool of parsers, 4 ── words ──> tally, a server
 *   reads on a thread   at most 1,000 wait    at most 256 wait
 *   for such work
 *
 * Each stage is as fast as the one behind it: a cast that waits for room holds up who sends it, so a
 * file of any size takes the same memory. A full tally holds up the parsers, their queue fills, and
 * that holds up the reader. No line is lost: the pool's books say so at the end.
 */
#include <spawned/pool.h>
#include <spawned/spawned.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_SIZE = 512, /* longer ones are cut */
    WORD_SIZE = 48,
    WORDS_MAX = 1000, /* different ones; the others are counted together */
    BATCH = 32,
    LINES_WAITING = 1000,
    WORDS_WAITING = 256,
};

struct line {
    char text[LINE_SIZE];
};

struct word {
    char text[WORD_SIZE];
};

/* ---- the end of the pipe: counts words ---- */

SP_SERVER(tally, sp_empty);
SP_CAST(tally, add, struct word);
SP_CALL(tally, print, sp_empty, uint64_t);
SP_POOL_CAST(tally, add); /* tally_add_wait() */

struct tally_row {
    struct word word;
    uint64_t count;
};

struct tally {
    struct tally_row rows[WORDS_MAX];
    size_t count;
    uint64_t others;
};

static void tally_on_add(struct tally *self, const struct word *in)
{
    size_t i = 0;
    while (i < self->count && strcmp(self->rows[i].word.text, in->text) != 0)
        i++;
    if (i == WORDS_MAX) {
        self->others++;
        return;
    }
    if (i == self->count)
        self->rows[self->count++].word = *in;
    self->rows[i].count++;
}

static int row_compare(const void *a, const void *b)
{
    return strcmp(((const struct tally_row *)a)->word.text,
                  ((const struct tally_row *)b)->word.text);
}

static sp_err tally_on_print(struct tally *self, const sp_empty *in, uint64_t *out_total)
{
    (void)in;
    uint64_t total = self->others;
    qsort(self->rows, self->count, sizeof(self->rows[0]), row_compare);
    for (size_t i = 0; i < self->count; i++) {
        printf("%s %llu\n", self->rows[i].word.text, (unsigned long long)self->rows[i].count);
        total += self->rows[i].count;
    }
    if (self->others != 0)
        printf("(others) %llu\n", (unsigned long long)self->others);
    *out_total = total;
    return SP_OK;
}

SP_STATE(tally, struct tally);
SP_ON_CAST(tally, add);
SP_ON_CALL(tally, print);
SP_CLASS(tally, .init = NULL);

/* ---- in the middle: finds the word of a line ---- */

struct parser_args {
    tally_ref tally;
    unsigned column;
};

SP_SERVER(parser, struct parser_args);
SP_CAST(parser, parse, struct line);
SP_POOL(parser);
SP_POOL_CAST(parser, parse);

struct parser {
    struct parser_args args;
};

static sp_err parser_init(struct parser *self, const struct parser_args *args)
{
    self->args = *args;
    return SP_OK;
}

static void parser_on_parse(struct parser *self, const struct line *in)
{
    static const char spaces[] = " \t\r\n";
    const char *at = in->text + strspn(in->text, spaces);
    for (unsigned i = 1; i < self->args.column; i++) {
        at += strcspn(at, spaces);
        at += strspn(at, spaces);
    }
    struct word word = { "" };
    size_t length = strcspn(at, spaces);
    memcpy(word.text, at, length < WORD_SIZE - 1 ? length : WORD_SIZE - 1);
    if (word.text[0] == '\0')
        strcpy(word.text, "(none)");
    /* The tally is there as long as the pool is: it is stopped after it. */
    sp_ignore(tally_add_wait(self->args.tally, &word, sp_never()));
}

SP_STATE(parser, struct parser);
SP_ON_INIT(parser);
SP_ON_CAST(parser, parse);
SP_CLASS(parser, .init = parser__init);

/* ---- the begin: reads lines ---- */

struct batch {
    FILE *file;
    struct line *lines; /* BATCH of them */
    size_t count;
};

static void read_batch(void *data)
{
    struct batch *batch = data;
    batch->count = 0;
    while (batch->count < BATCH && fgets(batch->lines[batch->count].text, LINE_SIZE, batch->file)) {
        struct line *line = &batch->lines[batch->count++];
        for (int c = (unsigned char)line->text[strlen(line->text) - 1]; c != '\n' && c != EOF;)
            c = fgetc(batch->file);
    }
}

/* How many lines. */
static sp_err feed(FILE *file, parser_pool pool, uint64_t *out_lines)
{
    struct batch batch = { .file = file, .lines = calloc(BATCH, sizeof(struct line)) };
    sp_err err = batch.lines == NULL ? SP_ERR_NOMEM : SP_OK;
    *out_lines = 0;
    do {
        if (err == SP_OK)
            err = sp_blocking(read_batch, &batch, sizeof(batch), sp_never());
        for (size_t i = 0; err == SP_OK && i < batch.count; i++)
            err = parser_parse_wait(pool.jobs, &batch.lines[i], sp_never());
        *out_lines += batch.count;
    } while (err == SP_OK && batch.count == BATCH);
    free(batch.lines);
    return err;
}

/* ---- all of it ---- */

struct pipeline {
    const char *path;
    unsigned column;
    uint32_t workers;
};

static sp_err pipeline_run(FILE *file, const struct pipeline *pipeline)
{
    struct sp_server_options bounded = { .spawn = { .mailbox_max = WORDS_WAITING } };
    struct parser_args args = { .column = pipeline->column };
    struct sp_pool_options how = { .min = pipeline->workers, .queue_max = LINES_WAITING };
    struct sp_pool_info info;
    parser_pool pool;
    uint64_t lines = 0;
    uint64_t counted = 0;
    sp_err err = tally_start(&(sp_empty){ 0 }, &bounded, &args.tally);
    if (err != SP_OK)
        return err;
    err = parser_pool_start(&args, &how, &pool);
    if (err != SP_OK)
        return err;
    err = feed(file, pool, &lines);
    sp_err stopped = parser_pool_stop(pool, sp_never(), &info);
    err = err != SP_OK ? err : stopped;
    if (err == SP_OK)
        err = tally_print(args.tally, &(sp_empty){ 0 }, &counted, sp_never());
    if (err == SP_OK && (info.finished != lines || counted != lines))
        err = SP_ERR_IO; /* cannot be: the pool has no job that is not done */
    return err;
}

static int run(void *arg)
{
    const struct pipeline *pipeline = arg;
    FILE *file = fopen(pipeline->path, "re");
    if (file == NULL) {
        fprintf(stderr, "log_pipeline: %s: %s\n", pipeline->path, strerror(errno));
        return EXIT_FAILURE;
    }
    sp_err err = pipeline_run(file, pipeline);
    if (err == SP_OK && ferror(file))
        err = SP_ERR_IO;
    if (fclose(file) != 0 || err != SP_OK)
        fprintf(stderr, "log_pipeline: %s: %s\n", pipeline->path, sp_err_text(err));
    return err == SP_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct pipeline pipeline = { .workers = 4 };
    if (argc > 2) {
        pipeline.path = argv[1];
        pipeline.column = (unsigned)strtoul(argv[2], NULL, 10);
    }
    if (argc > 3)
        pipeline.workers = (uint32_t)strtoul(argv[3], NULL, 10);
    if (argc < 3 || argc > 4 || pipeline.column == 0 || pipeline.workers == 0) {
        fprintf(stderr, "usage: log_pipeline FILE COLUMN [WORKERS]\n");
        return EXIT_FAILURE;
    }
    return sp_main(run, &pipeline, NULL);
}
