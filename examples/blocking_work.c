/* Work that blocks: a read that waits for somebody else, as of a slow library or a device.
 *
 * Processes share a few threads, here a single one. One that blocked it would hold up all the
 * others. So work that blocks goes elsewhere: to a server with a thread of its own, where it
 * blocks nobody else, or with sp_blocking() to a pool, and meanwhile the process is suspended.
 *
 * The proof: both reads below wait for a byte that the ticker writes with its tenth tick. If
 * either blocked the one worker, the ticker would never get there.
 */
#include <spawned/spawned.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- a server that ticks ---- */

struct ticker_args {
    int fd;    /* gets a byte ... */
    int ticks; /* ... with this tick, the last */
};
SP_SERVER(ticker, struct ticker_args);
SP_CAST(ticker, tick, sp_empty);

struct ticker {
    struct ticker_args args;
    int count;
};

static sp_err ticker_init(struct ticker *self, const struct ticker_args *args)
{
    const struct sp_timer_options every = { .after = sp_ms(5), .period = sp_ms(5) };
    *self = (struct ticker){ .args = *args };
    return ticker_tick_timer((ticker_ref){ sp_self() }, &(sp_empty){ 0 }, &every, NULL);
}

static void ticker_on_tick(struct ticker *self, const sp_empty *in)
{
    (void)in;
    printf("  tick %d\n", ++self->count);
    if (self->count < self->args.ticks)
        return;
    if (write(self->args.fd, "x", 1) != 1)
        sp_exit_error(SP_ERR_IO, "cannot write");
    sp_server_stop_self(sp_reason_normal());
}

SP_STATE(ticker, struct ticker);
SP_ON_INIT(ticker);
SP_ON_CAST(ticker, tick);
SP_CLASS(ticker, .init = ticker__init);

/* ---- a server whose operation blocks its thread ---- */

struct byte {
    char value;
};
SP_SERVER(reader, int); /* the descriptor that it reads */
SP_CALL(reader, next, sp_empty, struct byte);

static sp_err reader_init(int *fd, const int *args)
{
    *fd = *args;
    return SP_OK;
}

static sp_err reader_on_next(int *fd, const sp_empty *in, struct byte *out)
{
    (void)in;
    return read(*fd, &out->value, 1) == 1 ? SP_OK : SP_ERR_IO;
}

SP_STATE(reader, int);
SP_ON_INIT(reader);
SP_ON_CALL(reader, next);
SP_CLASS(reader, .init = reader__init);

/* ---- the same as a piece of work for the pool ---- */

struct read_work {
    int fd;
    struct byte byte;
    bool done;
};

/** Runs on a thread that is no process: it may block, and may not use the runtime. */
static void read_work_run(void *data)
{
    struct read_work *work = data;
    work->done = read(work->fd, &work->byte.value, 1) == 1;
}

static void close_both(void *fds)
{
    (void)close(((int *)fds)[0]);
    (void)close(((int *)fds)[1]);
}

static int run(void *arg)
{
    (void)arg;
    int *fds =
        sp_alloc(2 * sizeof *fds); /* not on the stack, which is gone before they are closed */
    struct byte byte = { 0 };
    reader_ref reader;
    /* Descriptors belong to the program, so say what becomes of them when this process ends. */
    if (pipe(fds) != 0 || sp_defer(close_both, fds) != SP_OK)
        return EXIT_FAILURE;
    const struct ticker_args ticks = { .fd = fds[1], .ticks = 10 };

    const struct sp_server_options own_thread = { .spawn.own_thread = true };
    if (reader_start(&fds[0], &own_thread, &reader) != SP_OK ||
        ticker_start(&ticks, NULL, NULL) != SP_OK)
        return EXIT_FAILURE;
    printf("a server with a thread of its own reads\n");
    sp_err err = reader_next(reader, &(sp_empty){ 0 }, &byte, sp_after_sec(60));
    printf("it has read '%c': %s\n", byte.value, sp_err_text(err));
    if (err != SP_OK)
        return EXIT_FAILURE;

    struct read_work work = { .fd = fds[0] };
    if (ticker_start(&ticks, NULL, NULL) != SP_OK)
        return EXIT_FAILURE;
    printf("sp_blocking() reads\n");
    err = sp_blocking(read_work_run, &work, sizeof work, sp_after_sec(60));
    printf("it has read '%c': %s\n", work.byte.value, sp_err_text(err));
    return err == SP_OK && work.done ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(void)
{
    return sp_main(run, NULL, &(struct sp_runtime_options){ .workers = 1 });
}
