/* Work at an interval: an updater fetches a rate from its source again and again.
 *
 * The timer belongs to the updater's process and sends it an ordinary cast, so a tick is handled
 * between two other messages, never in the middle of one. The fetch suspends the updater until
 * the source has answered, or for so long at most; that costs a small stack, not a thread.
 */
#include <spawned/spawned.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- where the rates come from; could be far away ---- */

struct rate {
    int cents;
};

SP_SERVER(source, struct rate); /* the rate it starts with */
SP_CALL(source, fetch, sp_empty, struct rate);

struct source {
    struct rate rate;
    int fetches;
};

static sp_err source_init(struct source *self, const struct rate *first)
{
    self->rate = *first;
    return SP_OK;
}

static sp_err source_on_fetch(struct source *self, const sp_empty *in, struct rate *out)
{
    (void)in;
    if (++self->fetches % 3 == 0)
        return SP_ERR_REFUSED; /* it has its moods */
    self->rate.cents += 5;
    *out = self->rate;
    return SP_OK;
}

SP_STATE(source, struct source);
SP_ON_INIT(source);
SP_ON_CALL(source, fetch);
SP_CLASS(source, .init = source__init);

/* ---- the updater ---- */

struct updater_args {
    source_ref source;
    int updates; /* how many until it has seen enough */
};

SP_SERVER(updater, struct updater_args);
SP_CAST(updater, tick, sp_empty);

struct updater {
    struct updater_args args;
    struct rate latest;
    int ticks;
};

static sp_err updater_init(struct updater *self, const struct updater_args *args)
{
    /* The period does not drift: ticks come at 20, 40, 60 ms, however long an update takes. Those
     * that are missed altogether are skipped, not made up for. */
    const struct sp_timer_options every = { .after = sp_ms(20), .period = sp_ms(20) };
    *self = (struct updater){ .args = *args };
    return updater_tick_timer((updater_ref){ sp_self() }, &(sp_empty){ 0 }, &every, NULL);
}

static void updater_on_tick(struct updater *self, const sp_empty *in)
{
    (void)in;
    self->ticks++;
    sp_err err = source_fetch(self->args.source, &(sp_empty){ 0 }, &self->latest, sp_after_sec(5));
    if (err != SP_OK) /* `latest` is untouched: an old rate is better than none */
        printf("tick %d: %s, the rate stays %d\n", self->ticks, sp_err_text(err),
               self->latest.cents);
    else
        printf("tick %d: the rate is %d\n", self->ticks, self->latest.cents);
    if (self->ticks == self->args.updates)
        sp_server_stop_self(sp_reason_normal()); /* and the timer ends with it */
}

SP_STATE(updater, struct updater);
SP_ON_INIT(updater);
SP_ON_CAST(updater, tick);
SP_CLASS(updater, .init = updater__init);

static int run(void *arg)
{
    (void)arg;
    struct updater_args args = { .updates = 5 };
    updater_ref updater;
    if (source_start(&(struct rate){ 100 }, NULL, &args.source) != SP_OK ||
        updater_start(&args, NULL, &updater) != SP_OK ||
        sp_join(updater.pid, sp_after_sec(60), NULL) != SP_OK)
        return EXIT_FAILURE;
    printf("updater is done\n");
    return EXIT_SUCCESS;
}

int main(void)
{
    return sp_main(run, NULL, NULL);
}
