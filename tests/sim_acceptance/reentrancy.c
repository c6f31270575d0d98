/* Acceptance: what a server takes while a handler of it waits for an answer, and what not; in
 * every order of events. */
#include "accept.h"

/* What a handler of the servers below does, besides being recorded. */
struct errand {
    sp_pid via;  /* it calls this one, */
    sp_pid back; /* which calls that one */
    char sign;   /* in the record */
    char back_sign;
    int patience_ms; /* 0: however long it takes */
    int nap_ms;      /* of the one in between */
    bool fails;      /* once the other is back */
};

/* A server of each kind, with the same operations. */
SP_SERVER(none, sp_empty);
SP_CALL(none, visit, struct errand, int);
SP_CALL(none, ping, char, int);
SP_SERVER(chain, sp_empty);
SP_CALL(chain, visit, struct errand, int);
SP_CALL(chain, ping, char, int);
SP_CAST(chain, note, char);
SP_SERVER(full, sp_empty);
SP_CALL(full, visit, struct errand, int);
SP_CALL(full, ping, char, int);
SP_SERVER(asked, sp_empty);
SP_CALL(asked, slow, struct errand, int);
SP_CALL(asked, fast, char, int);
SP_CALL(asked, refused, char, int);
SP_CALL(asked, other, char, int);

/* In between: calls back where it is told. */
SP_SERVER(mid, sp_empty);
SP_CALL(mid, relay, struct errand, int);

/* Between two points nothing else runs: the record is in the order of what happened. */
static char record[64];
static size_t record_length;
static bool busy; /* a handler of the server under test runs */

static void note(char sign)
{
    EXPECT(record_length + 1 < sizeof(record));
    record[record_length++] = sign;
    record[record_length] = '\0';
}

static void begin(void)
{
    memset(record, 0, sizeof(record));
    record_length = 0;
    busy = false;
}

/* Others may run here, but no other handler of this server. */
static void work(char sign)
{
    EXPECT(!busy);
    busy = true;
    note(sign);
    sp_yield();
    busy = false;
}

static sp_deadline patience(const struct errand *in)
{
    return in->patience_ms == 0 ? sp_never() : sp_after_ms(in->patience_ms);
}

static sp_err visit(const struct errand *in, int *out)
{
    work(in->sign);
    sp_err err = mid_relay((mid_ref){ in->via }, in, out, patience(in));
    if (in->fails)
        accept_die("it fails");
    work((char)(in->sign - 'a' + 'A'));
    return err;
}

static sp_err ping(const char *in, int *out)
{
    work(*in);
    *out = 7;
    return SP_OK;
}

#define KIND(S)                                                               \
    static sp_err S##_on_visit(int *state, const struct errand *in, int *out) \
    {                                                                         \
        (*state)++;                                                           \
        return visit(in, out);                                                \
    }                                                                         \
    static sp_err S##_on_ping(int *state, const char *in, int *out)           \
    {                                                                         \
        (*state)++;                                                           \
        return ping(in, out);                                                 \
    }                                                                         \
    SP_STATE(S, int);                                                         \
    SP_ON_CALL(S, visit);                                                     \
    SP_ON_CALL(S, ping)

KIND(none);
SP_CLASS(none);
KIND(chain);
static void chain_on_note(int *state, const char *in)
{
    (void)state;
    work(*in);
}
SP_ON_CAST(chain, note);
SP_CLASS(chain, .reentrancy = SP_REENTRANCY_CALL_CHAIN);
KIND(full);
SP_CLASS(full, .reentrancy = SP_REENTRANCY_FULL, .interleaved_max = 2);

static sp_err asked_on_slow(int *state, const struct errand *in, int *out)
{
    (void)state;
    return visit(in, out);
}

static sp_err asked_on_fast(int *state, const char *in, int *out)
{
    (void)state;
    return ping(in, out);
}

static sp_err asked_on_refused(int *state, const char *in, int *out)
{
    (void)state;
    return ping(in, out);
}

static sp_err asked_on_other(int *state, const char *in, int *out)
{
    (void)state;
    return ping(in, out);
}

static sp_err asked_may_interleave(const int *state, const struct sp_op *op, const void *in,
                                   bool *out_may)
{
    (void)state;
    (void)in;
    *out_may = op == &asked_fast_op;
    return op == &asked_refused_op ? SP_ERR_IO : SP_OK;
}

SP_STATE(asked, int);
SP_ON_CALL(asked, slow);
SP_ON_CALL(asked, fast);
SP_ON_CALL(asked, refused);
SP_ON_CALL(asked, other);
SP_ON_MAY_INTERLEAVE(asked);
SP_CLASS(asked, .may_interleave = asked__may_interleave);

