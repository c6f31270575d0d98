/* Acceptance: read-only operations that run in parallel, and never beside a writer; in every order
 * of events. */
#include "accept.h"

enum { CLIENTS = 3, ROUNDS = 3, READERS = 2 };

/* What an operation does, besides being counted. */
struct errand {
    int client;
    int value;
    sp_pid via; /* it calls this one, */
    char back;  /* which calls the server: 'r' a read, 'w' a write, 'p' a cast, 'c' a read that
                 * calls it back, 'k' a write by way of a reentrant server, 0 nobody */
    bool dies;
};

SP_SERVER(book, sp_empty);
SP_CALL(book, get, struct errand, int);
SP_CALL(book, set, struct errand, int);
SP_CAST(book, put, struct errand);

/* In between: calls back where it is told. */
SP_SERVER(mid, sp_empty);
SP_CALL(mid, relay, struct errand, int);

/* The same, and takes other messages while it waits. */
SP_SERVER(knot, sp_empty);
SP_CALL(knot, tie, struct errand, int);

struct book {
    int of[CLIENTS];
};

/* Between two points nothing else runs. */
static int reading;
static int writing;
static int most_reading;
static int late;  /* on_timeout came */
static bool gone; /* what the server owns is released: nobody may read any more */
static bool terminated;
static bool killing; /* reads may be left without an end */
static book_ref server;
static mid_ref mid;
static knot_ref knot;

static void write_alone(void)
{
    EXPECT((killing || reading == 0) && writing == 0);
    writing++;
    sp_yield();
    EXPECT((killing || reading == 0) && writing == 1);
    writing--;
}

static void book_gone(void *unused)
{
    (void)unused;
    EXPECT(killing || (reading == 0 && writing == 0));
    gone = true;
}

static sp_err book_init(struct book *self, const sp_empty *args)
{
    (void)args;
    EXPECT(sp_defer(book_gone, NULL) == SP_OK);
    *self = (struct book){ .of = { 0 } };
    return SP_OK;
}

static sp_err read_more(const struct errand *in, int *out)
{
    if (in->dies)
        accept_die("a read dies");
    if (in->back == 'k')
        return knot_tie(knot, in, out, sp_never());
    if (in->back != 0)
        return mid_relay(mid, in, out, sp_never());
    sp_yield();
    return SP_OK;
}

static sp_err book_on_get(const struct book *self, const struct errand *in, int *out)
{
    EXPECT(writing == 0 && !gone);
    reading++;
    most_reading = reading > most_reading ? reading : most_reading;
    int before = self->of[in->client];
    sp_err err = read_more(in, out);
    EXPECT(writing == 0 && !gone && self->of[in->client] == before);
    reading--;
    *out = before;
    return err;
}

static sp_err book_on_set(struct book *self, const struct errand *in, int *out)
{
    write_alone();
    *out = self->of[in->client];
    self->of[in->client] = in->value;
    return SP_OK;
}

static void book_on_put(struct book *self, const struct errand *in)
{
    write_alone();
    self->of[in->client] = in->value;
    sp_server_idle_after(sp_ms(1));
}

static void book_timeout(struct book *self)
{
    (void)self;
    write_alone();
    late++;
}

static void book_terminate(struct book *self, const struct sp_reason *reason)
{
    (void)self;
    (void)reason;
    EXPECT(!gone);
    write_alone();
    terminated = true;
}

SP_STATE(book, struct book);
SP_ON_READ(book, get);
SP_ON_CALL(book, set);
SP_ON_CAST(book, put);
SP_ON_INIT(book);
SP_ON_TIMEOUT(book);
SP_ON_TERMINATE(book);
SP_CLASS(book, SP_READERS(READERS), .init = book__init, .terminate = book__terminate,
         .on_timeout = book__timeout);

static sp_err mid_on_relay(int *state, const struct errand *in, int *out)
{
    (void)state;
    struct errand errand = { .client = in->client, .value = in->value };
    if (in->back == 'p')
        return book_put(server, &errand);
    if (in->back == 'c')
        errand.back = 'r';
    return in->back == 'w' ? book_set(server, &errand, out, sp_never())
                           : book_get(server, &errand, out, sp_never());
}

