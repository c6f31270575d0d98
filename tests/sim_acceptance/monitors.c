/* Acceptance: monitors, and what is true when a DOWN is seen. */
#include "accept.h"

SP_MESSAGE(monitor_word, int);

static void returns(void *unused)
{
    (void)unused;
}

static void ends_boom(void *unused)
{
    (void)unused;
    sp_yield();
    accept_die("boom");
}

static void kills(void *arg)
{
    sp_ignore(sp_kill(*(sp_pid *)arg));
}

/* ---- case 14: the dead and the dying ---- */

static void case_14_main(void *unused)
{
    (void)unused;
    sp_monitor_ref ref;
    sp_pid pid = accept_spawn("b", ends_boom, NULL);
    sp_yield();
    EXPECT(sp_monitor(pid, &ref) == SP_OK);
    struct sp_message *message = accept_next();
    const struct sp_down *down = sp_message_down(message);
    EXPECT(down != NULL && down->ref.id == ref.id && sp_pid_equal(down->pid, pid));
    EXPECT(accept_is(down->reason, "boom") || accept_is(down->reason, "noproc"));
    sp_sometimes(accept_is(down->reason, "boom"), "monitored in time");
    sp_sometimes(accept_is(down->reason, "noproc"), "monitored too late");
    sp_message_free(message);
    EXPECT(!sp_is_alive(pid));
    EXPECT(monitor_word_send(pid, &(int){ 1 }) == SP_ERR_NOPROC);
    EXPECT(sp_monitor(pid, &ref) == SP_OK); /* dead for sure: at once */
    struct accept_mail mail = accept_mail_now();
    EXPECT(mail.downs == 1 && strcmp(mail.text, "noproc") == 0);
}
ACCEPT(case_14_monitor_of_the_dying, case_14_main);

/* ---- case 15: by name ---- */

static void case_15_main(void *unused)
{
    (void)unused;
    sp_monitor_ref ref;
    sp_pid pid = accept_spawn("b", ends_boom, NULL);
    sp_yield();
    EXPECT(sp_monitor_name("b", &ref) == SP_OK);
    struct sp_message *message = accept_next();
    const struct sp_down *down = sp_message_down(message);
    EXPECT(down != NULL && down->ref.id == ref.id && strcmp(down->name, "b") == 0);
    if (sp_pid_is_none(down->pid))
        EXPECT(accept_is(down->reason, "noproc"));
    else
        EXPECT(sp_pid_equal(down->pid, pid) &&
               (accept_is(down->reason, "boom") || accept_is(down->reason, "noproc")));
    sp_message_free(message);
    struct accept_mail mail = accept_mail_settled();
    EXPECT(mail.downs == 0);
}
ACCEPT(case_15_monitor_by_name, case_15_main);

/* ---- case 17, 18: each on its own; flush ---- */

enum {
    MANY = 4,
};

static void case_17_main(void *unused)
{
    (void)unused;
    sp_monitor_ref refs[MANY];
    bool gone[MANY] = { false };
    sp_pid pid = accept_spawn("b", ends_boom, NULL);
    for (int i = 0; i < MANY; i++)
        EXPECT(sp_monitor(pid, &refs[i]) == SP_OK);
    int expected = MANY;
    for (int i = 0; i < 2; i++) {
        int which = (int)sp_choose(MANY);
        enum sp_demonitor how = (enum sp_demonitor)sp_choose(2);
        bool active = sp_demonitor(refs[which], how);
        EXPECT(!(gone[which] && active));
        if (!gone[which] && (active || how == SP_DEMONITOR_FLUSH)) {
            gone[which] = true;
            expected--;
        }
        sp_yield();
    }
    struct sp_message *message;
    accept_settle();
    for (; sp_receive(sp_nowait(), &message) == SP_OK; expected--) {
        const struct sp_down *down = sp_message_down(message);
        EXPECT(down != NULL);
        for (int i = 0; i < MANY; i++)
            if (refs[i].id == down->ref.id) {
                EXPECT(!gone[i]);
                gone[i] = true;
            }
        sp_message_free(message);
    }
    EXPECT(expected == 0);
}
ACCEPT(case_17_18_monitors_are_independent, case_17_main);