/* Whom `mid` calls back: set by the case. */
static const struct sp_op *back_op;

static sp_err mid_on_relay(int *state, const struct errand *in, int *out)
{
    (void)state;
    if (sp_pid_is_none(in->back)) {
        sp_sleep(sp_ms(in->nap_ms));
        *out = 3;
        return SP_OK;
    }
    return sp_server_call(in->back, back_op, &in->back_sign, out, sp_never());
}

SP_STATE(mid, int);
SP_ON_CALL(mid, relay);
SP_CLASS(mid);

static sp_pid mid_begin(void)
{
    mid_ref ref;
    EXPECT(mid_start(NULL, NULL, &ref) == SP_OK);
    return ref.pid;
}

/* ---- A calls B, B calls A: acceptance case 85 ---- */

static void case_85_none_main(void *unused)
{
    (void)unused;
    none_ref a;
    int out = 0;
    begin();
    EXPECT(none_start(NULL, NULL, &a) == SP_OK);
    back_op = &none_ping_op;
    struct errand in = { .via = mid_begin(), .back = a.pid, .sign = 'a', .back_sign = 'p' };
    EXPECT(none_visit(a, &in, &out, sp_never()) == SP_ERR_DEADLOCK);
    EXPECT(strcmp(record, "aA") == 0);
    in.back = SP_PID_NONE;
    EXPECT(none_visit(a, &in, &out, sp_never()) == SP_OK && out == 3);
    EXPECT(mid_relay((mid_ref){ in.via }, &in, &out, sp_never()) == SP_OK);
}
ACCEPT(case_85_without_reentrancy, case_85_none_main, .deadlocks = true);

static void case_85_chain_main(void *unused)
{
    (void)unused;
    chain_ref a;
    int out = 0;
    begin();
    EXPECT(chain_start(NULL, NULL, &a) == SP_OK);
    back_op = &chain_ping_op;
    struct errand in = { .via = mid_begin(), .back = a.pid, .sign = 'a', .back_sign = 'p' };
    EXPECT(chain_visit(a, &in, &out, sp_never()) == SP_OK && out == 7);
    EXPECT(strcmp(record, "apA") == 0);
    EXPECT(chain_visit(a, &in, &out, sp_never()) == SP_OK && out == 7);
    EXPECT(strcmp(record, "apAapA") == 0);
}
ACCEPT(case_85_with_call_chain, case_85_chain_main);

/* Two of them, each in the other's chain, several times over. */
static void deep_main(void *unused)
{
    (void)unused;
    chain_ref a;
    chain_ref b;
    int out = 0;
    begin();
    EXPECT(chain_start(NULL, NULL, &a) == SP_OK && chain_start(NULL, NULL, &b) == SP_OK);
    struct errand in = { .via = mid_begin(), .back = a.pid, .sign = 'a', .back_sign = 'p' };
    back_op = &chain_ping_op;
    EXPECT(chain_visit(b, &in, &out, sp_never()) == SP_OK);
    in.back = b.pid;
    EXPECT(chain_visit(b, &in, &out, sp_never()) == SP_OK);
    EXPECT(strcmp(record, "apAapA") == 0);
}
ACCEPT(chains_of_two_servers, deep_main);

static chain_ref chain_server;
static int strangers_done;

static void stranger_main(void *unused)
{
    (void)unused;
    int out;
    EXPECT(chain_note(chain_server, &(char){ 'n' }) == SP_OK);
    EXPECT(chain_ping(chain_server, &(char){ 's' }, &out, sp_never()) == SP_OK && out == 7);
    strangers_done++;
}

/* What is not of the chain stays outside, though it lies there already or comes meanwhile. */
static void foreign_main(void *unused)
{
    (void)unused;
    int out = 0;
    begin();
    strangers_done = 0;
    EXPECT(chain_start(NULL, NULL, &chain_server) == SP_OK);
    back_op = &chain_ping_op;
    struct errand in = {
        .via = mid_begin(), .back = chain_server.pid, .sign = 'a', .back_sign = 'p'
    };
    sp_pid one = accept_spawn(NULL, stranger_main, NULL);
    sp_pid two = accept_spawn(NULL, stranger_main, NULL);
    EXPECT(chain_visit(chain_server, &in, &out, sp_never()) == SP_OK && out == 7);
    accept_join(one);
    accept_join(two);
    EXPECT(strangers_done == 2 && strlen(record) == 7);
    EXPECT(strstr(record, "apA") != NULL);
    sp_sometimes(record[0] == 'a', "all strangers after");
    sp_sometimes(record[0] != 'a' && record[6] == 'A', "all strangers before");
}
ACCEPT(foreign_calls_stay_outside, foreign_main);

