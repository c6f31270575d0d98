/* Acceptance: exit signals and links, and what comes in between. */
#include "accept.h"

#include <stdio.h>

SP_MESSAGE(signal_word, int);

/* ---- case 1, 6: normal does not spread ---- */

static void returns(void *unused)
{
    (void)unused;
}

static void links_to(void *arg)
{
    sp_ignore(sp_link(*(sp_pid *)arg));
    accept_idle(NULL);
}

static void case_1_main(void *unused)
{
    (void)unused;
    sp_pid a = accept_spawn("a", returns, NULL);
    sp_pid b = accept_spawn("b", links_to, &a);
    accept_settle();
    EXPECT(sp_is_alive(b));
    struct sp_process_info info;
    EXPECT(sp_process_info(b, &info) == SP_OK && info.mailbox == 0 && info.links == 0);
    EXPECT(sp_signal(b, sp_reason_normal()) == SP_OK);
    accept_settle();
    EXPECT(sp_is_alive(b));
}
ACCEPT(case_1_6_normal_does_not_spread, case_1_main);

/* ---- case 2: the reason goes along a chain that is being made while it breaks ---- */

static struct {
    sp_pid pid[3];
    bool linked[3]; /* to the one before */
} chain;

static void chain_first(void *unused)
{
    (void)unused;
    sp_yield();
    accept_die("boom");
}

static void chain_next(void *arg)
{
    int place = *(int *)arg;
    sp_err err = sp_link(chain.pid[place - 1]);
    EXPECT(err == SP_OK || err == SP_ERR_NOPROC);
    chain.linked[place] = err == SP_OK;
    accept_idle(NULL);
}

static void case_2_main(void *unused)
{
    static int place[3] = { 0, 1, 2 };
    (void)unused;
    chain.linked[1] = chain.linked[2] = false;
    chain.pid[0] = accept_spawn("a", chain_first, NULL);
    chain.pid[1] = accept_spawn("b", chain_next, &place[1]);
    chain.pid[2] = accept_spawn("c", chain_next, &place[2]);
    sp_monitor_ref ref;
    EXPECT(sp_monitor(chain.pid[2], &ref) == SP_OK);
    struct accept_mail mail = accept_mail_settled();
    EXPECT(sp_is_alive(chain.pid[1]) == !chain.linked[1]);
    bool all = chain.linked[1] && chain.linked[2];
    EXPECT(sp_is_alive(chain.pid[2]) == !all);
    EXPECT(mail.downs == (all ? 1 : 0) && mail.exits == 0 && mail.others == 0);
    EXPECT(!all || strcmp(mail.text, "boom") == 0 || strcmp(mail.text, "noproc") == 0);
    sp_sometimes(all, "the whole chain died");
}
ACCEPT(case_2_the_reason_goes_along_the_chain, case_2_main);

/* ---- case 3, 10: a trapper has exactly one notice for each link ---- */

static void ends_somehow(void *unused)
{
    (void)unused;
    if (sp_choose(2) != 0)
        accept_die("boom");
}

static void case_3_main(void *unused)
{
    (void)unused;
    sp_pid a = accept_spawn("a", ends_somehow, NULL);
    EXPECT(sp_link(a) == SP_OK); /* a trapper's always is */
    sp_ignore(sp_link(a));       /* one per pair, but it may have died meanwhile */
    struct accept_mail mail = accept_mail_settled();
    EXPECT(mail.exits == 1 || (mail.exits == 2 && strcmp(mail.text, "noproc") == 0));
    EXPECT(sp_pid_equal(mail.from, a) && mail.downs == 0 && mail.others == 0);
    EXPECT(accept_is(sp_reason_normal(), mail.text) || strcmp(mail.text, "boom") == 0 ||
           strcmp(mail.text, "noproc") == 0);
    EXPECT(sp_link(a) == SP_OK);
    mail = accept_mail_now();
    EXPECT(mail.exits == 1 && strcmp(mail.text, "noproc") == 0);
}
ACCEPT(case_3_10_one_notice_for_each_link, case_3_main);