SP_STATE(mid, int);
SP_ON_CALL(mid, relay);
SP_CLASS(mid);

static sp_err knot_on_tie(int *state, const struct errand *in, int *out)
{
    (void)state;
    struct errand errand = { .client = in->client, .value = in->value };
    return book_set(server, &errand, out, sp_never());
}

SP_STATE(knot, int);
SP_ON_CALL(knot, tie);
SP_CLASS(knot, .reentrancy = SP_REENTRANCY_FULL);

static void begin(void)
{
    reading = writing = most_reading = late = 0;
    gone = terminated = killing = false;
    EXPECT(book_start(NULL, NULL, &server) == SP_OK);
    EXPECT(mid_start(NULL, NULL, &mid) == SP_OK);
}

static sp_err get(const struct errand *in, int *out)
{
    return book_get(server, in, out, sp_never());
}

/* ---- reads together, a writer alone, each client in its order ---- */

static void client_main(void *arg)
{
    struct errand errand = { .client = *(int *)arg };
    for (int round = 1; round <= ROUNDS; round++) {
        int out = -1;
        EXPECT(get(&errand, &out) == SP_OK && out == errand.value);
        errand.value = round;
        if (round == 2)
            EXPECT(book_put(server, &errand) == SP_OK);
        else
            EXPECT(book_set(server, &errand, &out, sp_never()) == SP_OK && out == round - 1);
        EXPECT(get(&errand, &out) == SP_OK && out == round);
    }
}

static void together_main(void *unused)
{
    static int numbers[CLIENTS] = { 0, 1, 2 };
    sp_pid pids[CLIENTS];
    (void)unused;
    begin();
    for (int i = 0; i < CLIENTS; i++)
        pids[i] = accept_spawn(NULL, client_main, &numbers[i]);
    for (int i = 0; i < CLIENTS; i++)
        accept_join(pids[i]);
    sp_sometimes(most_reading == 2, "two reads at once");
    sp_sometimes(most_reading == 3, "the server reads, too");
    EXPECT(book_put(server, &(struct errand){ 0 }) == SP_OK);
    sp_sleep(sp_ms(10));
    EXPECT(late == 1);
    EXPECT(book_stop(server, sp_never()) == SP_OK);
    EXPECT(terminated && gone && reading == 0);
}
ACCEPT(reads_together_and_writers_alone, together_main);

/* ---- the end of a reader, and of the server ---- */

static void any_client_main(void *arg)
{
    struct errand errand = { .client = *(int *)arg };
    for (int round = 1; round <= ROUNDS; round++) {
        int out;
        sp_err err = get(&errand, &out);
        EXPECT(err == SP_OK || err == SP_ERR_DIED || err == SP_ERR_NOPROC);
        if (*(int *)arg == 0)
            err = book_set(server, &errand, &out, sp_never());
        EXPECT(err == SP_OK || err == SP_ERR_DIED || err == SP_ERR_NOPROC ||
               err == SP_ERR_DEADLOCK); /* for which a case must say so */
    }
}

static void among_clients(void (*act)(void))
{
    static int numbers[CLIENTS] = { 0, 1, 2 };
    sp_pid pids[CLIENTS];
    begin();
    killing = true;
    for (int i = 0; i < CLIENTS; i++)
        pids[i] = accept_spawn(NULL, any_client_main, &numbers[i]);
    act();
    accept_join(server.pid);
    EXPECT(gone && !sp_is_alive(server.pid));
    for (int i = 0; i < CLIENTS; i++)
        accept_join(pids[i]);
    EXPECT(sp_stop(mid.pid, NULL, sp_never()) == SP_OK);
    accept_settle();
    EXPECT(accept_alone()); /* the readers went, too */
}

static void kill_server(void)
{
    sp_ignore(sp_kill(server.pid));
}

static void kill_main(void *unused)
{
    (void)unused;
    among_clients(kill_server);
    EXPECT(!terminated);
}
ACCEPT(a_server_is_killed_while_it_is_read, kill_main);