/* The stranger is a server that the chain needs: a deadlock, told to the last who waits. */
SP_SERVER(outer, sp_empty);
SP_CALL(outer, poke, sp_pid, int);
SP_CALL(outer, echo, char, int);

static sp_err outer_on_poke(int *state, const sp_pid *chain, int *out)
{
    (void)state;
    return chain_ping((chain_ref){ *chain }, &(char){ 's' }, out, sp_never());
}

static sp_err outer_on_echo(int *state, const char *in, int *out)
{
    (void)state;
    *out = (unsigned char)*in;
    return SP_OK;
}

SP_STATE(outer, int);
SP_ON_CALL(outer, poke);
SP_ON_CALL(outer, echo);
SP_CLASS(outer);

static outer_ref outer_server;

static void poker_main(void *unused)
{
    (void)unused;
    int out;
    sp_err err = outer_poke(outer_server, &chain_server.pid, &out, sp_never());
    EXPECT(err == SP_OK || err == SP_ERR_DEADLOCK);
    strangers_done += err == SP_ERR_DEADLOCK;
}

static void stranger_in_circle_main(void *unused)
{
    (void)unused;
    int out = 0;
    begin();
    strangers_done = 0;
    EXPECT(chain_start(NULL, NULL, &chain_server) == SP_OK);
    EXPECT(outer_start(NULL, NULL, &outer_server) == SP_OK);
    back_op = &outer_echo_op;
    struct errand in = {
        .via = mid_begin(), .back = outer_server.pid, .sign = 'a', .back_sign = 'p'
    };
    sp_pid poker = accept_spawn(NULL, poker_main, NULL);
    sp_err err = chain_visit(chain_server, &in, &out, sp_never());
    EXPECT(err == SP_OK || err == SP_ERR_DEADLOCK);
    accept_join(poker);
    EXPECT((err == SP_ERR_DEADLOCK) + strangers_done <= 1);
    sp_sometimes(err == SP_ERR_DEADLOCK, "the chain is told");
    sp_sometimes(strangers_done == 1, "the stranger is told");
    EXPECT(strstr(record, "asA") == NULL);
}
ACCEPT(a_stranger_in_the_circle_is_a_deadlock, stranger_in_circle_main, .deadlocks = true);

/* ---- the predicate: acceptance case 87 ---- */

static asked_ref asked_server;
static int answered[3];

static void fast_main(void *unused)
{
    (void)unused;
    int out;
    EXPECT(asked_fast(asked_server, &(char){ 'f' }, &out, sp_never()) == SP_OK && out == 7);
    answered[0]++;
}

static void refused_main(void *unused)
{
    (void)unused;
    int out = 0;
    sp_err err = asked_refused(asked_server, &(char){ 'r' }, &out, sp_never());
    EXPECT(err == SP_ERR_IO || (err == SP_OK && out == 7));
    answered[1] += err == SP_ERR_IO;
}

static void other_main(void *unused)
{
    (void)unused;
    int out;
    EXPECT(asked_other(asked_server, &(char){ 'o' }, &out, sp_never()) == SP_OK && out == 7);
    answered[2]++;
}

static void case_87_main(void *unused)
{
    (void)unused;
    int out = 0;
    begin();
    memset(answered, 0, sizeof(answered));
    EXPECT(asked_start(NULL, NULL, &asked_server) == SP_OK);
    back_op = &none_ping_op;
    struct errand in = { .via = mid_begin(), .sign = 'a' };
    sp_pid fast = accept_spawn(NULL, fast_main, NULL);
    sp_pid refused = accept_spawn(NULL, refused_main, NULL);
    sp_pid other = accept_spawn(NULL, other_main, NULL);
    EXPECT(asked_slow(asked_server, &in, &out, sp_never()) == SP_OK && out == 3);
    accept_join(fast);
    accept_join(refused);
    accept_join(other);
    EXPECT(answered[0] == 1 && answered[2] == 1);
    EXPECT(strchr(record, 'f') != NULL && strchr(record, 'o') != NULL);
    const char *from = strchr(record, 'a');
    const char *to = strchr(record, 'A');
    EXPECT(from != NULL && to != NULL && from < to);
    size_t between = (size_t)(to - from) - 1;
    EXPECT(between == 0 || (between == 1 && from[1] == 'f'));
    sp_sometimes(between == 1, "a fast one in the middle");
    sp_sometimes(answered[1] == 1, "an error of the predicate is the answer");
    /* It lives. */
    EXPECT(asked_other(asked_server, &(char){ 'x' }, &out, sp_never()) == SP_OK);
}
ACCEPT(case_87_interleave_predicate, case_87_main);

/* ---- full ---- */

static full_ref full_server;
static sp_pid mids[3];
static int visits_ok;
static int visits_died;