/* ---- case 4: kill cannot be trapped, and nothing of the killed one runs ---- */

static struct {
    int terminated;
    int handled;
    bool killed;
} tough;

SP_SERVER(victim, sp_empty);
SP_CAST(victim, work, int);

static void victim_on_work(int *state, const int *in)
{
    (void)state;
    (void)in;
    EXPECT(!tough.killed);
    sp_yield();
    tough.handled++;
}
static void victim_terminate(int *state, const struct sp_reason *reason)
{
    (void)state;
    (void)reason;
    tough.terminated++;
}
SP_STATE(victim, int);
SP_ON_CAST(victim, work);
SP_ON_TERMINATE(victim);
SP_CLASS(victim, .terminate = victim__terminate);

static void kills(void *arg)
{
    sp_err err = sp_kill(*(sp_pid *)arg);
    EXPECT(err == SP_OK || err == SP_ERR_NOPROC);
}

static void case_4_main(void *unused)
{
    (void)unused;
    tough.terminated = tough.handled = 0;
    tough.killed = false;
    victim_ref ref;
    const struct sp_server_options options = {
        .spawn = { .name = "victim", .trap_exit = true, .link = true }
    };
    EXPECT(victim_start(&(sp_empty){ 0 }, &options, &ref) == SP_OK);
    (void)accept_spawn("killer", kills, &ref.pid);
    for (int i = 0; i < 3; i++)
        sp_ignore(victim_work(ref, &i));
    struct sp_message *message = accept_next();
    const struct sp_exit_notice *notice = sp_message_exit(message);
    EXPECT(notice != NULL && accept_is(notice->reason, "killed"));
    sp_message_free(message);
    tough.killed = true;
    EXPECT(sp_register("victim", accept_spawn(NULL, returns, NULL)) != SP_ERR_EXISTS);
    struct accept_mail mail = accept_mail_settled();
    EXPECT(mail.exits == 0 && mail.downs == 0);
    EXPECT(tough.terminated == 0);
}
ACCEPT(case_4_kill_cannot_be_trapped, case_4_main);

/* A kill that meets its own end, a stop and another signal: one reason, told to all alike. */
static void ends_boom(void *unused)
{
    (void)unused;
    sp_yield();
    accept_die("boom");
}

static void stops(void *arg)
{
    sp_err err = sp_stop(*(sp_pid *)arg, NULL, sp_never());
    EXPECT(err == SP_OK || err == SP_ERR_NOPROC);
    EXPECT(!sp_is_alive(*(sp_pid *)arg));
}

static void case_4_meets_main(void *unused)
{
    (void)unused;
    sp_monitor_ref ref;
    sp_pid pid;
    const struct sp_spawn_options options = { .link = true, .out_monitor = &ref };
    EXPECT(sp_spawn(ends_boom, NULL, &options, &pid) == SP_OK);
    (void)accept_spawn("killer", kills, &pid);
    (void)accept_spawn("stopper", stops, &pid);
    struct sp_message *first = accept_next();
    struct sp_message *second = accept_next();
    const struct sp_exit_notice *notice = sp_message_exit(first);
    const struct sp_down *down = sp_message_down(second);
    EXPECT(notice != NULL && down != NULL); /* links are told first */
    EXPECT(sp_reason_equal(notice->reason, down->reason));
    EXPECT(accept_is(down->reason, "boom") || accept_is(down->reason, "killed") ||
           accept_is(down->reason, "normal"));
    EXPECT(sp_pid_equal(down->pid, pid) && down->ref.id == ref.id);
    sp_message_free(first);
    sp_message_free(second);
    struct accept_mail mail = accept_mail_settled();
    EXPECT(mail.exits + mail.downs + mail.others == 0);
    EXPECT(accept_alone());
}
ACCEPT(case_4_one_reason_for_all, case_4_meets_main);

/* ---- case 9: linking to who is dying, not trapping ---- */

static struct {
    sp_err linked;
    sp_pid peer;
} dying;

static void links_dying(void *unused)
{
    (void)unused;
    dying.linked = sp_link(dying.peer);
    accept_idle(NULL);
}