static void stop_server(void)
{
    EXPECT(book_stop(server, sp_never()) == SP_OK);
}

static void stop_main(void *unused)
{
    (void)unused;
    among_clients(stop_server);
    EXPECT(terminated && reading == 0);
}
ACCEPT(a_server_is_stopped_while_it_is_read, stop_main);

static void drain_server(void)
{
    sp_err err = sp_drain(server.pid, sp_never());
    EXPECT(err == SP_OK);
}

static void drain_client_main(void *arg)
{
    struct errand errand = { .client = *(int *)arg };
    int out;
    for (int round = 0; round < ROUNDS; round++) {
        sp_err err = get(&errand, &out);
        EXPECT(err == SP_OK || err == SP_ERR_SHUTDOWN || err == SP_ERR_NOPROC);
        sp_sometimes(err == SP_OK && sp_is_alive(server.pid), "answered in time");
    }
}

static void drain_main(void *unused)
{
    static int numbers[CLIENTS] = { 0, 1, 2 };
    sp_pid pids[CLIENTS];
    (void)unused;
    begin();
    for (int i = 0; i < CLIENTS; i++)
        pids[i] = accept_spawn(NULL, drain_client_main, &numbers[i]);
    sp_yield();
    drain_server();
    for (int i = 0; i < CLIENTS; i++)
        accept_join(pids[i]);
    EXPECT(terminated && gone && reading == 0);
}
ACCEPT(a_server_drains_and_answers_its_reads, drain_main);

static void die_in_read(void)
{
    int out;
    sp_err err = get(&(struct errand){ .dies = true }, &out);
    EXPECT(err == SP_ERR_DIED);
}

static void fault_main(void *unused)
{
    sp_monitor_ref ref;
    (void)unused;
    begin();
    killing = true;
    EXPECT(sp_monitor(server.pid, &ref) == SP_OK);
    die_in_read();
    struct sp_message *message = accept_next();
    const struct sp_down *down = sp_message_down(message);
    EXPECT(down != NULL && accept_is(down->reason, "a read dies"));
    sp_message_free(message);
    EXPECT(gone && terminated);
}
ACCEPT(a_read_that_dies_ends_the_server, fault_main);

static void fault_among_main(void *unused)
{
    (void)unused;
    among_clients(die_in_read);
}
ACCEPT(a_read_dies_among_others, fault_among_main);

/* ---- circles ---- */

static void reads_again_main(void *unused)
{
    int out;
    (void)unused;
    begin();
    EXPECT(get(&(struct errand){ .back = 'r' }, &out) == SP_OK);
    EXPECT(get(&(struct errand){ .back = 'p', .value = 5 }, &out) == SP_OK);
    EXPECT(get(&(struct errand){ 0 }, &out) == SP_OK && out == 5);
}
ACCEPT(a_read_may_lead_to_another_read, reads_again_main);

static int circles;

static void circle_client_main(void *arg)
{
    int out;
    sp_err err = get(&(struct errand){ .client = *(int *)arg, .back = 'w' }, &out);
    EXPECT(err == SP_OK || err == SP_ERR_DEADLOCK);
    circles += err == SP_ERR_DEADLOCK;
}

/* A read that leads to a write waits for itself: told, whoever closes the circle. */
static void circle_main(void *unused)
{
    static int zero;
    int out;
    (void)unused;
    begin();
    circles = 0;
    sp_pid pid = accept_spawn(NULL, circle_client_main, &zero);
    EXPECT(get(&(struct errand){ .client = 1 }, &out) == SP_OK);
    accept_join(pid);
    EXPECT(circles == 1);
    EXPECT(book_set(server, &(struct errand){ 0 }, &out, sp_never()) == SP_OK);
}
ACCEPT(a_read_that_writes_is_a_deadlock, circle_main, .deadlocks = true);

static void stopper_main(void *unused)
{
    (void)unused;
    sp_err err = book_stop(server, sp_never());
    EXPECT(err == SP_OK);
}