static void visitor_main(void *arg)
{
    const struct errand *in = arg;
    int out = 0;
    sp_err err = full_visit(full_server, in, &out, sp_never());
    EXPECT(err == SP_OK || err == SP_ERR_DIED || err == SP_ERR_TIMEOUT || err == SP_ERR_NOPROC);
    visits_ok += err == SP_OK;
    visits_died += err == SP_ERR_DIED || err == SP_ERR_NOPROC;
}

static struct errand errands[3];
static sp_pid visitors[3];

static void full_begin(void)
{
    begin();
    visits_ok = 0;
    visits_died = 0;
    back_op = &full_ping_op;
    EXPECT(full_start(NULL, NULL, &full_server) == SP_OK);
    for (int i = 0; i < 3; i++) {
        mids[i] = mid_begin();
        errands[i] = (struct errand){ .via = mids[i], .sign = (char)('a' + i) };
    }
}

static void full_visitors(void)
{
    for (int i = 0; i < 3; i++)
        visitors[i] = accept_spawn(NULL, visitor_main, &errands[i]);
}

static void full_join(void)
{
    for (int i = 0; i < 3; i++)
        accept_join(visitors[i]);
}

static void full_main(void *unused)
{
    (void)unused;
    int out;
    full_begin();
    full_visitors();
    full_join();
    EXPECT(visits_ok == 3 && strlen(record) == 6);
    const char *b = strchr(record, 'b');
    sp_sometimes(strncmp(record, "ab", 2) == 0 || strncmp(record, "ba", 2) == 0, "two wait");
    /* The bound: no third one before one of two is back. */
    EXPECT(b != NULL && (record[2] < 'a' || record[1] < 'a'));
    sp_sometimes(strncmp(record, "abA", 3) == 0, "the older goes first");
    sp_sometimes(strncmp(record, "abB", 3) == 0, "the younger goes first");
    EXPECT(full_ping(full_server, &(char){ 'p' }, &out, sp_never()) == SP_OK);
}
ACCEPT(full_takes_all_up_to_the_bound, full_main);

/* At the bound it takes nothing more: what its own chain needs is a deadlock, and is told so. */
static void full_deadlock_main(void *unused)
{
    (void)unused;
    full_begin();
    for (int i = 0; i < 3; i++)
        errands[i] = (struct errand){
            .via = mids[i], .back = full_server.pid, .sign = (char)('a' + i), .back_sign = 'p'
        };
    int out = 0;
    EXPECT(full_visit(full_server, &errands[0], &out, sp_never()) == SP_OK && out == 7);
    EXPECT(strcmp(record, "apA") == 0);
}
ACCEPT(full_takes_its_own_chain, full_deadlock_main);

static void full_killed_main(void *unused)
{
    (void)unused;
    full_begin();
    full_visitors();
    EXPECT(sp_kill(full_server.pid) == SP_OK);
    full_join();
    EXPECT(visits_ok + visits_died == 3);
    sp_sometimes(visits_ok == 2, "killed between two visits");
    accept_join(full_server.pid);
}
ACCEPT(killed_with_handlers_put_aside, full_killed_main);

static void full_stopped_main(void *unused)
{
    (void)unused;
    full_begin();
    full_visitors();
    EXPECT(sp_stop(full_server.pid, NULL, sp_never()) == SP_OK);
    full_join();
    EXPECT(visits_ok + visits_died == 3);
    /* Who was begun is finished. */
    EXPECT(strlen(record) == 2 * (size_t)visits_ok);
}
ACCEPT(stopped_once_those_that_wait_are_back, full_stopped_main);

/* One handler ends the server: the callers of all that wait are told. */
static void full_fails_main(void *unused)
{
    (void)unused;
    full_begin();
    errands[1].fails = true;
    full_visitors();
    full_join();
    EXPECT(visits_died >= 1 && visits_ok + visits_died == 3);
    sp_sometimes(visits_died == 3, "all are told");
    accept_join(full_server.pid);
}
ACCEPT(one_handler_fails_all, full_fails_main);

/* A deadline passes while another handler runs or waits. */
static void full_late_main(void *unused)
{
    (void)unused;
    int out;
    full_begin();
    for (int i = 0; i < 3; i++)
        errands[i].nap_ms = 2;
    errands[0].patience_ms = 1;
    full_visitors();
    full_join();
    EXPECT(visits_died == 0 && strlen(record) == 6);
    sp_sometimes(visits_ok == 2, "one gives up while others wait");
    EXPECT(full_ping(full_server, &(char){ 'p' }, &out, sp_never()) == SP_OK);
}
ACCEPT(deadlines_of_handlers_put_aside, full_late_main);