/* ---- case 20: what was sent before comes before ---- */

static void sends_and_ends(void *arg)
{
    for (int i = 0; i < 5; i++)
        EXPECT(monitor_word_send(*(sp_pid *)arg, &i) == SP_OK);
    accept_die("boom");
}

static void case_20_main(void *unused)
{
    static sp_pid self;
    (void)unused;
    self = sp_self();
    sp_monitor_ref ref;
    sp_pid pid;
    const struct sp_spawn_options options = { .link = true, .out_monitor = &ref };
    EXPECT(sp_spawn(sends_and_ends, &self, &options, &pid) == SP_OK);
    if (sp_choose(2) != 0)
        (void)accept_spawn("killer", kills, &pid);
    int next = 0;
    int notices = 0;
    while (notices < 2) {
        struct sp_message *message = accept_next();
        int *word = monitor_word_of(message);
        EXPECT(word == NULL ? sp_message_from(message).serial != 0 : notices == 0);
        if (word == NULL)
            notices++;
        else
            EXPECT(*word == next++);
        sp_message_free(message);
    }
    struct accept_mail mail = accept_mail_settled();
    EXPECT(mail.downs + mail.exits + mail.others == 0);
}
ACCEPT(case_20_messages_before_the_end, case_20_main);

/* The same through the eyes of who looks for the DOWN only: the messages are there already. */
static bool is_down(const struct sp_message *message, void *arg)
{
    (void)arg;
    return sp_message_down(message) != NULL;
}

static void case_20_select_main(void *unused)
{
    static sp_pid self;
    (void)unused;
    self = sp_self();
    sp_monitor_ref ref;
    struct sp_message *message;
    const struct sp_spawn_options options = { .out_monitor = &ref };
    EXPECT(sp_spawn(sends_and_ends, &self, &options, NULL) == SP_OK);
    EXPECT(sp_receive_select(is_down, NULL, sp_never(), &message) == SP_OK);
    sp_message_free(message);
    for (int i = 0; i < 5; i++) {
        EXPECT(sp_receive(sp_nowait(), &message) == SP_OK);
        EXPECT(*monitor_word_of(message) == i);
        sp_message_free(message);
    }
}
ACCEPT(case_20_the_messages_are_there, case_20_select_main);

/* ---- case 21: the name, the groups, the pid: all free when the DOWN is seen ---- */

static void joins_and_ends(void *unused)
{
    (void)unused;
    sp_ignore(sp_group_join("g", sp_self()));
    sp_yield();
    accept_die("boom");
}

static void watches_the_name(void *arg)
{
    sp_pid pid = *(sp_pid *)arg;
    sp_monitor_ref ref;
    EXPECT(sp_monitor(pid, &ref) == SP_OK);
    struct sp_message *message = accept_next();
    EXPECT(sp_message_down(message) != NULL);
    sp_pid found;
    EXPECT(sp_whereis("n", &found) == SP_ERR_NOTFOUND || !sp_pid_equal(found, pid));
    EXPECT(!sp_is_alive(pid) && !sp_group_is_member("g", pid));
    EXPECT(sp_kill(pid) == SP_ERR_NOPROC);
    sp_message_free(message);
}

static void case_21_main(void *unused)
{
    static sp_pid pid;
    (void)unused;
    pid = accept_spawn("n", joins_and_ends, NULL);
    sp_monitor_ref ref;
    EXPECT(sp_monitor(pid, &ref) == SP_OK);
    (void)accept_spawn("w1", watches_the_name, &pid);
    (void)accept_spawn("w2", watches_the_name, &pid);
    (void)accept_spawn("killer", kills, &pid);
    struct sp_message *message = accept_next();
    EXPECT(sp_message_down(message) != NULL);
    EXPECT(sp_register("n", accept_spawn(NULL, accept_idle, NULL)) == SP_OK);
    EXPECT(sp_group_members("g", NULL, 0) == 0);
    sp_message_free(message);
    accept_settle();
}
ACCEPT(case_21_the_name_is_free_at_down, case_21_main);

/* ---- case 24: dead watchers leave nothing ---- */

