/* Acceptance: calls and their deadlines, replies that come late, twice, or from elsewhere. */
#include "accept.h"

SP_SERVER(desk, sp_empty);
SP_CALL(desk, ask, int, int);    /* answers after a while */
SP_CALL(desk, later, int, int);  /* a helper answers */
SP_CALL(desk, break_, int, int); /* dies of it */
SP_CALL(desk, chain, sp_pid, int);
SP_MESSAGE(desk_order, sp_request);
SP_MESSAGE(desk_word, int);

static int desk_handled;

static sp_err desk_on_ask(int *state, const int *in, int *out)
{
    (void)state;
    desk_handled++;
    if (sp_choose(2) != 0)
        sp_sleep(sp_ms(2));
    *out = 10 * *in;
    return SP_OK;
}

/* Answers in one of the ways there are. */
static void desk_helper(void *arg)
{
    int in = *(int *)arg;
    struct sp_message *message = accept_next();
    sp_request request = *desk_order_of(message);
    sp_message_free(message);
    bool adopted = sp_choose(2) != 0 && sp_request_adopt(request) == SP_OK;
    uint32_t how = sp_choose(adopted ? 4 : 3);
    int out = 10 * in;
    if (how == 2) {
        sp_err err = sp_request_fail(request, SP_ERR_REFUSED);
        EXPECT(err == SP_OK || err == SP_ERR_STALE);
    } else if (how == 1) {
        sp_request_drop(request);
    } else if (how == 0) {
        sp_err err = desk_later_reply(request, &out);
        EXPECT(err == SP_OK || err == SP_ERR_STALE);
    } else {
        return; /* who adopted it is gone: NOREPLY */
    }
    EXPECT(desk_later_reply(request, &(int){ -1 }) == SP_ERR_STALE);
    EXPECT(sp_request_expired(request));
}

static sp_err desk_on_later(int *state, const int *in, int *out)
{
    sp_request request;
    sp_pid pid;
    (void)state;
    (void)out;
    const struct sp_spawn_options options = { .arg_size = sizeof(*in) };
    EXPECT(sp_request_take(&request) == SP_OK);
    EXPECT(sp_spawn(desk_helper, (void *)(uintptr_t)in, &options, &pid) == SP_OK);
    EXPECT(desk_order_send(pid, &request) == SP_OK);
    return SP_ERR_DEFERRED;
}

static sp_err desk_on_break_(int *state, const int *in, int *out)
{
    (void)state;
    (void)in;
    (void)out;
    sp_yield();
    accept_die("boom");
}

/* What is left of the deadline goes with it. */
static sp_err desk_on_chain(int *state, const sp_pid *next, int *out)
{
    (void)state;
    sp_time before = sp_now();
    sp_err err = desk_ask((desk_ref){ *next }, &(int){ 4 }, out, sp_never());
    EXPECT(err == SP_OK || sp_time_diff(sp_now(), before).ns <= sp_ms(2).ns);
    return err;
}

SP_STATE(desk, int);
SP_ON_CALL(desk, ask);
SP_ON_CALL(desk, later);
SP_ON_CALL(desk, break_);
SP_ON_CALL(desk, chain);
SP_CLASS(desk);

static desk_ref desk_open(const char *name)
{
    desk_ref ref = { SP_PID_NONE };
    const struct sp_server_options options = { .spawn.name = name };
    EXPECT(desk_start(&(sp_empty){ 0 }, &options, &ref) == SP_OK);
    return ref;
}

static void kills(void *arg)
{
    sp_ignore(sp_kill(*(sp_pid *)arg));
}

/* ---- case 27: a late reply is nobody's ---- */