static void case_9_main(void *unused)
{
    (void)unused;
    dying.linked = SP_ERR_STALE;
    dying.peer = accept_spawn("a", ends_boom, NULL);
    sp_pid b = accept_spawn("b", links_dying, NULL);
    accept_settle();
    if (dying.linked == SP_ERR_NOPROC)
        EXPECT(sp_is_alive(b));
    else
        EXPECT(accept_ended_with(b, "boom") || !sp_is_alive(b));
    sp_sometimes(dying.linked == SP_ERR_NOPROC, "linked too late");
    sp_sometimes(dying.linked == SP_OK, "linked in time");
}
ACCEPT(case_9_linking_to_the_dying, case_9_main);

/* ---- case 12: after an unlink nothing arrives ---- */

static void case_12_main(void *unused)
{
    (void)unused;
    sp_pid b = accept_spawn("b", ends_boom, NULL);
    EXPECT(sp_link(b) == SP_OK);
    sp_yield();
    if (sp_choose(2) != 0)
        sp_yield();
    sp_unlink(b);
    struct accept_mail mail = accept_mail_settled();
    EXPECT(mail.exits == 0 && mail.downs == 0 && mail.others == 0);
}
ACCEPT(case_12_after_unlink_nothing, case_12_main);

/* The same for one that does not trap: it lives, unless the signal came before the unlink. */
static struct {
    sp_pid peer;
    bool unlinked;
} parted;

static void parts(void *unused)
{
    (void)unused;
    sp_err err = sp_link(parted.peer);
    if (err == SP_OK)
        sp_unlink(parted.peer);
    parted.unlinked = true;
    accept_idle(NULL);
}

static void case_12_plain_main(void *unused)
{
    (void)unused;
    parted.unlinked = false;
    parted.peer = accept_spawn("b", ends_boom, NULL);
    sp_pid a = accept_spawn("a", parts, NULL);
    accept_settle();
    EXPECT(sp_is_alive(a) == parted.unlinked);
    sp_sometimes(!parted.unlinked, "it came before the unlink");
}
ACCEPT(case_12_unlinked_lives, case_12_plain_main);

/* Both sides link and unlink at will: at the end they agree, and so does the model. */
enum {
    PAIR_MOVES = 4,
    PAIR_SIZE = 3,
};

static struct {
    sp_pid pid[PAIR_SIZE];
    bool linked[PAIR_SIZE][PAIR_SIZE];
    bool gone[PAIR_SIZE];
    int done;
} pair;

static void pair_plays(void *arg)
{
    int me = *(int *)arg;
    sp_message_free(accept_next());
    for (int move = 0; move < PAIR_MOVES; move++) {
        int other = (me + 1 + (int)sp_choose(PAIR_SIZE - 1)) % PAIR_SIZE;
        if (sp_choose(2) == 0) {
            EXPECT(sp_link(pair.pid[other]) == SP_OK);
            pair.linked[me][other] = pair.linked[other][me] = true;
        } else {
            sp_unlink(pair.pid[other]);
            pair.linked[me][other] = pair.linked[other][me] = false;
        }
    }
    pair.done++;
    accept_idle(NULL);
}

static bool pair_dies(int who, int of)
{
    return who == of || pair.linked[of][who] ||
           (pair.linked[of][3 - who - of] && pair.linked[3 - who - of][who]);
}

static void case_12_pairs_main(void *unused)
{
    static int place[PAIR_SIZE] = { 0, 1, 2 };
    (void)unused;
    memset(&pair, 0, sizeof(pair));
    for (int i = 0; i < PAIR_SIZE; i++)
        pair.pid[i] = accept_spawn(NULL, pair_plays, &place[i]);
    for (int i = 0; i < PAIR_SIZE; i++)
        EXPECT(signal_word_send(pair.pid[i], &i) == SP_OK);
    accept_settle();
    EXPECT(pair.done == PAIR_SIZE);
    for (int i = 0; i < PAIR_SIZE; i++) {
        struct sp_process_info info;
        uint32_t links = 0;
        for (int j = 0; j < PAIR_SIZE; j++)
            links += pair.linked[i][j];
        EXPECT(sp_process_info(pair.pid[i], &info) == SP_OK && info.links == links);
    }
    int of = (int)sp_choose(PAIR_SIZE);
    EXPECT(sp_signal(pair.pid[of], sp_reason_error(SP_ERR_IO, "boom")) == SP_OK);
    accept_settle();
    for (int i = 0; i < PAIR_SIZE; i++)
        EXPECT(sp_is_alive(pair.pid[i]) == !pair_dies(i, of));
}
ACCEPT(case_12_links_are_symmetric, case_12_pairs_main);