static void watches_and_returns(void *arg)
{
    sp_pid pid = *(sp_pid *)arg;
    sp_monitor_ref ref;
    sp_ignore(sp_monitor(pid, &ref));
    sp_ignore(sp_link(pid));
}

static void case_24_main(void *unused)
{
    static sp_pid pid;
    (void)unused;
    pid = accept_spawn("b", accept_idle, NULL);
    sp_pid watchers[5];
    for (int i = 0; i < 5; i++)
        watchers[i] = accept_spawn(NULL, watches_and_returns, &pid);
    for (int i = 0; i < 5; i++)
        accept_join(watchers[i]);
    struct sp_process_info info;
    EXPECT(sp_process_info(pid, &info) == SP_OK);
    EXPECT(info.watchers == 0 && info.links == 0 && info.monitors == 0 && info.mailbox == 0);
}
ACCEPT(case_24_dead_watchers_leave_nothing, case_24_main);

/* ---- case 26: unwatched between the DOWN's arrival and its handling ---- */

static void case_26_main(void *unused)
{
    (void)unused;
    sp_monitor_ref ref;
    const struct sp_spawn_options options = { .out_monitor = &ref };
    EXPECT(sp_spawn(returns, NULL, &options, NULL) == SP_OK);
    if (sp_choose(2) != 0)
        sp_yield();
    bool active = sp_demonitor(ref, SP_DEMONITOR_FLUSH);
    sp_sometimes(active, "it lived when it was unwatched");
    sp_sometimes(!active, "it was dead when it was unwatched");
    struct accept_mail mail = accept_mail_settled();
    EXPECT(mail.downs == 0);
}
ACCEPT(case_26_flushed_between_arrival_and_handling, case_26_main);

/* ---- two who watch each other, and the joiner ---- */

static struct {
    sp_pid other[2];
    int downs;
} mutual;

static void mutual_player(void *arg)
{
    int me = *(int *)arg;
    sp_monitor_ref ref;
    sp_message_free(accept_next());
    EXPECT(sp_monitor(mutual.other[me], &ref) == SP_OK);
    if (me == 0)
        accept_die("boom");
    struct sp_message *message = accept_next();
    const struct sp_down *down = sp_message_down(message);
    EXPECT(down != NULL && down->ref.id == ref.id);
    mutual.downs++;
    sp_message_free(message);
}

static void mutual_main(void *unused)
{
    static int place[2] = { 0, 1 };
    (void)unused;
    mutual.downs = 0;
    for (int i = 0; i < 2; i++)
        mutual.other[1 - i] = accept_spawn(NULL, mutual_player, &place[i]);
    for (int i = 0; i < 2; i++)
        EXPECT(monitor_word_send(mutual.other[i], &i) == SP_OK);
    accept_join(mutual.other[0]);
    accept_join(mutual.other[1]);
    EXPECT(mutual.downs == 1);
}
ACCEPT(two_who_watch_each_other, mutual_main);

/* A join that gives up at the moment of the end has either the reason or TIMEOUT, and leaves
 * nothing. */
static void join_deadline_main(void *unused)
{
    (void)unused;
    sp_pid pid = accept_spawn("b", ends_boom, NULL);
    const struct sp_reason *reason = NULL;
    sp_err err = sp_join(pid, sp_after_ms(1), &reason);
    if (err == SP_OK)
        EXPECT(accept_is(reason, "boom") || accept_is(reason, "noproc"));
    else
        EXPECT(err == SP_ERR_TIMEOUT && reason == NULL);
    sp_reason_unref(reason);
    sp_sometimes(err == SP_OK, "it ended in time");
    sp_sometimes(err == SP_ERR_TIMEOUT, "it did not end in time");
    err = sp_stop(pid, NULL, sp_after_ms(1));
    EXPECT(err == SP_OK || err == SP_ERR_TIMEOUT || err == SP_ERR_NOPROC);
    EXPECT(err == SP_ERR_TIMEOUT || !sp_is_alive(pid));
    accept_join(pid);
    struct accept_mail mail = accept_mail_now();
    EXPECT(mail.downs + mail.exits + mail.others == 0);
}
ACCEPT(a_join_that_gives_up_leaves_nothing, join_deadline_main, .abstract_time = true);
