/* Acceptance: a circle of waits is seen whoever closes it, and nothing else is taken for one. */
#include "accept.h"

SP_SERVER(pair, sp_empty);
SP_CALL(pair, ping, int, int);
SP_CAST(pair, meet, sp_pid);
SP_CAST(pair, wait_end, sp_pid);

static int pair_seen;
static int pair_met;

static sp_err pair_on_ping(int *state, const int *in, int *out)
{
    (void)state;
    *out = *in + 1;
    return SP_OK;
}

static void pair_on_meet(int *state, const sp_pid *other)
{
    (void)state;
    int out = 0;
    sp_err err = pair_ping((pair_ref){ *other }, &(int){ 1 }, &out, sp_never());
    EXPECT(err == SP_OK ? out == 2 : err == SP_ERR_DEADLOCK);
    pair_seen += err == SP_ERR_DEADLOCK;
    pair_met++;
}

static void pair_on_wait_end(int *state, const sp_pid *other)
{
    (void)state;
    EXPECT(sp_kill(*other) == SP_OK);
    EXPECT(sp_join(*other, sp_never(), NULL) == SP_OK);
    pair_met++;
}

SP_STATE(pair, int);
SP_ON_CALL(pair, ping);
SP_ON_CAST(pair, meet);
SP_ON_CAST(pair, wait_end);
SP_CLASS(pair);

static pair_ref pair_begin(void)
{
    pair_ref ref;
    pair_seen = 0;
    pair_met = 0;
    EXPECT(pair_start(NULL, NULL, &ref) == SP_OK);
    return ref;
}

/* Until both have met, and they are of use. */
static void pair_end(pair_ref one, pair_ref other)
{
    int out;
    EXPECT(pair_ping(one, &(int){ 1 }, &out, sp_never()) == SP_OK);
    EXPECT(pair_ping(other, &(int){ 1 }, &out, sp_never()) == SP_OK);
}

static void two_main(void *unused)
{
    (void)unused;
    pair_ref a = pair_begin();
    pair_ref b = pair_begin();
    EXPECT(pair_meet(a, &b.pid) == SP_OK);
    EXPECT(pair_meet(b, &a.pid) == SP_OK);
    pair_end(a, b);
    EXPECT(pair_met == 2);
    sp_sometimes(pair_seen == 1, "one of them sees it");
}
ACCEPT(two_servers_that_call_each_other, two_main, .deadlocks = true);

static void three_main(void *unused)
{
    (void)unused;
    pair_ref refs[3] = { pair_begin(), pair_begin(), pair_begin() };
    for (int i = 0; i < 3; i++)
        EXPECT(pair_meet(refs[i], &refs[(i + 1) % 3].pid) == SP_OK);
    for (int i = 0; i < 3; i++)
        pair_end(refs[i], refs[i]);
    EXPECT(pair_met == 3);
    sp_sometimes(pair_seen != 0, "three in a circle");
}
ACCEPT(three_servers_in_a_circle, three_main, .deadlocks = true);

/* Each calls the other, but the first call is over before the second begins: never a circle. */
static void turns_main(void *unused)
{
    (void)unused;
    pair_ref a = pair_begin();
    pair_ref b = pair_begin();
    int out;
    EXPECT(pair_meet(a, &b.pid) == SP_OK);
    EXPECT(pair_ping(a, &(int){ 1 }, &out, sp_never()) == SP_OK);
    EXPECT(pair_meet(b, &a.pid) == SP_OK);
    pair_end(b, a);
    EXPECT(pair_met == 2 && pair_seen == 0);
}
ACCEPT(turns_are_no_circle, turns_main);

/* The one that waits for us is killed first: we may wait for its end. */
static void killed_main(void *unused)
{
    (void)unused;
    pair_ref a = pair_begin();
    pair_ref b = pair_begin();
    int out;
    EXPECT(pair_wait_end(a, &b.pid) == SP_OK);
    sp_err err = pair_meet(b, &a.pid);
    EXPECT(err == SP_OK || err == SP_ERR_NOPROC);
    EXPECT(pair_ping(a, &(int){ 1 }, &out, sp_never()) == SP_OK);
    EXPECT(pair_seen == 0);
}
ACCEPT(killed_and_joined_is_no_circle, killed_main);

/* Plain processes: only who is joined looks. */
SP_MESSAGE(joiner_word, sp_pid);

static void joiner_main(void *unused)
{
    (void)unused;
    struct sp_message *message = accept_next();
    sp_pid other = *joiner_word_of(message);
    sp_message_free(message);
    sp_err err = sp_join(other, sp_never(), NULL);
    EXPECT(err == SP_OK || err == SP_ERR_DEADLOCK);
    pair_seen += err == SP_ERR_DEADLOCK;
}

static void joiners_main(void *unused)
{
    (void)unused;
    pair_seen = 0;
    sp_pid one = accept_spawn("one", joiner_main, NULL);
    sp_pid two = accept_spawn("two", joiner_main, NULL);
    EXPECT(joiner_word_send(one, &two) == SP_OK);
    EXPECT(joiner_word_send(two, &one) == SP_OK);
    sp_err err = sp_join(one, sp_never(), NULL);
    EXPECT(err == SP_OK && sp_join(two, sp_never(), NULL) == SP_OK);
    EXPECT(pair_seen != 0);
}
ACCEPT(two_that_join_each_other, joiners_main, .deadlocks = true);
