/* Acceptance: names and groups, while those who have them come and go. */
#include "accept.h"

#include <stdio.h>

SP_MESSAGE(name_word, int);

enum {
    CLAIMERS = 3,
};

/* ---- case 45, 46: a model of two names, next to what happens ---- */

static struct {
    sp_pid owner[2];
    sp_pid pid[CLAIMERS];
    int heard;
} names;

static const char *const name_texts[2] = { "x", "y" };

static int names_of(sp_pid pid)
{
    return (sp_pid_equal(names.owner[0], pid) ? 1 : 0) +
           (sp_pid_equal(names.owner[1], pid) ? 1 : 0);
}

/* The owners live as long as the test, so the model is exact: each call acts at once when it is
 * back from its point. */
static void claims(void *arg)
{
    int me = *(int *)arg;
    sp_message_free(accept_next());
    for (int i = 0; i < 5; i++) {
        uint32_t which = sp_choose(2);
        sp_pid *owner = &names.owner[which];
        sp_pid target = names.pid[sp_choose(CLAIMERS)];
        sp_pid found;
        sp_err err;
        switch (sp_choose(3)) {
        case 0:
            err = sp_register(name_texts[which], target);
            EXPECT(err ==
                   (sp_pid_is_none(*owner) && names_of(target) == 0 ? SP_OK : SP_ERR_EXISTS));
            if (err == SP_OK)
                *owner = target;
            break;
        case 1:
            err = sp_unregister(name_texts[which]);
            EXPECT(err == (sp_pid_is_none(*owner) ? SP_ERR_NOTFOUND : SP_OK));
            *owner = SP_PID_NONE;
            break;
        default:
            err = sp_whereis(name_texts[which], &found);
            EXPECT(err == (sp_pid_is_none(*owner) ? SP_ERR_NOTFOUND : SP_OK));
            EXPECT(err != SP_OK || sp_pid_equal(found, *owner));
            break;
        }
    }
    (void)me;
    accept_idle(NULL);
}

static void names_main(void *unused)
{
    static int place[CLAIMERS] = { 0, 1, 2 };
    (void)unused;
    memset(&names, 0, sizeof(names));
    for (int i = 0; i < CLAIMERS; i++)
        names.pid[i] = accept_spawn(NULL, claims, &place[i]);
    for (int i = 0; i < CLAIMERS; i++)
        EXPECT(name_word_send(names.pid[i], &i) == SP_OK);
    accept_settle();
    EXPECT(sp_registered_count() ==
           1 + !sp_pid_is_none(names.owner[0]) + (size_t)!sp_pid_is_none(names.owner[1]));
}
ACCEPT(case_45_46_names_are_as_a_model_has_them, names_main);

/* ---- a name for who is dying: refused, or gone with it ---- */

static void ends_boom(void *unused)
{
    (void)unused;
    sp_yield();
    accept_die("boom");
}

static void names_it(void *arg)
{
    sp_pid pid = *(sp_pid *)arg;
    sp_err err = sp_register("n", pid);
    EXPECT(err == SP_OK || err == SP_ERR_NOPROC || err == SP_ERR_EXISTS);
    err = sp_group_join("g", pid);
    EXPECT(err == SP_OK || err == SP_ERR_NOPROC);
}

static void dying_main(void *unused)
{
    static sp_pid pid;
    (void)unused;
    pid = accept_spawn(NULL, ends_boom, NULL);
    sp_pid one = accept_spawn("one", names_it, &pid);
    sp_pid two = accept_spawn("two", names_it, &pid);
    accept_join(pid);
    sp_pid found;
    EXPECT(sp_whereis("n", &found) == SP_ERR_NOTFOUND && sp_group_members("g", NULL, 0) == 0);
    accept_join(one);
    accept_join(two);
    EXPECT(sp_register("n", accept_spawn(NULL, accept_idle, NULL)) == SP_OK);
    EXPECT(sp_group_count() == 0 && sp_registered_count() == 2);
    EXPECT(sp_unregister("n") == SP_OK);
}
ACCEPT(a_name_for_the_dying_goes_with_it, dying_main);

/* ---- case 48: joins are counted, under deaths ---- */

static struct {
    sp_pid pid[CLAIMERS];
    int joins[CLAIMERS];
    int sent;
    int heard;
} group;

static void member(void *unused)
{
    (void)unused;
    for (;;) {
        sp_message_free(accept_next());
        group.heard++;
    }
}

static void group_plays(void *unused)
{
    (void)unused;
    for (int i = 0; i < 5; i++) {
        uint32_t which = sp_choose(CLAIMERS);
        struct sp_broadcast counts;
        sp_err err;
        switch (sp_choose(4)) {
        case 0:
            err = sp_group_join("g", group.pid[which]);
            EXPECT(err == (group.joins[which] < 0 ? SP_ERR_NOPROC : SP_OK));
            group.joins[which] += err == SP_OK;
            break;
        case 1:
            err = sp_group_leave("g", group.pid[which]);
            EXPECT(err == (group.joins[which] > 0 ? SP_OK : SP_ERR_NOTMEMBER));
            group.joins[which] -= err == SP_OK;
            break;
        case 2:
            EXPECT(sp_group_send("g", &name_word_type, &(int){ 1 }, &counts) == SP_OK);
            group.sent += (int)counts.sent;
            break;
        default:
            EXPECT(sp_group_is_member("g", group.pid[which]) == (group.joins[which] > 0));
            break;
        }
    }
}

static void case_48_main(void *unused)
{
    (void)unused;
    memset(&group, 0, sizeof(group));
    for (int i = 0; i < CLAIMERS; i++)
        group.pid[i] = accept_spawn(NULL, member, NULL);
    if (sp_choose(2) != 0) {
        EXPECT(sp_kill(group.pid[0]) == SP_OK);
        accept_join(group.pid[0]);
        group.joins[0] = -1;
    }
    sp_pid one = accept_spawn("one", group_plays, NULL);
    sp_pid two = accept_spawn("two", group_plays, NULL);
    accept_join(one);
    accept_join(two);
    accept_settle();
    size_t members = 0;
    for (int i = 0; i < CLAIMERS; i++)
        members += group.joins[i] > 0;
    EXPECT(sp_group_members("g", NULL, 0) == members && sp_group_count() == (members > 0));
    EXPECT(group.heard == group.sent);
    for (int i = 0; i < CLAIMERS; i++)
        sp_ignore(sp_kill(group.pid[i]));
    for (int i = 0; i < CLAIMERS; i++)
        accept_join(group.pid[i]);
    EXPECT(sp_group_count() == 0);
}
ACCEPT(case_48_joins_are_counted, case_48_main);