/* As above, while the server is told to end: it does end. */
static void circle_at_the_end_main(void *unused)
{
    static int zero;
    (void)unused;
    begin();
    killing = true;
    sp_pid pid = accept_spawn(NULL, any_client_main, &zero);
    sp_pid stopper = accept_spawn(NULL, stopper_main, NULL);
    int out;
    sp_err err = get(&(struct errand){ .back = 'w' }, &out);
    EXPECT(err == SP_ERR_DEADLOCK || err == SP_ERR_DIED || err == SP_ERR_NOPROC);
    sp_sometimes(err == SP_ERR_DIED, "the read is ended");
    accept_join(stopper);
    accept_join(pid);
    EXPECT(gone && terminated);
}
ACCEPT(a_circle_does_not_hold_up_the_end, circle_at_the_end_main, .deadlocks = true);

/* ---- who is innocent of a circle ---- */

static void writer_main(void *unused)
{
    int out;
    (void)unused;
    for (int i = 0; i < 2; i++) {
        EXPECT(book_set(server, &(struct errand){ .client = 1, .value = i }, &out, sp_never()) ==
               SP_OK);
        EXPECT(book_put(server, &(struct errand){ .client = 2, .value = i }) == SP_OK);
    }
}

/* Writers that come between a read and the read it leads to: the second one is let in before them. */
static void between_main(void *unused)
{
    int out;
    (void)unused;
    begin();
    sp_pid writer = accept_spawn(NULL, writer_main, NULL);
    EXPECT(get(&(struct errand){ .back = 'r' }, &out) == SP_OK);
    EXPECT(get(&(struct errand){ .back = 'r' }, &out) == SP_OK);
    accept_join(writer);
    EXPECT(sp_is_alive(server.pid));
    accept_settle();
    EXPECT(get(&(struct errand){ .client = 2 }, &out) == SP_OK && out == 1);
    EXPECT(book_stop(server, sp_never()) == SP_OK && terminated);
}
ACCEPT(a_writer_between_two_reads_of_one_chain, between_main);

/* The read that leads to a write gives way, whoever else writes. */
static void innocent_main(void *unused)
{
    static int zero;
    int out;
    (void)unused;
    begin();
    circles = 0;
    sp_pid writer = accept_spawn(NULL, writer_main, NULL);
    sp_pid guilty = accept_spawn(NULL, circle_client_main, &zero);
    EXPECT(get(&(struct errand){ .client = 1 }, &out) == SP_OK);
    accept_join(guilty);
    accept_join(writer);
    EXPECT(circles == 1 && sp_is_alive(server.pid));
    accept_settle();
    EXPECT(get(&(struct errand){ .client = 2 }, &out) == SP_OK && out == 1);
}
ACCEPT(a_writer_is_innocent_of_a_circle, innocent_main, .deadlocks = true);

/* A read that calls who waits for it: the caller waits for the reader, not for the server. */
static void callback_main(void *unused)
{
    int out;
    (void)unused;
    begin();
    sp_pid writer = accept_spawn(NULL, writer_main, NULL);
    EXPECT(mid_relay(mid, &(struct errand){ .back = 'c' }, &out, sp_never()) == SP_ERR_DEADLOCK);
    accept_join(writer);
    EXPECT(get(&(struct errand){ .client = 2 }, &out) == SP_OK && out == 1);
}
ACCEPT(a_read_that_calls_its_caller_is_a_deadlock, callback_main, .deadlocks = true);

/* Who waits put aside may not look for itself. */
static void aside_main(void *unused)
{
    int out;
    (void)unused;
    begin();
    EXPECT(knot_start(NULL, NULL, &knot) == SP_OK);
    sp_pid writer = accept_spawn(NULL, writer_main, NULL);
    EXPECT(get(&(struct errand){ .back = 'k' }, &out) == SP_ERR_DEADLOCK);
    accept_join(writer);
    EXPECT(get(&(struct errand){ .client = 2 }, &out) == SP_OK && out == 1);
}
ACCEPT(a_writer_is_innocent_of_a_reentrant_circle, aside_main, .deadlocks = true);
