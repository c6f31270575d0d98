/* Acceptance: a process that is given up while its handler is anywhere: everybody is told once, nothing
 * of it comes later, and nothing is left. docs/decisions/0037-giving-up.md.
 */
#include "accept.h"

enum {
    CALLERS = 2,
    STEPS = 6,
};

/* A word of the mule's. */
struct word {
    int generation;
    int number;
};
SP_MESSAGE(word, struct word);

struct load {
    sp_pid main;
    int generation;
};

static struct {
    int answered;
    int died;
    int finished; /* handlers that came to their end */
    int deferred;
    int entered; /* deferred functions that began */
    int begun;
} books;

struct mule_args {
    struct sp_scheduling scheduling;
    struct load load;
};

struct mule {
    struct load load;
};

SP_SERVER(mule, struct mule_args);
/** Says a word at each step. */
SP_CALL(mule, carry, sp_empty, int);
/** Puts its answer off. */
SP_CALL(mule, later, sp_empty, int);
SP_CALL(mule, ask, sp_empty, int);

static void mule_deferred(void *arg)
{
    (void)arg;
    books.entered++;
    sp_yield();
    books.deferred++;
}

static sp_err mule_init(struct mule *self, const struct mule_args *args)
{
    self->load = args->load;
    books.begun++;
    sp_err err = sp_defer(mule_deferred, NULL);
    return err == SP_OK ? sp_scheduling_set(&args->scheduling) : err;
}

static sp_err mule_on_carry(struct mule *self, const sp_empty *in, int *out)
{
    (void)in;
    for (int i = 0; i < STEPS; i++) {
        struct word word = { self->load.generation, i };
        sp_ignore(word_send(self->load.main, &word));
        if (i % 2 == 0)
            sp_yield();
    }
    *out = STEPS;
    books.finished++;
    return SP_OK;
}

static sp_err mule_on_later(struct mule *self, const sp_empty *in, int *out)
{
    (void)self;
    (void)in;
    (void)out;
    sp_request request;
    sp_err err = sp_request_take(&request);
    return err == SP_OK ? SP_ERR_DEFERRED : err;
}

static sp_err mule_on_ask(struct mule *self, const sp_empty *in, int *out)
{
    (void)in;
    *out = self->load.generation;
    return SP_OK;
}

static void mule_terminate(struct mule *self, const struct sp_reason *reason)
{
    (void)reason;
    struct word word = { self->load.generation, STEPS };
    sp_yield();
    sp_ignore(word_send(self->load.main, &word));
}

SP_STATE(mule, struct mule);
SP_ON_INIT(mule);
SP_ON_TERMINATE(mule);
SP_ON_CALL(mule, carry);
SP_ON_CALL(mule, later);
SP_ON_CALL(mule, ask);
SP_CLASS(mule, .init = mule__init, .terminate = mule__terminate);

/* Asks a mule, and takes others meanwhile. */
SP_SERVER(agent, sp_pid);
SP_CALL(agent, send_for, sp_empty, int);

static sp_err agent_on_send_for(sp_pid *self, const sp_empty *in, int *out)
{
    return mule_carry((mule_ref){ *self }, in, out, sp_never());
}

SP_STATE(agent, sp_pid);
SP_ON_CALL(agent, send_for);
SP_CLASS(agent, .reentrancy = SP_REENTRANCY_FULL);

static mule_ref mule_begin(struct sp_scheduling scheduling, int generation)
{
    struct mule_args args = { scheduling, { sp_self(), generation } };
    struct sp_server_options options = { .spawn = { .name = "mule" } };
    mule_ref ref;
    EXPECT(mule_start(&args, &options, &ref) == SP_OK);
    return ref;
}

/* Nobody waits for ever: each of these has no deadline. */
static void count(sp_err err)
{
    EXPECT(err == SP_OK || err == SP_ERR_DIED || err == SP_ERR_NOPROC);
    books.answered += err == SP_OK;
    books.died += err != SP_OK;
}

static void carries(void *arg)
{
    int out;
    count(mule_carry((mule_ref){ *(sp_pid *)arg }, &(sp_empty){ 0 }, &out, sp_never()));
}

static void sends_for(void *arg)
{
    int out;
    count(agent_send_for((agent_ref){ *(sp_pid *)arg }, &(sp_empty){ 0 }, &out, sp_never()));
}

static void puts_off(void *arg)
{
    int out;
    EXPECT(mule_later((mule_ref){ *(sp_pid *)arg }, &(sp_empty){ 0 }, &out, sp_never()) != SP_OK);
}

struct pair {
    sp_pid mule;
    sp_pid well;
};

static void asks_both(void *arg)
{
    const struct pair *pair = arg;
    int outs[2];
    struct sp_multi targets[] = { { .server = pair->mule, .out = &outs[0] },
                                  { .server = pair->well, .out = &outs[1] } };
    EXPECT(sp_server_multi_call(&mule_ask_op, &(sp_empty){ 0 }, targets, 2, sp_never()) == SP_OK);
    EXPECT(targets[1].err == SP_OK);
    EXPECT(targets[0].err == SP_OK || targets[0].err == SP_ERR_DIED ||
           targets[0].err == SP_ERR_NOPROC);
}

/* Words until its end is told; none after that. */
static void hear(sp_monitor_ref ref, bool *out_given_up)
{
    for (bool down = false; !down;) {
        struct sp_message *message = accept_next();
        const struct sp_down *notice = sp_message_down(message);
        down = notice != NULL && notice->ref.id == ref.id;
        if (down)
            *out_given_up = sp_reason_code(notice->reason) == SP_ERR_ABANDONED;
        sp_message_free(message);
    }
}

