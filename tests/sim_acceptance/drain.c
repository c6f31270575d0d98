/* Draining under every schedule: what was accepted is answered, what was not is refused, and
 * nothing is lost between the two.
 */
#include "accept.h"

enum {
    CALLERS = 3,
    CALLS = 2,
};

static struct {
    int answered; /* by the server */
    int accepted; /* calls that came back with an answer, casts that were sent */
    int refused;
    int casts;
    int terminated;
    bool defers;
    bool killed;
    bool told; /* sp_drain() has been called */
} books;

SP_SERVER(desk, sp_pid);
SP_CALL(desk, ask, int, int);
SP_CAST(desk, note, int);
SP_MESSAGE(handed, sp_request);

struct desk {
    sp_pid helper;
};

static sp_err desk_init(struct desk *self, const sp_pid *helper)
{
    self->helper = *helper;
    return SP_OK;
}

static sp_err desk_on_ask(struct desk *self, const int *in, int *out)
{
    sp_request request;
    books.answered++;
    if (books.defers && *in % 2 == 1 && sp_request_take(&request) == SP_OK) {
        EXPECT(handed_send(self->helper, &request) == SP_OK);
        return SP_ERR_DEFERRED;
    }
    sp_yield();
    *out = *in + 1;
    return SP_OK;
}

static void desk_on_note(struct desk *self, const int *in)
{
    (void)self;
    (void)in;
    books.casts++;
}

static void desk_terminate(struct desk *self, const struct sp_reason *reason)
{
    (void)self;
    EXPECT(accept_is(reason, "shutdown"));
    books.terminated++;
}

SP_STATE(desk, struct desk);
SP_ON_INIT(desk);
SP_ON_TERMINATE(desk);
SP_ON_CALL(desk, ask);
SP_ON_CAST(desk, note);
SP_CLASS(desk, .init = desk__init, .terminate = desk__terminate);

/* Answers what the desk has put off. */
static void helps(void *unused)
{
    (void)unused;
    for (;;) {
        struct sp_message *message = accept_next();
        const sp_request *request = handed_of(message);
        if (request != NULL) {
            sp_yield();
            sp_err err = desk_ask_reply(*request, &(int){ 0 });
            EXPECT(err == SP_OK || (books.killed && err == SP_ERR_STALE));
        }
        sp_message_free(message);
    }
}

static desk_ref desk;

static void asks(void *arg)
{
    for (int i = 0; i < CALLS; i++) {
        int out;
        sp_err err = desk_ask(desk, (int *)arg, &out, sp_never());
        EXPECT(err == SP_OK || err == SP_ERR_SHUTDOWN || err == SP_ERR_NOPROC);
        books.accepted += err == SP_OK;
        books.refused += err != SP_OK;
        EXPECT(err == SP_OK || books.told);
    }
}

static void notes(void *arg)
{
    for (int i = 0; i < CALLS; i++) {
        sp_err err = desk_note(desk, (int *)arg);
        EXPECT(err == SP_OK || err == SP_ERR_SHUTDOWN || err == SP_ERR_NOPROC);
        books.accepted += err == SP_OK;
    }
}

static void drain_main(void *unused)
{
    static int numbers[CALLERS] = { 0, 1, 2 };
    sp_pid callers[CALLERS + 1];
    (void)unused;
    memset(&books, 0, sizeof(books));
    books.defers = sp_choose(2) != 0;
    sp_pid helper = accept_spawn("helper", helps, NULL);
    EXPECT(desk_start(&helper, NULL, &desk) == SP_OK);
    for (int i = 0; i < CALLERS; i++)
        callers[i] = accept_spawn(NULL, asks, &numbers[i]);
    callers[CALLERS] = accept_spawn(NULL, notes, &numbers[0]);
    sp_yield();
    books.told = true;
    EXPECT(sp_drain(desk.pid, sp_never()) == SP_OK);
    EXPECT(!sp_is_alive(desk.pid) && books.terminated == 1);
    for (int i = 0; i <= CALLERS; i++)
        accept_join(callers[i]);
    EXPECT(books.accepted == books.answered + books.casts);
}
ACCEPT(a_drain_loses_nothing, drain_main);

