/* Ctrl-C: two tickers, each of which is told of the system's signals and ends in its own way.
 *
 * A signal comes as a message, in its turn between others, so a ticker is never interrupted in the
 * middle of something. Any number of processes may subscribe. A second Ctrl-C, should the end take
 * too long, has its usual effect at once. (A program that is a tree of supervisors needs none
 * of this: sp_application_run() stops the tree in order; see application.h.)
 */
#include <spawned/os_signal.h>
#include <spawned/spawned.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ticker_args {
    char name[8];
    sp_duration period;
};
SP_SERVER(ticker, struct ticker_args);
SP_CAST(ticker, tick, sp_empty);

struct ticker {
    struct ticker_args args;
    long ticks;
};

static sp_err ticker_init(struct ticker *self, const struct ticker_args *args)
{
    const struct sp_timer_options every = { .after = args->period, .period = args->period };
    *self = (struct ticker){ .args = *args };
    sp_err err = sp_os_signal_subscribe(SP_OS_SIGNAL_ONCE, sp_after_sec(5));
    if (err != SP_OK)
        return err; /* what the start returns */
    return ticker_tick_timer((ticker_ref){ sp_self() }, &(sp_empty){ 0 }, &every, NULL);
}

static void ticker_on_tick(struct ticker *self, const sp_empty *in)
{
    (void)in;
    self->ticks++;
}

/** A message that is no operation: here a signal of the system. */
static void ticker_message(struct ticker *self, struct sp_message *message)
{
    const struct sp_os_signal *signal = sp_os_signal_of(message);
    (void)self;
    if (signal != NULL)
        sp_server_stop_self(sp_reason_normal());
}

/** Once, however it ends; it may still use the state. */
static void ticker_terminate(struct ticker *self, const struct sp_reason *reason)
{
    printf("%s: %ld ticks, ends: %s\n", self->args.name, self->ticks, sp_reason_text(reason));
}

SP_STATE(ticker, struct ticker);
SP_ON_INIT(ticker);
SP_ON_CAST(ticker, tick);
SP_ON_MESSAGE(ticker);
SP_ON_TERMINATE(ticker);
SP_CLASS(ticker, .init = ticker__init, .on_message = ticker__message,
         .terminate = ticker__terminate);

static int run(void *arg)
{
    ticker_ref fast;
    ticker_ref slow;
    (void)arg;
    if (ticker_start(&(struct ticker_args){ "fast", sp_ms(1) }, NULL, &fast) != SP_OK ||
        ticker_start(&(struct ticker_args){ "slow", sp_ms(10) }, NULL, &slow) != SP_OK)
        return EXIT_FAILURE;
    printf("ticking, press Ctrl-C\n");
    fflush(stdout); /* it may be a pipe: see signals_check.sh */
    if (sp_join(fast.pid, sp_never(), NULL) != SP_OK ||
        sp_join(slow.pid, sp_never(), NULL) != SP_OK)
        return EXIT_FAILURE;
    printf("both have ended\n");
    return EXIT_SUCCESS;
}

int main(void)
{
    return sp_main(run, NULL, NULL);
}