static void hear_nothing_of_the_first(void)
{
    struct sp_message *message;
    while (sp_receive(sp_nowait(), &message) == SP_OK) {
        const struct word *word = word_of(message);
        EXPECT(word == NULL || word->generation != 1);
        sp_message_free(message);
    }
}

/* Its owner goes through its exit after all others know of it. */
static void await_its_end(void)
{
    struct sp_stats stats;
    for (sp_runtime_stats(sp_runtime_current(), &stats); stats.abandoned_left != 0;
         sp_runtime_stats(sp_runtime_current(), &stats))
        sp_sleep(sp_ms(1));
}

/* The first one's end is told while its handler may be anywhere; its name is free by then. */
static void given_up_main(void *unused)
{
    (void)unused;
    memset(&books, 0, sizeof(books));
    struct sp_scheduling strict = {
        .handler_deadline = sp_us(1 + (int64_t)sp_choose(40)),
        .on_overrun = SP_OVERRUN_ABANDON,
        .abandon_after = sp_choose(2) ? sp_us(1 + (int64_t)sp_choose(5)) : sp_ms(-1),
    };
    mule_ref mule = mule_begin(strict, 1);
    struct sp_server_options no_name = { 0 };
    struct mule_args well_args = { { 0 }, { sp_self(), 3 } };
    mule_ref well;
    EXPECT(mule_start(&well_args, &no_name, &well) == SP_OK);
    agent_ref agent;
    EXPECT(agent_start(&mule.pid, NULL, &agent) == SP_OK);
    sp_monitor_ref ref;
    EXPECT(sp_monitor(mule.pid, &ref) == SP_OK);
    struct pair pair = { mule.pid, well.pid };
    sp_pid pids[] = {
        accept_spawn("a", carries, &mule.pid),    accept_spawn("b", sends_for, &agent.pid),
        accept_spawn("c", sends_for, &agent.pid), accept_spawn("d", puts_off, &mule.pid),
        accept_spawn("e", asks_both, &pair),
    };
    accept_join(pids[0]);
    accept_join(pids[1]);
    accept_join(pids[2]);
    sp_ignore(sp_stop(mule.pid, NULL, sp_never())); /* where none was late */
    bool given_up = false;
    hear(ref, &given_up);
    EXPECT(!sp_is_alive(mule.pid));
    mule_ref next = mule_begin((struct sp_scheduling){ 0 }, 2);
    int generation = 0;
    EXPECT(mule_ask(next, &(sp_empty){ 0 }, &generation, sp_never()) == SP_OK && generation == 2);
    for (size_t i = 3; i < sizeof(pids) / sizeof(pids[0]); i++)
        accept_join(pids[i]);
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    EXPECT(stats.abandoned == given_up);
    EXPECT(books.answered + books.died == 3);
    sp_sometimes(given_up, "one is given up");
    sp_sometimes(!given_up && books.died != 0, "one ends in good order instead");
    sp_ignore(sp_kill(well.pid));
    sp_ignore(sp_kill(next.pid));
    sp_ignore(sp_kill(agent.pid));
    accept_join(well.pid);
    accept_join(next.pid);
    accept_join(agent.pid);
    await_its_end();
    /* One that was late itself ends in the middle. */
    EXPECT(books.entered == books.begun && books.deferred >= books.begun - 1);
    hear_nothing_of_the_first();
    accept_close();
}

ACCEPT(all_are_told_of_one_that_is_given_up_and_nothing_comes_later, given_up_main);

ACCEPT(the_same_at_any_time, given_up_main, .abstract_time = true);

/* ---- one with several handlers at once ---- */

struct ox_args {
    struct sp_scheduling scheduling;
    sp_pid well;
};

SP_SERVER(ox, struct ox_args);
/** Asks another on the way, and takes others meanwhile. */
SP_CALL(ox, pull, sp_empty, int);

static sp_err ox_init(sp_pid *self, const struct ox_args *args)
{
    *self = args->well;
    return sp_scheduling_set(&args->scheduling);
}

static sp_err ox_on_pull(sp_pid *self, const sp_empty *in, int *out)
{
    sp_yield();
    sp_err err = mule_ask((mule_ref){ *self }, in, out, sp_never());
    sp_yield();
    return err;
}

SP_STATE(ox, sp_pid);
SP_ON_INIT(ox);
SP_ON_CALL(ox, pull);
SP_CLASS(ox, .init = ox__init, .reentrancy = SP_REENTRANCY_FULL);

static void pulls(void *arg)
{
    int out;
    count(ox_pull((ox_ref){ *(sp_pid *)arg }, &(sp_empty){ 0 }, &out, sp_never()));
}

static void reentrant_main(void *unused)
{
    (void)unused;
    memset(&books, 0, sizeof(books));
    mule_ref well = mule_begin((struct sp_scheduling){ 0 }, 1);
    struct ox_args args = { .well = well.pid,
                            .scheduling = { .handler_deadline = sp_us(1 + (int64_t)sp_choose(40)),
                                            .on_overrun = SP_OVERRUN_ABANDON,
                                            .abandon_after = sp_ms(-1) } };
    ox_ref ox;
    EXPECT(ox_start(&args, NULL, &ox) == SP_OK);
    sp_pid pids[3];
    for (int i = 0; i < 3; i++)
        pids[i] = accept_spawn("p", pulls, &ox.pid);
    for (int i = 0; i < 3; i++)
        accept_join(pids[i]);
    EXPECT(books.answered + books.died == 3);
    sp_sometimes(books.died > 1, "several are told");
    await_its_end();
    accept_close();
}

ACCEPT(all_who_wait_for_one_with_several_handlers_are_told, reentrant_main);

ACCEPT(the_same_of_several_handlers_at_any_time, reentrant_main, .abstract_time = true);