/* ---- spawn with a link, with a monitor: no gap ---- */

static void dies_at_once(void *unused)
{
    (void)unused;
    accept_die("boom");
}

static void kills_child(void *unused)
{
    (void)unused;
    sp_pid pid;
    if (sp_whereis("child", &pid) == SP_OK)
        sp_ignore(sp_kill(pid));
}

static void spawn_link_main(void *unused)
{
    (void)unused;
    (void)accept_spawn("killer", kills_child, NULL);
    sp_monitor_ref ref;
    sp_pid pid;
    const struct sp_spawn_options options = { .name = "child", .link = true, .out_monitor = &ref };
    EXPECT(sp_spawn(dies_at_once, NULL, &options, &pid) == SP_OK);
    struct accept_mail mail = accept_mail_settled();
    EXPECT(mail.exits == 1 && mail.downs == 1 && mail.others == 0);
    EXPECT(sp_pid_equal(mail.from, pid));
    EXPECT(strcmp(mail.text, "boom") == 0 || strcmp(mail.text, "killed") == 0);
    sp_sometimes(strcmp(mail.text, "killed") == 0, "the child was killed as it was born");
}
ACCEPT(spawn_link_and_monitor_have_no_gap, spawn_link_main);

/* A parent that dies while it spawns linked children leaves none behind. */
static void parent_of_many(void *unused)
{
    (void)unused;
    const struct sp_spawn_options options = { .link = true };
    for (int i = 0; i < 4; i++)
        sp_ignore(sp_spawn(accept_idle, NULL, &options, NULL));
    accept_idle(NULL);
}

static void spawn_link_killed_main(void *unused)
{
    (void)unused;
    sp_pid parent = accept_spawn("parent", parent_of_many, NULL);
    if (sp_choose(2) != 0)
        sp_yield();
    EXPECT(sp_kill(parent) == SP_OK);
    accept_settle();
    EXPECT(accept_alone());
}
ACCEPT(spawn_link_leaves_no_orphan, spawn_link_killed_main);

/* ---- a signal does not overtake what its sender sent before (what it sends later may) ---- */

static struct {
    int seen;
} ordered;

static void hears(void *unused)
{
    (void)unused;
    (void)sp_trap_exit(true);
    for (int next = 0;; ordered.seen++) {
        struct sp_message *message = accept_next();
        const struct sp_exit_notice *notice = sp_message_exit(message);
        if (notice == NULL)
            EXPECT(*signal_word_of(message) == next++);
        else
            EXPECT(next >= 5 && accept_is(notice->reason, "stop it"));
        sp_message_free(message);
    }
}

static void talks(void *arg)
{
    sp_pid to = *(sp_pid *)arg;
    for (int i = 0; i < 5; i++)
        EXPECT(signal_word_send(to, &i) == SP_OK);
    EXPECT(sp_signal(to, sp_reason_error(SP_ERR_IO, "stop it")) == SP_OK);
    for (int i = 5; i < 8; i++)
        EXPECT(signal_word_send(to, &i) == SP_OK);
}

static void ordered_main(void *unused)
{
    (void)unused;
    ordered.seen = 0;
    sp_pid hearer = accept_spawn("hearer", hears, NULL);
    accept_settle();
    (void)accept_spawn("talker", talks, &hearer);
    accept_settle();
    EXPECT(ordered.seen == 9);
}
ACCEPT(signals_do_not_overtake_messages, ordered_main);
