/* Acceptance: a kill ends whatever an exit waits for: a callback of the process's own, reads that use
 * its state, tasks that use its stack. case 04. */
#include "accept.h"

/* What hangs waits for this one, which never ends by itself. */
static sp_pid never;
static int hanging;
static int deferred;
static bool terminated;

static void hang(void)
{
    hanging++;
    sp_ignore(sp_join(never, sp_never(), NULL));
    accept_failed("never", __FILE__, __LINE__);
}

static void note_deferred(void *unused)
{
    (void)unused;
    deferred++;
}

static void hang_deferred(void *unused)
{
    (void)unused;
    hang();
}

static void begin(void)
{
    hanging = deferred = 0;
    terminated = false;
    never = accept_spawn("never", accept_idle, NULL);
}

static void kill_once(sp_pid pid)
{
    sp_monitor_ref ref;
    EXPECT(sp_monitor(pid, &ref) == SP_OK);
    EXPECT(sp_kill(pid) == SP_OK);
    struct sp_message *message = accept_next();
    const struct sp_down *down = sp_message_down(message);
    EXPECT(down != NULL && accept_is(down->reason, "killed"));
    sp_message_free(message);
}

/* A kill ends only what hangs by then: so ask until the process is gone. */
static void kill_until_gone(sp_pid pid)
{
    for (int i = 0; sp_is_alive(pid); i++) {
        EXPECT(i < 20);
        sp_ignore(sp_kill(pid));
        accept_settle();
    }
}

/* ---- terminate itself ---- */

SP_SERVER(stubborn, sp_empty);

static sp_err stubborn_init(int *state, const sp_empty *args)
{
    (void)state;
    (void)args;
    return sp_defer(note_deferred, NULL);
}

static void stubborn_terminate(int *state, const struct sp_reason *reason)
{
    (void)state;
    (void)reason;
    hang();
}

SP_STATE(stubborn, int);
SP_ON_INIT(stubborn);
SP_ON_TERMINATE(stubborn);
SP_CLASS(stubborn, .init = stubborn__init, .terminate = stubborn__terminate);

static void terminate_main(void *unused)
{
    stubborn_ref server;
    (void)unused;
    begin();
    EXPECT(stubborn_start(NULL, NULL, &server) == SP_OK);
    EXPECT(stubborn_stop(server, sp_after(sp_ms(1))) == SP_ERR_TIMEOUT);
    accept_settle();
    /* Only a kill does; what else asks it to end has nothing more to say. */
    EXPECT(hanging == 1 && sp_is_alive(server.pid));
    EXPECT(sp_signal(server.pid, sp_reason_shutdown()) == SP_OK);
    EXPECT(stubborn_stop(server, sp_after(sp_ms(1))) == SP_ERR_TIMEOUT);
    EXPECT(sp_is_alive(server.pid) && deferred == 0);
    kill_once(server.pid);
    EXPECT(deferred == 1);
}
ACCEPT(a_kill_ends_a_terminate_that_hangs, terminate_main);

/* ---- reads ---- */

SP_SERVER(book, sp_empty);
SP_CALL(book, get, sp_empty, int);

static sp_err book_init(int *state, const sp_empty *args)
{
    (void)state;
    (void)args;
    sp_trap_exit(true); /* or an exit signal would end its reads at once */
    return SP_OK;
}

static sp_err book_on_get(const int *self, const sp_empty *in, int *out)
{
    (void)self;
    (void)in;
    (void)out;
    hang();
    return SP_OK;
}

static void book_terminate(int *state, const struct sp_reason *reason)
{
    (void)state;
    (void)reason;
    terminated = true;
}

SP_STATE(book, int);
SP_ON_READ(book, get);
SP_ON_INIT(book);
SP_ON_TERMINATE(book);
SP_CLASS(book, SP_READERS(2), .init = book__init, .terminate = book__terminate);

static book_ref book;

static void reader_main(void *unused)
{
    int out;
    (void)unused;
    sp_err err = book_get(book, &(sp_empty){ 0 }, &out, sp_never());
    EXPECT(err == SP_ERR_DIED || err == SP_ERR_NOPROC);
}