/* ---- two drain it, one of them kills it meanwhile, and the books balance all the same ---- */

static void drains(void *unused)
{
    (void)unused;
    books.told = true;
    sp_err err = sp_drain(desk.pid, sp_never());
    EXPECT(err == SP_OK || err == SP_ERR_NOPROC);
}

static void loses(void *arg)
{
    int out;
    sp_err err = desk_ask(desk, (int *)arg, &out, sp_never());
    EXPECT(err == SP_OK || err == SP_ERR_SHUTDOWN || err == SP_ERR_NOPROC || err == SP_ERR_DIED);
}

static void killed_main(void *unused)
{
    static int one = 1;
    sp_pid pids[4];
    (void)unused;
    memset(&books, 0, sizeof(books));
    books.defers = true;
    sp_pid helper = accept_spawn("helper", helps, NULL);
    EXPECT(desk_start(&helper, NULL, &desk) == SP_OK);
    pids[0] = accept_spawn("first", drains, NULL);
    pids[1] = accept_spawn("second", drains, NULL);
    pids[2] = accept_spawn("asks", loses, &one);
    pids[3] = accept_spawn("asks too", loses, &one);
    sp_yield();
    books.killed = true;
    sp_ignore(sp_kill(desk.pid));
    for (int i = 0; i < 4; i++)
        accept_join(pids[i]);
    EXPECT(!sp_is_alive(desk.pid));
}
ACCEPT(a_drain_ends_with_the_process, killed_main);

/* ---- a plain process, a full mailbox with senders that wait, and its own timer ---- */

SP_MESSAGE(word, int);

static struct {
    int heard;
    int sent;
    bool self;
} box;

static void hears(void *unused)
{
    (void)unused;
    sp_timer timer;
    if (box.self)
        EXPECT(sp_timer_start(sp_self(), &word_type, &(int){ 0 },
                              &(struct sp_timer_options){ .after = sp_ms(1) }, &timer) == SP_OK);
    for (;;) {
        sp_message_free(accept_next());
        box.heard++;
    }
}

static void says(void *arg)
{
    const sp_pid *to = arg;
    for (int i = 0; i < CALLS; i++) {
        sp_err err = word_send_wait(*to, &i, sp_never());
        EXPECT(err == SP_OK || err == SP_ERR_SHUTDOWN || err == SP_ERR_NOPROC);
        box.sent += err == SP_OK;
    }
}

static void plain_main(void *unused)
{
    sp_pid to, pids[CALLERS];
    (void)unused;
    memset(&box, 0, sizeof(box));
    EXPECT(sp_spawn(hears, NULL, &(struct sp_spawn_options){ .mailbox_max = 1 }, &to) == SP_OK);
    for (int i = 0; i < CALLERS; i++)
        pids[i] = accept_spawn(NULL, says, &to);
    sp_yield();
    EXPECT(sp_drain(to, sp_never()) == SP_OK);
    for (int i = 0; i < CALLERS; i++)
        accept_join(pids[i]);
    EXPECT(box.heard == box.sent);
}
ACCEPT(a_plain_process_drains, plain_main);

/* ---- a deadline that passes leaves it draining; a stop ends that ---- */

static void late_main(void *unused)
{
    int out;
    (void)unused;
    memset(&books, 0, sizeof(books));
    books.defers = true;
    sp_pid idle = accept_spawn("never answers", accept_idle, NULL);
    EXPECT(desk_start(&idle, NULL, &desk) == SP_OK);
    EXPECT(desk_ask(desk, &(int){ 1 }, &out, sp_after_ms(1)) == SP_ERR_TIMEOUT);
    EXPECT(sp_drain(desk.pid, sp_after_ms(1)) == SP_ERR_TIMEOUT);
    EXPECT(desk_ask(desk, &(int){ 0 }, &out, sp_never()) == SP_ERR_SHUTDOWN);
    EXPECT(sp_stop(desk.pid, sp_reason_shutdown(), sp_never()) == SP_OK);
    EXPECT(books.terminated == 1);
}
ACCEPT(a_drain_that_is_late_goes_on, late_main);