static void case_27_main(void *unused)
{
    (void)unused;
    desk_handled = 0;
    desk_ref ref = desk_open("desk");
    int timeouts = 0;
    for (int i = 1; i <= 4; i++) {
        int out = 0;
        sp_err err = desk_ask(ref, &i, &out, sp_after_ms(1));
        EXPECT(err == SP_OK ? out == 10 * i : err == SP_ERR_TIMEOUT && out == 0);
        timeouts += err == SP_ERR_TIMEOUT;
    }
    int out = 0;
    EXPECT(desk_ask(ref, &(int){ 9 }, &out, sp_never()) == SP_OK && out == 90);
    struct accept_mail mail = accept_mail_now();
    EXPECT(mail.others + mail.downs + mail.exits == 0);
    /* Who gave up before its turn was skipped; who gave up later had a reply for nobody. */
    struct sp_stats stats;
    sp_runtime_stats(sp_runtime_current(), &stats);
    EXPECT(stats.late_replies <= (uint64_t)timeouts);
    EXPECT(desk_handled >= 5 - timeouts && desk_handled <= 5);
    EXPECT((int)stats.late_replies == desk_handled - (5 - timeouts));
}
ACCEPT(case_27_a_late_reply_is_nobodys, case_27_main);
ACCEPT(case_27_a_late_reply_in_abstract_time, case_27_main, .abstract_time = true);

/* ---- case 29: the server dies ---- */

static void case_29_main(void *unused)
{
    (void)unused;
    desk_ref ref = desk_open("desk");
    if (sp_choose(2) != 0)
        (void)accept_spawn("killer", kills, &ref.pid);
    int out = 0;
    sp_time before = sp_now();
    sp_err err = desk_break_(ref, &(int){ 1 }, &out, sp_after_sec(5));
    EXPECT(err == SP_ERR_DIED || err == SP_ERR_NOPROC);
    EXPECT(sp_time_diff(sp_now(), before).ns < sp_sec(1).ns);
    struct sp_call_outcome outcome;
    sp_call_outcome(&outcome);
    EXPECT(outcome.stage == (err == SP_ERR_DIED ? SP_CALL_ENDED : SP_CALL_NOT_SENT));
    EXPECT(err != SP_ERR_DIED || accept_is(outcome.reason, "boom") ||
           accept_is(outcome.reason, "killed"));
    EXPECT(!sp_is_alive(ref.pid));
    struct accept_mail mail = accept_mail_settled();
    EXPECT(mail.others + mail.downs + mail.exits == 0);
}
ACCEPT(case_29_the_server_dies, case_29_main);

/* ---- case 31: answered from elsewhere; at most one reply ---- */

static void case_31_main(void *unused)
{
    (void)unused;
    desk_ref ref = desk_open("desk");
    if (sp_choose(4) == 3)
        (void)accept_spawn("killer", kills, &ref.pid);
    for (int i = 1; i <= 2; i++) {
        int out = 0;
        sp_err err = desk_later(ref, &i, &out, sp_choose(2) == 0 ? sp_never() : sp_after_ms(1));
        EXPECT(err == SP_OK ? out == 10 * i : out == 0);
        EXPECT(err == SP_OK || err == SP_ERR_NOREPLY || err == SP_ERR_REFUSED ||
               err == SP_ERR_TIMEOUT || err == SP_ERR_DIED || err == SP_ERR_NOPROC);
        sp_sometimes(err == SP_ERR_NOREPLY, "nobody answered");
        sp_sometimes(err == SP_ERR_TIMEOUT, "the helper was too late");
    }
    struct accept_mail mail = accept_mail_now();
    EXPECT(mail.others + mail.downs + mail.exits == 0);
}
ACCEPT(case_31_answered_from_elsewhere, case_31_main, .abstract_time = true);

/* ---- a caller that is killed in its call leaves nothing at the server ---- */

static void asks_for_ever(void *arg)
{
    int out;
    for (int i = 1; i < 3; i++)
        sp_ignore(desk_later(*(desk_ref *)arg, &i, &out, sp_never()));
}

static void caller_dies_main(void *unused)
{
    static desk_ref ref;
    (void)unused;
    ref = desk_open("desk");
    sp_pid callers[2] = { accept_spawn("one", asks_for_ever, &ref),
                          accept_spawn("two", asks_for_ever, &ref) };
    sp_yield();
    sp_ignore(sp_kill(callers[0]));
    for (int i = 0; i < 2; i++)
        accept_join(callers[i]);
    int out = 0;
    EXPECT(desk_ask(ref, &(int){ 2 }, &out, sp_never()) == SP_OK && out == 20);
}
ACCEPT(a_caller_that_dies_leaves_nothing, caller_dies_main);