static void two_read(void)
{
    begin();
    EXPECT(book_start(NULL, NULL, &book) == SP_OK);
    accept_spawn(NULL, reader_main, NULL);
    accept_spawn(NULL, reader_main, NULL);
    accept_settle();
    EXPECT(hanging == 2);
}

static void reads_main(void *unused)
{
    (void)unused;
    two_read();
    EXPECT(book_stop(book, sp_after(sp_ms(1))) == SP_ERR_TIMEOUT);
    EXPECT(sp_is_alive(book.pid));
    kill_once(book.pid);
    EXPECT(!terminated); /* as whenever it is killed */
}
ACCEPT(a_kill_ends_the_reads_that_a_stop_waits_for, reads_main);

static void stopper_main(void *unused)
{
    (void)unused;
    sp_ignore(book_stop(book, sp_never()));
}

/* The kill comes at any moment of the stop. */
static void reads_race_main(void *unused)
{
    (void)unused;
    begin();
    EXPECT(book_start(NULL, NULL, &book) == SP_OK);
    accept_spawn(NULL, reader_main, NULL);
    accept_spawn(NULL, reader_main, NULL);
    sp_pid stopper = accept_spawn(NULL, stopper_main, NULL);
    sp_yield();
    EXPECT(sp_kill(book.pid) == SP_OK || !sp_is_alive(book.pid));
    accept_join(stopper);
    EXPECT(!sp_is_alive(book.pid));
    sp_sometimes(hanging != 0 && terminated == false, "killed while it was read");
    sp_sometimes(terminated, "the stop was first");
}
ACCEPT(a_kill_beside_a_stop_of_a_server_that_is_read, reads_race_main);

/* A supervisor kills what is not gone when its budget is over. */
static void budget_main(void *unused)
{
    const struct sp_child_spec children[] = {
        { .id = "book", .server = &book_class, .shutdown = sp_after(sp_ms(5)) },
    };
    const struct sp_supervisor_spec spec = { .children = children, .child_count = 1 };
    sp_pid supervisor;
    (void)unused;
    begin();
    EXPECT(sp_supervisor_start(&spec, NULL, &supervisor) == SP_OK);
    struct sp_child_info child;
    EXPECT(sp_supervisor_get_child(supervisor, "book", sp_never(), &child) == SP_OK);
    book.pid = child.pid;
    accept_spawn(NULL, reader_main, NULL);
    accept_settle();
    EXPECT(hanging == 1);
    EXPECT(sp_stop(supervisor, NULL, sp_never()) == SP_OK);
    EXPECT(!sp_is_alive(book.pid) && !terminated);
}
ACCEPT(a_shutdown_budget_ends_a_server_that_is_read, budget_main);

/* ---- tasks of a scope ---- */

SP_TASK(nest, int, int);

/* Waits, and in its exit waits again. */
static sp_err nest_run(const int *depth, int *out)
{
    EXPECT(sp_defer(note_deferred, NULL) == SP_OK && sp_defer(hang_deferred, NULL) == SP_OK);
    *out = 0;
    if (*depth > 0) {
        SP_SCOPE(inner, NULL);
        EXPECT(nest_add(inner, &(int){ *depth - 1 }) == SP_OK);
        hang();
    }
    hang();
    return SP_OK;
}
SP_ON_TASK(nest);

static void owner_main(void *unused)
{
    (void)unused;
    EXPECT(sp_defer(note_deferred, NULL) == SP_OK);
    SP_SCOPE(scope, NULL);
    EXPECT(nest_add(scope, &(int){ 1 }) == SP_OK);
    hang();
}

/* The first kill of the owner ends the tasks, whose deferred functions hang; so does each next. */
static void scope_main(void *unused)
{
    (void)unused;
    begin();
    sp_pid owner = accept_spawn(NULL, owner_main, NULL);
    accept_settle();
    EXPECT(hanging == 3);
    EXPECT(sp_kill(owner) == SP_OK);
    accept_settle();
    EXPECT(sp_is_alive(owner) && hanging > 3); /* its stack is used */
    kill_until_gone(owner);
    EXPECT(deferred == 3);
}
ACCEPT(kills_end_the_tasks_that_an_exit_waits_for, scope_main);