/* ---- a nested call has what is left of the deadline ---- */

static void chain_main(void *unused)
{
    (void)unused;
    desk_ref front = desk_open("front");
    desk_ref back = desk_open("back");
    int out = 0;
    sp_err err = desk_chain(front, &back.pid, &out, sp_after_ms(1));
    EXPECT(err == SP_OK ? out == 40 : err == SP_ERR_TIMEOUT && out == 0);
    accept_settle();
    EXPECT(desk_ask(front, &(int){ 2 }, &out, sp_never()) == SP_OK && out == 20);
}
ACCEPT(a_nested_call_has_what_is_left, chain_main);

/* ---- calls, messages and a selective receive do not take each other's ---- */

static void sends_words(void *arg)
{
    for (int i = 0; i < 3; i++)
        sp_ignore(desk_word_send(*(sp_pid *)arg, &i));
}

static bool word_is(const struct sp_message *message, void *arg)
{
    return sp_message_type(message) == &desk_word_type &&
           *(const int *)sp_message_peek(message) == *(int *)arg;
}

static void select_main(void *unused)
{
    static sp_pid self;
    (void)unused;
    self = sp_self();
    desk_ref ref = desk_open("desk");
    (void)accept_spawn("words", sends_words, &self);
    int out = 0;
    EXPECT(desk_ask(ref, &(int){ 3 }, &out, sp_never()) == SP_OK && out == 30);
    struct sp_message *message;
    static const int order[3] = { 2, 0, 1 };
    for (int i = 0; i < 3; i++) {
        int wanted = order[i];
        EXPECT(sp_receive_select(word_is, &wanted, sp_never(), &message) == SP_OK);
        sp_message_free(message);
        EXPECT(desk_ask(ref, &i, &out, sp_never()) == SP_OK && out == 10 * i);
    }
    EXPECT(sp_receive(sp_nowait(), &message) == SP_ERR_TIMEOUT);
}
ACCEPT(selective_receive_and_calls, select_main);

/* ---- a multi-call: each answer to its own question, and nothing left of those too late ---- */

static void multi_main(void *unused)
{
    (void)unused;
    desk_ref refs[3] = { desk_open(NULL), desk_open(NULL), desk_open(NULL) };
    if (sp_choose(2) != 0)
        (void)accept_spawn("killer", kills, &refs[2].pid);
    for (int round = 1; round <= 2; round++) {
        int in[3] = { round, round + 1, round + 2 };
        int out[3] = { 0 };
        struct sp_multi targets[3];
        for (int i = 0; i < 3; i++)
            targets[i] = (struct sp_multi){ .server = refs[i].pid, .in = &in[i], .out = &out[i] };
        const struct sp_op *op = sp_choose(2) == 0 ? &desk_ask_op : &desk_later_op;
        sp_err err = sp_server_multi_call(op, NULL, targets, 3, sp_after_ms(1));
        EXPECT(err == SP_OK || err == SP_ERR_TIMEOUT);
        for (int i = 0; i < 3; i++) {
            EXPECT(targets[i].err == SP_OK ? out[i] == 10 * in[i] : out[i] == 0);
            EXPECT(err == SP_ERR_TIMEOUT || targets[i].err != SP_ERR_TIMEOUT);
        }
    }
    struct accept_mail mail = accept_mail_now();
    EXPECT(mail.others + mail.downs + mail.exits == 0);
}
ACCEPT(a_multi_call_keeps_answers_apart, multi_main, .abstract_time = true);

/* ---- case 85: A calls B calls A ---- */

static void case_85_main(void *unused)
{
    (void)unused;
    desk_ref ref = desk_open("desk");
    int out = 0;
    /* To itself through its own handler: at once, and it goes on. */
    sp_err err = desk_chain(ref, &ref.pid, &out, sp_never());
    EXPECT(err == SP_ERR_DEADLOCK);
    EXPECT(desk_ask(ref, &(int){ 1 }, &out, sp_never()) == SP_OK && out == 10);
}
ACCEPT(case_85_a_call_to_itself, case_85_main);
